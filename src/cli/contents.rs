//! `pgsiphon contents`: what is in a backup, as `pg_restore -l` lists it.

use clap::Args;
use pgsiphon::error::Result;
use pgsiphon::extract::list;
use pgsiphon::index::{Index, Section};
use pgsiphon::storage::input::index::FoundIndex;
use serde_json::{Value, json};

use super::choice::{ChoiceArgs, find, find_index};
use super::storage::StorageArgs;
use super::{print, print_json};

#[derive(Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct ContentsArgs {
    /// The backup: a file or s3://bucket/key; or latest for the newest good backup of a configured job
    #[arg(value_name = "FILE|s3://BUCKET/KEY|latest[:DATABASE]")]
    backup: String,
    /// Print JSON, with sizes, numbers of rows and dependencies
    #[arg(long)]
    json: bool,
    /// Print progress messages
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    storage: StorageArgs,
}

/// Runs the command.
pub(crate) async fn run(args: ContentsArgs) -> Result<()> {
    let choice = args.choice.choice()?;
    let location = args.storage.locate(args.backup).await?;
    let found = find_index(&*args.storage.input(&location).await?).await?;
    let chosen = if choice.is_everything() {
        (0..found.index.entries.len()).collect()
    } else {
        find(&choice, &found.index)?
    };
    if args.json {
        return print_json(&in_json(&location, &found, &chosen));
    }
    print(&format!("{}{}", head(&location, &found), list(&found.index, &chosen)))
}

/// Comments for whoever edits the list.
fn head(location: &str, found: &FoundIndex) -> String {
    let Index { text_bytes, entries, .. } = &found.index;
    format!(
        ";\n; {location}\n;     {} entries, {text_bytes} bytes of text, {} bytes stored\n;\n\
         ; dump id; catalog, OID, kind, schema, name, owner\n;\n",
        entries.len(),
        found.size
    )
}

fn in_json(location: &str, found: &FoundIndex, chosen: &[usize]) -> Value {
    let entries = chosen.iter().filter_map(|number| found.index.entries.get(*number)).map(|entry| {
        let rows = entry.contents.as_ref().map(|contents| contents.count());
        json!({
            "dump_id": entry.dump_id,
            "kind": &*entry.kind,
            "schema": (!entry.namespace.is_empty()).then_some(&*entry.namespace),
            "name": &*entry.tag,
            "owner": (!entry.owner.is_empty()).then_some(&*entry.owner),
            "section": section(entry.section),
            "catalog": entry.classoid,
            "oid": entry.oid,
            "depends_on": entry.dependencies,
            "text_bytes": entry.ranges.iter().map(|range| range.length).sum::<u64>(),
            "rows": rows,
        })
    });
    json!({
        "location": location,
        "stored_bytes": found.size,
        "text_bytes": found.index.text_bytes,
        "fetched_bytes": found.fetched_bytes,
        "entries": entries.collect::<Vec<_>>(),
    })
}

fn section(section: Section) -> Option<&'static str> {
    match section {
        Section::None => None,
        Section::PreData => Some("pre-data"),
        Section::Data => Some("data"),
        Section::PostData => Some("post-data"),
    }
}
