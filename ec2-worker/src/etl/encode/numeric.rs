//! The binary form of PostgreSQL's `numeric`: digits of base 10,000. The decimal point is between two of these digits.

use super::super::column::Column;
use super::{range, refusal};

/// The parts of a decimal number.
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

fn decimal(text: &[u8]) -> Option<Decimal<'_>> {
    let (negative, rest) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let point = rest.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&rest[..point], &rest[point + 1..]),
        None => (rest, &[][..]),
    };
    let digits =
        whole.iter().chain(fraction).all(u8::is_ascii_digit) && !(whole.is_empty() && fraction.is_empty());
    digits.then_some(Decimal { negative, whole, fraction })
}

pub(super) fn numeric(
    column: &Column,
    limits: Option<(i32, i32)>,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    if text.eq_ignore_ascii_case(b"nan") {
        out.extend_from_slice(&[0, 0, 0, 8, 0, 0, 0, 0, 0xc0, 0, 0, 0]);
        return Ok(());
    }
    let plain;
    let number = match decimal(text) {
        Some(number) => number,
        None => {
            plain = without_exponent(text).ok_or_else(|| refusal(column, None, text))?;
            decimal(&plain).ok_or_else(|| refusal(column, None, text))?
        }
    };
    let zeros = number.whole.iter().take_while(|byte| **byte == b'0').count();
    let whole = &number.whole[zeros..];
    if limits.is_some_and(|(precision, scale)| whole.len() as i32 > precision - scale && !whole.is_empty())
        || whole.len() > 131_072
        || number.fraction.len() > 16_383
    {
        return Err(range(column, text));
    }
    groups(number.negative, whole, number.fraction, out);
    Ok(())
}

/// Appends the length and the binary form of a number to `out`. `whole` and `fraction` are the decimal digits before and
/// after the point.
fn groups(negative: bool, whole: &[u8], fraction: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 12]);
    let mut weight = whole.len().div_ceil(4) as i32 - 1;
    let (head, tail) = whole.split_at(whole.len() % 4);
    if !head.is_empty() {
        push_group(head, 0, out);
    }
    for group in tail.chunks(4) {
        push_group(group, 0, out);
    }
    for group in fraction.chunks(4) {
        push_group(group, 4 - group.len(), out);
    }
    let digits = start + 12;
    // PostgreSQL stores no zero digits at either end.
    while out.len() > digits && out.ends_with(&[0, 0]) {
        out.truncate(out.len() - 2);
    }
    let leading = out[digits..].chunks(2).take_while(|group| **group == [0, 0]).count();
    if leading > 0 {
        out.drain(digits..digits + 2 * leading);
        weight -= leading as i32;
    }
    let count = (out.len() - digits) / 2;
    let sign: u16 = if negative && count > 0 { 0x4000 } else { 0 };
    let weight = if count == 0 { 0 } else { weight as i16 };
    let size = (8 + 2 * count) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    out[start + 4..start + 6].copy_from_slice(&(count as u16).to_be_bytes());
    out[start + 6..start + 8].copy_from_slice(&weight.to_be_bytes());
    out[start + 8..start + 10].copy_from_slice(&sign.to_be_bytes());
    out[start + 10..start + 12].copy_from_slice(&(fraction.len() as u16).to_be_bytes());
}

fn push_group(digits: &[u8], zeros_behind: usize, out: &mut Vec<u8>) {
    let mut value = digits.iter().fold(0_u16, |value, byte| value * 10 + u16::from(byte - b'0'));
    for _ in 0..zeros_behind {
        value *= 10;
    }
    out.extend_from_slice(&value.to_be_bytes());
}

/// Returns a number without its exponent: `1500.` for `1.5e3`. Returns `None` if the text is not a number with an exponent,
/// or if the exponent is beyond 1000 or -1000. Exponents are rare, so this function may allocate.
fn without_exponent(text: &[u8]) -> Option<Vec<u8>> {
    let mark = text.iter().position(|byte| matches!(byte, b'e' | b'E'))?;
    let exponent: i32 = std::str::from_utf8(&text[mark + 1..]).ok()?.parse().ok()?;
    let number = decimal(&text[..mark])?;
    if exponent.abs() > 1000 {
        return None;
    }
    let mut digits: Vec<u8> = [number.whole, number.fraction].concat();
    let mut point = number.whole.len() as i32 + exponent;
    while point < 0 {
        digits.insert(0, b'0');
        point += 1;
    }
    while digits.len() < point as usize {
        digits.push(b'0');
    }
    digits.insert(point as usize, b'.');
    if number.negative {
        digits.insert(0, b'-');
    }
    Some(digits)
}
