//! Writes dates and times as ISO 8601, in the forms that PostgreSQL reads in the same way under every setting.

use super::{DAY, SECOND, civil};

/// Returns a date from the days since 2000-01-01.
#[must_use]
pub fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        _ => {
            let (date, era) = parts(days);
            format!("{date}{era}")
        }
    }
}

/// Returns a timestamp from the microseconds since 2000-01-01. `zone` is the offset after the time, or empty.
#[must_use]
pub fn timestamp(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        _ => {
            // The range of timestamps has fewer than 2^31 days.
            let (date, era) = parts(micros.div_euclid(DAY) as i32);
            format!("{date} {}{zone}{era}", time(micros.rem_euclid(DAY)))
        }
    }
}

/// Returns a time from the microseconds since midnight.
#[must_use]
pub fn time(micros: i64) -> String {
    let seconds = micros / SECOND;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match micros % SECOND {
        0 => format!("{hour:02}:{minute:02}:{second:02}"),
        rest => format!("{hour:02}:{minute:02}:{second:02}.{rest:06}"),
    }
}

/// Returns an offset from the seconds east of UTC.
#[must_use]
pub fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn parts(days: i32) -> (String, &'static str) {
    let (year, month, day) = civil(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

#[cfg(test)]
mod tests {
    use super::super::{Moment, iso_moment};
    use super::*;

    #[test]
    fn a_written_moment_is_read_as_the_same_moment() {
        for text in [
            "2024-02-29 23:59:59.000001",
            "0044-03-15 10:00:00 BC",
            "294276-12-31 23:59:59.999999",
            "1999-12-31 00:00:00",
        ] {
            let moment = iso_moment(text.as_bytes()).expect("legal");
            assert_eq!(timestamp(moment.local().expect("in range"), ""), text);
            let zoned = timestamp(moment.utc().expect("in range"), "+00");
            assert_eq!(iso_moment(zoned.as_bytes()).and_then(Moment::utc), moment.utc());
        }
        assert_eq!((date(i32::MAX), date(-1)), ("infinity".to_owned(), "1999-12-31".to_owned()));
        assert_eq!(offset(-12_615), "-03:30:15");
    }
}
