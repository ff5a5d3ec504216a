//! Turns the records of a file into encoded rows: matches fields to columns, checks and encodes them.
//!
//! A thread for blocking work does this, and sends chunks of rows to the load. So a large file neither blocks an async
//! thread nor fills the memory. A record that does not fit is refused with its reason. A problem that makes the rest of
//! the file unreadable (a wrong header, a quote that is never closed) fails the load.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::cell;
use super::column::Column;
use super::dialect::{Dialect, Form};
use super::header::{self, Fit, Target};
use super::input::{Input, bad_bytes};
use super::position::Position;
use super::records::{Record, Records};
use super::rounded::Rounded;
use super::splitter::Span;
use super::statement::Statement;
use super::value_rules::{ColumnRules, ValueRules};
use crate::failure::Failure;
use crate::panics;
use messages::CHUNK;
pub use messages::{Begin, Chunk, End, Mark, Message, Reject};
use names::Names;
pub use names::RowsOf;
use rows::{Refusal, Values, binary_row, picked, statement, text_row};

mod checks;
mod messages;
mod names;
mod rows;
mod statement_header;

/// The largest number of chunks that wait for the database.
const CHUNKS: usize = 8;
/// The largest number of these chunks that wait.
const CHUNKS_AGAIN: usize = 1;

/// The way in which a load treats the records of a file.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name of the file for messages.
    pub file: String,
    /// The name of the table for messages.
    pub table: String,
    /// The dialect of the file.
    pub dialect: Dialect,
    /// The rules by which its texts become values.
    pub rules: ValueRules,
    /// Whether records become rows or statements.
    pub shape: Shape,
    /// The folder for files that must be copied before they can be read, such as workbooks.
    pub scratch: PathBuf,
    /// Whether the text is the file itself, byte by byte. Only a plan for reading a range again needs to know it.
    pub is_plain: bool,
    /// The source of the records.
    pub rows_of: RowsOf,
}

/// Whether the records of a file become rows or statements.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Each record becomes a row of a table.
    Table {
        /// The columns of the table.
        target: Target,
        /// `column` of the data format: the names of all fields if the file has no header.
        declared: Vec<String>,
    },
    /// Each record becomes a statement.
    Statement(Statement),
}

/// The encoding of the rows of a file. The shape of the load and the types of the columns decide it.
#[derive(Clone, Debug)]
pub enum Layout {
    /// `COPY` in binary form, with the columns in the order of the file.
    Binary(Fit),
    /// `COPY` in text form, for a table with a type that has no binary encoder here.
    Text(Fit),
    /// A statement for each record.
    Statements(Statement),
}

/// Reads a whole file, on a thread of its own.
#[must_use]
pub fn start(input: Input, plan: Plan) -> mpsc::Receiver<Message> {
    run(input, plan, Position::START, None)
}

/// Reads a range of a file again, and marks each row.
#[must_use]
pub fn again(input: Input, plan: Plan, at: Position, layout: Layout) -> mpsc::Receiver<Message> {
    run(input, plan, at, Some(layout))
}

fn run(input: Input, plan: Plan, at: Position, layout: Option<Layout>) -> mpsc::Receiver<Message> {
    let (sender, receiver) = mpsc::channel(if layout.is_some() { CHUNKS_AGAIN } else { CHUNKS });
    tokio::task::spawn_blocking(move || {
        let read = panics::caught("reading the file", || {
            let columns = plan.shape.columns();
            let Plan { file, dialect, scratch, .. } = &plan;
            let records = Records::begin(input, file.clone(), dialect.clone(), at, columns, scratch)?;
            let mut reader = FileReader::new(records, plan, layout, sender.clone());
            Ok(reader.run()?.then(|| reader.findings()))
        });
        let last = match read {
            Ok(Some(end)) => Message::End(end),
            Ok(None) => return,
            Err(failure) => Message::Failed(failure),
        };
        // The receiver may be gone, because the load ended early.
        drop(sender.blocking_send(last));
    });
    receiver
}

/// Reads one file, on a thread of its own.
struct FileReader {
    records: Records,
    plan: Plan,
    sender: mpsc::Sender<Message>,
    layout: Option<Layout>,
    /// The rules for each column of the layout.
    rules: Vec<ColumnRules>,
    /// The values that lose decimals in the table.
    rounded: Rounded,
    /// Whether each row gets a mark, because a range is read again.
    marks_rows: bool,
    /// The number of records so far, without the header and the skipped records.
    count: u64,
    chunk: Chunk,
    scratch: Vec<u8>,
    /// The fields of the present record that go into columns, if not all do.
    picked: Vec<Span>,
    /// The names by which a header in the middle of the file is recognised.
    names: Names,
}

impl FileReader {
    fn new(mut records: Records, plan: Plan, layout: Option<Layout>, sender: mpsc::Sender<Message>) -> Self {
        if layout.as_ref().is_some_and(|layout| layout.width() == 1) {
            records.keep_empty_lines();
        }
        let marks_rows = layout.is_some();
        let chunk = Chunk::empty(records.position());
        let columns = layout.as_ref().map(Layout::columns).unwrap_or_default();
        let (rules, rounded) = (plan.rules.of_each(columns), Rounded::in_columns(columns));
        let (scratch, picked) = (Vec::new(), Vec::new());
        let names = layout.as_ref().map_or_else(Names::default, |layout| Names::of(layout, &plan));
        Self {
            records,
            plan,
            sender,
            layout,
            rules,
            rounded,
            marks_rows,
            count: 0,
            chunk,
            scratch,
            picked,
            names,
        }
    }

    fn findings(&self) -> End {
        let skipped = self.records.skipped();
        let mut notes = skipped.odd.notes();
        notes.extend(self.rounded.notes(self.layout.as_ref().map(Layout::columns).unwrap_or_default()));
        End { skipped, notes }
    }

    /// Reads to the end. Returns false if the receiver is gone.
    fn run(&mut self) -> Result<bool, Failure> {
        while let Some(record) = self.records.read()? {
            if !self.record(&record)? {
                return Ok(false);
            }
        }
        if self.count == 0 && !self.marks_rows {
            return Err(self.no_rows());
        }
        Ok(self.send_chunk())
    }

    /// Encodes or refuses `record`, the record that was read last. Returns false if the receiver is gone.
    fn record(&mut self, record: &Record) -> Result<bool, Failure> {
        let Record { bytes, at, .. } = record;
        let at = *at;
        if self.layout.is_none() {
            self.plan.dialect = self.records.dialect().clone();
            let is_header = self.plan.dialect.header;
            let layout = self.decide_layout(record)?;
            self.rules = self.decide_rules(&layout)?;
            self.rounded = Rounded::in_columns(layout.columns());
            if !self.begin(layout) {
                return Ok(false);
            }
            if is_header {
                self.chunk.start = self.records.position();
                return Ok(true);
            }
        }
        self.count += 1;
        let row = self.chunk.data.len();
        match self.encode(record) {
            Ok(()) => {
                self.chunk.rows += 1;
                self.rounded.keep(at.line);
                if self.marks_rows {
                    let raw = self.raw(bytes);
                    self.chunk.marks.push(Mark { at, end: self.chunk.data.len(), raw });
                }
            }
            Err((column, reason)) => {
                self.chunk.data.truncate(row);
                self.rounded.forget();
                let raw = if record.is_too_long { self.records.too_long().to_vec() } else { self.raw(bytes) };
                self.chunk.rejects.push(Reject { at, column, reason, raw });
            }
        }
        self.chunk.end = self.records.position();
        Ok(!self.chunk.is_full(self.marks_rows) || self.send_chunk())
    }

    fn send_chunk(&mut self) -> bool {
        self.chunk.end = self.records.position();
        let mut next = Chunk::empty(self.records.position());
        next.data.reserve(CHUNK + CHUNK / 8);
        let chunk = std::mem::replace(&mut self.chunk, next);
        self.sender.blocking_send(Message::Chunk(chunk)).is_ok()
    }

    /// Keeps the layout, and sends it to the load. Returns false if the receiver is gone.
    fn begin(&mut self, layout: Layout) -> bool {
        // In a table of one column, an empty line is a NULL.
        if layout.width() == 1 {
            self.records.keep_empty_lines();
        }
        self.names = Names::of(&layout, &self.plan);
        self.layout = Some(layout.clone());
        let opened = self.records.opened();
        let (is_plain, mut notes) = (opened.is_plain, opened.notes.clone());
        notes.extend(opened.format_notes(|field| {
            layout.column_of(field).is_some_and(|column| cell::takes_shown(column.kind))
        }));
        let begin = Begin { layout, dialect: self.plan.dialect.clone(), is_plain, notes };
        self.sender.blocking_send(Message::Begin(Box::new(begin))).is_ok()
    }

    /// Decides the layout. The columns are those of the header. Without a header, they are the declared columns, or all
    /// columns of the table if none are declared.
    ///
    /// # Errors
    ///
    /// If the header or the declared columns do not fit the table.
    fn decide_layout(&mut self, first: &Record) -> Result<Layout, Failure> {
        let at = first.at;
        let (target, declared) = match &self.plan.shape {
            Shape::Statement(statement) => {
                let statement = statement.clone();
                let has_header = self.plan.dialect.header;
                let mut names = if has_header { self.names(first, 0)? } else { Vec::new() };
                if has_header {
                    header::add_row_names(&mut names, &statement.declared);
                }
                self.check_header_of_statement(at, &names, &statement)?;
                return Ok(Layout::Statements(statement.named(&names)));
            }
            Shape::Table { target, declared } => (target.clone(), declared.clone()),
        };
        let fit = if self.plan.rows_of == RowsOf::Query {
            let names = self.names(first, 0)?;
            header::by_query(&names, &target).map_err(|wrong| self.wrong_query(&wrong))?
        } else if self.plan.dialect.header {
            let mut names = self.names(first, declared.len())?;
            header::add_row_names(&mut names, &declared);
            header::by_name(&names, &target, &declared)
                .map_err(|wrong| self.wrong_header(at, &wrong, &names, &target.columns))?
        } else if declared.is_empty() {
            Fit::in_order(target.columns.clone())
        } else {
            header::by_place(&declared, &target).map_err(|wrong| self.wrong_columns(&wrong))?
        };
        let needs_text = fit.columns.iter().any(|column| column.kind.needs_text());
        Ok(if needs_text { Layout::Text(fit) } else { Layout::Binary(fit) })
    }

    /// Decides the rules for each column of `layout`.
    ///
    /// # Errors
    ///
    /// If a rule is for a column that the table lacks, or that cannot hold its values.
    fn decide_rules(&self, layout: &Layout) -> Result<Vec<ColumnRules>, Failure> {
        // The layout may have columns that the load adds to the table.
        let mut of_table = layout.columns().to_vec();
        if let Shape::Table { target, .. } = &self.plan.shape {
            of_table
                .extend(target.columns.iter().filter(|column| !layout.columns().contains(column)).cloned());
        }
        let Plan { file, table, rules, .. } = &self.plan;
        match &rules.problems(&of_table)[..] {
            [] => Ok(rules.of_each(layout.columns())),
            problems => {
                let message = format!("{file} and table {table}: {}", problems.join("; "));
                Err(Failure::bad_input("Definition", message))
            }
        }
    }

    /// Returns the names in the header. `declared` is the number of names in the data format.
    fn names(&mut self, first: &Record, declared: usize) -> Result<Vec<String>, Failure> {
        let at = first.at;
        let bytes = &self.records.window()[first.bytes.clone()];
        if let Some((reason, _)) = bad_bytes::reason(bytes) {
            let reason = String::from_utf8_lossy(&reason);
            return Err(Failure::bad_input(
                "Header",
                format!("{}, line {}: {reason}", self.plan.file, at.line),
            ));
        }
        let (mut text, is_workbook) = (Vec::new(), self.plan.dialect.form == Form::Workbook);
        let name = |span: &Span| {
            self.records.splitter().unescape(self.records.window(), *span, &mut text);
            let text = std::mem::take(&mut text);
            String::from_utf8(if is_workbook { cell::shown(&text).to_vec() } else { text })
        };
        let names: Result<Vec<String>, _> = self.records.splitter().fields().iter().map(name).collect();
        let mut names = names.map_err(|_| {
            let encoding = self.encoding();
            let hint = checks::hint(&self.plan.dialect, encoding, b"");
            let message =
                format!("{}, line {}: the header is not {encoding}; {hint}", self.plan.file, at.line);
            Failure::bad_input("Encoding", message)
        })?;
        // Some tools end every line with a separator, also the header. But if the data format declares as many
        // columns as the header has fields, the last field is a column without a name.
        if names.len() > 1
            && names.len() != declared
            && names.last().is_some_and(|last| last.trim().is_empty())
        {
            names.pop();
            self.plan.dialect.trailing_separator = true;
        }
        Ok(names)
    }

    #[inline]
    fn encode(&mut self, record: &Record) -> Result<(), Refusal> {
        if record.is_too_long {
            let most = self.plan.dialect.longest_record;
            let reason = format!("the record is longer than {most} bytes; `myMaxRecordBytes` allows more");
            return Err((None, reason));
        }
        if self.records.needs_check() {
            self.check_text(&record.bytes)?;
        }
        let mut fields = self.records.splitter().fields();
        if let Some(index) = self.records.splitter().text_after_quote() {
            return Err((self.column_name(index), self.text_after_quote(index)));
        }
        let expected = self.layout.as_ref().map_or(0, Layout::width);
        if self.plan.dialect.trailing_separator {
            match fields.split_last() {
                Some((last, others)) if others.len() == expected && last.start == last.end => fields = others,
                _ => return Err((None, self.wrong_count(fields.len(), expected))),
            }
        }
        if fields.len() != expected {
            return Err((None, self.wrong_count(fields.len(), expected)));
        }
        if self.names.may_begin(self.records.window(), fields) {
            self.check_header_again(record)?;
            fields = &self.records.splitter().fields()[..expected];
        }
        let Some(layout) = &self.layout else { return Ok(()) };
        let mut values = Values {
            window: self.records.window(),
            splitter: self.records.splitter(),
            dialect: &self.plan.dialect,
            quoted_nulls: self.plan.rules.quoted_nulls,
            is_text: self.plan.dialect.source_form() == Form::Text,
            scratch: &mut self.scratch,
        };
        let (out, rules, rounded) = (&mut self.chunk.data, self.rules.as_slice(), &mut self.rounded);
        match layout {
            Layout::Binary(fit) => {
                let fields = picked(fit, fields, &mut self.picked);
                binary_row(&fit.columns, rules, fields, &mut values, rounded, out)
            }
            Layout::Text(fit) => {
                let fields = picked(fit, fields, &mut self.picked);
                text_row(&fit.columns, rules, fields, &mut values, rounded, out)
            }
            Layout::Statements(Statement { template, columns, .. }) => {
                statement(template, columns, rules, fields, &mut values, rounded, out)
            }
        }
    }

    fn column_name(&self, index: usize) -> Option<String> {
        self.layout.as_ref()?.column_of(index).map(|column| column.name.clone())
    }
}

impl Layout {
    /// Returns the number of fields that a record must have.
    #[must_use]
    #[inline]
    pub fn width(&self) -> usize {
        match self {
            Self::Binary(fit) | Self::Text(fit) => fit.width,
            Self::Statements(statement) => statement.columns.len(),
        }
    }

    /// Returns the column that takes the field `index`.
    #[must_use]
    fn column_of(&self, index: usize) -> Option<&Column> {
        match self {
            Self::Binary(fit) | Self::Text(fit) => fit.column_of(index),
            Self::Statements(statement) => statement.columns.get(index),
        }
    }

    /// Returns the columns to fill, in the order of the file. In a statement, these are its placeholders.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        match self {
            Self::Binary(fit) | Self::Text(fit) => &fit.columns,
            Self::Statements(statement) => &statement.columns,
        }
    }
}

impl Shape {
    /// Returns the statement of each record, if there is one.
    #[must_use]
    pub fn statement(&self) -> Option<&Statement> {
        match self {
            Self::Statement(statement) => Some(statement),
            Self::Table { .. } => None,
        }
    }

    /// Returns the number of fields that a record of a file without a header should have.
    fn columns(&self) -> Option<usize> {
        Some(match self {
            Self::Table { target, declared } if declared.is_empty() => target.columns.len(),
            Self::Table { declared, .. } => declared.len(),
            Self::Statement(statement) => statement.columns.len(),
        })
    }
}

#[cfg(test)]
mod tests;
