//! Privileges on configuration parameters.

use super::globals::{GlobalsEmitter, under};
use crate::catalog::ParameterAcl;
use crate::error::Result;

impl GlobalsEmitter<'_> {
    pub(super) fn parameter_acls(&self, parameters: &[ParameterAcl]) -> Result<String> {
        let commands: String = parameters
            .iter()
            .map(|it| self.privileges("PARAMETER", &self.q.id(&it.parname), &it.owner, &it.acl))
            .collect::<Result<_>>()?;
        Ok(under("Role privileges on configuration parameters", parameters.len(), commands))
    }
}
