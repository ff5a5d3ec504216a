//! Sources of fields: a pointer finds what serde_json finds, and every line is one JSON object.

use serde_json::{Value, json};
use stream::transform::Transformer;

use super::{diagnosed, objects, record};

/// Checks the first three lines as sources of fields, and the rest as a record.
pub(crate) fn check(bytes: &[u8]) {
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let [all, one, other] = [next(), next(), next()].map(String::from_utf8_lossy);
    let data = next();
    let file = json!({"fields": {"*": all, "one": one, "other": other}}).to_string();
    let Some(stream) = diagnosed(&file).stream else { return };
    let mut lines = Vec::new();
    let Ok(count) = Transformer::new(&stream).lines(&record(data), &mut lines) else {
        assert!(lines.is_empty());
        return;
    };
    let text = std::str::from_utf8(&lines).expect("UTF-8");
    assert_eq!(text.lines().count(), count);
    assert_eq!(text.matches(['\n', '\r']).count(), count);
    let (Some(made), Some(read)) = (objects(&lines), objects(data)) else { return };
    assert_eq!((made.len(), read.len()), (count, count));
    for (made, read) in made.iter().zip(read) {
        let read = Value::Object(read);
        for (name, source) in [("one", &one), ("other", &other)] {
            if source.is_empty() || source.starts_with('/') {
                assert_eq!(made.get(name), read.pointer(source), "{source}");
            }
        }
        let members = read.pointer(&all).and_then(Value::as_object).into_iter().flatten();
        for (name, value) in members.filter(|(name, _)| !["one", "other"].contains(&name.as_str())) {
            assert_eq!(made.get(name), Some(value), "{name}");
        }
    }
}
