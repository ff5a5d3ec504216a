//! The record of a run as a whole: its header, and how it ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{PipelineId, RunId};
use crate::status;

/// The record of a run as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The pipeline of the run.
    pub pipeline: PipelineId,
    /// The id of the run within its pipeline.
    pub id: RunId,
    /// The pipeline's name.
    pub pipeline_name: String,
    /// The version of the definition: `@version`.
    pub version: u32,
    /// The scheduled start of the run; the run id is made of it.
    pub scheduled: Timestamp,
    /// The time at which the run began.
    pub started: Timestamp,
    /// How and when the run ended; `None` while it goes on.
    pub ended: Option<RunEnd>,
    /// The pipeline was deactivated: instances that wait for their time do not start before the next activation.
    #[serde(default)]
    pub is_suspended: bool,
    /// The rerun generation: how many rerun commands the run has had.
    pub generation: u32,
    /// The number of steps that changed the run. A save is refused if the stored number is not the expected one.
    pub revision: u64,
}

/// How and when a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// The time of the end.
    pub at: Timestamp,
    /// How the run ended.
    pub outcome: RunOutcome,
    /// The rerun generation of the run when it ended.
    pub generation: u32,
    /// The run is stuck: some instances still wait for a failed instance (`failureAndRerunMode` none). Only a rerun by a user can
    /// free them.
    pub stuck: bool,
    /// The time at which the next of the instances that still wait becomes late; `None` if none of them will.
    #[serde(default)]
    pub late_at: Option<Timestamp>,
}

impl Header {
    /// Returns whether time may still change something: the run goes on, or an instance in it may become late.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        self.ended.as_ref().is_none_or(|end| end.late_at.is_some())
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RunOutcome {
    /// The instances are FINISHED; some of them, but not all, may be SKIPPED. A precondition does not count if its owner is
    /// FINISHED.
    Finished,
    /// An instance failed or timed out. Or no instance was canceled, but one fell or waits for ever.
    Failed,
    /// Some instances were canceled, and none failed or timed out. Others may have fallen with the canceled ones.
    Canceled,
    /// A later start passed over every instance, except resources that no instance needed, which are FINISHED.
    Skipped,
}

impl RunOutcome {
    /// Returns the status word of the wire.
    #[must_use]
    pub fn wire_status(self) -> status::Status {
        match self {
            Self::Finished => status::Status::Finished,
            Self::Failed => status::Status::Failed,
            Self::Canceled => status::Status::Canceled,
            Self::Skipped => status::Status::Skipped,
        }
    }
}
