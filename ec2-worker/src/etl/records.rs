//! Reads the records of a text file one by one, in bounded memory.
//!
//! Every part that reads records uses this module: loads into a table, and the rewriting into another format. The
//! reader skips a byte order mark. Reading fails if the rest of the file cannot be read: for UTF-16, a quote that is
//! never closed, or a record that is too long.

use std::ops::Range;

use memchr::memchr;

use super::dialect::Dialect;
use super::position::Position;
use super::source::Input;
use super::splitter::{Splitter, Step};
use crate::failure::Failure;

/// The length of the longest record, in bytes. A longer record is almost certainly an open quote.
const LONGEST_RECORD: usize = 4 * 1024 * 1024;
/// The capacity of the window at the start: two pieces of the input.
const WINDOW: usize = 512 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The records of an open file. Reading blocks, so it belongs on a thread for blocking work.
pub struct Records {
    input: Input,
    /// The name of the file for messages.
    name: String,
    splitter: Splitter,
    window: Vec<u8>,
    /// The index in the window of the next record.
    next: usize,
    /// The position in the file of the next record.
    at: Position,
    /// Whether the window contains the end of the input.
    is_last: bool,
    has_broken_text: bool,
}

/// A record in the window. The record is valid until the next record is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The range of its bytes in the window, including the record end.
    pub bytes: Range<usize>,
    /// The position in the file.
    pub at: Position,
}

impl Records {
    /// Begins to read `input`, which starts at the position `at` of the file `name`.
    ///
    /// # Errors
    ///
    /// If the download breaks off, or the file is UTF-16.
    pub fn begin(input: Input, name: String, dialect: &Dialect, at: Position) -> Result<Self, Failure> {
        let mut records = Self {
            input,
            name,
            splitter: Splitter::new(dialect),
            window: Vec::with_capacity(WINDOW),
            next: 0,
            at,
            is_last: false,
            has_broken_text: false,
        };
        records.is_last = !records.fill()?;
        if at.offset == 0 {
            records.skip_mark()?;
        }
        Ok(records)
    }

    /// Returns the next record, or `None` at the end of the input.
    ///
    /// # Errors
    ///
    /// If the download breaks off, a quote is left open, or a record is longer than 4 MB.
    #[inline]
    pub fn read(&mut self) -> Result<Option<Record>, Failure> {
        loop {
            if self.is_last && self.next == self.window.len() {
                return Ok(None);
            }
            match self.splitter.split(&self.window, self.next, self.is_last) {
                Step::Record { len, lines } => {
                    let record = Record { bytes: self.next..self.next + len, at: self.at };
                    self.next += len;
                    self.at.offset += len as u64;
                    self.at.line += lines;
                    return Ok(Some(record));
                }
                Step::NeedMore if self.window.len() - self.next > LONGEST_RECORD => {
                    return Err(self.too_long());
                }
                Step::NeedMore => self.is_last = !self.fill()?,
                Step::QuoteOpen(open) => return Err(self.quote_open(open)),
            }
        }
    }

    /// Returns the position in the file after the record that was read last.
    #[must_use]
    #[inline]
    pub fn at(&self) -> Position {
        self.at
    }

    /// Returns the bytes that the spans of [`Self::splitter`] refer to.
    #[must_use]
    #[inline]
    pub fn window(&self) -> &[u8] {
        &self.window
    }

    /// Returns the splitter, which has the fields of the record that was read last.
    #[must_use]
    #[inline]
    pub fn splitter(&self) -> &Splitter {
        &self.splitter
    }

    /// Returns whether the window may contain bytes that are not text: invalid UTF-8, or a NUL.
    #[must_use]
    #[inline]
    pub fn has_broken_text(&self) -> bool {
        self.has_broken_text
    }

    /// Drops the records before the next one and reads more input. Returns whether there was more input.
    fn fill(&mut self) -> Result<bool, Failure> {
        self.window.drain(..self.next);
        self.next = 0;
        let more = self.input.fill(&mut self.window)? > 0;
        let broken = match std::str::from_utf8(&self.window) {
            Ok(_) => false,
            // A character at the end of the window may be cut; the next bytes complete it.
            Err(error) => error.error_len().is_some() || !more,
        };
        self.has_broken_text = broken || memchr(0, &self.window).is_some();
        Ok(more)
    }

    fn skip_mark(&mut self) -> Result<(), Failure> {
        // The first piece may be shorter than the mark.
        while self.window.len() < BYTE_ORDER_MARK.len() && self.fill()? {}
        if self.window.starts_with(BYTE_ORDER_MARK) {
            self.next = BYTE_ORDER_MARK.len();
            self.at.offset = self.next as u64;
        }
        if self.window.starts_with(b"\xff\xfe") || self.window.starts_with(b"\xfe\xff") {
            let message = format!("{}, line 1, column 1: the file is UTF-16; save it as UTF-8", self.name);
            return Err(Failure::bad_input("Encoding", message));
        }
        Ok(())
    }

    fn quote_open(&self, open: usize) -> Failure {
        let before = &self.window[self.next..open];
        let breaks = memchr::memchr_iter(b'\n', before).count() as u64;
        let column = match memchr::memrchr(b'\n', before) {
            Some(index) => before.len() - index,
            None => before.len() + 1,
        };
        let line = self.at.line + breaks;
        let message = format!(
            "{}, line {line}, column {column}: a quote opens here and is never closed; close it, or double it if it \
             belongs to the text",
            self.name
        );
        Failure::bad_input("OpenQuote", message)
    }

    fn too_long(&mut self) -> Failure {
        if let Step::QuoteOpen(open) = self.splitter.split(&self.window, self.next, true) {
            return self.quote_open(open);
        }
        let message = format!("{}, line {}: a record is longer than 4 MB", self.name, self.at.line);
        Failure::bad_input("RecordTooLong", message)
    }
}
