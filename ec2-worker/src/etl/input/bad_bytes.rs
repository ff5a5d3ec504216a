//! Carries, inside text, the bytes that could not be decoded, and records that could not be made.
//!
//! The text must go on after such a byte, because only its own record is refused. So a decoder writes two bytes
//! that no UTF-8 text contains. The check of a record finds them, and gets the original byte back.

/// The first byte of a record in place of which a reason stands.
const REASON: u8 = 0xff;

/// Appends `byte`, which could not be decoded.
pub fn push(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xf8 | (byte >> 6), 0x80 | (byte & 0x3f)]);
}

/// Returns the byte that [`push`] wrote at the start of `text`.
#[must_use]
pub fn at(text: &[u8]) -> Option<u8> {
    match text {
        [first @ 0xf8..=0xfb, second @ 0x80..=0xbf, ..] => Some((first & 3) << 6 | (second & 0x3f)),
        _ => None,
    }
}

/// Appends a whole record in place of one that cannot be made, for this reason. `raw` is the record as the file has it,
/// as far as it is text.
pub fn push_reason(reason: &str, raw: &str, out: &mut Vec<u8>) {
    let line = |text: &str| text.trim_end().replace(['\n', '\r'], " ").into_bytes();
    out.push(REASON);
    out.extend(line(reason));
    out.push(REASON);
    out.extend(line(raw));
    out.push(b'\n');
}

/// Returns the reason in place of the record `record`, if there is one, and the record as the file has it.
#[must_use]
pub fn reason(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = record.strip_prefix(&[REASON])?;
    let end = rest.iter().position(|byte| *byte == REASON).unwrap_or(rest.len());
    Some((&rest[..end], rest.get(end + 1..).unwrap_or_default()))
}
