//! How often a step of a delivery failed, and how long it waits before it is tried again.

use std::time::Duration;

use crate::config::Pauses;

/// The failures of one step. Each pause is twice as long as the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pauses: Pauses,
    tries: u32,
    /// How often the first pause is doubled.
    doublings: u32,
}

impl Backoff {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self { pauses, tries: 0, doublings: 0 }
    }

    /// Notes a failure. Returns the pause before the next try.
    pub(super) fn failed(&mut self) -> Duration {
        self.tries += 1;
        let pause = self.pauses.first.saturating_mul(1 << self.doublings.min(16)).min(self.pauses.most);
        self.doublings += 1;
        pause
    }

    /// Begins with the first pause again: somebody may have removed the reason of the failures.
    pub(super) fn start_over(&mut self) {
        self.doublings = 0;
    }

    /// Returns how often the step failed.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_longest_one_and_a_wish_starts_over() {
        let mut backoff = Backoff::new(Pauses::default());
        let mut seconds =
            |times: usize| -> Vec<u64> { (0..times).map(|_| backoff.failed().as_secs()).collect() };
        assert_eq!(seconds(7), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(seconds(100).last(), Some(&30));
        backoff.start_over();
        assert_eq!(backoff.failed().as_secs(), 1);
        assert_eq!(backoff.tries(), 108);
    }
}
