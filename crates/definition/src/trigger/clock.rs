//! The days and the times of a trigger, in its time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::{Captures, Trigger};
use crate::kind::field::WaitFor;

impl Trigger {
    /// Returns the day to which a run counts that starts at `now`, in the time zone of the trigger.
    #[must_use]
    pub fn day_of(&self, now: Timestamp) -> Date {
        now.to_zoned(self.time_zone.clone()).date()
    }

    /// Returns the moment at which the day of `now` ends in the time zone of the trigger. A day with a clock change is shorter
    /// or longer than 24 hours.
    #[must_use]
    pub fn day_end(&self, now: Timestamp) -> Timestamp {
        let now = now.to_zoned(self.time_zone.clone());
        let end = now.checked_add(1.day()).and_then(|tomorrow| tomorrow.start_of_day());
        end.map_or(Timestamp::MAX, |end| end.timestamp())
    }

    /// Returns the time from which a set causes a notice if it is still incomplete, by `myWaitFor`. `first` is the time at
    /// which the first file of the set arrived. Returns `None` if the definition wants no such notice.
    ///
    /// The day of a set is the day on which its first file arrived, or the date among its captures if that day is later. If
    /// the time of `myWaitFor` has passed when the first file arrives, the set has `mySettle` to become whole.
    #[must_use]
    pub fn waits_until(&self, captures: &Captures, first: Timestamp) -> Option<Timestamp> {
        let time = match self.wait_for? {
            WaitFor::After(period) => return Some(period.after(first)),
            WaitFor::By(time) => time,
        };
        let arrived = self.day_of(first);
        let named = captures.iter().find_map(|(_, value)| value.parse::<Date>().ok());
        let day = named.map_or(arrived, |named| named.max(arrived));
        let due = day.to_datetime(time).to_zoned(self.time_zone.clone());
        let settled = first.checked_add(self.settle).unwrap_or(Timestamp::MAX);
        Some(due.map_or(Timestamp::MAX, |due| due.timestamp()).max(settled))
    }

    /// Returns the time of day by which a set has to be whole, as people write it: `08:30 (Europe/Berlin)`. Returns `None` if
    /// `myWaitFor` is not a time of day.
    #[must_use]
    pub fn wanted_by(&self) -> Option<String> {
        match self.wait_for? {
            WaitFor::By(time) => Some(format!("{} ({})", time.strftime("%H:%M"), self.zone_name())),
            WaitFor::After(_) => None,
        }
    }

    /// Returns a time as people read it: in UTC, or in the time zone of the trigger with the name of the zone.
    #[must_use]
    pub fn shown(&self, time: Timestamp) -> String {
        if self.time_zone == TimeZone::UTC {
            return time.to_string();
        }
        let zoned = time.to_zoned(self.time_zone.clone());
        format!("{} ({})", zoned.strftime("%Y-%m-%dT%H:%M:%S%:z"), self.zone_name())
    }

    fn zone_name(&self) -> &str {
        self.time_zone.iana_name().unwrap_or("UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::trigger;
    use super::*;
    use crate::kind::field::{MY_TIME_ZONE, MY_WAIT_FOR};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn in_zone(zone: &str) -> Trigger {
        let time_zone = MY_TIME_ZONE.parse(zone).unwrap();
        Trigger { time_zone, ..trigger(&["in/{day}/a.csv"]) }
    }

    #[test]
    fn a_day_ends_at_midnight_of_its_zone() {
        for (zone, now, day, end) in [
            ("UTC", "2026-12-31T12:00:00Z", "2026-12-31", "2027-01-01T00:00:00Z"),
            ("UTC", "2027-01-01T00:00:00Z", "2027-01-01", "2027-01-02T00:00:00Z"),
            ("Europe/Berlin", "2026-01-05T22:59:59Z", "2026-01-05", "2026-01-05T23:00:00Z"),
            ("Europe/Berlin", "2026-01-05T23:00:00Z", "2026-01-06", "2026-01-06T23:00:00Z"),
            // The clock goes forward: a day of 23 hours.
            ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29", "2026-03-29T22:00:00Z"),
            // The clock goes back: a day of 25 hours.
            ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25", "2026-10-25T23:00:00Z"),
            // The hour that comes twice does not end the day.
            ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25", "2026-10-25T23:00:00Z"),
            ("Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25", "2026-10-25T23:00:00Z"),
            // The clock goes forward at midnight: the next day begins at one o'clock.
            ("Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-23", "2026-04-23T22:00:00Z"),
            // The clock goes back from one o'clock to midnight: the day begins at the first of the two midnights.
            ("America/Havana", "2026-10-31T12:00:00Z", "2026-10-31", "2026-11-01T04:00:00Z"),
            ("Pacific/Kiritimati", "2026-12-31T10:00:00Z", "2027-01-01", "2027-01-01T10:00:00Z"),
            // Samoa left this day out.
            ("Pacific/Apia", "2011-12-30T05:00:00Z", "2011-12-29", "2011-12-30T10:00:00Z"),
        ] {
            let trigger = in_zone(zone);
            assert_eq!(trigger.day_of(at(now)).to_string(), day, "{zone} {now}");
            assert_eq!(trigger.day_end(at(now)), at(end), "{zone} {now}");
        }
    }

    #[test]
    fn no_clock_change_stops_the_days() {
        for zone in
            ["America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Atlantic/Azores", "Australia/Lord_Howe"]
        {
            let trigger = in_zone(zone);
            let mut now = at("2015-01-01T00:00:00Z");
            while now < at("2030-01-01T00:00:00Z") {
                let end = trigger.day_end(now);
                assert!(end > now && trigger.day_of(end) > trigger.day_of(now), "{zone} {now} {end}");
                let last = Timestamp::from_millisecond(end.as_millisecond() - 1).unwrap();
                assert_eq!(trigger.day_of(last), trigger.day_of(now), "{zone} {now} {end}");
                now = end;
            }
        }
    }

    #[test]
    fn a_set_has_until_the_time_of_its_day() {
        let waits = |zone: &str, wait: &str, day: &str, first: &str| {
            let wait_for = Some(MY_WAIT_FOR.parse(wait).unwrap());
            let trigger = Trigger { wait_for, ..in_zone(zone) };
            let captures = trigger.captures(&format!("in/{day}/a.csv")).unwrap();
            trigger.waits_until(&captures, at(first)).unwrap().to_string()
        };
        for (zone, wait, day, first, until) in [
            ("UTC", "90 minutes", "2026-01-05", "2026-01-05T07:00:00Z", "2026-01-05T08:30:00Z"),
            ("UTC", "by 08:30", "2026-01-05", "2026-01-05T07:00:00Z", "2026-01-05T08:30:00Z"),
            ("Europe/Berlin", "by 08:30", "2026-01-05", "2026-01-05T07:00:00Z", "2026-01-05T07:30:00Z"),
            // The files of yesterday arrive today.
            ("UTC", "by 08:30", "2026-01-04", "2026-01-05T07:00:00Z", "2026-01-05T08:30:00Z"),
            // The files of tomorrow arrive today.
            ("UTC", "by 08:30", "2026-01-06", "2026-01-05T22:00:00Z", "2026-01-06T08:30:00Z"),
            // The first file is late; the others have `mySettle`.
            ("UTC", "by 08:30", "2026-01-05", "2026-01-05T09:00:00Z", "2026-01-05T09:00:10Z"),
            // No date is captured.
            ("Asia/Tokyo", "by 08:30", "shop", "2026-01-05T22:00:00Z", "2026-01-05T23:30:00Z"),
            // The clock leaves half past two out, and has it twice.
            ("Europe/Berlin", "by 02:30", "2026-03-29", "2026-03-28T23:30:00Z", "2026-03-29T01:30:00Z"),
            ("Europe/Berlin", "by 02:30", "2026-10-25", "2026-10-24T22:30:00Z", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(waits(zone, wait, day, first), until, "{zone} {wait} {day} {first}");
        }
        assert!(waits("Asia/Tokyo", "by 08:30", "9999-12-31", "2026-01-05T22:00:00Z").as_str() > "9999");
        let none = in_zone("UTC");
        assert_eq!(none.waits_until(&Captures::default(), at("2026-01-05T07:00:00Z")), None);
    }

    #[test]
    fn people_read_times_in_the_zone() {
        let midnight = at("2026-01-05T23:00:00Z");
        assert_eq!(in_zone("UTC").shown(midnight), "2026-01-05T23:00:00Z");
        assert_eq!(in_zone("europe/berlin").shown(midnight), "2026-01-06T00:00:00+01:00 (Europe/Berlin)");
        let by = |zone| Trigger { wait_for: MY_WAIT_FOR.parse("by 8:30").ok(), ..in_zone(zone) }.wanted_by();
        assert_eq!(by("Europe/Berlin").as_deref(), Some("08:30 (Europe/Berlin)"));
        assert_eq!(by("UTC").as_deref(), Some("08:30 (UTC)"));
        assert_eq!(in_zone("UTC").wanted_by(), None);
    }
}
