//! Signs in the records of a file that it was joined from several files, or that a quote in it stands astray.

use definition::counted::counted;

/// The number of line breaks in one record from which on a note names it.
const MANY_BREAKS: u64 = 50;

/// The oddities in the records of a file, which a note reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// The byte order marks at the start of records, apart from those at the start of the file.
    marks: Seen,
    /// The records with a byte order mark inside.
    marks_in_values: Seen,
    /// The records that are equal to the header.
    headers: Seen,
    /// The records that repeat the column names of the table, in a file without a header.
    names: Seen,
    /// The records with a value in quotes that belong to the value.
    quotes: Seen,
    /// The records with an escaped letter, such as `\t`, that other programs write for a control character.
    escaped_letters: Seen,
    /// The records with two backslashes in a row, in a file that has no escape.
    doubled_escapes: Seen,
    /// Whether such a file has the text `\N` for NULL, as programs write it that escape a backslash by another one.
    has_escaped_null: bool,
    /// The records of several lines, each of which has as many separators as a row.
    rows_in_quotes: Seen,
    /// The records with many line breaks.
    long: Seen,
    /// The largest number of line breaks in a record.
    breaks: u64,
    /// The declared encoding, if the bytes of the whole file are UTF-8.
    utf8_read_as: Option<&'static str>,
}

/// The number of records of a kind, and the line of the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    count: u64,
    first: u64,
}

impl Seen {
    fn add(&mut self, line: u64) {
        if self.count == 0 {
            self.first = line;
        }
        self.count += 1;
    }

    /// Returns the sentence that `text` makes, if there is such a record.
    fn note(self, text: impl Fn(Self) -> String) -> Option<String> {
        (self.count > 0).then(|| text(self))
    }

    /// Returns the beginning of a sentence: `1 record has`.
    fn have(self) -> String {
        format!("{} {}", counted(self.count, "record"), if self.count == 1 { "has" } else { "have" })
    }
}

impl Oddities {
    pub(super) fn mark(&mut self, line: u64) {
        self.marks.add(line);
    }

    pub(super) fn mark_in_value(&mut self, line: u64) {
        self.marks_in_values.add(line);
    }

    pub(super) fn kept_quotes(&mut self, line: u64) {
        self.quotes.add(line);
    }

    pub(super) fn escaped_letter(&mut self, line: u64) {
        self.escaped_letters.add(line);
    }

    pub(super) fn doubled_escape(&mut self, line: u64) {
        self.doubled_escapes.add(line);
    }

    pub(super) fn escaped_null(&mut self) {
        self.has_escaped_null = true;
    }

    pub(super) fn header(&mut self, line: u64, is_of_header: bool) {
        let seen = if is_of_header { &mut self.headers } else { &mut self.names };
        seen.add(line);
    }

    pub(super) fn utf8_read_as(&mut self, encoding: Option<&'static str>) {
        self.utf8_read_as = encoding;
    }

    pub(super) fn rows_in_quotes(&mut self, line: u64) {
        self.rows_in_quotes.add(line);
    }

    /// Notes a record in which this number of lines end.
    #[inline]
    pub(super) fn lines(&mut self, lines: u64, line: u64) {
        if lines > MANY_BREAKS {
            self.long.add(line);
            self.breaks = self.breaks.max(lines - 1);
        }
    }

    /// Returns sentences for the user.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let encoding = self.utf8_read_as.map(|encoding| {
            format!(
                "the bytes of the file are UTF-8 with letters beyond ASCII, apart from damaged ones, but `myEncoding` says {encoding}, which \
                 reads é as Ã© or the like; if texts look so, set `myEncoding` to utf-8"
            )
        });
        encoding.into_iter().chain(self.joins()).chain(self.quoting()).collect()
    }

    /// Returns sentences about signs that the file was joined from several files, or has a header after all.
    fn joins(&self) -> impl Iterator<Item = String> {
        let marks = self.marks.note(|Seen { count, first }| {
            format!(
                "left out {} inside the file, the first in line {first}; it may have been joined from several files",
                counted(count, "byte order mark")
            )
        });
        let marks_in_values = self.marks_in_values.note(|seen| {
            format!(
                "{} a byte order mark (U+FEFF) inside, the first in line {}; the mark is kept as a part of its value, so remove it \
                 if the file was joined from several files",
                seen.have(),
                seen.first
            )
        });
        let names = self.names.note(|seen| {
            let were = if seen.count == 1 { "it was read as a row; if it is" } else { "they were read as rows; if they are" };
            format!(
                "{} the names of the columns as values, the first in line {}; {were} a header, set `myHeader` true",
                seen.have(),
                seen.first
            )
        });
        let headers = self.headers.note(|Seen { count, first }| {
            let (are, they) = if count == 1 { ("is", "it was") } else { ("are", "they were") };
            format!(
                "{} {are} equal to the header, the first in line {first}; {they} read as a row, so remove the line if the file was \
                 joined from several files",
                counted(count, "record")
            )
        });
        [marks, marks_in_values, names, headers].into_iter().flatten()
    }

    /// Returns sentences about quotes and escapes that stand astray.
    fn quoting(&self) -> impl Iterator<Item = String> {
        let quotes = self.quotes.note(|seen| {
            format!(
                "{} a value in quotes that were kept as a part of it, the first in line {}; if they are not meant so, set `myQuote`, \
                 and leave out blanks between a separator and a quote",
                seen.have(),
                seen.first
            )
        });
        let escaped_letters = self.escaped_letters.note(|seen| {
            format!(
                "{} an escape before a letter, such as `\\t`, the first in line {}; the letter was kept, so if a database wrote it for \
                 a tab or a line break, export the rows as CSV",
                seen.have(),
                seen.first
            )
        });
        let doubled = self.doubled_escapes.note(|seen| {
            format!(
                "{} two backslashes in a row, the first in line {}, and the file writes NULL as `\\N`, as `COPY` and `mysql` do, which write \
                 every backslash twice; to read two as one, set `escapeChar` to \\",
                seen.have(),
                seen.first
            )
        });
        let rows = self.rows_in_quotes.note(|seen| {
            format!(
                "{} line breaks inside quotes, and each of the lines has as many separators as a row; the first record begins in \
                 line {}; if the lines are rows, a stray quote has joined them into one record",
                seen.have(),
                seen.first
            )
        });
        let long = self.long.note(|seen| {
            let most = if seen.count == 1 { "" } else { "up to " };
            format!(
                "{} {most}{} line breaks inside quotes, the first from line {} on; if no text there is so long, a quote \
                 stands astray and has swallowed rows",
                seen.have(),
                self.breaks,
                seen.first
            )
        });
        [quotes, escaped_letters, doubled.filter(|_| self.has_escaped_null), rows, long].into_iter().flatten()
    }
}
