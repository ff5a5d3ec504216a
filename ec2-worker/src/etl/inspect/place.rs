//! A value of a file with its line, as reports show it.

use serde::Serialize;

/// The largest number of places of one kind that a report shows.
pub const SHOWN: usize = 10;
/// The largest number of characters of a value that a report shows.
const KEPT: usize = 60;

/// A value and the line of its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line in the file where the record begins.
    pub line: u64,
    /// The value, cut if it is long.
    pub text: String,
}

impl Place {
    /// Appends a place, if fewer than [`SHOWN`] are there.
    pub fn push(places: &mut Vec<Self>, line: u64, text: &str) {
        if places.len() < SHOWN {
            places.push(Self { line, text: cut(text) });
        }
    }
}

/// Returns the first characters of a text, followed by `…` if the text has more.
#[must_use]
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(KEPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
