//! Patterns of dates: a text that another program writes by a pattern is read as the same time, and a text that both read has
//! one meaning.

use ec2_worker::etl::date::{self, DAY, Moment, Pattern, SECOND, written};
use jiff::civil::DateTime;
use jiff::fmt::strtime;

use super::Choices;

/// The letters of Joda-Time, and of `strftime`.
const PARTS: [(&str, &str); 18] = [
    ("yyyy", "%Y"),
    ("yyyy", "%Y"),
    ("YYYY", "%Y"),
    ("MM", "%m"),
    ("M", "%-m"),
    ("MMM", "%b"),
    ("MMMM", "%B"),
    ("dd", "%d"),
    ("d", "%-d"),
    ("HH", "%H"),
    ("H", "%-H"),
    ("hh", "%I"),
    ("h", "%-I"),
    ("a", "%p"),
    ("mm", "%M"),
    ("ss", "%S"),
    ("EEE", "%a"),
    ("EEEE", "%A"),
];
/// The number of bytes that choose a pattern and a time.
pub(crate) const HEAD: usize = 24;

/// Checks a time in a pattern that the first bytes choose, and the bytes behind them as a pattern and a text.
pub(crate) fn check(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    let (pattern, text) = rest.split_once('\n').unwrap_or((rest, rest));
    any(pattern, text);
    iso(text);
    written_by_jiff(&mut Choices(head), text);
}

/// A pattern never panics, and every text that it reads gives a time.
fn any(pattern: &str, text: &str) {
    let Ok(pattern) = Pattern::in_year(pattern, 2026) else { return };
    let _ = (pattern.has_date(), pattern.has_time(), pattern.contradicts_iso());
    if let Some(moment) = pattern.moment(text.as_bytes()) {
        legal(moment);
    }
}

fn legal(moment: Moment) {
    assert!((0..=DAY).contains(&moment.micros), "{moment:?}");
    assert!(moment.offset.is_none_or(|offset| offset.abs() < 16 * 3600), "{moment:?}");
    let _ = (moment.local(), moment.utc());
}

/// A time that was read is written as a text that is read as the same time.
fn iso(text: &str) {
    let _ = (
        date::iso_time(text.as_bytes()),
        date::iso_time_tz(text.as_bytes()),
        date::iso_date(text.as_bytes()),
    );
    let Some(moment) = date::iso_moment(text.as_bytes()) else { return };
    legal(moment);
    let Some(micros) = moment.utc() else { return };
    let written = written::timestamp(micros, "+00");
    let again = date::iso_moment(written.as_bytes());
    assert_eq!(again.and_then(Moment::utc), Some(micros), "{text:?}, written {written:?}");
}

fn written_by_jiff(choices: &mut Choices<'_>, text: &str) {
    let (mut joda, mut strftime, mut is_tight) = (String::new(), String::new(), false);
    for _ in 0..choices.below(7) + 1 {
        let part = choices.one(&PARTS);
        let between = choices.one(&["/", "-", " ", ".", ":", "", ", ", "'T'", " 'o''clock' "]);
        is_tight |= joda.ends_with(char::is_alphabetic);
        if joda.chars().last() == part.0.chars().next() {
            return;
        }
        joda.push_str(part.0);
        joda.push_str(between);
        strftime.push_str(part.1);
        strftime.push_str(match between {
            "'T'" => "T",
            " 'o''clock' " => " o'clock ",
            other => other,
        });
    }
    let Ok(pattern) = Pattern::in_year(&joda, 2026) else { return };
    // Noon without an hour says nothing.
    if joda.contains('a') && !pattern.has_time() {
        return;
    }
    // Numbers side by side may be cut in two ways.
    if is_tight {
        return;
    }
    let time = |choices: &mut Choices<'_>| {
        let year = 1 + (choices.below(256) * 40 + choices.below(40)) as i16 % 9999;
        let (month, day) = (choices.below(12) as i8 + 1, choices.below(28) as i8 + 1);
        let (hour, minute, second) =
            (choices.below(24) as i8, choices.below(60) as i8, choices.below(60) as i8);
        jiff::civil::datetime(year, month, day, hour, minute, second, 0)
    };
    let at = time(choices);
    let Ok(formatted) = strtime::format(&strftime, at) else { return };
    if let Some(moment) = pattern.moment(formatted.as_bytes()) {
        compare(&joda, &strftime, &formatted, moment, at);
    } else {
        // A day of the week needs the whole date.
        let lacks_date = joda.contains('E')
            && !["y", "M", "d"].iter().all(|it| joda.to_lowercase().contains(&it.to_lowercase()));
        assert!(
            is_tight || lacks_date,
            "{joda:?} does not read {formatted:?}, which `{strftime}` made of {at}"
        );
    }
    // A text that both can read.
    let found = strtime::parse(&strftime, text).and_then(|found| found.to_datetime());
    if let (Some(moment), Ok(at)) = (pattern.moment(text.as_bytes()), found) {
        compare(&joda, &strftime, text, moment, at);
    }
}

/// Compares the parts that the pattern has.
fn compare(joda: &str, strftime: &str, text: &str, moment: Moment, at: DateTime) {
    let has = |letters: &[char]| joda.replace("'T'", "").replace("'o''clock'", "").contains(letters);
    let (year, month, day) = date::civil(moment.days);
    let seconds = moment.micros / SECOND;
    let ours = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let theirs = (i64::from(at.hour()), i64::from(at.minute()), i64::from(at.second()));
    let says = || format!("{joda:?} (`{strftime}`) reads {text:?} as {moment:?}, and not as {at}");
    assert!(!has(&['y', 'Y']) || year == i64::from(at.year()), "{}", says());
    assert!(!has(&['M']) || month == i64::from(at.month()), "{}", says());
    assert!(!has(&['d']) || day == i64::from(at.day()), "{}", says());
    assert!(!has(&['H', 'h']) || ours.0 == theirs.0, "{}", says());
    assert!(!has(&['m']) || ours.1 == theirs.1, "{}", says());
    assert!(!has(&['s']) || ours.2 == theirs.2, "{}", says());
}
