//! Counts the effects of one event.

use jiff::Timestamp;

use crate::report::{Decision, Verdict};

/// The numbers of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Runs that were started.
    pub runs_started: u64,
    /// Files whose set has its run already.
    pub duplicates: u64,
    /// Sets that the cap of a day put off.
    pub deferred: u64,
    /// Messages, sets and definitions that an error stopped.
    pub failures: u64,
    /// The time from each event that started a run to the activation of its pipeline, in milliseconds.
    pub event_to_activation_ms: Vec<u64>,
}

impl Metrics {
    /// Counts a decision about an event of the time `event_at`, if that time is known.
    pub(crate) fn count(&mut self, decision: &Decision, event_at: Option<Timestamp>, now: Timestamp) {
        match decision.verdict {
            Verdict::Started => {
                self.runs_started += 1;
                let waited = event_at.map(|at| now.duration_since(at).as_millis());
                // Clocks differ. An event from the future counts as one of this moment.
                self.event_to_activation_ms
                    .extend(waited.map(|waited| u64::try_from(waited).unwrap_or_default()));
            }
            Verdict::Duplicate => self.duplicates += 1,
            Verdict::Deferred => self.deferred += 1,
            _ => {}
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.runs_started += other.runs_started;
        self.duplicates += other.duplicates;
        self.deferred += other.deferred;
        self.failures += other.failures;
        self.event_to_activation_ms.extend(other.event_to_activation_ms);
    }
}
