//! Compares a backup with its manifest.

use std::collections::HashMap;

use super::BackupContents;
use crate::backups::manifest::Manifest;
use crate::error::{Error, ErrorKind, Result};

/// How many differences an error lists.
const NAMED: usize = 5;

/// Compares the contents of a backup with what its run recorded.
///
/// # Errors
/// `Damaged` names what differs.
pub fn compare(found: &BackupContents, manifest: &Manifest) -> Result<()> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, found: &dyn ToString, recorded: &dyn ToString| {
        let (found, recorded) = (found.to_string(), recorded.to_string());
        if found != recorded {
            differences.push(format!("{what} is {found}, but the manifest says {recorded}"));
        }
    };
    differ("the stored size", &found.stored_bytes, &manifest.stored_bytes);
    differ("the SHA-256", &found.sha256_hex(), &manifest.sha256);
    differ("the size of the text", &found.text_bytes, &manifest.text_bytes);
    differ("the text's CRC-32", &format!("{:08x}", found.text_crc32), &manifest.text_crc32);
    differ("the number of large objects", &found.large_objects, &manifest.large_objects);
    // Rows written as INSERT commands are part of the text's checksum, but are not counted here.
    if found.inserts == 0 {
        let recorded: HashMap<&str, u64> =
            manifest.relations.iter().map(|relation| (relation.name.as_str(), relation.rows)).collect();
        differ("the number of tables with rows", &found.relations.len(), &recorded.len());
        for rows in &found.relations {
            let name = rows.contents.name.as_str();
            let recorded = recorded.get(name).map_or_else(|| "none".to_owned(), u64::to_string);
            differ(&format!("the number of rows of {name}"), &rows.contents.rows, &recorded);
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let more = differences.len().saturating_sub(NAMED);
    differences.truncate(NAMED);
    let mut why = differences.join("; ");
    if more > 0 {
        why.push_str(&format!("; and {more} more differences"));
    }
    Err(Error::new(ErrorKind::Damaged, format!("compare {} with its manifest", found.location)).because(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::manifest::RelationContents;
    use crate::verify::inspect::Rows;

    fn recorded() -> Manifest {
        Manifest::from_json(include_bytes!("../../testdata/manifests/version_1.json"), "m").unwrap()
    }

    /// The contents of a backup that matches the manifest.
    fn found() -> BackupContents {
        let manifest = recorded();
        let rows =
            |contents: &RelationContents| Rows { contents: contents.clone(), digest: 0, lists_columns: true };
        BackupContents {
            location: "b".into(),
            stored_bytes: manifest.stored_bytes,
            sha256: [0xab; 32],
            text_bytes: manifest.text_bytes,
            text_crc32: 0x0a0b_0c0d,
            relations: manifest.relations.iter().map(rows).collect(),
            large_objects: manifest.large_objects,
            ..BackupContents::default()
        }
    }

    #[test]
    fn what_agrees_is_good_and_what_differs_is_named() {
        compare(&found(), &recorded()).unwrap();
        type Change = fn(&mut BackupContents);
        let changes: [(Change, &str); 6] = [
            (|c| c.stored_bytes += 1, "the stored size is 1001, but the manifest says 1000"),
            (|c| c.sha256[31] = 0, "the SHA-256"),
            (|c| c.text_crc32 = 0, "the text's CRC-32 is 00000000, but the manifest says 0a0b0c0d"),
            (
                |c| c.relations[0].contents.rows = 2,
                "the number of rows of public.orders is 2, but the manifest says 3",
            ),
            (|c| c.relations.truncate(1), "the number of tables with rows is 1, but the manifest says 2"),
            (|c| c.large_objects = 0, "the number of large objects is 0"),
        ];
        for (change, says) in changes {
            let mut contents = found();
            change(&mut contents);
            let error = compare(&contents, &recorded()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged);
            assert!(error.report().contains(says), "{error:?}");
        }
    }
}
