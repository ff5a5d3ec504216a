//! The place where a text is not JSON, and the reason.

/// The reason why a text is not JSON. It has no content of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The byte at which the reason was found.
    pub(crate) at: usize,
    pub(crate) why: &'static str,
}

impl Fault {
    /// Returns the reason with its position in `text`.
    pub(crate) fn describe(&self, text: &[u8]) -> String {
        let before = &text[..self.at.min(text.len())];
        let line = line_of(text, self.at);
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = before[start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
        format!("line {line}, column {column}: {}", self.why)
    }
}

/// Returns the line of a byte, counted from 1.
pub(crate) fn line_of(text: &[u8], at: usize) -> usize {
    text[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}
