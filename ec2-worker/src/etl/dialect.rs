//! The dialect of a text file: the bytes that separate its records and fields.

use crate::failure::Failure;
use crate::node::Format;

/// The special bytes of a file, and the words for NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between two fields.
    pub separator: u8,
    /// The byte around a field that contains special bytes (RFC 4180).
    pub quote: u8,
    /// The byte that makes the next byte ordinary, if the format has one.
    pub escape: Option<u8>,
    /// The byte after a record. A carriage return before a line feed belongs to the record end.
    pub record_end: u8,
    /// Whether the first record names the columns.
    pub header: bool,
    /// Unquoted fields that mean NULL. An empty unquoted field always means NULL.
    pub nulls: Vec<Vec<u8>>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            separator: b',',
            quote: b'"',
            escape: None,
            record_end: b'\n',
            header: false,
            nulls: Vec::new(),
        }
    }
}

impl Dialect {
    /// Returns the dialect of a data format. Without a format, it is CSV, as on AWS.
    ///
    /// # Errors
    ///
    /// If a separator or escape character is not one ASCII character (`\r\n` is allowed as a record separator), a
    /// Custom format has no column separator, or the worker does not read the format.
    pub fn of(format: Option<&Format>, nulls: &[String]) -> Result<Self, Failure> {
        let mut dialect =
            Self { nulls: nulls.iter().map(|n| n.clone().into_bytes()).collect(), ..Self::default() };
        let Some(format) = format else { return Ok(dialect) };
        match reads(&format.kind).map_err(|what| problem(format, "type", &what))? {
            Family::Csv => {}
            Family::Tsv => {
                dialect.separator = b'\t';
                dialect.nulls.push(b"\\N".to_vec());
            }
            Family::Custom if format.column_separator.is_some() => {}
            Family::Custom => {
                return Err(problem(format, "columnSeparator", "is missing; a Custom format needs it"));
            }
        }
        if let Some(text) = &format.column_separator {
            dialect.separator = one_byte(format, "columnSeparator", text)?;
        }
        if let Some(text) = &format.record_separator {
            dialect.record_end =
                if text == "\r\n" { b'\n' } else { one_byte(format, "recordSeparator", text)? };
        }
        if let Some(text) = &format.escape_char {
            dialect.escape =
                Some(one_byte(format, "escapeChar", text)?).filter(|byte| *byte != dialect.quote);
        }
        dialect.header = format.header;
        Ok(dialect)
    }
}

/// The data formats that this worker reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Csv,
    Tsv,
    Custom,
}

/// Returns the family of the data format `kind`.
///
/// # Errors
///
/// If this worker does not read the format. The message completes the sentence "object …, field …".
pub(crate) fn reads(kind: &str) -> Result<Family, String> {
    match kind {
        "CSV" => Ok(Family::Csv),
        "TSV" => Ok(Family::Tsv),
        "Custom" => Ok(Family::Custom),
        other => Err(format!("is {other}; CopyActivity reads and writes CSV, TSV and Custom")),
    }
}

fn one_byte(format: &Format, field: &str, text: &str) -> Result<u8, Failure> {
    // Definitions write control characters as escapes.
    match text {
        "\\t" => Ok(b'\t'),
        "\\n" => Ok(b'\n'),
        "\\\\" => Ok(b'\\'),
        _ if text.len() == 1 && text.is_ascii() => Ok(text.as_bytes()[0]),
        _ => Err(problem(format, field, &format!("is `{text}`; give one ASCII character"))),
    }
}

fn problem(format: &Format, field: &str, what: &str) -> Failure {
    Failure::bad_input("Definition", format!("object `{}`, field `{field}` {what}", format.id))
}
