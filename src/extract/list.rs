//! Lists of entries, as `pg_restore -l` prints them and `pg_restore -L` reads them.

use crate::error::{Error, ErrorKind, Result};
use crate::index::{Index, IndexEntry};

/// The line of an entry: dump id, catalog, OID, kind, namespace, name and owner.
fn line(entry: &IndexEntry) -> String {
    let namespace = if entry.namespace.is_empty() { "-" } else { &entry.namespace };
    let line = format!(
        "{}; {} {} {} {namespace} {} {}",
        entry.dump_id, entry.classoid, entry.oid, entry.kind, entry.tag, entry.owner
    );
    // A name cannot begin a line of its own.
    line.replace(['\n', '\r'], " ") + "\n"
}

/// The lines of these entries.
pub fn list(index: &Index, chosen: &[usize]) -> String {
    chosen.iter().filter_map(|number| index.entries.get(*number)).map(line).collect()
}

/// The dump ids that a list names, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UseList(pub Vec<u32>);

impl UseList {
    /// Reads a list: each line begins with a dump id. What follows a semicolon is a comment, and so is a line that
    /// begins with one.
    ///
    /// # Errors
    /// `Usage` names the first line that begins with something else.
    pub fn parse(text: &str) -> Result<Self> {
        let mut ids = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let wanted = line.split(';').next().unwrap_or_default().trim();
            if wanted.is_empty() {
                continue;
            }
            let id = wanted.parse().map_err(|_| {
                Error::new(ErrorKind::Usage, format!("read line {} of the list", number + 1))
                    .because(format!("\"{wanted}\" is not a dump id"))
                    .hint("the list must look like the output of pgsiphon contents; `;` begins a comment")
            })?;
            ids.push(id);
        }
        Ok(UseList(ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_in_its_order() {
        let entry = |dump_id, tag: &str, namespace: &str| IndexEntry {
            dump_id,
            kind: "TABLE".into(),
            classoid: 1259,
            oid: 16_390,
            namespace: namespace.into(),
            tag: tag.into(),
            owner: "shop".into(),
            ..IndexEntry::default()
        };
        let index =
            Index { entries: vec![entry(3, "a\n7; b", "public"), entry(9, "x", "")], ..Index::default() };
        let text = list(&index, &[1, 0]);
        assert_eq!(text, "9; 1259 16390 TABLE - x shop\n3; 1259 16390 TABLE public a 7; b shop\n");
        assert_eq!(UseList::parse(&text).unwrap(), UseList(vec![9, 3]));
        assert_eq!(UseList::parse("; 1\n\n 12 ;x\r\n4").unwrap(), UseList(vec![12, 4]));
        for wrong in ["x; 1", "-1; a", "1 2", "4294967296;"] {
            assert_eq!(UseList::parse(wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
        }
    }
}
