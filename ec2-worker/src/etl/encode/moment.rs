//! Reads dates and times by the rules of their column.

use super::super::column::MomentType;
use super::super::date::{self, DAY, Moment, Pattern, written};
use super::super::value_rules::ColumnRules;
use super::blanks::trim;

/// Returns the days since 2000-01-01.
#[inline]
pub(super) fn day(rules: &ColumnRules, text: &[u8]) -> Option<i32> {
    if rules.dates.is_empty()
        && let Some(days) = date::iso_date(text)
    {
        return Some(days);
    }
    match endless(text) {
        Some(true) => return Some(i32::MAX),
        Some(false) => return Some(i32::MIN),
        None => {}
    }
    // Many tools write a date with a time of day, which is midnight. The column would lose another time of day.
    any(rules, text).filter(|m| m.micros == 0 && m.offset.is_none_or(|o| o == 0)).map(|m| m.days)
}

/// Returns the microseconds since 2000-01-01 00:00.
#[inline]
pub(super) fn timestamp(rules: &ColumnRules, text: &[u8]) -> Option<i64> {
    if let Some(end) = endless(text) {
        return Some(if end { i64::MAX } else { i64::MIN });
    }
    // A timestamp without time zone has no offset. Dropping the offset of the text would change the time.
    any(rules, text).filter(|m| m.offset.is_none_or(|o| o == 0)).and_then(Moment::local)
}

/// Returns the microseconds since 2000-01-01 00:00 UTC.
#[inline]
pub(super) fn instant(rules: &ColumnRules, text: &[u8]) -> Option<i64> {
    if let Some(end) = endless(text) {
        return Some(if end { i64::MAX } else { i64::MIN });
    }
    any(rules, text).and_then(Moment::utc)
}

/// Returns the microseconds since midnight.
pub(super) fn time(rules: &ColumnRules, text: &[u8]) -> Option<i64> {
    match by_pattern(rules, text) {
        Some(moment) => Some(moment.micros).filter(|_| moment.offset.is_none()),
        None => date::iso_time(text),
    }
}

/// Returns the microseconds since midnight and the seconds east of UTC.
pub(super) fn time_tz(rules: &ColumnRules, text: &[u8]) -> Option<(i64, i32)> {
    match by_pattern(rules, text) {
        Some(moment) => Some((moment.micros, moment.offset.unwrap_or(0))),
        None => date::iso_time_tz(text),
    }
}

/// Returns a date or time as PostgreSQL reads it under every setting.
pub(super) fn rewritten(moments: MomentType, rules: &ColumnRules, text: &[u8]) -> Option<String> {
    Some(match moments {
        MomentType::Date => written::date(day(rules, text)?),
        MomentType::Timestamp => written::timestamp(timestamp(rules, text)?, ""),
        MomentType::TimestampTz => written::timestamp(instant(rules, text)?, "+00"),
        MomentType::Time => written::time(time(rules, text)?),
        MomentType::TimeTz => {
            let (micros, offset) = time_tz(rules, text)?;
            format!("{}{}", written::time(micros), written::offset(offset))
        }
    })
}

/// Rewrites each date or time in an array, a range or a multirange. Returns the text at fault if one is unreadable.
pub(super) fn each(moments: MomentType, rules: &ColumnRules, text: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    const MARKS: &[u8] = b"{}[](),\"";
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    // The bounds of an array, such as `[0:1]=`, stay as they are.
    if let Some(end) = text.windows(2).position(|two| two == b"]=") {
        out.extend_from_slice(&text[..end + 2]);
        rest = &text[end + 2..];
    }
    while let Some(first) = rest.first() {
        if MARKS.contains(first) {
            out.push(*first);
            rest = &rest[1..];
            continue;
        }
        let count = rest.iter().take_while(|byte| !MARKS.contains(byte)).count();
        let (whole, element) = (&rest[..count], trim(&rest[..count]));
        rest = &rest[count..];
        let is_word = element.is_empty()
            || element.eq_ignore_ascii_case(b"null")
            || element.eq_ignore_ascii_case(b"empty");
        if is_word {
            // The blanks stay: they mean nothing in an array, but a bound of blanks is not the absence of a bound.
            out.extend_from_slice(whole);
        } else {
            let element = rewritten(moments, rules, element).ok_or_else(|| element.to_vec())?;
            out.extend_from_slice(element.as_bytes());
        }
    }
    Ok(out)
}

/// Returns true for `infinity` and false for `-infinity`.
#[inline]
fn endless(text: &[u8]) -> Option<bool> {
    match text.first()? {
        b'i' | b'I' if text.eq_ignore_ascii_case(b"infinity") => Some(true),
        b'-' if text.eq_ignore_ascii_case(b"-infinity") => Some(false),
        _ => None,
    }
}

#[inline]
fn any(rules: &ColumnRules, text: &[u8]) -> Option<Moment> {
    by_pattern(rules, text).or_else(|| by_iso(rules, text))
}

fn by_pattern(rules: &ColumnRules, text: &[u8]) -> Option<Moment> {
    rules.dates.iter().find_map(|pattern: &Pattern| pattern.moment(text))
}

#[inline]
fn by_iso(rules: &ColumnRules, text: &[u8]) -> Option<Moment> {
    if rules.refuses_iso {
        return None;
    }
    // Beside a pattern without separators, eight digits are not an ISO date.
    let has_separators = rules.dates.is_empty() || !text.iter().take(8).all(u8::is_ascii_digit);
    date::iso_moment(text).filter(|_| has_separators)
}

/// Returns whether the text has a date and a time of day, or an offset. A column without these parts would lose them.
pub(super) fn would_lose(rules: &ColumnRules, text: &[u8]) -> bool {
    any(rules, text).is_some_and(|moment| moment.micros % DAY != 0 || moment.offset.is_some_and(|o| o != 0))
}
