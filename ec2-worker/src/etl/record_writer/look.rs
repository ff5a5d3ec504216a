//! Recognises texts that, at the start of a file, look like a mark of the kind of the file.

use crate::etl::input::foreign;

/// The byte order mark. A reader leaves it out at the start of every record.
pub const MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns whether the bytes of `text` at the start of a file would not be read as this text, because the file looks packed or like
/// a file of another kind, such as a PDF, has a byte order mark, or names the separator for Excel in its first line.
#[must_use]
pub fn misleads(text: &[u8]) -> bool {
    let names_separator = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"sep="));
    text.starts_with(MARK) || names_separator || is_packed(text) || foreign::of_head(text).is_some()
}

/// Returns whether a file that begins with `bytes` looks packed or has a byte order mark of UTF-16 or UTF-32.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    is_packed(bytes) || matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0xef, 0xbb, 0xbf, ..])
}

fn is_packed(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0x1f, 0x8b, ..]
            | [0x28, 0xb5, 0x2f, 0xfd, ..]
            | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
            | [b'B', b'Z', b'h', ..]
            | [0xfd, b'7', b'z', b'X', b'Z', ..]
            | [b'P', b'K', 3 | 5, ..]
    )
}
