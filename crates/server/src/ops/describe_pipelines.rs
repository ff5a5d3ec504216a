//! DescribePipelines: returns the metadata of up to 25 pipelines. One unknown id fails the request.

use engine::{Header, PipelineId, PipelineState, RunOutcome, time};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Pipeline, ScheduleSpan};

use crate::error::ServiceError;
use crate::service::{Service, user_id};
use crate::wire::check::Check;
use crate::wire::object::{WireField, WireTag, read_ids};

/// The largest number of ids in a request.
const MOST: usize = 25;

/// How long a deleted pipeline is described as DELETING. AWS takes seconds.
const DELETING: SignedDuration = SignedDuration::from_secs(3);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_ids: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    pipeline_description_list: Vec<Description>,
}

/// A pipeline in the answer: `PipelineDescription` in the API of AWS.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    pipeline_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    fields: Vec<WireField>,
    tags: Vec<WireTag>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let ids = read_ids("pipelineIds", request.pipeline_ids, &mut check);
    check.finish()?;
    if ids.len() > MOST {
        let text = format!("{} pipeline ids were given; DescribePipelines takes {MOST} at most", ids.len());
        return Err(ServiceError::InvalidRequest(text));
    }
    // The pipelines are read at the same time. The first error in the order of the request is the answer.
    let described = join_all(ids.into_iter().map(|id| description(service, id))).await;
    Ok(Response { pipeline_description_list: described.into_iter().collect::<Result<_, _>>()? })
}

async fn description(service: &Service, id: String) -> Result<Description, ServiceError> {
    let live = match service.driver.lock_pipeline(&id).await {
        Ok(live) => live,
        Err(ServiceError::PipelineDeleted(id)) => return deleting(service, id).await,
        Err(error) => return Err(error),
    };
    let state = if live.is_scheduling() { "SCHEDULING" } else { live.pipeline.state.as_str() };
    let pipeline = live.pipeline.clone();
    drop(live);
    let runs = match pipeline.first_activation {
        Some(_) => service.driver.store.runs(&pipeline.id).await?,
        None => Vec::new(),
    };
    Ok(describe(service, pipeline, state, health(&runs)))
}

/// Describes a pipeline that was deleted a moment ago.
///
/// AWS shows such a pipeline as DELETING, and refuses with PipelineDeletedException within seconds. Here, the data of the
/// pipeline are gone at once; the time is for the runners at work, which learn of the deletion with their next report.
async fn deleting(service: &Service, id: String) -> Result<Description, ServiceError> {
    let driver = &service.driver;
    let deleted = driver.store.deleted_pipeline(&PipelineId::from(id.as_str())).await?;
    let recent = deleted.filter(|deleted| driver.now().duration_since(deleted.at) < DELETING);
    let Some((at, pipeline)) = recent.and_then(|deleted| Some((deleted.at, deleted.pipeline?))) else {
        return Err(ServiceError::PipelineDeleted(id));
    };
    let mut described = describe(service, pipeline, PipelineState::Deleting.as_str(), None);
    described.fields.push(WireField::string("@deletionRequestTime", time::wire(at)));
    Ok(described)
}

/// Returns the health of the pipeline, and the time since which it has that health. Both come from the run that ended last.
/// Skipped runs do not count.
fn health(runs: &[Header]) -> Option<(Timestamp, &'static str)> {
    let word = |outcome| match outcome {
        RunOutcome::Finished => Some("HEALTHY"),
        RunOutcome::Failed | RunOutcome::Canceled => Some("ERROR"),
        RunOutcome::Skipped => None,
    };
    let ends = runs.iter().filter_map(|run| run.ended.as_ref());
    ends.filter_map(|end| Some((end.at, word(end.outcome)?))).max_by_key(|(at, _)| *at)
}

fn describe(
    service: &Service,
    pipeline: Pipeline,
    state: &str,
    health: Option<(Timestamp, &str)>,
) -> Description {
    let fields = fields(service, &pipeline, state, health);
    let tags = pipeline.tags.into_iter().map(|tag| (tag.key, tag.value).into()).collect();
    Description {
        pipeline_id: pipeline.id.to_string(),
        name: pipeline.name,
        description: pipeline.description,
        fields,
        tags,
    }
}

fn fields(
    service: &Service,
    pipeline: &Pipeline,
    state: &str,
    health: Option<(Timestamp, &str)>,
) -> Vec<WireField> {
    let user_id = user_id(&service.account_id);
    let mut fields = vec![
        WireField::string("@id", pipeline.id.as_str()),
        WireField::string("name", &pipeline.name),
        WireField::string("uniqueId", &pipeline.unique_id),
        WireField::string("@pipelineState", state),
        WireField::string("@creationTime", time::wire(pipeline.created)),
        WireField::string("@sphere", "PIPELINE"),
        WireField::string("@userId", &user_id),
        WireField::string("@accountId", &service.account_id),
        WireField::string("pipelineCreator", &user_id),
    ];
    fields.extend(pipeline.description.as_ref().map(|text| WireField::string("description", text)));
    if pipeline.version > 0 {
        fields.push(WireField::string("@version", pipeline.version.to_string()));
    }
    let finished = pipeline.finished.filter(|_| pipeline.state == PipelineState::Finished);
    let times = [
        ("@firstActivationTime", pipeline.first_activation),
        ("@lastActivationTime", pipeline.last_activation),
        ("@latestRunTime", pipeline.latest_run),
        ("@nextRunTime", pipeline.next_run.map(|next| next.start)),
        ("@lastDeactivatedTime", pipeline.last_deactivated),
        ("@finishedTime", finished),
    ];
    fields.extend(times.into_iter().filter_map(|(key, at)| Some(WireField::string(key, time::wire(at?)))));
    if let Some(ScheduleSpan { start, end, period }) = &pipeline.schedule {
        fields.push(WireField::string("@scheduledStartTime", time::wire(*start)));
        fields.extend(end.map(|end| WireField::string("@scheduledEndTime", time::wire(end))));
        fields.push(WireField::string("@scheduledPeriod", period));
    }
    if let Some((at, word)) = health {
        fields.push(WireField::string("@healthStatus", word));
        fields.push(WireField::string("@healthStatusUpdatedTime", time::wire(at)));
    }
    if !pipeline.tags.is_empty() {
        let tag = |tag: &store::Tag| serde_json::json!({ "key": tag.key, "value": tag.value });
        let list: serde_json::Value = pipeline.tags.iter().map(tag).collect();
        fields.push(WireField::string("*tags", list.to_string()));
    }
    fields
}
