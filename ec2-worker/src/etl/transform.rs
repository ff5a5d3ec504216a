//! Bytes into encoded rows: split, match to the columns, check, encode.
//!
//! All of it happens on one blocking thread, in pieces of a quarter of a megabyte, so that neither the
//! async side nor memory feels the size of a file. A record that does not fit is set aside with its reason;
//! what makes the rest of the file meaningless (a wrong header, a quote left open) ends the work.

use memchr::memchr;
use tokio::sync::mpsc;

use super::column::{Column, Kind};
use super::date::Pattern;
use super::dialect::Dialect;
use super::header::{self, WrongHeader};
use super::position::Position;
use super::records::{Record, Records};
use super::source::Input;
use super::splitter::Span;
use crate::failure::Failure;
use crate::panics;
use crate::sql::Template;
use rows::{Refusal, Values, binary_row, text_row};

mod rows;

/// A chunk is handed on when it has this many bytes.
const CHUNK: usize = 256 * 1024;
/// Chunks waiting for the database.
const CHUNKS: usize = 8;

/// What a load does with the records of a file.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How the file is called in messages.
    pub file: String,
    /// How the table is called in messages.
    pub table: String,
    /// How the file is cut.
    pub dialect: Dialect,
    /// How its dates are written, where not as ISO 8601.
    pub dates: Option<Pattern>,
    /// What becomes of the records.
    pub shape: Shape,
}

/// What becomes of the records.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Rows of a table: its columns, and the names that the data format declares.
    Table {
        /// Columns of the table that may be filled.
        columns: Vec<Column>,
        /// `column` of the data format; used without a header.
        declared: Vec<String>,
    },
    /// One statement each.
    Statement(Template),
}

/// How the rows of a file are encoded; settled by its header.
#[derive(Clone, Debug)]
pub enum Layout {
    /// `COPY` in binary form, columns in the file's order.
    Binary(Vec<Column>),
    /// `COPY` in text form, for tables with a type that has no binary encoder here.
    Text(Vec<Column>),
    /// A statement per record.
    Statements(Template),
}

/// What the thread hands on.
#[derive(Debug)]
pub enum Message {
    /// First of all: how rows are encoded.
    Layout(Layout),
    /// Some rows.
    Chunk(Chunk),
    /// The file cannot be loaded.
    Failed(Failure),
    /// The file is at its end.
    End,
}

/// Consecutive records, encoded.
#[derive(Debug)]
pub struct Chunk {
    /// The rows, as the layout says.
    pub data: Vec<u8>,
    /// How many.
    pub rows: u64,
    /// Records set aside.
    pub rejects: Vec<Reject>,
    /// Where its first record starts.
    pub start: Position,
    /// Where the next chunk's first record starts.
    pub end: Position,
    /// Row by row, when asked for.
    pub marks: Vec<Mark>,
}

/// One row of a chunk.
#[derive(Debug)]
pub struct Mark {
    /// Where its record starts in the file.
    pub at: Position,
    /// One past its last byte in the chunk's data.
    pub end: usize,
    /// The record as it stands in the file.
    pub raw: Vec<u8>,
}

/// A record set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Where it starts.
    pub at: Position,
    /// The column at fault, where there is one.
    pub column: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// The record as it stands in the file, without its end.
    pub raw: Vec<u8>,
}

/// Reads a whole file on a thread of its own.
#[must_use]
pub fn start(input: Input, plan: Plan) -> mpsc::Receiver<Message> {
    run(input, plan, Position::START, None)
}

/// Reads a range of a file once more, row by row.
#[must_use]
pub fn again(input: Input, plan: Plan, at: Position, layout: Layout) -> mpsc::Receiver<Message> {
    run(input, plan, at, Some(layout))
}

fn run(input: Input, plan: Plan, at: Position, layout: Option<Layout>) -> mpsc::Receiver<Message> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    tokio::task::spawn_blocking(move || {
        let read = panics::caught("reading the file", || {
            let records = Records::begin(input, plan.file.clone(), &plan.dialect, at)?;
            Thread::new(records, plan, layout, sender.clone()).run()
        });
        let last = match read {
            Ok(true) => Message::End,
            Ok(false) => return,
            Err(failure) => Message::Failed(failure),
        };
        // The receiver may be gone: then nobody wants to know.
        drop(sender.blocking_send(last));
    });
    receiver
}

struct Thread {
    records: Records,
    plan: Plan,
    sender: mpsc::Sender<Message>,
    layout: Option<Layout>,
    marked: bool,
    /// Records read so far, the header and blank lines left out.
    count: u64,
    chunk: Chunk,
    scratch: Vec<u8>,
}

impl Thread {
    fn new(records: Records, plan: Plan, layout: Option<Layout>, sender: mpsc::Sender<Message>) -> Self {
        let marked = layout.is_some();
        let chunk = Chunk::empty(records.at());
        Self { records, plan, sender, layout, marked, count: 0, chunk, scratch: Vec::new() }
    }

    /// Returns whether the end was reached; not so when nobody listens any more.
    fn run(&mut self) -> Result<bool, Failure> {
        while let Some(record) = self.records.read()? {
            if !self.record(&record)? {
                return Ok(false);
            }
        }
        if self.count == 0 && !self.marked {
            return Err(self.no_rows());
        }
        Ok(self.hand_on())
    }

    /// Takes the record just read; returns whether anybody listens.
    fn record(&mut self, record: &Record) -> Result<bool, Failure> {
        let Record { bytes, at } = record;
        let at = *at;
        if self.is_blank() {
            return Ok(true);
        }
        if self.layout.is_none() {
            let is_header = self.plan.dialect.header;
            let layout = self.settle(at)?;
            self.layout = Some(layout.clone());
            if self.sender.blocking_send(Message::Layout(layout)).is_err() {
                return Ok(false);
            }
            if is_header {
                self.chunk.start = self.records.at();
                return Ok(true);
            }
        }
        self.count += 1;
        let row = self.chunk.data.len();
        match self.encode(bytes) {
            Ok(()) => {
                self.chunk.rows += 1;
                if self.marked {
                    let raw = self.raw(bytes);
                    self.chunk.marks.push(Mark { at, end: self.chunk.data.len(), raw });
                }
            }
            Err((column, reason)) => {
                self.chunk.data.truncate(row);
                let raw = self.raw(bytes);
                self.chunk.rejects.push(Reject { at, column, reason, raw });
            }
        }
        self.chunk.end = self.records.at();
        Ok(!self.chunk.is_full() || self.hand_on())
    }

    fn hand_on(&mut self) -> bool {
        self.chunk.end = self.records.at();
        let mut next = Chunk::empty(self.records.at());
        next.data.reserve(CHUNK + CHUNK / 8);
        let chunk = std::mem::replace(&mut self.chunk, next);
        self.sender.blocking_send(Message::Chunk(chunk)).is_ok()
    }

    fn is_blank(&self) -> bool {
        // In a table of one column an empty line is a NULL.
        let one_column = match &self.layout {
            Some(Layout::Binary(columns) | Layout::Text(columns)) => columns.len() == 1,
            _ => false,
        };
        matches!(self.records.splitter().fields(), [only] if only.start == only.end && !only.quoted && !one_column)
    }

    fn raw(&self, record: &std::ops::Range<usize>) -> Vec<u8> {
        let bytes = &self.records.window()[record.clone()];
        let bytes = bytes.strip_suffix(&[self.plan.dialect.record_end]).unwrap_or(bytes);
        bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec()
    }

    /// Decides the layout by the first record.
    fn settle(&mut self, at: Position) -> Result<Layout, Failure> {
        let (table, declared) = match &self.plan.shape {
            Shape::Statement(template) => return Ok(Layout::Statements(template.clone())),
            Shape::Table { columns, declared } => (columns, declared),
        };
        let columns = if self.plan.dialect.header {
            let names = self.names(at)?;
            header::by_name(&names, table).map_err(|wrong| self.wrong_header(at, &wrong))?
        } else {
            header::by_name(declared, table).unwrap_or_else(|_| table.clone())
        };
        let other = columns.iter().any(|column| column.kind == Kind::Other);
        Ok(if other { Layout::Text(columns) } else { Layout::Binary(columns) })
    }

    fn names(&self, at: Position) -> Result<Vec<String>, Failure> {
        let mut text = Vec::new();
        let name = |span: &Span| {
            self.records.splitter().unescape(self.records.window(), *span, &mut text);
            String::from_utf8(std::mem::take(&mut text))
        };
        let names: Result<Vec<String>, _> = self.records.splitter().fields().iter().map(name).collect();
        names.map_err(|_| {
            let message = format!(
                "{}, line {}: the header is not UTF-8; save the file as UTF-8",
                self.plan.file, at.line
            );
            Failure::bad_input("Encoding", message)
        })
    }

    fn wrong_header(&self, at: Position, WrongHeader(problems): &WrongHeader) -> Failure {
        let Plan { file, table, .. } = &self.plan;
        let message = format!(
            "{file}, line {}: the header does not fit table {table}: {}",
            at.line,
            problems.join("; ")
        );
        Failure::bad_input("Header", message)
    }

    fn no_rows(&self) -> Failure {
        let file = &self.plan.file;
        let message = match (self.records.at().offset, self.plan.dialect.header) {
            (0, _) => format!("{file}: the file is empty"),
            (_, true) => format!("{file}: the file has a header, but no rows"),
            (_, false) => format!("{file}: the file has no rows"),
        };
        Failure::bad_input("NoRows", format!("{message}; the table is left as it was"))
    }

    #[inline]
    fn encode(&mut self, record: &std::ops::Range<usize>) -> Result<(), Refusal> {
        let fields = self.records.splitter().fields();
        if let Some(index) = self.records.splitter().text_after_quote() {
            return Err((self.column_name(index), "text follows the closing quote".to_owned()));
        }
        if self.records.has_broken_text() {
            self.check_text(record)?;
        }
        let Some(layout) = &self.layout else { return Ok(()) };
        let expected = match layout {
            Layout::Binary(columns) | Layout::Text(columns) => columns.len(),
            Layout::Statements(template) => template.places(),
        };
        if fields.len() != expected {
            return Err((None, format!("{} columns instead of {expected}", fields.len())));
        }
        let mut values = Values {
            window: self.records.window(),
            splitter: self.records.splitter(),
            nulls: &self.plan.dialect.nulls,
            scratch: &mut self.scratch,
        };
        let (out, dates) = (&mut self.chunk.data, self.plan.dates.as_ref());
        match layout {
            Layout::Binary(columns) => binary_row(columns, dates, fields, &mut values, out),
            Layout::Text(columns) => text_row(columns, dates, fields, &mut values, out),
            Layout::Statements(template) => {
                let mut texts = Vec::with_capacity(expected);
                for span in fields {
                    texts.push(values.text(*span).map(|text| String::from_utf8_lossy(text).into_owned()));
                }
                template.fill(&texts, out);
                Ok(())
            }
        }
    }

    fn column_name(&self, index: usize) -> Option<String> {
        match self.layout.as_ref()? {
            Layout::Binary(columns) | Layout::Text(columns) => {
                columns.get(index).map(|column| column.name.clone())
            }
            Layout::Statements(_) => Some((index + 1).to_string()),
        }
    }

    fn check_text(&self, record: &std::ops::Range<usize>) -> Result<(), Refusal> {
        let bytes = &self.records.window()[record.clone()];
        let (index, what) = if let Err(error) = std::str::from_utf8(bytes) {
            let index = error.valid_up_to();
            (index, format!("byte {:#04x} is not UTF-8; save the file as UTF-8", bytes[index]))
        } else if let Some(index) = memchr(0, bytes) {
            (index, "a NUL byte, which PostgreSQL cannot store".to_owned())
        } else {
            return Ok(());
        };
        let place = record.start + index;
        let field = self.records.splitter().fields().iter().position(|span| place <= span.end);
        Err((
            field.and_then(|field| self.column_name(field)),
            format!("{what} (byte {} of the line)", index + 1),
        ))
    }
}

impl Chunk {
    fn empty(start: Position) -> Self {
        Self { data: Vec::new(), rows: 0, rejects: Vec::new(), start, end: start, marks: Vec::new() }
    }

    fn is_full(&self) -> bool {
        self.data.len() >= CHUNK || self.end.offset - self.start.offset >= 2 * CHUNK as u64
    }
}

#[cfg(test)]
mod tests;
