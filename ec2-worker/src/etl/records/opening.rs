//! Reads the beginning of a file up to the first record, and finds the dialect.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memmem};

use super::{BYTE_ORDER_MARK, Records, SAMPLE};
use crate::etl::detect;
use crate::etl::dialect::{Dialect, Form, RecordEnd, shown};
use crate::etl::splitter::{Span, Splitter, Step};
use crate::failure::Failure;

/// The number of columns from which on lines with the separators of a row are a sign. In a text, many lines have one comma.
const LEAST_COLUMNS: usize = 3;

impl Records {
    /// Reads the beginning up to the first record, and finds the dialect.
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

    /// Passes over byte order marks at the start of a record, which are there if several files were joined.
    #[cold]
    pub(super) fn skip_mark_inside(&mut self) -> Result<(), Failure> {
        let (before, line) = (self.at.offset, self.at.line);
        self.skip_marks()?;
        if self.at.offset > before {
            self.skipped.odd.mark(line);
        }
        Ok(())
    }

    /// Notes a record with a value whose quotes belong to it, because the format has none, or because a blank stands before them.
    #[inline]
    pub(super) fn note_kept_quotes(&mut self, record: &Range<usize>, line: u64) {
        let quote = self.dialect.quote.unwrap_or(b'"');
        if !self.keeps_marks && memchr(quote, &self.window[record.clone()]).is_some() {
            self.note_values_in_quotes(quote, line);
        }
    }

    #[cold]
    fn note_values_in_quotes(&mut self, quote: u8, line: u64) {
        let is_in_quotes = |span: &Span| {
            let text = &self.window[span.start..span.end];
            let may_begin = text.first().is_some_and(|first| *first == quote || *first == b' ');
            let text = if may_begin && !span.quoted { text.trim_ascii() } else { &[] };
            text.len() > 1 && text[0] == quote && text.ends_with(&[quote])
        };
        if self.splitter.fields().iter().any(is_in_quotes) {
            self.skipped.odd.kept_quotes(line);
        }
    }

    /// Notes a record with line breaks inside quotes, if a stray quote may have made one record of several rows.
    #[cold]
    pub(super) fn note_lines(&mut self, record: &Range<usize>, lines: u64, line: u64) {
        self.skipped.odd.lines(lines, line);
        let columns = self.splitter.fields().len();
        if columns < LEAST_COLUMNS || !self.dialect.ends_by_line() {
            return;
        }
        let record = &self.window[record.clone()];
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let separators = |line: &[u8]| memmem::find_iter(line, &self.dialect.separator).count();
        let mut lines = record.split(|byte| *byte == b'\n');
        if memchr(b'\n', record).is_some() && lines.all(|line| separators(line) + 1 == columns) {
            self.skipped.odd.rows_in_quotes(line);
        }
    }

    /// Notes a record with an escaped letter that stood for a control character.
    #[inline]
    pub(super) fn note_escaped_letters(&mut self, line: u64) {
        if self.dialect.escape.is_none() {
            return;
        }
        // A text that means NULL, as `\n` does in the format of AWS, has lost nothing.
        let is_null = |span: &Span| self.dialect.is_null(&self.window[span.start..span.end], span.quoted);
        let is_escaped =
            |span: &Span| self.splitter.has_escaped_letter(&self.window, *span) && !is_null(span);
        if self.splitter.fields().iter().any(is_escaped) {
            self.skipped.odd.escaped_letter(line);
        }
    }

    /// Notes a record with two backslashes in a row in a file that is separated by tabs. The text format of `COPY` and `mysql` write
    /// one backslash so, and `\N` for NULL.
    #[inline]
    pub(super) fn note_doubled_escapes(&mut self, record: &Range<usize>, line: u64) {
        if self.dialect.escape.is_some() || self.dialect.separator != b"\t" {
            return;
        }
        let text = &self.window[record.clone()];
        if memchr(b'\\', text).is_none() {
            return;
        }
        if memmem::find(text, b"\\\\").is_some() {
            self.skipped.odd.doubled_escape(line);
        }
        let is_null = |span: &Span| !span.quoted && &self.window[span.start..span.end] == b"\\N";
        if self.splitter.fields().iter().any(is_null) {
            self.skipped.odd.escaped_null();
        }
    }

    /// Notes a record with a byte order mark inside. The mark belongs to the value, because nothing shows that it does not.
    #[cold]
    pub(super) fn note_mark_in_value(&mut self, record: &Range<usize>, line: u64) {
        if memmem::find(&self.window[record.clone()], BYTE_ORDER_MARK).is_some() {
            self.skipped.odd.mark_in_value(line);
        }
    }

    /// Fills the window up to the size of the sample.
    fn fill_sample(&mut self, enough: impl Fn(&[u8]) -> bool) -> Result<(), Failure> {
        while !self.is_last && self.window.len() < SAMPLE && !enough(&self.window[self.next..]) {
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
        let dialect = self.dialect.clone();
        self.fill_sample(|text| {
            memchr2(b'\n', b'\r', text).is_some() && !may_end_with_return(&dialect, text)
        })?;
        if ends_with_return(&dialect, &self.window[self.next..], self.is_last, true) {
            self.set_dialect(Dialect {
                record_end: RecordEnd::Bytes(b"\r".to_vec()),
                ..self.dialect.clone()
            });
            self.opened.notes.push("the lines of the file end with CR alone".to_owned());
            self.needs_check =
                std::str::from_utf8(&self.window).is_err() || memchr(0, &self.window).is_some();
        }
        if self.dialect.ends_with_return && self.dialect.quote.is_none() {
            self.note_feeds_alone()?;
        }
        Ok(())
    }

    /// Notes line feeds without CR in a file whose records end with CR LF. Without quotes, nothing shows that they belong to values.
    fn note_feeds_alone(&mut self) -> Result<(), Failure> {
        self.fill_sample(|_| false)?;
        let text = &self.window[self.next..];
        let has_return = |feed: &usize| feed.checked_sub(1).is_some_and(|before| text[before] == b'\r');
        let feeds = || memchr_iter(b'\n', text);
        if feeds().any(|feed| has_return(&feed)) && feeds().any(|feed| !has_return(&feed)) {
            let note = "`recordSeparator` is CR LF, and the file has line feeds alone, too; each of them ends a record, so if they belong to \
                        values, set `myQuote`, and put these values in quotes";
            self.opened.notes.push(note.to_owned());
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
        // A quote or an escape cannot separate, so the line is a record.
        if [self.dialect.quote, self.dialect.escape].contains(&Some(line[4])) {
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

/// The separators of a file whose separator is not known yet.
const USUAL: [&[u8]; 4] = [b",", b";", b"\t", b"|"];

/// Returns whether the lines of a text may end with CR alone, if more text follows.
fn may_end_with_return(dialect: &Dialect, text: &[u8]) -> bool {
    ends_with_return(dialect, text, false, false)
}

/// Returns whether the lines of a text end with CR alone: a record does, and line feeds stand in quoted fields only. `is_last`
/// says that nothing follows the text. Without `is_sure`, the record may end in the text that follows.
fn ends_with_return(dialect: &Dialect, text: &[u8], is_last: bool, is_sure: bool) -> bool {
    if memchr(b'\r', text).is_none() {
        return false;
    }
    if memchr(b'\n', text).is_none() {
        return true;
    }
    if !dialect.detects {
        return feeds_are_quoted(dialect, text, is_last, is_sure);
    }
    let tried =
        |separator: &[u8]| Dialect { separator: separator.to_vec(), quote: Some(b'"'), ..dialect.clone() };
    USUAL.into_iter().any(|separator| feeds_are_quoted(&tried(separator), text, is_last, is_sure))
}

/// Returns whether every line feed of a text whose records end with CR stands in a quoted field. With `is_sure`, a record must end
/// in the text.
fn feeds_are_quoted(dialect: &Dialect, text: &[u8], is_last: bool, is_sure: bool) -> bool {
    let end = RecordEnd::Bytes(b"\r".to_vec());
    let mut splitter = Splitter::new(&Dialect { record_end: end, ..dialect.clone() });
    let feeds = |bytes: &[u8]| memchr_iter(b'\n', bytes).count();
    let mut has_ended = false;
    // Quotes have no meaning in the lines that are left out.
    let (mut skipped, mut at) = (0, 0);
    while skipped < dialect.skip_lines && at < text.len() {
        at = memchr(b'\r', &text[at..]).map_or(text.len(), |end| at + end + 1);
        skipped += 1;
    }
    if feeds(&text[..at]) > 0 {
        return false;
    }
    while at < text.len() {
        match splitter.split(text, at, is_last) {
            Step::Record { len, .. } => {
                has_ended |= text[at..at + len].ends_with(b"\r");
                let quoted = splitter.fields().iter().filter(|span| span.quoted);
                let quoted: usize = quoted.map(|span| feeds(&text[span.start..span.end])).sum();
                if quoted < feeds(&text[at..at + len]) {
                    return false;
                }
                at += len;
            }
            Step::NeedMore => return has_ended || !is_sure,
            Step::QuoteOpen(_) => return false,
        }
    }
    has_ended || !is_sure
}
