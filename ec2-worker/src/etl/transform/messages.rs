//! The messages of the thread that reads a file to the load.

use super::Layout;
use crate::etl::dialect::Dialect;
use crate::etl::position::Position;
use crate::etl::records::Skipped;
use crate::failure::Failure;

/// The size of a chunk in bytes.
pub(super) const CHUNK: usize = 256 * 1024;
/// The size of a chunk of a range that is read again. Each is sent at least once by itself.
const CHUNK_AGAIN: usize = 1024 * 1024;

/// A message of the thread that reads the file.
#[derive(Debug)]
pub enum Message {
    /// The encoding of the rows, and the dialect of the file. This message comes before the first chunk.
    Begin(Box<Begin>),
    /// Some rows.
    Chunk(Chunk),
    /// The file cannot be loaded.
    Failed(Failure),
    /// The file has ended.
    End(End),
}

/// The findings about a file after its last row.
#[derive(Debug)]
pub struct End {
    /// The records that were left out.
    pub skipped: Skipped,
    /// Sentences for the user about its records and values.
    pub notes: Vec<String>,
}

/// The findings about a file before its first row.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The encoding of the rows.
    pub layout: Layout,
    /// The dialect, as it was found in the file.
    pub dialect: Dialect,
    /// Whether the text is the file itself, byte by byte, so that a range of it can be read again.
    pub is_plain: bool,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

/// Some consecutive records, encoded.
#[derive(Debug)]
pub struct Chunk {
    /// The rows, in the encoding of the layout.
    pub data: Vec<u8>,
    /// The number of rows.
    pub rows: u64,
    /// The refused records.
    pub rejects: Vec<Reject>,
    /// The position of the first record.
    pub start: Position,
    /// The position of the first record of the next chunk.
    pub end: Position,
    /// The rows one by one, if a range is read again.
    pub marks: Vec<Mark>,
}

/// One row of a chunk.
#[derive(Debug)]
pub struct Mark {
    /// The position of its record in the file.
    pub at: Position,
    /// The index after its last byte in the data of the chunk.
    pub end: usize,
    /// The record as the file has it.
    pub raw: Vec<u8>,
}

/// A refused record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The position in the file.
    pub at: Position,
    /// The column at fault, if there is one.
    pub column: Option<String>,
    /// The reason.
    pub reason: String,
    /// The record as the file has it, without the record end.
    pub raw: Vec<u8>,
}

impl Chunk {
    pub(super) fn empty(start: Position) -> Self {
        Self { data: Vec::new(), rows: 0, rejects: Vec::new(), start, end: start, marks: Vec::new() }
    }

    pub(super) fn is_full(&self, is_again: bool) -> bool {
        let size = if is_again { CHUNK_AGAIN } else { CHUNK };
        self.data.len() >= size || self.end.offset - self.start.offset >= 2 * size as u64
    }
}
