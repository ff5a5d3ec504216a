//! The binary form of PostgreSQL's `numeric`: digits of base 10,000. The decimal point is between two of these digits.

use std::borrow::Cow;

use super::super::column::Column;
use super::super::value_rules::ColumnRules;
use super::refusal::{range, refusal};

/// The largest number of digits before the point.
const MOST_WHOLE: usize = 131_072;
/// The largest number of digits behind the point.
const MOST_FRACTION: usize = 16_383;

/// The parts of a decimal number.
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

#[inline]
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

/// Appends the length and the binary form of a number to `out`.
#[inline]
pub(super) fn numeric(
    column: &Column,
    limits: Option<(i32, i32)>,
    rules: &ColumnRules,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    if short(limits, text, out) {
        return Ok(());
    }
    if let Some(sign) = special(limits, text) {
        // The third number is the sign; PostgreSQL marks special numbers there.
        out.extend_from_slice(&[0, 0, 0, 8, 0, 0, 0, 0]);
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        return Ok(());
    }
    let plain = plain(column, rules, text)?;
    let number = checked(column, limits, rules, text, &plain)?;
    groups(number.negative, number.whole, number.fraction, out);
    Ok(())
}

/// The longest number that [`short`] encodes, in bytes without its sign.
const SHORT: usize = 18;

/// Appends the length and the binary form of a number to `out`, in one pass. Returns false, and appends nothing, if the text is
/// longer than most numbers, has more than four decimals or an exponent, may be too large for its column, or is not a number.
#[inline]
fn short(limits: Option<(i32, i32)>, text: &[u8], out: &mut Vec<u8>) -> bool {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.len() > SHORT {
        return false;
    }
    let (mut value, mut point) = (0_u64, None);
    for (index, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(index);
        } else {
            return false;
        }
    }
    let scale = point.map_or(0, |point| digits.len() - point - 1);
    let has_digits = digits.len() > usize::from(point.is_some());
    // One group of four digits is enough for the fraction.
    let Some(unit) = [1, 10, 100, 1_000, 10_000].get(scale).filter(|_| has_digits) else { return false };
    let (mut whole, fraction) = (value / unit, value % unit * (10_000 / unit));
    if let Some((precision, scale)) = limits {
        // Rounding may add a digit.
        let Ok(room) = u32::try_from(precision - scale - 1) else { return false };
        if 10_u64.checked_pow(room).is_some_and(|limit| whole >= limit) {
            return false;
        }
    }
    // The groups, with the fraction at the end. 18 digits have five groups at most.
    let mut groups = [0, 0, 0, 0, 0, fraction as u16];
    let mut first = 5;
    while whole > 0 {
        first -= 1;
        groups[first] = (whole % 10_000) as u16;
        whole /= 10_000;
    }
    let end = groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1);
    let groups = &groups[first..end];
    let weight = if groups.is_empty() { 0 } else { 4 - first as i16 };
    let sign: u16 = if negative && !groups.is_empty() { 0x4000 } else { 0 };
    let mut bytes = [0; 24];
    bytes[..4].copy_from_slice(&(8 + 2 * groups.len() as u32).to_be_bytes());
    bytes[4..6].copy_from_slice(&(groups.len() as u16).to_be_bytes());
    bytes[6..8].copy_from_slice(&weight.to_be_bytes());
    bytes[8..10].copy_from_slice(&sign.to_be_bytes());
    bytes[10..12].copy_from_slice(&(scale as u16).to_be_bytes());
    for (place, group) in bytes[12..].chunks_exact_mut(2).zip(groups) {
        place.copy_from_slice(&group.to_be_bytes());
    }
    out.extend_from_slice(&bytes[..12 + 2 * groups.len()]);
    true
}

/// Returns the number as text that PostgreSQL reads, after the checks of [`numeric`].
pub(super) fn text<'a>(
    column: &Column,
    limits: Option<(i32, i32)>,
    rules: &ColumnRules,
    text: &'a [u8],
) -> Result<Cow<'a, [u8]>, String> {
    if special(limits, text).is_some() {
        return Ok(Cow::Borrowed(text));
    }
    let plain = plain(column, rules, text)?;
    checked(column, limits, rules, text, &plain)?;
    Ok(plain)
}

const NAN: u16 = 0xc000;
const INFINITE: u16 = 0xd000;
const NEGATIVE_INFINITE: u16 = 0xf000;

/// Returns the sign of a number that has no digits. A column with limits holds no infinite number.
fn special(limits: Option<(i32, i32)>, text: &[u8]) -> Option<u16> {
    if !matches!(text.last()?, b'n' | b'N' | b'f' | b'F' | b'y' | b'Y') {
        return None;
    }
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["nan"]) {
        Some(NAN)
    } else if limits.is_some() {
        None
    } else if is(&["inf", "infinity", "+inf", "+infinity"]) {
        Some(INFINITE)
    } else {
        is(&["-inf", "-infinity"]).then_some(NEGATIVE_INFINITE)
    }
}

/// Returns the number without an exponent.
#[inline]
fn plain<'a>(column: &Column, rules: &ColumnRules, text: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    if !text.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        return Ok(Cow::Borrowed(text));
    }
    without_exponent(text).map(Cow::Owned).ok_or_else(|| refusal(column, rules, text))
}

#[inline]
fn checked<'a>(
    column: &Column,
    limits: Option<(i32, i32)>,
    rules: &ColumnRules,
    text: &[u8],
    plain: &'a [u8],
) -> Result<Decimal<'a>, String> {
    let mut number = decimal(plain).ok_or_else(|| refusal(column, rules, text))?;
    let zeros = number.whole.iter().take_while(|byte| **byte == b'0').count();
    number.whole = &number.whole[zeros..];
    let is_too_long = number.whole.len() > MOST_WHOLE || number.fraction.len() > MOST_FRACTION;
    if is_too_long || limits.is_some_and(|limits| overflows(limits, &number)) {
        return Err(range(column, text));
    }
    Ok(number)
}

/// Returns whether a number, as PostgreSQL writes it, has digits other than zero that a column of this scale does not keep. A negative
/// scale keeps no digit of as many places before the point.
#[must_use]
pub fn loses_digits(scale: i32, text: &[u8]) -> bool {
    let plain = without_exponent(text).map_or(Cow::Borrowed(text), Cow::Owned);
    let Some(Decimal { whole, fraction, .. }) = decimal(&plain) else { return false };
    let kept = (whole.len() as i32 + scale).max(0) as usize;
    whole.iter().chain(fraction).skip(kept).any(|digit| *digit != b'0')
}

/// Returns whether the number, rounded to the scale, has more digits than the precision.
#[inline]
fn overflows((precision, scale): (i32, i32), number: &Decimal<'_>) -> bool {
    let room = precision - scale;
    let whole = number.whole.len() as i32;
    if whole < room {
        return false;
    }
    let digits = || number.whole.iter().chain(number.fraction);
    let Some(zeros) = digits().position(|digit| *digit != b'0') else { return false };
    // The number of digits before the point; it is negative if zeros follow the point.
    let size = whole - zeros as i32;
    if size != room {
        return size > room;
    }
    // Only nines overflow when they are rounded up.
    let mut digits = digits().skip(zeros);
    let nines = digits.by_ref().take(precision as usize).filter(|digit| **digit == b'9').count();
    nines == precision as usize && digits.next().is_some_and(|digit| *digit >= b'5')
}

/// Appends the length and the binary form of a number to `out`. `whole` and `fraction` are the decimal digits before and
/// after the point.
#[inline]
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

#[inline]
fn push_group(digits: &[u8], zeros_behind: usize, out: &mut Vec<u8>) {
    let mut value = digits.iter().fold(0_u16, |value, byte| value * 10 + u16::from(byte - b'0'));
    for _ in 0..zeros_behind {
        value *= 10;
    }
    out.extend_from_slice(&value.to_be_bytes());
}

/// Returns a number without its exponent: `1500.` for `1.5e3`. Returns `None` if the text is not a number with an exponent,
/// or if the exponent is larger than every number that PostgreSQL stores. Exponents are rare, so this function may allocate.
fn without_exponent(text: &[u8]) -> Option<Vec<u8>> {
    let mark = text.iter().position(|byte| matches!(byte, b'e' | b'E'))?;
    let exponent: i32 = std::str::from_utf8(&text[mark + 1..]).ok()?.parse().ok()?;
    let number = decimal(&text[..mark])?;
    if exponent.unsigned_abs() as usize > MOST_WHOLE + MOST_FRACTION {
        return None;
    }
    let zeros = |count: usize| std::iter::repeat_n(b'0', count);
    let point = number.whole.len() as i32 + exponent;
    let mut digits: Vec<u8> = zeros(point.min(0).unsigned_abs() as usize).collect();
    digits.extend_from_slice(number.whole);
    digits.extend_from_slice(number.fraction);
    let point = point.max(0) as usize;
    digits.extend(zeros(point.saturating_sub(digits.len())));
    digits.insert(point, b'.');
    if number.negative {
        digits.insert(0, b'-');
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etl::column::ColumnType;

    fn at_length(limits: Option<(i32, i32)>, text: &[u8]) -> Option<Vec<u8>> {
        let column = Column::of("c", "numeric", ColumnType::Numeric(limits));
        let number = checked(&column, limits, &ColumnRules::NONE, text, text).ok()?;
        let mut out = Vec::new();
        groups(number.negative, number.whole, number.fraction, &mut out);
        Some(out)
    }

    #[test]
    fn a_short_number_is_encoded_as_a_long_one() {
        let wholes =
            ["", "0", "007", "9", "10", "9999", "10000", "10203040", "100000000", "123456789012345678"];
        let fractions =
            ["", ".", ".0", ".5", ".05", ".99", ".995", ".1200", ".0001", ".12345", "e1", ".1.", "x"];
        let limits =
            [None, Some((12, 2)), Some((2, 1)), Some((1, 0)), Some((2, 4)), Some((3, -2)), Some((38, 10))];
        let mut short_ones = 0;
        for text in wholes.iter().flat_map(|whole| fractions.map(|fraction| format!("{whole}{fraction}"))) {
            for text in ["", "-", "+"].map(|sign| format!("{sign}{text}")) {
                for limits in limits {
                    let mut out = Vec::new();
                    if short(limits, text.as_bytes(), &mut out) {
                        assert_eq!(Some(out), at_length(limits, text.as_bytes()), "{text} in {limits:?}");
                        short_ones += 1;
                    } else {
                        assert!(out.is_empty(), "{text} in {limits:?}");
                    }
                }
            }
        }
        assert!(short_ones > 500, "{short_ones}");
    }
}
