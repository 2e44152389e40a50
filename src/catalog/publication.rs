//! `pg_publication`, `pg_publication_rel`, `pg_publication_namespace`.

use super::reader::{Reader, only_if};
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, Components, DumpId, ObjectKind, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct Publication {
    pub owner: String,
    pub puballtables: bool,
    /// FOR ALL SEQUENCES, from version 19 on.
    pub puballsequences: bool,
    /// The tables that FOR ALL TABLES excludes, from version 19 on.
    pub except_tables: Vec<DumpId>,
    /// The published operations: insert, update, delete, truncate.
    pub publish: Vec<&'static str>,
    pub pubviaroot: bool,
    /// `pubgencols`: n or s, from version 18 on.
    pub pubgencols: char,
}

#[derive(Debug)]
pub(crate) struct PublicationRel {
    pub publication: DumpId,
    pub table: DumpId,
    /// Names of the published columns, if not all.
    pub columns: Option<Vec<String>>,
    pub filter: Option<String>,
}

#[derive(Debug)]
pub(crate) struct PublicationNamespace {
    pub publication: DumpId,
    pub schema: DumpId,
}

/// The running queries about publications.
pub(super) struct Publications {
    publications: StartedQuery,
    exceptions: StartedQuery,
    relations: StartedQuery,
    namespaces: StartedQuery,
}

pub(super) fn start(r: &Reader<'_>) -> Publications {
    let query_if = |wanted: bool, what: &str, sql: &str| {
        if wanted { r.start(what, sql) } else { StartedQuery::none(what) }
    };
    let wanted = !r.options.no_publications;
    Publications {
        publications: query_if(wanted, "pg_publication", &publications_sql(r)),
        exceptions: query_if(
            wanted && r.major >= 19,
            "pg_publication_rel",
            "SELECT prpubid, prrelid FROM pg_catalog.pg_publication_rel WHERE prexcept ORDER BY ctid",
        ),
        relations: query_if(wanted, "pg_publication_rel", &relations_sql(r)),
        namespaces: query_if(
            wanted && r.major >= 15,
            "pg_publication_namespace",
            "SELECT oid, pnpubid, pnnspid FROM pg_catalog.pg_publication_namespace",
        ),
    }
}

fn publications_sql(r: &Reader<'_>) -> String {
    let viaroot = if r.major >= 13 { "pubviaroot" } else { "false AS pubviaroot" };
    let gencols = if r.major >= 18 { "pubgencols" } else { "'n'::\"char\" AS pubgencols" };
    let sequences = if r.major >= 19 { "puballsequences" } else { "false AS puballsequences" };
    format!(
        "SELECT oid, pubname, pubowner, puballtables, {sequences}, pubinsert, pubupdate, pubdelete, pubtruncate,
                {viaroot}, {gencols}
           FROM pg_catalog.pg_publication"
    )
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, started: Publications) -> Result<()> {
    for row in started.publications.rows().await? {
        let mut publish = Vec::new();
        for (column, action) in [
            ("pubinsert", "insert"),
            ("pubupdate", "update"),
            ("pubdelete", "delete"),
            ("pubtruncate", "truncate"),
        ] {
            if row.bool(column)? {
                publish.push(action);
            }
        }
        let publication = Publication {
            owner: catalog.role(row.oid("pubowner")?),
            puballtables: row.bool("puballtables")?,
            puballsequences: row.bool("puballsequences")?,
            except_tables: Vec::new(),
            publish,
            pubviaroot: row.bool("pubviaroot")?,
            pubgencols: row.char("pubgencols")?,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_PUBLICATION, oid: row.oid("oid")? },
            row.text("pubname")?,
            None,
            ObjectKind::Publication(publication),
        );
        r.selection.object(catalog, id);
    }
    read_exceptions(catalog, started.exceptions).await?;
    read_relations(r, catalog, started.relations).await?;
    read_namespaces(r, catalog, started.namespaces).await
}

/// Reads the tables that FOR ALL TABLES excludes, in the order in which they are stored. They are named even
/// if the dump leaves them out: otherwise more would be published.
async fn read_exceptions(catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let table = catalog.find(class::PG_CLASS, row.oid("prrelid")?);
        let publication = catalog.find(class::PG_PUBLICATION, row.oid("prpubid")?);
        if let (Some(table), Some(ObjectKind::Publication(publication))) =
            (table, publication.map(|id| &mut catalog.object_mut(id).kind))
        {
            publication.except_tables.push(table);
        }
    }
    Ok(())
}

fn relations_sql(r: &Reader<'_>) -> String {
    let details = if r.major >= 15 {
        "CASE WHEN prattrs IS NOT NULL THEN ARRAY(
            SELECT a.attname::text FROM pg_catalog.unnest(prattrs::pg_catalog.int2[]) WITH ORDINALITY AS k(attnum, i)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = prrelid AND a.attnum = k.attnum ORDER BY i)
          END AS columns"
    } else {
        "NULL::text[] AS columns"
    };
    let published = if r.major >= 19 { "WHERE NOT prexcept" } else { "" };
    // Publications belong to no schema, so they are only dumped with the whole database.
    let printed = r.major >= 15 && r.prints_post_data() && r.options.include_everything();
    let filter = only_if(printed, "pg_catalog.pg_get_expr(prqual, prrelid)");
    format!(
        "SELECT oid, prpubid, prrelid, {filter} AS filter, {details}
           FROM pg_catalog.pg_publication_rel {published}"
    )
}

async fn read_relations(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let publication = catalog.find(class::PG_PUBLICATION, row.oid("prpubid")?);
        let table = catalog.find(class::PG_CLASS, row.oid("prrelid")?);
        let (Some(publication), Some(table)) = (publication, table) else { continue };
        let object = catalog.object(table);
        // From 18 on, a publication keeps tables that are not in the dump.
        if r.dialect < 18 && !object.dump.contains(Components::DEFINITION) {
            continue;
        }
        let (name, namespace) = (object.name.clone(), object.namespace);
        let member = PublicationRel {
            publication,
            table,
            columns: row.opt_texts("columns")?,
            filter: row.opt_text("filter")?,
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_PUBLICATION_REL, oid: row.oid("oid")? },
            name,
            namespace,
            ObjectKind::PublicationRel(member),
        );
        r.selection.global_object(catalog, id, Components::all());
    }
    Ok(())
}

async fn read_namespaces(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let publication = catalog.find(class::PG_PUBLICATION, row.oid("pnpubid")?);
        let schema = catalog.namespace_by_oid(row.oid("pnnspid")?);
        let (Some(publication), Some(schema)) = (publication, schema) else { continue };
        if r.dialect < 18 && catalog.object(schema).dump.is_empty() {
            continue;
        }
        let name = catalog.object(schema).name.clone();
        let id = catalog.add(
            CatalogId { classoid: class::PG_PUBLICATION_NAMESPACE, oid: row.oid("oid")? },
            name,
            None,
            ObjectKind::PublicationNamespace(PublicationNamespace { publication, schema }),
        );
        r.selection.global_object(catalog, id, Components::all());
    }
    Ok(())
}
