//! Rewrites records from one dialect into another. The records come from files, or from the CSV that a database sends.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use definition::counted::counted;
use tokio::sync::mpsc;

use super::cell;
use super::dialect::{Dialect, Form};
use super::header::{self, WrongHeader};
use super::input::{Input, bad_bytes};
use super::position::Position;
use super::record_writer::{RecordWriter, Unwritable};
use super::records::{Record, Records};
use super::splitter::Span;
use crate::failure::Failure;
use crate::panics;

/// The size of a piece of output in bytes.
const PIECE: usize = 256 * 1024;
/// The largest number of pieces that wait for the upload.
const PIECES: usize = 4;

/// The rewriting of one file.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// The name of the file for messages.
    pub file: String,
    /// How messages name a record of the file.
    pub labels: RecordLabels,
    /// The dialect of the file.
    pub read: Dialect,
    /// The dialect of the output.
    pub written: Dialect,
    /// The declared names of the columns. If the file has a header, they fill in names that the header lacks; otherwise they
    /// become the header of the output. Empty if none are declared.
    pub columns: Vec<String>,
    /// The columns that the output has, in this order. Empty for the columns of the file.
    pub wanted: Vec<String>,
    /// The output, which several files may share.
    pub output: Arc<Output>,
    /// The folder for files that must be copied before they can be read, such as workbooks.
    pub scratch: PathBuf,
}

/// How messages name a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordLabels {
    /// By its line in a file.
    Lines,
    /// By its number among the rows that a database sends. These rows have no byte order mark and a known dialect,
    /// so their start is not searched for either.
    Rows,
}

/// The state of an output, into which one file or several files are rewritten one after another.
#[derive(Debug, Default)]
pub struct Output {
    /// The header of the first file, the name of that file, and the number of its columns.
    header: OnceLock<(Vec<Vec<u8>>, String, usize)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_begun: bool,
    /// The number of rows without any value, which a load would take for blank lines.
    blank_rows: u64,
    notes: Vec<String>,
}

impl Output {
    /// Returns sentences for the user about the files and the output. No sentence comes twice.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notes = state.notes.clone();
        notes.extend(blank_rows_note(state.blank_rows));
        notes
    }

    /// Returns true at the first call, which marks the output as begun.
    fn begin(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut state.is_begun, true)
    }

    fn add(&self, notes: impl IntoIterator<Item = String>, blank_rows: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.blank_rows += blank_rows;
        for note in notes {
            if !state.notes.contains(&note) {
                state.notes.push(note);
            }
        }
    }
}

/// Returns the note about rows without any value, which a load would take for blank lines.
#[must_use]
pub fn blank_rows_note(count: u64) -> Option<String> {
    let rows = if count == 1 { "1 row has".to_owned() } else { format!("{count} rows have") };
    (count > 0).then(|| {
        format!(
            "{rows} no value in any column; a load leaves such lines out unless `mySkipBlank` of the data format is false"
        )
    })
}

impl Rewrite {
    /// Rewrites `input` on a thread of its own, and returns the channel from which the pieces of the output come.
    ///
    /// The last piece is followed by an empty piece. If the channel closes without an empty piece, the pieces so far
    /// are not the whole output. A failure comes in place of the remaining pieces.
    #[must_use]
    pub fn start(self, input: Input) -> mpsc::Receiver<Result<Vec<u8>, Failure>> {
        let (sender, receiver) = mpsc::channel(PIECES);
        tokio::task::spawn_blocking(move || {
            let done = panics::caught("rewriting the file", || self.run(input, &sender));
            // The receiver is gone only if the upload failed. The upload reports its failure itself.
            drop(sender.blocking_send(done.map(|()| Vec::new())));
        });
        receiver
    }

    /// Sends the pieces of the output, but not the empty piece at the end.
    fn run(self, input: Input, sender: &mpsc::Sender<Result<Vec<u8>, Failure>>) -> Result<(), Failure> {
        let at = match self.labels {
            RecordLabels::Lines => Position::START,
            // Any offset but 0 switches off the search for byte order marks and the dialect.
            RecordLabels::Rows => Position { offset: 1, line: 1 },
        };
        let (file, dialect) = (self.file.clone(), self.read.clone());
        let mut records = Records::begin(input, file, dialect, at, None, &self.scratch)?;
        if self.labels == RecordLabels::Rows {
            records.keep_marks();
        }
        let writer = RecordWriter::new(&self.written, self.output.begin());
        let mut rewriter = FileRewriter {
            rewrite: self,
            records,
            writer,
            names: Vec::new(),
            order: Vec::new(),
            width: 0,
            count: 0,
            text: Vec::new(),
        };
        while rewriter.step()? {
            if rewriter.writer.size() >= PIECE && sender.blocking_send(Ok(rewriter.writer.take())).is_err() {
                return Ok(());
            }
        }
        let last = rewriter.writer.take();
        if !last.is_empty() {
            drop(sender.blocking_send(Ok(last)));
        }
        rewriter.add_notes();
        Ok(())
    }
}

/// Rewrites one file, on a thread of its own.
struct FileRewriter {
    rewrite: Rewrite,
    records: Records,
    writer: RecordWriter,
    /// The names of the columns for messages, if they are known.
    names: Vec<Vec<u8>>,
    /// The indexes of the fields that the output has, in its order; empty if it has all fields in order.
    order: Vec<usize>,
    /// The number of fields of each record.
    width: usize,
    /// The number of records so far, without the header.
    count: u64,
    /// A buffer for the text of a field.
    text: Vec<u8>,
}

impl FileRewriter {
    /// Rewrites the next record. Returns false at the end of the file.
    #[inline]
    fn step(&mut self) -> Result<bool, Failure> {
        let Some(record) = self.records.read()? else { return Ok(false) };
        self.check(&record)?;
        if self.count == 0 && self.width == 0 && self.begins_with_header(&record)? {
            return Ok(true);
        }
        self.count += 1;
        self.writer.begin(false);
        let fields = self.records.splitter().fields();
        if fields.len() != self.width {
            return Err(self.wrong_count(&record));
        }
        let mut written = Ok(());
        let mut push = |span: Span| {
            if written.is_ok() {
                written = self.writer.push(value_of(&self.records, span, &mut self.text));
            }
        };
        match &self.order[..] {
            [] => fields.iter().for_each(|span| push(*span)),
            order => order.iter().for_each(|index| push(fields[*index])),
        }
        written.and_then(|()| self.writer.end()).map_err(|problem| self.unwritable(&record, &problem))?;
        Ok(true)
    }

    /// Takes the names of the columns, and writes the header if the output has one. Returns whether `record`, the first
    /// record of the file, is a header.
    fn begins_with_header(&mut self, record: &Record) -> Result<bool, Failure> {
        if self.records.splitter().fields().len() == 1 {
            self.records.keep_empty_lines();
        }
        // The keys of JSON objects are read as a header.
        let is_header = self.rewrite.read.header || self.rewrite.read.form == Form::Json;
        if is_header {
            let fields = self.records.splitter().fields().to_vec();
            for span in fields {
                self.records.splitter().unescape(self.records.window(), span, &mut self.text);
                let is_workbook = self.rewrite.read.form == Form::Workbook;
                let name = if is_workbook { cell::shown(&self.text) } else { &self.text };
                self.names.push(name.to_vec());
            }
            self.add_row_names();
        } else {
            let names = header::declared_names(&self.rewrite.columns);
            self.names = names.into_iter().map(String::into_bytes).collect();
        }
        self.width = match self.names.len() {
            0 => self.records.splitter().fields().len(),
            count => count,
        };
        self.find_order()?;
        let file = self.rewrite.file.clone();
        let mut is_new = false;
        let (first, first_file, width) = self.rewrite.output.header.get_or_init(|| {
            is_new = true;
            (self.names.clone(), file, self.width)
        });
        if !is_header && *width != self.width {
            let message = format!(
                "{}, line {}: {}, but {width} in {first_file}; files that become one file need the same columns in the same order",
                self.rewrite.file,
                record.at.line,
                counted(self.width as u64, "column")
            );
            return Err(Failure::bad_input("Header", message));
        }
        if is_header && *first != self.names {
            let shown = |names: &[Vec<u8>]| String::from_utf8_lossy(&names.join(&b',')).into_owned();
            let message = format!(
                "{}{}: the header is `{}`, but the header of {first_file} is `{}`; files that become one file need \
                 the same columns in the same order",
                self.rewrite.file,
                self.line_of_header(record),
                shown(&self.names),
                shown(first)
            );
            return Err(Failure::bad_input("Header", message));
        }
        if is_new && self.rewrite.written.header {
            self.write_header().map_err(|problem| self.unwritable(record, &problem))?;
        }
        Ok(is_header)
    }

    /// Returns the line of the header for messages. The keys of JSON have no line of their own.
    fn line_of_header(&self, record: &Record) -> String {
        let is_json = self.rewrite.read.form == Form::Json;
        if is_json { String::new() } else { format!(", line {}", record.at.line) }
    }

    fn write_header(&mut self) -> Result<(), Unwritable> {
        self.writer.begin(true);
        match &self.order[..] {
            [] => self.names.iter().try_for_each(|name| self.writer.push(Some(name)))?,
            order => order.iter().try_for_each(|index| self.writer.push(Some(&self.names[*index])))?,
        }
        self.writer.end()
    }

    /// Inserts `row_names` as the first name if the data format declares it: R writes no name above its column of row names.
    fn add_row_names(&mut self) {
        let mut names = texts(&self.names);
        header::add_row_names(&mut names, &self.rewrite.columns);
        if names.len() > self.names.len() {
            self.names.insert(0, header::ROW_NAMES.as_bytes().to_vec());
        }
    }

    /// Finds the fields of the columns that the output has.
    fn find_order(&mut self) -> Result<(), Failure> {
        let Rewrite { file, columns, wanted, .. } = &self.rewrite;
        if wanted.is_empty() {
            return Ok(());
        }
        let names = texts(&self.names);
        self.order = header::order(wanted, &names, columns).map_err(|wrong| wrong_columns(file, &wrong))?;
        // A separator at the end of the header makes an empty last name.
        let is_end = |index: usize, name: &str| name.trim().is_empty() && index + 1 == names.len();
        let is_left_out = |index: usize, name: &str| !self.order.contains(&index) && !is_end(index, name);
        let left_out = names.iter().enumerate().filter(|(index, name)| is_left_out(*index, name));
        let left_out: Vec<String> = left_out.map(|(_, name)| format!("`{name}`")).collect();
        if !left_out.is_empty() {
            let note = format!(
                "left out columns that `column` of the output's data format does not name: {}",
                left_out.join(", ")
            );
            self.rewrite.output.add([note], 0);
        }
        Ok(())
    }

    fn wrong_count(&self, record: &Record) -> Failure {
        let (found, width) = (self.records.splitter().fields().len(), self.width);
        let remedy = if found > width {
            self.records.dialect().with_separators()
        } else {
            "add the missing values, or leave out a line that is not a record (`mySkipLines`, `mySkipFooter`)"
        };
        let message = format!(
            "{}, line {}: {} instead of {width}; {remedy}",
            self.rewrite.file,
            record.at.line,
            counted(found as u64, "column")
        );
        Failure::bad_input("Columns", message)
    }

    /// Checks that `record` can be read, and that its fields contain all of its text.
    fn check(&self, record: &Record) -> Result<(), Failure> {
        let (file, line) = (&self.rewrite.file, record.at.line);
        let bad = |id: &str, column: &str, what: &str| {
            Err(Failure::bad_input(id, format!("{file}, line {line}{column}: {what}")))
        };
        if record.is_too_long {
            let most = self.rewrite.read.longest_record;
            let what = format!("the record is longer than {most} bytes; `myMaxRecordBytes` allows more");
            return bad("RecordTooLong", "", &what);
        }
        if let Some(index) = self.records.splitter().text_after_quote() {
            // The fields do not contain the text after a closing quote, so the output would lose this text.
            return bad(
                "TextAfterQuote",
                &format!(", column {}", index + 1),
                "text follows the closing quote",
            );
        }
        if !self.records.needs_check() {
            return Ok(());
        }
        let bytes = &self.records.window()[record.bytes.clone()];
        if let Some((reason, _)) = bad_bytes::reason(bytes) {
            return bad("Unreadable", "", String::from_utf8_lossy(&reason).trim_end());
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            let index = error.valid_up_to();
            let byte = bad_bytes::at(&bytes[index..]).unwrap_or(bytes[index]);
            let encoding = self.records.dialect().encoding.unwrap_or(encoding_rs::UTF_8).name();
            let what = format!(
                "byte {} of the line, {byte:#04x}, is not valid {encoding}; set `myEncoding` of the input's data format to \
                 the encoding of the file",
                index + 1
            );
            return bad("Encoding", "", &what);
        }
        Ok(())
    }

    fn unwritable(&self, record: &Record, Unwritable { column, what }: &Unwritable) -> Failure {
        let Rewrite { file, labels, .. } = &self.rewrite;
        let at = match labels {
            RecordLabels::Rows if self.count == 0 => "header".to_owned(),
            RecordLabels::Lines if self.rewrite.read.form == Form::Json && self.count == 0 => {
                "the keys".to_owned()
            }
            RecordLabels::Rows => format!("row {}", self.count),
            RecordLabels::Lines => format!("line {}", record.at.line),
        };
        let column = match self.names.get(*column) {
            Some(name) => format!("`{}`", String::from_utf8_lossy(name)),
            None => (column + 1).to_string(),
        };
        Failure::bad_input("Unwritable", format!("{file}, {at}, column {column}: the value {what}"))
    }

    /// Adds the notes about the file to the output.
    fn add_notes(self) {
        let file = &self.rewrite.file;
        let mut notes: Vec<String> =
            self.records.opened().notes.iter().map(|note| format!("{file}: {note}")).collect();
        let formats = self.records.opened().format_notes(|_| true);
        notes.extend(formats.into_iter().map(|note| format!("{file}: {note}")));
        let skipped = self.records.skipped();
        if self.rewrite.labels == RecordLabels::Lines {
            notes.extend(skipped.odd.notes().iter().map(|note| format!("{file}: {note}")));
        }
        let skipped = skipped.total();
        if skipped > 0 {
            let lines = counted(skipped, "line");
            notes.push(format!("{file}: left out {lines} without a record"));
        }
        self.rewrite.output.add(notes, self.writer.blank_rows());
    }
}

/// Says why the columns that a data format declares are not those of a file or a query.
#[must_use]
pub fn wrong_columns(name: &str, WrongHeader(problems): &WrongHeader) -> Failure {
    let message =
        format!("{name}: `column` of the data format of the output does not fit: {}", problems.join("; "));
    Failure::bad_input("Definition", message)
}

fn texts(names: &[Vec<u8>]) -> Vec<String> {
    names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Returns the text of a field of the last record, or `None` for NULL.
#[inline]
fn value_of<'a>(records: &'a Records, span: Span, text: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let raw = &records.window()[span.start..span.end];
    let dialect = records.dialect();
    let is_workbook = dialect.form == Form::Workbook;
    let raw = if is_workbook { cell::shown(raw) } else { raw };
    if dialect.is_null(raw, span.quoted) {
        return None;
    }
    let value = if span.escaped {
        records.splitter().unescape(records.window(), span, text);
        if is_workbook { cell::shown(text) } else { text.as_slice() }
    } else {
        raw
    };
    let is_null = span.quoted && dialect.is_null_in_quotes(value, dialect.quoted_nulls);
    (!is_null).then_some(value)
}

#[cfg(test)]
mod tests;
