//! Stream files: a file has a stream or an error, and a stream works on every record.

use jiff::Timestamp;
use stream::file::{diagnose_source, json_schema};
use stream::objects::{Homes, Objects, Origin};
use stream::transform::Transformer;

use super::{diagnosed, objects, record};

const RECORDS: &[&[u8]] = &[
    b"{}",
    b"{\"a\": {\"a\": [1, null, \"x\"]}}\n{\"b\": 1e3}",
    b"",
    b"[",
    b"{\"a\": 12345678901234567890}",
];

/// Checks the bytes as a stream file.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let found = diagnosed(text);
    for finding in &found.findings {
        let span = finding.span.expect("a position");
        assert!(span.at.line <= text.lines().count().max(1) + 1 && span.length >= 1, "{finding:?}");
        assert!(!finding.message.is_empty());
    }
    let is_refused = found.findings.iter().any(|finding| finding.is_error);
    assert_eq!(found.stream.is_none(), is_refused);
    let Some(stream) = found.stream else { return };
    let again = diagnose_source(&stream.name, &stream.source);
    assert_eq!(again.findings, found.findings);
    assert!(
        again.stream.is_some_and(|again| again.buffering == stream.buffering && again.data == stream.data)
    );
    let mut transformer = Transformer::new(&stream);
    for data in RECORDS {
        let mut lines = Vec::new();
        if let Ok(count) = transformer.lines(&record(data), &mut lines) {
            assert_eq!(objects(&lines).map(|objects| objects.len()), Some(count));
        }
    }
    let homes = Homes { drop: "drop".to_owned(), raw: "raw".to_owned() };
    let origin = Origin::Cut { mark: "id", number: u64::MAX };
    let named = Objects::of(&stream, &homes, origin, u32::MAX, Timestamp::UNIX_EPOCH);
    let keys = [Some(&named.data), named.raw.as_ref(), Some(&named.quarantine)];
    assert!(keys.into_iter().flatten().all(|object| object.key.len() <= 1024));
    assert!(named.data != named.quarantine && named.raw.as_ref() != Some(&named.data));
    assert!(named.raw.as_ref() != Some(&named.quarantine));
    let value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok();
    if let Some(serde_json::Value::Object(file)) = value {
        let known = json_schema();
        assert!(
            file.keys().all(|key| known["properties"].get(key).is_some()),
            "the schema knows every field"
        );
    }
}
