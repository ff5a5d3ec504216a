//! The only source of chance: the same seed gives the same numbers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Random numbers that follow from a seed (SplitMix64).
pub(super) struct Dice(Mutex<u64>);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    fn roll(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to `end` - 1.
    pub(super) fn below(&self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.roll() % end).unwrap_or_default()
    }

    /// Returns true in `per_mille` of a thousand cases.
    pub(super) fn chance(&self, per_mille: usize) -> bool {
        self.below(1_000) < per_mille
    }

    /// Returns one of the choices.
    pub(super) fn one_of<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Returns a duration of whole milliseconds between two limits in seconds. Short durations are more frequent than
    /// long ones.
    pub(super) fn seconds(&self, least: u64, most: u64) -> Duration {
        let (least, most) = (least * 1_000, most * 1_000);
        // The range is halved up to three times, so that all magnitudes occur.
        let span = (most - least) >> self.below(4);
        let more = self.below(usize::try_from(span).unwrap_or(usize::MAX).saturating_add(1));
        Duration::from_millis(least + u64::try_from(more).unwrap_or_default())
    }
}
