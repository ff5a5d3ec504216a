//! The small parts of times that both ISO 8601 and patterns read: numbers of few digits, fractions and offsets.

use super::SECOND;

/// Reads a number of `least` to `most` digits at the beginning of a text.
pub(super) fn number(text: &[u8], least: usize, most: usize) -> Option<(u32, &[u8])> {
    let count = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if count < least {
        return None;
    }
    let (digits, rest) = text.split_at(count);
    let value = digits.iter().fold(0_u32, |value, byte| value * 10 + u32::from(byte - b'0'));
    Some((value, rest))
}

/// Returns the microseconds of a fraction of a second.
pub(super) fn fraction_micros(digits: &[u8]) -> i64 {
    if digits.len() > 6 {
        // PostgreSQL rounds in this way, with the inexact form of the fraction.
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let value: f64 = format!("0.{text}").parse().unwrap_or_default();
        return (value * SECOND as f64).round_ties_even() as i64;
    }
    let mut value = 0;
    for index in 0..6 {
        value = value * 10 + digits.get(index).map_or(0, |byte| i64::from(byte - b'0'));
    }
    value
}

/// Reads an offset from UTC at the beginning of a text, such as `+05`, `+0530`, `-03:30:15` or `Z`, and returns it in
/// seconds east of UTC.
pub(super) fn offset(text: &[u8]) -> Option<(i32, &[u8])> {
    let (sign, rest) = match text.split_first()? {
        (b'Z' | b'z', rest) => return Some((0, rest)),
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, mut rest) = rest.split_at(count);
    let (hours, mut minutes, mut seconds) = match count {
        1 | 2 => (number(digits, 1, 2)?.0, 0, 0),
        3 | 4 => (number(&digits[..count - 2], 1, 2)?.0, number(&digits[count - 2..], 2, 2)?.0, 0),
        // Of `+001022`, PostgreSQL would make 10 hours and 22 minutes.
        _ => return None,
    };
    if count <= 2
        && let Some(more) = rest.strip_prefix(b":")
    {
        (minutes, rest) = number(more, 2, 2)?;
        if let Some(more) = rest.strip_prefix(b":") {
            (seconds, rest) = number(more, 2, 2)?;
        }
    }
    // PostgreSQL takes offsets below 16 hours.
    let legal = hours <= 15 && minutes <= 59 && seconds <= 59;
    legal.then_some((sign * (hours * 3600 + minutes * 60 + seconds) as i32, rest))
}
