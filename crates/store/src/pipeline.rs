//! A registered pipeline: its name, unique id, state and times.

use std::collections::BTreeSet;

use definition::ObjectId;
use engine::{PipelineId, PipelineState, Upcoming};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A pipeline without its definitions and runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// The id, `df-...`.
    pub id: PipelineId,
    /// The name, which need not be unique.
    pub name: String,
    /// The unique id that the creator chose: name and unique id together make creation idempotent.
    pub unique_id: String,
    /// The creator's description.
    pub description: Option<String>,
    /// The tags, at most 10, each with a different key.
    pub tags: Vec<Tag>,
    /// `@creationTime`.
    pub created: Timestamp,
    /// `@pipelineState`.
    pub state: PipelineState,
    /// The version of the active definition; 0 before the first activation.
    pub version: u32,
    /// `@firstActivationTime`.
    pub first_activation: Option<Timestamp>,
    /// `@lastActivationTime`.
    pub last_activation: Option<Timestamp>,
    /// `@finishedTime`.
    pub finished: Option<Timestamp>,
    /// `@lastDeactivatedTime`.
    pub last_deactivated: Option<Timestamp>,
    /// The scheduled start of the newest run: the next run starts later.
    pub latest_run: Option<Timestamp>,
    /// Every interval of the schedules that begins before this time belongs to a run that has begun, or was skipped.
    #[serde(default)]
    pub made_until: Option<Timestamp>,
    /// The next run of a pipeline that is active on a schedule.
    #[serde(default)]
    pub next_run: Option<Upcoming>,
    /// Intervals that begin before this time are skipped: `startTimestamp` of the last activation.
    #[serde(default)]
    pub skip_until: Option<Timestamp>,
    /// The schedule of the active definition; `None` for a pipeline on demand, or before the first activation.
    #[serde(default)]
    pub schedule: Option<ScheduleSpan>,
    /// Whether a definition was put since the last activation. The next activation then makes a new version.
    #[serde(default)]
    pub has_new_definition: bool,
    /// The paused components (SetStatus PAUSE): none of their instances starts.
    #[serde(default)]
    pub paused: BTreeSet<ObjectId>,
}

impl Pipeline {
    /// Returns a new pipeline, as `CreatePipeline` makes it.
    #[must_use]
    pub fn new(id: PipelineId, name: &str, unique_id: &str, created: Timestamp) -> Self {
        Self {
            id,
            name: name.to_owned(),
            unique_id: unique_id.to_owned(),
            description: None,
            tags: Vec::new(),
            created,
            state: PipelineState::Pending,
            version: 0,
            first_activation: None,
            last_activation: None,
            finished: None,
            last_deactivated: None,
            latest_run: None,
            made_until: None,
            next_run: None,
            skip_until: None,
            schedule: None,
            has_new_definition: false,
            paused: BTreeSet::new(),
        }
    }
}

/// The start, the end and the period of a pipeline's schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleSpan {
    /// `@scheduledStartTime`: the start of the first interval.
    pub start: Timestamp,
    /// `@scheduledEndTime`: the end of the last interval; `None` for a schedule without an end.
    pub end: Option<Timestamp>,
    /// `@scheduledPeriod`, such as `1 day`: the longest period of the definition.
    pub period: String,
}

/// A pipeline that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedPipeline {
    /// The time of the deletion, in whole seconds.
    pub at: Timestamp,
    /// The pipeline as it was then; `None` for one that an earlier version of the store deleted.
    pub pipeline: Option<Pipeline>,
}

/// A tag of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The key, unique within the pipeline.
    pub key: String,
    /// The value.
    pub value: String,
}
