//! Periods such as `15 minutes`: their length, and the time after them.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{Span, Timestamp, tz::TimeZone};

/// The largest count of a period. The limit keeps calendar arithmetic in range.
const MAX_COUNT: u32 = 1_000_000;

/// A number of calendar units, such as `15 minutes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    count: u32,
    unit: Unit,
}

/// The unit of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A second. AWS's table lacks it; it is accepted for short waits such as `retryDelay`.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day of 24 hours. All times are in UTC.
    Day,
    /// Seven days.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

const UNITS: [(&str, Unit); 7] = [
    ("second", Unit::Second),
    ("minute", Unit::Minute),
    ("hour", Unit::Hour),
    ("day", Unit::Day),
    ("week", Unit::Week),
    ("month", Unit::Month),
    ("year", Unit::Year),
];

/// The reason why a text is not a period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a period such as `15 minutes` (seconds, minutes, hours, days, weeks, months, years)"
)]
pub struct ParsePeriodError {
    text: String,
}

impl Period {
    /// Returns the period of `count` times `unit`. A count above `MAX_COUNT` is replaced by `MAX_COUNT`.
    #[must_use]
    pub fn new(count: u32, unit: Unit) -> Self {
        Self { count: count.min(MAX_COUNT), unit }
    }

    /// Reads a count and a unit. The unit can be singular or plural, in upper or lower case.
    ///
    /// # Errors
    ///
    /// [`ParsePeriodError`] if the text is not a count with a unit, or if the count is above `MAX_COUNT`.
    pub fn parse(text: &str) -> Result<Self, ParsePeriodError> {
        Self::read(text).ok_or_else(|| ParsePeriodError { text: text.to_owned() })
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (count, unit) = text.split_at(digits);
        let count = count.parse().ok().filter(|count| *count <= MAX_COUNT)?;
        let unit = unit.trim();
        let unit = unit.strip_suffix(['s', 'S']).unwrap_or(unit);
        let (_, unit) = UNITS.iter().find(|(word, _)| word.eq_ignore_ascii_case(unit))?;
        Some(Self { count, unit: *unit })
    }

    /// Returns the length of the period. A month counts as 30 days, a year as 365 days.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let seconds = match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3_600,
            Unit::Day => 86_400,
            Unit::Week => 7 * 86_400,
            Unit::Month => 30 * 86_400,
            Unit::Year => 365 * 86_400,
        };
        Duration::from_secs(u64::from(self.count) * seconds)
    }

    /// Returns the time one period after `from` in the UTC calendar. If that time is out of range, returns
    /// the latest possible time.
    #[must_use]
    pub fn after(&self, from: Timestamp) -> Timestamp {
        let zoned = from.to_zoned(TimeZone::UTC);
        self.span().and_then(|span| zoned.checked_add(span)).map_or(Timestamp::MAX, |later| later.timestamp())
    }

    /// Returns the time `times` periods after `from`, or before it if `times` is negative. Returns `None`
    /// outside the range of times.
    ///
    /// The periods are added as one span in the UTC calendar. So two months after the 31st of a month is the
    /// 31st again.
    #[must_use]
    pub fn nth_after(&self, from: Timestamp, times: i64) -> Option<Timestamp> {
        let span = self.span_times(times).ok()?;
        let zoned = from.to_zoned(TimeZone::UTC).checked_add(span).ok()?;
        Some(zoned.timestamp())
    }

    /// Returns the smallest `n` for which the time `n` periods after `from` is `at` or later. `n` is
    /// negative if `at` is one period or more before `from`.
    #[must_use]
    pub fn count_until(&self, from: Timestamp, at: Timestamp) -> i64 {
        let length = i64::try_from(self.longest_seconds()).unwrap_or(i64::MAX).max(1);
        // The length assumes the longest month or year. So the first count can be too low if `at` is after
        // `from`, and too high if `at` is before `from`. The loops below correct the count in a few steps.
        let passed = at.as_second().saturating_sub(from.as_second());
        let mut count = passed.div_euclid(length).min(passed / length);
        let is_before = |count: i64| self.nth_after(from, count).is_some_and(|start| start < at);
        while is_before(count) {
            count += 1;
        }
        while self.nth_after(from, count - 1).is_some_and(|start| start >= at) {
            count -= 1;
        }
        count
    }

    fn longest_seconds(&self) -> u64 {
        let unit = match self.unit {
            Unit::Month => 31 * 86_400,
            Unit::Year => 366 * 86_400,
            Unit::Second | Unit::Minute | Unit::Hour | Unit::Day | Unit::Week => {
                return self.duration().as_secs();
            }
        };
        u64::from(self.count) * unit
    }

    /// Returns the period as a calendar span.
    pub(crate) fn span(&self) -> Result<Span, jiff::Error> {
        self.span_times(1)
    }

    fn span_times(&self, times: i64) -> Result<Span, jiff::Error> {
        let count = i64::from(self.count).saturating_mul(times);
        let span = Span::new();
        match self.unit {
            Unit::Second => span.try_seconds(count),
            Unit::Minute => span.try_minutes(count),
            Unit::Hour => span.try_hours(count),
            Unit::Day => span.try_days(count),
            Unit::Week => span.try_weeks(count),
            Unit::Month => span.try_months(count),
            Unit::Year => span.try_years(count),
        }
    }
}

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, unit)| *unit == self.unit).map_or("", |(word, _)| word);
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} {unit}{plural}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_in_any_case_and_number() {
        for (text, seconds) in
            [("15 Minutes", 900), ("1 Hour", 3_600), (" 2 days ", 172_800), ("30 seconds", 30)]
        {
            assert_eq!(Period::parse(text).unwrap().duration().as_secs(), seconds, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for text in ["", "15", "minutes", "-1 hour", "1.5 hours", "2 fortnights", "99999999999 days"] {
            let error = Period::parse(text).unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn months_follow_the_calendar_and_clamp_to_the_last_day() {
        let from: Timestamp = "2023-01-31T10:00:00Z".parse().unwrap();
        assert_eq!(Period::parse("1 month").unwrap().after(from).to_string(), "2023-02-28T10:00:00Z");
    }

    #[test]
    fn the_end_of_time_is_not_passed() {
        let from: Timestamp = "9999-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(Period::parse("100000 years").unwrap().after(from), Timestamp::MAX);
    }
}
