//! Retries: rows that a load refused, and that a person has mended, go into the table after all, once.
//!
//! The rows become a small file in the dialect of the original file, and are loaded as that file was. One transaction
//! commits the rows, their marks in the table for refused rows, and a ledger row. Rows that are refused again keep
//! their place in that table, with the new reason.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use definition::kind::field::{Limit, LoadMode};
use tokio_postgres::types::Type;

use super::super::dialect::{Dialect, Form};
use super::super::position::Position;
use super::super::records::Records;
use super::super::rejected::{self, RefusedRow, Wanted};
use super::super::rejects::Spool;
use super::super::source::{Origin, Source};
use super::super::splitter::{Splitter, Step};
use super::super::table::Table;
use super::{Load, LoadTry, lock};
use crate::database::{Pool, Transaction};
use crate::failure::Failure;
use crate::ledger::{self, WorkKey};
use crate::progress::Progress;
use crate::storage::{ObjectRef, S3Uri, Storage};

/// The largest number of problems that one message lists.
const SHOWN: usize = 5;

/// A row that a person has mended.
#[derive(Clone, Debug)]
pub struct Mended {
    /// The row. Its run, file, line and byte offset say which refused row it is; `raw_line` is the mended text.
    pub row: RefusedRow,
    /// The place of the row for messages, such as `mended.csv, line 3`.
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

/// The surroundings of a retry.
#[derive(Debug)]
pub struct Retry<'a> {
    /// The load that refused the rows.
    pub load: &'a Load,
    /// S3, which has the original files.
    pub storage: &'a Storage,
    /// Whether an upsert may replace rows of loads that came later.
    pub over_newer: bool,
}

/// The mended rows of one file, as a file.
struct MendedFile<'a> {
    /// The name of the original file.
    original: String,
    path: PathBuf,
    dialect: Dialect,
    /// The offset of each row in the new file.
    rows: Vec<(u64, &'a Mended)>,
}

/// Loads mended rows in one transaction.
///
/// # Errors
///
/// If a row was not refused in that run, was retried already or is not one record; if the original file is gone and its
/// header is needed; or if the database refuses the load. Nothing has changed then.
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
        self.check_rows(tx, &table, mended).await?;
        self.check_later_loads(tx, &table).await?;
        tx.run("setting a savepoint", "SAVEPOINT retry").await?;
        let key = self.claim(tx).await?;
        let progress = Progress::default();
        let (loaded, refused) = self.load_rows(tx, table.clone(), mended, &progress).await?;
        let pipeline = &self.load.key.pipeline;
        if loaded == 0 {
            // Nothing of the load stays, not even an added column.
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

    /// Checks that each row was refused in this run and was not retried, and that no row comes twice.
    async fn check_rows(&self, tx: &Transaction, table: &Table, mended: &[Mended]) -> Result<(), Failure> {
        let pipeline = &self.load.key.pipeline;
        let wanted = Wanted { pipeline: Some(pipeline.clone()), ..Wanted::default() };
        let mut known: HashMap<(String, i64, i64), Option<String>> = HashMap::new();
        for row in rejected::rows(tx, table, &wanted).await? {
            let at = known.entry(place(&row)).or_insert_with(|| row.retried_at.clone());
            // A rerun can refuse a row that an earlier retry had loaded.
            *at = at.take().and(row.retried_at);
        }
        let mut seen: HashMap<(String, i64, i64), &str> = HashMap::new();
        let mut problems = Vec::new();
        for Mended { row, place: at } in mended {
            let what = format!("line {} of {}", row.line, row.file);
            match known.get(&place(row)) {
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
            if let Some(first) = seen.insert(place(row), at) {
                problems.push(format!("{at}: {what} is in {first} already; keep one of them"));
            }
        }
        refuse("NotRefused", &problems)
    }

    /// Checks that the table still has the rows of this load, and that no later load could be overwritten.
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

    /// Claims a ledger row of its own for this retry: the instance, and the number of the retry.
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

    /// Loads the rows. Returns the number of loaded rows, and the rows that were refused again.
    async fn load_rows(
        &self,
        tx: &Transaction,
        mut table: Table,
        mended: &[Mended],
        progress: &Progress,
    ) -> Result<(u64, Vec<RefusedRow>), Failure> {
        let files = self.files(tx, &table, mended).await?;
        // The rows belong to those that a replace has loaded, so they are added. Every row is tried.
        let mode = if self.load.mode == LoadMode::Upsert { LoadMode::Upsert } else { LoadMode::Append };
        let (mut loaded, mut refused) = (0, Vec::new());
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
            this.prepare(tx, &table).await?;
            this.file(tx, &mut table, &source).await.map_err(|failure| file.renamed(failure))?;
            this.load_waiting(tx, &table).await?;
            loaded += this.loaded.rows;
            if number == files.len() && loaded > 0 {
                this.check_expectations(tx).await?;
            }
            let (rows, rejected) = (this.loaded.rows, this.loaded.rejected);
            for (_, note) in own.fields().into_iter().filter(|(key, _)| key == "note") {
                progress.note(note.replace(&source.name(), &file.original));
            }
            if rows + rejected != file.rows.len() as u64 {
                let message = format!(
                    "{} of the mended rows of {} hold no value; write their values into raw_line, or remove their lines",
                    (file.rows.len() as u64).saturating_sub(rows + rejected),
                    file.original
                );
                return Err(Failure::bad_input("NoValues", message));
            }
            refused.extend(file.refused(&mut spool)?);
        }
        Ok((loaded, refused))
    }

    /// Writes the rows of each original file into a file in the same dialect.
    async fn files<'m>(
        &self,
        tx: &Transaction,
        table: &Table,
        mended: &'m [Mended],
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
            let mut bytes = header;
            let mut rows = Vec::new();
            for mended in mended.iter().filter(|mended| mended.row.file == name) {
                let text = mended.row.raw_line.trim_end_matches(['\r', '\n']);
                if let Err(problem) = one_record(text, &dialect) {
                    problems.push(format!("{}: {problem}", mended.place));
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
        let dialect = Dialect { skip_footer: 0, ..self.load.dialect.clone() };
        let Some(at) = S3Uri::parse(name) else {
            let message =
                format!("{name} is no file in S3, so its rows cannot be retried; run the copy again");
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
        Ok(found.first().map(|row| format!("\"{}\"", row.get::<_, &str>(0))))
    }
}

fn beginning(
    input: super::super::input::Input,
    name: String,
    dialect: Dialect,
    columns: Option<usize>,
    scratch: &Path,
) -> Result<(Dialect, Vec<u8>), Failure> {
    let mut records = Records::begin(input, name, dialect, Position::START, columns, scratch)?;
    let mut header = Vec::new();
    if records.dialect().header
        && let Some(first) = records.read()?
    {
        let end = records.dialect().record_end.bytes().to_vec();
        header.extend_from_slice(&records.window()[first.bytes]);
        if !header.ends_with(&end) {
            header.extend_from_slice(&end);
        }
    }
    Ok((records.dialect().clone(), header))
}

/// Returns the dialect for a file that has only the header and rows of a file, as UTF-8 text.
fn plain(found: Dialect) -> Dialect {
    Dialect {
        form: Form::Text,
        detects: false,
        comment: Vec::new(),
        skip_lines: 0,
        skip_footer: 0,
        encoding: None,
        sheet: None,
        ..found
    }
}

/// Checks that a text is one whole record. Another text would swallow the rows after it, or become several rows.
fn one_record(text: &str, dialect: &Dialect) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("raw_line is empty; write the mended row there, or remove this line");
    }
    let whole = [text.as_bytes(), dialect.record_end.bytes()].concat();
    match Splitter::new(dialect).split(&whole, 0, true) {
        Step::Record { len, .. } if len == whole.len() => Ok(()),
        Step::QuoteOpen(_) => Err("in raw_line a quote opens and is never closed; close it, or double it"),
        Step::Record { .. } | Step::NeedMore => Err(
            "raw_line is not one record; give each row a line of its own, and quote values with line breaks",
        ),
    }
}

impl MendedFile<'_> {
    /// Returns the rows that were refused, with their new reasons.
    fn refused(&self, spool: &mut Spool) -> Result<Vec<RefusedRow>, Failure> {
        if spool.count() == 0 {
            return Ok(Vec::new());
        }
        let problem = |error: csv::Error| Failure::scratch("reading rejects", &error.into());
        let mut refused = Vec::new();
        for record in csv::Reader::from_reader(spool.reader()?).into_records() {
            let record = record.map_err(problem)?;
            let offset: u64 = record.get(2).and_then(|text| text.parse().ok()).unwrap_or_default();
            let index = self.rows.partition_point(|(start, _)| *start <= offset);
            let Some((_, mended)) = index.checked_sub(1).and_then(|index| self.rows.get(index)) else {
                continue;
            };
            let column = record.get(3).filter(|column| !column.is_empty());
            let row = RefusedRow {
                column_name: column.map(str::to_owned),
                reason: record.get(4).unwrap_or_default().to_owned(),
                ..mended.row.clone()
            };
            refused.push((index, row));
        }
        // The database refuses rows after the worker has refused others.
        refused.sort_by_key(|(index, _)| *index);
        Ok(refused.into_iter().map(|(_, row)| row).collect())
    }

    /// Names the original file in a failure.
    fn renamed(&self, mut failure: Failure) -> Failure {
        failure.message = failure.message.replace(&self.path.display().to_string(), &self.original);
        failure
    }
}

/// Returns what tells refused rows of one run apart.
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

#[cfg(test)]
mod tests {
    use super::super::super::dialect::RecordEnd;
    use super::*;

    #[test]
    fn a_mended_row_is_one_whole_record() {
        let plain = Dialect::default();
        for good in ["1,2", "a", "\"a\nb\",2", "1,2,3,", ","] {
            assert_eq!(one_record(good, &plain), Ok(()), "{good}");
        }
        for bad in ["", "1,\"2", "1\n2", "\"a\"\n\"b\""] {
            assert!(one_record(bad, &plain).is_err(), "{bad}");
        }
        let escaped = Dialect { escape: Some(b'\\'), ..Dialect::default() };
        assert!(one_record("1,2\\", &escaped).is_err(), "it would swallow the line end");
        let by_bar = Dialect { record_end: RecordEnd::Bytes(b"|".to_vec()), ..Dialect::default() };
        assert!(one_record("1,2|3", &by_bar).is_err());
        assert_eq!(one_record("1,2\n3", &by_bar), Ok(()));
    }
}
