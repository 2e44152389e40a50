//! Foreign data wrappers, servers, user mappings and tables.

use super::{Relation, World};

const OPTIONS: &[&str] =
    &[" OPTIONS (host 'a b', \"Odd Opt\" 'it''s')", " OPTIONS (a 'back\\slash', b '')", ""];

pub(super) fn server(w: &mut World) {
    if w.wrappers.is_empty() || w.chance(30) {
        let name = w.fresh("wrapper");
        let options = w.pick(OPTIONS);
        w.run(format!("CREATE FOREIGN DATA WRAPPER {name}{options}"));
        let identity = format!("FOREIGN DATA WRAPPER {name}");
        // Its owner must be a superuser.
        w.handles.push(super::Handle {
            comment: Some(identity.clone()),
            owner: None,
            grant: Some((identity, &["USAGE"])),
        });
        w.wrappers.push(name);
    }
    let wrappers = w.wrappers.clone();
    let wrapper = w.pick(&wrappers);
    let name = w.fresh("server");
    let options = w.pick(OPTIONS);
    let version = w.pick(&["", " TYPE 'o''r'", " VERSION '8\\i'", " TYPE 'x' VERSION 'y'"]);
    w.run(format!("CREATE SERVER {name}{version} FOREIGN DATA WRAPPER {wrapper}{options}"));
    w.handles.push(super::Handle {
        comment: Some(format!("SERVER {name}")),
        owner: Some(format!("SERVER {name}")),
        grant: Some((format!("FOREIGN SERVER {name}"), &["USAGE"])),
    });
    for _ in 0..w.below(3) {
        let user = if w.chance(30) { "PUBLIC".to_owned() } else { w.role() };
        let options = w.pick(OPTIONS);
        w.run(format!("CREATE USER MAPPING FOR {user} SERVER {name}{options}"));
    }
    w.servers.push(name);
}

/// A wrapper that can connect, and a server that a subscription can use.
pub(super) fn connecting_server(w: &mut World) {
    let schema = w.schema();
    let (wrapper, server) = (w.fresh("wrapper"), w.fresh("server"));
    w.run("CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public".to_owned());
    w.run(format!("CREATE FUNCTION {schema}.connects(oid, oid, internal) RETURNS text LANGUAGE c AS '$libdir/postgres_fdw', 'postgres_fdw_connection'"));
    w.run(format!("CREATE FOREIGN DATA WRAPPER {wrapper} CONNECTION {schema}.connects"));
    let of = if w.chance(30) { wrapper } else { "postgres_fdw".to_owned() };
    w.run(format!("CREATE SERVER {server} FOREIGN DATA WRAPPER {of}"));
    w.run(format!("CREATE USER MAPPING FOR PUBLIC SERVER {server}"));
    w.connecting_server = Some(server);
}

pub(super) fn table(w: &mut World) {
    if w.servers.is_empty() {
        server(w);
    }
    let servers = w.servers.clone();
    let server = w.pick(&servers);
    let (schema, bare, name) = w.place("relation");
    let count = 1 + w.below(4);
    let (columns, written) = w.columns(count, true);
    let mut list: Vec<String> = Vec::new();
    for (column, sql) in columns.iter().zip(&written) {
        let head = format!("{} {}", column.name, column.of.sql);
        let tail = sql.strip_prefix(&head).unwrap_or_default();
        let options = if w.chance(30) { " OPTIONS (\"Y y\" '2', x 'it''s')" } else { "" };
        list.push(format!("{head}{options}{tail}"));
    }
    if w.chance(25) {
        list.push(w.check(&name, &columns));
    }
    let options = w.pick(OPTIONS);
    w.run(format!("CREATE FOREIGN TABLE {name} ({}) SERVER {server}{options}", list.join(", ")));
    let relation = Relation::new(schema, bare, columns, 'f');
    w.remember(relation);
}
