//! Turns an object into a record in one pass, without a copy of its values, if the object is a usual one.
//!
//! Whatever is unusual, such as a new key, a key that stands twice, or text that is not JSON, is left to the general way, which
//! finds the reason.

use std::ops::Range;

use foldhash::HashMap;
use serde_json::value::RawValue;

use super::super::super::dialect::Literal;
use super::super::super::header;
use super::super::csv_text::push_text;

/// The keys of the header, and the place of each of them.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) names: Vec<String>,
    pub(super) places: HashMap<String, usize>,
    /// Whether an object must have the key, for each name.
    pub(super) needed: Vec<bool>,
    /// The columns whose values look like nested values of JSON, for each name.
    pub(super) literals: Vec<Option<Literal>>,
}

impl Keys {
    pub(super) fn add(&mut self, key: &str) {
        if !self.places.contains_key(key) {
            self.places.insert(key.to_owned(), self.names.len());
            self.names.push(key.to_owned());
        }
    }

    /// Returns the keys in another order: at first those that `first` names, in its order. A name that no object has becomes a key, too.
    pub(super) fn beginning_with(self, first: &[String]) -> Self {
        let mut ordered = Self::default();
        for name in first {
            let is_alike = |key: &&String| {
                header::declares(name, key) || header::has_alike(std::slice::from_ref(key), name)
            };
            let alike = self.names.iter().find(is_alike);
            ordered.add(alike.unwrap_or(name));
        }
        self.names.iter().for_each(|key| ordered.add(key));
        ordered
    }
}

/// The state that goes from one object to the next.
#[derive(Default)]
pub(super) struct Quick {
    /// The keys of the header as JSON, in quotes.
    keys: Vec<Vec<u8>>,
    /// The place of each field of the last object in the header. The next object most likely has the same order.
    order: Vec<usize>,
    /// The value of each column.
    values: Vec<Value>,
    /// The number of the object, which marks its values.
    object: u64,
}

#[derive(Clone, Default)]
struct Value {
    /// The number of the last object that has this value.
    object: u64,
    kind: Kind,
    /// The place of its text in the bytes. The quotes of a string belong to it.
    range: Range<usize>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Null,
    /// A number, `true` or `false`.
    Word,
    Nested,
    /// A string without escapes: its text is the bytes between the quotes.
    Text,
    /// A string with a backslash.
    Escaped,
}

impl Quick {
    pub(super) fn new(keys: &Keys) -> Self {
        let quoted = |key: &String| serde_json::Value::from(key.as_str()).to_string().into_bytes();
        let values = vec![Value::default(); keys.names.len()];
        Self { keys: keys.names.iter().map(quoted).collect(), values, ..Self::default() }
    }

    /// Appends the record of the object at the start of `bytes`, and returns the length of the object. Returns `None`,
    /// and appends nothing, if the object is unusual, or goes on behind `bytes`.
    pub(super) fn push(&mut self, keys: &Keys, bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        self.object += 1;
        let (end, count) = self.read(keys, bytes)?;
        let lacks = |(value, is_needed): (&Value, &bool)| *is_needed && value.object != self.object;
        if count > 0 && self.values.iter().zip(&keys.needed).any(lacks) {
            return None;
        }
        let before = out.len();
        if count == 0 {
            out.push(b'\n');
        } else if self.write(keys, bytes, out).is_none() {
            out.truncate(before);
            return None;
        }
        Some(end)
    }

    /// Finds the values, and returns the length of the object and the number of its fields.
    fn read(&mut self, keys: &Keys, bytes: &[u8]) -> Option<(usize, usize)> {
        let mut at = after_blanks(bytes, 0);
        if *bytes.get(at)? != b'{' {
            return None;
        }
        at = after_blanks(bytes, at + 1);
        if *bytes.get(at)? == b'}' {
            return Some((at + 1, 0));
        }
        for index in 0.. {
            let (place, end) = self.key(index, keys, bytes, at)?;
            at = after_blanks(bytes, end);
            if *bytes.get(at)? != b':' {
                return None;
            }
            at = after_blanks(bytes, at + 1);
            let (kind, end) = value(bytes, at)?;
            let slot = self.values.get_mut(place)?;
            if slot.object == self.object {
                return None;
            }
            *slot = Value { object: self.object, kind, range: at..end };
            at = after_blanks(bytes, end);
            match *bytes.get(at)? {
                b',' => at = after_blanks(bytes, at + 1),
                b'}' => return Some((at + 1, index + 1)),
                _ => return None,
            }
        }
        None
    }

    /// Returns the place of the key at `at`, and the end of the key. The key is that of the field `index`.
    fn key(&mut self, index: usize, keys: &Keys, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        if let Some(place) = self.order.get(index)
            && let Some(key) = self.keys.get(*place)
            && bytes[at..].starts_with(key)
        {
            return Some((*place, at + key.len()));
        }
        let (kind, end) = string(bytes, at)?;
        let place = if kind == Kind::Text {
            keys.places.get(std::str::from_utf8(&bytes[at + 1..end - 1]).ok()?)
        } else {
            keys.places.get(&serde_json::from_slice::<String>(&bytes[at..end]).ok()?)
        };
        let place = *place?;
        match self.order.get_mut(index) {
            Some(last) => *last = place,
            None => self.order.push(place),
        }
        Some((place, end))
    }

    fn write(&self, keys: &Keys, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
        for (index, value) in self.values.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if value.object != self.object {
                continue;
            }
            let text = &bytes[value.range.clone()];
            match value.kind {
                Kind::Null => {}
                // A string without a backslash has no quote, and is in quotes already.
                Kind::Word | Kind::Text => out.extend_from_slice(text),
                Kind::Nested if is_literal(keys, index, text) => return None,
                Kind::Nested => push_text(std::str::from_utf8(text).ok()?, false, out),
                Kind::Escaped => push_text(&serde_json::from_slice::<String>(text).ok()?, true, out),
            }
        }
        out.push(b'\n');
        Some(())
    }
}

/// Returns whether a nested value may be read as another value of its column.
fn is_literal(keys: &Keys, index: usize, value: &[u8]) -> bool {
    keys.literals.get(index).copied().flatten().is_some_and(|literal| literal.is_alike(value))
}

fn after_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Returns the kind and the end of the value at `at`.
fn value(bytes: &[u8], at: usize) -> Option<(Kind, usize)> {
    let word = |word: &[u8], kind| bytes[at..].starts_with(word).then_some((kind, at + word.len()));
    match *bytes.get(at)? {
        b'"' => string(bytes, at),
        b'n' => word(b"null", Kind::Null),
        b't' => word(b"true", Kind::Word),
        b'f' => word(b"false", Kind::Word),
        b'{' | b'[' => {
            let mut values = serde_json::Deserializer::from_slice(&bytes[at..]).into_iter::<&RawValue>();
            values.next()?.ok()?;
            Some((Kind::Nested, at + values.byte_offset()))
        }
        _ => Some((Kind::Word, number(bytes, at)?)),
    }
}

/// Returns the end of the number at `at`.
fn number(bytes: &[u8], mut at: usize) -> Option<usize> {
    let digits = |from: usize| {
        let count = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(from + count)
    };
    if bytes[at] == b'-' {
        at += 1;
    }
    at = if *bytes.get(at)? == b'0' { at + 1 } else { digits(at)? };
    if *bytes.get(at)? == b'.' {
        at = digits(at + 1)?;
    }
    if matches!(*bytes.get(at)?, b'e' | b'E') {
        at += 1;
        if matches!(*bytes.get(at)?, b'+' | b'-') {
            at += 1;
        }
        at = digits(at)?;
    }
    Some(at)
}

/// Returns the kind and the end of the string at `at`.
fn string(bytes: &[u8], at: usize) -> Option<(Kind, usize)> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let mut kind = Kind::Text;
    let mut at = at + 1;
    loop {
        at = special(bytes, at)?;
        match bytes[at] {
            b'"' => return Some((kind, at + 1)),
            // What follows is checked when the text is made.
            b'\\' => (kind, at) = (Kind::Escaped, at + 2),
            _ => return None,
        }
    }
}

/// Returns the index of the next quote, backslash or control character. Looks at eight bytes at a time.
fn special(bytes: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    while let Some(word) = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()) {
        let word = u64::from_le_bytes(word);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        // Above the lowest hit a bit may be set by a borrow, so only the lowest one counts.
        let hits = (control | quote | backslash) & HIGH;
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    let index = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    Some(at + index)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read as _};

    use super::super::{Dialect, LEADING, csv};
    use super::*;

    const USUAL: [&str; 11] = [
        "{\"a\":1,\"b\":\"x\"}",
        " { \"b\" : -0.50e+7 , \"a\" : true }\r",
        "{\"b\": \"Müller, and more than eight bytes\", \"a\": null}",
        "{\"\\u0061\": \"q\\\"uoted\\n\", \"b\": \"\\ud83d\\ude00\"}",
        "{\"a\": {\"x\": [1, \"}\"]}, \"b\": []}",
        "{\"q\\\"\": \"\"}",
        "{}",
        "{ }",
        "{\"a\": 0}",
        "{\"a\": \"12345678\\\\\"}",
        "{\"b\": \"\u{7f}\u{80}\", \"a\": false}",
    ];
    const UNUSUAL: [&str; 24] = [
        "",
        "  ",
        "{",
        "{\"a\"",
        "{\"a\": 01}",
        "{\"a\": 1.}",
        "{\"a\": .5}",
        "{\"a\": -}",
        "{\"a\": 1e}",
        "{\"a\": +1}",
        "{\"a\": nul}",
        "{\"a\": nullx}",
        "{\"a\": \"open}",
        "{\"a\": \"open\\",
        "{\"a\": \"tab\there\"}",
        "{\"a\": \"\\x\"}",
        "{\"a\": \"\\ud83d\"}",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\": 1, \"\\u0061\": 2}",
        "{\"new\": 1}",
        "{\"a\": [1, 2}",
        "{\"a\": 1,}",
        "{a: 1}",
        "[1]",
    ];

    fn header() -> Keys {
        let mut keys = Keys::default();
        ["a", "b", "q\""].into_iter().for_each(|key| keys.add(key));
        keys
    }

    #[test]
    fn only_usual_objects_are_read_in_one_pass() {
        let (keys, mut out) = (header(), Vec::new());
        let mut quick = Quick::new(&keys);
        for object in USUAL {
            assert_eq!(
                quick.push(&keys, object.as_bytes(), &mut out),
                Some(object.trim_end().len()),
                "{object}"
            );
        }
        out.clear();
        for object in UNUSUAL {
            assert_eq!(quick.push(&keys, object.as_bytes(), &mut out), None, "{object}");
        }
        assert!(out.is_empty(), "{}", String::from_utf8_lossy(&out));
    }

    /// With a buffer of few bytes no object stands whole in the buffer, so all of them are read in the general way.
    #[test]
    fn both_ways_make_the_same_records() {
        let dialect = Dialect { longest_record: 60, ..Dialect::default() };
        let leading = "{\"a\": 1, \"b\": 2, \"q\\\"\": 3}\n".repeat(LEADING);
        let all = [&USUAL[..], &UNUSUAL, &["{\"a\": 1}x", "{\"a\": 1} {}", "{\"b\": 7}"]].concat().join("\n");
        let array = format!("[{},{}]", leading.trim_end().replace('\n', ","), USUAL.join(" ,\n"));
        for text in
            [format!("{leading}{all}\n"), format!("{leading}{all}"), array.clone(), format!("{array}x")]
        {
            let text: &'static [u8] = text.into_bytes().leak();
            let made = |capacity| {
                let mut out = Vec::new();
                let text = Box::new(BufReader::with_capacity(capacity, text));
                let read = csv(text, &dialect, "UTF-8").and_then(|mut made| made.read_to_end(&mut out));
                (String::from_utf8_lossy(&out).into_owned(), read.map_err(|error| error.to_string()))
            };
            assert_eq!(made(1 << 20), made(3));
        }
    }
}
