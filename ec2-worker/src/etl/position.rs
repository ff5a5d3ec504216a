//! A position in a file.

/// The position of the start of a record, in the unpacked bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The number of bytes before the record.
    pub offset: u64,
    /// The number of the line in which the record starts, from 1.
    pub line: u64,
}

impl Position {
    /// The start of a file.
    pub const START: Self = Self { offset: 0, line: 1 };
}
