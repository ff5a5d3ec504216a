//! Times: the form in which AWS writes them, and the whole milliseconds in which the engine keeps them.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

/// Returns `time` as AWS writes it: UTC, whole seconds, no zone.
#[must_use]
pub fn wire(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Reads a time in AWS's form; `None` if `text` has another form.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let civil: DateTime = text.parse().ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// Cuts `time` to whole milliseconds, which every database keeps exactly.
#[must_use]
pub fn whole_millis(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// Cuts `time` to whole seconds.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_millisecond().div_euclid(1000)).unwrap_or(time)
}

/// Returns `time` plus `by`, or the latest possible time if the sum is later.
#[must_use]
pub fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_has_whole_seconds_and_no_zone() {
        let time = Timestamp::from_millisecond(1_900_000_000_987).unwrap();
        assert_eq!(wire(time), "2030-03-17T17:46:40");
        assert_eq!(parse("2030-03-17T17:46:40"), Some(whole_seconds(time)));
    }
}
