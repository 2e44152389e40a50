//! Privileges as the catalogs hold them: arrays of `aclitem`, as text.

use super::row::CatalogRow;
use crate::error::Result;

/// The privileges of one object. The dump says how `acl` differs from what the object would have
/// right after it was created: `initial` if that is recorded, else `default`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acl {
    /// The privileges now; `None` means the default ones.
    pub acl: Option<Vec<String>>,
    /// What the server grants by itself (`acldefault`); it need not be read where `acl` is none.
    pub default: Vec<String>,
    /// What `initdb` or an extension's script granted (`pg_init_privs`).
    pub initial: Option<Vec<String>>,
}

impl Acl {
    /// From the columns `acl` and `acldefault`, each cast to `text[]`.
    pub(super) fn from_row(row: &CatalogRow) -> Result<Acl> {
        Ok(Acl { acl: row.opt_texts("acl")?, default: row.texts("acldefault")?, initial: None })
    }
}

/// Spells a role's name as `aclitem` does.
pub(super) fn quote_role(name: &str) -> String {
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
