//! Strings and numbers of JSON: where they end, and whether they are right.

use crate::fault::Fault;

/// Returns the place behind a string, and whether the string has escapes.
pub(super) fn string(bytes: &[u8], start: usize) -> Result<(usize, bool), Fault> {
    let (mut at, mut is_escaped) = (start + 1, false);
    loop {
        at += plain(&bytes[at.min(bytes.len())..]);
        match bytes.get(at) {
            Some(b'"') => return Ok((at + 1, is_escaped)),
            Some(b'\\') => {
                is_escaped = true;
                at = escape(bytes, at)?;
            }
            Some(0..0x20) => return Err(Fault { at, why: "a string has a control character" }),
            Some(_) => at += 1,
            None => return Err(Fault { at: start, why: "a string is not closed" }),
        }
    }
}

/// Returns how many bytes at the beginning are plain: neither a quotation mark, nor a backslash, nor a control character. It
/// reads eight bytes at a time, and leaves out a rest of fewer.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 128;
    // The lowest bit that is set in `below(number, n)` belongs to the first byte below `n`, for `n` up to 128.
    let below = |number: u64, n: u8| number.wrapping_sub(ONES * u64::from(n)) & !number & HIGH;
    for (count, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        let number = u64::from_le_bytes(*eight);
        let is = |byte: u8| below(number ^ (ONES * u64::from(byte)), 1);
        let found = is(b'"') | is(b'\\') | below(number, 0x20);
        if found != 0 {
            return count * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    bytes.len() / 8 * 8
}

/// Returns the place behind an escape. Half of a surrogate pair is not a character, so it is refused.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match unit(bytes, at) {
            Some(0xd800..0xdc00) => match unit(bytes, at + 6) {
                Some(0xdc00..0xe000) => Ok(at + 12),
                _ => Err(Fault { at, why: "a string has half of a surrogate pair" }),
            },
            Some(0xdc00..0xe000) => Err(Fault { at, why: "a string has half of a surrogate pair" }),
            Some(_) => Ok(at + 6),
            None => Err(Fault { at, why: "\\u needs four hexadecimal digits" }),
        },
        _ => Err(Fault { at, why: "there is no such escape" }),
    }
}

/// Returns the number of the escape `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    let digits = escape.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// Returns the place behind a number.
pub(super) fn number(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let digits = |mut at: usize| {
        let from = at;
        while matches!(bytes.get(at), Some(b'0'..=b'9')) {
            at += 1;
        }
        if at > from { Ok(at) } else { Err(Fault { at, why: "a digit of a number is missing" }) }
    };
    let mut at = if bytes.get(start) == Some(&b'-') { start + 1 } else { start };
    let is_zero = bytes.get(at) == Some(&b'0');
    at = if is_zero { at + 1 } else { digits(at)? };
    if is_zero && matches!(bytes.get(at), Some(b'0'..=b'9')) {
        return Err(Fault { at, why: "a number begins with a zero too many" });
    }
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(at)?;
    }
    Ok(at)
}
