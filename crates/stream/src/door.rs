//! Checks the body of a POST before it is accepted.
//!
//! The body is a sequence of JSON objects, of which each becomes a record. A JSON string that holds such a sequence is
//! opened once: programs often write JSON as a string by mistake.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::json::{Fault, Kind, Scanner, skip_white};
use crate::refusal::{ErrorCode, Refusal};
use crate::shard::{SequenceNumber, ShardId};
use crate::transform::{Transformer, no_object};
use crate::{Record, Stream};

/// The sentence for a body without anything in it.
pub const EMPTY: &str = "Empty request";
/// The sentence for a body that is no sequence of JSON objects.
pub const MALFORMED: &str = "Malformed JSON";
/// The sentence for a record without a field that the schema requires.
pub const MISSING: &str = "JSON missing required keys";
/// The sentence for a record that the schema refuses for another reason.
pub const REFUSED: &str = "JSON refused by the schema";

/// The longest detail in characters. A pattern of a schema can be long, and a header cannot.
const MAX_DETAIL: usize = 500;

/// The answer to a body that is refused, with the status 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}: {detail}")]
pub struct DoorError {
    /// The sentence of the answer: one of the constants of this module.
    pub sentence: &'static str,
    /// The reason, without content of the record. It has printable ASCII characters only, so that a header can hold it.
    pub detail: String,
}

impl DoorError {
    fn new(sentence: &'static str, detail: &str) -> Self {
        let is_plain = |c: char| c == ' ' || c.is_ascii_graphic();
        let detail = detail.chars().take(MAX_DETAIL).map(|c| if is_plain(c) { c } else { '?' }).collect();
        Self { sentence, detail }
    }

    fn malformed(fault: Fault, body: &[u8]) -> Self {
        Self::new(MALFORMED, &fault.describe(body))
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
    let text = std::str::from_utf8(body).map_err(|error| {
        DoorError::malformed(Fault { at: error.valid_up_to(), why: "a byte is not UTF-8" }, body)
    })?;
    if skip_white(text, 0) == text.len() {
        return Err(DoorError::new(EMPTY, "the body is empty"));
    }
    let records: Vec<Cow<'b, [u8]>> = match opened(text)? {
        Some(inner) => {
            split(&inner)?.into_iter().map(|record| Cow::Owned(record.as_bytes().to_vec())).collect()
        }
        None => split(text)?.into_iter().map(|record| Cow::Borrowed(record.as_bytes())).collect(),
    };
    let mut transformer = Transformer::new(stream);
    let mut line = Vec::new();
    for (place, data) in records.iter().enumerate() {
        line.clear();
        let number = SequenceNumber { number: 0, shard: ShardId(0) }.into();
        let record = Record { number, partition_key, arrival: now, data };
        transformer.lines(&record, &mut line).map_err(|refusal| {
            let Refusal { code, message } = refusal;
            let which = if records.len() > 1 {
                format!(" (record {} of the body)", place + 1)
            } else {
                String::new()
            };
            DoorError::refused(&Refusal { code, message: message + &which })
        })?;
    }
    Ok(records)
}

/// Returns the content of a body that is one JSON string.
fn opened(text: &str) -> Result<Option<String>, DoorError> {
    if text.as_bytes().get(skip_white(text, 0)) != Some(&b'"') {
        return Ok(None);
    }
    let mut scanner = Scanner::default();
    let (tree, end) = scanner.scan(text, 0).map_err(|fault| DoorError::malformed(fault, text.as_bytes()))?;
    let behind = skip_white(text, end);
    if behind < text.len() {
        let fault = Fault { at: behind, why: "there is more behind the JSON string" };
        return Err(DoorError::malformed(fault, text.as_bytes()));
    }
    let inner = tree.content(0).into_owned();
    if skip_white(&inner, 0) == inner.len() {
        return Err(DoorError::new(EMPTY, "the JSON string of the body is empty"));
    }
    Ok(Some(inner))
}

/// Splits a text into its JSON objects.
fn split(text: &str) -> Result<Vec<&str>, DoorError> {
    let mut scanner = Scanner::default();
    let mut records = Vec::new();
    let mut at = skip_white(text, 0);
    while at < text.len() {
        let (tree, end) =
            scanner.scan(text, at).map_err(|fault| DoorError::malformed(fault, text.as_bytes()))?;
        if tree.kind(0) != Kind::Object {
            return Err(DoorError::refused(&no_object(tree.kind(0), at, text.as_bytes())));
        }
        records.push(&text[at..end]);
        at = skip_white(text, end);
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
    fn a_detail_fits_into_a_header() {
        let stream = stream("{\"schema\": {\"required\": [\"stra\u{df}e\\n\"]}}");
        let error = check(&stream, b"{}", "k", Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.detail, "the field `stra?e?` is missing");
        let long = format!("{{\"schema\": {{\"required\": [\"{}\"]}}}}", "x".repeat(5_000));
        let error = check(&crate::file::tests::stream(&long), b"{}", "k", Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.detail.len(), MAX_DETAIL);
    }
}
