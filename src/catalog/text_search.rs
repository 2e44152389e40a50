//! `pg_ts_parser`, `pg_ts_template`, `pg_ts_dict`, `pg_ts_config`: text search.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Catalog, CatalogId, ObjectKind, Oid, class};
use crate::error::Result;

/// A parser: functions for START, GETTOKEN, END, HEADLINE (`-` for none), LEXTYPES.
#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_ts_parser
pub(crate) struct TsParser {
    pub prsstart: String,
    pub prstoken: String,
    pub prsend: String,
    pub prsheadline: String,
    pub prslextype: String,
}

/// A template: functions for INIT (`-` for none) and LEXIZE.
#[derive(Debug)]
#[allow(missing_docs)] // named as the columns of pg_ts_template
pub(crate) struct TsTemplate {
    pub tmplinit: String,
    pub tmpllexize: String,
}

#[derive(Debug)]
pub(crate) struct TsDict {
    pub owner: String,
    /// The template, as (schema, name).
    pub template: (String, String),
    /// Options, ready to be printed.
    pub dictinitoption: Option<String>,
}

#[derive(Debug)]
pub(crate) struct TsConfig {
    pub owner: String,
    /// The parser, as (schema, name).
    pub parser: (String, String),
    /// Token types, each with its dictionaries in order.
    pub mappings: Vec<(String, Vec<String>)>,
}

/// The running queries about text search.
pub(super) struct TextSearch {
    parsers: StartedQuery,
    templates: StartedQuery,
    dictionaries: StartedQuery,
    configurations: StartedQuery,
}

pub(super) fn start(r: &Reader<'_>) -> TextSearch {
    TextSearch {
        parsers: r.start(
            "pg_ts_parser",
            "SELECT oid, prsname, prsnamespace, prsstart::text, prstoken::text, prsend::text,
                    prsheadline::text, prslextype::text
               FROM pg_catalog.pg_ts_parser",
        ),
        templates: r.start(
            "pg_ts_template",
            "SELECT oid, tmplname, tmplnamespace, tmplinit::text, tmpllexize::text FROM pg_catalog.pg_ts_template",
        ),
        dictionaries: r.start(
            "pg_ts_dict",
            "SELECT d.oid, d.dictname, d.dictnamespace, d.dictowner, d.dictinitoption, n.nspname, t.tmplname
               FROM pg_catalog.pg_ts_dict d
               JOIN pg_catalog.pg_ts_template t ON t.oid = d.dicttemplate
               JOIN pg_catalog.pg_namespace n ON n.oid = t.tmplnamespace",
        ),
        configurations: r.start(
            "pg_ts_config",
            "SELECT c.oid, c.cfgname, c.cfgnamespace, c.cfgowner, n.nspname, p.prsname
               FROM pg_catalog.pg_ts_config c
               JOIN pg_catalog.pg_ts_parser p ON p.oid = c.cfgparser
               JOIN pg_catalog.pg_namespace n ON n.oid = p.prsnamespace",
        ),
    }
}

pub(super) async fn read(r: &Reader<'_>, catalog: &mut Catalog, started: TextSearch) -> Result<()> {
    for row in started.parsers.rows().await? {
        let parser = TsParser {
            prsstart: row.text("prsstart")?,
            prstoken: row.text("prstoken")?,
            prsend: row.text("prsend")?,
            prsheadline: row.text("prsheadline")?,
            prslextype: row.text("prslextype")?,
        };
        add(r, catalog, class::PG_TS_PARSER, &row, "prs", ObjectKind::TsParser(Box::new(parser)))?;
    }
    for row in started.templates.rows().await? {
        let template = TsTemplate { tmplinit: row.text("tmplinit")?, tmpllexize: row.text("tmpllexize")? };
        add(r, catalog, class::PG_TS_TEMPLATE, &row, "tmpl", ObjectKind::TsTemplate(template))?;
    }
    for row in started.dictionaries.rows().await? {
        let dict = TsDict {
            owner: catalog.role(row.oid("dictowner")?),
            template: (row.text("nspname")?, row.text("tmplname")?),
            dictinitoption: row.opt_text("dictinitoption")?,
        };
        add(r, catalog, class::PG_TS_DICT, &row, "dict", ObjectKind::TsDict(Box::new(dict)))?;
    }
    read_configurations(r, catalog, started.configurations).await
}

async fn read_configurations(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    let mut dumped: Vec<Oid> = Vec::new();
    for row in rows.rows().await? {
        let config = TsConfig {
            owner: catalog.role(row.oid("cfgowner")?),
            parser: (row.text("nspname")?, row.text("prsname")?),
            mappings: Vec::new(),
        };
        let id = add(r, catalog, class::PG_TS_CONFIG, &row, "cfg", ObjectKind::TsConfig(Box::new(config)))?;
        if !catalog.object(id).dump.is_empty() {
            dumped.push(catalog.object(id).catalog_id.oid);
        }
    }
    let sql = "SELECT m.mapcfg, t.alias, m.mapdict::pg_catalog.regdictionary::text AS dictionary
                 FROM pg_catalog.pg_ts_config_map m
                 JOIN pg_catalog.pg_ts_config c ON c.oid = m.mapcfg
                 LEFT JOIN LATERAL pg_catalog.ts_token_type(c.cfgparser) t ON t.tokid = m.maptokentype
                WHERE m.mapcfg = ANY ($1)
                ORDER BY m.mapcfg, m.maptokentype, m.mapseqno";
    for row in r.query_oids("pg_ts_config_map", sql, dumped).await? {
        let (alias, dictionary) = (row.opt_text("alias")?.unwrap_or_default(), row.text("dictionary")?);
        let id = catalog.find(class::PG_TS_CONFIG, row.oid("mapcfg")?);
        let Some(ObjectKind::TsConfig(config)) = id.map(|id| &mut catalog.object_mut(id).kind) else {
            continue;
        };
        match config.mappings.last_mut() {
            Some((token, dictionaries)) if *token == alias => dictionaries.push(dictionary),
            _ => config.mappings.push((alias, vec![dictionary])),
        }
    }
    Ok(())
}

fn add(
    r: &Reader<'_>,
    catalog: &mut Catalog,
    classoid: Oid,
    row: &super::row::CatalogRow,
    prefix: &str,
    kind: ObjectKind,
) -> Result<super::DumpId> {
    let id = catalog.add(
        CatalogId { classoid, oid: row.oid("oid")? },
        row.text(&format!("{prefix}name"))?,
        catalog.namespace_by_oid(row.oid(&format!("{prefix}namespace"))?),
        kind,
    );
    r.selection.object(catalog, id);
    Ok(id)
}
