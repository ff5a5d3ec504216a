//! Expiry of runs: a store finds them by the time at which they ended, a few in each call.

use engine::{PipelineId, RunId};

/// The most runs that one call reads.
pub(crate) const MOST_RUNS: usize = 100;
/// How many deleted pipelines one call forgets.
pub(crate) const MOST_FORGOTTEN: usize = 1_000;
/// The most rows of a kind that one call removes: few, so that a save that waits for the call does not wait long.
pub(crate) const MOST_ROWS: usize = 200;

/// The result of a call of [`crate::Store::expire_runs`]: the runs that expired, and where the next call begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// The runs that expired in this call.
    pub runs: Vec<(PipelineId, RunId)>,
    /// The marker for the next call; `None` if no run is left.
    pub next: Option<ExpiryMarker>,
}

/// The last run that a call has read: the next call goes on after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryMarker {
    pub(crate) ended_at: i64,
    pub(crate) pipeline: String,
    pub(crate) run: String,
}

impl ExpiryMarker {
    /// Returns the marker before all runs.
    pub(crate) fn first() -> Self {
        Self { ended_at: i64::MIN, pipeline: String::new(), run: String::new() }
    }
}

/// A run that a call has read, and whether it expired.
pub(crate) struct Candidate {
    pub(crate) at: ExpiryMarker,
    pub(crate) has_expired: bool,
}

impl Expired {
    /// Sums up the runs that a call has read, in their order; after a full page there may be more.
    pub(crate) fn of(candidates: Vec<Candidate>) -> Self {
        let next = candidates.last().filter(|_| candidates.len() >= MOST_RUNS).map(|last| last.at.clone());
        let runs = candidates.into_iter().filter(|it| it.has_expired);
        let runs = runs.map(|it| (PipelineId::from(it.at.pipeline), RunId::from(it.at.run)));
        Self { runs: runs.collect(), next }
    }
}
