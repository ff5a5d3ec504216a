//! The reader of JSON gives the texts that serde_json gives, and all other values as they are written, or refuses the line.

use ec2_worker::etl::dialect::{Dialect, Form};
use ec2_worker::etl::input::bad_bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

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
    let lines = text.split('\n').map(|line| line.trim_start_matches('\u{feff}'));
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    let objects: Vec<Option<Object>> = lines.map(|line| serde_json::from_str(line).ok()).collect();
    let mut known = read.iter();
    let Some(header) = header(&objects, &mut known) else { return };
    let objects = objects.iter().filter(|object| object.as_ref().is_none_or(|it| !it.is_blank()));
    compare(text, &header, objects.map(Option::as_ref), known);
}

fn array(text: &str, read: &[Row]) {
    let Ok(objects) = serde_json::from_str::<Vec<Object>>(text) else {
        panic!("no array of objects, but it was read: {text}")
    };
    assert!(objects.iter().all(|object| !object.has_twice), "{text}");
    let objects: Vec<_> = objects.into_iter().map(Some).collect();
    let mut known = read.iter();
    let Some(header) = header(&objects, &mut known) else { return };
    let objects = objects.iter().flatten().filter(|object| !object.is_blank());
    compare(text, &header, objects.map(Some), known);
}

/// Takes the header, if there is one, and compares its names with all keys.
fn header<'a>(objects: &[Option<Object>], read: &mut impl Iterator<Item = &'a Row>) -> Option<Vec<String>> {
    let mut keys: Vec<&String> = Vec::new();
    for (key, _) in objects.iter().flatten().flat_map(|object| &object.fields) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let first = if keys.is_empty() { None } else { read.next() }?;
    let names: Vec<String> =
        first.fields.iter().map(|(name, _)| String::from_utf8(name.clone()).expect("a key")).collect();
    // An object with a key twice is refused, and its keys do not count.
    assert!(names.iter().all(|name| keys.contains(&name)), "{names:?}, not {keys:?}");
    Some(names)
}

/// Compares rows with objects; `None` is a line that is not an object.
fn compare<'a>(
    text: &str,
    header: &[String],
    objects: impl Iterator<Item = Option<&'a Object>>,
    rows: std::slice::Iter<'_, Row>,
) {
    let objects: Vec<_> = objects.collect();
    assert_eq!(rows.len(), objects.len(), "{text}");
    for (row, object) in rows.zip(objects) {
        match object.filter(|object| !object.is_refused()) {
            None => assert!(is_refused(row), "{row:?} of {text}"),
            Some(object) => same(header, object, row),
        }
    }
}

/// An object as serde_json reads it. A number has all its digits, because a `Value` would refuse numbers that are too large for
/// a float.
#[derive(Debug)]
struct Object {
    fields: Vec<(String, Written)>,
    /// Whether a key appears twice in the object. An object with such a key must be refused, even if no value of it is used.
    has_twice: bool,
}

/// A value as it is written.
#[derive(Debug)]
enum Written {
    Null,
    /// A string; `None` if it is not Unicode text.
    Text(Option<String>),
    Other(String),
}

impl Object {
    /// Returns whether the reader treats the object as a blank line. An object without any value is blank, like a line without any
    /// value in the other forms of files.
    fn is_blank(&self) -> bool {
        !self.has_twice && self.fields.iter().all(|(_, value)| matches!(value, Written::Null))
    }

    fn is_refused(&self) -> bool {
        self.has_twice || self.fields.iter().any(|(_, value)| matches!(value, Written::Text(None)))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object { fields: Vec::new(), has_twice: false };
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    object.has_twice |= object.fields.iter().any(|(known, _)| *known == key);
                    object.fields.push((key, written(value.get())));
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

fn written(raw: &str) -> Written {
    match raw {
        "null" => Written::Null,
        _ if raw.starts_with('"') => Written::Text(serde_json::from_str(raw).ok()),
        _ => Written::Other(raw.to_owned()),
    }
}

fn is_refused(row: &Row) -> bool {
    row.fields.first().is_some_and(|(text, _)| bad_bytes::reason(text).is_some())
}

/// Compares a row with an object.
fn same(header: &[String], object: &Object, row: &Row) {
    if is_refused(row) {
        return;
    }
    assert_eq!(row.fields.len(), header.len(), "{object:?}");
    for (name, (text, is_quoted)) in header.iter().zip(&row.fields) {
        let text = std::str::from_utf8(text).expect("UTF-8");
        match object.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value) {
            None | Some(Written::Null) => {
                assert!(text.is_empty() && !is_quoted, "{name} of {object:?}: {text:?}")
            }
            Some(Written::Text(value)) => {
                assert!(value.as_deref() == Some(text) && *is_quoted, "{name} of {object:?}: {text:?}")
            }
            Some(Written::Other(value)) => assert_eq!(value, text, "{name} of {object:?}"),
        }
    }
    assert!(object.fields.iter().all(|(key, _)| header.contains(key)), "{object:?} has lost a key");
}
