//! Tablespaces.

use super::globals::{GlobalsEmitter, under};
use crate::catalog::Tablespace;
use crate::error::Result;

impl GlobalsEmitter<'_> {
    pub(super) fn tablespaces(&self, tablespaces: &[Tablespace]) -> Result<String> {
        let commands: String = tablespaces.iter().map(|it| self.tablespace(it)).collect::<Result<_>>()?;
        Ok(under("Tablespaces", tablespaces.len(), commands))
    }

    fn tablespace(&self, it: &Tablespace) -> Result<String> {
        let (name, owner) = (self.q.id(&it.spcname), self.q.id(&it.owner));
        // An in-place tablespace has a relative path, but is created with an empty one.
        let in_place = !it.location.starts_with('/') && self.dialect >= 17;
        let location = self.q.portable_literal(if in_place { "" } else { &it.location });
        let mut sql = format!("CREATE TABLESPACE {name} OWNER {owner} LOCATION {location};\n");
        if !it.spcoptions.is_empty() {
            sql.push_str(&format!("ALTER TABLESPACE {name} SET ({});\n", it.spcoptions.join(", ")));
        }
        sql.push_str(&self.privileges("TABLESPACE", &name, &it.owner, &it.acl)?);
        let on = format!("TABLESPACE {name}");
        Ok(sql + &self.comment(&on, it.comment.as_deref()) + &self.labels(&on, &it.security_labels))
    }
}
