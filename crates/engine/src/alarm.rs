//! `SnsAlarm`: which notices a settled instance and an ended run give rise to.

use crate::effect::Notice;
use crate::run::{Outcome, Run};

/// Returns the notices of the instance at `place`, which became final.
pub(crate) fn of_instance(_run: &Run, _place: usize) -> Vec<Notice> {
    Vec::new()
}

/// Returns the notices of the run, which ended.
pub(crate) fn of_run(_run: &Run, _outcome: Outcome) -> Vec<Notice> {
    Vec::new()
}
