//! Reads the dates and times that need no pattern: ISO 8601, and the other forms of PostgreSQL that have one meaning.
//!
//! A form whose day and month may change places, such as `05/06/2024`, is not among them.

use super::unit::{fraction_micros, number, offset};
use super::{DAY, Moment, SECOND, days, zone};

/// Reads `2025-12-31`. Returns the days since 2000-01-01, or `None` if the text is not such a date. This function runs
/// for nearly every date, so it is optimised.
#[must_use]
#[inline]
pub fn iso_date(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let mut wrong = 0;
    let mut digit = |byte: u8| {
        let value = byte.wrapping_sub(b'0');
        wrong |= u32::from(value > 9);
        u32::from(value)
    };
    let year = digit(y1) * 1000 + digit(y2) * 100 + digit(y3) * 10 + digit(y4);
    let month = digit(m1) * 10 + digit(m2);
    let day = digit(d1) * 10 + digit(d2);
    if wrong != 0 || year == 0 { None } else { days(year as i32, month, day) }
}

/// Reads a date with an optional time and zone, such as `2025-12-31T23:59:59.5+01:00` or `0044-03-15 BC`.
#[must_use]
pub fn iso_moment(text: &[u8]) -> Option<Moment> {
    let (text, before_christ) = era(text);
    let (days, rest, basic) = match text.get(..10).and_then(iso_date) {
        Some(days) if !before_christ => (days, &text[10..], false),
        _ => any_date(text, before_christ)?,
    };
    let marked = matches!(rest, [b'T' | b't', ..]);
    let rest = match rest {
        [] => return Some(Moment { days, ..Moment::default() }),
        [b'T' | b't', rest @ ..] => rest,
        [b' ', rest @ ..] => rest.trim_ascii_start(),
        _ => return None,
    };
    let (micros, rest) = match time(rest) {
        None if basic && marked => basic_time(rest)?,
        other => other?,
    };
    let rest = rest.trim_ascii_start();
    let offset = match offset(rest) {
        _ if rest.is_empty() => None,
        Some((offset, [])) => Some(offset),
        _ => Some(zone::offset(std::str::from_utf8(rest).ok()?, days, micros)?),
    };
    Some(Moment { days, micros, offset })
}

/// Reads a time, as `23:59` or `23:59:59.999999`. Returns the microseconds since midnight, or `None` if the text is
/// no time. `24:00` is the end of the day.
#[must_use]
pub fn iso_time(text: &[u8]) -> Option<i64> {
    let (micros, rest) = time(text)?;
    rest.is_empty().then_some(micros)
}

/// Reads a time with an optional offset. Returns the microseconds since midnight and the seconds east of UTC. A text
/// without an offset means UTC.
#[must_use]
pub fn iso_time_tz(text: &[u8]) -> Option<(i64, i32)> {
    let (micros, rest) = time(text)?;
    let rest = rest.trim_ascii_start();
    if rest.is_empty() || rest.eq_ignore_ascii_case(b"utc") || rest.eq_ignore_ascii_case(b"gmt") {
        return Some((micros, 0));
    }
    let (offset, rest) = offset(rest)?;
    rest.is_empty().then_some((micros, offset))
}

/// Cuts the mark of an era from the end of a text. Returns whether the mark is `BC`.
fn era(text: &[u8]) -> (&[u8], bool) {
    let Some((rest, mark)) = text.len().checked_sub(3).map(|at| text.split_at(at)) else {
        return (text, false);
    };
    if mark.eq_ignore_ascii_case(b" bc") {
        (rest.trim_ascii_end(), true)
    } else if mark.eq_ignore_ascii_case(b" ad") {
        (rest.trim_ascii_end(), false)
    } else {
        (text, false)
    }
}

/// Reads a date that begins with its year, of at least four digits. Returns also the text behind it, and whether the date
/// has no separators.
fn any_date(text: &[u8], before_christ: bool) -> Option<(i32, &[u8], bool)> {
    let of_era = |year: u32| {
        let year = i32::try_from(year).ok().filter(|year| *year > 0)?;
        Some(if before_christ { 1 - year } else { year })
    };
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 8 && matches!(text.get(8), None | Some(b' ' | b'T' | b't')) {
        let (year, rest) = number(text, 4, 4)?;
        let (month, rest) = number(rest, 2, 2)?;
        let (day, rest) = number(rest, 2, 2)?;
        return Some((days(of_era(year)?, month, day)?, rest, true));
    }
    if !(4..=7).contains(&count) {
        return None;
    }
    let (year, rest) = number(text, 4, 7)?;
    let (separator, rest) = rest.split_first()?;
    if !matches!(separator, b'-' | b'/' | b'.') {
        return None;
    }
    let (month, rest) = number(rest, 1, 2)?;
    let (day, rest) = number(rest.strip_prefix(&[*separator])?, 1, 2)?;
    Some((days(of_era(year)?, month, day)?, rest, false))
}

fn time(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, rest) = number(text, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2, 2)?;
    let (second, micros, rest) = match rest.strip_prefix(b":") {
        Some(rest) => seconds(rest)?,
        None => (0, 0, without_fraction(rest)?),
    };
    let (hour, rest) = half_day(hour, rest)?;
    Some((of_day(hour, minute, second, micros)?, rest))
}

/// Reads a time without separators, as `101530` or `1015`.
fn basic_time(text: &[u8]) -> Option<(i64, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count != 4 && count != 6 {
        return None;
    }
    let (hour, rest) = number(text, 2, 2)?;
    let (minute, rest) = number(rest, 2, 2)?;
    let (second, micros, rest) = if count == 6 { seconds(rest)? } else { (0, 0, without_fraction(rest)?) };
    Some((of_day(hour, minute, second, micros)?, rest))
}

/// Reads seconds with their fraction.
fn seconds(text: &[u8]) -> Option<(u32, i64, &[u8])> {
    let (second, rest) = number(text, 2, 2)?;
    let (micros, rest) = fraction(rest)?;
    Some((second, micros, rest))
}

/// Refuses a fraction without seconds: PostgreSQL reads `10:30.5` as minutes and seconds, and people may mean hours.
fn without_fraction(text: &[u8]) -> Option<&[u8]> {
    (!text.starts_with(b".") && !text.starts_with(b",")).then_some(text)
}

fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".").or_else(|| text.strip_prefix(b",")) else {
        return Some((0, text));
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| (fraction_micros(&digits[..count]), &digits[count..]))
}

/// Reads `AM` or `PM` behind a time, if it is there, and returns the hour of the day.
fn half_day(hour: u32, text: &[u8]) -> Option<(u32, &[u8])> {
    let word = text.trim_ascii_start();
    let Some((mark, rest)) =
        word.split_at_checked(2).filter(|(_, rest)| !rest.first().is_some_and(u8::is_ascii_alphabetic))
    else {
        return Some((hour, text));
    };
    let afternoon = mark.eq_ignore_ascii_case(b"pm");
    if !afternoon && !mark.eq_ignore_ascii_case(b"am") {
        return Some((hour, text));
    }
    (1..=12).contains(&hour).then_some((hour % 12 + 12 * u32::from(afternoon), rest))
}

/// Returns the microseconds since midnight by PostgreSQL's rules: a second may be the 60th, and a day may end at 24:00.
fn of_day(hour: u32, minute: u32, second: u32, micros: i64) -> Option<i64> {
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Some(seconds * SECOND + micros).filter(|total| *total <= DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_dates_count_days_from_2000() {
        assert_eq!(iso_date(b"2000-01-01"), Some(0));
        assert_eq!(iso_date(b"2024-02-29"), Some(8825));
        assert_eq!(iso_date(b"1999-12-31"), Some(-1));
        assert_eq!(iso_date(b"2023-02-29"), None);
        assert_eq!(iso_date(b"2023-2-9"), None);
        assert_eq!(iso_date(b"2023-0x-09"), None);
        assert_eq!(iso_date(b"0000-01-01"), None);
    }

    #[test]
    fn iso_moments_take_fractions_and_offsets() {
        let moment = iso_moment(b"2000-01-01T01:00:00.25+01:00").expect("legal");
        assert_eq!((moment.utc(), moment.local()), (Some(250_000), Some(3_600_250_000)));
        assert_eq!(iso_moment(b"2000-01-02 00:00").and_then(Moment::local), Some(86_400 * SECOND));
        assert_eq!(iso_moment(b"2000-01-02 25:00"), None);
        // PostgreSQL reads these as minutes and seconds, or refuses them.
        for text in ["10:30.5", "10:30,5", "1030.5", "1030,5"] {
            assert_eq!(iso_time(text.as_bytes()), None, "{text}");
            assert_eq!(iso_moment(format!("2000-01-02 {text}").as_bytes()), None, "{text}");
        }
        assert_eq!(iso_time(b"10:30:00,5"), Some(37_800_500_000));
    }

    #[test]
    fn offsets_are_read_in_every_form_of_the_server() {
        let offset =
            |text: &str| iso_moment(format!("2024-07-01 10:00:00{text}").as_bytes()).map(|m| m.offset);
        for (text, seconds) in [
            ("+05", 18_000),
            ("+0530", 19_800),
            ("+05:30", 19_800),
            ("-03:30:15", -12_615),
            ("Z", 0),
            (" z", 0),
            (" UTC", 0),
            (" Europe/Berlin", 7_200),
            (" -0800", -28_800),
        ] {
            assert_eq!(offset(text), Some(Some(seconds)), "{text}");
        }
        for text in ["+16:00", "+05:60", "+001022", " CST", " Nowhere/Else", "+", " +05:3", "x"] {
            assert_eq!(offset(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_that_is_set_has_the_offset_that_the_server_takes() {
        let utc = |text: &str| iso_moment(text.as_bytes()).and_then(Moment::utc);
        assert_eq!(utc("2024-03-31 03:00 Europe/Berlin"), utc("2024-03-31 01:00Z"));
        assert_eq!(
            utc("2024-03-31 02:30 Europe/Berlin"),
            utc("2024-03-31 01:30Z"),
            "the clocks skip this time"
        );
        assert_eq!(
            utc("2024-10-27 02:30 Europe/Berlin"),
            utc("2024-10-27 01:30Z"),
            "the clocks repeat this time"
        );
        assert_eq!(utc("2024-10-27 03:00 Europe/Berlin"), utc("2024-10-27 02:00Z"));
    }

    #[test]
    fn eras_ends_of_days_and_leap_seconds_are_read() {
        let at = |text: &str| iso_moment(text.as_bytes()).and_then(Moment::local);
        assert_eq!(at("2024-12-31 24:00"), at("2025-01-01"));
        assert_eq!(at("2016-12-31T23:59:60"), at("2017-01-01"));
        assert_eq!(iso_moment(b"0001-01-01 BC").map(|m| m.days), days(0, 1, 1));
        assert_eq!(iso_moment(b"12024-01-01").map(|m| m.days), days(12024, 1, 1));
        assert_eq!(iso_moment(b"20240229T101530").map(|m| m.micros), Some(36_930 * SECOND));
        assert_eq!(iso_moment(b"2024/2/9 3:05 PM").map(|m| m.micros), Some(54_300 * SECOND));
        for text in ["24:00:01", "23:60", "23:59:61", "13:00 PM", "7"] {
            assert_eq!(iso_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_form_whose_day_and_month_may_change_places_is_not_read() {
        for text in ["05/06/2024", "5-6-2024", "05.06.24", "24-05-06", "050624", "2024-05/06"] {
            assert_eq!(iso_moment(text.as_bytes()), None, "{text}");
        }
    }
}
