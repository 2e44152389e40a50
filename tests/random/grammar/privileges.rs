//! Comments, owners and privileges.

use super::{Handle, World, literal};

const TEXTS: &[&str] =
    &["a comment", "it's", "back\\slash", "two\nlines", "ünï☃", "$$", "-- x", "", "\\restrict x", "cr\r\nlf"];

impl World {
    fn any(&mut self, fits: impl Fn(&Handle) -> bool) -> Option<Handle> {
        let all: Vec<Handle> = self.handles.iter().filter(|h| fits(h)).cloned().collect();
        (!all.is_empty()).then(|| self.pick(&all))
    }

    fn grantee(&mut self) -> String {
        if self.chance(20) { "PUBLIC".to_owned() } else { self.role() }
    }

    /// A grant or revoke of some of these privileges.
    fn privileges_on(&mut self, of: &'static [&'static str]) -> String {
        let list = self.some(of, 3);
        if list.contains(&"ALL") { "ALL".to_owned() } else { list.join(", ") }
    }
}

pub(super) fn comment(w: &mut World) {
    let target = match w.any(|h| h.comment.is_some()).and_then(|h| h.comment) {
        Some(_) if w.chance(5) => "SCHEMA public".to_owned(),
        Some(target) => target,
        None => return,
    };
    let text = w.pick(TEXTS);
    w.run(format!("COMMENT ON {target} IS {}", literal(text)));
}

pub(super) fn owner(w: &mut World) {
    let target = match w.any(|h| h.owner.is_some()).and_then(|h| h.owner) {
        Some(_) if w.chance(4) => "SCHEMA public".to_owned(),
        Some(target) => target,
        None => return,
    };
    let role = if w.chance(10) { "CURRENT_USER".to_owned() } else { w.role() };
    w.run(format!("ALTER {target} OWNER TO {role}"));
}

pub(super) fn grant(w: &mut World) {
    let Some((target, of)) = w.any(|h| h.grant.is_some()).and_then(|h| h.grant) else { return };
    let (target, of): (String, &'static [&'static str]) =
        if w.chance(4) { ("SCHEMA public".to_owned(), &["USAGE", "CREATE"]) } else { (target, of) };
    let list = w.privileges_on(of);
    let grantee = w.grantee();
    let option = if grantee == "PUBLIC" { "" } else { w.maybe(35, " WITH GRANT OPTION") };
    w.run(format!("GRANT {list} ON {target} TO {grantee}{option}"));
}

pub(super) fn revoke(w: &mut World) {
    let Some((target, of)) = w.any(|h| h.grant.is_some()).and_then(|h| h.grant) else { return };
    let (target, of): (String, &'static [&'static str]) =
        if w.chance(4) { ("SCHEMA public".to_owned(), &["USAGE", "CREATE"]) } else { (target, of) };
    let list = w.privileges_on(of);
    let from = match w.below(4) {
        0 | 1 => "PUBLIC".to_owned(),
        2 => "CURRENT_USER".to_owned(),
        _ => w.role(),
    };
    let option = if from == "PUBLIC" { "" } else { w.maybe(20, "GRANT OPTION FOR ") };
    w.run(format!("REVOKE {option}{list} ON {target} FROM {from} CASCADE"));
}

/// A chain: one role grants what it was granted.
pub(super) fn grant_by_another(w: &mut World) {
    let Some((target, of)) = w.any(|h| h.grant.is_some()).and_then(|h| h.grant) else { return };
    // From 17 on, pg_dump's own text for that is not valid SQL ("SET SESSION AUTHORIZATION
    // role60001(null)").
    if target.starts_with("LARGE OBJECT") {
        return;
    }
    let privilege = w.pick(of);
    let (first, second) = (w.role(), w.role());
    let grantee = w.grantee();
    w.run(format!("GRANT {privilege} ON {target} TO {first}, {second} WITH GRANT OPTION"));
    let option = if grantee == "PUBLIC" { "" } else { w.maybe(40, " WITH GRANT OPTION") };
    w.run(format!("SET ROLE {first} \\; GRANT {privilege} ON {target} TO {grantee}{option} \\; RESET ROLE"));
    if w.chance(40) {
        w.run(format!("SET ROLE {second} \\; GRANT {privilege} ON {target} TO {grantee} \\; RESET ROLE"));
    }
}

pub(super) fn column_grant(w: &mut World) {
    let Some(r) = w.relation("rpvmf") else { return };
    let columns: Vec<String> = w.some(&r.columns, 2).into_iter().map(|c| c.name).collect();
    let list = columns.join(", ");
    let of = w.some(&["SELECT", "INSERT", "UPDATE", "REFERENCES"], 2);
    let privileges: Vec<String> = of.iter().map(|p| format!("{p} ({list})")).collect();
    let grantee = w.grantee();
    let option = if grantee == "PUBLIC" { "" } else { w.maybe(30, " WITH GRANT OPTION") };
    w.run(format!("GRANT {} ON {} TO {grantee}{option}", privileges.join(", "), r.name));
    if !option.is_empty() && w.chance(50) {
        let other = w.grantee();
        w.run(format!(
            "SET ROLE {grantee} \\; GRANT {} ON {} TO {other} \\; RESET ROLE",
            privileges.join(", "),
            r.name
        ));
    }
}

pub(super) fn default(w: &mut World) {
    let role = if w.chance(20) { "CURRENT_USER".to_owned() } else { w.role() };
    let schema = if w.chance(50) { format!(" IN SCHEMA {}", w.schema()) } else { String::new() };
    let mut what: Vec<(&str, &'static [&'static str])> = vec![
        ("TABLES", &["SELECT", "INSERT", "ALL"]),
        ("SEQUENCES", &["USAGE", "SELECT", "ALL"]),
        ("FUNCTIONS", &["EXECUTE"]),
        ("TYPES", &["USAGE"]),
    ];
    if schema.is_empty() {
        what.push(("SCHEMAS", &["USAGE", "CREATE", "ALL"]));
        if w.major >= 18 {
            what.push(("LARGE OBJECTS", &["SELECT", "UPDATE"]));
        }
    }
    let (kind, of) = w.pick(&what);
    let list = w.privileges_on(of);
    let grantee = w.grantee();
    let sql = if w.chance(70) {
        let option = if grantee == "PUBLIC" { "" } else { w.maybe(30, " WITH GRANT OPTION") };
        format!("GRANT {list} ON {kind} TO {grantee}{option}")
    } else {
        format!("REVOKE {list} ON {kind} FROM {grantee}")
    };
    w.run(format!("ALTER DEFAULT PRIVILEGES FOR ROLE {role}{schema} {sql}"));
}

/// What belongs to the database itself, and is only dumped with `-C`.
pub(super) fn database(w: &mut World) {
    let role = w.role();
    let setting = w.pick(&[
        "SET work_mem = '3MB'",
        "SET datestyle = 'iso, dmy'",
        "SET search_path = \"odd one\", public",
        "SET rnd.x = 'a''b\\c'",
        "SET timezone = 'Asia/Tokyo'",
        "SET bytea_output = 'escape'",
        "SET intervalstyle = 'iso_8601'",
        "SET standard_conforming_strings = off",
        "SET quote_all_identifiers = on",
        "SET default_transaction_read_only = on",
        "SET array_nulls = off",
        "SET temp_tablespaces = ''",
    ]);
    let sql = match w.below(6) {
        0 => format!("ALTER DATABASE :\"DBNAME\" {setting}"),
        1 => format!("ALTER ROLE {role} IN DATABASE :\"DBNAME\" {setting}"),
        2 => format!("GRANT CREATE, CONNECT ON DATABASE :\"DBNAME\" TO {role} WITH GRANT OPTION"),
        3 => "REVOKE CONNECT ON DATABASE :\"DBNAME\" FROM PUBLIC".to_owned(),
        4 => format!("COMMENT ON DATABASE :\"DBNAME\" IS {}", literal(w.pick(TEXTS))),
        _ => format!(
            "ALTER DATABASE :\"DBNAME\" {}",
            w.pick(&["CONNECTION LIMIT 50", "OWNER TO CURRENT_USER"])
        ),
    };
    w.run(sql);
}
