//! Decodes text to UTF-8.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::bad_bytes;

/// The number of bytes that are decoded at once.
const PIECE: usize = 16 * 1024;

/// The encoding of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// UTF-8, which needs no decoding.
    Utf8,
    /// An encoding of the WHATWG standard.
    Whatwg(&'static Encoding),
    /// UTF-32, which that standard lacks.
    Utf32 {
        /// Whether the most significant byte comes first.
        is_big: bool,
    },
}

impl Charset {
    /// Returns the encoding of a file that begins with `head`. A byte order mark decides, or else `declared`, the
    /// encoding in the definition. Without both, UTF-16 is recognised by its zeros: every second byte of `head` is
    /// zero.
    pub(super) fn of(head: &[u8], declared: Option<&'static Encoding>) -> Self {
        match head {
            [0xff, 0xfe, 0, 0, ..] => return Self::Utf32 { is_big: false },
            [0, 0, 0xfe, 0xff, ..] => return Self::Utf32 { is_big: true },
            [0xff, 0xfe, ..] => return Self::Whatwg(UTF_16LE),
            [0xfe, 0xff, ..] => return Self::Whatwg(UTF_16BE),
            [0xef, 0xbb, 0xbf, ..] => return Self::Utf8,
            _ => {}
        }
        match declared {
            Some(encoding) if encoding == UTF_8 => Self::Utf8,
            Some(encoding) => Self::Whatwg(encoding),
            None if has_zeros(head, 1) => Self::Whatwg(UTF_16LE),
            None if has_zeros(head, 0) => Self::Whatwg(UTF_16BE),
            None => Self::Utf8,
        }
    }

    /// Returns the name of the encoding, or `None` for UTF-8, which needs no decoding.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Utf8 => None,
            Self::Whatwg(encoding) => Some(encoding.name()),
            Self::Utf32 { .. } => Some("UTF-32"),
        }
    }

    /// Returns a note for the user if the file shows another encoding than the definition declares.
    pub(super) fn note(self, declared: Option<&'static Encoding>) -> Option<String> {
        let found = match self {
            Self::Utf8 if declared.is_some_and(|declared| declared != UTF_8) => "UTF-8",
            Self::Whatwg(encoding) if Some(encoding) != declared => encoding.name(),
            Self::Utf32 { .. } => "UTF-32",
            _ => return None,
        };
        Some(format!("the file is {found}"))
    }
}

/// Returns whether the bytes at `odd`, `odd + 2` and so on are zero and all others are not. `head` must have at least
/// four pairs of bytes.
fn has_zeros(head: &[u8], odd: usize) -> bool {
    let whole = &head[..head.len() / 2 * 2];
    whole.len() >= 8 && whole.iter().enumerate().all(|(index, byte)| (*byte == 0) == (index % 2 == odd))
}

/// Reads text as UTF-8. In place of a byte that is not in the encoding, it writes what [`bad_bytes::push`] appends.
pub(super) struct Decoder<R> {
    bytes: R,
    state: State,
    /// The name of the encoding and the number of bytes that each of its units has, if that is more than one.
    unit: Option<(&'static str, u64)>,
    /// The number of bytes so far.
    count: u64,
    /// Decoded text. The bytes before `next` were read already.
    text: Vec<u8>,
    next: usize,
    is_at_end: bool,
    utf8: Utf8Look,
    /// Becomes true at the end of bytes that are UTF-8, although another encoding is declared.
    is_utf8: Arc<AtomicBool>,
}

/// Looks at bytes that are decoded as another encoding, and finds out whether they are UTF-8.
#[derive(Debug, Default)]
struct Utf8Look {
    /// The first bytes of a character whose other bytes have not come yet.
    begun: Vec<u8>,
    /// The characters beyond ASCII.
    letters: u64,
    /// The bytes that are not UTF-8.
    others: u64,
    is_other: bool,
}

/// The characters in UTF-8 for each other byte from which on a text is UTF-8 in which some bytes are damaged. In other encodings, few
/// letters look like UTF-8.
const FOR_EACH_OTHER: u64 = 10;
/// A look ends after so many bytes that are not UTF-8, if the text is not UTF-8 by then.
const ENOUGH_OTHERS: u64 = 100;

impl Utf8Look {
    fn look(&mut self, bytes: &[u8]) {
        if self.is_other || self.begun.is_empty() && bytes.is_ascii() {
            return;
        }
        let text = [&self.begun, bytes].concat();
        self.begun.clear();
        let mut rest = text.as_slice();
        loop {
            let (valid, broken) = match std::str::from_utf8(rest) {
                Ok(_) => (rest, None),
                Err(error) => (&rest[..error.valid_up_to()], Some(error.error_len())),
            };
            // Every character has one byte that does not go on with another.
            self.letters += valid.iter().filter(|byte| **byte >= 0xc0).count() as u64;
            match broken {
                None => break,
                Some(None) => {
                    self.begun.extend_from_slice(&rest[valid.len()..]);
                    break;
                }
                Some(Some(length)) => {
                    self.others += 1;
                    rest = &rest[valid.len() + length..];
                }
            }
        }
        self.is_other |= self.others > ENOUGH_OTHERS && !self.is_utf8();
    }

    fn is_utf8(&self) -> bool {
        let others = self.others + u64::from(!self.begun.is_empty());
        !self.is_other && self.letters > others * FOR_EACH_OTHER
    }
}

enum State {
    Whatwg(encoding_rs::Decoder),
    Utf32 {
        is_big: bool,
        /// The first bytes of a character whose other bytes have not come yet.
        begun: Vec<u8>,
    },
}

impl<R: BufRead> Decoder<R> {
    /// Decodes `bytes`. `is_utf8` becomes true at their end if they are UTF-8 with letters beyond ASCII, although `charset` is another
    /// encoding.
    pub(super) fn new(bytes: R, charset: &Charset, is_utf8: Arc<AtomicBool>) -> Self {
        let state = match charset {
            Charset::Utf8 => State::Whatwg(UTF_8.new_decoder_without_bom_handling()),
            Charset::Whatwg(encoding) => State::Whatwg(encoding.new_decoder_without_bom_handling()),
            Charset::Utf32 { is_big } => State::Utf32 { is_big: *is_big, begun: Vec::new() },
        };
        let unit = match charset {
            Charset::Whatwg(encoding) if *encoding == UTF_16LE || *encoding == UTF_16BE => {
                Some((encoding.name(), 2))
            }
            Charset::Utf32 { .. } => Some(("UTF-32", 4)),
            _ => None,
        };
        let utf8 = Utf8Look { is_other: unit.is_some() || *charset == Charset::Utf8, ..Utf8Look::default() };
        Self { bytes, state, unit, count: 0, text: Vec::new(), next: 0, is_at_end: false, utf8, is_utf8 }
    }

    /// Decodes the next bytes into `text`, which is empty.
    fn decode(&mut self) -> io::Result<()> {
        let bytes = self.bytes.fill_buf()?;
        let bytes = &bytes[..bytes.len().min(PIECE)];
        self.is_at_end = bytes.is_empty();
        self.utf8.look(bytes);
        if self.is_at_end {
            self.is_utf8.store(self.utf8.is_utf8(), Ordering::Relaxed);
        }
        let taken = match &mut self.state {
            State::Whatwg(decoder) => whatwg(decoder, bytes, &mut self.text),
            State::Utf32 { is_big, begun } => utf32(*is_big, begun, bytes, &mut self.text),
        };
        self.bytes.consume(taken);
        self.count += taken as u64;
        match self.unit {
            Some((name, unit)) if self.is_at_end && !self.count.is_multiple_of(unit) => {
                // A character of other encodings has no fixed length, so only its own record is refused.
                Err(io::Error::other(format!(
                    "the file has {} bytes and ends within a character of {name}; it is not whole, or another program has \
                     appended text in another encoding",
                    self.count
                )))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.next == self.text.len() && !self.is_at_end {
            self.text.clear();
            self.next = 0;
            self.decode()?;
        }
        let count = buffer.len().min(self.text.len() - self.next);
        buffer[..count].copy_from_slice(&self.text[self.next..self.next + count]);
        self.next += count;
        Ok(count)
    }
}

/// Decodes all of `bytes`; no bytes mean the end. Returns their number.
fn whatwg(decoder: &mut encoding_rs::Decoder, bytes: &[u8], text: &mut Vec<u8>) -> usize {
    let mut at = 0;
    loop {
        let begin = text.len();
        let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len() - at).unwrap_or(4 * PIECE);
        text.resize(begin + room, 0);
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(&bytes[at..], &mut text[begin..], bytes.is_empty());
        text.truncate(begin + written);
        at += read;
        match result {
            DecoderResult::InputEmpty => return at,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(length, behind) => {
                // The sequence may have begun in bytes that are gone; then its first byte is unknown.
                let first = at.checked_sub(usize::from(length) + usize::from(behind));
                bad_bytes::push(first.and_then(|first| bytes.get(first)).copied().unwrap_or(0xff), text);
            }
        }
    }
}

/// Decodes all of `bytes`; no bytes mean the end. Returns their number.
fn utf32(is_big: bool, begun: &mut Vec<u8>, bytes: &[u8], text: &mut Vec<u8>) -> usize {
    for byte in bytes {
        begun.push(*byte);
        let [a, b, c, d] = begun[..] else { continue };
        let code = if is_big { u32::from_be_bytes([a, b, c, d]) } else { u32::from_le_bytes([a, b, c, d]) };
        match char::from_u32(code) {
            Some(letter) => text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            None => bad_bytes::push(begun[0], text),
        }
        begun.clear();
    }
    if bytes.is_empty() && !begun.is_empty() {
        bad_bytes::push(begun[0], text);
        begun.clear();
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], declared: Option<&'static Encoding>) -> Vec<u8> {
        let charset = Charset::of(bytes, declared);
        let mut text = Vec::new();
        // One byte at a time, so that every character is cut.
        Decoder::new(io::BufReader::with_capacity(1, bytes), &charset, Arc::default())
            .read_to_end(&mut text)
            .expect("in memory");
        text
    }

    #[test]
    fn every_encoding_with_a_mark_is_found_by_its_mark() {
        let text = "\u{feff}é€😀";
        let wide: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = wide.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = wide.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let little32: Vec<u8> = text.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
        let big32: Vec<u8> = text.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect();
        for bytes in [little, big, little32, big32, text.as_bytes().to_vec()] {
            assert_eq!(decoded(&bytes, None), text.as_bytes(), "{bytes:x?}");
            assert_eq!(
                decoded(&bytes, Some(encoding_rs::WINDOWS_1252)),
                text.as_bytes(),
                "a mark comes first"
            );
        }
    }

    #[test]
    fn utf_16_without_a_mark_is_found_by_its_zeros() {
        let bytes: Vec<u8> = "id;name\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&bytes, None), b"id;name\n");
        assert_eq!(Charset::of(b"a\0b,c,d,e", None), Charset::Utf8, "a NUL alone is bad text, not UTF-16");
    }

    #[test]
    fn a_text_in_utf_8_is_recognised_whatever_encoding_is_declared() {
        for (bytes, expected) in [
            ("café €".as_bytes(), true),
            (b"cafe", false),
            (b"caf\xe9 \x80", false),
            ("café".as_bytes().strip_suffix(b"\xa9").expect("the second byte"), false),
            (b"caf\xc3\xa9 caf\xe9", false),
        ] {
            let is_utf8 = Arc::new(AtomicBool::new(false));
            let charset = Charset::Whatwg(encoding_rs::WINDOWS_1252);
            // One byte at a time, so that every character is cut.
            let bytes = io::BufReader::with_capacity(1, bytes);
            Decoder::new(bytes, &charset, Arc::clone(&is_utf8))
                .read_to_end(&mut Vec::new())
                .expect("in memory");
            assert_eq!(is_utf8.load(Ordering::Relaxed), expected);
        }
    }

    #[test]
    fn declared_encodings_are_decoded_and_bytes_outside_them_are_marked() {
        assert_eq!(decoded(b"caf\xe9 \x80", Some(encoding_rs::WINDOWS_1252)), "café €".as_bytes());
        assert_eq!(decoded(b"\x82\xa0", Some(encoding_rs::SHIFT_JIS)), "あ".as_bytes());
        let text = decoded(b"ab\x80c", Some(encoding_rs::EUC_KR));
        let bad = text.iter().position(|byte| *byte > 0x7f).expect("a mark");
        assert_eq!((&text[..bad], bad_bytes::at(&text[bad..])), (&b"ab"[..], Some(0x80)));
        for cut in [&b"\xff\xfea\0b"[..], b"\xff\xfe\0\0a\0\0\0b\0"] {
            let mut text = Vec::new();
            let error = Decoder::new(cut, &Charset::of(cut, None), Arc::default())
                .read_to_end(&mut text)
                .expect_err("half a character");
            assert!(error.to_string().contains("ends within a character of UTF-"), "{error}");
        }
    }
}
