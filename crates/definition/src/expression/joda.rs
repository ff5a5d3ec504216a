//! Formats times by the date patterns of Joda-Time, with English names.
//!
//! The patterns differ from those of java.time: `YYYY` is the calendar year (of the era), and `xxxx` is the
//! year of the ISO week.

use jiff::{Zoned, civil::Weekday};

use super::EvaluateError;

/// The English names of the months. `MMM` is the first three letters.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Formats `time`, in its own time zone, by `pattern`.
///
/// # Errors
///
/// [`EvaluateError::Pattern`] if the pattern contains a letter without a meaning, or a quote that is not
/// closed.
pub(super) fn format(time: &Zoned, pattern: &str) -> Result<String, EvaluateError> {
    let mut written = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '\'' => quoted(&mut chars, &mut written, pattern)?,
            letter if letter.is_ascii_alphabetic() => {
                let mut count = 1;
                while chars.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                field(time, letter, count, &mut written, pattern)?;
            }
            literal => written.push(literal),
        }
    }
    Ok(written)
}

/// Returns whether [`format`] understands `pattern`.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    let any = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    format(&any, pattern).is_ok()
}

/// Copies the text between an opening quote, which was read already, and the closing quote. Two quotes in a
/// row stand for one quote, inside and outside a quoted text.
fn quoted(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    written: &mut String,
    pattern: &str,
) -> Result<(), EvaluateError> {
    if chars.next_if_eq(&'\'').is_some() {
        written.push('\'');
        return Ok(());
    }
    while let Some(next) = chars.next() {
        if next != '\'' {
            written.push(next);
        } else if chars.next_if_eq(&'\'').is_some() {
            written.push('\'');
        } else {
            return Ok(());
        }
    }
    Err(bad_pattern(pattern, "a quote is not closed".to_owned()))
}

fn bad_pattern(pattern: &str, reason: String) -> EvaluateError {
    EvaluateError::Pattern { pattern: pattern.to_owned(), reason }
}

/// Writes one field of the pattern: `count` times the same `letter`.
///
/// # Errors
///
/// [`EvaluateError::Pattern`] if the letter has no meaning.
fn field(
    time: &Zoned,
    letter: char,
    count: usize,
    written: &mut String,
    pattern: &str,
) -> Result<(), EvaluateError> {
    let year = i64::from(time.year());
    let year_of_era = if year > 0 { year } else { 1 - year };
    let hour = i64::from(time.hour());
    match letter {
        'G' => written.push_str(if year > 0 { "AD" } else { "BC" }),
        'C' => number(written, year_of_era / 100, count),
        'Y' => a_year(written, year_of_era, count),
        'y' => a_year(written, year, count),
        'x' => a_year(written, i64::from(time.date().iso_week_date().year()), count),
        'w' => number(written, i64::from(time.date().iso_week_date().week()), count),
        'e' => number(written, i64::from(time.weekday().to_monday_one_offset()), count),
        'E' => text(written, day_name(time.weekday()), count),
        'D' => number(written, i64::from(time.day_of_year()), count),
        'M' if count >= 3 => text(written, MONTHS[usize::from(time.month().unsigned_abs()) - 1], count),
        'M' => number(written, i64::from(time.month()), count),
        'd' => number(written, i64::from(time.day()), count),
        'a' => written.push_str(if hour < 12 { "AM" } else { "PM" }),
        'K' => number(written, hour % 12, count),
        'h' => number(written, if hour % 12 == 0 { 12 } else { hour % 12 }, count),
        'H' => number(written, hour, count),
        'k' => number(written, if hour == 0 { 24 } else { hour }, count),
        'm' => number(written, i64::from(time.minute()), count),
        's' => number(written, i64::from(time.second()), count),
        'S' => fraction(written, time.subsec_nanosecond(), count),
        'z' => zone_name(written, time, count),
        'Z' => zone_offset(written, time, count),
        other => return Err(bad_pattern(pattern, format!("the letter `{other}` has no meaning"))),
    }
    Ok(())
}

/// Writes a number, padded with zeros to at least `count` digits. The code pads by hand, because `format!`
/// limits the width and a pattern does not.
pub(super) fn number(written: &mut String, number: i64, count: usize) {
    if number < 0 {
        written.push('-');
    }
    let mut left = number.unsigned_abs();
    // The digits are written from the last to the first. Every 64-bit number fits.
    let mut digits = [b'0'; 20];
    let mut begin = digits.len();
    while left > 0 || begin == digits.len() {
        begin -= 1;
        digits[begin] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    for _ in digits.len() - begin..count {
        written.push('0');
    }
    for digit in &digits[begin..] {
        written.push(char::from(*digit));
    }
}

/// Writes a year. Two letters mean the last two digits; any other count is a minimum number of digits.
fn a_year(written: &mut String, year: i64, count: usize) {
    if count == 2 { number(written, year.abs() % 100, 2) } else { number(written, year, count) }
}

/// Writes the first three letters of a name, or the whole name if the pattern has four letters or more.
fn text(written: &mut String, full: &str, count: usize) {
    written.push_str(if count >= 4 { full } else { &full[..3] });
}

/// Writes exactly `count` digits of the fraction of a second.
fn fraction(written: &mut String, nanoseconds: i32, count: usize) {
    let digits = format!("{nanoseconds:09}");
    written.extend(digits.chars().chain(std::iter::repeat('0')).take(count));
}

fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

/// Writes the name of the zone. Only UTC has a long name here; other zones keep their short name.
fn zone_name(written: &mut String, time: &Zoned, count: usize) {
    let short = time.strftime("%Z").to_string();
    written.push_str(if count >= 4 && short == "UTC" { "Coordinated Universal Time" } else { &short });
}

/// Writes `+0100` for one letter, `+01:00` for two, and the id of the zone, if it has one, for three or more.
fn zone_offset(written: &mut String, time: &Zoned, count: usize) {
    match (count, time.time_zone().iana_name()) {
        (1, _) => written.push_str(&time.strftime("%z").to_string()),
        (3.., Some(id)) => written.push_str(id),
        _ => written.push_str(&time.strftime("%:z").to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(time: &str, pattern: &str) -> String {
        let time: jiff::Timestamp = time.parse().unwrap();
        format(&time.to_zoned(jiff::tz::TimeZone::UTC), pattern).unwrap()
    }

    #[test]
    fn a_capital_year_is_the_calendar_year_also_at_new_year() {
        assert_eq!(formatted("2019-12-30T00:00:00Z", "YYYY-MM-dd"), "2019-12-30");
        assert_eq!(formatted("2019-12-30T00:00:00Z", "xxxx-'W'ww-e"), "2020-W01-1");
    }

    #[test]
    fn the_twelve_hour_clock_has_no_zero() {
        assert_eq!(formatted("2011-05-24T00:07:09Z", "hh K kk HH:mm:ss a"), "12 0 24 00:07:09 AM");
        assert_eq!(formatted("2011-05-24T17:10:00Z", "hh K kk HH a"), "05 5 17 17 PM");
    }

    #[test]
    fn mistakes_in_the_guide_are_reproduced() {
        assert_eq!(formatted("2011-05-24T17:10:30Z", "YY-MM-DD HH:MM:SS"), "11-05-144 17:05:00");
    }

    #[test]
    fn texts_are_short_up_to_three_letters() {
        assert_eq!(formatted("2011-05-04T17:10:00Z", "E EEEE MMM MMMM d dd"), "Wed Wednesday May May 4 04");
        assert_eq!(formatted("2011-05-04T17:10:00Z", "z Z ZZ ZZZ G CC"), "UTC +0000 +00:00 UTC AD 20");
    }

    #[test]
    fn quotes_keep_letters() {
        assert_eq!(formatted("2011-05-24T17:10:00Z", "YYYY'T'HH 'o''clock' ''"), "2011T17 o'clock '");
    }

    #[test]
    fn fractions_are_cut_and_padded() {
        assert_eq!(formatted("2011-05-24T17:10:00.789Z", "S SS SSSSSSSSSSS"), "7 78 78900000000");
    }

    #[test]
    fn unknown_letters_and_open_quotes_are_errors() {
        assert!(!is_pattern("YYYY-QQ"));
        assert!(!is_pattern("YYYY'T"));
        assert!(is_pattern("dd/MM/yyyy"));
    }
}
