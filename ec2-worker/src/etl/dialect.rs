//! The dialect of a text file: the bytes that separate its records and fields, and what is left out of it.

use encoding_rs::Encoding;

use crate::failure::Failure;
use crate::node::Format;
use definition::kind::field::MyDialect;
pub use literals::{Literal, Literals};

mod literals;

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The kind of content of the file, after unpacking.
    pub form: Form,
    /// Whether the separator, the quote and the escape are to be found in the file.
    pub detects: bool,
    /// The bytes between two fields; at least one.
    pub separator: Vec<u8>,
    /// The byte around a field that contains special bytes (RFC 4180), if the format has one.
    pub quote: Option<u8>,
    /// The byte that makes the next byte ordinary, if the format has one.
    pub escape: Option<u8>,
    /// The end of a record.
    pub record_end: RecordEnd,
    /// Whether the definition says that CR LF ends a record. A line feed alone does, too.
    pub ends_with_return: bool,
    /// Whether the first record names the columns.
    pub header: bool,
    /// Whether every record ends with a separator after its last field.
    pub trailing_separator: bool,
    /// Unquoted fields that mean NULL. An empty unquoted field always means NULL.
    pub nulls: Vec<Vec<u8>>,
    /// Whether a quoted field can mean NULL, too. In a load, [`super::value_rules`] says so.
    pub quoted_nulls: bool,
    /// The text that an export writes for NULL, unquoted.
    pub null: Vec<u8>,
    /// The text at the start of lines that are left out; empty if there are no such lines.
    pub comment: Vec<u8>,
    /// The number of lines that are left out at the start of the file.
    pub skip_lines: u64,
    /// The number of records that are left out at the end of the file.
    pub skip_footer: usize,
    /// Whether records without any value are left out.
    pub skip_blank: bool,
    /// The encoding that the definition declares.
    pub encoding: Option<&'static Encoding>,
    /// The length of the longest record, in bytes.
    pub longest_record: usize,
    /// `mySheet`: the name or the number of the sheet of a workbook.
    pub sheet: Option<String>,
    /// The order of the keys of JSON objects, and the keys that count although no object at the beginning of the file has them.
    pub json_keys: JsonKeys,
    /// The columns to which nested values of JSON must not go.
    pub literals: Literals,
    /// The form of the file that the rows come from, if the text was made of a file in another form than text.
    pub made_from: Form,
}

/// The treatment of the keys of JSON. The keys of the first objects are the header; a late key stands in none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonKeys {
    /// The names with which the header begins. The objects give the further names, in the order in which they come.
    pub first: Vec<String>,
    /// The names of columns that are NULL in a row whose object lacks them. They belong to the header, whether or not one of the
    /// first objects has them.
    pub known: Vec<String>,
    /// Whether other keys are left out. If not, an object that has one is refused.
    pub ignores_others: bool,
    /// The names of columns for which NULL is not the same as no value. If the header has one, an object that lacks it is refused.
    pub needed: Vec<String>,
}

/// The kind of content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text with separators.
    Text,
    /// JSON lines, or one array of objects.
    Json,
    /// An Excel workbook.
    Workbook,
}

/// The end of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordEnd {
    /// The end of a line: a line feed, or CR LF. A file without any line feed may end its lines with CR alone.
    Line,
    /// These bytes; at least one.
    Bytes(Vec<u8>),
}

impl RecordEnd {
    /// Returns the bytes of the record end. A CR may come before the line feed of [`Self::Line`].
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Line => b"\n",
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            form: Form::Text,
            detects: false,
            separator: b",".to_vec(),
            quote: Some(b'"'),
            escape: None,
            record_end: RecordEnd::Line,
            ends_with_return: false,
            header: false,
            trailing_separator: false,
            nulls: Vec::new(),
            quoted_nulls: false,
            null: Vec::new(),
            comment: Vec::new(),
            skip_lines: 0,
            skip_footer: 0,
            skip_blank: true,
            encoding: None,
            longest_record: 64_000_000,
            json_keys: JsonKeys::default(),
            literals: Literals::default(),
            made_from: Form::Text,
            sheet: None,
        }
    }
}

impl Dialect {
    /// Returns the form of the file that the rows come from.
    #[must_use]
    #[inline]
    pub fn source_form(&self) -> Form {
        if self.form == Form::Text { self.made_from } else { self.form }
    }

    /// Returns the dialect of a data format. Without a format, it is CSV, as on AWS.
    ///
    /// # Errors
    ///
    /// If a special character is not legal in its field, a Custom format has no column separator, or the worker
    /// does not read the format.
    pub fn of(format: Option<&Format>, nulls: &[String]) -> Result<Self, Failure> {
        let mut dialect =
            Self { nulls: nulls.iter().map(|n| n.clone().into_bytes()).collect(), ..Self::default() };
        let Some(format) = format else { return Ok(dialect) };
        match reads(&format.kind).map_err(|what| problem(format, "type", &what))? {
            Family::Csv => {}
            Family::Tsv => {
                dialect.separator = b"\t".to_vec();
                dialect.quote = None;
                dialect.nulls.push(b"\\N".to_vec());
                dialect.null = b"\\N".to_vec();
            }
            Family::Custom if format.column_separator.is_some() => {}
            Family::Custom => {
                return Err(problem(format, "columnSeparator", "is missing; a Custom format needs it"));
            }
        }
        dialect.set_kind(format.dialect);
        dialect.set_special_bytes(format)?;
        dialect.add_usual_nulls();
        // The keys of the objects are a header.
        dialect.header = format.header || dialect.form == Form::Json;
        dialect.comment = format.comment.clone().unwrap_or_default().into_bytes();
        dialect.skip_lines = format.skip_lines;
        dialect.skip_footer = format.skip_footer;
        dialect.skip_blank = format.skip_blank;
        dialect.longest_record = format.max_record_bytes;
        dialect.sheet.clone_from(&format.sheet);
        if let Some(label) = &format.encoding {
            dialect.encoding = Some(encoding(label).map_err(|what| problem(format, "myEncoding", &what))?);
        }
        dialect.drop_unused();
        Ok(dialect)
    }

    fn set_kind(&mut self, kind: Option<MyDialect>) {
        match kind {
            None => {}
            Some(MyDialect::Auto) => self.detects = true,
            Some(MyDialect::Aws) => {
                self.quote = None;
                self.escape = Some(b'\\');
                self.nulls.extend([b"\\N".to_vec(), b"\\n".to_vec()]);
                self.null = b"\\N".to_vec();
            }
            // Both are turned into CSV, in which every text is quoted.
            Some(kind) => {
                let form = if kind == MyDialect::Json { Form::Json } else { Form::Workbook };
                *self = Self { form, nulls: std::mem::take(&mut self.nulls), ..Self::default() };
            }
        }
    }

    /// Drops the settings of fields about parts that the form of the file does not have: see [`definition::kind::dialect_fields`].
    fn drop_unused(&mut self) {
        if self.form != Form::Text {
            self.comment.clear();
        }
        match self.form {
            Form::Text => self.sheet = None,
            Form::Json => (self.skip_lines, self.sheet) = (0, None),
            Form::Workbook => self.encoding = None,
        }
    }

    fn set_special_bytes(&mut self, format: &Format) -> Result<(), Failure> {
        if self.form != Form::Text {
            return Ok(());
        }
        if let Some(text) = &format.column_separator {
            self.separator = some_bytes(format, "columnSeparator", text)?;
        }
        if let Some(text) = &format.record_separator {
            let end = some_bytes(format, "recordSeparator", text)?;
            self.ends_with_return = end == b"\r\n";
            self.record_end = match end.as_slice() {
                b"\n" | b"\r\n" => RecordEnd::Line,
                _ => RecordEnd::Bytes(end),
            };
        }
        match format.quote.as_deref() {
            None => {}
            Some(none) if none.eq_ignore_ascii_case("none") => self.quote = None,
            Some(text) => self.quote = Some(one_byte(format, "myQuote", text)?),
        }
        if let Some(text) = &format.escape_char {
            // A quote that is escaped by itself is the doubled quote of RFC 4180.
            self.escape =
                Some(one_byte(format, "escapeChar", text)?).filter(|byte| Some(*byte) != self.quote);
        }
        self.check_special_bytes(format)
    }

    fn check_special_bytes(&self, format: &Format) -> Result<(), Failure> {
        let (separator, end) = (&self.separator, self.record_end.bytes());
        let singles = [self.quote, self.escape].into_iter().flatten();
        if separator.starts_with(end) || end.starts_with(separator) {
            return Err(problem(format, "columnSeparator", "is also the record separator; choose another"));
        }
        for byte in singles {
            if separator.contains(&byte) || end.contains(&byte) {
                let what = format!(
                    "contains `{}`, which is also the quote or the escape character; set `myQuote` to none, or choose \
                     another separator",
                    byte.escape_ascii()
                );
                return Err(problem(format, "columnSeparator", &what));
            }
        }
        Ok(())
    }

    /// Returns whether a field means NULL. `raw` is its text as the file has it, without its quotes.
    #[must_use]
    #[inline]
    pub fn is_null(&self, raw: &[u8], quoted: bool) -> bool {
        !quoted && (raw.is_empty() || self.nulls.iter().any(|null| null == raw))
    }

    /// Returns whether a text in quotes is one of the texts that mean NULL. In a text file, it is only if `in_quotes` says so. A string
    /// of JSON and a text in a workbook cannot be written without quotes, so there it always is.
    #[must_use]
    #[inline]
    pub fn is_null_in_quotes(&self, text: &[u8], in_quotes: bool) -> bool {
        (in_quotes || self.source_form() != Form::Text) && self.nulls.iter().any(|null| null == text)
    }

    /// Adds the texts for NULL that files with this separator and escape have: databases that separate by tabs or escape by
    /// backslashes write it in this way. An escaped `N` has no other use.
    pub fn add_usual_nulls(&mut self) {
        let writes_it = self.escape == Some(b'\\') || self.detects && self.separator == b"\t";
        if writes_it && !self.nulls.iter().any(|null| null == b"\\N") {
            self.nulls.push(b"\\N".to_vec());
        }
    }

    /// Returns whether a line feed ends a record, so that lines can be counted by records.
    #[must_use]
    pub fn ends_by_line(&self) -> bool {
        self.record_end == RecordEnd::Line
    }

    /// Says how a value with a separator in it is written.
    #[must_use]
    pub fn with_separators(&self) -> &'static str {
        match (self.quote, self.escape) {
            (Some(_), _) => "a value with a separator in it needs quotes",
            (None, Some(_)) => "a separator in a value needs the escape before it",
            (None, None) => {
                "the format has no quotes, so no value can contain the separator; set `myQuote` to \", and put such a value in quotes"
            }
        }
    }

    /// Returns the separator for people.
    #[must_use]
    pub fn shown_separator(&self) -> String {
        shown(&self.separator)
    }
}

/// Returns special bytes for people: `tab`, or the bytes between backticks.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    match bytes {
        b"\t" => "tab".to_owned(),
        b" " => "blank".to_owned(),
        _ if bytes.iter().all(u8::is_ascii_graphic) => format!("`{}`", String::from_utf8_lossy(bytes)),
        _ => format!("`{}`", String::from_utf8_lossy(bytes).escape_debug()),
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

/// Returns the encoding that `label` names.
///
/// # Errors
///
/// If there is no such encoding. The message completes the sentence "object …, field …".
pub(crate) fn encoding(label: &str) -> Result<&'static Encoding, String> {
    // UTF-32 and UTF-16 without a byte order are found in the file.
    let found = Encoding::for_label(label.trim().as_bytes());
    found.filter(|found| *found != encoding_rs::REPLACEMENT).ok_or_else(|| {
        let known = "write for example utf-8, windows-1252, iso-8859-1 or shift_jis";
        format!(
            "is `{label}`, which is not an encoding of the WHATWG standard; {known}, or convert the file to UTF-8"
        )
    })
}

/// Reads the bytes of a separator. Definitions write control characters as escapes.
fn some_bytes(format: &Format, field: &str, text: &str) -> Result<Vec<u8>, Failure> {
    if text.is_empty() {
        return Err(problem(format, field, "is empty; give at least one character"));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let rest = letters.as_str();
        let byte = match (letter, rest.chars().next()) {
            ('\\', Some('t')) => b'\t',
            ('\\', Some('n')) => b'\n',
            ('\\', Some('r')) => b'\r',
            ('\\', Some('\\')) => b'\\',
            ('\\', Some('0')) => 0,
            ('\\', Some('x' | 'u')) => {
                let (code, length) = hexadecimal(rest)
                    .ok_or_else(|| problem(format, field, &format!("is `{text}`; write \\x01 or \\u0001")))?;
                bytes.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                letters = rest[length..].chars();
                continue;
            }
            _ => {
                bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        bytes.push(byte);
        letters.next();
    }
    Ok(bytes)
}

/// Reads `x01` or `u0001`. Returns the character and the number of bytes.
fn hexadecimal(text: &str) -> Option<(char, usize)> {
    let length = if text.starts_with('x') { 3 } else { 5 };
    let code = u32::from_str_radix(text.get(1..length)?, 16).ok()?;
    Some((char::from_u32(code)?, length))
}

fn one_byte(format: &Format, field: &str, text: &str) -> Result<u8, Failure> {
    match some_bytes(format, field, text)?[..] {
        [byte] if byte.is_ascii() => Ok(byte),
        _ => Err(problem(format, field, &format!("is `{text}`; give one ASCII character"))),
    }
}

fn problem(format: &Format, field: &str, what: &str) -> Failure {
    Failure::bad_input("Definition", format!("object `{}`, field `{field}` {what}", format.id))
}

#[cfg(test)]
mod tests;
