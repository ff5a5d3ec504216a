//! The record of a run as a whole: its header, and how it ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{PipelineId, RunId};
use crate::status;

/// What is true of a run as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// Its id within the pipeline.
    pub id: RunId,
    /// The pipeline's name.
    pub pipeline_name: String,
    /// The version of the definition: `@version`.
    pub version: u32,
    /// `@scheduledStartTime` of its instances.
    pub scheduled: Timestamp,
    /// When it was activated.
    pub started: Timestamp,
    /// Set while nothing in it moves.
    pub ended: Option<RunEnd>,
    /// Its pipeline was deactivated: what waits for its time waits for the next activation.
    #[serde(default)]
    pub is_suspended: bool,
    /// How often something in it was rerun.
    pub generation: u32,
    /// How many steps changed it; a save that finds another number lost a race.
    pub revision: u64,
}

/// How and when a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: RunOutcome,
    /// The run's rerun generation then.
    pub generation: u32,
    /// Some instances still wait, and nothing will ever free them (`failureAndRerunMode` none).
    pub stuck: bool,
    /// When the first of those that wait is late, which is told.
    #[serde(default)]
    pub late_at: Option<Timestamp>,
}

impl Header {
    /// Returns whether time may still change something: the run has not ended, or something that waits in it is yet to
    /// be late.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        self.ended.as_ref().is_none_or(|end| end.late_at.is_some())
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RunOutcome {
    /// Every instance is FINISHED.
    Finished,
    /// An instance failed, or waits for one that did.
    Failed,
    /// None failed, but some were canceled.
    Canceled,
    /// All of it was passed over by a later start.
    Skipped,
}

impl RunOutcome {
    /// Returns the status word for a run that ended so.
    #[must_use]
    pub fn word(self) -> status::Status {
        match self {
            Self::Finished => status::Status::Finished,
            Self::Failed => status::Status::Failed,
            Self::Canceled => status::Status::Canceled,
            Self::Skipped => status::Status::Skipped,
        }
    }
}
