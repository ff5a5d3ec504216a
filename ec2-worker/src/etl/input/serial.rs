//! Dates and times of a workbook, which stores them as numbers of days: serial numbers.
//!
//! Excel counts days from 1900-01-01, which is day 1, and believes that there was a 1900-02-29. Workbooks of old Macs count from
//! 1904-01-01, which is day 0. A number without a whole day is a time of day, unless its number format shows a date.

use calamine::ExcelDateTime;

/// The milliseconds of a day.
const DAY: i64 = 86_400_000;
/// The days from the day 0 of PostgreSQL, 2000-01-01, back to the day 0 of each system. The first one is that of the days
/// from 61 on, which Excel counts one too high.
const SINCE_1900: i64 = 36_526;
const SINCE_1904: i64 = 35_064;
/// The first day after the last one that Excel shows, 9999-12-31.
const END_1900: i64 = 2_958_466;
/// The day of 1900-02-29 in the system of 1900.
const NO_DAY: i64 = 60;

/// The days that a workbook counts, and the way in which a cell shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Days {
    /// Whether the days count from 1904.
    pub(super) from_1904: bool,
    /// Whether the number format of the cell has a day or a year.
    pub(super) shows_date: bool,
}

/// Returns whether a number format shows a day or a year, and not only a time of day.
pub(super) fn shows_date(code: &str) -> bool {
    let (mut is_quoted, mut is_escaped, mut is_bracketed) = (false, false, false);
    code.chars().any(|letter| {
        let is_plain = !is_quoted && !is_escaped && !is_bracketed;
        let was_escaped = std::mem::replace(&mut is_escaped, is_plain && matches!(letter, '\\' | '_' | '*'));
        match letter {
            '"' if !was_escaped && !is_bracketed => is_quoted = !is_quoted,
            '[' if is_plain => is_bracketed = true,
            ']' => is_bracketed = false,
            _ => {}
        }
        is_plain && matches!(letter, 'y' | 'Y' | 'd' | 'D' | 'e' | 'E')
    })
}

/// Returns the text of a cell with a date, a time of day or a duration.
///
/// # Errors
///
/// If there is no such date. The message completes the sentence "cell A1 …".
pub(super) fn text(at: ExcelDateTime, days: Days) -> Result<String, String> {
    let serial = at.as_f64();
    let millis = (serial * DAY as f64).round();
    if at.is_duration() {
        let (sign, millis) = if millis < 0.0 { ("-", -millis as i64) } else { ("", millis as i64) };
        return Ok(format!("{sign}{}", time(millis)));
    }
    // A serial number below 1 is a time of day. A time just before midnight must not become the midnight before it.
    if (0.0..1.0).contains(&serial) && !(days.shows_date && days.from_1904) {
        if days.shows_date {
            return Err(format!(
                "has the date {serial} of days since 1900, which would be 1900-01-00; correct the date, or give the cell the \
                 format of a time of day"
            ));
        }
        return Ok(time((millis as i64).min(DAY - 1)));
    }
    let end = if days.from_1904 { END_1900 - SINCE_1900 + SINCE_1904 } else { END_1900 };
    let millis = if millis.is_finite() { millis as i64 } else { i64::MAX };
    let (day, millis) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
    if !(0..end).contains(&day) {
        return Err(format!(
            "has the date {serial} of days, which is not a date that Excel can show; correct the date"
        ));
    }
    if day == NO_DAY && !days.from_1904 {
        return Err("has the date 1900-02-29, which only Excel knows; correct the date".to_owned());
    }
    let since = match days.from_1904 {
        true => SINCE_1904,
        false if day < NO_DAY => SINCE_1900 - 1,
        false => SINCE_1900,
    };
    let days = i32::try_from(day - since).map_err(|error| error.to_string())?;
    let (year, month, day) = crate::etl::date::civil(days);
    let date = format!("{year:04}-{month:02}-{day:02}");
    Ok(if millis == 0 { date } else { format!("{date}T{}", time(millis)) })
}

fn time(millis: i64) -> String {
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    let fraction = if millis % 1000 == 0 { String::new() } else { format!(".{:03}", millis % 1000) };
    format!("{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    fn at(serial: f64, code: &str, from_1904: bool) -> Result<String, String> {
        let at = ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, from_1904);
        text(at, Days { from_1904, shows_date: shows_date(code) })
    }

    #[test]
    fn a_serial_number_is_the_date_or_the_time_that_excel_shows() {
        for (serial, code, from_1904, wanted) in [
            (45943.0, "yyyy-mm-dd", false, "2025-10-13"),
            (45943.541, "yyyy-mm-dd hh:mm", false, "2025-10-13T12:59:02.400"),
            (1.0, "m/d/yy", false, "1900-01-01"),
            (59.0, "m/d/yy", false, "1900-02-28"),
            (61.0, "m/d/yy", false, "1900-03-01"),
            (2_958_465.0, "d", false, "9999-12-31"),
            (0.75, "hh:mm", false, "18:00:00"),
            (0.0, "h:mm AM/PM", false, "00:00:00"),
            (0.999_999_995_4, "h:mm:ss", false, "23:59:59.999"),
            (45_942.999_999_999, "yyyy-mm-dd", false, "2025-10-13"),
            (0.0, "yyyy-mm-dd", true, "1904-01-01"),
            (0.5, "yyyy-mm-dd hh:mm", true, "1904-01-01T12:00:00"),
            (0.5, "hh:mm", true, "12:00:00"),
            (1.0, "dd.mm.yyyy", true, "1904-01-02"),
            (44481.0, "dd.mm.yyyy", true, "2025-10-13"),
            (2_957_003.0, "d", true, "9999-12-31"),
        ] {
            assert_eq!(at(serial, code, from_1904).as_deref(), Ok(wanted), "{serial} {code}");
        }
        let duration = ExcelDateTime::new(1.25, ExcelDateTimeType::TimeDelta, false);
        assert_eq!(text(duration, Days::default()).as_deref(), Ok("30:00:00"));
        let duration = ExcelDateTime::new(-0.5, ExcelDateTimeType::TimeDelta, false);
        assert_eq!(text(duration, Days::default()).as_deref(), Ok("-12:00:00"));
    }

    #[test]
    fn a_date_that_does_not_exist_is_refused() {
        for (serial, says) in [
            (0.0, "1900-01-00"),
            (0.5, "1900-01-00"),
            (60.0, "1900-02-29"),
            (60.5, "1900-02-29"),
            (-1.0, "not a date that Excel can show"),
            (2_958_466.0, "not a date that Excel can show"),
            (1e300, "not a date that Excel can show"),
        ] {
            let refused = at(serial, "yyyy-mm-dd", false).expect_err("no such date");
            assert!(refused.contains(says), "{serial}: {refused}");
        }
        assert!(!shows_date("[h]:mm:ss") && !shows_date("\"day\" hh:mm") && !shows_date("[$-de-DE]h:mm\\d"));
        assert!(shows_date("[$-409]d-mmm-yy") && shows_date("mm-dd-yy") && shows_date("ddd hh:mm"));
    }
}
