//! The DROP commands of `-c`, and where IF EXISTS goes in them.

use super::large_objects_of;
use super::print::Printer;
use crate::emit::Entry;

impl Printer<'_> {
    /// Prints the command that drops what the entry creates.
    pub(super) fn drop(&mut self, entry: &Entry) {
        let options = self.setting.options;
        // With -C the database goes as a whole; until it is there again we are in another one.
        let whole = matches!(entry.desc, "DATABASE" | "DATABASE PROPERTIES");
        let Some(drop) = entry.drop.as_ref().filter(|_| whole || !options.create) else { return };
        self.become_owner(entry);
        if entry.desc == "BLOB METADATA" {
            for oid in large_objects_of(entry) {
                self.out.push_str(&unlink(oid, options.if_exists));
            }
            self.out.push('\n');
        } else if !options.if_exists || drop.starts_with("--") {
            self.out.push_str(drop);
        } else if entry.desc == "BLOB" {
            self.out.push_str(&unlink(entry.catalog_id.oid, true));
        } else {
            self.out.push_str(&if_exists(entry.desc, drop));
        }
    }
}

fn unlink(oid: crate::catalog::Oid, if_exists: bool) -> String {
    if if_exists {
        format!(
            "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = '{oid}';\n"
        )
    } else {
        format!("SELECT pg_catalog.lo_unlink('{oid}');\n")
    }
}

/// Puts IF EXISTS where the command takes it.
fn if_exists(desc: &str, drop: &str) -> String {
    if drop.is_empty() {
        return String::new();
    }
    let (start, rest) = match drop.strip_prefix("ALTER TABLE") {
        Some(rest) => ("ALTER TABLE IF EXISTS", rest),
        None => ("", drop),
    };
    // DROP DEFAULT knows no IF EXISTS, and what is no DROP needs none.
    if matches!(desc, "DEFAULT" | "DATABASE PROPERTIES") || rest.starts_with("CREATE OR REPLACE VIEW") {
        return format!("{start}{rest}");
    }
    let verb =
        if desc.ends_with("CONSTRAINT") { "DROP CONSTRAINT".to_owned() } else { format!("DROP {desc}") };
    match rest.split_once(&verb) {
        Some((before, after)) => format!("{start}{before}{verb} IF EXISTS{after}"),
        None => format!("{start}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::if_exists;

    #[test]
    fn if_exists_goes_where_it_may() {
        for (desc, drop, expected) in [
            ("TABLE", "DROP TABLE a;\n", "DROP TABLE IF EXISTS a;\n"),
            (
                "FK CONSTRAINT",
                "ALTER TABLE ONLY a DROP CONSTRAINT b;\n",
                "ALTER TABLE IF EXISTS ONLY a DROP CONSTRAINT IF EXISTS b;\n",
            ),
            (
                "DEFAULT",
                "ALTER TABLE a ALTER COLUMN b DROP DEFAULT;\n",
                "ALTER TABLE IF EXISTS a ALTER COLUMN b DROP DEFAULT;\n",
            ),
            ("RULE", "CREATE OR REPLACE VIEW v AS\nSELECT;\n", "CREATE OR REPLACE VIEW v AS\nSELECT;\n"),
            (
                "CHECK CONSTRAINT",
                "ALTER DOMAIN d DROP CONSTRAINT c;\n",
                "ALTER DOMAIN d DROP CONSTRAINT IF EXISTS c;\n",
            ),
        ] {
            assert_eq!(if_exists(desc, drop), expected);
        }
    }
}
