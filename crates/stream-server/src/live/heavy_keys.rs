//! Finds the partition key that at least half of the records have, in bounded memory.
//!
//! Follows Misra and Gries: with 8 counters, a key that more than a ninth of the records have always keeps a counter. The
//! count of a key is never too high, and too low by at most a ninth of all records.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The number of counters.
const COUNTERS: usize = 8;
/// The counters start again from zero after this time; the earlier counters are kept for the answer.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// Fewer records say nothing about a key.
const FEWEST: u64 = 100;

/// A partition key that at least half of the records have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HotKey {
    /// The partition key.
    pub key: String,
    /// The part of the records of the last minutes that have the key, between 0 and 1.
    pub share: f64,
}

/// The counters of the last minutes.
pub(super) struct HeavyKeys {
    begun: Timestamp,
    current: Window,
    before: Window,
}

#[derive(Default)]
struct Window {
    counters: Vec<(String, u64)>,
    records: u64,
}

impl HeavyKeys {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { begun: now, current: Window::default(), before: Window::default() }
    }

    pub(super) fn count(&mut self, key: &str, now: Timestamp) {
        self.turn(now);
        self.current.count(key);
    }

    /// Returns the key that at least half of the records have.
    pub(super) fn hot(&mut self, now: Timestamp) -> Option<HotKey> {
        self.turn(now);
        let window = if self.current.records >= FEWEST { &self.current } else { &self.before };
        if window.records < FEWEST {
            return None;
        }
        let (key, count) = window.counters.iter().max_by_key(|(_, count)| *count)?;
        let share = *count as f64 / window.records as f64;
        (share >= 0.5).then(|| HotKey { key: key.clone(), share })
    }

    fn turn(&mut self, now: Timestamp) {
        let age = now.duration_since(self.begun);
        if age >= WINDOW || age.is_negative() {
            self.before =
                if age >= WINDOW * 2 { Window::default() } else { std::mem::take(&mut self.current) };
            self.current = Window::default();
            self.begun = now;
        }
    }
}

impl Window {
    fn count(&mut self, key: &str) {
        self.records += 1;
        if let Some((_, count)) = self.counters.iter_mut().find(|(known, _)| known == key) {
            *count += 1;
        } else if self.counters.len() < COUNTERS {
            self.counters.push((key.to_owned(), 1));
        } else {
            self.counters.iter_mut().for_each(|(_, count)| *count -= 1);
            self.counters.retain(|(_, count)| *count > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_key_of_most_records_is_found_among_thousands() {
        let mut keys = HeavyKeys::new(at(0));
        for number in 0..10_000 {
            keys.count(&format!("key {number}"), at(0));
            keys.count("event_id", at(0));
            keys.count("event_id", at(0));
            keys.count("event_id", at(0));
        }
        let hot = keys.hot(at(1)).unwrap();
        assert_eq!(hot.key, "event_id");
        assert!(hot.share > 0.6 && hot.share <= 0.75, "{}", hot.share);
        assert!(keys.current.counters.len() <= COUNTERS);
        assert_eq!(keys.hot(at(301)).map(|hot| hot.key).as_deref(), Some("event_id"));
        assert_eq!(keys.hot(at(1000)), None);
    }

    #[test]
    fn spread_keys_and_few_records_are_not_hot() {
        let mut keys = HeavyKeys::new(at(0));
        for number in 0..1_000 {
            keys.count(&format!("key {}", number % 3), at(0));
        }
        assert_eq!(keys.hot(at(0)), None);
        let mut keys = HeavyKeys::new(at(0));
        (0..50).for_each(|_| keys.count("one", at(0)));
        assert_eq!(keys.hot(at(0)), None);
    }
}
