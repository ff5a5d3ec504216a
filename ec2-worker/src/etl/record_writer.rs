//! Writes records in a dialect, so that a reader with the same dialect gets the same values back.
//!
//! Every part that writes records uses this module: the export of rows, and the rewriting into another format. A value
//! that the dialect cannot express is refused: no file may contain another value than its source.

use memchr::memmem;

use super::dialect::{Dialect, shown};
use encoder::Encoder;

mod encoder;
mod look;

pub use look::{MARK, misleads};

/// A value that the dialect cannot express.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// The index of the column.
    pub column: usize,
    /// The problem and a remedy.
    pub what: String,
}

/// Writes records into memory.
#[derive(Debug)]
pub struct RecordWriter {
    dialect: Dialect,
    encoder: Encoder,
    /// The bytes for which a value must be quoted: those of the separator and of the record end, the quote, the escape, and
    /// the ends of lines.
    special: [bool; 256],
    /// The bytes that must be escaped if the dialect has no quotes. Of a separator, this is the first byte, so that no
    /// character is cut.
    escaped: [bool; 256],
    out: Vec<u8>,
    /// The text of the record that is being written.
    record: Vec<u8>,
    /// The index in `record` after each field.
    ends: Vec<usize>,
    /// Whether the next record is the first of the file.
    is_first: bool,
    is_header: bool,
    /// Whether a field of the record is more than blanks.
    has_value: bool,
    /// Whether a field of the record is a text, and not NULL.
    has_text: bool,
    blank_rows: u64,
}

impl RecordWriter {
    /// Returns a writer. `is_first` says that its first record is the first of the file.
    #[must_use]
    pub fn new(dialect: &Dialect, is_first: bool) -> Self {
        let mut special = [false; 256];
        let ends = [dialect.separator.as_slice(), dialect.record_end.bytes(), b"\r\n"].concat();
        for byte in ends.iter().chain(&dialect.quote).chain(&dialect.escape) {
            special[usize::from(*byte)] = true;
        }
        let mut escaped = [false; 256];
        let firsts = [dialect.separator.first(), dialect.record_end.bytes().first(), dialect.escape.as_ref()];
        for byte in firsts.into_iter().flatten().chain(b"\r\n") {
            escaped[usize::from(*byte)] = true;
        }
        Self {
            dialect: dialect.clone(),
            encoder: Encoder::new(dialect.encoding),
            special,
            escaped,
            out: Vec::new(),
            record: Vec::new(),
            ends: Vec::new(),
            is_first,
            is_header: false,
            has_value: false,
            has_text: false,
            blank_rows: 0,
        }
    }

    /// Returns the finished records since the last call, encoded.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Returns the number of bytes of the finished records.
    #[must_use]
    pub fn size(&self) -> usize {
        self.out.len()
    }

    /// Returns the number of records without any value that the dialect cannot distinguish from a blank line.
    #[must_use]
    pub fn blank_rows(&self) -> u64 {
        self.blank_rows
    }

    /// Returns whether the next record is the first of the file.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Notes that a record was written to the file in another way.
    #[inline]
    pub fn pass(&mut self) {
        self.is_first = false;
    }

    /// Begins a record. In a header, no name means NULL.
    #[inline]
    pub fn begin(&mut self, is_header: bool) {
        self.record.clear();
        self.ends.clear();
        self.is_header = is_header;
        self.has_value = false;
        self.has_text = false;
    }

    /// Appends a field: a text, or NULL.
    ///
    /// # Errors
    ///
    /// If the dialect cannot express the text.
    #[inline]
    pub fn push(&mut self, value: Option<&[u8]>) -> Result<(), Unwritable> {
        if !self.ends.is_empty() {
            self.record.extend_from_slice(&self.dialect.separator);
        }
        let start = self.record.len();
        match (value, self.dialect.quote) {
            (None, _) => self.record.extend_from_slice(&self.dialect.null),
            (Some(text), Some(quote)) if self.needs_quotes(text) => self.push_quoted(text, quote)?,
            (Some(text), Some(_)) => self.record.extend_from_slice(text),
            (Some(text), None) => self.push_unquoted(text)?,
        }
        self.has_text |= value.is_some();
        self.has_value = self.has_value || !is_blank(&self.record[start..]);
        self.ends.push(self.record.len());
        Ok(())
    }

    /// Ends the record.
    ///
    /// # Errors
    ///
    /// If the dialect cannot express the record.
    #[inline]
    pub fn end(&mut self) -> Result<(), Unwritable> {
        if !self.has_value {
            self.count_blank_record()?;
        }
        let comment = &self.dialect.comment;
        if !comment.is_empty() && self.record.starts_with(comment) {
            return Err(
                self.refused(0, format!("would be read as a comment, which begins with {}", shown(comment)))
            );
        }
        self.record.extend_from_slice(self.dialect.record_end.bytes());
        if let Err(problem) = self.encoder.push(&self.record, self.is_first, &mut self.out) {
            let column = self.ends.iter().position(|end| problem.at < *end).unwrap_or(0);
            return Err(Unwritable { column, what: problem.what });
        }
        self.is_first = false;
        Ok(())
    }

    /// Returns whether `text` is a word for NULL in this dialect.
    fn is_null_word(&self, text: &[u8]) -> bool {
        !self.is_header && (self.dialect.nulls.iter().any(|null| null == text) || self.dialect.null == text)
    }

    /// Returns whether `text` means NULL, even in quotes.
    fn is_null_in_quotes(&self, text: &[u8]) -> bool {
        let is_null = text.is_empty() || self.dialect.nulls.iter().any(|null| null == text);
        self.dialect.quoted_nulls && !self.is_header && is_null
    }

    /// Returns whether `text` has a meaning at the start of a record that is not its own.
    fn is_misread_at_start(&self, text: &[u8]) -> bool {
        let comment = &self.dialect.comment;
        self.ends.is_empty()
            && (!comment.is_empty() && text.starts_with(comment)
                // A reader takes it for the start of a file that was appended.
                || text.starts_with(MARK)
                || self.is_first && (misleads(text) || self.encoder.misleads(text)))
    }

    #[inline]
    fn needs_quotes(&self, text: &[u8]) -> bool {
        let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b' ' | b'\t'));
        is_edge(text.first())
            || is_edge(text.last())
            || text.iter().any(|byte| self.special[usize::from(*byte)])
            || self.is_null_word(text)
            || self.is_misread_at_start(text)
    }

    fn push_quoted(&mut self, text: &[u8], quote: u8) -> Result<(), Unwritable> {
        if self.is_null_in_quotes(text) {
            let what = "is a text that `myQuotedNulls` of the data format makes NULL, also in quotes";
            return Err(self.refused(self.ends.len(), what));
        }
        let escape = self.dialect.escape.unwrap_or(quote);
        self.record.push(quote);
        for byte in text {
            if *byte == quote || *byte == escape {
                self.record.push(escape);
            }
            self.record.push(*byte);
        }
        self.record.push(quote);
        Ok(())
    }

    /// Appends a text in a dialect without quotes.
    fn push_unquoted(&mut self, text: &[u8]) -> Result<(), Unwritable> {
        let column = self.ends.len();
        if text.is_empty() && !self.is_header {
            return Err(self.refused(column, "is an empty text, which would be read as NULL"));
        }
        let start = self.record.len();
        let is_risky = is_blank(text) || self.is_null_word(text) || self.is_misread_at_start(text);
        if let Some(escape) = self.dialect.escape {
            for (index, byte) in text.iter().enumerate() {
                if self.escaped[usize::from(*byte)] || (index == 0 && is_risky) {
                    self.record.push(escape);
                }
                self.record.push(*byte);
            }
        } else if let Some(what) = self.unreadable(text) {
            return Err(self.refused(column, what));
        } else {
            self.record.extend_from_slice(text);
        }
        // An escape can also make a word for NULL, such as \N of N.
        if self.is_null_word(&self.record[start..]) {
            let what = format!("is {}, which would be read as NULL", shown(&self.record[start..]));
            return Err(self.refused(column, what));
        }
        if self.dialect.escape.is_none() && self.is_misread_at_start(text) {
            let what = if self.is_first && !text.starts_with(MARK) {
                "begins the file, and would be read as a mark of the kind of the file"
            } else {
                "begins with a byte order mark, which would be left out"
            };
            return Err(self.refused(column, what));
        }
        Ok(())
    }

    /// Returns why a reader would not read `text` as one field, if it is neither quoted nor escaped.
    fn unreadable(&self, text: &[u8]) -> Option<String> {
        let (separator, end) = (self.dialect.separator.as_slice(), self.dialect.record_end.bytes());
        if end == b"\n" && text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            return Some("contains a line break, which ends a record".to_owned());
        }
        for (special, meaning) in [(separator, "separates columns"), (end, "ends a record")] {
            // The end of the text can also be the start of a separator.
            for next in [separator, end] {
                if memmem::find(&[text, next].concat(), special).is_some_and(|index| index < text.len()) {
                    return Some(format!("contains {}, which {meaning}", shown(special)));
                }
            }
        }
        None
    }

    /// Counts a record of NULLs such as `,,`, which a reader takes for a blank line.
    fn count_blank_record(&mut self) -> Result<(), Unwritable> {
        // In a table of one column, an empty line is a NULL.
        if !self.dialect.skip_blank || self.ends.len() == 1 {
            return Ok(());
        }
        if self.has_text {
            return Err(
                self.refused(0, "and all others of the row are blank, which would be read as a blank line")
            );
        }
        self.blank_rows += 1;
        Ok(())
    }

    fn refused(&self, column: usize, what: impl Into<String>) -> Unwritable {
        let what = what.into();
        let remedy = match (self.dialect.quote, self.dialect.escape) {
            (Some(_), _) => "",
            (None, Some(_)) => "; set `myQuote` on the data format of the output",
            (None, None) => "; set `myQuote` or `escapeChar` on the data format of the output",
        };
        Unwritable { column, what: format!("{what}{remedy}") }
    }
}

/// Returns sentences for the user about fields of the dialect that leave out parts of a file when it is read. Nothing is
/// written in place of these parts.
#[must_use]
pub fn reading_notes(dialect: &Dialect) -> Vec<String> {
    let fields = [("mySkipLines", dialect.skip_lines), ("mySkipFooter", dialect.skip_footer as u64)];
    let note = |(field, count): (&str, u64)| {
        format!(
            "the data format of the output has `{field}` {count}: a load leaves out as many lines of what was written"
        )
    };
    fields.into_iter().filter(|(_, count)| *count > 0).map(note).collect()
}

/// Returns whether `text` is empty or consists of blanks, as the reader of blank lines understands them.
#[inline]
fn is_blank(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests;
