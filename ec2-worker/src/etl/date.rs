//! Dates and times of files: a day with a time of day, in the form in which PostgreSQL counts it.
//!
//! [`iso`] reads the forms that need no pattern, [`pattern`] reads the forms that a Joda pattern describes, and
//! [`written`] writes each of them back as ISO 8601.

pub mod iso;
pub mod pattern;
mod unit;
pub mod written;
mod zone;

pub use iso::{iso_date, iso_moment, iso_time, iso_time_tz};
pub use pattern::Pattern;

/// The days from 1970-01-01 to 2000-01-01, where PostgreSQL begins to count.
const POSTGRES_EPOCH: i64 = 10_957;
/// The number of microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// The number of microseconds in a day.
pub const DAY: i64 = 86_400 * SECOND;

/// The days that PostgreSQL's `date` holds: from 4714-11-24 BC to 5874897-12-31.
const DATES: std::ops::Range<i64> = -2_451_545..2_145_031_949;
/// The microseconds that PostgreSQL's `timestamp` holds: from 4714-11-24 BC to the end of 294276.
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// A date with a time of day, and an offset from UTC if the text has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The days since 2000-01-01.
    pub days: i32,
    /// The microseconds since midnight.
    pub micros: i64,
    /// The seconds east of UTC.
    pub offset: Option<i32>,
}

impl Moment {
    /// Returns the microseconds since 2000-01-01 00:00, without the offset, or `None` if PostgreSQL cannot store them.
    #[must_use]
    pub fn local(self) -> Option<i64> {
        within(i64::from(self.days).checked_mul(DAY)?.checked_add(self.micros)?)
    }

    /// Returns the microseconds since 2000-01-01 00:00 UTC, or `None` if PostgreSQL cannot store them. A text without an
    /// offset means UTC.
    #[must_use]
    pub fn utc(self) -> Option<i64> {
        let local = i64::from(self.days).checked_mul(DAY)?.checked_add(self.micros)?;
        within(local.checked_sub(i64::from(self.offset.unwrap_or(0)) * SECOND)?)
    }
}

fn within(micros: i64) -> Option<i64> {
    Some(micros).filter(|micros| TIMESTAMPS.contains(micros))
}

/// Returns the days since 2000-01-01, or `None` if there is no such day or PostgreSQL cannot store it. The year 0 is 1 BC.
#[must_use]
#[inline]
pub fn days(year: i32, month: u32, day: u32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    // The algorithm is days_from_civil by Howard Hinnant. Its years begin in March, so that the leap day is the last
    // day of a year.
    let y = i64::from(year) - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468 - POSTGRES_EPOCH;
    i32::try_from(days).ok().filter(|_| DATES.contains(&days))
}

/// Returns the year, month and day of a number of days since 2000-01-01. The year 0 is 1 BC.
#[must_use]
pub fn civil(days: i32) -> (i64, i64, i64) {
    // The algorithm is civil_from_days by Howard Hinnant.
    let z = i64::from(days) + POSTGRES_EPOCH + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_their_calendar_dates_are_each_others_inverse() {
        for day in (-2_451_545..2_145_031_948).step_by(999_983) {
            let (year, month, date) = civil(day);
            let year = i32::try_from(year).expect("a year");
            assert_eq!(days(year, month as u32, date as u32), Some(day));
        }
        assert_eq!(days(-4713, 11, 24), Some(-2_451_545));
        assert_eq!(days(-4713, 11, 23), None);
        assert_eq!(civil(0), (2000, 1, 1));
    }

    #[test]
    fn a_month_has_no_more_days_than_the_calendar_says() {
        for (year, month, day) in
            [(2024, 6, 31), (2023, 2, 29), (1900, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 1, 0)]
        {
            assert_eq!(days(year, month, day), None, "{year}-{month}-{day}");
        }
        assert_eq!(days(2000, 2, 29), Some(59));
    }
}
