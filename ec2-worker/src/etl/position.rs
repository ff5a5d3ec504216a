//! Where in a file something stands.

/// A place in a file's (unpacked) bytes: the start of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
}

impl Position {
    /// The first byte of a file.
    pub const START: Self = Self { offset: 0, line: 1 };
}
