//! Signs in the records of a file that it was joined from several files, or that a quote in it stands astray.

use definition::counted::counted;

/// The number of line breaks in one record from which on a note names it.
const MANY_BREAKS: u64 = 50;

/// What a note should tell about the records of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// The byte order marks at the start of records, apart from those at the start of the file.
    marks: Seen,
    /// The records that are equal to the header.
    headers: Seen,
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

    pub(super) fn header(&mut self, line: u64) {
        self.headers.add(line);
    }

    /// Notes a record in which so many lines end.
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
        let Self { marks, headers, long, breaks } = self;
        let mut notes = Vec::new();
        if marks.count > 0 {
            notes.push(format!(
                "left out {} inside the file, the first in line {}; it may have been joined from several files",
                counted(marks.count, "byte order mark"),
                marks.first
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
