//! The rows of tables: one query for the COPY commands of a whole segment.
//!
//! A query per table would take a round trip for each. Only tables that need different settings are read by
//! separate queries.

use std::sync::Arc;

use tokio_postgres::error::SqlState;

use super::insert::InsertWriter;
use super::{Active, DumpSource, Producer};
use crate::catalog::{DumpId, RelKind, Relation, TableData};
use crate::codec::BLOCK_BYTES;
use crate::emit::{copy_columns, load_target};
use crate::error::{Error, ErrorKind, Result};
use crate::pg::connect::Session;
use crate::pg::copy_out::{Chunk, Copied, CopyOut, CopyOutError};
use crate::pipeline::BlockWriter;
use crate::plan::{BlockRange, Step};
use crate::select::options::RowFormat;

/// The savepoint of a session that reads. Returning to it releases the locks on the tables of the query before, and
/// undoes that query's settings. The SELECT fails if that query ended in an error after its last row.
const NEXT: &str = "SELECT; ROLLBACK TO SAVEPOINT table_lock;\n";

/// Makes sure that a range of blocks is read by a TID range scan, in one process: other scans would read the whole
/// table, or return the rows in another order.
const ONLY_RANGES: &str = "SET LOCAL enable_tidscan = on; SET LOCAL enable_seqscan = off;
SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL max_parallel_workers_per_gather = 0;\n";

/// Tables that can be read by the same query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// COPY reads them as they are, or with the planner's usual settings.
    Whole,
    /// Ranges of blocks.
    Range,
    /// Foreign tables, which COPY may read only because the user asked for them.
    Foreign,
}

/// A table to read, or a part of it.
struct Table<'a> {
    relation: &'a Relation,
    data: &'a TableData,
    blocks: BlockRange,
    /// Quoted and qualified.
    name: String,
}

impl<'a> Table<'a> {
    fn of(source: &'a DumpSource, step: &Step) -> Option<Table<'a>> {
        let Step::Rows(data, blocks) = step else { return None };
        let catalog = &source.leader.catalog;
        let data = catalog.table_data(*data)?;
        let name = qualified_name(source, data.table);
        Some(Table { relation: catalog.relation(data.table)?, data, blocks: *blocks, name })
    }

    fn class(&self) -> Class {
        if self.relation.relkind == RelKind::ForeignTable {
            Class::Foreign
        } else if self.blocks == BlockRange::ALL {
            Class::Whole
        } else {
            Class::Range
        }
    }

    fn copy_command(&self, source: &DumpSource) -> String {
        let (name, columns) = (&self.name, copy_columns(&source.leader.quoter, self.relation));
        let listed = columns.strip_prefix('(').and_then(|c| c.strip_suffix(')'));
        match (self.class(), &self.data.condition) {
            (Class::Whole, None) => format!("COPY {name} {columns} TO STDOUT;\n"),
            (Class::Whole | Class::Foreign, condition) => {
                let (listed, condition) = (listed.unwrap_or("*"), condition.as_deref().unwrap_or_default());
                format!("COPY (SELECT {listed} FROM {name} {condition}) TO STDOUT;\n")
            }
            (Class::Range, _) => {
                let BlockRange { start, end } = self.blocks;
                let end = end.map(|end| format!(" AND ctid < '({end},0)'")).unwrap_or_default();
                let listed = listed.unwrap_or_default();
                format!(
                    "COPY (SELECT {listed} FROM ONLY {name} WHERE ctid >= '({start},0)'{end}) TO STDOUT;\n"
                )
            }
        }
    }
}

fn qualified_name(source: &DumpSource, table: DumpId) -> String {
    let catalog = &source.leader.catalog;
    source.leader.quoter.qualified(catalog.namespace_name(table), &catalog.object(table).name)
}

/// Reads the rows of a segment's tables, in order.
pub(super) struct RowReader<'s> {
    steps: &'s [Step],
    query: Option<Query>,
}

/// A query in progress.
struct Query {
    copy: CopyOut,
    /// How many COPY commands are still to come.
    left: usize,
    /// Whether the first COPY has begun.
    has_begun: bool,
}

/// Why rows could not be written.
enum Failure {
    /// Reading failed.
    Read(CopyOutError),
    /// The dump was stopped elsewhere.
    Write(Error),
}

impl<'s> RowReader<'s> {
    pub(super) fn new(steps: &'s [Step]) -> Self {
        RowReader { steps, query: None }
    }

    /// Writes the rows of the step with this number. The steps with rows must be read in their order.
    pub(super) async fn read(
        &mut self,
        producer: &mut Producer,
        number: usize,
        out: &mut BlockWriter,
    ) -> Result<()> {
        let source = Arc::clone(&producer.source);
        let Some(table) = self.steps.get(number).and_then(|step| Table::of(&source, step)) else {
            return Ok(());
        };
        let session = producer.session().await?;
        let mut query = match self.query.take() {
            Some(query) => query,
            None => producer.begin_query(&session, &tables_like_the_first(&source, &self.steps[number..])),
        };
        query.left -= 1;
        match query.write_rows(&source, &table, out).await {
            Ok(()) if query.left > 0 => {
                self.query = Some(query);
                Ok(())
            }
            Ok(()) => {
                producer.active = Active::None;
                Ok(())
            }
            Err(Failure::Read(cause)) if !query.has_begun && is_lock_not_available(&cause) => {
                drop(query);
                // What comes after this table is tried again.
                producer.have_leader_read(&session, &table, out).await
            }
            Err(failure) => Err(failure.explain(&session, &query, &table)),
        }
    }
}

/// The tables at the start of `steps` that one query can read.
fn tables_like_the_first<'a>(source: &'a DumpSource, steps: &[Step]) -> Vec<Table<'a>> {
    let mut tables: Vec<Table<'_>> = Vec::new();
    for step in steps {
        match Table::of(source, step) {
            Some(table) if tables.first().is_none_or(|first| first.class() == table.class()) => {
                tables.push(table);
            }
            Some(_) => break,
            None if matches!(step, Step::LargeObjects(_)) => break,
            None => {}
        }
    }
    tables
}

fn is_lock_not_available(cause: &CopyOutError) -> bool {
    matches!(cause, CopyOutError::Failed(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
}

impl Producer {
    /// Begins to read these tables.
    ///
    /// It first takes the locks that the leader already has, so that COPY does not queue for one behind a session
    /// that waits for the leader: the server cannot detect that deadlock.
    fn begin_query(&mut self, session: &Session, tables: &[Table<'_>]) -> Query {
        let class = tables.first().map_or(Class::Whole, Table::class);
        let mut sql = String::from(if self.has_savepoint { NEXT } else { "SAVEPOINT table_lock;\n" });
        self.has_savepoint = true;
        if class == Class::Foreign {
            sql.push_str(self.source.leader.setup.allow_foreign_tables());
        } else if self.has_own_session() {
            let names: Vec<_> = tables.iter().map(|table| format!("ONLY {}", table.name)).collect();
            sql.push_str(&format!("LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT;\n", names.join(", ")));
        }
        if class == Class::Range {
            sql.push_str(ONLY_RANGES);
        }
        for table in tables {
            sql.push_str(&table.copy_command(&self.source));
        }
        self.active = Active::Own;
        Query { copy: session.copy_out(sql, BLOCK_BYTES), left: tables.len(), has_begun: false }
    }

    /// Has the leader read a table that this session could not lock, because another session waits for an exclusive
    /// lock on it. The leader already has its lock.
    async fn have_leader_read(
        &mut self,
        own: &Session,
        table: &Table<'_>,
        out: &mut BlockWriter,
    ) -> Result<()> {
        tracing::debug!(
            "another session waits for an exclusive lock on {}, so the leader reads it",
            table.name
        );
        let failed = |e| own.source_failed(format!("lock table {}", table.name), e);
        own.client.batch_execute("ROLLBACK TO SAVEPOINT table_lock").await.map_err(failed)?;
        let source = Arc::clone(&self.source);
        let leader = &source.leader.session;
        let _turn = source.leader_turn.lock().await;
        self.active = Active::Leaders;
        let settings = if table.class() == Class::Range { ONLY_RANGES } else { "" };
        let sql = format!(
            "SAVEPOINT table_settings; {settings}{} ROLLBACK TO SAVEPOINT table_settings; RELEASE SAVEPOINT table_settings",
            table.copy_command(&source)
        );
        let mut query = Query { copy: leader.copy_out(sql, BLOCK_BYTES), left: 0, has_begun: false };
        let written = query.write_rows(&source, table, out).await;
        written.map_err(|failure| failure.explain(leader, &query, table))?;
        self.active = Active::None;
        Ok(())
    }
}

impl Query {
    /// Writes the rows of the next COPY. If it is the last one, waits until the query has succeeded.
    async fn write_rows(
        &mut self,
        source: &DumpSource,
        table: &Table<'_>,
        out: &mut BlockWriter,
    ) -> Result<(), Failure> {
        let mut inserts = match source.options.rows {
            RowFormat::Copy => None,
            RowFormat::Insert { rows } => Some(Inserts::new(source, table, rows)),
        };
        while let Some(copied) = self.copy.next().await.map_err(Failure::Read)? {
            self.has_begun = true;
            let Copied::Rows(Chunk { mut text, rows }) = copied else { break };
            match &mut inserts {
                None => out.push_buffer(&mut text, rows),
                Some(inserts) => inserts.push(&text, rows, out),
            }
            .map_err(Failure::Write)?;
            self.copy.recycle(text);
        }
        if self.left == 0 {
            // There are no rows any more, but commands may follow the COPY.
            while self.copy.next().await.map_err(Failure::Read)?.is_some() {}
        }
        match inserts {
            Some(mut inserts) => inserts.writer.finish(out).map_err(Failure::Write),
            None => Ok(()),
        }
    }
}

/// Makes commands of rows.
struct Inserts {
    writer: InsertWriter,
    /// The start of a row whose rest is still to come.
    row: Vec<u8>,
}

impl Inserts {
    fn new(source: &DumpSource, table: &Table<'_>, rows: u32) -> Self {
        let target = load_target(&source.leader.catalog, &source.options, table.data.table);
        let into = qualified_name(source, target);
        let (options, quoter) = (&source.options, &source.leader.quoter);
        Inserts { writer: InsertWriter::new(options, quoter, table.relation, &into, rows), row: Vec::new() }
    }

    fn push(&mut self, text: &[u8], rows: u64, out: &mut BlockWriter) -> Result<()> {
        if rows == 0 || !self.row.is_empty() {
            self.row.extend_from_slice(text);
            if rows == 0 {
                return Ok(());
            }
            let row = std::mem::take(&mut self.row);
            return self.writer.push(&row, out);
        }
        text.split_inclusive(|byte| *byte == b'\n').try_for_each(|row| self.writer.push(row, out))
    }
}

impl Failure {
    fn explain(self, session: &Session, query: &Query, table: &Table<'_>) -> Error {
        let attempted = match query.left {
            more @ 1.. if !query.has_begun => {
                format!("copy table {}, or one of the {more} after it", table.name)
            }
            _ => format!("copy table {}", table.name),
        };
        match self {
            Failure::Write(error) => error,
            Failure::Read(CopyOutError::Failed(error)) => session.source_failed(attempted, error),
            Failure::Read(CopyOutError::Malformed(what)) => {
                Error::new(ErrorKind::SourceFailed, attempted).because(format!("the server sent {what}"))
            }
        }
    }
}
