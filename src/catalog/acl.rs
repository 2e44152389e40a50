//! Privileges as stored in the catalogs: arrays of `aclitem`, as text.

use super::row::CatalogRow;
use crate::error::Result;

/// The privileges of one object. The dump prints the difference between `acl` and the object's privileges
/// right after it was created, which are `initial` if that is recorded, otherwise `default`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acl {
    /// The current privileges; `None` means the default ones.
    pub acl: Option<Vec<String>>,
    /// The server's default privileges (`acldefault`). They are only needed if `acl` is `Some`.
    pub default: Vec<String>,
    /// The privileges that `initdb` or an extension's script granted (`pg_init_privs`).
    pub initial: Option<Vec<String>>,
}

impl Acl {
    /// Reads the columns `acl` and `acldefault`, each cast to `text[]`.
    pub(super) fn from_row(row: &CatalogRow) -> Result<Acl> {
        Ok(Acl { acl: row.opt_texts("acl")?, default: row.texts("acldefault")?, initial: None })
    }
}

/// Quotes a role's name as `aclitem` does.
pub(super) fn quote_role(name: &str) -> String {
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
