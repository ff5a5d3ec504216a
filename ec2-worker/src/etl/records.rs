//! Reads the records of a text file one by one, in bounded memory.
//!
//! This is the one reader of records: loading into a table and rewriting into another format both use it. It skips a
//! byte order mark, and it ends the work where the rest of the file has no meaning: UTF-16, a quote that is never closed,
//! a record that is too long to be one.

use std::ops::Range;

use memchr::memchr;

use super::dialect::Dialect;
use super::position::Position;
use super::source::Input;
use super::splitter::{Splitter, Step};
use crate::failure::Failure;

/// A longer record is a quote left open far above, not a record.
const LONGEST_RECORD: usize = 4 * 1024 * 1024;
/// The window holds some pieces of the input and the beginning of the next.
const WINDOW: usize = 512 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The records of an open file. Reading blocks: it belongs on a thread of its own.
pub struct Records {
    input: Input,
    /// How messages call the file.
    name: String,
    splitter: Splitter,
    window: Vec<u8>,
    /// Index in the window of the next record.
    next: usize,
    /// Position in the file of the next record.
    at: Position,
    /// Whether the window ends where the input ends.
    is_last: bool,
    has_broken_text: bool,
}

/// A record in the window; valid until the next one is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its bytes in the window, the record end included.
    pub bytes: Range<usize>,
    /// Its position in the file.
    pub at: Position,
}

impl Records {
    /// Begins to read `input`, whose first byte is at `at` of the file that messages call `name`.
    ///
    /// # Errors
    ///
    /// When the source breaks off, or the file is UTF-16.
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

    /// Returns the next record; none at the end of the input.
    ///
    /// # Errors
    ///
    /// When the source breaks off, a quote is left open, or a record is longer than 4 MB.
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

    /// Returns the position in the file after the record last read.
    #[must_use]
    pub fn at(&self) -> Position {
        self.at
    }

    /// Returns the bytes in which the spans of [`Self::splitter`] lie.
    #[must_use]
    pub fn window(&self) -> &[u8] {
        &self.window
    }

    /// Returns the splitter, which holds the fields of the record last read.
    #[must_use]
    pub fn splitter(&self) -> &Splitter {
        &self.splitter
    }

    /// Returns whether the window may hold bytes that are not text: invalid UTF-8, or a NUL.
    #[must_use]
    pub fn has_broken_text(&self) -> bool {
        self.has_broken_text
    }

    /// Reads more input behind the next record; returns whether there was any.
    fn fill(&mut self) -> Result<bool, Failure> {
        self.window.drain(..self.next);
        self.next = 0;
        let more = self.input.fill(&mut self.window)? > 0;
        let broken = match std::str::from_utf8(&self.window) {
            Ok(_) => false,
            // A character that is cut at the end of the window is whole once more bytes have come.
            Err(error) => error.error_len().is_some() || !more,
        };
        self.has_broken_text = broken || memchr(0, &self.window).is_some();
        Ok(more)
    }

    fn skip_mark(&mut self) -> Result<(), Failure> {
        // Three bytes decide; the first piece may be shorter.
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
