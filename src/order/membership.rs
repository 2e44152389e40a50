//! An order in which role memberships can be granted again.

use std::collections::HashSet;

use crate::catalog::Membership;
use crate::error::{Error, ErrorKind, Result};

/// Orders memberships, given sorted by role, so that each grantor has ADMIN OPTION before it grants.
///
/// The server requires this from 16 on. So the grants of each role are written in rounds. Each round takes,
/// in the given order, the grants whose grantor is the bootstrap superuser or received ADMIN OPTION in an
/// earlier round.
///
/// # Errors
/// `SourceFailed`, if some grants only depend on each other, which the server never allows.
pub(crate) fn order_memberships(memberships: &[Membership]) -> Result<Vec<&Membership>> {
    let mut ordered = Vec::with_capacity(memberships.len());
    for of_one_role in memberships.chunk_by(|a, b| a.role == b.role) {
        let mut admins: HashSet<&str> = HashSet::new();
        let mut waiting: Vec<&Membership> = of_one_role.iter().collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|grant| {
                let may_grant = |grantor: &String| admins.contains(grantor.as_str());
                let is_due = grant.by_bootstrap_superuser || grant.grantor.as_ref().is_none_or(may_grant);
                if is_due {
                    ordered.push(*grant);
                    if grant.admin_option {
                        admins.insert(&grant.member);
                    }
                }
                !is_due
            });
            if waiting.len() == before {
                return Err(no_order(waiting[0]));
            }
        }
    }
    Ok(ordered)
}

fn no_order(grant: &Membership) -> Error {
    Error::new(ErrorKind::SourceFailed, format!("order the memberships in role \"{}\"", grant.role)).because(
        format!(
            "\"{}\" granted it to \"{}\" without having ADMIN OPTION",
            grant.grantor.as_deref().unwrap_or_default(),
            grant.member
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: &str, member: &str, grantor: &str, admin_option: bool) -> Membership {
        Membership {
            role: role.into(),
            member: member.into(),
            grantor: Some(grantor.into()),
            by_bootstrap_superuser: grantor == "postgres",
            admin_option,
            options: None,
        }
    }

    fn order(grants: &[Membership]) -> Result<Vec<String>> {
        let name = |g: &&Membership| format!("{}>{}", g.grantor.as_deref().unwrap_or("-"), g.member);
        Ok(order_memberships(grants)?.iter().map(name).collect())
    }

    #[test]
    fn grantors_come_first() {
        let grants = [
            grant("r", "a", "m", true),
            grant("r", "m", "z", true),
            grant("r", "w", "a", false),
            grant("r", "w", "m", false),
            grant("r", "z", "postgres", true),
            grant("s", "a", "postgres", false),
        ];
        assert_eq!(order(&grants).unwrap(), ["postgres>z", "z>m", "m>w", "m>a", "a>w", "postgres>a"]);
    }

    #[test]
    fn nobody_is_admin_of_another_role_by_that() {
        let grants = [grant("r", "a", "postgres", true), grant("s", "b", "a", false)];
        assert_eq!(
            order(&grants).unwrap_err().report(),
            "order the memberships in role \"s\": \"a\" granted it to \"b\" without having ADMIN OPTION"
        );
    }
}
