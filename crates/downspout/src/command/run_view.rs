//! A run as the service's own operations tell it: instances, attempts, rows, errors.

use std::collections::BTreeMap;

use anyhow::Context;
use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::types::{Field, PipelineObject};
use definition::status::Status;
use jiff::Timestamp;
use serde::Serialize;

use super::output;
use crate::sdk_error::readable;

/// DescribeObjects takes at most this many ids.
const IDS_PER_CALL: usize = 25;

/// A pipeline with what its runs made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RunView {
    pub(super) pipeline_id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) created: Option<Timestamp>,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    /// The scheduled start of the run to come.
    pub(super) next_run: Option<String>,
    pub(super) instances: Vec<InstanceView>,
}

/// One instance.
#[derive(Clone, Debug, Serialize)]
pub(super) struct InstanceView {
    pub(super) id: String,
    pub(super) component: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) scheduled: Option<String>,
    pub(super) waiting_on: Vec<String>,
    pub(super) wait_reason: Option<String>,
    pub(super) cascade_failed_on: Vec<String>,
    pub(super) cancellation_reason: Option<String>,
    pub(super) error_id: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) tries_left: Option<u32>,
    pub(super) fields: BTreeMap<String, Vec<String>>,
    pub(super) attempts: Vec<AttemptView>,
}

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AttemptView {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) hostname: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) log_location: Option<String>,
}

/// How a run stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Outcome {
    /// It was not activated yet.
    Pending,
    /// Something moves, or will.
    Running,
    /// Every instance finished.
    Finished,
    /// Ended otherwise, or nothing in it can move any more.
    Failed,
    /// Somebody cancelled it before anything failed.
    Canceled,
}

impl Outcome {
    /// Returns whether nothing moves any more, and nothing will.
    pub(super) fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Finished | Self::Failed | Self::Canceled => true,
        }
    }

    /// Returns its word as it is shown.
    pub(super) fn painted(self) -> String {
        match self {
            Self::Pending => output::paint("PENDING", output::Style::Dim),
            Self::Running => output::paint_status("RUNNING"),
            Self::Finished => output::paint_status("FINISHED"),
            Self::Failed => output::paint_status("FAILED"),
            Self::Canceled => output::paint_status("CANCELED"),
        }
    }
}

impl RunView {
    /// Reads a pipeline; `None` when it does not exist (any more).
    pub(super) async fn load(client: &Client, pipeline_id: &str) -> anyhow::Result<Option<Self>> {
        let answer = match client.describe_pipelines().pipeline_ids(pipeline_id).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let gone = error.as_service_error().is_some_and(|error| {
                    error.is_pipeline_not_found_exception() || error.is_pipeline_deleted_exception()
                });
                if gone {
                    return Ok(None);
                }
                return Err(readable(error)).with_context(|| format!("describing {pipeline_id}"));
            }
        };
        let Some(description) = answer.pipeline_description_list().first() else { return Ok(None) };
        let fields = Fields::of(description.fields());
        let mut run = Self {
            pipeline_id: pipeline_id.to_owned(),
            name: description.name().to_owned(),
            state: fields.one("@pipelineState").unwrap_or_default(),
            created: fields.time("@creationTime"),
            started: fields.time("@lastActivationTime"),
            ended: fields.time("@finishedTime"),
            next_run: fields.one("@nextRunTime"),
            instances: Vec::new(),
        };
        run.instances = instances(client, pipeline_id).await?;
        Ok(Some(run))
    }

    /// Returns whether there are instances of more than one interval, which only their times tell apart.
    pub(super) fn has_intervals(&self) -> bool {
        let mut starts = self.instances.iter().map(|instance| &instance.scheduled);
        let first = starts.next();
        self.next_run.is_some() || starts.any(|start| Some(start) != first)
    }

    /// Returns how the pipeline stands: at work as long as anything in it moves, and then as its newest interval ended.
    pub(super) fn outcome(&self) -> Outcome {
        let is_final = |instance: &InstanceView| instance.status.parse().is_ok_and(Status::is_final);
        let all_final = self.instances.iter().all(is_final);
        match (self.instances.is_empty(), all_final) {
            (true, _) if self.started.is_none() => Outcome::Pending,
            (true, _) => Outcome::Running,
            (false, true) => ending(self.newest()),
            (false, false) if self.is_stuck() => ending(self.instances.iter()),
            (false, false) => Outcome::Running,
        }
    }

    /// Returns the instances of the newest interval, or of the newest run on demand.
    fn newest(&self) -> impl Iterator<Item = &InstanceView> {
        let newest = self.instances.iter().map(|instance| &instance.scheduled).max();
        self.instances.iter().filter(move |instance| Some(&instance.scheduled) == newest)
    }

    /// Without a failure mode, what waits on a failed instance waits for ever: it does not run.
    fn is_stuck(&self) -> bool {
        let failed = self.instances.iter().any(|instance| has_failed(&instance.status));
        let waits = |instance: &&InstanceView| instance.status == "WAITING_ON_DEPENDENCIES";
        let moves = self.instances.iter().any(|instance| {
            !waits(&instance) && instance.status != "FINISHED" && !has_failed(&instance.status)
        });
        let free = self.instances.iter().filter(waits).any(|instance| instance.waiting_on.is_empty());
        failed && !moves && !free
    }

    /// Returns when the first attempt of the newest interval began, and when its last instance ended; the latter only of a
    /// pipeline that is at rest.
    pub(super) fn span(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let first = self.newest().filter_map(|instance| instance.started).min().or(self.started);
        let last = self.newest().filter_map(|instance| instance.ended).max();
        (first, last.filter(|_| self.outcome().is_over()))
    }

    /// Returns the sum of a number over all instances.
    pub(super) fn sum(&self, field: &str) -> u64 {
        self.instances.iter().filter_map(|instance| instance.number(field)).sum()
    }

    /// Returns the part of the name before the slash: the definition.
    pub(super) fn definition(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(definition, _)| definition)
    }
}

/// Returns how instances ended that are final, or wait for what is.
fn ending<'a>(instances: impl Iterator<Item = &'a InstanceView>) -> Outcome {
    let ended: Vec<&str> = instances.map(|instance| instance.status.as_str()).collect();
    let has = |status: &str| ended.contains(&status);
    match ended.iter().any(|status| has_failed(status)) {
        false => Outcome::Finished,
        true if has("CANCELED") && !has("FAILED") && !has("TIMEDOUT") => Outcome::Canceled,
        true => Outcome::Failed,
    }
}

/// Returns whether `status` is final and says that the work was not done.
fn has_failed(status: &str) -> bool {
    status.parse().is_ok_and(Status::has_failed)
}

impl InstanceView {
    /// Returns a field that holds a number.
    pub(super) fn number(&self, field: &str) -> Option<u64> {
        self.fields.get(field)?.first()?.parse().ok()
    }

    /// Returns the first value of a field.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.first().map(String::as_str)
    }

    /// Returns whether people want to see it in a timeline: data nodes just stand between activities.
    pub(super) fn is_worth_showing(&self) -> bool {
        !self.kind.ends_with("DataNode")
            || (self.status != "FINISHED" && self.status != "WAITING_ON_DEPENDENCIES")
    }

    /// Returns whether the instance failed itself, and did not just fall with another.
    pub(super) fn failed_itself(&self) -> bool {
        matches!(self.status.as_str(), "FAILED" | "TIMEDOUT" | "CANCELED")
    }
}

/// Reads every pipeline's id and name.
pub(super) async fn list(client: &Client) -> anyhow::Result<Vec<(String, String)>> {
    let mut pages = client.list_pipelines().into_paginator().send();
    let mut listed = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(readable).context("listing the pipelines")?;
        let pairs = page.pipeline_id_list().iter();
        listed.extend(pairs.map(|pair| {
            (pair.id().unwrap_or_default().to_owned(), pair.name().unwrap_or_default().to_owned())
        }));
    }
    Ok(listed)
}

async fn instances(client: &Client, pipeline_id: &str) -> anyhow::Result<Vec<InstanceView>> {
    let mut by_instance: BTreeMap<String, Vec<AttemptView>> = BTreeMap::new();
    for object in objects(client, pipeline_id, "ATTEMPT").await? {
        let fields = Fields::of(object.fields());
        let instance = fields.one("@instanceParent").unwrap_or_default();
        by_instance.entry(instance).or_default().push(attempt(object.id(), &fields));
    }
    let found = objects(client, pipeline_id, "INSTANCE").await?;
    let mut instances: Vec<InstanceView> = found
        .iter()
        .map(|object| instance(object, by_instance.remove(object.id()).unwrap_or_default()))
        .collect();
    // In the order in which things happened; what has not begun comes last.
    instances.sort_by_key(|instance| {
        (instance.started.is_none(), instance.started, instance.ended, instance.id.clone())
    });
    Ok(instances)
}

fn instance(object: &PipelineObject, mut attempts: Vec<AttemptView>) -> InstanceView {
    let fields = Fields::of(object.fields());
    attempts.sort_by_key(|attempt| (attempt.started.is_none(), attempt.started));
    let is_final = fields.one("@actualEndTime").is_some();
    // An instance is there from the activation on; its first attempt begins when its dependencies are met.
    let started = attempts.first().and_then(|attempt| attempt.started);
    let ended = attempts.last().and_then(|attempt| attempt.ended).filter(|_| is_final);
    InstanceView {
        id: object.id().to_owned(),
        component: fields.one("@componentParent").unwrap_or_else(|| object.name().to_owned()),
        status: fields.one("@status").unwrap_or_default(),
        kind: fields.one("type").unwrap_or_default(),
        started,
        ended: ended.or_else(|| fields.time("@actualEndTime")),
        scheduled: fields.one("@scheduledStartTime"),
        waiting_on: fields.many("@waitingOn"),
        wait_reason: fields.one(engine::WHY),
        cascade_failed_on: fields.many("@cascadeFailedOn"),
        cancellation_reason: fields.one("cancellationReason"),
        error_id: fields.one("errorId"),
        error_message: fields.one("errorMessage"),
        tries_left: fields.one("@triesLeft").and_then(|text| text.parse().ok()),
        fields: fields.reported(),
        attempts,
    }
}

fn attempt(id: &str, fields: &Fields) -> AttemptView {
    AttemptView {
        id: id.to_owned(),
        status: fields.one("@status").unwrap_or_default(),
        started: fields.time("startedAt").or_else(|| fields.time("@actualStartTime")),
        ended: fields.time("endedAt").or_else(|| fields.time("@actualEndTime")),
        hostname: fields.one("hostname"),
        error_message: fields.one("errorMessage"),
        log_location: fields.one("@logLocation"),
    }
}

async fn objects(client: &Client, pipeline_id: &str, sphere: &str) -> anyhow::Result<Vec<PipelineObject>> {
    let mut ids: Vec<String> = Vec::new();
    let mut pages = client.query_objects().pipeline_id(pipeline_id).sphere(sphere).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(readable).with_context(|| format!("asking {pipeline_id} for its objects"))?;
        ids.extend(page.ids().iter().cloned());
    }
    let mut found = Vec::new();
    for some in ids.chunks(IDS_PER_CALL) {
        let call = client.describe_objects().pipeline_id(pipeline_id).set_object_ids(Some(some.to_vec()));
        let mut pages = call.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(readable).with_context(|| format!("describing objects of {pipeline_id}"))?;
            found.extend(page.pipeline_objects().iter().cloned());
        }
    }
    Ok(found)
}

/// Fields by key; a reference counts as the id it names.
struct Fields(BTreeMap<String, Vec<String>>);

impl Fields {
    fn of(fields: &[Field]) -> Self {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for field in fields {
            let value = field.string_value().or(field.ref_value()).unwrap_or_default();
            map.entry(field.key().to_owned()).or_default().push(value.to_owned());
        }
        Self(map)
    }

    fn one(&self, key: &str) -> Option<String> {
        self.0.get(key)?.first().cloned()
    }

    fn many(&self, key: &str) -> Vec<String> {
        self.0.get(key).cloned().unwrap_or_default()
    }

    /// Reads a time as the service writes it: UTC without an offset.
    fn time(&self, key: &str) -> Option<Timestamp> {
        let text = self.one(key)?;
        text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
    }

    /// Returns what workers reported.
    fn reported(&self) -> BTreeMap<String, Vec<String>> {
        let is_reported = |key: &&String| REPORTED.contains(&key.as_str());
        let pairs = self.0.iter().filter(|(key, _)| is_reported(key));
        pairs.map(|(key, values)| (key.clone(), values.clone())).collect()
    }
}

/// Fields that workers report besides the service's own.
const REPORTED: [&str; 10] = [
    "rowsLoaded",
    "rowsRejected",
    "rejectReasons",
    "bytesRead",
    "rowsWritten",
    "loadedTable",
    "loadedFrom",
    "writtenTo",
    "resultPreview",
    "note",
];

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of instances with these statuses, each with what it waits on.
    pub(in super::super) fn run(statuses: &[(&str, &[&str])]) -> RunView {
        let instance = |(status, waiting): &(&str, &[&str])| InstanceView {
            id: "@A_2026".to_owned(),
            component: "A".to_owned(),
            kind: "ShellCommandActivity".to_owned(),
            status: (*status).to_owned(),
            started: None,
            ended: None,
            scheduled: None,
            waiting_on: waiting.iter().map(|id| (*id).to_owned()).collect(),
            wait_reason: None,
            cascade_failed_on: vec![],
            cancellation_reason: None,
            error_id: None,
            error_message: None,
            tries_left: None,
            fields: BTreeMap::new(),
            attempts: vec![],
        };
        RunView {
            pipeline_id: "df-1".to_owned(),
            name: "orders/day=2026-03-01".to_owned(),
            state: "SCHEDULED".to_owned(),
            created: None,
            started: None,
            ended: None,
            next_run: None,
            instances: statuses.iter().map(instance).collect(),
        }
    }

    #[test]
    fn a_run_is_over_when_every_instance_is_final() {
        assert_eq!(run(&[("FINISHED", &[]), ("RUNNING", &[])]).outcome(), Outcome::Running);
        assert_eq!(run(&[("FINISHED", &[]), ("FINISHED", &[])]).outcome(), Outcome::Finished);
        assert_eq!(run(&[("FAILED", &[]), ("CASCADE_FAILED", &["a"])]).outcome(), Outcome::Failed);
        let begins = RunView { started: Some(Timestamp::UNIX_EPOCH), ..run(&[]) };
        assert_eq!(begins.outcome(), Outcome::Running);
    }

    #[test]
    fn what_was_never_activated_is_pending_and_not_at_work() {
        assert_eq!(run(&[]).outcome(), Outcome::Pending);
        assert!(!Outcome::Pending.is_over());
    }

    #[test]
    fn a_pipeline_stands_as_its_newest_interval_ended() {
        let after = |second: &str| {
            let mut run = run(&[("FAILED", &[]), (second, &[])]);
            for (instance, hour) in run.instances.iter_mut().zip(["10", "11"]) {
                instance.scheduled = Some(format!("2026-03-01T{hour}:00:00"));
            }
            run.outcome()
        };
        assert_eq!(
            [after("FINISHED"), after("CANCELED"), after("RUNNING")],
            [Outcome::Finished, Outcome::Canceled, Outcome::Running]
        );
    }

    #[test]
    fn a_cancelled_run_did_not_fail() {
        assert_eq!(run(&[("CANCELED", &[]), ("CASCADE_FAILED", &["a"])]).outcome(), Outcome::Canceled);
        assert_eq!(run(&[("CANCELED", &[]), ("FAILED", &[])]).outcome(), Outcome::Failed);
    }

    #[test]
    fn what_waits_on_a_failed_instance_for_ever_does_not_keep_a_run_going() {
        assert_eq!(run(&[("FAILED", &[]), ("WAITING_ON_DEPENDENCIES", &["a"])]).outcome(), Outcome::Failed);
        let moving = [("FAILED", &[][..]), ("WAITING_ON_DEPENDENCIES", &["a"]), ("WAITING_FOR_RUNNER", &[])];
        assert_eq!(run(&moving).outcome(), Outcome::Running);
    }
}
