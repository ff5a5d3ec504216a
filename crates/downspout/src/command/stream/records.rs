//! Made-up records for the shipped streams. The same seed always gives the same records, on every machine.

mod random;
mod user_data;
mod user_events;
mod user_utm;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use random::Random;

/// The time of the first record. It is fixed, so that a seed says everything about the records.
const START: &str = "2026-01-01T00:00:00Z";

/// Makes the record of a stream: from random numbers, and from the time at which the event happened.
type Maker = fn(&mut Random, Timestamp) -> Value;

/// The streams that have a generator.
const MAKERS: &[(&str, Maker)] =
    &[("user-data", user_data::record), ("user-events", user_events::record), ("user-utm", user_utm::record)];

/// The records of a stream.
#[derive(Clone, Debug)]
pub(super) struct Records {
    make: Maker,
    seed: u64,
    /// How many records happen in a second. It decides the times in the records.
    rate: f64,
    next: u64,
}

impl Records {
    /// Returns the records of the stream `name`, or `None` if it has no generator.
    pub(super) fn of(name: &str, seed: u64, rate: f64) -> Option<Self> {
        let (_, make) = MAKERS.iter().find(|(known, _)| *known == name)?;
        Some(Self { make: *make, seed, rate, next: 0 })
    }

    /// Returns the names of the streams that have a generator.
    pub(super) fn names() -> String {
        let names: Vec<&str> = MAKERS.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

impl Iterator for Records {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let number = self.next;
        self.next += 1;
        let start: Timestamp = START.parse().ok()?;
        let after = SignedDuration::try_from_secs_f64(number as f64 / self.rate).ok()?;
        let at = start.checked_add(after).ok()?;
        Some((self.make)(&mut Random::of(self.seed, number), at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_records_and_another_seed_gives_others() {
        for (name, _) in MAKERS {
            let some =
                |seed| Records::of(name, seed, 50.0).expect("a generator").take(200).collect::<Vec<_>>();
            assert_eq!(some(123), some(123), "{name}");
            assert_ne!(some(123), some(124), "{name}");
        }
    }

    #[test]
    fn the_checked_in_samples_are_the_first_records_of_the_usual_seed() {
        let samples = [
            ("user-data", "user-data/samples/users.jsonl"),
            ("user-events", "tracking/samples/events.jsonl"),
            ("user-utm", "tracking/samples/utm.jsonl"),
        ];
        for (name, file) in samples {
            let path = format!("{}/../../pipeline-definitions/{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).expect("the samples");
            let records = Records::of(name, 123, 10.0).expect("a generator").take(20);
            assert_eq!(records.map(|record| format!("{record}\n")).collect::<String>(), text, "{name}");
        }
    }

    #[test]
    fn every_record_fits_the_shipped_stream() {
        for (name, _) in MAKERS {
            let path =
                format!("{}/../../pipeline-definitions/streams/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).expect("the shipped stream");
            let file = stream::StreamName::new(*name).expect("a name");
            let none = |_: &str| Err("no file beside".to_owned());
            let stream = stream::file::diagnose(&file, &text, &none).stream.expect("a stream");
            for record in Records::of(name, 7, 50.0).expect("a generator").take(2_000) {
                let body = record.to_string();
                let now = Timestamp::UNIX_EPOCH;
                assert!(stream::door::check(&stream, body.as_bytes(), "k", now).is_ok(), "{name} {body}");
            }
        }
    }
}
