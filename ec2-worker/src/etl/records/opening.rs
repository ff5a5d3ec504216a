//! Reads what comes before the first record of a file, and finds the dialect.

use memchr::{memchr, memchr2};

use super::{BYTE_ORDER_MARK, Records, SAMPLE};
use crate::etl::detect;
use crate::etl::dialect::{Dialect, Form, RecordEnd, shown};
use crate::etl::splitter::Splitter;
use crate::failure::Failure;

impl Records {
    /// Reads what comes before the first record, and finds the dialect.
    pub(super) fn begin_file(&mut self, columns: Option<usize>) -> Result<(), Failure> {
        if self.dialect.form == Form::Json {
            // The line of the keys is not in the file.
            self.at.line = 0;
        }
        self.skip_marks()?;
        if self.dialect.form == Form::Text {
            self.find_line_end()?;
        }
        for _ in 0..self.dialect.skip_lines {
            if !self.skip_line()? {
                break;
            }
            self.skipped.head += 1;
        }
        if self.dialect.form == Form::Text {
            self.find_separator()?;
            self.find_dialect(columns)?;
        }
        Ok(())
    }

    fn skip_marks(&mut self) -> Result<(), Failure> {
        loop {
            while self.window.len() - self.next < BYTE_ORDER_MARK.len() && !self.is_last {
                // The piece may be shorter than the mark.
                self.is_last = !self.fill()?;
            }
            if !self.window[self.next..].starts_with(BYTE_ORDER_MARK) {
                return Ok(());
            }
            self.next += BYTE_ORDER_MARK.len();
            self.at.offset += BYTE_ORDER_MARK.len() as u64;
        }
    }

    /// Fills the window up to the size of the sample.
    fn fill_sample(&mut self, enough: impl Fn(&[u8]) -> bool) -> Result<(), Failure> {
        while !self.is_last && self.window.len() < SAMPLE && !enough(&self.window) {
            self.is_last = !self.fill()?;
        }
        Ok(())
    }

    /// Recognises a file whose lines end with CR alone, as old Macs wrote them, and as Excel for Mac still does. Its texts in
    /// quotes may have line feeds.
    fn find_line_end(&mut self) -> Result<(), Failure> {
        if !self.dialect.ends_by_line() {
            return Ok(());
        }
        let quote = if self.dialect.detects { Some(b'"') } else { self.dialect.quote };
        let escape = self.dialect.escape;
        self.fill_sample(|window| has_feed(window, quote, escape))?;
        let first = memchr2(b'\n', b'\r', &self.window);
        let begins_with_return = first.is_some_and(|index| self.window[index] == b'\r');
        let has_no_feed = memchr(b'\n', &self.window).is_none();
        if begins_with_return && (has_no_feed || !has_feed(&self.window, quote, escape)) {
            self.set_dialect(Dialect {
                record_end: RecordEnd::Bytes(b"\r".to_vec()),
                ..self.dialect.clone()
            });
            self.opened.notes.push("the lines of the file end with CR alone".to_owned());
            self.needs_check =
                std::str::from_utf8(&self.window).is_err() || memchr(0, &self.window).is_some();
        }
        Ok(())
    }

    /// Takes the line `sep=;`, by which a file for Excel names its separator.
    fn find_separator(&mut self) -> Result<(), Failure> {
        const LONGEST: usize = b"sep=;\r\n".len();
        while !self.is_last && self.window.len() - self.next < LONGEST {
            self.is_last = !self.fill()?;
        }
        let rest = &self.window[self.next..];
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let line = &rest[..end];
        if line.len() != 5 || !line[..4].eq_ignore_ascii_case(b"sep=") || !line[4].is_ascii() {
            return Ok(());
        }
        let separator = vec![line[4]];
        if self.dialect.separator != separator || self.dialect.detects {
            let note = format!("the first line of the file says that its separator is {}", shown(&separator));
            self.opened.notes.push(note);
        }
        let quote = self.dialect.quote.or(self.dialect.detects.then_some(b'"'));
        self.set_dialect(Dialect { separator, quote, detects: false, ..self.dialect.clone() });
        self.skip_line()?;
        Ok(())
    }

    fn find_dialect(&mut self, columns: Option<usize>) -> Result<(), Failure> {
        if !self.dialect.detects {
            return Ok(());
        }
        self.fill_sample(|_| false)?;
        let sample = &self.window[self.next..];
        let found = detect::dialect(&self.dialect, sample, self.is_last, columns);
        self.opened.notes.push(found.note);
        let mut dialect = Dialect { detects: true, ..found.dialect };
        dialect.add_usual_nulls();
        dialect.detects = false;
        self.set_dialect(dialect);
        Ok(())
    }

    fn set_dialect(&mut self, dialect: Dialect) {
        self.splitter = Splitter::new(&dialect);
        self.dialect = dialect;
    }
}

/// Returns whether a line feed stands outside quotes, or behind a carriage return.
fn has_feed(text: &[u8], quote: Option<u8>, escape: Option<u8>) -> bool {
    let (mut is_quoted, mut index) = (false, 0);
    while let Some(byte) = text.get(index) {
        match *byte {
            byte if Some(byte) == escape && Some(byte) != quote => index += 1,
            byte if Some(byte) == quote => is_quoted = !is_quoted,
            b'\n' if !is_quoted || index > 0 && text[index - 1] == b'\r' => return true,
            _ => {}
        }
        index += 1;
    }
    false
}
