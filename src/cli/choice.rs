//! Options that choose a part of a backup, with pg_restore's names.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use pgsiphon::error::{Error, ErrorKind, Result};
use pgsiphon::extract::{Choice, ChosenName, Excerpt, Only, UseList};
use pgsiphon::index::{Index, Section};
use pgsiphon::storage::input::Input;
use pgsiphon::storage::input::index::{self, Finding, FoundIndex};
use tokio_util::sync::CancellationToken;

use super::content::SectionArg;
use super::table::bytes;

#[derive(Args)]
#[command(next_help_heading = "Options choosing a part of the backup")]
pub(super) struct ChoiceArgs {
    /// Only this table, view or sequence, with its rows; its schema may stand before it. May be repeated
    #[arg(short = 't', long, value_name = "[SCHEMA.]NAME")]
    table: Vec<String>,
    /// Only this table with its rows, its partitions and the tables that inherit from it
    #[arg(long, value_name = "[SCHEMA.]NAME")]
    table_and_children: Vec<String>,
    /// Only this index
    #[arg(short = 'I', long, value_name = "[SCHEMA.]NAME")]
    index: Vec<String>,
    /// Only this function, or all of this name
    #[arg(short = 'P', long, value_name = "[SCHEMA.]NAME[(TYPES)]")]
    function: Vec<String>,
    /// Only this trigger
    #[arg(short = 'T', long, value_name = "[TABLE ]NAME")]
    trigger: Vec<String>,
    /// Only what is in this schema
    #[arg(short = 'n', long, value_name = "SCHEMA")]
    schema: Vec<String>,
    /// Nothing that is in this schema
    #[arg(short = 'N', long, value_name = "SCHEMA")]
    exclude_schema: Vec<String>,
    /// Only definitions, no rows
    #[arg(short = 's', long, conflicts_with = "data_only")]
    schema_only: bool,
    /// Only rows, values of sequences and large objects
    #[arg(short = 'a', long, conflicts_with = "section")]
    data_only: bool,
    /// Only this section; may be repeated
    #[arg(long, value_enum, value_name = "SECTION", conflicts_with = "schema_only")]
    section: Vec<SectionArg>,
    /// Only the entries that this file lists, in its order; make it with pgsiphon contents, and edit it
    #[arg(short = 'L', long, value_name = "FILE|-")]
    use_list: Option<PathBuf>,
    /// Also what the chosen objects need: types, functions, sequences, schemas and other tables
    #[arg(long)]
    with_dependencies: bool,
}

impl ChoiceArgs {
    /// # Errors
    /// `Usage`, if the list cannot be read.
    pub(super) fn choice(&self) -> Result<Choice> {
        let of = |given: &[String], kind: fn(String) -> ChosenName| -> Vec<_> {
            given.iter().cloned().map(kind).collect()
        };
        let names = [
            of(&self.table, ChosenName::Table),
            of(&self.table_and_children, ChosenName::TableAndChildren),
            of(&self.index, ChosenName::Index),
            of(&self.function, ChosenName::Function),
            of(&self.trigger, ChosenName::Trigger),
        ];
        Ok(Choice {
            names: names.concat(),
            schemas: self.schema.clone(),
            excluded_schemas: self.exclude_schema.clone(),
            only: self.only(),
            sections: self.sections(),
            list: self.use_list.as_deref().map(read_list).transpose()?,
            with_dependencies: self.with_dependencies,
        })
    }

    fn only(&self) -> Option<Only> {
        match (self.schema_only, self.data_only) {
            (true, _) => Some(Only::Definitions),
            (_, true) => Some(Only::Data),
            (false, false) => None,
        }
    }

    fn sections(&self) -> Vec<Section> {
        let section = |section: &SectionArg| match section {
            SectionArg::PreData => Section::PreData,
            SectionArg::Data => Section::Data,
            SectionArg::PostData => Section::PostData,
        };
        self.section.iter().map(section).collect()
    }
}

fn read_list(path: &Path) -> Result<UseList> {
    let read = || {
        if path == Path::new("-") {
            let mut text = String::new();
            return std::io::stdin().read_to_string(&mut text).map(|_| text);
        }
        std::fs::read_to_string(path)
    };
    let failed = |error| Error::new(ErrorKind::Usage, format!("read {}", path.display())).because(error);
    UseList::parse(&read().map_err(failed)?)
        .map_err(|error| error.context(format!("read {}", path.display())))
}

/// The index of a backup of which a part is wanted.
///
/// # Errors
/// `Usage`, if it has none.
pub(super) async fn find_index(input: &dyn Input) -> Result<FoundIndex> {
    let missing = |why: &str| {
        Error::new(ErrorKind::Usage, format!("find the parts of {}", input.location()))
            .because(why.to_owned())
    };
    match index::find(input).await? {
        Finding::Index(found) => Ok(*found),
        Finding::None => Err(missing("it has no index").hint(
            "dumps of pgsiphon have one, unless they are uncompressed or were made with --no-index; others can only be \
             read as a whole",
        )),
        Finding::Unknown => Err(missing("it can only be read from its beginning to its end")
            .hint("name a file or an object in a storage that supports ranged reads")),
    }
}

/// Does this, unless it is interrupted.
pub(super) async fn until<T>(
    shutdown: &CancellationToken,
    attempted: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(Error::interrupted(attempted.to_owned())),
        done = work => done,
    }
}

/// The places of the chosen entries.
///
/// # Errors
/// `Usage`, if there are none, or something that was named does not exist.
pub(super) fn find(choice: &Choice, index: &Index) -> Result<Vec<usize>> {
    let chosen = choice.find(index)?;
    if chosen.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "choose a part of the backup")
            .because("it has nothing that all of the options together allow")
            .hint("pgsiphon contents lists what it has"));
    }
    for table in Choice::without_partitions(index, &chosen) {
        tracing::warn!(
            "{table} is partitioned, and its rows are in partitions that are not chosen: use --table-and-children"
        );
    }
    Ok(chosen)
}

/// What was read for an excerpt, in a line.
pub(super) fn read_for(excerpt: &Excerpt) -> String {
    format!(
        "read {} of {} in {} requests",
        bytes(excerpt.fetched_bytes()),
        bytes(excerpt.backup_bytes),
        excerpt.requests()
    )
}
