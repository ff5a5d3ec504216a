//! Counts the records of the last seconds.

use jiff::Timestamp;

/// The seconds that count.
const SECONDS: usize = 10;

/// The records of each of the last seconds.
pub(super) struct Meter {
    /// The counts by second; the place of a second is its remainder.
    counts: [u64; SECONDS],
    /// The newest second that has a count.
    newest: i64,
}

impl Meter {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { counts: [0; SECONDS], newest: now.as_second() }
    }

    pub(super) fn count(&mut self, records: u64, now: Timestamp) {
        self.advance(now);
        self.counts[place(self.newest)] += records;
    }

    /// Returns the average of the last seconds.
    pub(super) fn per_second(&mut self, now: Timestamp) -> f64 {
        self.advance(now);
        self.counts.iter().sum::<u64>() as f64 / SECONDS as f64
    }

    /// Forgets counts that are too old. A clock that was set back changes nothing until it has caught up, or for so long that the
    /// counts mean nothing any more.
    fn advance(&mut self, now: Timestamp) {
        let (now, seconds) = (now.as_second(), SECONDS as i64);
        if now >= self.newest + seconds || now + seconds < self.newest {
            (self.counts, self.newest) = ([0; SECONDS], now);
        }
        while self.newest < now {
            self.newest += 1;
            self.counts[place(self.newest)] = 0;
        }
    }
}

fn place(second: i64) -> usize {
    usize::try_from(second.rem_euclid(SECONDS as i64)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_forgets_what_is_older_than_ten_seconds() {
        let at = |second: i64| Timestamp::from_second(1_000 + second).unwrap();
        let mut meter = Meter::new(at(0));
        meter.count(50, at(0));
        meter.count(30, at(4));
        let rates: Vec<_> = [4, 9, 10, 13, 14, 500].map(|second| meter.per_second(at(second))).into();
        assert_eq!(rates, [8.0, 8.0, 3.0, 3.0, 0.0, 0.0]);
        meter.count(10, at(-300));
        assert_eq!(meter.per_second(at(-300)), 1.0, "a clock that was set back far starts anew");
    }
}
