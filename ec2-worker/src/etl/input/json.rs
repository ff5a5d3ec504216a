//! Turns JSON lines, or one array of objects, into CSV. The keys of the objects are the header.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::bad_bytes;
use super::csv_text::push_record;
use quick::{Keys, Quick};

mod quick;

/// The number of objects whose keys make the header.
const LEADING: usize = 1000;
/// The largest size of these objects in bytes. After it, fewer than [`LEADING`] objects make the header.
const LEADING_BYTES: usize = 4 * 1024 * 1024;

/// Returns `text` as CSV with a header. An object must be shorter than `longest` bytes. `encoding` is the encoding of the file
/// for messages.
///
/// # Errors
///
/// If the text begins neither with an object nor with an array.
pub(super) fn csv(
    mut text: Box<dyn BufRead + Send>,
    longest: usize,
    encoding: &'static str,
) -> io::Result<impl Read + Send> {
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
    let longest = longest as u64;
    let mut objects = Objects { text, longest, encoding, is_array, has_ended: false, count: 0 };
    let (mut leading, mut bytes, mut keys) = (VecDeque::new(), 0, Keys::default());
    while leading.len() < LEADING && bytes < LEADING_BYTES {
        let Some(object) = objects.next()? else { break };
        if let Ok(Fields(fields)) = &object {
            for (key, value) in fields {
                bytes += key.len() + value.get().len();
                keys.add(key);
            }
        }
        leading.push_back(object);
    }
    let mut out = Vec::new();
    if !keys.names.is_empty() {
        push_record(keys.names.iter().map(|key| Some((key.as_str(), true))), &mut out);
    }
    let quick = Quick::new(&keys);
    Ok(Csv { objects, leading, keys, quick, out, next: 0, failure: None })
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
struct Csv {
    objects: Objects,
    /// The objects that were read for the header and are not yet written.
    leading: VecDeque<Object>,
    keys: Keys,
    quick: Quick,
    out: Vec<u8>,
    /// The index in `out` of the first byte that was not yet read.
    next: usize,
    /// The failure that comes after the bytes of `out`.
    failure: Option<io::Error>,
}

impl Csv {
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
        for (key, value) in fields {
            let text = match self.keys.places.get(key) {
                Some(place) => text(key, value.get()).map(|text| texts[*place] = text),
                None => Err(format!(
                    "the key `{key}` does not stand in the first {LEADING} objects of the file; add it to the first \
                         object, with the value null"
                )),
            };
            if let Err(reason) = text {
                return bad_bytes::push_reason(&reason, &written(fields), &mut self.out);
            }
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
mod tests {
    use super::*;

    fn made(text: &'static str) -> io::Result<String> {
        made_of(text.as_bytes())
    }

    fn made_of(text: &'static [u8]) -> io::Result<String> {
        let mut out = Vec::new();
        csv(Box::new(io::BufReader::with_capacity(3, text)), 100, "UTF-8")?.read_to_end(&mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn lines_and_arrays_give_the_same_rows() {
        let rows = "\"id\",\"name\",\"more\"\n1,\"A, \"\"B\"\"\",\n2,,\"{\"\"x\"\": [1, 2]}\"\n";
        let lines = "{\"id\": 1, \"name\": \"A, \\\"B\\\"\"}\n{\"more\": {\"x\": [1, 2]}, \"id\": 2, \"name\": null}\n";
        assert_eq!(made(lines).expect("legal"), rows);
        let array = "[{\"id\": 1, \"name\": \"A, \\\"B\\\"\"} ,\n {\"more\": {\"x\": [1, 2]}, \"id\": 2, \"name\": null}]\n";
        assert_eq!(made(array).expect("legal"), rows);
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        let text = "{\"n\": 1.10}\n{\"n\": 12345678901234567890.123456789}\n{\"n\": -0e5}\n";
        assert_eq!(made(text).expect("legal"), "\"n\"\n1.10\n12345678901234567890.123456789\n-0e5\n");
    }

    #[test]
    fn a_bad_line_is_refused_alone_and_a_bad_array_as_a_whole() {
        let text = made("{\"a\": 1}\n{\"a\": \n\n{\"a\": 1, \"a\": 2}\n{\"a\": 3}\n").expect("the others");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[1], lines[3], lines[5]), ("\"a\"", "1", "", "3"));
        assert!(lines[2].contains("the line is not a JSON object: EOF"), "{text}");
        assert!(lines[4].contains("the key `a` stands in it twice"), "{text}");
        assert!(made("[{\"a\": 1}, {\"a\":").is_err());
        assert!(made("[{\"a\": 1} {\"a\": 2}]").is_err());
        assert!(made("[{\"a\": 1}]x").is_err());
        assert!(made("[{\"a\": 1}\u{feff}]").is_err());
        assert!(made("a,b\n1,2\n").is_err());
    }

    #[test]
    fn an_object_that_is_too_long_never_comes_into_memory_whole() {
        let long = format!("{{\"a\": 1}}\n{{\"a\": \"{}\"}}\n{{\"a\": 3}}\n", "x".repeat(500));
        let text = made(long.leak()).expect("the others");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].contains("the line is longer than 100 bytes"), "{text}");
        assert_eq!((lines.len(), lines[1], lines[3]), (4, "1", "3"));
        let array = format!("[{{\"a\": 1}}, {{\"a\": \"{}\"}}]", "x".repeat(500));
        let error = made(array.leak()).expect_err("its end is not known");
        assert!(error.to_string().contains("the object 2 of the array is longer than 100 bytes"), "{error}");
    }

    #[test]
    fn a_byte_of_another_encoding_is_named() {
        let lines = made_of(b"{\"a\": 1}\n{\"a\": \"caf\xe9\"}\n").expect("the other");
        // The comma behind it is written as another byte until the reason is read.
        assert!(lines.contains("byte 0xe9 is not UTF-8; save the file as UTF-8\u{fffd} or set"), "{lines}");
        let array = made_of(b"[{\"a\": \"caf\xe9\"}]").expect_err("its end is not known").to_string();
        assert!(
            array.contains("has a byte that is not UTF-8; save the file as UTF-8, or set `myEncoding`"),
            "{array}"
        );
    }

    #[test]
    fn an_object_of_many_keys_takes_no_quadratic_time() {
        let fields: Vec<String> = (0..200_000).map(|number| format!("\"k{number}\":{number}")).collect();
        let object = format!("{{{}}}\n", fields.join(","));
        let text = format!("{object}{object}").leak();
        let begin = std::time::Instant::now();
        let mut out = Vec::new();
        let made = csv(Box::new(text.as_bytes()), 64_000_000, "UTF-8")
            .and_then(|mut made| made.read_to_end(&mut out));
        made.expect("legal");
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 3);
        assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
    }

    #[test]
    fn half_a_surrogate_pair_is_refused_and_not_an_empty_text() {
        let text = made("{\"a\": 1, \"b\": \"Hi \\ud83d\"}\n{\"a\": 2, \"b\": \"\\ud83d\\ude00\"}\n")
            .expect("the other");
        assert!(text.contains("the value of `b` is no text"), "{text}");
        assert!(text.ends_with("2,\"😀\"\n"), "{text}");
    }
}
