//! Decides when the waiting records of a stream become an object.
//!
//! A record waits until so many bytes wait, or until the oldest record has waited so long. Time is an argument.

use jiff::{SignedDuration, Timestamp};

/// How much a stream collects before it delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffering {
    /// The number of bytes of records after which the stream delivers.
    pub bytes: u64,
    /// The time that a record waits at the most.
    pub interval: SignedDuration,
}

/// The records that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The number of their bytes.
    pub bytes: u64,
    /// The time at which the oldest of them arrived.
    pub oldest: Timestamp,
}

/// The decision about the records that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Deliver them now.
    Cut,
    /// Decide again at this time, or when more has arrived.
    WakeAt(Timestamp),
    /// No record waits. Decide again when one has arrived.
    Nothing,
}

/// The clock of a record that has just arrived may be ahead of `now` by so much, because `now` is read before.
const AHEAD: SignedDuration = SignedDuration::from_secs(1);

/// Decides whether the records that wait are delivered at `now`.
///
/// Records that arrived after `now` show that the clock was set back. They are delivered at once: if they waited until
/// the clock is again where it was, delivery would stand still for as long.
#[must_use]
pub fn decide(waiting: Option<Waiting>, now: Timestamp, buffering: Buffering) -> Decision {
    let Some(Waiting { bytes, oldest }) = waiting else { return Decision::Nothing };
    let is_set_back = oldest.duration_since(now) > AHEAD;
    match oldest.checked_add(buffering.interval) {
        _ if bytes >= buffering.bytes || is_set_back => Decision::Cut,
        Ok(due) if due > now => Decision::WakeAt(due),
        _ => Decision::Cut,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn decide_after(bytes: u64, oldest: i64, now: i64) -> Decision {
        let buffering = Buffering { bytes: 5_000, interval: SignedDuration::from_secs(300) };
        decide(Some(Waiting { bytes, oldest: at(oldest) }), at(now), buffering)
    }

    #[test]
    fn records_wait_for_the_size_or_the_time_that_comes_first() {
        assert_eq!(decide_after(4_999, 0, 299_999), Decision::WakeAt(at(300_000)));
        assert_eq!(decide_after(5_000, 0, 0), Decision::Cut);
        assert_eq!(decide_after(1, 0, 300_000), Decision::Cut);
        let buffering = Buffering { bytes: 1, interval: SignedDuration::ZERO };
        assert_eq!(decide(None, at(0), buffering), Decision::Nothing);
    }

    #[test]
    fn without_an_interval_every_record_is_delivered_at_once() {
        let buffering = Buffering { bytes: 5_000, interval: SignedDuration::ZERO };
        let waiting = Some(Waiting { bytes: 0, oldest: at(7) });
        assert_eq!(decide(waiting, at(7), buffering), Decision::Cut);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_delay_the_delivery() {
        assert_eq!(decide_after(1, 3_600_000, 0), Decision::Cut);
        // Set back by less than the interval: the wait is longer by so much.
        assert_eq!(decide_after(1, 3_600_000, 3_599_500), Decision::WakeAt(at(3_900_000)));
        // The end of time.
        let buffering = Buffering { bytes: 2, interval: SignedDuration::from_secs(1) };
        assert_eq!(
            decide(Some(Waiting { bytes: 1, oldest: Timestamp::MAX }), Timestamp::MAX, buffering),
            Decision::Cut
        );
    }

    proptest! {
        #[test]
        fn nothing_waits_longer_than_the_interval(bytes: u32, oldest in 0..10_000_000_i64, now in 0..10_000_000_i64, seconds in 0..900_i64) {
            let buffering = Buffering { bytes: 1 << 20, interval: SignedDuration::from_secs(seconds) };
            let waiting = Waiting { bytes: bytes.into(), oldest: at(oldest) };
            match decide(Some(waiting), at(now), buffering) {
                Decision::WakeAt(due) => {
                    prop_assert!(due > at(now) && due <= at(now + seconds * 1_000 + 1_000));
                    prop_assert_eq!(decide(Some(waiting), due, buffering), Decision::Cut);
                }
                decision => prop_assert_eq!(decision, Decision::Cut),
            }
        }
    }
}
