//! Reads the objects of a text one after another, from lines or from an array.

use std::fmt;
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::bad_bytes;
use super::place::{Kept, Text};
use super::problem;
use super::quick::{Keys, Quick};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The fields of an object, with the values as they are written: a number keeps all its digits.
pub(super) struct Fields(pub(super) Vec<(String, Box<RawValue>)>);

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
                    Some(key) => Err(serde::de::Error::custom(format!("the key `{key}` appears twice"))),
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
pub(super) struct Objects {
    text: Text,
    /// The number of bytes of an object that are read at most, so that a long object cannot fill the memory.
    longest: u64,
    encoding: &'static str,
    pub(super) is_array: bool,
    /// Whether the array is closed.
    has_ended: bool,
    /// The number of objects of the array so far.
    count: u64,
    /// The number of blank lines before the first object, if the text has lines.
    pub(super) blank_lines: u64,
    /// The last byte of a line: LF, or CR in a text whose lines end with CR alone. It is known after the first line.
    end: Option<u8>,
}

/// An object of the text.
pub(super) struct Object {
    /// Whether a byte order mark stands before it, as in files that were joined.
    pub(super) has_mark: bool,
    /// The fields. If the object cannot be read: the reason, and its text.
    pub(super) fields: Result<Fields, (String, String)>,
}

impl Objects {
    /// Begins to read `text`.
    ///
    /// # Errors
    ///
    /// If the text begins neither with an object nor with an array.
    pub(super) fn begin(
        text: Box<dyn BufRead + Send>,
        longest: u64,
        encoding: &'static str,
    ) -> io::Result<Self> {
        let mut text = Text::new(text);
        let is_array = match text.next_letter(true)? {
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
        let blank_lines = if is_array { 0 } else { text.line() - 1 };
        if !is_array {
            text.stop_counting();
        }
        Ok(Self { text, longest, encoding, is_array, has_ended: false, count: 0, blank_lines, end: None })
    }

    /// Reads the next object.
    pub(super) fn next(&mut self) -> io::Result<Option<Object>> {
        if !self.is_array {
            return self.next_line();
        }
        if self.begin_element()? { self.element().map(Some) } else { Ok(None) }
    }

    /// Reads the next line. A blank line becomes an object without fields, so that the other lines keep their numbers.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Object>> {
        let mut line = Vec::new();
        match self.end {
            Some(end) => drop((&mut self.text).take(self.longest).read_until(end, &mut line)?),
            None => self.read_first_line(&mut line)?,
        }
        if line.is_empty() {
            return Ok(None);
        }
        let mut rest = line.as_slice();
        while let Some(without) = rest.strip_prefix(BYTE_ORDER_MARK) {
            rest = without;
        }
        let has_mark = rest.len() < line.len();
        let refused = |reason: String| Ok(Some(Object { has_mark, fields: Err((reason, shown(rest))) }));
        if line.len() as u64 == self.longest && !line.ends_with(&[self.end.unwrap_or(b'\n')]) {
            self.skip_line()?;
            return refused(self.too_long("line"));
        }
        if rest.trim_ascii().is_empty() {
            return Ok(Some(Object { has_mark, fields: Ok(Fields(Vec::new())) }));
        }
        if let Err(error) = std::str::from_utf8(rest) {
            let index = error.valid_up_to();
            let byte = bad_bytes::at(&rest[index..]).unwrap_or(rest[index]);
            return refused(format!("byte {byte:#04x} is not {}; {}", self.encoding, self.remedy()));
        }
        match serde_json::from_slice::<Fields>(rest) {
            Ok(fields) => Ok(Some(Object { has_mark, fields: Ok(fields) })),
            Err(error) => refused(problem::of_line(rest, &error)),
        }
    }

    /// Reads the first line, and finds out how lines end. In JSON, no text has a line end inside, so the first one ends the line.
    fn read_first_line(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        while (line.len() as u64) < self.longest {
            let bytes = self.text.fill_buf()?;
            let most = usize::try_from(self.longest).unwrap_or(usize::MAX) - line.len();
            let bytes = &bytes[..bytes.len().min(most)];
            let found = memchr::memchr2(b'\n', b'\r', bytes);
            let (count, last) = (found.map_or(bytes.len(), |at| at + 1), found.map(|at| bytes[at]));
            line.extend_from_slice(&bytes[..count]);
            self.text.consume(count);
            match last {
                None if count == 0 => break,
                None => {}
                // A text with line feeds further on has lines that end with them.
                Some(b'\r') if memchr::memchr(b'\n', self.text.fill_buf()?).is_none() => {
                    self.end = Some(b'\r');
                    return Ok(());
                }
                // The line feed comes in a later round.
                Some(b'\r') => {}
                Some(_) => break,
            }
        }
        self.end = Some(b'\n');
        Ok(())
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
            let end = memchr::memchr(self.end.unwrap_or(b'\n'), bytes);
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
    pub(super) fn begin_element(&mut self) -> io::Result<bool> {
        if self.has_ended {
            return Ok(false);
        }
        let mut next = self.next_of_array()?;
        if self.count > 0 && next == b',' {
            self.text.consume(1);
            next = self.next_of_array()?;
            if matches!(next, b']' | b',') {
                let what = format!(
                    "no object follows the comma after the object {} of the array; remove the comma",
                    self.count
                );
                return Err(self.wrong(&what));
            }
        } else if self.count > 0 && next != b']' {
            let what = format!(
                "a comma is missing after the object {} of the array; write one between two objects",
                self.count
            );
            return Err(self.wrong(&what));
        }
        if next == b']' {
            self.text.consume(1);
            self.has_ended = true;
            return match self.text.next_letter(false)? {
                None => Ok(false),
                Some(_) => Err(self.wrong(
                    "text follows the array of objects; put all objects into one array, or write each object on one line",
                )),
            };
        }
        self.count += 1;
        if next != b'{' {
            return Err(self.wrong(&format!(
                "the element {} of the array is not an object; write each element as an object, {{…}}",
                self.count
            )));
        }
        Ok(true)
    }

    fn next_of_array(&mut self) -> io::Result<u8> {
        self.text.next_letter(false)?.ok_or_else(not_closed)
    }

    /// Returns an error about the next byte.
    fn wrong(&self, what: &str) -> io::Error {
        io::Error::other(format!("{}: {what}", self.text.next_place()))
    }

    /// Reads the element of the array that [`Self::begin_element`] has found.
    pub(super) fn element(&mut self) -> io::Result<Object> {
        let (begin, count) = ((self.text.line(), self.text.column()), self.count);
        let mut text = Kept { inner: (&mut self.text).take(self.longest), bytes: Vec::new() };
        let element = serde_json::Deserializer::from_reader(&mut text).into_iter::<Fields>().next();
        let (is_long, bytes) = (text.inner.limit() == 0, text.bytes);
        if is_long {
            let what = self.too_long(&format!("object {count} of the array"));
            return Err(io::Error::other(format!("line {}: {what}", begin.0)));
        }
        match element {
            Some(Ok(fields)) => Ok(Object { has_mark: false, fields: Ok(fields) }),
            Some(Err(error)) if error.is_io() => Err(error.into()),
            // After an error the end of the object is not known.
            Some(Err(error)) => Err(self.broken(&error, begin, &bytes)),
            None => Err(not_closed()),
        }
    }

    /// Says why the object of the array that begins at the line and the column of `begin` cannot be read. `bytes` is its text.
    fn broken(&self, error: &serde_json::Error, begin: (u64, u64), bytes: &[u8]) -> io::Error {
        let count = self.count;
        if error.is_eof() {
            return io::Error::other(format!(
                "the object {count} of the array, which begins in line {}, is not JSON: the file ends before the object does; the file \
                 is not whole, so drop it again",
                begin.0
            ));
        }
        let (place, found) = problem::place(bytes, begin, error);
        let what = if error.to_string().contains("invalid unicode code point") {
            format!("has a byte that is not {}; {}", self.encoding, self.remedy())
        } else {
            format!("is not JSON: {}", problem::explained(error, found))
        };
        io::Error::other(format!("{place}: the object {count} of the array {what}"))
    }

    /// Appends the record of the next object, if it stands whole in the buffer and is a usual one. In an array,
    /// [`Self::begin_element`] has found the object. Returns `false`, and reads nothing, if it is left to [`Self::next_line`]
    /// or [`Self::element`].
    pub(super) fn quick(&mut self, quick: &mut Quick, keys: &Keys, out: &mut Vec<u8>) -> io::Result<bool> {
        let mut bytes = self.text.fill_buf()?;
        if !self.is_array {
            let Some(end) = self.end.and_then(|end| memchr::memchr(end, bytes)) else { return Ok(false) };
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
    io::Error::other("the array of objects is not closed by ]; the file is not whole, so drop it again")
}

/// Returns the first 1,024 bytes of a line as text.
fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(1024)]).into_owned()
}
