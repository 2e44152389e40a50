//! Which parts of an entry the options ask for.

use crate::emit::{Entry, Section};
use crate::select::options::{DumpOptions, Sections};

/// What of an entry is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Required {
    /// Its definition.
    pub(super) schema: bool,
    /// Its contents, or a definition that counts as such.
    pub(super) data: bool,
}

/// Decides about one entry, which stands in `section`.
pub(super) fn required(entry: &Entry, section: Section, options: &DumpOptions) -> Required {
    let nothing = Required::default();
    if matches!(entry.desc, "DATABASE" | "DATABASE PROPERTIES") {
        return Required { schema: options.create, data: false };
    }
    if switched_off(entry, options) {
        return nothing;
    }
    let needed = match section {
        Section::PreData | Section::None => Sections::PRE_DATA,
        Section::Data => Sections::DATA,
        Section::PostData => Sections::POST_DATA,
    };
    if !options.sections.contains(needed) {
        return nothing;
    }
    if entry.is_statistics() {
        return Required { schema: options.statistics, data: false };
    }
    let attached = matches!(entry.desc, "ACL" | "COMMENT" | "SECURITY LABEL");
    if attached && entry.tag.starts_with("DATABASE ") && !options.create {
        return nothing;
    }
    let counts_as_data = matches!(entry.desc, "SEQUENCE SET" | "BLOB" | "BLOB METADATA")
        || (attached && entry.tag.starts_with("LARGE OBJECT"));
    let has_contents = entry.contents.is_some();
    let mut required =
        Required { schema: has_contents || !counts_as_data, data: has_contents || counts_as_data };
    if entry.definition.is_empty() || entry.definition.starts_with("-- load via partition root ") {
        required.schema = false;
    }
    let sequence_value = options.sequence_data && entry.desc == "SEQUENCE SET";
    if options.schema_only() && !sequence_value {
        required.data = false;
    }
    if options.data_only() {
        required.schema = false;
    }
    required
}

/// Kinds that an option of their own leaves out.
fn switched_off(entry: &Entry, o: &DumpOptions) -> bool {
    let about = |noun: &str| {
        entry.desc.starts_with(noun)
            || (matches!(entry.desc, "COMMENT" | "SECURITY LABEL") && entry.tag.starts_with(noun))
    };
    (o.no_privileges && entry.is_acl())
        || (o.no_comments && entry.desc == "COMMENT")
        || (o.no_security_labels && entry.desc == "SECURITY LABEL")
        || (o.no_publications && about("PUBLICATION"))
        || (o.no_subscriptions && about("SUBSCRIPTION"))
        || (o.no_policies && (about("POLICY") || entry.desc == "ROW SECURITY"))
}
