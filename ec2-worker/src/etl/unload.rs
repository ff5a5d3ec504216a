//! Writes the rows of a query or of a table to a file in a dialect, in S3 or in the scratch folder.
//!
//! The database writes CSV itself. If the dialect is such a CSV, the bytes are passed on; otherwise every record is
//! written anew. An export only reads, because a file and a transaction cannot be committed together. So a query that
//! changes the database is refused; otherwise its changes would be undone without any message.

mod hidden_rows;
mod sink;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_postgres::CopyOutStream;
use tokio_postgres::error::SqlState;

use super::dialect::{Dialect, RecordEnd};
use super::header;
use super::input::Input;
use super::next_tables::{NextTable, NextTables};
use super::record_writer::{MARK, RecordWriter, misleads, reading_notes};
use super::result_preview::Preview;
use super::rewrite::{Output, RecordLabels, Rewrite, blank_rows_note, wrong_columns};
use super::splitter::{Splitter, Step};
use super::table::Table;
use crate::database::{DatabaseTarget, Pool, Transaction};
use crate::failure::Failure;
use crate::node::SqlNode;
use crate::patience::Patience;
use crate::progress::Progress;
use crate::sql::{literal, statements};
use crate::storage::{ObjectWriter, S3Uri, Storage};
use sink::Sink;

/// The size of a piece of output in bytes.
const PIECE: usize = 256 * 1024;
/// The largest number of pieces between the database and the thread that writes them anew.
const PIECES: usize = 4;
const READING: &str = "reading the query's rows";

/// The rows to write, and their form.
#[derive(Clone, Debug)]
pub struct Unload {
    /// The id of the node in the definition.
    node: String,
    target: DatabaseTarget,
    schema: Option<String>,
    table: String,
    select: Option<String>,
    dialect: Dialect,
    /// `column` of the data format: the columns to write, in order. Empty for all.
    columns: Vec<String>,
    /// The id of the run whose next tables give the rows, if it publishes its tables together.
    run: Option<String>,
    /// Whether the rows fill a table, by way of a local file.
    fills_table: bool,
}

impl Unload {
    /// Returns the unload of the rows of `node`, to be written in `dialect`.
    #[must_use]
    pub fn new(node: &SqlNode, dialect: &Dialect) -> Self {
        Self {
            node: node.id.clone(),
            target: node.target.clone(),
            schema: node.schema.clone(),
            table: node.table.clone(),
            select: node.select.clone(),
            dialect: dialect.clone(),
            columns: Vec::new(),
            run: None,
            fills_table: false,
        }
    }

    /// Writes only the columns that a data format declares, in this order.
    #[must_use]
    pub fn in_order(mut self, declared: &[String]) -> Self {
        self.columns = declared.to_vec();
        self
    }

    /// Takes the rows from the next tables of the run with the id `run`.
    #[must_use]
    pub fn of_run(mut self, run: &str) -> Self {
        self.run = Some(run.to_owned());
        self
    }

    /// Says that the rows fill a table.
    #[must_use]
    pub fn for_table(mut self) -> Self {
        self.fills_table = true;
        self
    }

    async fn next_tables(&self, tx: &Transaction) -> Result<NextTables, Failure> {
        match &self.run {
            Some(run) => NextTables::of(tx, run).await,
            None => Ok(NextTables::default()),
        }
    }

    async fn query(&self, tx: &Transaction, next_tables: &NextTables) -> Result<String, Failure> {
        if let Some(select) = &self.select {
            return self.statement(&next_tables.redirect(select).text);
        }
        let table = Table::find(tx, self.schema.as_deref(), &self.table).await?;
        let Some(table) = table else {
            let message = Table::missing(tx, self.schema.as_deref(), &self.table).await?;
            return Err(Failure::bad_input("NoSuchTable", message));
        };
        let next = next_tables.of_table(table.oid);
        Ok(format!("SELECT * FROM {}", next.map_or_else(|| table.quoted(), NextTable::next_quoted)))
    }

    /// Returns the only statement of `selectQuery`.
    fn statement(&self, select: &str) -> Result<String, Failure> {
        let mut found = statements(select);
        match (found.pop(), found.len()) {
            (Some(statement), 0) => Ok(statement.text),
            (None, _) => Err(self.problem("has no statement; write a SELECT")),
            (Some(_), others) => {
                let count = others + 1;
                Err(self.problem(&format!("has {count} statements; an export needs one that returns rows")))
            }
        }
    }

    fn problem(&self, what: &str) -> Failure {
        let message = format!("object `{}`, field `selectQuery` {what}", self.node);
        Failure::bad_input("Definition", message)
    }

    fn no_columns(&self) -> Failure {
        match self.select {
            Some(_) => self.problem("returns no columns; name the columns to export"),
            None => Failure::bad_input("NoColumns", format!("table {} has no columns to export", self.table)),
        }
    }

    /// Returns the failure for an error of the query.
    fn refused(&self, error: &tokio_postgres::Error) -> Failure {
        let failure = Failure::database(READING, error);
        if error.code() != Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
            return failure;
        }
        let server = error.as_db_error().map_or_else(String::new, |error| error.message().to_owned());
        self.problem(&format!(
            "changes the database ({server}), but an export only reads, because a file and a change cannot be committed \
             together; make the change in a SqlActivity"
        ))
    }

    /// Says that two columns have the name `name`.
    fn twice(&self, name: &str) -> String {
        if self.fills_table {
            return format!(
                "{} have two columns named `{name}`; name the columns with AS in the query as the table has them, so that they fill it by \
                 their names, and not in order",
                self.name()
            );
        }
        format!(
            "the header has two columns named `{name}`; a load of the file needs different names: use AS in the query"
        )
    }

    /// Returns the name of the rows for messages.
    fn name(&self) -> String {
        match self.select {
            Some(_) => format!("the rows of `selectQuery` of `{}`", self.node),
            None => format!("the rows of table {}", self.table),
        }
    }
}

/// The CSV that the database writes, which has a header.
#[derive(Clone, Debug)]
struct ServerCsv {
    dialect: Dialect,
    /// Whether this CSV is the dialect of the file, apart from the header.
    is_wanted: bool,
}

impl ServerCsv {
    /// Returns the CSV in `dialect` if the database can write it, and writes all columns in its own order; or else in the
    /// default dialect.
    fn new(dialect: &Dialect, has_order: bool) -> Self {
        let separator = match dialect.separator[..] {
            [byte] if byte.is_ascii() && !matches!(byte, 0 | b'\n' | b'\r') => Some(byte),
            _ => None,
        };
        let is_same = !has_order
            && dialect.escape.is_none()
            && dialect.encoding.is_none_or(|encoding| encoding == encoding_rs::UTF_8)
            && dialect.record_end.bytes() == b"\n"
            && dialect.null.is_empty()
            && dialect.nulls.is_empty()
            && !dialect.quoted_nulls
            && dialect.comment.is_empty();
        match (separator, dialect.quote) {
            (Some(_), Some(quote)) if is_same && quote != 0 => {
                Self { dialect: dialect.clone(), is_wanted: true }
            }
            _ => Self {
                dialect: Dialect {
                    header: true,
                    skip_blank: false,
                    longest_record: usize::MAX,
                    record_end: RecordEnd::Bytes(b"\n".to_vec()),
                    ..Dialect::default()
                },
                is_wanted: false,
            },
        }
    }

    fn options(&self) -> String {
        let character = |byte: u8| literal(&char::from(byte).to_string());
        let quote = self.dialect.quote.unwrap_or(b'"');
        let separator = character(self.dialect.separator.first().copied().unwrap_or(b','));
        format!("FORMAT csv, HEADER, NULL '', DELIMITER {separator}, QUOTE {}", character(quote))
    }

    /// Cuts `row`, which is a whole record, into fields, and passes each field to `take`.
    fn fields(&self, row: &[u8], mut take: impl FnMut(Option<&[u8]>)) {
        let mut splitter = Splitter::new(&self.dialect);
        let Step::Record { .. } = splitter.split(row, 0, true) else { return };
        let mut text = Vec::new();
        for span in splitter.fields() {
            splitter.unescape(row, *span, &mut text);
            take(Some(text.as_slice()).filter(|text| span.quoted || !text.is_empty()));
        }
    }
}

/// Writes the rows to an object. An object that exists already stays until the new object is complete, and is kept if
/// the work fails.
///
/// # Errors
///
/// If the table is missing, the database refuses the query or cannot be reached, the dialect cannot express a value, or
/// S3 refuses the object.
pub async fn to_object(
    pool: &Pool,
    unload: &Unload,
    storage: &Storage,
    at: &S3Uri,
    gzip: bool,
    patience: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut patience = Patience::new(patience);
    progress.set("writtenTo", at);
    loop {
        let sink = Sink::Object(Box::new(ObjectWriter::new(storage, at, gzip)));
        match write(pool, unload, sink, progress).await {
            Err(failure) if failure.is_away() && patience.wait(&failure, progress).await => {}
            other => return other,
        }
    }
}

/// Writes the rows to a local file.
///
/// # Errors
///
/// If the table is missing, the database refuses the query or cannot be reached, the dialect cannot express a value, or
/// the scratch folder fails.
pub async fn to_file(
    pool: &Pool,
    unload: &Unload,
    path: &Path,
    patience: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut patience = Patience::new(patience);
    loop {
        let file = tokio::fs::File::create(path)
            .await
            .map_err(|error| Failure::scratch("creating a file", &error))?;
        match write(pool, unload, Sink::File(file), progress).await {
            Err(failure) if failure.is_away() && patience.wait(&failure, progress).await => {}
            other => return other,
        }
    }
}

async fn write(pool: &Pool, unload: &Unload, mut sink: Sink, progress: &Progress) -> Result<(), Failure> {
    let tx = pool.begin_reading(&unload.target).await?;
    let result = stream(&tx, unload, &mut sink, progress).await;
    if !matches!(&result, Err(failure) if failure.is_away()) {
        tx.rollback().await;
    }
    result?;
    sink.finish().await
}

async fn stream(
    tx: &Transaction,
    unload: &Unload,
    sink: &mut Sink,
    progress: &Progress,
) -> Result<(), Failure> {
    let next_tables = unload.next_tables(tx).await?;
    let query = unload.query(tx, &next_tables).await?;
    next_tables.set_search_path(tx).await?;
    let csv = ServerCsv::new(&unload.dialect, !unload.columns.is_empty());
    let sql = format!("COPY ({query}\n) TO STDOUT ({})", csv.options());
    let rows = tx.client().copy_out(sql.as_str()).await.map_err(|error| unload.refused(&error))?;
    let is_object = matches!(sink, Sink::Object(_));
    let is_wanted = csv.is_wanted;
    let mut rows = Rows { unload, csv, rows: Box::pin(rows), count: 0, preview: Preview::default() };
    rows.header(progress).await?;
    reading_notes(&unload.dialect).into_iter().for_each(|note| progress.note(note));
    if is_wanted {
        rows.pass_on(sink, progress).await?;
    } else {
        rows.rewrite(sink, progress).await?;
    }
    if !next_tables.tables.is_empty() {
        next_tables.check_reads(tx, "the query").await?;
    }
    progress.set("rowsWritten", rows.count);
    if is_object && let Some(preview) = rows.preview.text(&rows.csv.dialect, unload.dialect.header) {
        progress.set("resultPreview", preview);
    }
    drop(rows);
    hidden_rows::note(tx, &query, progress).await;
    Ok(())
}

/// The rows that the server sends.
struct Rows<'a> {
    unload: &'a Unload,
    csv: ServerCsv,
    rows: Pin<Box<CopyOutStream>>,
    count: u64,
    preview: Preview,
}

impl Rows<'_> {
    /// Returns the next row, which the server sends as one message.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let row = self.rows.next().await;
        row.transpose().map_err(|error| self.unload.refused(&error))
    }

    /// Reads the header into the preview, and notes names that come twice.
    async fn header(&mut self, progress: &Progress) -> Result<(), Failure> {
        let header = self.next().await?.unwrap_or_default();
        let mut names = Vec::new();
        self.csv.fields(&header, |name| names.push(name.map(<[u8]>::to_vec)));
        if names.iter().all(Option::is_none) {
            return Err(self.unload.no_columns());
        }
        if !self.unload.columns.is_empty() {
            let texts =
                names.iter().map(|name| name.as_deref().map(String::from_utf8_lossy).unwrap_or_default());
            let texts: Vec<String> = texts.map(std::borrow::Cow::into_owned).collect();
            let wrong = |wrong| wrong_columns(&self.unload.name(), &wrong);
            self.preview.order = header::order(&self.unload.columns, &texts, &[]).map_err(wrong)?;
        }
        names.sort();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1])
            && self.unload.dialect.header
        {
            let name = twice[0].as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            progress.note(self.unload.twice(&name));
        }
        self.preview.begin(header);
        Ok(())
    }

    /// Passes on the bytes of the database. Only the few records that a load would misread are written anew.
    async fn pass_on(&mut self, sink: &mut Sink, progress: &Progress) -> Result<(), Failure> {
        let dialect = self.unload.dialect.clone();
        let mut writer = RecordWriter::new(&dialect, true);
        let mut piece = Vec::with_capacity(PIECE);
        if dialect.header {
            let header = self.preview.header().clone();
            self.push(&header, true, &mut writer, &mut piece)?;
        }
        while let Some(row) = self.next().await? {
            self.count += 1;
            self.preview.push(&row);
            self.push(&row, false, &mut writer, &mut piece)?;
            if piece.len() >= PIECE {
                sink.write(std::mem::replace(&mut piece, Vec::with_capacity(PIECE))).await?;
                progress.set("rowsWritten", self.count);
            }
        }
        if let Some(note) = blank_rows_note(writer.blank_rows()) {
            progress.note(note);
        }
        sink.write(piece).await
    }

    /// Appends a row to `piece`. The row is written anew if it may look like a blank line, or if it is the first of
    /// the file and a load could take it for something else, such as a `sep=` line.
    #[inline]
    fn push(
        &self,
        row: &[u8],
        is_header: bool,
        writer: &mut RecordWriter,
        piece: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let separator = self.csv.dialect.separator[0];
        let is_blank = |byte: &u8| *byte == separator || matches!(byte, b' ' | b'\t' | b'\n');
        let is_blank = row.first().is_none_or(is_blank) && row.iter().all(is_blank);
        if !(is_blank || row.starts_with(MARK) || writer.is_first() && misleads(row)) {
            writer.pass();
            piece.extend_from_slice(row);
            return Ok(());
        }
        writer.begin(is_header);
        let mut written = Ok(());
        self.csv.fields(row, |value| {
            if written.is_ok() {
                written = writer.push(value);
            }
        });
        written.and_then(|()| writer.end()).map_err(|problem| {
            let (name, count) = (self.unload.name(), self.count);
            let message =
                format!("{name}, row {count}, column {}: the value {}", problem.column + 1, problem.what);
            Failure::bad_input("Unwritable", message)
        })?;
        piece.extend_from_slice(&writer.take());
        Ok(())
    }

    /// Writes every record anew.
    async fn rewrite(&mut self, sink: &mut Sink, progress: &Progress) -> Result<(), Failure> {
        let output = Arc::new(Output::default());
        let rewrite = Rewrite {
            file: self.unload.name(),
            labels: RecordLabels::Rows,
            read: self.csv.dialect.clone(),
            written: self.unload.dialect.clone(),
            columns: Vec::new(),
            wanted: self.unload.columns.clone(),
            output: output.clone(),
            scratch: std::env::temp_dir(),
        };
        let (sender, receiver) = mpsc::channel(PIECES);
        let mut pieces = rewrite.start(Input::plain(self.unload.name(), receiver));
        let written = async move {
            while let Some(piece) = pieces.recv().await {
                match piece? {
                    end if end.is_empty() => return Ok(()),
                    piece => sink.write(piece).await?,
                }
            }
            Err(Failure::internal("the thread that writes the rows ended without a result"))
        };
        // If the reading fails, the thread fails too, because its input has no end.
        let (read, written) = tokio::join!(self.send(sender, progress), written);
        read.and(written)?;
        output.notes().into_iter().for_each(|note| progress.note(note));
        Ok(())
    }

    /// Sends the CSV of the database to the thread that writes it anew. Stops if this thread has ended, because it
    /// reports its failure itself.
    async fn send(
        &mut self,
        sender: mpsc::Sender<Result<Bytes, Failure>>,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let mut piece = self.preview.header().to_vec();
        while let Some(row) = self.next().await? {
            self.count += 1;
            self.preview.push(&row);
            piece.extend_from_slice(&row);
            if piece.len() >= PIECE {
                let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
                if sender.send(Ok(full.into())).await.is_err() {
                    return Ok(());
                }
                progress.set("rowsWritten", self.count);
            }
        }
        for piece in [piece.into(), Bytes::new()] {
            if sender.send(Ok(piece)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}
