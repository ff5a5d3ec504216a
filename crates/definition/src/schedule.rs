//! The intervals of `Schedule` objects: when each one begins and ends, and how many there are.
//!
//! The start of every interval is computed from the start of the first one. So a monthly schedule from the
//! 31st does not drift.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kind::field::{self, FieldError, Fields, SchedulePeriod};
use crate::period::Period;

pub use crate::kind::field::ScheduleType;

/// One interval of a schedule. An instance is for one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// `@scheduledStartTime`.
    pub start: Timestamp,
    /// `@scheduledEndTime`.
    pub end: Timestamp,
}

impl ScheduleType {
    /// Returns when an instance for `interval` may start.
    #[must_use]
    pub fn release(self, interval: Interval) -> Timestamp {
        match self {
            Self::Cron | Self::OnDemand => interval.start,
            Self::TimeSeries => interval.end,
        }
    }
}

/// Consecutive intervals of one period, with or without an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// The start of the first interval.
    pub first: Timestamp,
    /// The length of each interval.
    pub period: Period,
    /// `occurrences`: the number of intervals.
    pub occurrences: Option<u64>,
    /// `endDateTime`. With `timeseries`, each interval ends at this time or earlier. With `cron` or
    /// `ondemand`, each interval begins before this time.
    pub end: Option<Timestamp>,
}

impl Schedule {
    /// Reads a Schedule with evaluated expressions. Returns `None` if the schedule is on demand.
    ///
    /// `activated` is the time of the pipeline's first activation, which `FIRST_ACTIVATION_DATE_TIME` stands
    /// for.
    ///
    /// # Errors
    ///
    /// [`FieldError`] for the first field that is missing or holds a value of another type.
    pub fn of(object: &impl Fields, activated: Timestamp) -> Result<Option<Self>, FieldError> {
        let period = match field::PERIOD.required(object)? {
            SchedulePeriod::OnDemand => return Ok(None),
            SchedulePeriod::Every(period) => period,
        };
        let occurrences = field::OCCURRENCES.of(object)?;
        let first = field::START_DATE_TIME.of(object)?.unwrap_or(activated);
        Ok(Some(Self { first, period, occurrences, end: field::END_DATE_TIME.of(object)? }))
    }

    /// Returns the interval with this number, counted from 0, or `None` after the last interval.
    #[must_use]
    pub fn interval(&self, number: u64, schedule_type: ScheduleType) -> Option<Interval> {
        if self.occurrences.is_some_and(|count| number >= count) {
            return None;
        }
        let count = i64::try_from(number).ok()?;
        let start = self.period.nth_after(self.first, count)?;
        let end = self.period.nth_after(self.first, count.checked_add(1)?)?;
        let is_within = self.end.is_none_or(|last| match schedule_type {
            ScheduleType::Cron | ScheduleType::OnDemand => start < last,
            ScheduleType::TimeSeries => end <= last,
        });
        is_within.then_some(Interval { start, end })
    }

    /// Returns the end of the last interval, or `None` if the schedule has no end or no interval.
    #[must_use]
    pub fn end_of_last(&self, schedule_type: ScheduleType) -> Option<Timestamp> {
        let by_end = self.end.map(|end| self.number_from(end));
        let count = self.occurrences.into_iter().chain(by_end).min()?;
        // With `timeseries`, the last interval that begins before `endDateTime` may end after it and then does not count.
        (1..=2).find_map(|back| Some(self.interval(count.checked_sub(back)?, schedule_type)?.end))
    }

    /// Returns the number of the first interval that begins at `at` or later.
    #[must_use]
    pub fn number_from(&self, at: Timestamp) -> u64 {
        let number = self.period.count_until(self.first, at);
        u64::try_from(number).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, PipelineObject};

    fn at(text: &str) -> Timestamp {
        format!("{text}Z").parse().unwrap()
    }

    fn read(fields: &[(&str, &str)]) -> Result<Option<Schedule>, FieldError> {
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value)).collect();
        let object = PipelineObject { id: "Daily".into(), name: "Daily".to_owned(), fields };
        Schedule::of(&object, at("2030-01-01T00:00:30"))
    }

    fn schedule(fields: &[(&str, &str)]) -> Schedule {
        read(fields).unwrap().unwrap()
    }

    fn starts(schedule: &Schedule, schedule_type: ScheduleType) -> Vec<String> {
        (0..5).map_while(|number| Some(schedule.interval(number, schedule_type)?.start.to_string())).collect()
    }

    #[test]
    fn months_are_counted_from_the_first_start_and_do_not_drift() {
        let monthly = schedule(&[("period", "1 month"), ("startDateTime", "2030-01-31T10:00:00")]);
        let ends = ["2030-01-31", "2030-02-28", "2030-03-31", "2030-04-30", "2030-05-31"];
        assert_eq!(starts(&monthly, ScheduleType::Cron), ends.map(|day| format!("{day}T10:00:00Z")));
        assert_eq!(monthly.number_from(at("2030-04-30T10:00:00")), 3);
        assert_eq!(monthly.number_from(at("2030-04-30T10:00:01")), 4);
        assert_eq!(monthly.number_from(at("1999-01-01T00:00:00")), 0);
    }

    #[test]
    fn an_end_and_a_number_of_occurrences_bound_a_schedule() {
        let two = schedule(&[("period", "1 hour"), ("occurrences", "2")]);
        assert_eq!(
            starts(&two, ScheduleType::Cron),
            ["2030-01-01T00:00:30Z", "2030-01-01T01:00:30Z"],
            "the first start is the time of the activation, with its seconds"
        );
        let day = [("period", "8 hours"), ("startDateTime", "2030-01-01T00:00:00")];
        let ended = schedule(&[day[0], day[1], ("endDateTime", "2030-01-01T20:00:00")]);
        assert_eq!(starts(&ended, ScheduleType::Cron).len(), 3);
        assert_eq!(starts(&ended, ScheduleType::TimeSeries).len(), 2);
    }

    #[test]
    fn the_last_interval_ends_the_schedule() {
        let end = |fields: &[(&str, &str)], schedule_type| {
            schedule(fields).end_of_last(schedule_type).map(|end| end.to_string())
        };
        let day = [("period", "8 hours"), ("startDateTime", "2030-01-01T00:00:00")];
        let ended = [day[0], day[1], ("endDateTime", "2030-01-01T20:00:00")];
        assert_eq!(end(&ended, ScheduleType::Cron).as_deref(), Some("2030-01-02T00:00:00Z"));
        assert_eq!(end(&ended, ScheduleType::TimeSeries).as_deref(), Some("2030-01-01T16:00:00Z"));
        let three = [day[0], day[1], ("occurrences", "3")];
        assert_eq!(end(&three, ScheduleType::TimeSeries).as_deref(), Some("2030-01-02T00:00:00Z"));
        assert_eq!(end(&day, ScheduleType::Cron), None);
    }

    #[test]
    fn finds_an_interval_far_from_the_start_without_a_search() {
        for period in ["15 minutes", "1 day", "2 weeks", "1 month", "1 year"] {
            let schedule = schedule(&[("period", period), ("startDateTime", "1970-01-01T00:00:00")]);
            let number = schedule.number_from(at("2030-06-15T12:00:00"));
            let start = |number| schedule.interval(number, ScheduleType::Cron).unwrap().start;
            assert!(start(number) >= at("2030-06-15T12:00:00"), "{period}");
            assert!(start(number - 1) < at("2030-06-15T12:00:00"), "{period}");
        }
    }

    #[test]
    fn an_unreadable_schedule_names_its_field() {
        assert_eq!(read(&[("period", "ONDEMAND_PERIOD")]), Ok(None));
        for (fields, field) in [
            (&[][..], "period"),
            (&[("period", "often")], "period"),
            (&[("period", "0 days")], "period"),
            (&[("period", "1 day"), ("startDateTime", "soon")], "startDateTime"),
            (&[("period", "1 day"), ("occurrences", "-1")], "occurrences"),
        ] {
            assert_eq!(read(fields).unwrap_err().field, field);
        }
    }
}
