//! The registered thing: name, unique id, state, times.

use std::collections::BTreeSet;

use definition::ObjectId;
use engine::{PipelineId, PipelineState, Upcoming};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A pipeline without its definitions and runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// `df-...`.
    pub id: PipelineId,
    /// Not unique.
    pub name: String,
    /// The creator's token: name and token together make creation idempotent.
    pub unique_id: String,
    /// What the creator says it is.
    pub description: Option<String>,
    /// At most 10, by key.
    pub tags: Vec<Tag>,
    /// `@creationTime`.
    pub created: Timestamp,
    /// `@pipelineState`.
    pub state: PipelineState,
    /// Version of the active definition; 0 before the first activation.
    pub version: u32,
    /// `@firstActivationTime`.
    pub first_activation: Option<Timestamp>,
    /// `@lastActivationTime`.
    pub last_activation: Option<Timestamp>,
    /// `@finishedTime`.
    pub finished: Option<Timestamp>,
    /// `@lastDeactivatedTime`.
    pub last_deactivated: Option<Timestamp>,
    /// Scheduled start of the newest run: the next one starts later.
    pub latest_run: Option<Timestamp>,
    /// Every interval of its schedules that begins before this was made into a run, or passed over.
    #[serde(default)]
    pub made_until: Option<Timestamp>,
    /// The next run of a pipeline that is active on a schedule.
    #[serde(default)]
    pub next_run: Option<Upcoming>,
    /// Intervals that begin before this are passed over: `startTimestamp` of the last activation.
    #[serde(default)]
    pub skip_until: Option<Timestamp>,
    /// The components of which nothing starts: SetStatus PAUSE.
    #[serde(default)]
    pub paused: BTreeSet<ObjectId>,
}

impl Pipeline {
    /// Returns a pipeline as `CreatePipeline` makes it.
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
            paused: BTreeSet::new(),
        }
    }
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Unique within the pipeline.
    pub key: String,
    /// Its value.
    pub value: String,
}
