//! One load: files into a table, in one transaction with its ledger row.
//!
//! Rows go to the database in large batches, each under a savepoint, because one refused row kills a whole
//! `COPY`. Only when a batch is refused is its range of the file read again and narrowed down row by row.
//!
//! `replace` deletes the old rows instead of truncating: a TRUNCATE would lock readers out until the commit,
//! a DELETE lets them see the old rows to the end. Vacuum takes the dead rows away later.

mod batch;

use std::path::PathBuf;
use std::time::Duration;

use definition::kind::field::{Limit, LoadMode};

use super::column::Column;
use super::date::Pattern;
use super::dialect::Dialect;
use super::position::Position;
use super::rejects::Spool;
use super::source::{Place, Source};
use super::table::Table;
use super::transform::{self, Chunk, Message, Plan, Reject, Shape};
use crate::database::{Pool, Target, Transaction};
use crate::failure::Failure;
use crate::ledger::{self, WorkKey};
use crate::patience::Patience;
use crate::progress::Progress;
use crate::sql::{Template, identifier, literal};
use crate::storage::{S3Uri, Storage, Upload};
use batch::{Batch, Writer};

/// A batch ends with this many encoded bytes: large enough that savepoints cost nothing.
const BATCH: u64 = 32 * 1024 * 1024;
/// After the limit is passed, so many more refusals are collected for the quarantine file.
const COLLECTED: u64 = 10_000;

/// What is to be loaded, and where to.
#[derive(Clone, Debug)]
pub struct Load {
    /// Which work it is.
    pub key: WorkKey,
    /// The database.
    pub target: Target,
    /// The table's schema.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
    /// Makes the table where it is missing.
    pub create: Option<String>,
    /// A statement with a `?` for each column, instead of `COPY`.
    pub insert: Option<String>,
    /// The files, in order.
    pub sources: Vec<Source>,
    /// How they are cut.
    pub dialect: Dialect,
    /// Columns that the data format declares.
    pub declared: Vec<String>,
    /// How their dates are written.
    pub dates: Option<Pattern>,
    /// What becomes of the rows that the table has.
    pub mode: LoadMode,
    /// How many rows may be refused.
    pub limit: Limit,
    /// Where refused rows go, besides the table.
    pub quarantine: Option<(Storage, S3Uri)>,
    /// Folder for spool files.
    pub scratch: PathBuf,
    /// How long a database that is away is waited for.
    pub patience: Duration,
}

/// What a load did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Rows now in the table.
    pub rows: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Bytes read, unpacked.
    pub bytes: u64,
}

/// Loads, starting again whenever the database went away.
///
/// # Errors
///
/// When the files are not to be loaded, or the database refuses or stays away. The table is then as it was;
/// the quarantine file is written all the same.
pub async fn load(load: &Load, pool: &Pool, progress: &Progress) -> Result<(), Failure> {
    let mut patience = Patience::new(load.patience);
    loop {
        let mut spool = Spool::new(&load.scratch, &load.key.pipeline);
        let result = Attempt { load, progress, spool: &mut spool, loaded: Loaded::default() }.run(pool).await;
        match result {
            Err(failure) if failure.is_away() && patience.wait(&failure, progress).await => {}
            Err(failure) => return Err(give_up(load, &mut spool, failure, progress).await),
            Ok(()) => return Ok(()),
        }
    }
}

/// Lets the quarantine file stand, and says in the failure where.
async fn give_up(load: &Load, spool: &mut Spool, mut failure: Failure, progress: &Progress) -> Failure {
    // What was sent is undone.
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

struct Attempt<'a> {
    load: &'a Load,
    progress: &'a Progress,
    spool: &'a mut Spool,
    loaded: Loaded,
}

impl Attempt<'_> {
    async fn run(&mut self, pool: &Pool) -> Result<(), Failure> {
        let tx = ledger::begin(pool, &self.load.target).await?;
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

    /// Returns the table when there is something to commit.
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
        // Statistics are for the queries after us: a failure here is no failure of the load.
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
            let message =
                format!("table {shown} is not in the database; create it, or give `createTableSql`");
            return Err(Failure::bad_input("NoSuchTable", message));
        };
        lock(tx, &shown).await?;
        if let Some(table) = Table::find(tx, schema, name).await? {
            return Ok(table);
        }
        tx.run("running createTableSql", create).await?;
        self.progress.log(&format!("made table {shown}"));
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
        // A constraint that waits for the commit would refuse the whole load instead of a row.
        tx.run("checking constraints at once", "SET CONSTRAINTS ALL IMMEDIATE").await?;
        match self.load.mode {
            LoadMode::Append => Ok(()),
            LoadMode::Replace => {
                // Readers go on; a second replace waits, else both files' rows would be left.
                let sql = format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE; DELETE FROM {name}");
                tx.run(&format!("emptying {table}"), &sql).await?;
                ledger::forget_files(tx, table).await
            }
            LoadMode::Upsert if table.primary_key.is_empty() => {
                let message = format!("table {table} has no primary key, which `myLoadMode` upsert needs");
                Err(Failure::bad_input("NoPrimaryKey", message))
            }
            LoadMode::Upsert => Ok(()),
        }
    }

    /// Notes the file as loaded; says and returns when it was before.
    async fn is_new(&self, tx: &Transaction, table: &Table, source: &Source) -> Result<bool, Failure> {
        let Place::Object(_, object) = &source.place else { return Ok(true) };
        if ledger::note_file(tx, &self.load.key, table, object).await? || self.load.mode != LoadMode::Append {
            return Ok(true);
        }
        let rows = tx
            .query("looking into the table", &format!("SELECT 1 FROM {} LIMIT 1", table.quoted()), &[])
            .await?;
        if rows.is_empty() {
            // Somebody emptied the table: what it held once does not count.
            ledger::forget_files(tx, table).await?;
            return ledger::note_file(tx, &self.load.key, table, object).await;
        }
        self.progress
            .note(format!("{object} is in {table} already; not appended again", object = source.name()));
        Ok(false)
    }

    async fn file(&mut self, tx: &Transaction, table: &Table, source: &Source) -> Result<(), Failure> {
        let plan = self.plan(table, source)?;
        let mut messages = transform::start(source.open(0, None).await?, plan.clone());
        let mut open: Option<(Writer<'_>, Option<Batch>)> = None;
        let before = self.loaded.bytes;
        while let Some(message) = messages.recv().await {
            match message {
                Message::Layout(layout) => {
                    let writer = Writer::new(tx, table, layout, self.load.mode).await?;
                    open = Some((writer, None));
                }
                Message::Chunk(chunk) => {
                    self.loaded.bytes = before + chunk.end.offset;
                    self.set_aside(source, &chunk.rejects)?;
                    let Some((writer, batch)) = &mut open else { continue };
                    if self.is_lost() {
                        *batch = None;
                        if self.spool.count() > COLLECTED {
                            break;
                        }
                        continue;
                    }
                    self.take(source, &plan, writer, batch, chunk).await?;
                }
                Message::Failed(failure) => return Err(failure),
                Message::End => {
                    if let Some((writer, Some(batch))) = open.take() {
                        self.end_batch(source, &plan, &writer, batch).await?;
                    }
                    return Ok(());
                }
            }
        }
        self.check_limit()?;
        Err(Failure::new("Worker:Internal", "the thread that reads the file ended without a word"))
    }

    fn plan(&self, table: &Table, source: &Source) -> Result<Plan, Failure> {
        let shape = match &self.load.insert {
            Some(insert) => Shape::Statement(self.template(insert)?),
            None => Shape::Table { columns: table.columns.clone(), declared: self.load.declared.clone() },
        };
        Ok(Plan {
            file: source.name(),
            table: table.to_string(),
            dialect: self.load.dialect.clone(),
            dates: self.load.dates.clone(),
            shape,
        })
    }

    fn template(&self, insert: &str) -> Result<Template, Failure> {
        let template = Template::new(insert.trim().trim_end_matches(';'));
        if template.places() == 0 {
            let message = "`insertQuery` has no `?`; give one for each column of the file, in order";
            return Err(Failure::bad_input("Definition", message));
        }
        Ok(template)
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
                        self.search(source, plan, writer, (refused.start, refused.end), &failure).await?;
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
            Err(failure) if failure.is_refusal() => self.search(source, plan, writer, range, &failure).await,
            Err(failure) => Err(failure),
        }
    }

    /// Reads the range of a refused batch again, to find the rows at fault and load the others.
    async fn search(
        &mut self,
        source: &Source,
        plan: &Plan,
        writer: &Writer<'_>,
        (start, end): (Position, Position),
        why: &Failure,
    ) -> Result<(), Failure> {
        self.progress.log(&format!("the database refused rows, looking for them: {why}"));
        writer.undo().await?;
        let input = source.open(start.offset, Some(end.offset)).await?;
        let mut messages = transform::again(input, plan.clone(), start, writer.layout().clone());
        while let Some(message) = messages.recv().await {
            match message {
                Message::Chunk(chunk) => self.narrow(source, writer, &chunk).await?,
                Message::Failed(failure) => return Err(failure),
                Message::Layout(_) | Message::End => {}
            }
            if self.is_lost() {
                break;
            }
        }
        Ok(())
    }

    /// Copies the rows of a chunk in pieces that halve when refused and double when taken.
    async fn narrow(&mut self, source: &Source, writer: &Writer<'_>, chunk: &Chunk) -> Result<(), Failure> {
        let (mut at, mut size) = (0, chunk.marks.len());
        while at < chunk.marks.len() && !self.is_lost() {
            let count = size.min(chunk.marks.len() - at);
            let from = if at == 0 { 0 } else { chunk.marks[at - 1].end };
            let to = chunk.marks[at + count - 1].end;
            match writer.apply(&chunk.data[from..to]).await {
                Ok(()) => {
                    self.loaded.rows += count as u64;
                    at += count;
                    size = count * 2;
                }
                Err(failure) if failure.is_refusal() && count == 1 => {
                    let mark = &chunk.marks[at];
                    let said =
                        failure.message.strip_prefix(batch::DOING).and_then(|rest| rest.strip_prefix(": "));
                    let reason = said.unwrap_or(&failure.message).to_owned();
                    let reject =
                        Reject { at: mark.at, column: failure.column, reason, raw: mark.raw.clone() };
                    self.set_aside(source, &[reject])?;
                    at += 1;
                    size = 1;
                }
                Err(failure) if failure.is_refusal() => size = count / 2,
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    fn set_aside(&mut self, source: &Source, rejects: &[Reject]) -> Result<(), Failure> {
        let name = source.name();
        for reject in rejects {
            self.spool.push(&name, reject)?;
        }
        if !rejects.is_empty() {
            self.loaded.rejected = self.spool.count();
            self.progress.set("rowsRejected", self.spool.count());
        }
        Ok(())
    }

    fn is_lost(&self) -> bool {
        self.load.limit.is_passed(self.spool.count())
    }

    fn check_limit(&self) -> Result<(), Failure> {
        let refused = self.spool.count();
        let total = self.loaded.rows + refused;
        if !self.load.limit.is_exceeded(refused, total) {
            return Ok(());
        }
        let counted = match self.load.limit {
            Limit::Count(_) => format!("{refused} rows"),
            Limit::Percent(_) => format!("{refused} of {total} rows"),
        };
        let message = format!(
            "{counted} refused, `myMaxRejects` allows {}; the table is left as it was: {}",
            self.load.limit,
            self.spool.reasons().join("; ")
        );
        Err(Failure::bad_input("TooManyRejects", message))
    }

    async fn keep_rejects(&mut self, tx: &Transaction, table: &Table) -> Result<(), Failure> {
        for reason in self.spool.reasons() {
            self.progress.add("rejectReasons", reason.clone());
        }
        let name = table.rejects();
        // Two loads that need the same new table at once: the second one waits here and finds it.
        lock(tx, &name).await?;
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {name} (file text, line bigint, byte_offset bigint, column_name text, \
             reason text, raw_line text, loaded_at timestamptz NOT NULL DEFAULT now(), pipeline_id text)"
        );
        tx.run("making the table for refused rows", &create).await?;
        batch::copy_csv(tx, &name, &super::rejects::COLUMNS, self.spool.reader()?).await?;
        if let Some(at) = quarantine(self.load, self.spool).await? {
            self.progress.set("rejectsFile", at);
        }
        Ok(())
    }

    fn report(&self) {
        self.progress.set("rowsLoaded", self.loaded.rows);
        self.progress.set("rowsRejected", self.loaded.rejected);
        self.progress.set("bytesRead", self.loaded.bytes);
    }
}

/// Waits until no other transaction holds the lock named `name`.
async fn lock(tx: &Transaction, name: &str) -> Result<(), Failure> {
    let sql = format!("SELECT pg_advisory_xact_lock(hashtextextended({}, 0))", literal(name));
    tx.run("waiting for a load of the same table", &sql).await
}

/// Returns columns as SQL takes them.
fn list(columns: &[Column]) -> String {
    columns.iter().map(|column| identifier(&column.name)).collect::<Vec<_>>().join(", ")
}
