//! Decides whether two dumps are of the same database.
//!
//! The rows of each table must be the same set, and the statements must be the same, except where the
//! server itself rewrites what it is given. Such a statement is only a remark:
//!
//! * `= ANY ((ARRAY['a'::character varying])::text[])` is dumped again with the cast on each element;
//! * columns are in another order after a late `ALTER TABLE … INHERIT`, or `ATTACH PARTITION`;
//! * PostgreSQL 18 chooses other names for not-null constraints of tables made by `LIKE`;
//! * points in time are in the server's time zone;
//! * autovacuum changes statistics.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use bytes::Bytes;
use regex::Regex;

use super::BackupContents;
use super::inspect::Rows;
use super::instants::without_time_zone;
use super::names::parts;
use crate::error::{Error, ErrorKind, Result};
use crate::pg::text::decode;
use crate::restore::statement::abbreviated;

/// How many differences an error lists.
const NAMED: usize = 5;

/// Observations that are not errors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Full sentences for people.
    pub remarks: Vec<String>,
}

static CAST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let type_name = r#"(?:"[^"]+"|[a-z_0-9]+)(?:\.(?:"[^"]+"|[a-z_0-9]+))?(?: varying| precision| with(?:out)? time zone)?"#;
    Regex::new(&format!(r"::{type_name}(?:\([0-9, ]+\))?(?:\[\])*")).ok()
});
static NAMED_NOT_NULL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"CONSTRAINT (?:"(?:[^"]|"")+"|[a-z_0-9$]+) NOT NULL"#).ok());

/// The beginning of a statement that restores statistics.
const STATISTICS: &[u8] = b"SELECT * FROM pg_catalog.pg_restore_";

/// Compares the backup with a dump of the database restored from it.
///
/// # Errors
/// `Damaged` names what differs.
pub(super) fn compare(backup: &BackupContents, restored: &BackupContents) -> Result<Comparison> {
    let mut comparison = Comparison::default();
    let mut differences = Vec::new();
    if backup.inserts == 0 {
        compare_rows(backup, restored, &mut comparison, &mut differences);
    } else {
        comparison
            .remarks
            .push("its rows are INSERT commands: they were restored, but not compared".to_owned());
    }
    if (backup.large_objects, backup.large_objects_digest)
        != (restored.large_objects, restored.large_objects_digest)
    {
        differences.push(format!(
            "the large objects differ ({} in the backup, {} restored)",
            backup.large_objects, restored.large_objects
        ));
    }
    if backup.major() == restored.major() {
        compare_statements(backup, restored, &mut comparison, &mut differences);
    } else {
        comparison.remarks.push(format!(
            "the schema was not compared: the backup is from PostgreSQL {}, and was restored to {}",
            backup.server_version.as_deref().unwrap_or("unknown"),
            restored.server_version.as_deref().unwrap_or("unknown")
        ));
    }
    if differences.is_empty() {
        return Ok(comparison);
    }
    let more = differences.len().saturating_sub(NAMED);
    differences.truncate(NAMED);
    let mut why = differences.join("; ");
    if more > 0 {
        why.push_str(&format!("; and {more} more differences"));
    }
    Err(Error::new(ErrorKind::Damaged, format!("compare {} with what it restores to", backup.location))
        .because(why))
}

/// The rows of one table, collected from the whole dump.
struct Total<'a> {
    name: &'a str,
    rows: u64,
    digest: u128,
    lists_columns: bool,
}

/// Tables by resolved name.
fn totals(contents: &BackupContents) -> BTreeMap<Vec<String>, Total<'_>> {
    let mut totals = BTreeMap::new();
    for Rows { contents, digest, lists_columns } in &contents.relations {
        let empty = Total { name: &contents.name, rows: 0, digest: 0, lists_columns: *lists_columns };
        let total = totals.entry(parts(&contents.name)).or_insert(empty);
        total.rows += contents.rows;
        total.digest = total.digest.wrapping_add(*digest);
        total.lists_columns &= lists_columns;
    }
    totals
}

fn compare_rows(
    backup: &BackupContents,
    restored: &BackupContents,
    comparison: &mut Comparison,
    differences: &mut Vec<String>,
) {
    let mut others = totals(restored);
    for (key, Total { name, rows: count, digest, lists_columns }) in totals(backup) {
        match others.remove(&key) {
            Some(other) if other.rows != count => differences.push(format!(
                "table {name} has {} rows after the restore, but {count} in the backup",
                other.rows
            )),
            // Without a column list, values cannot be assigned to columns.
            Some(other) if other.lists_columns != lists_columns => comparison.remarks.push(format!(
                "the rows of table {name} were counted, but not compared: its COPY lists no columns"
            )),
            Some(other) if other.digest != digest => {
                differences.push(format!("the rows of table {name} differ from the backup"));
            }
            Some(_) => {}
            None if count == 0 => {}
            None => differences.push(format!("table {name} was not restored")),
        }
    }
    // Rows deliberately left out of the dump leave an empty table.
    let filled = others.values().filter(|other| other.rows > 0);
    differences.extend(
        filled
            .map(|other| format!("table {} is not in the backup, but exists after the restore", other.name)),
    );
}

fn compare_statements(
    backup: &BackupContents,
    restored: &BackupContents,
    comparison: &mut Comparison,
    differences: &mut Vec<String>,
) {
    let (missing, added) = without_common(&backup.statements, &restored.statements);
    if missing.is_empty() && added.is_empty() {
        if backup.statements != restored.statements {
            comparison.remarks.push("the restored objects are dumped in another order".to_owned());
        }
        return;
    }
    let is_schema = |statement: &&Bytes| !statement.starts_with(STATISTICS);
    let of_all = missing.len().max(added.len());
    let missing: Vec<&Bytes> = missing.into_iter().filter(is_schema).collect();
    let added: Vec<&Bytes> = added.into_iter().filter(is_schema).collect();
    if missing.len().max(added.len()) < of_all {
        comparison.remarks.push("the statistics changed, as autovacuum changes them".to_owned());
    }
    // The remaining statements are matched by the parts that the server does not change.
    let mut by_form: BTreeMap<Vec<String>, Vec<&Bytes>> = BTreeMap::new();
    for statement in &added {
        by_form.entry(normal_form(statement)).or_default().push(statement);
    }
    for statement in missing {
        match by_form.get_mut(&normal_form(statement)).and_then(Vec::pop) {
            Some(_) => comparison
                .remarks
                .push(format!("written differently by the server: {}", abbreviated(statement))),
            None => differences.push(format!("differs after the restore: {}", abbreviated(statement))),
        }
    }
    let rest = by_form.into_values().flatten();
    differences
        .extend(rest.map(|statement| format!("exists only after the restore: {}", abbreviated(statement))));
}

/// Returns what is only in the left and only in the right, counting duplicates.
fn without_common<'a>(left: &'a [Bytes], right: &'a [Bytes]) -> (Vec<&'a Bytes>, Vec<&'a Bytes>) {
    let mut counts: HashMap<&Bytes, i64> = HashMap::new();
    for statement in right {
        *counts.entry(statement).or_default() += 1;
    }
    let mut take = |statement: &&'a Bytes| {
        let count = counts.entry(statement).or_default();
        *count -= 1;
        *count < 0
    };
    let missing: Vec<&Bytes> = left.iter().filter(&mut take).collect();
    let mut added = Vec::new();
    for statement in right {
        let count = counts.entry(statement).or_default();
        if *count > 0 {
            *count -= 1;
            added.push(statement);
        }
    }
    (missing, added)
}

/// The lines of a statement without what the server may rewrite.
fn normal_form(statement: &[u8]) -> Vec<String> {
    let mut text = decode(&without_time_zone(statement));
    if let Some(named) = NAMED_NOT_NULL.as_ref() {
        text = named.replace_all(&text, "NOT NULL").into_owned();
    }
    // Only here does the server move casts, and parentheses with them.
    if text.contains("ARRAY[")
        && let Some(cast) = CAST.as_ref()
    {
        text = cast.replace_all(&text, "").replace(['(', ')'], "");
    }
    let mut lines: Vec<String> =
        text.lines().map(|line| line.trim().trim_end_matches(',').to_owned()).collect();
    if text.starts_with("CREATE TABLE ") || text.starts_with("CREATE UNLOGGED TABLE ") {
        lines.sort_unstable();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::manifest::RelationContents;

    fn contents(statements: &[&str], rows: &[(&str, u64, u128)]) -> BackupContents {
        let rows = rows.iter().map(|(name, count, digest)| Rows {
            contents: RelationContents { name: (*name).to_owned(), rows: *count, text_bytes: 0 },
            digest: *digest,
            lists_columns: true,
        });
        BackupContents {
            statements: statements.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect(),
            relations: rows.collect(),
            server_version: Some("18.6".into()),
            ..BackupContents::default()
        }
    }

    #[test]
    fn what_the_server_spells_anew_is_a_remark() {
        for (before, after) in [
            (
                "CHECK (((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])));",
                "CHECK (((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])));",
            ),
            (
                "CREATE TABLE t (\n    a integer,\n    b text\n);",
                "CREATE TABLE t (\n    b text,\n    a integer\n);",
            ),
            (
                "ATTACH PARTITION t FOR VALUES FROM ('2025-01-08 05:00:00+01') TO (MAXVALUE);",
                "ATTACH PARTITION t FOR VALUES FROM ('2025-01-08 04:00:00+00') TO (MAXVALUE);",
            ),
            (
                "SELECT * FROM pg_catalog.pg_restore_relation_stats('relpages', '1'::integer);",
                "SELECT * FROM pg_catalog.pg_restore_relation_stats('relpages', '2'::integer);",
            ),
            (
                "CREATE TABLE t (\n    a integer CONSTRAINT x_a_not_null NOT NULL\n);",
                "CREATE TABLE t (\n    a integer NOT NULL\n);",
            ),
        ] {
            let found = compare(&contents(&[before], &[]), &contents(&[after], &[])).unwrap();
            assert_eq!(found.remarks.len(), 1, "{before}");
        }
        let found = compare(&contents(&["A;", "B;"], &[]), &contents(&["B;", "A;"], &[])).unwrap();
        assert_eq!(found.remarks.len(), 1);
        let same = contents(&["A;", "A;"], &[("t", 1, 2)]);
        assert_eq!(compare(&same, &same).unwrap(), Comparison::default());
    }

    #[test]
    fn anything_else_is_named() {
        for (before, after, says) in [
            (
                contents(&["CREATE TABLE t;"], &[]),
                contents(&[], &[]),
                "differs after the restore: CREATE TABLE t;",
            ),
            (
                contents(&[], &[]),
                contents(&["CREATE TABLE t;"], &[]),
                "exists only after the restore: CREATE TABLE t;",
            ),
            (contents(&["A;", "A;"], &[]), contents(&["A;"], &[]), "differs after the restore: A;"),
            (contents(&["CHECK ((a + b) * c);"], &[]), contents(&["CHECK (a + (b * c));"], &[]), "CHECK"),
            (
                contents(&[], &[("t", 2, 1)]),
                contents(&[], &[("t", 1, 1)]),
                "table t has 1 rows after the restore, but 2",
            ),
            (contents(&[], &[("t", 2, 1)]), contents(&[], &[("t", 2, 2)]), "the rows of table t differ"),
            (contents(&[], &[("t", 2, 1)]), contents(&[], &[]), "table t was not restored"),
            (contents(&[], &[]), contents(&[], &[("t", 2, 1)]), "table t is not in the backup"),
        ] {
            let error = compare(&before, &after).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
            assert!(error.report().contains(says), "{error:?}");
        }
    }

    #[test]
    fn the_same_names_may_be_written_and_grouped_differently() {
        let before =
            contents(&[], &[("public.clerk", 1, 5), ("\"a\".\"User\"", 2, 7), ("public.clerk", 1, 4)]);
        let after = contents(&[], &[("a.\"User\"", 2, 7), ("public.clerk", 2, 9)]);
        assert_eq!(compare(&before, &after).unwrap(), Comparison::default());
        let other = contents(&[], &[("a.\"user\"", 2, 7), ("public.clerk", 2, 9)]);
        assert!(compare(&before, &other).is_err());
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let mut before = contents(&[], &[("t", 2, 1)]);
        before.relations[0].lists_columns = false;
        let found = compare(&before, &contents(&[], &[("t", 2, 2)])).unwrap();
        assert!(found.remarks[0].contains("lists no columns"), "{found:?}");
        assert!(compare(&before, &contents(&[], &[("t", 3, 2)])).is_err());
    }

    #[test]
    fn another_major_has_another_text() {
        let mut other = contents(&["B;"], &[("t", 1, 1)]);
        other.server_version = Some("17.2".into());
        let found = compare(&contents(&["A;"], &[("t", 1, 1)]), &other).unwrap();
        assert!(found.remarks[0].contains("18.6") && found.remarks[0].contains("17.2"));
    }
}
