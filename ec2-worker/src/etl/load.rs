//! Loads files into a table, in one transaction with its ledger row.
//!
//! Rows go to the database in large batches, each after a savepoint, because one refused row ends a whole `COPY`. If
//! the database refuses a batch, the load reads that range of the file again and finds the rows at fault.
//!
//! The mode `replace` deletes the old rows instead of truncating the table. A TRUNCATE would lock readers out until
//! the commit; with DELETE they see the old rows until then. Vacuum removes the dead rows later.

mod batch;
mod refused;

use std::path::PathBuf;
use std::time::Duration;

use definition::kind::field::{Limit, LoadMode};

use super::column::Column;
use super::dialect::Dialect;
use super::loaded_files;
use super::records::Skipped;
use super::rejects::Spool;
use super::source::{Origin, Source};
use super::statement::Statement;
use super::table::Table;
use super::transform::{self, Chunk, Message, Plan, Shape};
use super::value_rules::ValueRules;
use crate::database::{DatabaseTarget, Pool, Transaction};
use crate::failure::Failure;
use crate::ledger::{self, WorkKey};
use crate::patience::Patience;
use crate::progress::Progress;
use crate::sql::{identifier, literal};
use crate::storage::{S3Uri, Storage, Upload};
use batch::{Batch, Writer};

/// The size of a batch in encoded bytes. With batches of this size, the savepoints cost almost nothing.
const BATCH: u64 = 32 * 1024 * 1024;
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
    /// The columns that the data format declares.
    pub declared: Vec<String>,
    /// The rules by which texts become values.
    pub rules: ValueRules,
    /// The treatment of the old rows of the table: keep, replace or update them.
    pub mode: LoadMode,
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
    /// The bytes read, unpacked.
    pub bytes: u64,
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
        let result = LoadTry { load, progress, spool: &mut spool, loaded: Loaded::default() }.run(pool).await;
        match result {
            Err(failure) if failure.is_away() && patience.wait(&failure, progress).await => {}
            Err(failure) => return Err(give_up(load, &mut spool, failure, progress).await),
            Ok(()) => return Ok(()),
        }
    }
}

/// Writes the quarantine file, and names it in the failure.
async fn give_up(load: &Load, spool: &mut Spool, mut failure: Failure, progress: &Progress) -> Failure {
    // The transaction was undone.
    progress.set("rowsLoaded", 0);
    if spool.count() == 0 {
        return failure;
    }
    progress.set("rowsRejected", spool.count());
    for reason in spool.reasons() {
        progress.add("rejectReasons", reason.clone());
    }
    match quarantine(load, spool).await {
        Ok(Some(at)) => failure.message.push_str(&format!("; the refused rows are in {at}")),
        Ok(None) => {}
        Err(problem) => progress.note(format!("the quarantine file could not be written: {problem}")),
    }
    failure
}

async fn quarantine(load: &Load, spool: &mut Spool) -> Result<Option<String>, Failure> {
    let Some((storage, at)) = &load.quarantine else { return Ok(None) };
    let mut file = spool.reader()?;
    let mut upload = Upload::new(storage.clone(), at.clone());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match Spool::read(&mut file, &mut buffer)? {
            0 => break,
            count => upload.write(&buffer[..count]).await?,
        }
    }
    upload.finish().await?;
    Ok(Some(at.to_string()))
}

/// One try of a load, from the first statement to the commit.
struct LoadTry<'a> {
    load: &'a Load,
    progress: &'a Progress,
    spool: &'a mut Spool,
    loaded: Loaded,
}

impl LoadTry<'_> {
    async fn run(&mut self, pool: &Pool) -> Result<(), Failure> {
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
        let table = self.table(tx).await?;
        self.progress.set("loadedTable", &table);
        for source in &self.load.sources {
            self.progress.add("loadedFrom", source.name());
        }
        self.prepare(tx, &table).await?;
        for source in &self.load.sources {
            if self.is_new(tx, &table, source).await? {
                self.file(tx, &table, source).await?;
            }
        }
        self.check_limit()?;
        if self.spool.count() > 0 {
            self.keep_rejects(tx, &table).await?;
        }
        self.report();
        ledger::record(tx, &self.load.key, &self.progress.fields()).await?;
        Ok(Some(table))
    }

    async fn finish(&self, tx: Transaction, table: &Table) -> Result<(), Failure> {
        // The statistics help later queries. If ANALYZE fails, the load has still succeeded.
        let analyzed = tx.commit_then(&format!("ANALYZE {}", table.quoted())).await?;
        if let Err(error) = analyzed {
            self.progress.log(&format!("ANALYZE of {table} failed: {error}"));
        }
        Ok(())
    }

    async fn table(&self, tx: &Transaction) -> Result<Table, Failure> {
        let Load { schema, table: name, create, .. } = self.load;
        let schema = schema.as_deref();
        if let Some(table) = Table::find(tx, schema, name).await? {
            return Ok(table);
        }
        let shown = schema.map_or_else(|| name.clone(), |schema| format!("{schema}.{name}"));
        let Some(create) = create else {
            let missing = Table::missing(tx, schema, name).await?;
            let message = format!("{missing}; create it, or give `createTableSql`");
            return Err(Failure::bad_input("NoSuchTable", message));
        };
        lock(tx, &shown).await?;
        if let Some(table) = Table::find(tx, schema, name).await? {
            return Ok(table);
        }
        tx.run("running createTableSql", create).await?;
        self.progress.log(&format!("created table {shown}"));
        let made = Table::find(tx, schema, name).await?;
        made.ok_or_else(|| {
            Failure::bad_input(
                "CreateTableSql",
                format!("createTableSql ran, but there is still no table {shown}"),
            )
        })
    }

    async fn prepare(&self, tx: &Transaction, table: &Table) -> Result<(), Failure> {
        let name = table.quoted();
        // A deferred constraint would refuse the whole load at the commit, instead of one row.
        tx.run("checking constraints at once", "SET CONSTRAINTS ALL IMMEDIATE").await?;
        match self.load.mode {
            LoadMode::Append => Ok(()),
            LoadMode::Replace => {
                // The lock does not stop readers, but a second `replace` has to wait. Without the lock, the rows of
                // both files would stay.
                let sql = format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE; DELETE FROM {name}");
                tx.run(&format!("emptying {table}"), &sql).await?;
                loaded_files::forget(tx, table).await
            }
            LoadMode::Upsert if table.primary_key.is_empty() => {
                let message = format!("table {table} has no primary key, which `myLoadMode` upsert needs");
                Err(Failure::bad_input("NoPrimaryKey", message))
            }
            LoadMode::Upsert => Ok(()),
        }
    }

    /// Notes the file as loaded. Returns false, with a remark for the user, if the mode is `append` and the table has
    /// the file already.
    async fn is_new(&self, tx: &Transaction, table: &Table, source: &Source) -> Result<bool, Failure> {
        let Origin::Object(_, object) = &source.origin else { return Ok(true) };
        if loaded_files::note(tx, &self.load.key, table, object).await? || self.load.mode != LoadMode::Append
        {
            return Ok(true);
        }
        let rows =
            tx.query("reading the table", &format!("SELECT 1 FROM {} LIMIT 1", table.quoted()), &[]).await?;
        if rows.is_empty() {
            // Somebody emptied the table, so its old files may be loaded again.
            loaded_files::forget(tx, table).await?;
            return loaded_files::note(tx, &self.load.key, table, object).await;
        }
        self.progress
            .note(format!("{object} is in {table} already; not appended again", object = source.name()));
        Ok(false)
    }

    async fn file(&mut self, tx: &Transaction, table: &Table, source: &Source) -> Result<(), Failure> {
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
                    // A range of the file is read again as the whole file was read.
                    plan.dialect = begin.dialect;
                    (plan.dialect.skip_lines, plan.dialect.skip_footer) = (0, 0);
                    plan.is_plain = begin.is_plain;
                    let writer = Writer::new(tx, table, begin.layout, self.load.mode).await?;
                    open = Some((writer, None));
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
                Message::Failed(failure) => return Err(failure),
                Message::End(skipped) => {
                    self.skipped(source, skipped);
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

    async fn plan(&self, tx: &Transaction, table: &Table, source: &Source) -> Result<Plan, Failure> {
        let shape = match &self.load.insert {
            Some(insert) => Shape::Statement(self.statement(tx, insert).await?),
            None => Shape::Table { columns: table.columns.clone(), declared: self.load.declared.clone() },
        };
        Ok(Plan {
            file: source.name(),
            table: table.to_string(),
            dialect: self.load.dialect.clone(),
            rules: self.load.rules.clone(),
            shape,
            scratch: self.load.scratch.clone(),
            is_plain: false,
        })
    }

    async fn statement(&self, tx: &Transaction, insert: &str) -> Result<Statement, Failure> {
        let (statement, why) = Statement::describe(tx, insert).await?;
        let Some(why) = why else { return Ok(statement) };
        if let Some(field) = self.load.rules.needs_types() {
            let message = format!(
                "`{field}` needs the types of the placeholders of `insertQuery`, which the database does not tell: {why}"
            );
            return Err(Failure::bad_input("Definition", message));
        }
        self.progress
            .note(format!("the values of `insertQuery` are sent as the file has them, because {why}"));
        Ok(statement)
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
            let full = current.bytes >= BATCH;
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
        let (range, rows) = ((batch.start, batch.end), batch.rows);
        match writer.finish(batch).await {
            Ok(()) => {
                self.loaded.rows += rows;
                Ok(())
            }
            Err(failure) if failure.is_refusal() => {
                self.load_again(source, plan, writer, range, &failure).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// Tells the user which records were left out of a file.
    fn skipped(&mut self, source: &Source, skipped: Skipped) {
        self.loaded.skipped += skipped.total();
        let Skipped { blank, comments, head, footer } = skipped;
        let kinds = [
            (blank, "blank line"),
            (comments, "comment"),
            (head, "line at the start"),
            (footer, "record at the end"),
        ];
        for (count, kind) in kinds.into_iter().filter(|(count, _)| *count > 0) {
            let kind = if count == 1 { kind.to_owned() } else { kind.replacen("line", "lines", 1) };
            self.progress.note(format!("{}: left out {count} {kind}", source.name()));
        }
    }

    fn report(&self) {
        self.progress.set("rowsLoaded", self.loaded.rows);
        self.progress.set("rowsRejected", self.loaded.rejected);
        self.progress.set("bytesRead", self.loaded.bytes);
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
