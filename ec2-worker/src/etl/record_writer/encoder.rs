//! Encodes the text of records.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::look;

/// Encodes text in the encoding of a file.
#[derive(Debug)]
pub(super) struct Encoder {
    /// The encoding; `None` for UTF-8.
    encoding: Option<&'static Encoding>,
}

/// A character that an encoding lacks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unencodable {
    /// Its index in the text.
    pub(super) at: usize,
    /// The problem and a remedy.
    pub(super) what: String,
}

impl Encoder {
    pub(super) fn new(encoding: Option<&'static Encoding>) -> Self {
        Self { encoding: encoding.filter(|encoding| *encoding != UTF_8) }
    }

    /// Appends `text`, which is UTF-8, in the encoding of the file. A file in UTF-16 begins with a byte order mark.
    ///
    /// # Errors
    ///
    /// If the encoding lacks a character of the text.
    #[inline]
    pub(super) fn push(&self, text: &[u8], is_first: bool, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let Some(encoding) = self.encoding else {
            out.extend_from_slice(text);
            return Ok(());
        };
        let text = std::str::from_utf8(text)
            .map_err(|error| Unencodable { at: error.valid_up_to(), what: "is not UTF-8".to_owned() })?;
        if encoding == UTF_16LE || encoding == UTF_16BE {
            let mark = if is_first { Some(0xfeff) } else { None };
            for unit in mark.into_iter().chain(text.encode_utf16()) {
                out.extend_from_slice(&if encoding == UTF_16LE {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                });
            }
            return Ok(());
        }
        let (bytes, _, has_gap) = encoding.encode(text);
        if has_gap || !is_read_back(encoding, &bytes, text) {
            return Err(unencodable(encoding, text));
        }
        out.extend_from_slice(&bytes);
        Ok(())
    }

    /// Returns whether a file that begins with `text` looks like something else, because of the bytes of the encoding.
    pub(super) fn misleads(&self, text: &[u8]) -> bool {
        let Some(encoding) = self.encoding.filter(|encoding| encoding.output_encoding() == *encoding) else {
            return false;
        };
        let start: String = String::from_utf8_lossy(&text[..text.len().min(32)]).chars().take(8).collect();
        look::is_binary(&encoding.encode(&start).0)
    }
}

/// Returns whether `bytes` are read as `text`. Some encodings write two characters with the same byte, such as the yen
/// sign and the backslash of Shift_JIS.
fn is_read_back(encoding: &'static Encoding, bytes: &[u8], text: &str) -> bool {
    encoding.is_single_byte()
        || encoding
            .decode_without_bom_handling_and_without_replacement(bytes)
            .is_some_and(|back| back == text)
}

fn unencodable(encoding: &'static Encoding, text: &str) -> Unencodable {
    let is_lacking = |letter: char| {
        let (mut buffer, letter) = ([0; 4], letter);
        let letter: &str = letter.encode_utf8(&mut buffer);
        let (bytes, _, has_gap) = encoding.encode(letter);
        has_gap || !is_read_back(encoding, &bytes, letter)
    };
    let (at, letter) = text.char_indices().find(|(_, letter)| is_lacking(*letter)).unwrap_or((0, '\u{fffd}'));
    let what = format!(
        "contains the character `{}` (U+{:04X}), which {} lacks; set `myEncoding` of the output's data format to utf-8",
        letter.escape_debug(),
        u32::from(letter),
        encoding.name()
    );
    Unencodable { at, what }
}
