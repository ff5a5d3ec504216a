//! Reads the records of a text file one by one, in bounded memory.
//!
//! Every part that reads records uses this module: loads into a table, the rewriting into another format, and the
//! inspection of a file. The reader leaves out byte order marks, and the parts that the dialect leaves out: lines at the start,
//! comments, blank records, and records at the end.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;

use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::dialect::{Dialect, Form};
use super::input::{Input, Opened};
use super::position::Position;
use super::splitter::{Span, Splitter, Step};
use crate::failure::Failure;

mod long;
mod oddities;
mod opening;

pub use oddities::Oddities;

/// The capacity of the window at the start: two pieces of the input.
const WINDOW: usize = 512 * 1024;
/// The number of bytes in which the line ends and the dialect are sought.
const SAMPLE: usize = 1024 * 1024;
/// The number of bytes that are kept of a record that is too long.
const KEPT: usize = 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The records of an open file. Reading blocks, so it belongs on a thread for blocking work.
pub struct Records {
    input: Input,
    /// The name of the file for messages.
    name: String,
    dialect: Dialect,
    splitter: Splitter,
    window: Vec<u8>,
    /// The index in the window of the next record.
    next: usize,
    /// The position in the file of the next record in the window.
    at: Position,
    /// Whether the window contains the end of the input.
    is_last: bool,
    /// Whether the window may contain bytes that are refused: see [`Self::needs_check`].
    needs_check: bool,
    /// Whether the window has a byte order mark somewhere.
    has_marks: bool,
    opened: Opened,
    skipped: Skipped,
    /// The start of the last record that was too long.
    too_long: Vec<u8>,
    /// The records that may belong to the footer, if the dialect has one.
    held: VecDeque<Held>,
    /// The bytes of the record that was taken from `held` last.
    current: Vec<u8>,
    /// The position after the record that was returned last.
    returned: Position,
    /// Whether an empty line is a record.
    keeps_empty_lines: bool,
    /// Whether a byte order mark at the start of a record belongs to its first field.
    keeps_marks: bool,
}

/// A record in the window. The record is valid until the next record is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The range of its bytes in the window, including the record end.
    pub bytes: Range<usize>,
    /// The position in the file.
    pub at: Position,
    /// Whether the record is longer than the dialect allows. It then has no fields; [`Records::too_long`] has its
    /// start.
    pub is_too_long: bool,
}

/// The records that were left out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Blank records: without any value.
    pub blank: u64,
    /// Lines that are comments.
    pub comments: u64,
    /// Lines at the start, without the `sep=` line.
    pub head: u64,
    /// Records at the end.
    pub footer: u64,
    /// The oddities for a note. None of these records is left out.
    pub odd: Oddities,
}

impl Skipped {
    /// Returns the number of all of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.blank + self.comments + self.head + self.footer
    }
}

/// A record that may belong to the footer.
struct Held {
    bytes: Vec<u8>,
    at: Position,
    after: Position,
    is_too_long: bool,
}

impl Records {
    /// Begins to read `input`, which starts at the position `at` of the file `name`. `columns` is the number of columns
    /// that a record should have, if that is known; it helps to find the separator.
    ///
    /// # Errors
    ///
    /// If the download breaks off, or the file cannot be unpacked, decoded or converted.
    pub fn begin(
        mut input: Input,
        name: String,
        dialect: Dialect,
        at: Position,
        columns: Option<usize>,
        scratch: &Path,
    ) -> Result<Self, Failure> {
        let opened = input.begin(&dialect, scratch)?;
        let mut records = Self {
            keeps_empty_lines: columns == Some(1) && !dialect.header && dialect.form != Form::Json,
            input,
            name,
            splitter: Splitter::new(&dialect),
            dialect,
            window: Vec::with_capacity(WINDOW),
            next: 0,
            at,
            is_last: false,
            has_marks: false,
            needs_check: false,
            opened,
            skipped: Skipped::default(),
            too_long: Vec::new(),
            held: VecDeque::new(),
            current: Vec::new(),
            returned: at,
            keeps_marks: false,
        };
        records.is_last = !records.fill()?;
        if at.offset == 0 {
            records.begin_file(columns)?;
        }
        records.returned = records.at;
        Ok(records)
    }

    /// Returns the next record, or `None` at the end of the input.
    ///
    /// # Errors
    ///
    /// If the download breaks off, or a quote is left open.
    #[inline]
    pub fn read(&mut self) -> Result<Option<Record>, Failure> {
        if self.dialect.skip_footer > 0 {
            return self.read_before_footer();
        }
        let record = self.next_record()?;
        self.returned = self.at;
        Ok(record)
    }

    #[inline]
    fn next_record(&mut self) -> Result<Option<Record>, Failure> {
        loop {
            if self.next == self.window.len() && !self.is_last {
                self.is_last = !self.fill()?;
            }
            if self.window.get(self.next) == Some(&BYTE_ORDER_MARK[0]) && !self.keeps_marks {
                self.skip_mark_inside()?;
            }
            if !self.dialect.comment.is_empty() && self.skip_comment()? {
                continue;
            }
            // The search for a comment may have found the end.
            if self.is_last && self.next == self.window.len() {
                return Ok(None);
            }
            match self.splitter.split(&self.window, self.next, self.is_last) {
                Step::Record { len, lines } => {
                    let bytes = self.next..self.next + len;
                    let at = self.at;
                    if len > self.dialect.longest_record && self.is_longer_than_allowed(len) {
                        return self.pass_long_record().map(Some);
                    }
                    self.advance(len, lines);
                    if self.dialect.skip_blank && self.is_blank() {
                        self.skipped.blank += 1;
                        continue;
                    }
                    if self.dialect.form == Form::Text {
                        let end = self.dialect.record_end.bytes();
                        let has_end = !self.is_last || self.window[..bytes.end].ends_with(end);
                        if lines > u64::from(has_end) {
                            self.note_lines(&bytes, lines, at.line);
                        }
                        self.note_kept_quotes(&bytes, at.line);
                        self.note_escaped_letters(at.line);
                        self.note_doubled_escapes(&bytes, at.line);
                    }
                    if self.has_marks && !self.keeps_marks {
                        self.note_mark_in_value(&bytes, at.line);
                    }
                    return Ok(Some(Record { bytes, at, is_too_long: false }));
                }
                Step::NeedMore if self.window.len() - self.next > self.dialect.longest_record => {
                    return self.pass_long_record().map(Some);
                }
                Step::NeedMore => self.fill_twice()?,
                Step::QuoteOpen(open) => return Err(self.quote_open(open)),
            }
        }
    }

    /// Reads more until the record that has not ended has twice as many bytes. The splitter begins again at its start, so
    /// smaller steps would take quadratic time for a long record.
    fn fill_twice(&mut self) -> Result<(), Failure> {
        let wanted = 2 * (self.window.len() - self.next);
        loop {
            self.is_last = !self.fill()?;
            if self.is_last || self.window.len() - self.next >= wanted {
                return Ok(());
            }
        }
    }

    #[inline]
    fn advance(&mut self, len: usize, lines: u64) {
        self.next += len;
        self.at.offset += len as u64;
        // A record of a workbook or of JSON is one row or one object, whatever its texts contain.
        self.at.line += if self.dialect.form == Form::Text { lines } else { 1 };
    }

    /// Returns the position in the file after the record that was read last.
    #[must_use]
    #[inline]
    pub fn position(&self) -> Position {
        self.returned
    }

    /// Returns the bytes that the spans of [`Self::splitter`] refer to.
    #[must_use]
    #[inline]
    pub fn window(&self) -> &[u8] {
        if self.dialect.skip_footer > 0 { &self.current } else { &self.window }
    }

    /// Returns the splitter, which has the fields of the record that was read last.
    #[must_use]
    #[inline]
    pub fn splitter(&self) -> &Splitter {
        &self.splitter
    }

    /// Returns whether the record that was read last may contain bytes that are refused: bytes that are not UTF-8, a
    /// NUL, or a carriage return that is not part of a line end.
    #[must_use]
    #[inline]
    pub fn needs_check(&self) -> bool {
        self.needs_check
    }

    /// Returns the start of the last record that was too long.
    #[must_use]
    pub fn too_long(&self) -> &[u8] {
        &self.too_long
    }

    /// Returns the dialect, as it was found in the file.
    #[must_use]
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Returns the findings about the file.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Notes that the record in this line has the names of the columns as its values: those in the header of the file if
    /// `is_of_header` is true, and otherwise those of the table.
    pub fn note_header(&mut self, line: u64, is_of_header: bool) {
        self.skipped.odd.header(line, is_of_header);
    }

    /// Returns the records that were left out so far.
    #[must_use]
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Drops the records before the next one and reads more input. Returns whether there was more input.
    fn fill(&mut self) -> Result<bool, Failure> {
        self.window.drain(..self.next);
        self.next = 0;
        let more = self.input.fill(&mut self.window)? > 0;
        if !more && self.input.is_utf8_after_all() {
            self.skipped.odd.utf8_read_as(self.opened.encoding);
        }
        self.has_marks = memmem::find(&self.window, BYTE_ORDER_MARK).is_some();
        let broken = match std::str::from_utf8(&self.window) {
            Ok(_) => false,
            // A character at the end of the window may be cut; the next bytes complete it.
            Err(error) => error.error_len().is_some() || !more,
        };
        self.needs_check = broken || memchr(0, &self.window).is_some() || self.has_lone_return();
        Ok(more)
    }

    /// Returns whether the window contains a carriage return without a line feed after it. At the end of the window, the
    /// line feed may still come.
    fn has_lone_return(&self) -> bool {
        self.dialect.ends_by_line()
            && memchr_iter(b'\r', &self.window)
                .any(|index| self.window.get(index + 1).is_some_and(|next| *next != b'\n'))
    }

    /// Passes over the rest of a line. Returns whether there was one.
    fn skip_line(&mut self) -> Result<bool, Failure> {
        let end = self.dialect.record_end.bytes().to_vec();
        loop {
            let rest = &self.window[self.next..];
            if let Some(index) = memmem::find(rest, &end) {
                self.advance(index + end.len(), 1);
                return Ok(true);
            }
            if self.is_last {
                let len = rest.len();
                self.advance(len, 0);
                return Ok(len > 0);
            }
            // A long line need not stay in memory; a record end may be cut at the end of the window.
            let len = rest.len().saturating_sub(end.len() - 1);
            self.next += len;
            self.at.offset += len as u64;
            self.is_last = !self.fill()?;
        }
    }

    /// Passes over the next line if it is a comment.
    fn skip_comment(&mut self) -> Result<bool, Failure> {
        while !self.is_last && self.window.len() - self.next < self.dialect.comment.len() {
            self.is_last = !self.fill()?;
        }
        if !self.window[self.next..].starts_with(&self.dialect.comment) {
            return Ok(false);
        }
        self.skipped.comments += 1;
        self.skip_line()
    }

    /// Takes empty lines as records from now on, because the table has one column. In JSON, an empty line is not an object.
    pub fn keep_empty_lines(&mut self) {
        self.keeps_empty_lines = self.dialect.form != Form::Json;
    }

    /// Takes byte order marks at the start of records as text, because the rows come from a database and not from a file.
    pub fn keep_marks(&mut self) {
        self.keeps_marks = true;
    }

    /// Returns whether no field of the last record has a value.
    #[inline]
    fn is_blank(&self) -> bool {
        if self.keeps_empty_lines {
            return false;
        }
        let is_empty = |span: &Span| {
            !span.quoted
                && self.window[span.start..span.end].iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
        };
        self.splitter.fields().iter().all(is_empty)
    }

    fn quote_open(&self, open: usize) -> Failure {
        let before = &self.window[self.next..open];
        let breaks = memchr_iter(b'\n', before).count() as u64;
        let column = match memrchr(b'\n', before) {
            Some(index) => before.len() - index,
            None => before.len() + 1,
        };
        let line = self.at.line + breaks;
        let message = format!(
            "{}, line {line}, column {column}: a quote opens here and is never closed; close it, double it if it \
             belongs to the text, or set `myQuote` to none if quotes have no meaning in the file",
            self.name
        );
        Failure::bad_input("OpenQuote", message)
    }

    /// Returns the next record that has enough records after it not to belong to the footer.
    fn read_before_footer(&mut self) -> Result<Option<Record>, Failure> {
        while self.held.len() <= self.dialect.skip_footer {
            let Some(record) = self.next_record()? else {
                self.skipped.footer = self.held.len() as u64;
                return Ok(None);
            };
            let bytes = self.window[record.bytes.clone()].to_vec();
            let Record { at, is_too_long, .. } = record;
            self.held.push_back(Held { bytes, at, after: self.at, is_too_long });
        }
        let Some(held) = self.held.pop_front() else { return Ok(None) };
        self.current = held.bytes;
        self.returned = held.after;
        // The record is whole, so the splitter finds the same fields again.
        self.splitter.split(&self.current, 0, true);
        self.needs_check = true;
        Ok(Some(Record { bytes: 0..self.current.len(), at: held.at, is_too_long: held.is_too_long }))
    }
}
