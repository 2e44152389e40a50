//! Data: rows and large objects.

use super::{Column, World, literal};

pub(super) fn insert(w: &mut World) {
    let Some(r) = w.relation("rrrp") else { return };
    let columns: Vec<Column> =
        r.columns.iter().filter(|c| !c.is_generated && !c.is_identity).cloned().collect();
    if columns.is_empty() {
        w.run(format!("INSERT INTO {} DEFAULT VALUES", r.name));
        return;
    }
    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    let mut rows = Vec::new();
    for _ in 0..=w.below(4) {
        let values: Vec<String> = columns
            .iter()
            .map(|c| match w.below(8) {
                0 => "NULL".to_owned(),
                1 => "DEFAULT".to_owned(),
                _ => {
                    let value = w.value(&c.of.shape);
                    literal(&value)
                }
            })
            .collect();
        rows.push(format!("({})", values.join(", ")));
    }
    // In replica mode, neither foreign keys nor triggers interfere.
    w.run(format!(
        "SET session_replication_role = replica \\; INSERT INTO {} ({}) VALUES {} \\; RESET session_replication_role",
        r.name, names.join(", "), rows.join(", ")
    ));
}

pub(super) fn large_object(w: &mut World) {
    w.large_objects += 1;
    let oid = 60_000 + w.large_objects * (1 + w.below(2) as u32);
    let data = w.pick(&["\\x", "\\x00ff5c27", "\\xdeadbeef", "abc''d"]);
    let times = w.pick(&["1", "1", "9000"]);
    w.run(format!("SELECT lo_from_bytea({oid}, convert_to(repeat('{data}', {times}), 'UTF8'))"));
    let identity = format!("LARGE OBJECT {oid}");
    w.handle(&identity, &identity, &["SELECT", "UPDATE", "ALL"]);
}
