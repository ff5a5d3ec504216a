//! Loads files into a table, in one transaction with its ledger row.
//!
//! Rows go to the database in large batches, each after a savepoint, because one refused row ends a whole `COPY`. If
//! the database refuses a batch, the load reads that range of the file again and finds the rows at fault.
//!
//! The mode `replace` deletes the old rows instead of truncating the table. A TRUNCATE would lock readers out until
//! the commit; with DELETE they see the old rows until then. Vacuum removes the dead rows later.

mod batch;
mod batch_size;
mod circles;
mod doubles;
pub mod dry_run;
mod expect;
mod groups;
mod headers;
mod json_keys;
mod merge;
mod on_update;
pub mod publish;
mod quarantine;
mod reason;
mod refused;
mod replace;
mod report;
pub mod retry;
mod rules;
mod target;
mod waiting;

use std::path::PathBuf;
use std::time::Duration;

use definition::kind::field::{Limit, LoadMode, OnColumns};

use super::column::Column;
use super::dialect::Dialect;
use super::header::Target;
use super::loaded_files;
use super::next_tables::{Before, NextTables};
use super::records::Skipped;
use super::rejects::Spool;
use super::source::{Origin, Source};
use super::table::Table;
use super::transform::{self, Chunk, End, Layout, Message, Plan, RowsOf, Shape};
use super::value_rules::ValueRules;
use crate::database::{DatabaseTarget, Pool, Transaction};
use crate::failure::Failure;
use crate::ledger::{self, WorkKey};
use crate::patience::Patience;
use crate::progress::Progress;
use crate::sql::{identifier, literal};
use crate::storage::{S3Uri, Storage};
use batch::{Accepted, Batch, Writer};
use batch_size::BatchSize;
pub use expect::Expectations;
use on_update::Guard;
use quarantine::give_up;
use replace::Kept;
use waiting::Waiting;

/// A load that has passed its limit of refused rows goes on only until it has collected this many of them for the
/// quarantine file.
const COLLECTED: u64 = 10_000;
/// The message if the channel of the reading thread closes early.
const READER_GONE: &str = "the thread that reads the file ended without a result";

/// A load: the files, the table, and the rules by which records become rows.
#[derive(Clone, Debug)]
pub struct Load {
    /// The identity of the work.
    pub key: WorkKey,
    /// The database.
    pub target: DatabaseTarget,
    /// The schema of the table.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
    /// The statement that creates the table if it is missing.
    pub create: Option<String>,
    /// A statement with a `?` for each column, which replaces `COPY`.
    pub insert: Option<String>,
    /// The files, in order.
    pub sources: Vec<Source>,
    /// The dialect of the files.
    pub dialect: Dialect,
    /// The source of the records.
    pub rows_of: RowsOf,
    /// The columns that the data format declares.
    pub declared: Vec<String>,
    /// The rules by which texts become values.
    pub rules: ValueRules,
    /// The treatment of the old rows of the table: keep, replace or update them.
    pub mode: LoadMode,
    /// How to treat columns of a file that the table lacks.
    pub on_columns: OnColumns,
    /// Whether `replace` may change rows of other tables.
    pub cascade: bool,
    /// The id of the run, if it publishes its tables together. The rows go into the next table then.
    pub together: Option<String>,
    /// The queries that must give true after the load.
    pub expect: Expectations,
    /// The largest number or share of refused rows.
    pub limit: Limit,
    /// The object for the refused rows, besides the table for them.
    pub quarantine: Option<(Storage, S3Uri)>,
    /// The folder for spool files.
    pub scratch: PathBuf,
    /// How long to keep trying to reach the database.
    pub patience: Duration,
}

/// The counts of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The loaded rows.
    pub rows: u64,
    /// The refused rows.
    pub rejected: u64,
    /// The records that were left out: blank lines, comments, and lines at the start and the end.
    pub skipped: u64,
    /// The loaded rows that a later row of the same load replaced, because the load is an upsert and both rows have the
    /// same key.
    pub replaced: u64,
    /// The rows that the database has accepted but not stored, because a trigger or the user's statement left them out.
    pub left_out: u64,
    /// The bytes read, unpacked.
    pub bytes: u64,
}

impl Loaded {
    /// Counts rows that the database has accepted.
    fn add(&mut self, rows: u64, accepted: Accepted) {
        self.rows += rows;
        self.replaced += accepted.replaced;
        self.left_out += accepted.stored.map_or(0, |stored| rows.saturating_sub(stored));
    }
}

/// Loads, and starts again if the connection to the database breaks, until the patience of the load ends.
///
/// # Errors
///
/// If a file cannot be loaded, or if the database refuses the load or cannot be reached. The table is then
/// unchanged. If rows were refused and the load names a quarantine file, the file is written nevertheless.
pub async fn load(load: &Load, pool: &Pool, progress: &Progress) -> Result<(), Failure> {
    let mut patience = Patience::new(load.patience);
    loop {
        let mut spool = Spool::new(&load.scratch, &load.key.pipeline);
        let result = LoadTry::new(load, progress, &mut spool).run(pool).await;
        match result {
            Err(failure) if failure.is_away() && patience.wait(&failure, progress).await => {}
            Err(failure) => return Err(give_up(load, &mut spool, failure, progress).await),
            Ok(()) => return Ok(()),
        }
    }
}

/// One try of a load, from the first statement to the commit.
struct LoadTry<'a> {
    load: &'a Load,
    progress: &'a Progress,
    spool: &'a mut Spool,
    loaded: Loaded,
    /// The first file with a header, and the names in the header.
    header: Option<(String, Vec<String>)>,
    /// The old rows that `replace` has kept.
    kept: Option<Kept>,
    /// Protects rows of other tables from foreign keys with an action on update.
    guard: Guard,
    /// The foreign keys of the table that refer to the table itself.
    own_keys: Vec<String>,
    /// The rows that refer to rows of the table that were not loaded yet.
    waiting: Vec<Waiting>,
    /// Whether a file of this load was skipped, because the table holds its rows already.
    has_earlier: bool,
    /// The error about the first file without rows. It fails the load only if no file has rows.
    empty: Option<Failure>,
    /// The next tables of the run, if it publishes its tables together.
    next_tables: NextTables,
    /// The columns that the load has added to the table.
    added: Vec<String>,
    batch_size: BatchSize,
    /// The tables before the load, if the run publishes its tables together.
    before: Option<Before>,
    /// In a retry of refused rows: the load that refused them. The mended rows must not replace rows of this load or of
    /// later transactions.
    protected: Option<WorkKey>,
}

impl<'a> LoadTry<'a> {
    fn new(load: &'a Load, progress: &'a Progress, spool: &'a mut Spool) -> Self {
        let loaded = Loaded::default();
        Self {
            load,
            progress,
            spool,
            loaded,
            header: None,
            kept: None,
            guard: Guard::default(),
            own_keys: Vec::new(),
            waiting: Vec::new(),
            has_earlier: false,
            empty: None,
            next_tables: NextTables::default(),
            added: Vec::new(),
            batch_size: BatchSize::default(),
            before: None,
            protected: None,
        }
    }
}

impl LoadTry<'_> {
    async fn run(&mut self, pool: &Pool) -> Result<(), Failure> {
        if let Some(run) = &self.load.together {
            self.make_next_table(pool, run).await?;
        }
        let tx = ledger::begin_fixed(pool, &self.load.target).await?;
        let result = self.in_transaction(&tx).await;
        match result {
            Ok(Some(table)) => self.finish(tx, &table).await,
            Ok(None) => {
                tx.rollback().await;
                Ok(())
            }
            Err(failure) => {
                if !failure.is_away() {
                    tx.rollback().await;
                }
                Err(failure)
            }
        }
    }

    /// Does the work, unless an earlier attempt has done it. Returns the table if there is something to commit.
    async fn in_transaction(&mut self, tx: &Transaction) -> Result<Option<Table>, Failure> {
        if let Some(report) = ledger::claim(tx, &self.load.key).await? {
            self.progress.replace(report);
            self.progress.note("this was loaded by an earlier attempt, which could not report it");
            return Ok(None);
        }
        let mut table = self.table(tx).await?;
        if let Some(run) = &self.load.together {
            table = self.next_table(tx, run, &table).await?;
        }
        self.progress.set("loadedTable", &table);
        for source in &self.load.sources {
            self.progress.add("loadedFrom", source.name());
        }
        self.fill(tx, &mut table).await?;
        if self.spool.count() > 0 {
            self.keep_rejects(tx, &table).await?;
        }
        self.report(&table);
        ledger::record(tx, &self.load.key, &self.progress.fields()).await?;
        Ok(Some(table))
    }

    /// Prepares the table, loads the files into it, and checks the result.
    async fn fill(&mut self, tx: &Transaction, table: &mut Table) -> Result<(), Failure> {
        self.prepare(tx, table).await?;
        if self.load.mode == LoadMode::Append {
            // Before the first file, because a table that somebody has emptied is not empty after it.
            loaded_files::forget_if_empty(tx, table).await?;
        }
        for source in &self.load.sources {
            if self.is_new(tx, table, source).await? {
                self.file(tx, table, source).await?;
            } else {
                self.has_earlier = true;
            }
        }
        self.load_waiting(tx, table).await?;
        self.check_limit()?;
        self.check_rows()?;
        if let Some(kept) = &self.kept {
            kept.finish(tx, table, self.load.cascade).await?;
        }
        self.load.expect.check(tx, &self.next_tables, self.progress).await?;
        self.check_next_tables(tx).await
    }

    async fn finish(&self, tx: Transaction, table: &Table) -> Result<(), Failure> {
        // The statistics help later queries. If ANALYZE fails, the load has still succeeded.
        let analyzed = tx.commit_then(&format!("ANALYZE {}", table.quoted())).await?;
        if let Err(error) = analyzed {
            self.progress.log(&format!("ANALYZE of {table} failed: {error}"));
        }
        Ok(())
    }

    async fn file(&mut self, tx: &Transaction, table: &mut Table, source: &Source) -> Result<(), Failure> {
        if self.is_empty_part(source) {
            return Ok(());
        }
        let mut plan = self.plan(tx, table, source).await?;
        let mut messages = transform::start(source.open().await?, plan.clone());
        let mut open: Option<(Writer<'_>, Option<Batch>)> = None;
        let before = self.loaded.bytes;
        while let Some(message) = messages.recv().await {
            match message {
                Message::Begin(begin) => {
                    for note in &begin.notes {
                        self.progress.note(format!("{}: {note}", source.name()));
                    }
                    match &begin.layout {
                        Layout::Binary(fit) | Layout::Text(fit) => self.fit(tx, table, source, fit).await?,
                        Layout::Statements(statement) => self.compare_statements(source, statement)?,
                    }
                    let way = self.way(table, &begin.layout)?;
                    // After a refused batch, a range of the file is read again. The range needs the dialect that was
                    // found at the start of the file.
                    plan.dialect = begin.dialect;
                    // The range ends before the footer, so it must not leave out its own last records. `skip_lines`
                    // stays: the text of a workbook depends on it, and a range that begins later skips no lines.
                    plan.dialect.skip_footer = 0;
                    plan.is_plain = begin.is_plain;
                    let has_rows = self.loaded.rows > 0;
                    let writer = Writer::new(tx, table, begin.layout, way, (has_rows, &self.guard)).await?;
                    open = Some((writer.protecting(self.protected.clone()), None));
                }
                Message::Chunk(chunk) => {
                    self.loaded.bytes = before + chunk.end.offset;
                    self.collect(source, &chunk.rejects)?;
                    let Some((writer, batch)) = &mut open else { continue };
                    if self.is_limit_passed() {
                        *batch = None;
                        if self.spool.count() > COLLECTED {
                            break;
                        }
                        continue;
                    }
                    self.take(source, &plan, writer, batch, chunk).await?;
                }
                Message::Failed(failure) if self.is_empty_file(&failure) => return Ok(()),
                Message::Failed(failure) => return Err(failure),
                Message::End(end) => {
                    self.note_end(source, &end);
                    if let Some((writer, Some(batch))) = open.take() {
                        self.end_batch(source, &plan, &writer, batch).await?;
                    }
                    return Ok(());
                }
            }
        }
        self.check_limit()?;
        Err(Failure::internal(READER_GONE))
    }

    /// Returns whether the file is an object of zero bytes among several files. The load skips such a file without
    /// opening it, because zero bytes cannot be unpacked as gzip.
    fn is_empty_part(&mut self, source: &Source) -> bool {
        let Origin::Object(_, object) = &source.origin else { return false };
        let is_empty = self.load.sources.len() > 1 && object.etag.is_some() && object.size == 0;
        if is_empty {
            self.empty.get_or_insert_with(|| {
                Failure::bad_input("NoRows", format!("{}: the file is empty", source.name()))
            });
        }
        is_empty
    }

    /// Returns whether a file among several failed only because it has no rows. Records that a file had no rows.
    fn is_empty_file(&mut self, failure: &Failure) -> bool {
        let is_empty = self.load.sources.len() > 1 && failure.id == "BadInput:NoRows";
        if is_empty {
            self.empty.get_or_insert_with(|| failure.clone());
        }
        is_empty
    }

    async fn plan(&self, tx: &Transaction, table: &Table, source: &Source) -> Result<Plan, Failure> {
        let shape = match &self.load.insert {
            Some(insert) => {
                let insert = self.next_tables.redirect(insert).text;
                Shape::Statement(self.statement(tx, table, &insert).await?)
            }
            None => Shape::Table {
                target: Target::of(table, self.load.on_columns),
                declared: self.load.declared.clone(),
            },
        };
        Ok(Plan {
            file: source.name(),
            table: table.to_string(),
            dialect: self.load.dialect_for(table, shape.statement()),
            rules: self.load.rules.clone(),
            shape,
            scratch: self.load.scratch.clone(),
            is_plain: false,
            rows_of: self.load.rows_of,
        })
    }

    async fn take(
        &mut self,
        source: &Source,
        plan: &Plan,
        writer: &Writer<'_>,
        batch: &mut Option<Batch>,
        chunk: Chunk,
    ) -> Result<(), Failure> {
        if chunk.rows > 0 {
            if batch.is_none() {
                *batch = Some(writer.begin(chunk.start).await?);
            }
            let Some(current) = batch else { return Ok(()) };
            let sent = writer.send(current, chunk).await;
            let full = current.bytes >= self.batch_size.bytes();
            match sent {
                Err(failure) if failure.is_refusal() => {
                    if let Some(refused) = batch.take() {
                        self.load_again(source, plan, writer, (refused.start, refused.end), &failure).await?;
                    }
                }
                Err(failure) => return Err(failure),
                Ok(()) if full => {
                    if let Some(full) = batch.take() {
                        self.end_batch(source, plan, writer, full).await?;
                    }
                }
                Ok(()) => {}
            }
        }
        self.progress.set("rowsLoaded", self.loaded.rows);
        self.progress.set("bytesRead", self.loaded.bytes);
        Ok(())
    }

    async fn end_batch(
        &mut self,
        source: &Source,
        plan: &Plan,
        writer: &Writer<'_>,
        batch: Batch,
    ) -> Result<(), Failure> {
        let (range, rows, bytes) = ((batch.start, batch.end), batch.rows, batch.bytes);
        match writer.finish(batch).await {
            Ok(accepted) => {
                self.loaded.add(rows, accepted);
                self.batch_size.accepted(bytes);
                Ok(())
            }
            Err(failure) if failure.is_refusal() => {
                self.load_again(source, plan, writer, range, &failure).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// Notes for the user which records were left out of a file, and which oddities the others have.
    fn note_end(&mut self, source: &Source, End { skipped, notes }: &End) {
        self.loaded.skipped += skipped.total();
        let Skipped { blank, comments, head, footer, odd: _ } = *skipped;
        let kinds = [
            (blank, "blank line", "blank lines"),
            (comments, "comment", "comments"),
            (head, "line at the start", "lines at the start"),
            (footer, "record at the end", "records at the end"),
        ];
        for (count, one, many) in kinds.into_iter().filter(|(count, ..)| *count > 0) {
            let kind = if count == 1 { one } else { many };
            self.progress.note(format!("{}: left out {count} {kind}", source.name()));
        }
        for note in notes {
            self.progress.note(format!("{}: {note}", source.name()));
        }
    }
}

/// Takes the advisory lock named `name`; waits while another transaction has it.
async fn lock(tx: &Transaction, name: &str) -> Result<(), Failure> {
    let sql = format!("SELECT pg_advisory_xact_lock(hashtextextended({}, 0))", literal(name));
    tx.run("waiting for a load of the same table", &sql).await
}

/// Returns a list of columns for SQL.
fn list(columns: &[Column]) -> String {
    columns.iter().map(|column| identifier(&column.name)).collect::<Vec<_>>().join(", ")
}
