//! The DROP commands of `-c`.

use super::print::Printer;
use crate::emit::{Entry, EntryKind};

impl Printer<'_> {
    /// Prints the command that drops what the entry creates.
    pub(super) fn drop(&mut self, entry: &Entry) {
        let options = self.setting.options;
        // With -C the whole database is dropped, and until it is recreated the session is in another
        // database.
        let is_printed = entry.kind.is_database() || !options.create;
        let Some(drop) = entry.drop.as_ref().filter(|_| is_printed) else { return };
        self.become_owner(entry);
        self.out.push_str(&drop.sql(entry.kind, options.if_exists));
        if entry.kind == EntryKind::LargeObjectMetadata {
            self.out.push('\n');
        }
    }
}
