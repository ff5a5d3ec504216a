//! How runs expire: found by the time at which they came to rest, a few at a time.

use engine::{PipelineId, RunId};

/// Runs that one call looks at.
pub(crate) const MOST_RUNS: usize = 100;
/// Rows of a kind that one call clears away: few enough that a save behind it does not wait long.
pub(crate) const MOST_ROWS: usize = 200;

/// What a call let expire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// The runs.
    pub runs: Vec<(PipelineId, RunId)>,
    /// Where to go on; `None` when all was looked at.
    pub next: Option<ExpiryMarker>,
}

/// Where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryMarker {
    pub(crate) ended_at: i64,
    pub(crate) pipeline: String,
    pub(crate) run: String,
}

impl ExpiryMarker {
    /// Before everything.
    pub(crate) fn first() -> Self {
        Self { ended_at: i64::MIN, pipeline: String::new(), run: String::new() }
    }
}

/// A run that was looked at, and whether it expired.
pub(crate) struct Looked {
    pub(crate) at: ExpiryMarker,
    pub(crate) has_expired: bool,
}

impl Expired {
    /// Sums up what was looked at, in order; a full page has more behind it.
    pub(crate) fn of(looked: Vec<Looked>) -> Self {
        let next = looked.last().filter(|_| looked.len() >= MOST_RUNS).map(|last| last.at.clone());
        let runs = looked.into_iter().filter(|it| it.has_expired);
        let runs = runs.map(|it| (PipelineId::from(it.at.pipeline), RunId::from(it.at.run)));
        Self { runs: runs.collect(), next }
    }
}
