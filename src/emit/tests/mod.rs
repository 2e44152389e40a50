//! How objects appear in a dump, with one file per kind. The tests check the final text, including owners and
//! IF EXISTS, so they don't depend on how entries are built.

mod aggregate;
mod annotate;
mod collation;
mod constraint;
mod database;
mod default_acl;
mod entry;
mod extension;
mod foreign;
mod globals;
mod index;
mod language;
mod large_object;
mod namespace;
mod operator;
mod policy;
mod publication;
mod routine;
mod rule;
mod sequence;
mod statistics;
mod subscription;
mod table;
mod table_data;
mod text_search;
mod trigger;
mod typ;
mod view;

use std::collections::HashMap;

use super::emit;
use crate::catalog::fixture::Fixture;
use crate::catalog::{Catalog, DumpId};
use crate::error::Result;
use crate::pg::quote::Quoter;
use crate::pg::server::Server;
use crate::plan::{Part, PlanContext, plan};
use crate::progress::Warnings;
use crate::select::options::DumpOptions;

/// A dump of objects that were built by hand.
struct Dump<'a> {
    catalog: &'a Catalog,
    options: DumpOptions,
    major: u32,
}

/// A dump like that of pg_dump 18 without flags.
fn dump(fixture: &Fixture) -> Dump<'_> {
    Dump { catalog: &fixture.catalog, options: DumpOptions::new("key".into()), major: 18 }
}

impl Dump<'_> {
    /// The same dump, from a server of that major version.
    fn of(self, major: u32) -> Self {
        Dump { major, ..self }
    }

    /// The same dump, with other options.
    fn with(mut self, change: impl FnOnce(&mut DumpOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// The text of these objects, without the start and end of the dump.
    fn text(&self, ids: &[DumpId]) -> String {
        self.try_text(ids).unwrap()
    }

    fn try_text(&self, ids: &[DumpId]) -> Result<String> {
        let (server, quoter) = (server(self.major), self.quoter());
        let entries =
            emit(self.catalog, ids, &self.options, &quoter, server.dialect(), &Warnings::default())?;
        let setting = PlanContext { options: &self.options, server: &server, quoter: &quoter, started: "" };
        let text: String = plan(&entries, setting).parts.into_iter().map(text_of).collect();
        let (_, text) = text.split_once("SET row_security = off;\n\n").unwrap();
        let (text, _) = text.split_once("--\n-- PostgreSQL database dump complete").unwrap();
        Ok(text.to_owned())
    }

    /// The text of each header comment.
    fn headers(&self, ids: &[DumpId]) -> Vec<String> {
        let text = self.text(ids);
        let headers = text.lines().filter(|line| line.contains("Name: ") && line.contains("; Type: "));
        headers.map(|line| line.trim_start_matches("-- ").to_owned()).collect()
    }

    /// The commands only. It also leaves out the setting of the default tablespace, which comes before the
    /// first table.
    fn sql(&self, ids: &[DumpId]) -> String {
        let is_header = |line: &str| {
            ["-- Name: ", "-- Data for Name: ", "-- Statistics for Name: "]
                .iter()
                .any(|it| line.starts_with(it))
        };
        let is_command =
            |line: &&str| !matches!(*line, "" | "--" | "SET default_tablespace = '';") && !is_header(line);
        self.text(ids).lines().filter(is_command).map(|line| format!("{line}\n")).collect()
    }

    /// The commands of `-c`, which come before all others.
    fn drops(&self, ids: &[DumpId]) -> String {
        let options = DumpOptions { clean: true, no_tablespaces: true, ..self.options.clone() };
        let text = Dump { options, ..*self }.text(ids);
        text.split("--\n-- Name: ").next().unwrap_or_default().to_owned()
    }

    /// The commands of `-c --if-exists`.
    fn drops_if_exists(&self, ids: &[DumpId]) -> String {
        let options = DumpOptions { if_exists: true, ..self.options.clone() };
        Dump { options, ..*self }.drops(ids)
    }

    fn quoter(&self) -> Quoter {
        quoter(self.options.quote_all_identifiers).for_major(self.major)
    }
}

fn quoter(all: bool) -> Quoter {
    let keywords = [("table", 'R'), ("user", 'R'), ("values", 'C'), ("left", 'T')];
    let keywords: HashMap<_, _> = keywords.map(|(word, code)| (word.to_owned(), code)).into();
    Quoter::new(keywords, all, true)
}

fn server(major: u32) -> Server {
    Server {
        major,
        version_num: major as i32 * 10_000,
        version: format!("{major}.0"),
        encoding: "UTF8".into(),
        standard_conforming_strings: true,
        superuser: true,
        standby: false,
        keywords: HashMap::new(),
    }
}

/// Contents are represented by a single word.
fn text_of(part: Part) -> String {
    match part {
        Part::Text(text) => text,
        Part::Rows(_) => "ROWS\n".into(),
        Part::LargeObjects(_) => "LARGE OBJECTS\n".into(),
        Part::CompletionTime => String::new(),
    }
}
