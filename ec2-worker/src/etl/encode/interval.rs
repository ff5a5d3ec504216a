//! Checks an interval, because PostgreSQL leaves out much of the text of an interval without an error.

use std::iter::Peekable;
use std::slice::Iter;

use super::super::column::{IntervalUnit, MOST_DECIMALS};

/// What to do about an interval whose last number has no unit.
const NO_UNIT: &str = "its last number has no unit, and PostgreSQL would read it as seconds; write the unit";

/// What to do about days before a point, as .NET writes them: `1.05:30:00`.
const DAYS: &str = "PostgreSQL reads days and hours with a point between them as another time; write 1 05:30:00 for one day, 5 hours and \
                    30 minutes";

/// How to write an interval.
const FORM: &str = "a number in it takes a decimal point and no comma, and a sign stands before the number; correct the interval";

/// Checks the marks of an interval, and that the column keeps all of its units. `finest` is the finest unit.
///
/// # Errors
///
/// If PostgreSQL would read another time than the text says, or would drop a part of it. The sentence says why and what to do.
pub(super) fn check(finest: IntervalUnit, text: &[u8]) -> Result<(), String> {
    if !has_marks_in_place(text) {
        return Err(FORM.to_owned());
    }
    if has_days_before_point(text) {
        return Err(DAYS.to_owned());
    }
    if finest == IntervalUnit::Second && ends_without_unit(text) {
        return Err(NO_UNIT.to_owned());
    }
    if finest == IntervalUnit::Second || is_kept(finest, text) {
        return Ok(());
    }
    Err(format!(
        "the column keeps nothing finer than a {}; write whole numbers of that unit and of coarser ones, such as 1 {0}, or give the column the \
         type interval",
        name(finest)
    ))
}

fn name(unit: IntervalUnit) -> &'static str {
    match unit {
        IntervalUnit::Year => "year",
        IntervalUnit::Month => "month",
        IntervalUnit::Day => "day",
        IntervalUnit::Hour => "hour",
        IntervalUnit::Minute => "minute",
        IntervalUnit::Second => "second",
    }
}

/// Returns whether an interval has only letters, digits, blanks, and the marks `.` `:` `+` `-` `,` `@` in their places.
///
/// A sign must stand before a number, and a colon between two: `12-` would become 12 years, and `(12)` 12 seconds. No comma may stand
/// between two digits: PostgreSQL takes it for the end of a number, so `1,5 hours` would not become one hour and a half.
fn has_marks_in_place(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(index, byte)| {
        let (before, after) = (&text[..index], &text[index + 1..]);
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        match byte {
            b'+' | b'-' => after
                .trim_ascii_start()
                .first()
                .is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'.'),
            b':' => is_digit(before.last()) && is_digit(after.first()),
            b',' => !(is_digit(before.last()) && is_digit(after.first())),
            b'.' | b'@' => true,
            other => other.is_ascii_alphanumeric() || other.is_ascii_whitespace(),
        }
    })
}

/// Returns whether digits stand between a point and a colon, as in `1.05:30:00`.
fn has_days_before_point(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'.').skip(1).any(|rest| {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits > 0 && rest.get(digits) == Some(&b':')
    })
}

/// Returns whether a number without a unit stands behind a number with one, as in `1h30`.
fn ends_without_unit(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    if matches!(text.first(), Some(b'P' | b'p')) {
        return false;
    }
    let is_of_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'-');
    let start = text.iter().rposition(|byte| !is_of_number(byte)).map_or(0, |last| last + 1);
    let (units, number) = text.split_at(start);
    let number = number.strip_prefix(b"-").unwrap_or(number);
    let is_plain = number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    !number.is_empty() && is_plain && units.iter().any(u8::is_ascii_alphabetic)
}

/// Returns whether no unit of the text is finer than `finest`. A text that is not understood counts as finer, and so does a number
/// with decimals, because they spread to finer units.
fn is_kept(finest: IntervalUnit, text: &[u8]) -> bool {
    let text = text.trim_ascii();
    if let Some(rest) = text.strip_prefix(b"P").or_else(|| text.strip_prefix(b"p")) {
        return designated(rest).is_some_and(|units| units.iter().all(|unit| *unit <= finest));
    }
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.peek() {
        match byte {
            b'0'..=b'9' => match number(&mut bytes) {
                Some(unit) if unit.is_none_or(|unit| unit <= finest) => {}
                _ => return false,
            },
            // `1.5` begins with a digit, so this number is below one.
            b'.' => return false,
            letter if letter.is_ascii_alphabetic() => {
                // Words without a number, such as `ago`.
                let word = word(&mut bytes);
                if !word.eq_ignore_ascii_case(b"ago") {
                    return false;
                }
            }
            _ => {
                bytes.next();
            }
        }
    }
    true
}

/// Reads a number and its unit. Returns the unit, `Some(None)` if the number is zero or has no unit, and `None` if it is not understood. A number
/// without a unit counts in the finest unit of the column.
fn number(bytes: &mut Peekable<Iter<'_, u8>>) -> Option<Option<IntervalUnit>> {
    let whole = digits(bytes);
    let is_zero = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
    match bytes.peek() {
        Some(b'.') => {
            bytes.next();
            if !is_zero(&digits(bytes)) {
                return None;
            }
        }
        Some(b':') => return clock(bytes, is_zero(&whole)),
        Some(b'-') => {
            // `1-2` is a year and two months.
            bytes.next();
            let months = digits(bytes);
            return Some((!is_zero(&months)).then_some(IntervalUnit::Month));
        }
        _ => {}
    }
    while bytes.next_if(|byte| byte.is_ascii_whitespace()).is_some() {}
    if !bytes.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
        return Some(None);
    }
    let unit = unit(&word(bytes))?;
    Some((!is_zero(&whole)).then_some(unit))
}

/// Reads the minutes and seconds of a time such as `1:30` or `1:30:15`.
fn clock(bytes: &mut Peekable<Iter<'_, u8>>, has_no_hours: bool) -> Option<Option<IntervalUnit>> {
    let is_zero = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
    let mut finest = (!has_no_hours).then_some(IntervalUnit::Hour);
    for unit in [IntervalUnit::Minute, IntervalUnit::Second] {
        if bytes.next_if_eq(&&b':').is_none() {
            break;
        }
        if !is_zero(&digits(bytes)) {
            finest = Some(unit);
        }
    }
    if bytes.next_if_eq(&&b'.').is_some() && !is_zero(&digits(bytes)) {
        return None;
    }
    Some(finest)
}

fn digits(bytes: &mut Peekable<Iter<'_, u8>>) -> Vec<u8> {
    std::iter::from_fn(|| bytes.next_if(|byte| byte.is_ascii_digit()).copied()).collect()
}

fn word(bytes: &mut Peekable<Iter<'_, u8>>) -> Vec<u8> {
    std::iter::from_fn(|| bytes.next_if(|byte| byte.is_ascii_alphabetic()).copied()).collect()
}

/// Returns the unit of a word, as PostgreSQL's documentation names it.
fn unit(word: &[u8]) -> Option<IntervalUnit> {
    let word = word.to_ascii_lowercase();
    Some(match word.strip_suffix(b"s").filter(|rest| rest.len() > 1).unwrap_or(&word) {
        b"y" | b"yr" | b"year" | b"dec" | b"decade" | b"c" | b"cent" | b"century" | b"centurie" | b"mil"
        | b"millennium" | b"millennia" => IntervalUnit::Year,
        b"mon" | b"month" => IntervalUnit::Month,
        b"w" | b"week" | b"d" | b"day" => IntervalUnit::Day,
        b"h" | b"hr" | b"hour" => IntervalUnit::Hour,
        b"m" | b"min" | b"minute" => IntervalUnit::Minute,
        b"s" | b"sec" | b"second" | b"ms" | b"us" | b"msec" | b"usec" | b"millisecond" | b"microsecond" => {
            IntervalUnit::Second
        }
        _ => return None,
    })
}

/// Returns the units other than zero in the part of an ISO 8601 duration behind its `P`, such as `1Y2M3DT4H5M6S`.
fn designated(rest: &[u8]) -> Option<Vec<IntervalUnit>> {
    let (mut units, mut is_time) = (Vec::new(), false);
    let mut bytes = rest.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'T' | b't' => is_time = true,
            b'+' | b'-' => {}
            b'0'..=b'9' => {
                let is_zero = *byte == b'0' && digits(&mut bytes).iter().all(|digit| *digit == b'0');
                if !is_zero {
                    digits(&mut bytes);
                }
                let unit = match (bytes.next()?.to_ascii_uppercase(), is_time) {
                    (b'Y', false) => IntervalUnit::Year,
                    (b'M', false) => IntervalUnit::Month,
                    (b'W' | b'D', false) => IntervalUnit::Day,
                    (b'H', true) => IntervalUnit::Hour,
                    (b'M', true) => IntervalUnit::Minute,
                    (b'S', true) => IntervalUnit::Second,
                    _ => return None,
                };
                units.extend((!is_zero).then_some(unit));
            }
            _ => return None,
        }
    }
    Some(units)
}

/// Returns whether an interval, which the checks here accept, has a part of a second that is lost if only `kept` decimals of it are kept.
#[must_use]
pub fn rounds_seconds(kept: usize, text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let is_designated = text.first().is_some_and(|first| first.eq_ignore_ascii_case(&b'P'));
    let (mut bytes, mut is_time) = (text.iter().peekable(), false);
    while let Some(byte) = bytes.peek() {
        if !byte.is_ascii_digit() && **byte != b'.' {
            is_time |= byte.eq_ignore_ascii_case(&b'T');
            bytes.next();
            continue;
        }
        let mut number = digits(&mut bytes);
        let mut decimals = Vec::new();
        if bytes.next_if_eq(&&b'.').is_some() {
            decimals = digits(&mut bytes);
        }
        if bytes.peek().is_some_and(|next| **next == b':' || **next == b'-' && !is_designated) {
            // Hours and minutes have no decimals, and neither have the years of `1-2`.
            continue;
        }
        while bytes.next_if(|byte| byte.is_ascii_whitespace()).is_some() {}
        let micros = match bytes.peek() {
            Some(letter) if is_designated => {
                let micros = micros_of(&[**letter], is_time);
                bytes.next();
                micros
            }
            _ => micros_of(&word(&mut bytes), true),
        };
        let is_zero = |digit: &u8| *digit == b'0';
        decimals.truncate(decimals.len() - decimals.iter().rev().take_while(|digit| is_zero(digit)).count());
        number.extend_from_slice(&decimals);
        if loses(&number, decimals.len(), micros, kept) {
            return true;
        }
    }
    false
}

/// Returns whether a number of units of so many microseconds is no multiple of the last decimal of a second that is kept.
fn loses(number: &[u8], decimals: usize, micros: i128, kept: usize) -> bool {
    let ten = |power: usize| 10_i128.checked_pow(u32::try_from(power).unwrap_or(u32::MAX));
    let parse = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<i128>().ok();
    let kept_micros =
        ten(MOST_DECIMALS.saturating_sub(kept)).and_then(|step| ten(decimals)?.checked_mul(step));
    let all =
        if number.is_empty() { Some(0) } else { parse(number).and_then(|number| number.checked_mul(micros)) };
    // So many digits are more than any column keeps.
    all.zip(kept_micros).is_none_or(|(all, kept)| all % kept != 0)
}

/// Returns the microseconds of a unit. Parts of a year become months and are never a part of a second.
fn micros_of(word: &[u8], is_time: bool) -> i128 {
    const SECOND: i128 = 1_000_000;
    const DAY: i128 = 86_400 * SECOND;
    let begins = |beginnings: &[&str]| {
        beginnings.iter().any(|beginning| word.to_ascii_lowercase().starts_with(beginning.as_bytes()))
    };
    match unit(word) {
        Some(IntervalUnit::Year) => 0,
        Some(IntervalUnit::Minute) if !is_time => 30 * DAY,
        Some(IntervalUnit::Month) => 30 * DAY,
        Some(IntervalUnit::Day) if begins(&["w"]) => 7 * DAY,
        Some(IntervalUnit::Day) => DAY,
        Some(IntervalUnit::Hour) => 3_600 * SECOND,
        Some(IntervalUnit::Minute) => 60 * SECOND,
        _ if begins(&["ms", "millis"]) => SECOND / 1_000,
        _ if begins(&["us", "micros"]) => 1,
        _ => SECOND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_is_rounded_behind_the_decimals_that_are_kept() {
        let cases = [
            (0, "1.5 seconds", true),
            (0, "1.0 seconds", false),
            (0, "00:00:01.5", true),
            (0, "3 days 04:05:06", false),
            (0, "1.5 hours", false),
            (0, "0.0001 hours", true),
            (0, "250 ms", true),
            (3, "250 milliseconds", false),
            (3, "250 us", true),
            (0, "PT1.5S", true),
            (0, "P1.5M", false),
            (0, "P1Y2M3DT4H5M6S", false),
            (0, "1-2", false),
            (0, "1.5", true),
            (0, ".5", true),
            (0, "@ 1 minute 5.5 secs ago", true),
            (6, "00:00:01.123456", false),
            (6, "00:00:01.1234567", true),
            (6, "1.0000000000000000000000000000000000000000000001 seconds", true),
        ];
        for (kept, text, wanted) in cases {
            assert_eq!(rounds_seconds(kept, text.as_bytes()), wanted, "{text} with {kept} decimals");
        }
    }

    #[test]
    fn a_unit_that_the_column_drops_is_refused_unless_it_is_zero() {
        use IntervalUnit::{Day, Hour, Minute, Month, Year};
        let cases = [
            (Year, "1 year", true),
            (Year, "2 decades", true),
            (Year, "1 year 5 months", false),
            (Year, "1 year 0 months", true),
            (Year, "1.5 years", false),
            (Year, "5", true),
            (Month, "1-2", true),
            (Year, "1-2", false),
            (Year, "3 days", false),
            (Day, "36 hours", false),
            (Day, "-2 days ago", true),
            (Day, "2 days 00:00:00", true),
            (Minute, "01:30:45", false),
            (Minute, "01:30:00", true),
            (Hour, "01:30", false),
            (Hour, "P1Y2M3DT4H", true),
            (Hour, "P1Y2M3DT4H5M", false),
            (Day, "P1M", true),
            (Hour, "PT0M", true),
            (Hour, "PT10M", false),
            (Day, "1 fortnight", false),
        ];
        for (finest, text, wanted) in cases {
            assert_eq!(check(finest, text.as_bytes()).is_ok(), wanted, "{text} with {finest:?}");
        }
        assert!(check(IntervalUnit::Second, b"1 year 5.5 seconds").is_ok());
        for text in ["12-", "(12)", "5%", "1,5 hours"] {
            assert!(check(IntervalUnit::Second, text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_type_modifier_says_which_unit_is_the_finest() {
        // As the server gives them for interval year, year to month, day, hour to minute, interval(0) and interval.
        let modifiers = [
            (327_679, IntervalUnit::Year),
            (458_751, IntervalUnit::Month),
            (589_823, IntervalUnit::Day),
            (201_392_127, IntervalUnit::Minute),
            (2_147_418_112, IntervalUnit::Second),
            (-1, IntervalUnit::Second),
        ];
        for (modifier, wanted) in modifiers {
            assert_eq!(IntervalUnit::finest_of(modifier), wanted, "{modifier}");
        }
    }
}
