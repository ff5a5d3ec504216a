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
    /// The records with many line breaks.
    long: Seen,
    /// The largest number of line breaks in a record.
    breaks: u64,
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

    pub(super) fn header(&mut self, line: u64, is_of_header: bool) {
        let seen = if is_of_header { &mut self.headers } else { &mut self.names };
        seen.add(line);
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
        let Self { marks, marks_in_values, headers, names, quotes, escaped_letters, long, breaks } = self;
        let mut notes = Vec::new();
        if marks.count > 0 {
            notes.push(format!(
                "left out {} inside the file, the first in line {}; it may have been joined from several files",
                counted(marks.count, "byte order mark"),
                marks.first
            ));
        }
        if marks_in_values.count > 0 {
            let has = if marks_in_values.count == 1 { "has" } else { "have" };
            notes.push(format!(
                "{} {has} a byte order mark (U+FEFF) inside, the first in line {}; the mark is kept as a part of its value, so remove it \
                 if the file was joined from several files",
                counted(marks_in_values.count, "record"),
                marks_in_values.first
            ));
        }
        if names.count > 0 {
            let (has, it) = if names.count == 1 {
                ("has", "it was read as a row; if it is")
            } else {
                ("have", "they were read as rows; if they are")
            };
            notes.push(format!(
                "{} {has} the names of the columns as values, the first in line {}; {it} a header, set `myHeader` true",
                counted(names.count, "record"),
                names.first
            ));
        }
        if headers.count > 0 {
            let (are, they) = if headers.count == 1 { ("is", "it was") } else { ("are", "they were") };
            notes.push(format!(
                "{} {are} equal to the header, the first in line {}; {they} read as a row, so remove the line if the file was \
                 joined from several files",
                counted(headers.count, "record"),
                headers.first
            ));
        }
        if quotes.count > 0 {
            let has = if quotes.count == 1 { "has" } else { "have" };
            notes.push(format!(
                "{} {has} a value in quotes that were kept as a part of it, the first in line {}; if they are not meant so, set `myQuote`, \
                 and leave out blanks between a separator and a quote",
                counted(quotes.count, "record"),
                quotes.first
            ));
        }
        if escaped_letters.count > 0 {
            let has = if escaped_letters.count == 1 { "has" } else { "have" };
            notes.push(format!(
                "{} {has} an escape before a letter, such as `\\t`, the first in line {}; the letter was kept, so if a database wrote it for \
                 a tab or a line break, export the rows as CSV",
                counted(escaped_letters.count, "record"),
                escaped_letters.first
            ));
        }
        if long.count > 0 {
            let (has, most) = if long.count == 1 { ("has", "") } else { ("have", "up to ") };
            notes.push(format!(
                "{} {has} {most}{breaks} line breaks inside quotes, the first from line {} on; if no text there is so long, a quote \
                 stands astray and has swallowed rows",
                counted(long.count, "record"),
                long.first
            ));
        }
        notes
    }
}
