//! The reader of JSON: it gives the values that serde_json gives, or refuses the line.

use std::collections::HashSet;

use ec2_worker::etl::dialect::{Dialect, Form};
use ec2_worker::etl::input::bad_bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{Row, open, rows};

/// Checks the bytes as a file of JSON.
pub(crate) fn check(bytes: &[u8]) {
    let Some((first, text)) = bytes.split_first() else { return };
    let dialect = Dialect { form: Form::Json, header: true, skip_blank: true, ..Dialect::default() };
    let piece = usize::from(*first) % 64 + 1;
    let (read, failure) = rows(open(text, piece, false, &dialect));
    let small = Dialect { longest_record: usize::from(*first) + 1, ..dialect };
    let _ = rows(open(text, piece, false, &small));
    let Ok(text) = std::str::from_utf8(text) else { return };
    if failure.is_none() && text.starts_with('{') {
        lines(text, &read);
    } else if failure.is_none() && text.starts_with('[') {
        array(text, &read);
    }
}

/// Compares lines with what serde_json reads. A line that it refuses must be refused.
fn lines(text: &str, read: &[Row]) {
    let lines = text.split('\n').filter(|line| !line.trim_ascii().is_empty());
    let objects: Vec<Option<Map<String, Value>>> =
        lines.clone().map(|line| serde_json::from_str(line).ok()).collect();
    // An object that has a key twice is refused, also if no value is left of it.
    let are_unique: Vec<bool> =
        lines.map(|line| serde_json::from_str::<Keys>(line).is_ok_and(|keys| keys.are_unique)).collect();
    let mut known = read.iter();
    let Some(header) = header(&objects, &mut known) else { return };
    let is_row = |object: &Option<Map<String, Value>>, is_unique: bool| {
        object.as_ref().is_none_or(|it| !is_blank(it) || !is_unique)
    };
    let objects =
        objects.into_iter().zip(are_unique).filter(|(object, is_unique)| is_row(object, *is_unique));
    let objects: Vec<_> = objects.map(|(object, _)| object).collect();
    let rows: Vec<&Row> = known.collect();
    assert_eq!(rows.len(), objects.len(), "{text}");
    for (row, object) in rows.iter().zip(&objects) {
        match object {
            None => assert!(is_refused(row), "{row:?} of {text}"),
            Some(object) => same(&header, object, row),
        }
    }
}

/// Takes the header, if there is one, and compares its names with all keys.
fn header<'a>(
    objects: &[Option<Map<String, Value>>],
    read: &mut impl Iterator<Item = &'a Row>,
) -> Option<Vec<String>> {
    let mut keys: Vec<&String> = Vec::new();
    for key in objects.iter().flatten().flat_map(Map::keys) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let first = if keys.is_empty() { None } else { read.next() }?;
    // If every object has a key twice, all are refused, and there is no header.
    if is_refused(first) {
        return None;
    }
    let names: Vec<String> =
        first.fields.iter().map(|(name, _)| String::from_utf8(name.clone()).expect("a key")).collect();
    // An object with a key twice is refused, and its keys do not count.
    assert!(names.iter().all(|name| keys.contains(&name)), "{names:?}, not {keys:?}");
    Some(names)
}

fn array(text: &str, read: &[Row]) {
    let Ok(objects) = serde_json::from_str::<Vec<Map<String, Value>>>(text) else {
        panic!("no array of objects, but it was read: {text}")
    };
    let objects: Vec<_> = objects.into_iter().map(Some).collect();
    let mut known = read.iter();
    let Some(header) = header(&objects, &mut known) else { return };
    for (row, object) in known.zip(objects.iter().flatten().filter(|object| !is_blank(object))) {
        same(&header, object, row);
    }
}

/// The keys of an object.
struct Keys {
    are_unique: bool,
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Keys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = HashSet::new();
                let mut are_unique = true;
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    are_unique &= keys.insert(key);
                }
                Ok(Keys { are_unique })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Returns whether the reader treats the object as a blank line. An object without any value is blank, like a line without any
/// value in the other forms of files.
fn is_blank(object: &Map<String, Value>) -> bool {
    object.values().all(Value::is_null)
}

fn is_refused(row: &Row) -> bool {
    row.fields.first().is_some_and(|(text, _)| bad_bytes::reason(text).is_some())
}

/// Compares a row with an object. A key that stands twice has no value that all programs agree on.
fn same(header: &[String], object: &Map<String, Value>, row: &Row) {
    if is_refused(row) {
        return;
    }
    assert_eq!(row.fields.len(), header.len(), "{object:?}");
    for (name, (text, is_quoted)) in header.iter().zip(&row.fields) {
        let text = std::str::from_utf8(text).expect("UTF-8");
        match object.get(name) {
            None | Some(Value::Null) => {
                assert!(text.is_empty() && !is_quoted, "{name} of {object:?}: {text:?}")
            }
            Some(Value::String(value)) => {
                assert!(value == text && *is_quoted, "{name} of {object:?}: {text:?}")
            }
            Some(value) => {
                let again: Value = serde_json::from_str(text).expect("JSON");
                assert_eq!(*value, again, "{name}");
            }
        }
    }
    assert!(object.keys().all(|key| header.contains(key)), "{object:?} has lost a key");
}
