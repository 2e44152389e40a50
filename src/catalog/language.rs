//! `pg_language`, `pg_cast`, `pg_transform`: languages, and conversions between types and between types and
//! languages.

use super::reader::Reader;
use super::started_query::StartedQuery;
use super::{Acl, Catalog, CatalogId, Components, ObjectKind, Oid, class};
use crate::error::Result;

#[derive(Debug)]
pub(crate) struct Language {
    pub owner: String,
    pub acl: Acl,
    pub lanpltrusted: bool,
    /// Handler, inline handler and validator, each as a function's OID or 0.
    pub functions: [Oid; 3],
}

#[derive(Debug)]
pub(crate) struct Cast {
    pub castsource: Oid,
    pub casttarget: Oid,
    /// The function, or 0.
    pub castfunc: Oid,
    /// `castcontext`: e, a or i.
    pub castcontext: char,
    /// `castmethod`: f, i or b.
    pub castmethod: char,
}

#[derive(Debug)]
pub(crate) struct Transform {
    pub trftype: Oid,
    pub lanname: String,
    /// The FROM SQL function, or 0.
    pub trffromsql: Oid,
    /// The TO SQL function, or 0.
    pub trftosql: Oid,
}

pub(super) fn start_languages(r: &Reader<'_>) -> StartedQuery {
    let sql = "SELECT oid, lanname, lanpltrusted, lanplcallfoid, laninline, lanvalidator, lanowner,
                      lanacl::text[] AS acl, pg_catalog.acldefault('l', lanowner)::text[] AS acldefault
                 FROM pg_catalog.pg_language WHERE lanispl ORDER BY oid";
    r.start("pg_language", sql)
}

pub(super) async fn read_languages(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let acl = Acl::from_row(&row)?;
        let has_acl = acl.acl.is_some();
        let language = Language {
            owner: catalog.role(row.oid("lanowner")?),
            acl,
            lanpltrusted: row.bool("lanpltrusted")?,
            functions: [row.oid("lanplcallfoid")?, row.oid("laninline")?, row.oid("lanvalidator")?],
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_LANGUAGE, oid: row.oid("oid")? },
            row.text("lanname")?,
            None,
            ObjectKind::Language(Box::new(language)),
        );
        r.selection.global_object(catalog, id, Components::ACL);
        catalog.object_mut(id).components.set(Components::ACL, has_acl);
    }
    Ok(())
}

pub(super) fn start_casts(r: &Reader<'_>) -> StartedQuery {
    // Creating a range type also creates the cast to its multirange type.
    let own = if r.major >= 14 {
        "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_range r
                            WHERE r.rngtypid = c.castsource AND r.rngmultitypid = c.casttarget)"
    } else {
        ""
    };
    let sql = format!(
        "SELECT oid, castsource, casttarget, castfunc, castcontext, castmethod
           FROM pg_catalog.pg_cast c {own} ORDER BY castsource, casttarget"
    );
    r.start("pg_cast", &sql)
}

pub(super) async fn read_casts(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let cast = Cast {
            castsource: row.oid("castsource")?,
            casttarget: row.oid("casttarget")?,
            castfunc: row.oid("castfunc")?,
            castcontext: row.char("castcontext")?,
            castmethod: row.char("castmethod")?,
        };
        let type_name = |oid| catalog.find(class::PG_TYPE, oid).map(|id| catalog.object(id).name.as_str());
        let name = match (type_name(cast.castsource), type_name(cast.casttarget)) {
            (Some(source), Some(target)) => format!("{source} {target}"),
            _ => String::new(),
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_CAST, oid: row.oid("oid")? },
            name,
            None,
            ObjectKind::Cast(cast),
        );
        r.selection.global_object(catalog, id, Components::empty());
    }
    Ok(())
}

pub(super) fn start_transforms(r: &Reader<'_>) -> StartedQuery {
    let sql = "SELECT t.oid, t.trftype, l.lanname, t.trffromsql::pg_catalog.oid, t.trftosql::pg_catalog.oid
                 FROM pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang
                ORDER BY t.trftype, t.trflang";
    r.start("pg_transform", sql)
}

pub(super) async fn read_transforms(r: &Reader<'_>, catalog: &mut Catalog, rows: StartedQuery) -> Result<()> {
    for row in rows.rows().await? {
        let transform = Transform {
            trftype: row.oid("trftype")?,
            lanname: row.text("lanname")?,
            trffromsql: row.oid("trffromsql")?,
            trftosql: row.oid("trftosql")?,
        };
        let name = match catalog.find(class::PG_TYPE, transform.trftype) {
            Some(typ) => {
                format!("{} {}", catalog.object(typ).name, r.quoter.id(&transform.lanname))
            }
            None => String::new(),
        };
        let id = catalog.add(
            CatalogId { classoid: class::PG_TRANSFORM, oid: row.oid("oid")? },
            name,
            None,
            ObjectKind::Transform(transform),
        );
        r.selection.object(catalog, id);
    }
    Ok(())
}
