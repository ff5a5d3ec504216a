//! From a record to the lines of the data object.

use crate::{Record, Stream};

/// The reason why a record is refused. It names fields and rules, and never has content of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code, in the words of Firehose.
    pub code: ErrorCode,
    /// The reason, for people.
    pub message: String,
}

/// The code of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The record is not a sequence of JSON objects.
    MalformedData,
    /// A field that the schema requires is missing.
    MissingField,
    /// The schema refuses the record for another reason.
    SchemaMismatch,
    /// The check itself failed.
    InternalError,
}

impl ErrorCode {
    /// Returns the code as text, such as `DataFormatConversion.MalformedData`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        todo!("{self:?}")
    }
}

/// Makes lines from the records of a stream. It keeps its working memory from record to record.
#[derive(Debug)]
pub struct Transformer<'s> {
    stream: &'s Stream,
}

impl<'s> Transformer<'s> {
    /// Returns a transformer for the records of a stream.
    #[must_use]
    pub fn new(stream: &'s Stream) -> Self {
        Self { stream }
    }

    /// Appends the lines of a record to `out`, each with a line feed at its end, and returns their number.
    ///
    /// A record with nothing but white space has no line: it is left out. Open aggregates with [`crate::kpl::open`] first.
    ///
    /// # Errors
    ///
    /// The refusal. If one JSON text of the record is refused, the whole record is, and `out` is as it was before.
    pub fn lines(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<usize, Refusal> {
        todo!("{:?} {record:?} {out:?}", self.stream)
    }
}
