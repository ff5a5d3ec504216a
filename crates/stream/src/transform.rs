//! From a record to the lines of the data object.
//!
//! The data of a record is a sequence of JSON objects, with or without white space between them. A byte order mark between
//! them is left out. Each object becomes one line: as it stands, or with the fields that the stream names. Then the schema is
//! checked.

use crate::fault::Fault;
use crate::fields::Fields;
use crate::json::{Kind, Scanner, append_in_line, skip_between};
use crate::refusal::{ErrorCode, Refusal};
use crate::schema::RecordSchema;
use crate::{Record, Stream};

/// Makes lines from the records of a stream. It keeps its working memory from record to record.
#[derive(Debug)]
pub struct Transformer<'s> {
    stream: &'s Stream,
    scanner: Scanner,
    /// Scans the lines that `fields` make, for the schema.
    line_scanner: Scanner,
}

impl<'s> Transformer<'s> {
    /// Returns a transformer for the records of a stream.
    #[must_use]
    pub fn new(stream: &'s Stream) -> Self {
        Self { stream, scanner: Scanner::default(), line_scanner: Scanner::default() }
    }

    /// Appends the lines of a record to `out`, each with a line feed at its end, and returns their number.
    ///
    /// A record with nothing but white space has no line and is left out. Open aggregates with [`crate::kpl::open`] first.
    ///
    /// # Errors
    ///
    /// The refusal. If one JSON text of the record is refused, the whole record is, and `out` is as it was before.
    pub fn lines(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<usize, Refusal> {
        let before = out.len();
        let lines = self.all_lines(record, out);
        if lines.is_err() {
            out.truncate(before);
        }
        lines
    }

    fn all_lines(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<usize, Refusal> {
        let text = std::str::from_utf8(record.data).map_err(|error| {
            not_json(Fault { at: error.valid_up_to(), why: "a byte is not UTF-8" }, record.data)
        })?;
        let (mut at, mut count) = (skip_between(text, 0), 0);
        while at < text.len() {
            let (tree, end) = self.scanner.scan(text, at).map_err(|fault| not_json(fault, record.data))?;
            if tree.kind(0) != Kind::Object {
                return Err(no_object(tree.kind(0), at, record.data));
            }
            let start = out.len();
            let schema = self.stream.record_schema();
            let checked = match self.stream.fields() {
                Some(fields) => {
                    Fields::append(fields, &tree, record, count, out);
                    schema.map_or(Ok(()), |schema| check_line(schema, &mut self.line_scanner, &out[start..]))
                }
                None => {
                    append_in_line(tree.raw(0), out);
                    schema.map_or(Ok(()), |schema| schema.check(tree))
                }
            };
            checked.map_err(|refusal| about(count, refusal))?;
            out.push(b'\n');
            (at, count) = (skip_between(text, end), count + 1);
        }
        Ok(count)
    }
}

/// Checks a line that `fields` have made. The line is JSON, because its parts are.
fn check_line(schema: &RecordSchema, scanner: &mut Scanner, line: &[u8]) -> Result<(), Refusal> {
    let text = std::str::from_utf8(line)
        .map_err(|error| not_json(Fault { at: error.valid_up_to(), why: "a byte is not UTF-8" }, line))?;
    let (tree, _) = scanner.scan(text, 0).map_err(|fault| not_json(fault, line))?;
    schema.check(tree)
}

/// Says which JSON text of a record is refused, if it is not the first.
fn about(place: usize, refusal: Refusal) -> Refusal {
    match place {
        0 => refusal,
        _ => Refusal {
            message: format!("{} (JSON text {} of the record)", refusal.message, place + 1),
            ..refusal
        },
    }
}

fn not_json(fault: Fault, data: &[u8]) -> Refusal {
    Refusal { code: ErrorCode::NotJson, message: fault.describe(data) }
}

/// Returns the refusal of a JSON text that is not an object. Without fields, the text cannot be a row.
pub(crate) fn no_object(kind: Kind, at: usize, data: &[u8]) -> Refusal {
    let message = format!("a record must be a JSON object, found {}", kind.describe());
    let position = Fault { at, why: "" }.describe(data);
    Refusal { code: ErrorCode::NotJson, message: format!("{position}{message}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::stream;
    use crate::record::tests::record;

    fn lines(file: &str, data: &[u8]) -> Result<(usize, String), Refusal> {
        let stream = stream(file);
        let mut out = b"before\n".to_vec();
        let made = Transformer::new(&stream).lines(&record(data), &mut out);
        let out = String::from_utf8(out).unwrap();
        let lines = out.strip_prefix("before\n").unwrap().to_owned();
        assert!(made.is_ok() || lines.is_empty());
        made.map(|count| (count, lines))
    }

    #[test]
    fn each_json_text_of_a_record_is_a_line() {
        let two = (2, "{\"a\":1}\n{\"b\":1.00}\n".to_owned());
        for data in
            ["{\"a\":1}{\"b\":1.00}", "{\"a\":1}\n{\"b\":1.00}\n", " {\"a\":\n1}\r\n\r\n{\"b\":1.00} "]
        {
            assert_eq!(lines("{}", data.as_bytes()), Ok(two.clone()), "{data}");
        }
        let marked = "\u{feff}{\"a\":1}\n\u{feff}{\"b\":1.00}\u{feff}\n";
        assert_eq!(lines("{}", marked.as_bytes()), Ok(two), "a byte order mark between texts is left out");
        let within = "{\"a\":\"\u{feff}\"}";
        assert_eq!(
            lines("{}", within.as_bytes()),
            Ok((1, format!("{within}\n"))),
            "and one in a string stays"
        );
        assert!(lines("{}", "{\u{feff}}".as_bytes()).is_err());
        assert_eq!(lines("{}", b" \n"), Ok((0, String::new())));
        assert_eq!(lines("{}", b""), Ok((0, String::new())));
    }

    #[test]
    fn numbers_keep_all_digits() {
        let data = r#"{"n":12345678901234567890123.4500,"e":1E+400}"#;
        assert_eq!(lines("{}", data.as_bytes()), Ok((1, format!("{data}\n"))));
        let field = lines(
            r#"{"fields": {"n": "/n"}, "schema": {"properties": {"n": {"type": "number"}}}}"#,
            data.as_bytes(),
        );
        assert_eq!(field, Ok((1, "{\"n\":12345678901234567890123.4500}\n".to_owned())));
    }

    #[test]
    fn a_record_is_refused_as_a_whole() {
        let refused = |data: &[u8]| lines(r#"{"schema": {"required": ["a"]}}"#, data).unwrap_err();
        let missing = refused(b"{\"a\":1}\n{\"b\":2}");
        assert_eq!(missing.code, ErrorCode::MissingField);
        assert_eq!(missing.message, "the field `a` is missing (JSON text 2 of the record)");
        assert_eq!(
            refused(b"{\"a\":1}\n{").message,
            "line 2, column 2: the text ends in a list or an object"
                .replace("the text ends in a list or an object", "a key in double quotes is missing")
        );
        assert_eq!(refused(b"{\"a\":\xff}").message, "line 1, column 6: a byte is not UTF-8");
        assert_eq!(
            refused(b"\n [1]").message,
            "line 2, column 2: a record must be a JSON object, found a list"
        );
        assert_eq!(refused(b"hello").code.as_str(), "DataFormatConversion.ParseError");
    }

    #[test]
    fn the_schema_sees_the_fields() {
        let file = r#"{"fields": {"zip": "**/zip_code", "id": "@sequenceNumber"}, "schema": {"required": ["zip"], "properties": {"id": {"minLength": 56}}}}"#;
        let (count, text) = lines(file, br#"{"address": {"zip_code": "1000"}}{"zip_code": 2}"#).unwrap();
        let id = record(b"").number;
        assert_eq!(
            (count, text),
            (2, format!("{{\"zip\":\"1000\",\"id\":\"{id}\"}}\n{{\"zip\":2,\"id\":\"{id}.1\"}}\n"))
        );
        assert_eq!(lines(file, br#"{"zip": 1}"#).unwrap_err().message, "the field `zip` is missing");
    }
}
