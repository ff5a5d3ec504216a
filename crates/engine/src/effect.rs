//! What the driver owes after a step.

use serde::{Deserialize, Serialize};

use crate::header::RunOutcome;
use crate::ids::{AttemptId, NoticeId, PipelineId, RunId, WorkerGroup};

/// Something to do once the step is saved. Carrying it out twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The attempt may be handed to whoever polls `group`. After a restart the same follows from
    /// [`crate::Run::offers`], so it need not be kept.
    Offer {
        /// The attempt.
        attempt: AttemptId,
        /// Who may take it.
        group: WorkerGroup,
    },
    /// The host is to make or to end a machine. After a restart the same follows from [`crate::Run::machines`].
    Resource {
        /// The attempt of the resource that the machine is.
        attempt: AttemptId,
    },
    /// A notice to publish. It is kept until its topic took it, also when its pipeline is deleted.
    Publish(Notice),
    /// Nothing in the run moves any more. After a restart the run's header says the same.
    Ended(RunOutcome),
}

/// What an `SnsAlarm` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Hash of run, alarm and outcome (and instance): the same notice, the same id.
    pub id: NoticeId,
    /// The pipeline that it is about.
    pub pipeline: PipelineId,
    /// The run that it is about.
    pub run: RunId,
    /// `topicArn`.
    pub topic_arn: String,
    /// At most 100 ASCII characters in one line, as SNS wants it.
    pub subject: String,
    /// The text.
    pub message: String,
}
