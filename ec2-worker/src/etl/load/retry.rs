//! Retries: loads the rows that a load has refused and that a person has mended. No row is loaded twice.
//!
//! The rows become a small file in the dialect of the original file, and are loaded as that file was. One transaction
//! commits the rows, `retried_at` in the table of refused rows, and a ledger row. A row that is refused again stays in
//! that table, with its new reason and its new text.

mod mended_file;

use std::collections::HashMap;

use definition::counted::counted;
use definition::kind::field::{Limit, LoadMode};
use tokio_postgres::types::Type;

use super::super::dialect::Dialect;
use super::super::loaded_files;
use super::super::next_tables::{self, NextTables};
use super::super::rejected::{self, RefusedRow, Wanted};
use super::super::rejects::Spool;
use super::super::source::{Origin, Source};
use super::super::statement::Statement;
use super::super::table::Table;
use super::{Load, LoadTry, lock};
use crate::database::encoding::ESCAPED;
use crate::database::{Pool, Transaction};
use crate::failure::Failure;
use crate::ledger::{self, WorkKey};
use crate::progress::Progress;
use crate::storage::{ObjectRef, S3Uri, Storage};
use mended_file::{MendedFile, beginning, one_record, plain, record_of_object, two_meanings};

/// The largest number of problems that one message lists.
const SHOWN: usize = 5;

/// The beginning of the reason with which a long record is refused.
const TOO_LONG: &str = "the record is longer than";

/// A row that a person has mended.
#[derive(Clone, Debug)]
pub struct Mended {
    /// The row. Its run, file, line and byte offset say which refused row it is; `raw_line` is the mended text.
    pub row: RefusedRow,
    /// The file and line in which the person has written the row, for messages: `mended.csv, line 3`.
    pub place: String,
}

/// The result of a retry.
#[derive(Clone, Debug)]
pub struct Retried {
    /// The table.
    pub table: String,
    /// The number of rows that were loaded.
    pub loaded: u64,
    /// The rows that were refused again, with their new reasons.
    pub refused: Vec<RefusedRow>,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

/// The load to which a retry belongs, and how to retry it.
#[derive(Debug)]
pub struct Retry<'a> {
    /// The load that refused the rows.
    pub load: &'a Load,
    /// S3, which has the original files.
    pub storage: &'a Storage,
    /// Whether an upsert may replace rows of the same load, and of loads that came later.
    pub over_newer: bool,
}

/// Loads mended rows in one transaction.
///
/// # Errors
///
/// If a row was not refused in that run, was retried already or is not one record; if the original file cannot be
/// read; if the table does not have the rows of that run; if an upsert could replace rows of a later load; or if the
/// database refuses the load. Nothing has changed then.
pub async fn retry(retry: &Retry<'_>, mended: &[Mended], pool: &Pool) -> Result<Retried, Failure> {
    let tx = ledger::begin_fixed(pool, &retry.load.target).await?;
    match retry.in_transaction(&tx, mended).await {
        Ok(retried) => tx.commit().await.map(|()| retried),
        Err(failure) => {
            if !failure.is_away() {
                tx.rollback().await;
            }
            Err(failure)
        }
    }
}

impl Retry<'_> {
    async fn in_transaction(&self, tx: &Transaction, mended: &[Mended]) -> Result<Retried, Failure> {
        let table = self.table(tx).await?;
        lock(tx, &format!("retry {}", table.rejects())).await?;
        rejected::add_retried_at(tx, &table).await?;
        let refused = self.check_rows(tx, &table, mended).await?;
        self.check_published(tx, &table).await?;
        self.check_later_loads(tx, &table).await?;
        tx.run("setting a savepoint", "SAVEPOINT retry").await?;
        let key = self.claim(tx).await?;
        let progress = Progress::default();
        let (accepted, loaded, refused) =
            self.load_rows(tx, table.clone(), mended, &refused, &progress).await?;
        let pipeline = &self.load.key.pipeline;
        if accepted == 0 {
            // No row was loaded, so nothing of the load may stay, such as an added column.
            tx.run("going back to a savepoint", "ROLLBACK TO SAVEPOINT retry").await?;
        } else {
            let is_refused = |row: &RefusedRow| refused.iter().any(|other| place(other) == place(row));
            let done: Vec<&RefusedRow> =
                mended.iter().map(|mended| &mended.row).filter(|row| !is_refused(row)).collect();
            rejected::mark(tx, &table, pipeline, &done).await?;
            progress.set("loadedTable", &table);
            progress.set("rowsLoaded", loaded);
            progress.set("rowsRejected", refused.len());
            ledger::record(tx, &key, &progress.fields()).await?;
        }
        rejected::refuse_again(tx, &table, pipeline, &refused.iter().collect::<Vec<_>>()).await?;
        let notes = progress.fields().into_iter().filter(|(key, _)| key == "note").map(|(_, note)| note);
        Ok(Retried { table: table.to_string(), loaded, refused, notes: notes.collect() })
    }

    async fn table(&self, tx: &Transaction) -> Result<Table, Failure> {
        let schema = self.load.schema.as_deref();
        let Some(table) = Table::find(tx, schema, &self.load.table).await? else {
            return Err(Failure::bad_input(
                "NoSuchTable",
                Table::missing(tx, schema, &self.load.table).await?,
            ));
        };
        if rejected::exists(tx, &table).await? {
            return Ok(table);
        }
        let message = format!("no row of {table} was ever refused: there is no table {}", table.rejects());
        Err(Failure::bad_input("NotRefused", message))
    }

    /// Checks that each row was refused in this run and was not retried, and that no row comes twice. Returns the refused rows
    /// of the run.
    async fn check_rows(&self, tx: &Transaction, table: &Table, mended: &[Mended]) -> Result<Known, Failure> {
        let pipeline = &self.load.key.pipeline;
        let wanted = Wanted { pipeline: Some(pipeline.clone()), ..Wanted::default() };
        let mut known = Known::new();
        for row in rejected::rows(tx, table, &wanted).await? {
            // A rerun can refuse a row again that a retry has loaded before. Then the row that is still refused counts.
            let is_better = known.get(&place(&row)).is_none_or(|other| other.retried_at.is_some());
            if is_better {
                known.insert(place(&row), row);
            }
        }
        let mut seen: HashMap<(String, i64, i64), &str> = HashMap::new();
        let mut problems = Vec::new();
        for Mended { row, place: at } in mended {
            let what = format!("line {} of {}", row.line, row.file);
            let refused = known.get(&place(row));
            match refused.map(|refused| &refused.retried_at) {
                None => problems.push(format!(
                    "{at}: {what} (byte offset {}) is not among the refused rows of {table} in run {pipeline}; do not \
                     change the columns file, line and byte_offset",
                    row.byte_offset
                )),
                Some(Some(when)) => problems.push(format!(
                    "{at}: {what} was loaded by a retry at {when}, and no row is loaded twice; remove this line, or export \
                     the rows that are still refused again"
                )),
                Some(None) => {}
            }
            if refused.is_some_and(|it| it.reason.contains(ESCAPED)) && row.raw_line.contains("\\u{") {
                problems.push(format!(
                    "{at}: raw_line has \\u{{...}} in place of a character that the database cannot store; write another text there"
                ));
            }
            // Only the beginning of a long record was kept.
            if refused.is_some_and(|it| it.reason.starts_with(TOO_LONG) && it.raw_line == row.raw_line) {
                problems.push(format!(
                    "{at}: raw_line is only the beginning of a long record; write the whole record there"
                ));
            }
            if let Some(first) = seen.insert(place(row), at) {
                problems.push(format!("{at}: {what} is in {first} already; keep one of them"));
            }
        }
        refuse("NotRefused", &problems).map(|()| known)
    }

    /// Checks that the table has the rows of this load, if the run publishes its tables together.
    async fn check_published(&self, tx: &Transaction, table: &Table) -> Result<(), Failure> {
        let pipeline = &self.load.key.pipeline;
        if self.load.together.is_none() || next_tables::is_published(tx, pipeline, table).await? {
            return Ok(());
        }
        let message = format!(
            "run {pipeline} has not put its rows into {table}, because it failed or still runs, so its refused rows do not \
             belong there; mend the file and drop it again"
        );
        Err(Failure::bad_input("NotPublished", message))
    }

    /// After `replace`, checks that the table still has the rows of this load. Before `upsert`, checks that no later
    /// load has filled the table, because the old rows could replace its rows.
    async fn check_later_loads(&self, tx: &Transaction, table: &Table) -> Result<(), Failure> {
        let WorkKey { pipeline, instance, generation } = &self.load.key;
        let doing = "reading downspout.loaded_files";
        let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
            (&table.oid, Type::INT8),
            (pipeline, Type::TEXT),
            (instance, Type::TEXT),
            (generation, Type::INT8),
        ];
        let sql = "SELECT count(*) FILTER (WHERE (pipeline_id, instance_id) = ($2, $3)), \
                   max(pipeline_id) FILTER (WHERE (pipeline_id, instance_id) <> ($2, $3) AND loaded_at > (SELECT done_at \
                   FROM downspout.ledger WHERE pipeline_id = $2 AND instance_id = $3 AND generation = $4)) \
                   FROM downspout.loaded_files WHERE table_oid = $1";
        let found = tx.query(doing, sql, &values).await?;
        let (own, later) = found.first().map_or((0, None), |row| (row.get::<_, i64>(0), row.get(1)));
        let later: Option<String> = later;
        match self.load.mode {
            LoadMode::Replace if own == 0 => {
                let by = later.map(|later| format!(" by run {later}")).unwrap_or_default();
                let message = format!(
                    "the rows that run {pipeline} loaded into {table} were replaced{by} since, so its refused rows do not \
                     belong there any more; mend the file of the later run"
                );
                Err(Failure::bad_input("Replaced", message))
            }
            LoadMode::Upsert if !self.over_newer && later.is_some() => {
                let message = format!(
                    "run {} has loaded {table} after run {pipeline}, and an upsert of old rows could replace newer ones; \
                     if the mended rows should win, add --over-newer",
                    later.unwrap_or_default()
                );
                Err(Failure::bad_input("LaterLoad", message))
            }
            _ => Ok(()),
        }
    }

    /// Claims a ledger row for this retry. Its key is the instance with the number of the retry.
    async fn claim(&self, tx: &Transaction) -> Result<WorkKey, Failure> {
        let WorkKey { pipeline, instance, generation } = &self.load.key;
        let prefix = format!("{instance}/retry-");
        let count = tx
            .query(
                "reading downspout.ledger",
                "SELECT count(*) FROM downspout.ledger WHERE pipeline_id = $1 AND starts_with(instance_id, $2)",
                &[(pipeline, Type::TEXT), (&prefix, Type::TEXT)],
            )
            .await?;
        let number = count.first().map_or(0, |row| row.get::<_, i64>(0)) + 1;
        let instance = format!("{prefix}{number}");
        let key = WorkKey { pipeline: pipeline.clone(), instance, generation: *generation };
        match ledger::claim(tx, &key).await? {
            None => Ok(key),
            Some(_) => Err(Failure::internal(format!("the ledger has {} already", key.instance))),
        }
    }

    /// Loads the rows. Returns how many of them the database has accepted and how many the table has now, and the rows that were refused
    /// again.
    async fn load_rows(
        &self,
        tx: &Transaction,
        mut table: Table,
        mended: &[Mended],
        known: &Known,
        progress: &Progress,
    ) -> Result<(u64, u64, Vec<RefusedRow>), Failure> {
        let files = self.files(tx, &table, mended, known).await?;
        // After `replace`, the mended rows are added to the rows of the load. The limit of refused rows does not
        // count here.
        let mode = if self.load.mode == LoadMode::Upsert { LoadMode::Upsert } else { LoadMode::Append };
        let (mut accepted, mut loaded, mut refused) = (0, 0, Vec::new());
        for (number, file) in (1..).zip(&files) {
            let source = Source { origin: Origin::File(file.path.clone()), gzip: false };
            let load = Load {
                sources: vec![source.clone()],
                dialect: file.dialect.clone(),
                mode,
                limit: Limit::Percent(100.0),
                quarantine: None,
                ..self.load.clone()
            };
            let own = Progress::default();
            let mut spool = Spool::new(&load.scratch, &load.key.pipeline);
            let mut this = LoadTry::new(&load, &own, &mut spool);
            this.protected = Some(self.load.key.clone()).filter(|_| !self.over_newer);
            this.prepare(tx, &table).await?;
            this.file(tx, &mut table, &source).await.map_err(|failure| match failure.id.as_str() {
                "BadInput:NoRows" => no_values(file, file.rows.len() as u64),
                _ => file.renamed(failure),
            })?;
            this.load_waiting(tx, &table).await?;
            accepted += this.loaded.rows;
            loaded += this.loaded.rows - this.loaded.left_out;
            if let Some(note) = this.left_out_note() {
                progress.note(note);
            }
            if number == files.len() && accepted > 0 {
                load.expect.check(tx, &NextTables::default(), &own).await?;
            }
            for name in &this.added {
                progress.note(format!("added the column `{name}` (text) to {table}"));
            }
            let (rows, rejected) = (this.loaded.rows, this.loaded.rejected);
            for (_, note) in own.fields().into_iter().filter(|(key, _)| key == "note") {
                progress.note(note.replace(&source.name(), &file.original));
            }
            if rows + rejected != file.rows.len() as u64 {
                return Err(no_values(file, (file.rows.len() as u64).saturating_sub(rows + rejected)));
            }
            refused.extend(file.refused(&mut spool)?);
        }
        Ok((accepted, loaded, refused))
    }

    /// Writes the rows of each original file into a file in the same dialect.
    async fn files<'m>(
        &self,
        tx: &Transaction,
        table: &Table,
        mended: &'m [Mended],
        known: &Known,
    ) -> Result<Vec<MendedFile<'m>>, Failure> {
        let mut names: Vec<&str> = Vec::new();
        for Mended { row, .. } in mended {
            if !names.contains(&row.file.as_str()) {
                names.push(&row.file);
            }
        }
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        for (number, name) in names.into_iter().enumerate() {
            let (found, header) = self.beginning(tx, table, name).await?;
            let dialect = plain(found);
            let end = dialect.record_end.bytes();
            let (mut bytes, mut rows) = (header.clone(), Vec::new());
            for mended in mended.iter().filter(|mended| mended.row.file == name) {
                let text = mended.row.raw_line.trim_end_matches(['\r', '\n']);
                let record = match record_of_object(text, &header, &dialect) {
                    None => text.to_owned(),
                    Some(Ok(record)) => record,
                    Some(Err(problem)) => {
                        problems.push(format!("{}: {problem}", mended.place));
                        continue;
                    }
                };
                let text = record.as_str();
                if let Err(problem) = one_record(text, &dialect) {
                    problems.push(format!("{}: {problem}", mended.place));
                }
                let before = known.get(&place(&mended.row)).map_or("", |row| row.raw_line.as_str());
                if let Some(value) = two_meanings(before, text, &dialect, &self.load.rules) {
                    problems.push(format!(
                        "{}: raw_line has {value}, which `myDecimal`, `myGrouping` or `myDateFormat` would read as another \
                         value than a cell of the file has; write it in quotes, as texts of the file are written",
                        mended.place
                    ));
                }
                rows.push((bytes.len() as u64, mended));
                bytes.extend_from_slice(text.as_bytes());
                bytes.extend_from_slice(end);
            }
            let path = self.load.scratch.join(format!("retry-{number}.csv"));
            let written = tokio::fs::write(&path, &bytes).await;
            written.map_err(|error| Failure::scratch("writing mended rows", &error))?;
            files.push(MendedFile { original: name.to_owned(), path, dialect, rows });
        }
        refuse("NotOneRecord", &problems)?;
        Ok(files)
    }

    /// Returns the dialect of an original file, and its header with the record end, if it has a header.
    async fn beginning(
        &self,
        tx: &Transaction,
        table: &Table,
        name: &str,
    ) -> Result<(Dialect, Vec<u8>), Failure> {
        // The keys of an object of JSON fill the placeholders of an `insertQuery`, and the columns of the table without one.
        let statement = match &self.load.insert {
            Some(insert) => {
                let (statement, _) = Statement::describe(tx, table, insert).await?;
                Some(Statement { declared: self.load.declared.clone(), ..statement })
            }
            None => None,
        };
        let dialect = Dialect { skip_footer: 0, ..self.load.dialect_for(table, statement.as_ref()) };
        let Some(at) = S3Uri::parse(name) else {
            let message =
                format!("{name} is not a file in S3, so its rows cannot be retried; run the copy again");
            return Err(Failure::bad_input("NotInS3", message));
        };
        let etag = self.etag(tx, table, &at).await?;
        let gzip = self.load.sources.iter().any(|source| source.gzip);
        let object = ObjectRef { at, etag, size: 0 };
        let source = Source { origin: Origin::Object(self.storage.clone(), object), gzip };
        let declared = &self.load.declared;
        let columns = Some(if declared.is_empty() { table.columns.len() } else { declared.len() });
        let scratch = self.load.scratch.clone();
        let gone = |failure: Failure| {
            let message = format!(
                "the header and the dialect of {name} are needed to read its mended rows, and the file cannot be read: \
                 {failure}; put the same file back, or drop a new file with the mended rows"
            );
            Failure::bad_input("OriginalGone", message)
        };
        let input = source.open().await.map_err(gone)?;
        let file = name.to_owned();
        let read = tokio::task::spawn_blocking(move || beginning(input, file, dialect, columns, &scratch));
        let read = read.await.map_err(|error| Failure::internal(error.to_string()))?;
        read.map_err(|failure| if failure.id.starts_with("BadInput") { gone(failure) } else { failure })
    }

    /// Returns the ETag of the version of the file that the load read, if the database knows it.
    async fn etag(&self, tx: &Transaction, table: &Table, at: &S3Uri) -> Result<Option<String>, Failure> {
        let key = &self.load.key;
        let sql = "SELECT etag FROM downspout.loaded_files WHERE table_oid = $1 AND bucket = $2 AND key = $3 \
                   AND pipeline_id = $4 AND etag <> '' ORDER BY loaded_at DESC LIMIT 1";
        let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
            (&table.oid, Type::INT8),
            (&at.bucket, Type::TEXT),
            (&at.key, Type::TEXT),
            (&key.pipeline, Type::TEXT),
        ];
        let found = tx.query("reading downspout.loaded_files", sql, &values).await?;
        let etag = |row: &tokio_postgres::Row| format!("\"{}\"", loaded_files::etag_of(row.get(0)));
        Ok(found.first().map(etag))
    }
}

/// Says that `count` mended rows have no value, so that a load would leave them out.
fn no_values(file: &MendedFile, count: u64) -> Failure {
    let message = format!(
        "{}: {} without a value; write the values into raw_line, or remove the lines",
        file.original,
        counted(count, "mended row")
    );
    Failure::bad_input("NoValues", message)
}

/// The refused rows of a run, by their places.
type Known = HashMap<(String, i64, i64), RefusedRow>;

/// Returns the file, the line and the byte offset, by which the refused rows of one run differ.
fn place(row: &RefusedRow) -> (String, i64, i64) {
    (row.file.clone(), row.line, row.byte_offset)
}

fn refuse(name: &str, problems: &[String]) -> Result<(), Failure> {
    if problems.is_empty() {
        return Ok(());
    }
    let more = problems.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let shown = &problems[..problems.len().min(SHOWN)];
    Err(Failure::bad_input(name, format!("nothing was loaded: {}{more}", shown.join("; "))))
}
