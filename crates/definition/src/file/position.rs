//! Converts byte offsets in a text to lines and columns.

use std::fmt;
use std::sync::OnceLock;

/// A position in a text. Lines and columns are counted from 1; columns count characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The position of the first character.
    pub at: Position,
    /// The length in characters. The span ends with its line at the latest, but its length is always at least 1.
    pub length: usize,
}

/// The size of a block in bytes. The number of characters before each block is counted once, so that a column
/// is found quickly even if the whole file is one line.
const BLOCK: usize = 64;

/// The lines of a text. Lines and characters are counted at the first request for a position, because most
/// files have no findings.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a str,
    counted: OnceLock<Counted>,
}

#[derive(Clone, Debug)]
struct Counted {
    /// The byte offset at which each line begins.
    starts: Vec<usize>,
    /// The number of characters that begin before each block.
    characters: Vec<usize>,
}

impl Counted {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(breaks).collect();
        let mut before = 0;
        let count = |block: &[u8]| {
            let so_far = before;
            before += characters(block);
            so_far
        };
        let characters = text.as_bytes().chunks(BLOCK).map(count).collect();
        Self { starts, characters }
    }
}

impl<'a> Lines<'a> {
    /// Returns the lines of `text`.
    #[must_use]
    pub fn of(text: &'a str) -> Self {
        Self { text, counted: OnceLock::new() }
    }

    fn counted(&self) -> &Counted {
        self.counted.get_or_init(|| Counted::of(self.text))
    }

    /// Returns the position of the byte at `offset`.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let starts = &self.counted().starts;
        let line = starts.partition_point(|start| *start <= offset);
        let start = starts[line - 1];
        let mut column = self.characters_before(offset) - self.characters_before(start) + 1;
        // A byte order mark is invisible, so it takes no column.
        if line == 1 && offset > 0 && self.text.starts_with('\u{feff}') {
            column -= 1;
        }
        Position { line, column }
    }

    /// Returns the number of characters that begin before the byte at `offset`.
    fn characters_before(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        // The end of the text can be directly after its last block.
        let counted = &self.counted().characters;
        let block = (offset / BLOCK).min(counted.len().saturating_sub(1));
        let before = counted.get(block).copied().unwrap_or_default();
        before + characters(&self.text.as_bytes()[block * BLOCK..offset])
    }

    /// Returns the span of the bytes from `start` up to, but without, `end`.
    #[must_use]
    pub fn span(&self, start: usize, end: usize) -> Span {
        let starts = &self.counted().starts;
        let line = starts.partition_point(|begin| *begin <= start);
        let line_end = starts.get(line).map_or(self.text.len(), |next| next - 1);
        let line_end = if self.text[..line_end].ends_with('\r') { line_end - 1 } else { line_end };
        let length = self.characters_before(end.min(line_end)).saturating_sub(self.characters_before(start));
        Span { at: self.position(start), length: length.max(1) }
    }
}

/// Returns the number of characters that begin in these bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_a_line_begins_after_a_line_break() {
        let lines = Lines::of("\u{feff}{é: x\r\n\ny");
        let positions = [3, 8, 10, 11, 12].map(|offset| lines.position(offset));
        let expected = [(1, 1), (1, 5), (1, 7), (2, 1), (3, 1)];
        assert_eq!(positions.map(|at| (at.line, at.column)), expected);
        assert_eq!([lines.span(4, 40).length, lines.span(10, 11).length], [4, 1]);
    }
}
