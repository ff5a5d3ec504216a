//! Effects: the actions that the driver owes after a step.

use serde::{Deserialize, Serialize};

use crate::header::RunOutcome;
use crate::ids::{AttemptId, NoticeId, PipelineId, RunId, WorkerGroup};

/// An action for the driver, after it has saved the step. Doing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Offer the attempt to runners that poll `group`. This effect is not stored, because [`crate::Run::offers`] says the same
    /// after a restart.
    Offer {
        /// The attempt.
        attempt: AttemptId,
        /// The worker group whose runners may take the attempt.
        group: WorkerGroup,
    },
    /// Ask the host to make or to end a machine. After a restart [`crate::Run::machines`] says the same.
    Resource {
        /// The attempt at the resource; each attempt is one machine.
        attempt: AttemptId,
    },
    /// Publish a notice. The notice stays stored until its topic has taken it, even if the pipeline is deleted meanwhile.
    Publish(Notice),
    /// The run has ended. After a restart the run's header says the same.
    Ended(RunOutcome),
}

/// A message that an `SnsAlarm` publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// A hash of run, alarm, occasion and instance, so that the same notice always has the same id.
    pub id: NoticeId,
    /// The pipeline that the notice is about.
    pub pipeline: PipelineId,
    /// The run that the notice is about.
    pub run: RunId,
    /// The topic: `topicArn` of the alarm.
    pub topic_arn: String,
    /// The subject: one line of at most 100 characters, which is the limit of SNS.
    pub subject: String,
    /// The text of the message.
    pub message: String,
}
