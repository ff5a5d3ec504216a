//! Turns JSON lines, or one array of objects, into CSV. The keys of the objects are the header.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::dialect::Dialect;
use super::super::header;
use super::bad_bytes;
use super::csv_text::push_record;
use quick::{Keys, Quick};

mod quick;

/// The number of objects whose keys make the header.
const LEADING: usize = 1000;
/// The largest size of these objects in bytes. After it, fewer than [`LEADING`] objects make the header.
const LEADING_BYTES: usize = 4 * 1024 * 1024;

/// Returns `text` as CSV with a header. An object must be shorter than the longest record of `dialect`. `encoding` is the encoding
/// of the file for messages.
///
/// # Errors
///
/// If the text begins neither with an object nor with an array.
pub(super) fn csv(
    mut text: Box<dyn BufRead + Send>,
    dialect: &Dialect,
    encoding: &'static str,
) -> io::Result<Csv> {
    let is_array = match first_letter(&mut text, true)? {
        Some(b'[') => {
            text.consume(1);
            true
        }
        Some(b'{') | None => false,
        Some(_) => {
            let what = "the file is not JSON: it begins neither with an object, {…}, nor with an array of objects, [{…}]";
            return Err(io::Error::other(what));
        }
    };
    let longest = dialect.longest_record as u64;
    let mut objects = Objects { text, longest, encoding, is_array, has_ended: false, count: 0 };
    let (mut leading, mut bytes, mut keys) = (VecDeque::new(), 0, Keys::default());
    let mut has_more = true;
    while has_more && leading.len() < LEADING && bytes < LEADING_BYTES {
        let Some(object) = objects.next()? else {
            has_more = false;
            continue;
        };
        if let Ok(Fields(fields)) = &object {
            for (key, value) in fields {
                bytes += key.len() + value.get().len();
                keys.add(key);
            }
        }
        leading.push_back(object);
    }
    let late = &dialect.late_keys;
    let is_missing = |name: &&String| !keys.names.is_empty() && !header::has_alike(&keys.names, name);
    let missing: Vec<&String> = late.known.iter().filter(is_missing).collect();
    missing.iter().for_each(|name| keys.add(name));
    let note = note(leading.len(), has_more, late.ignores_others, &missing);
    let ignores_others = late.ignores_others && has_more;
    let mut out = Vec::new();
    if !keys.names.is_empty() {
        push_record(keys.names.iter().map(|key| Some((key.as_str(), true))), &mut out);
    }
    let quick = Quick::new(&keys);
    Ok(Csv { objects, leading, keys, ignores_others, note, quick, out, next: 0, failure: None })
}

/// Returns a sentence for the user about keys that may be missing or left out. `leading` is the number of the objects whose keys are
/// known, and `missing` are the columns that none of them names.
fn note(leading: usize, has_more: bool, ignores_others: bool, missing: &[&String]) -> Option<String> {
    if has_more && ignores_others {
        return Some(format!(
            "keys that stand in none of the first {leading} objects of the file, and are no columns of the table, are left out"
        ));
    }
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let is_told = !has_more && !names.is_empty();
    is_told.then(|| format!("no object has a key for {}, so the column is NULL", names.join(", ")))
}

/// Skips blanks, and at the start of the file a byte order mark. Returns the next byte without reading it.
fn first_letter(text: &mut dyn BufRead, is_start: bool) -> io::Result<Option<u8>> {
    loop {
        let bytes = text.fill_buf()?;
        let Some(first) = bytes.first().copied() else { return Ok(None) };
        let is_mark = is_start && matches!(first, 0xef | 0xbb | 0xbf);
        if !matches!(first, b' ' | b'\t' | b'\n' | b'\r') && !is_mark {
            return Ok(Some(first));
        }
        text.consume(1);
    }
}

/// The fields of an object, with the values as they are written: a number keeps all its digits.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                match twice(&fields) {
                    Some(key) => Err(serde::de::Error::custom(format!("the key `{key}` stands in it twice"))),
                    None => Ok(Fields(fields)),
                }
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Returns a key that stands twice in an object. Many keys take no quadratic time.
fn twice(fields: &[(String, Box<RawValue>)]) -> Option<&str> {
    let mut keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.windows(2).find(|two| two[0] == two[1]).map(|two| two[0])
}

/// The objects of the text, one after another. In place of an object that cannot be read comes the reason.
struct Objects {
    text: Box<dyn BufRead + Send>,
    /// The number of bytes of an object that are read at most, so that a long object cannot fill the memory.
    longest: u64,
    encoding: &'static str,
    is_array: bool,
    /// Whether the array is closed.
    has_ended: bool,
    count: u64,
}

/// An object. If it cannot be read: the reason, and its text.
type Object = Result<Fields, (String, String)>;

impl Objects {
    fn next(&mut self) -> io::Result<Option<Object>> {
        if !self.is_array {
            return self.next_line();
        }
        if self.begin_element()? { self.element().map(Some) } else { Ok(None) }
    }

    /// Reads the next line. A blank line becomes an object without fields, so that the other lines keep their numbers.
    fn next_line(&mut self) -> io::Result<Option<Object>> {
        let mut line = Vec::new();
        if (&mut self.text).take(self.longest).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.len() as u64 == self.longest && !line.ends_with(b"\n") {
            self.skip_line()?;
            return Ok(Some(Err((self.too_long("line"), shown(&line)))));
        }
        if line.trim_ascii().is_empty() {
            return Ok(Some(Ok(Fields(Vec::new()))));
        }
        if let Err(error) = std::str::from_utf8(&line) {
            let index = error.valid_up_to();
            let byte = bad_bytes::at(&line[index..]).unwrap_or(line[index]);
            let what = format!("byte {byte:#04x} is not {}; {}", self.encoding, self.remedy());
            return Ok(Some(Err((what, shown(&line)))));
        }
        let object = serde_json::from_slice::<Fields>(&line);
        let problem =
            |error| (format!("the line is not a JSON object: {error}; correct the line"), shown(&line));
        Ok(Some(object.map_err(problem)))
    }

    /// Returns what to do with text that is not in the encoding of the file.
    fn remedy(&self) -> &'static str {
        match self.encoding {
            "UTF-8" => "save the file as UTF-8, or set `myEncoding`, for example to windows-1252",
            _ => "`myEncoding` must name the encoding of the file; correct it, or write this character again",
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.text.fill_buf()?;
            let end = memchr::memchr(b'\n', bytes);
            let count = end.map_or(bytes.len(), |end| end + 1);
            self.text.consume(count);
            if end.is_some() || count == 0 {
                return Ok(());
            }
        }
    }

    fn too_long(&self, what: &str) -> String {
        format!("the {what} is longer than {} bytes; `myMaxRecordBytes` allows more", self.longest)
    }

    /// Goes to the next element of the array, and returns whether there is one.
    fn begin_element(&mut self) -> io::Result<bool> {
        if self.has_ended {
            return Ok(false);
        }
        let mut next = first_letter(&mut self.text, false)?.ok_or_else(not_closed)?;
        if self.count > 0 && next == b',' {
            self.text.consume(1);
            next = first_letter(&mut self.text, false)?.ok_or_else(not_closed)?;
            if next == b']' {
                let what = format!(
                    "an object is missing between the comma after the object {} and the ]",
                    self.count
                );
                return Err(io::Error::other(what));
            }
        } else if self.count > 0 && next != b']' {
            let what = format!("a comma is missing after the object {} of the array", self.count);
            return Err(io::Error::other(what));
        }
        if next == b']' {
            self.text.consume(1);
            self.has_ended = true;
            return match first_letter(&mut self.text, false)? {
                None => Ok(false),
                Some(_) => Err(io::Error::other("text follows the array of objects")),
            };
        }
        self.count += 1;
        if next != b'{' {
            return Err(io::Error::other(format!(
                "the element {} of the array is not an object",
                self.count
            )));
        }
        Ok(true)
    }

    /// Reads the element of the array that [`Self::begin_element`] has found.
    fn element(&mut self) -> io::Result<Object> {
        let mut text = (&mut self.text).take(self.longest);
        let element = serde_json::Deserializer::from_reader(&mut text).into_iter::<Fields>().next();
        if text.limit() == 0 {
            return Err(io::Error::other(self.too_long(&format!("object {} of the array", self.count))));
        }
        match element {
            Some(Ok(fields)) => Ok(Ok(fields)),
            // After an error the end of the object is not known.
            Some(Err(error)) => {
                let mut what = format!("the object {} of the array is not JSON: {error}", self.count);
                if what.contains("invalid unicode code point") {
                    what = format!(
                        "the object {} of the array has a byte that is not {}; {}",
                        self.count,
                        self.encoding,
                        self.remedy()
                    );
                }
                Err(io::Error::other(what))
            }
            None => Err(not_closed()),
        }
    }

    /// Appends the record of the next object, if it stands whole in the buffer and is a usual one. In an array,
    /// [`Self::begin_element`] has found the object. Returns `false`, and reads nothing, if it is left to [`Self::next_line`]
    /// or [`Self::element`].
    fn quick(&mut self, quick: &mut Quick, keys: &Keys, out: &mut Vec<u8>) -> io::Result<bool> {
        let mut bytes = self.text.fill_buf()?;
        if !self.is_array {
            let Some(end) = memchr::memchr(b'\n', bytes) else { return Ok(false) };
            bytes = &bytes[..=end];
        }
        let before = out.len();
        let end = quick.push(keys, bytes, out).filter(|end| {
            let (object, rest) = bytes.split_at(*end);
            std::str::from_utf8(object).is_ok()
                && if self.is_array {
                    (object.len() as u64) < self.longest
                } else {
                    bytes.len() as u64 <= self.longest
                        && rest.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
                }
        });
        let Some(end) = end else {
            out.truncate(before);
            return Ok(false);
        };
        let count = if self.is_array { end } else { bytes.len() };
        self.text.consume(count);
        Ok(true)
    }
}

fn not_closed() -> io::Error {
    io::Error::other("the array of objects is not closed by ]; the file is not whole")
}

/// The CSV of the objects.
pub(super) struct Csv {
    objects: Objects,
    /// The objects that were read for the header and are not yet written.
    leading: VecDeque<Object>,
    keys: Keys,
    /// Whether keys that are not in the header are left out.
    ignores_others: bool,
    note: Option<String>,
    quick: Quick,
    out: Vec<u8>,
    /// The index in `out` of the first byte that was not yet read.
    next: usize,
    /// The failure that comes after the bytes of `out`.
    failure: Option<io::Error>,
}

impl Csv {
    /// Returns a sentence for the user about keys that may be missing or left out.
    pub(super) fn note(&self) -> Option<String> {
        self.note.clone()
    }

    /// Appends the record of the next object, and returns whether there is one.
    fn push_next(&mut self) -> io::Result<bool> {
        if let Some(object) = self.leading.pop_front() {
            self.push_object(&object);
            return Ok(true);
        }
        if self.objects.is_array && !self.objects.begin_element()? {
            return Ok(false);
        }
        if self.objects.quick(&mut self.quick, &self.keys, &mut self.out)? {
            return Ok(true);
        }
        let object = match self.objects.is_array {
            true => Some(self.objects.element()?),
            false => self.objects.next_line()?,
        };
        object.iter().for_each(|object| self.push_object(object));
        Ok(object.is_some())
    }

    fn push_object(&mut self, object: &Object) {
        let fields = match object {
            Ok(Fields(fields)) if fields.is_empty() => {
                self.out.push(b'\n');
                return;
            }
            Ok(Fields(fields)) => fields,
            Err((reason, raw)) => return bad_bytes::push_reason(reason, raw, &mut self.out),
        };
        let mut texts = vec![None; self.keys.names.len()];
        let (mut left_out, mut known) = (None, 0);
        for (key, value) in fields {
            let text = match self.keys.places.get(key) {
                Some(place) => {
                    known += 1;
                    text(key, value.get()).map(|text| texts[*place] = text)
                }
                None if header::has_alike(&self.keys.names, key) => Err(format!(
                    "the key `{key}` is written in another way in the first {LEADING} objects of the file; write it alike everywhere"
                )),
                None if self.ignores_others => {
                    left_out = Some(key);
                    Ok(())
                }
                None => Err(format!(
                    "the key `{key}` does not stand in the first {LEADING} objects of the file; add it to the first \
                         object, with the value null"
                )),
            };
            if let Err(reason) = text {
                return bad_bytes::push_reason(&reason, &written(fields), &mut self.out);
            }
        }
        // Without this check, the object would be taken for a line without any value.
        if let (Some(key), 0) = (left_out, known) {
            let reason = format!(
                "none of its keys is a column of the table, as `{key}`; write them as the table has them"
            );
            return bad_bytes::push_reason(&reason, &written(fields), &mut self.out);
        }
        let texts = texts.iter().map(|text| text.as_ref().map(|(text, is_text)| (text.as_str(), *is_text)));
        push_record(texts, &mut self.out);
    }
}

/// Returns the text of a JSON value, and whether it is a string; `None` for `null`.
///
/// # Errors
///
/// If the value is a string that is no Unicode text, such as one with half of a surrogate pair.
fn text(key: &str, raw: &str) -> Result<Option<(String, bool)>, String> {
    Ok(match raw {
        "null" => None,
        _ if raw.starts_with('"') => {
            let text = serde_json::from_str(raw);
            Some((
                text.map_err(|error| format!("the value of `{key}` is no text: {error}; correct it"))?,
                true,
            ))
        }
        _ => Some((raw.to_owned(), false)),
    })
}

/// Returns an object as JSON.
fn written(fields: &[(String, Box<RawValue>)]) -> String {
    let fields = fields
        .iter()
        .map(|(key, value)| format!("{}: {}", serde_json::Value::from(key.as_str()), value.get()));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

/// Returns the first 1,024 bytes of a line as text.
fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(1024)]).into_owned()
}

impl Read for Csv {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.next == self.out.len() {
            self.out.clear();
            self.next = 0;
            self.failure.take().map_or(Ok(()), Err)?;
            // Few long reads, because the caller clears the buffer for each of them.
            while self.out.len() < buffer.len() {
                match self.push_next() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(failure) if self.out.is_empty() => return Err(failure),
                    Err(failure) => {
                        self.failure = Some(failure);
                        break;
                    }
                }
            }
        }
        let count = buffer.len().min(self.out.len() - self.next);
        buffer[..count].copy_from_slice(&self.out[self.next..self.next + count]);
        self.next += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
