//! Encoding conversions.

use super::{Emitter, EntryKind};
use crate::catalog::{Conversion, DumpId};

impl Emitter<'_> {
    pub(super) fn conversion(&mut self, id: DumpId, it: &Conversion) {
        let default = if it.condefault { "DEFAULT " } else { "" };
        let create = format!(
            "CREATE {default}CONVERSION {} FOR {} TO {} FROM {};\n",
            self.qualified(id),
            self.q.literal(&it.for_encoding),
            self.q.literal(&it.to_encoding),
            it.conproc
        );
        self.push_simple(id, EntryKind::Conversion, Some(&it.owner), create);
    }
}
