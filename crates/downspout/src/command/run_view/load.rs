//! Reads a run with the public operations of the service.

use std::collections::BTreeMap;

use anyhow::Context;
use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::types::{Field, PipelineObject};
use jiff::Timestamp;

use super::{AttemptView, InstanceView, RunView};
use crate::sdk_error::readable;

/// The largest number of ids that DescribeObjects accepts.
const IDS_PER_CALL: usize = 25;

impl RunView {
    /// Reads a pipeline with its instances and attempts. Returns `None` if the pipeline does not exist or was deleted.
    pub(in crate::command) async fn load(client: &Client, pipeline_id: &str) -> anyhow::Result<Option<Self>> {
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
        if fields.one("@pipelineState").as_deref() == Some("DELETING") {
            return Ok(None);
        }
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
}

/// Reads the id and the name of every pipeline.
pub(in crate::command) async fn list(client: &Client) -> anyhow::Result<Vec<(String, String)>> {
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
    // Instances are sorted by the time of their start. Instances that have not started come last.
    instances.sort_by_key(|instance| {
        (instance.started.is_none(), instance.started, instance.ended, instance.id.clone())
    });
    Ok(instances)
}

fn instance(object: &PipelineObject, mut attempts: Vec<AttemptView>) -> InstanceView {
    let fields = Fields::of(object.fields());
    attempts.sort_by_key(|attempt| (attempt.started.is_none(), attempt.started));
    let is_final = fields.one("@actualEndTime").is_some();
    // The start of the first attempt counts as the start of the instance. The instance exists earlier, from the
    // activation on, but may wait for its dependencies.
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
        worker_group: fields.one("workerGroup"),
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

/// The values of fields by key. The value of a reference is the id of the object that it names.
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

    /// Reads a time as the service writes it: in UTC, without an offset.
    fn time(&self, key: &str) -> Option<Timestamp> {
        let text = self.one(key)?;
        text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
    }

    /// Returns the fields that workers reported.
    fn reported(&self) -> BTreeMap<String, Vec<String>> {
        let is_reported = |key: &&String| REPORTED.contains(&key.as_str());
        let pairs = self.0.iter().filter(|(key, _)| is_reported(key));
        pairs.map(|(key, values)| (key.clone(), values.clone())).collect()
    }
}

/// The fields that workers report. The service adds other fields of its own.
const REPORTED: [&str; 15] = [
    "rowsRead",
    "rowsSkipped",
    "rowsLoaded",
    "rowsRejected",
    "rejectReasons",
    "rejectsFile",
    "bytesRead",
    "rowsWritten",
    "loadedTable",
    "loadedFrom",
    "waitsForPublication",
    "publishedTable",
    "writtenTo",
    "resultPreview",
    "note",
];
