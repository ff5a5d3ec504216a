//! The check of a body accepts the bodies that serde_json accepts, and every accepted body becomes lines.

use jiff::Timestamp;
use stream::door::{self, DoorError};
use stream::transform::Transformer;

use super::{objects, record, stream};

/// Checks the bytes as a body.
pub(crate) fn check(bytes: &[u8]) {
    let plain = stream("{}");
    let strict = stream(
        r#"{"fields": {"*": "", "a": "**/a"}, "schema": {"required": ["a"], "properties": {"a": {"type": "integer"}}}}"#,
    );
    for stream in [&plain, &strict] {
        match door::check(stream, bytes, "key", Timestamp::UNIX_EPOCH) {
            Ok(records) => {
                assert!(!records.is_empty());
                for data in &records {
                    let mut lines = Vec::new();
                    let made = Transformer::new(stream).lines(&record(data), &mut lines);
                    assert_eq!(made, Ok(1), "what is accepted becomes a line");
                    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1);
                }
                let joined = records.join(&b'\n');
                let again = door::check(stream, &joined, "key", Timestamp::UNIX_EPOCH);
                assert_eq!(again.as_ref(), Ok(&records), "records that are sent again are the same");
            }
            Err(DoorError { sentence, detail, line }) => {
                let sentences = [door::EMPTY, door::MALFORMED, door::MISSING, door::REFUSED, door::TOO_MANY];
                assert!(sentences.contains(&sentence));
                let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
                assert!(line.is_none_or(|line| (1..=lines).contains(&line)), "{line:?} of {lines}");
                assert!(detail.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{detail:?}");
            }
        }
    }
    compare(bytes, door::check(&plain, bytes, "key", Timestamp::UNIX_EPOCH));
}

/// Compares an answer with what serde_json reads.
fn compare(bytes: &[u8], answer: Result<Vec<std::borrow::Cow<'_, [u8]>>, DoorError>) {
    // A JSON string is opened, a byte order mark is left out, and serde_json refuses numbers that are too large.
    if bytes.trim_ascii_start().starts_with(b"\"")
        || bytes.windows(3).any(|three| three == b"\xef\xbb\xbf")
        || bytes.windows(2).any(|pair| pair[0].eq_ignore_ascii_case(&b'e'))
    {
        return;
    }
    match (objects(bytes), answer) {
        (Some(objects), Ok(records)) => assert_eq!(objects.len(), records.len()),
        (Some(objects), Err(error)) => {
            let is_stricter = error.detail.contains("twice") || error.detail.contains("deeper");
            assert!(objects.is_empty() || is_stricter, "{error}");
        }
        (None, Ok(_)) => {
            let is_long_or_deep =
                bytes.len() > 300 || bytes.iter().filter(|byte| **byte == b'[').count() > 100;
            assert!(is_long_or_deep, "serde_json refuses it");
        }
        (None, Err(_)) => {}
    }
}
