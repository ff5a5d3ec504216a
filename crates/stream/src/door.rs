//! Checks the body of a POST before it is accepted.
//!
//! The body is a sequence of JSON objects; each of them becomes a record. A JSON string that holds such a sequence is
//! opened once: programs often write JSON as a string by mistake. A byte order mark between the objects is left out.

use std::borrow::Cow;
use std::ops::Range;

use jiff::Timestamp;

use crate::fault::{Fault, line_of};
use crate::json::{Kind, Scanner, skip_between};
use crate::refusal::{ErrorCode, Refusal};
use crate::shard::{SequenceNumber, ShardId};
use crate::transform::{Transformer, no_object};
use crate::{Record, Stream};

/// The sentence for a body without anything in it.
pub const EMPTY: &str = "Empty request";
/// The sentence for a body that is not a sequence of JSON objects.
pub const MALFORMED: &str = "Malformed JSON";
/// The sentence for a record without a field that the schema requires.
pub const MISSING: &str = "JSON missing required keys";
/// The sentence for a record that the schema refuses for another reason.
pub const REFUSED: &str = "JSON refused by the schema";
/// The sentence for a body with more than [`MOST_RECORDS`] records.
pub const TOO_MANY: &str = "Too many records";

/// The most records of a body. Each one needs memory for its place, whatever its size.
pub const MOST_RECORDS: usize = 10_000;

/// The longest detail in characters. A pattern of a schema can be long, and a header cannot.
const MAX_DETAIL: usize = 500;

/// The answer to a body that is refused: with the status 413 if it has too many records, else with 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}: {detail}")]
pub struct DoorError {
    /// The sentence of the answer: one of the constants of this module.
    pub sentence: &'static str,
    /// The reason, without content of the record. It has printable ASCII characters only, so that a header can hold it.
    pub detail: String,
    /// The line of the body in which the refused record begins, counted from 1. `None` if the records are in a JSON string, or if
    /// the reason is the body as a whole.
    pub line: Option<usize>,
}

impl DoorError {
    fn new(sentence: &'static str, detail: &str) -> Self {
        let is_plain = |c: char| c == ' ' || c.is_ascii_graphic();
        let detail = detail.chars().take(MAX_DETAIL).map(|c| if is_plain(c) { c } else { '?' }).collect();
        Self { sentence, detail, line: None }
    }

    fn malformed(fault: Fault, body: &[u8]) -> Self {
        Self::new(MALFORMED, &fault.describe(body)).at(body, fault.at)
    }

    /// Returns the error with the line of the byte `at`.
    fn at(self, body: &[u8], at: usize) -> Self {
        Self { line: Some(line_of(body, at)), ..self }
    }

    fn refused(Refusal { code, message }: &Refusal) -> Self {
        let sentence = match code {
            ErrorCode::NotJson => MALFORMED,
            ErrorCode::MissingField => MISSING,
            ErrorCode::SchemaMismatch | ErrorCode::InternalError => REFUSED,
        };
        Self::new(sentence, message)
    }
}

/// Checks a body, and returns the data of its records: one for each JSON text.
///
/// `now` is the time for `@arrivalTimestamp`, and `partition_key` the text for `@partitionKey`. The sequence number is
/// not known yet, so a schema sees another one of the same form.
///
/// # Errors
///
/// The first reason to refuse the body. A body is accepted as a whole or not at all.
pub fn check<'b>(
    stream: &Stream,
    body: &'b [u8],
    partition_key: &str,
    now: Timestamp,
) -> Result<Vec<Cow<'b, [u8]>>, DoorError> {
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return Err(DoorError::new(MALFORMED, "the body is UTF-16: send it as UTF-8"));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        DoorError::malformed(Fault { at: error.valid_up_to(), why: "a byte is not UTF-8" }, body)
    })?;
    // Without the mark, columns are counted as people see them.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if skip_between(text, 0) == text.len() {
        return Err(DoorError::new(EMPTY, "the body is empty"));
    }
    match opened(text)? {
        Some(inner) => {
            let split = split(&inner);
            let records = split.and_then(|records| fit(stream, &inner, &records, partition_key, now));
            let records = records.map_err(|error| DoorError { line: None, ..error })?;
            Ok(records.into_iter().map(|record| Cow::Owned(record.to_vec())).collect())
        }
        None => {
            let records = fit(stream, text, &split(text)?, partition_key, now)?;
            Ok(records.into_iter().map(Cow::Borrowed).collect())
        }
    }
}

/// Checks the records at these places of a text by the definition of the stream, and returns their data.
fn fit<'t>(
    stream: &Stream,
    text: &'t str,
    records: &[Range<usize>],
    partition_key: &str,
    now: Timestamp,
) -> Result<Vec<&'t [u8]>, DoorError> {
    let mut transformer = Transformer::new(stream);
    let mut line = Vec::new();
    let mut all = Vec::with_capacity(records.len());
    for (place, range) in records.iter().enumerate() {
        line.clear();
        let data = &text.as_bytes()[range.clone()];
        let number = SequenceNumber { number: 0, shard: ShardId(0) }.into();
        let record = Record { number, partition_key, arrival: now, data };
        transformer.lines(&record, &mut line).map_err(|refusal| {
            let Refusal { code, message } = refusal;
            let which = if records.len() > 1 {
                format!(" (record {} of the body)", place + 1)
            } else {
                String::new()
            };
            DoorError::refused(&Refusal { code, message: message + &which }).at(text.as_bytes(), range.start)
        })?;
        all.push(data);
    }
    Ok(all)
}

/// Returns the content of a body that is one JSON string.
fn opened(text: &str) -> Result<Option<String>, DoorError> {
    let start = skip_between(text, 0);
    if text.as_bytes().get(start) != Some(&b'"') {
        return Ok(None);
    }
    let mut scanner = Scanner::default();
    let (tree, end) =
        scanner.scan(text, start).map_err(|fault| DoorError::malformed(fault, text.as_bytes()))?;
    let behind = skip_between(text, end);
    if behind < text.len() {
        let fault = Fault { at: behind, why: "there is more behind the JSON string" };
        return Err(DoorError::malformed(fault, text.as_bytes()));
    }
    let inner = tree.content(0).into_owned();
    if skip_between(&inner, 0) == inner.len() {
        return Err(DoorError::new(EMPTY, "the JSON string of the body is empty"));
    }
    Ok(Some(inner))
}

/// Returns the places of the JSON objects of a text.
fn split(text: &str) -> Result<Vec<Range<usize>>, DoorError> {
    let mut scanner = Scanner::default();
    let mut records = Vec::new();
    let mut at = skip_between(text, 0);
    while at < text.len() {
        let (tree, end) = scanner.scan(text, at).map_err(|fault| {
            // A missing bracket is noticed only in a later line.
            DoorError::malformed(fault, text.as_bytes()).at(text.as_bytes(), at)
        })?;
        if tree.kind(0) != Kind::Object {
            let refused = DoorError::refused(&no_object(tree.kind(0), at, text.as_bytes()));
            return Err(refused.at(text.as_bytes(), at));
        }
        if records.len() == MOST_RECORDS {
            let detail =
                format!("the body has more than {MOST_RECORDS} records: send them in several requests");
            return Err(DoorError::new(TOO_MANY, &detail));
        }
        records.push(at..end);
        at = skip_between(text, end);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::stream;

    const FILE: &str = r#"{"fields": {"first_name": "**/first_name", "when": "@arrivalTimestamp", "key": "@partitionKey"},
        "schema": {"required": ["first_name", "when", "key"], "properties": {"first_name": {"type": "string"}}}}"#;

    fn checked(body: &str) -> Result<Vec<String>, (&'static str, String)> {
        let records = check(&stream(FILE), body.as_bytes(), "k", Timestamp::UNIX_EPOCH);
        let text = |data: Cow<'_, [u8]>| String::from_utf8(data.into_owned()).unwrap();
        records.map(|all| all.into_iter().map(text).collect()).map_err(|error| (error.sentence, error.detail))
    }

    #[test]
    fn each_json_text_of_a_body_is_a_record() {
        let one = r#"{"first_name": "A"}"#;
        let two = r#"{"user": {"first_name": "B"}}"#;
        assert_eq!(checked(one), Ok(vec![one.to_owned()]));
        for between in ["\n", "", "\r\n\r\n"] {
            assert_eq!(checked(&format!("{one}{between}{two}\n")), Ok(vec![one.to_owned(), two.to_owned()]));
        }
    }

    #[test]
    fn json_in_a_string_is_opened_once() {
        let record = r#"{"first_name": "A"}"#;
        let once = serde_json::to_string(record).unwrap();
        assert_eq!(checked(&once), Ok(vec![record.to_owned()]));
        let twice = serde_json::to_string(&once).unwrap();
        assert_eq!(
            checked(&twice).unwrap_err().1,
            "line 1, column 1: a record must be a JSON object, found a string"
        );
        assert_eq!(checked(r#" "" "#).unwrap_err().0, "Empty request");
        assert_eq!(checked(r#""{}" {}"#).unwrap_err().0, "Malformed JSON");
    }

    #[test]
    fn a_body_is_refused_with_one_of_the_sentences() {
        for (body, sentence, detail) in [
            ("", "Empty request", "the body is empty"),
            (" \n", "Empty request", "the body is empty"),
            ("{", "Malformed JSON", "line 1, column 2: a key in double quotes is missing"),
            ("\u{e4}", "Malformed JSON", "line 1, column 1: a value is missing"),
            ("[{}]", "Malformed JSON", "line 1, column 1: a record must be a JSON object, found a list"),
            ("null", "Malformed JSON", "line 1, column 1: a record must be a JSON object, found null"),
            ("{}", "JSON missing required keys", "the field `first_name` is missing"),
            (
                "{\"first_name\": 1}",
                "JSON refused by the schema",
                "the field `/first_name` is not of the type string",
            ),
            (
                "{\"first_name\": \"A\"}\n{}",
                "JSON missing required keys",
                "the field `first_name` is missing (record 2 of the body)",
            ),
        ] {
            assert_eq!(checked(body), Err((sentence, detail.to_owned())));
        }
        let error = check(&stream("{}"), b"{\"a\":\xff}", "k", Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.to_string(), "Malformed JSON: line 1, column 6: a byte is not UTF-8");
    }

    #[test]
    fn a_byte_order_mark_between_records_is_left_out() {
        let one = r#"{"first_name": "A"}"#;
        let two = "{\"first_name\": \"\u{feff}B\"}";
        for body in [format!("\u{feff}{one}\n{two}"), format!("\n\u{feff}{one}\n\u{feff}{two}\u{feff}\n")] {
            assert_eq!(checked(&body), Ok(vec![one.to_owned(), two.to_owned()]), "{body:?}");
        }
        assert_eq!(
            checked(&format!("\u{feff}{}", serde_json::to_string(one).unwrap())),
            Ok(vec![one.to_owned()])
        );
        assert_eq!(checked("\u{feff}\n").unwrap_err().0, "Empty request");
        // Columns are counted without the mark.
        assert_eq!(
            checked("\u{feff}{a").unwrap_err().1,
            "line 1, column 2: a key in double quotes is missing"
        );
        let utf_16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let error = check(&stream("{}"), &utf_16, "k", Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(
            (error.sentence, error.detail.as_str()),
            (MALFORMED, "the body is UTF-16: send it as UTF-8")
        );
    }

    #[test]
    fn a_refusal_says_the_line_of_the_body() {
        let line =
            |body: &str| check(&stream(FILE), body.as_bytes(), "k", Timestamp::UNIX_EPOCH).unwrap_err().line;
        let one = r#"{"first_name": "A"}"#;
        assert_eq!(line(&format!("\u{feff}{one}\n\n{{}}\n{one}")), Some(3));
        assert_eq!(line(&format!("{one}\n{one}\n{{\"a\":\n1 2}}")), Some(3));
        assert_eq!(line(&format!("{one}\n[1]")), Some(2));
        assert_eq!(line(&serde_json::to_string(&format!("{one}\n{{}}")).unwrap()), None);
        assert_eq!(line(" \n"), None);
    }

    #[test]
    fn a_body_has_a_bounded_number_of_records() {
        let stream = stream("{}");
        let check = |records: usize| {
            check(&stream, "{}".repeat(records).as_bytes(), "k", Timestamp::UNIX_EPOCH).map(|all| all.len())
        };
        assert_eq!(check(MOST_RECORDS), Ok(MOST_RECORDS));
        let error = check(MOST_RECORDS + 1).unwrap_err();
        assert_eq!(error.sentence, "Too many records");
        assert!(error.detail.contains("more than 10000 records"), "{error}");
    }

    #[test]
    fn a_detail_fits_into_a_header() {
        let stream = stream("{\"schema\": {\"required\": [\"stra\u{df}e\\n\"]}}");
        let error = check(&stream, b"{}", "k", Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.detail, "the field `stra?e?` is missing");
        let long = format!("{{\"schema\": {{\"required\": [\"{}\"]}}}}", "x".repeat(5_000));
        let error = check(&crate::file::tests::stream(&long), b"{}", "k", Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.detail.len(), MAX_DETAIL);
    }
}
