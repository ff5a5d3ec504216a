//! The reasons why records are refused.

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
    NotJson,
    /// A field that the schema requires is missing.
    MissingField,
    /// The schema refuses the record for another reason.
    SchemaMismatch,
    /// The check itself failed.
    InternalError,
}

impl ErrorCode {
    /// Returns the code as text: one of those of Firehose's conversion of records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "DataFormatConversion.ParseError",
            Self::MissingField | Self::SchemaMismatch => "DataFormatConversion.MalformedData",
            Self::InternalError => "DataFormatConversion.InternalError",
        }
    }
}
