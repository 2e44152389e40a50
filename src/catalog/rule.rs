//! `pg_rewrite`: rules, including those of views.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, RelKind, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct RewriteRule {
    pub relation: DumpId,
    /// `ev_enabled`: O, D, R or A.
    pub ev_enabled: char,
    /// Whether it is the ON SELECT DO INSTEAD rule that defines a view.
    pub is_view_rule: bool,
    /// As deparsed by the server; not read for the rules of views.
    pub definition: Option<String>,
    /// Whether it is printed by a separate command, not as part of CREATE VIEW.
    pub separate: bool,
}

pub(super) fn start(r: &Reader<'_>) -> StartedQuery {
    r.start(
        "pg_rewrite",
        "SELECT oid, rulename, ev_class, ev_type, is_instead, ev_enabled
           FROM pg_catalog.pg_rewrite ORDER BY oid",
    )
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    let mut to_deparse = Vec::new();
    for row in rows.rows().await? {
        let Some(relation) = catalog.find(class::PG_CLASS, row.oid("ev_class")?) else { continue };
        let is_view_rule = row.char("ev_type")? == '1' && row.bool("is_instead")?;
        let of_view = catalog
            .relation(relation)
            .is_some_and(|rel| matches!(rel.relkind, RelKind::View | RelKind::MatView));
        let separate = !(is_view_rule && of_view);
        let (namespace, dump) = (catalog.object(relation).namespace, catalog.object(relation).dump);
        let oid = row.oid("oid")?;
        let rule = RewriteRule {
            relation,
            ev_enabled: row.char("ev_enabled")?,
            is_view_rule,
            definition: None,
            separate,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_REWRITE, oid },
            row.text("rulename")?,
            namespace,
            ObjectKind::Rule(rule),
        );
        catalog.object_mut(id).dump = dump;
        if separate {
            catalog.add_dependency(id, relation);
            if r.prints_post_data() && dump.contains(Components::DEFINITION) {
                to_deparse.push(oid);
            }
        } else {
            catalog.add_dependency(relation, id);
        }
    }
    let sql = "SELECT oid, pg_catalog.pg_get_ruledef(oid) AS definition FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS oid";
    for row in r.query_oids("pg_rewrite", sql, to_deparse).await? {
        if let Some(rule) =
            catalog.find(class::PG_REWRITE, row.oid("oid")?).and_then(|id| catalog.rule_mut(id))
        {
            rule.definition = row.opt_text("definition")?;
        }
    }
    Ok(())
}
