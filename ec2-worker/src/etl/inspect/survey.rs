//! The first look at a file, before its records are cut: its packing, encoding, form and line ends.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};
use memchr::memchr_iter;
use serde::Serialize;

use super::super::dialect::{Dialect, Form};
use super::super::input::{Input, foreign};
use crate::failure::Failure;

/// The number of bytes at the start of the text by which JSON is recognised.
const HEAD: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The findings about the bytes of a file.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The size of its text in bytes, unpacked and as UTF-8 if it is in UTF-16 or UTF-32.
    pub text_bytes: u64,
    /// How the file is packed, or `None` if it is not.
    pub packing: Option<&'static str>,
    /// Whether the file is text with separators, JSON, or a workbook.
    pub form: Form,
    /// The name of the encoding, in words for people.
    pub encoding: String,
    /// The encoding that a data format must declare, if a load does not find it by itself.
    pub declared: Option<&'static Encoding>,
    /// The ends of lines.
    pub line_ends: LineEnds,
    /// The start of the text, decoded.
    pub head: String,
}

/// How often each kind of line end is in the text, also within quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineEnds {
    /// CR LF, as on Windows.
    pub crlf: u64,
    /// LF, as on Unix.
    pub lf: u64,
    /// CR, as on old Macs.
    pub cr: u64,
}

/// Returns whether the file at `path` is a workbook or text. JSON counts as text here; [`text`] recognises it.
///
/// # Errors
///
/// If the file cannot be read, is empty, or is of a kind that no load can read, such as Parquet.
pub fn form(path: &Path, name: &str) -> Result<Form, Failure> {
    let problem = |error: io::Error| Failure::bad_input("FileNotFound", format!("{name}: {error}"));
    let mut head = Vec::new();
    let file = File::open(path).map_err(problem)?;
    if !file.metadata().map_err(problem)?.is_file() {
        return Err(Failure::bad_input("FileNotFound", format!("{name}: is not a file; name one file")));
    }
    (&file).take(512).read_to_end(&mut head).map_err(problem)?;
    let other = if head.is_empty() { Some("the file is empty") } else { foreign::of_head(&head) };
    if let Some(what) = other {
        return Err(Failure::bad_input("Unreadable", format!("{name}: {what}")));
    }
    if head.starts_with(b"PK\x03\x04") {
        let Ok(archive) = zip::ZipArchive::new(file) else { return Ok(Form::Text) };
        let has = |wanted: &str| archive.file_names().any(|name| name.is_ok_and(|name| name == wanted));
        if has("xl/workbook.xml") {
            return Ok(Form::Workbook);
        }
        if let Some(what) = foreign::of_archive(has) {
            return Err(Failure::bad_input("Unreadable", format!("{name}: {what}")));
        }
    }
    Ok(Form::Text)
}

/// Reads the whole text of a file that is not a workbook, and returns the findings.
///
/// # Errors
///
/// If the file cannot be read or unpacked, or is in a code page of DOS.
pub fn text(mut input: Input, bytes: u64, scratch: &Path) -> Result<Survey, Failure> {
    let opened = input.begin(&Dialect::default(), scratch)?;
    let mut look = TextCounts::new();
    let mut window = Vec::new();
    while input.fill(&mut window)? > 0 {
        look.at(&window);
        window.clear();
    }
    look.end();
    let mut survey = Survey {
        bytes,
        text_bytes: look.bytes,
        packing: opened.packing,
        form: look.form(),
        encoding: opened.encoding.unwrap_or("UTF-8").to_owned(),
        declared: None,
        line_ends: look.line_ends,
        head: String::new(),
    };
    if opened.encoding.is_some() {
        survey.head = String::from_utf8_lossy(&look.head).into_owned();
        return Ok(survey);
    }
    if look.is_dos() {
        let what = "the text is in a code page of DOS, such as 850 or 437, which is not read; convert the file to UTF-8, for example by \
                    `iconv -f CP850 -t UTF-8`";
        return Err(Failure::bad_input("Encoding", what));
    }
    let has_mark = look.head.starts_with(BYTE_ORDER_MARK);
    match look.guess() {
        _ if has_mark => survey.encoding = "UTF-8 with a byte order mark".to_owned(),
        Some(guess) => {
            survey.encoding = format!("{} (a guess by its letters)", guess.name());
            survey.declared = Some(guess);
        }
        None => {}
    }
    survey.head = survey.declared.unwrap_or(UTF_8).decode(&look.head).0.into_owned();
    Ok(survey)
}

/// Returns the findings about a workbook.
#[must_use]
pub fn workbook(bytes: u64) -> Survey {
    Survey {
        bytes,
        text_bytes: bytes,
        packing: None,
        form: Form::Workbook,
        encoding: "UTF-8".to_owned(),
        declared: None,
        line_ends: LineEnds::default(),
        head: String::new(),
    }
}

/// The findings about the part of a text that was read so far.
struct TextCounts {
    bytes: u64,
    head: Vec<u8>,
    line_ends: LineEnds,
    /// Whether the last byte was a carriage return.
    ends_with_return: bool,
    /// The last bytes, which may be the start of a character.
    begun: Vec<u8>,
    /// The number of characters that take several bytes in UTF-8.
    wide: u64,
    /// The number of sequences that are not UTF-8.
    broken: u64,
    /// For each byte value, whether it is in a piece of the text that is not plain ASCII.
    has: [bool; 256],
    /// The last two bytes.
    last: [u8; 2],
    /// Whether a byte between letters is a small letter only in the code pages of DOS.
    has_dos_letter: bool,
    /// Whether é of Macintosh follows a small letter. In windows-1252 this byte is the capital Ž.
    has_mac_letter: bool,
    detector: EncodingDetector,
}

/// The letters ü, é and ä in the code pages 437 and 850 of DOS. In Macintosh they are capitals, and in windows-1252 no letters.
const DOS_LETTERS: [u8; 3] = [0x81, 0x82, 0x84];

impl TextCounts {
    fn new() -> Self {
        Self {
            bytes: 0,
            head: Vec::new(),
            line_ends: LineEnds::default(),
            ends_with_return: false,
            begun: Vec::new(),
            wide: 0,
            broken: 0,
            has: [false; 256],
            last: [0; 2],
            has_dos_letter: false,
            has_mac_letter: false,
            detector: EncodingDetector::new(Iso2022JpDetection::Deny),
        }
    }

    fn at(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let room = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.count_line_ends(bytes);
        if !bytes.is_ascii() {
            self.detector.feed(bytes, false);
        }
        if !bytes.is_ascii() || !self.last[1].is_ascii() {
            for byte in bytes {
                self.has[usize::from(*byte)] = true;
                let [before, letter] = self.last;
                self.has_dos_letter |= DOS_LETTERS.contains(&letter)
                    && before.is_ascii_alphabetic()
                    && byte.is_ascii_lowercase();
                self.has_mac_letter |= *byte == 0x8e && letter.is_ascii_lowercase();
                self.last = [letter, *byte];
            }
        } else {
            let before = self.last[1];
            self.last = match bytes {
                [] => self.last,
                [last] => [before, *last],
                [.., before, last] => [*before, *last],
            };
        }
        let mut joined = std::mem::take(&mut self.begun);
        joined.extend_from_slice(bytes);
        self.count_characters(&joined);
    }

    fn end(&mut self) {
        self.line_ends.cr += u64::from(self.ends_with_return);
        self.broken += u64::from(!self.begun.is_empty());
        self.detector.feed(b"", true);
    }

    fn count_line_ends(&mut self, bytes: &[u8]) {
        let feeds = memchr_iter(b'\n', bytes).count() as u64;
        let mut pairs = u64::from(self.ends_with_return && bytes.first() == Some(&b'\n'));
        let mut alone = u64::from(self.ends_with_return && bytes.first().is_some_and(|byte| *byte != b'\n'));
        self.ends_with_return = false;
        for index in memchr_iter(b'\r', bytes) {
            match bytes.get(index + 1) {
                Some(b'\n') => pairs += 1,
                Some(_) => alone += 1,
                None => self.ends_with_return = true,
            }
        }
        self.line_ends.crlf += pairs;
        self.line_ends.lf += feeds - pairs;
        self.line_ends.cr += alone;
    }

    fn count_characters(&mut self, mut bytes: &[u8]) {
        loop {
            match std::str::from_utf8(bytes) {
                Ok(text) => {
                    self.wide += wide(text);
                    return;
                }
                Err(error) => {
                    let (text, rest) = bytes.split_at(error.valid_up_to());
                    self.wide += std::str::from_utf8(text).map_or(0, wide);
                    let Some(length) = error.error_len() else {
                        self.begun = rest.to_vec();
                        return;
                    };
                    self.broken += 1;
                    bytes = &rest[length..];
                }
            }
        }
    }

    /// Guesses the encoding of a text that is not UTF-8. Returns `None` for UTF-8, also if up to half of the characters are broken.
    fn guess(&self) -> Option<&'static Encoding> {
        if self.broken == 0 || self.wide >= self.broken {
            return None;
        }
        let guess = self.detector.guess(None, Utf8Detection::Deny);
        if guess != encoding_rs::WINDOWS_1252 {
            return Some(guess).filter(|guess| *guess != UTF_8);
        }
        // The detector guesses as browsers do, so it never answers Macintosh or ISO-8859-15.
        let has_any = |bytes: &[u8]| bytes.iter().any(|byte| self.has[usize::from(*byte)]);
        Some(match () {
            // These bytes have no character in windows-1252. In Macintosh they are letters.
            () if has_any(&[0x81, 0x8d, 0x8f, 0x90, 0x9d]) || self.has_mac_letter => encoding_rs::MACINTOSH,
            // This byte is ¤ in windows-1252 and € in ISO-8859-15, and ¤ is rare.
            () if has_any(&[0xa4]) && !self.has[0x80..0xa0].contains(&true) => encoding_rs::ISO_8859_15,
            () => guess,
        })
    }

    /// Returns whether the text is in a code page of DOS, which no label of the WHATWG standard names.
    fn is_dos(&self) -> bool {
        let guess = || self.detector.guess(None, Utf8Detection::Deny);
        self.has_dos_letter
            && self.broken > self.wide
            && [encoding_rs::WINDOWS_1252, encoding_rs::IBM866].contains(&guess())
    }

    fn form(&self) -> Form {
        let text = self.head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.head).trim_ascii_start();
        let after = |skipped: usize| text[skipped..].trim_ascii_start().first().copied();
        match text.first() {
            Some(b'{') if matches!(after(1), Some(b'"' | b'}')) => Form::Json,
            Some(b'[') if matches!(after(1), Some(b'{')) => Form::Json,
            _ => Form::Text,
        }
    }
}

/// Returns the number of characters that are not ASCII.
fn wide(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte >= 0xc0).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(bytes: &[u8]) -> TextCounts {
        let mut look = TextCounts::new();
        // Cut everywhere, so that characters and line ends are cut, too.
        for byte in bytes {
            look.at(&[*byte]);
        }
        look.end();
        look
    }

    #[test]
    fn encodings_other_than_utf_8_are_guessed_from_the_whole_text() {
        assert_eq!(look("id,stadt\n1,Köln\n".as_bytes()).guess(), None);
        let latin = look(b"id,stadt\n1,K\xf6ln\n2,M\xfcnchen\n3,Gr\xf6\xdfe\n").guess();
        assert_eq!(latin, Some(encoding_rs::WINDOWS_1252));
        let mostly_utf8 = [&"Köln Münster Größe ".repeat(5).into_bytes()[..], b"caf\xe9\n"].concat();
        assert_eq!(look(&mostly_utf8).guess(), None, "one broken character");
        assert_eq!(look(b"prix;5 \xa4\n").guess(), Some(encoding_rs::ISO_8859_15));
        let macintosh = look(b"id;name\n1;M\x9fller\n2;Gr\x9a\xa7e\n3;\x81ngstr\x9am\n");
        assert!(!macintosh.is_dos());
        assert!(look(b"id;name\n1;M\x81ller\n2;Gr\x94\xe1e\n").is_dos());
        assert!(!look(b"id;name\n1;so \x84quoted\x93 and more\x85\n").is_dos(), "quotation marks of Windows");
    }

    #[test]
    fn line_ends_are_counted_by_kind() {
        let seen = look(b"a\r\nb\nc\rd\r").line_ends;
        assert_eq!(seen, LineEnds { crlf: 1, lf: 1, cr: 2 });
    }

    #[test]
    fn json_is_recognised_by_its_start() {
        for (text, form) in [
            ("{\"a\": 1}\n", Form::Json),
            ("\u{feff} [ {\"a\": 1} ]", Form::Json),
            ("[x],y\n", Form::Text),
            ("{x};y\n", Form::Text),
        ] {
            assert_eq!(look(text.as_bytes()).form(), form, "{text}");
        }
    }
}
