//! Values of columns, which are the same in every database.

use engine::{Header, WorkerGroup, time};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::batch::RunChange;
use crate::{Batch, DeletedPipeline, Pipeline, StoreError, Waiting};

/// Returns `time` as whole seconds since 1970; fractions of a second are cut off.
pub(crate) fn seconds(time: Timestamp) -> i64 {
    time::whole_seconds(time).as_second()
}

pub(crate) fn revision(header: &Header) -> i64 {
    i64::try_from(header.revision).unwrap_or(i64::MAX)
}

/// Returns the SHA-256 digest of a definition's body. The row of a pipeline refers to a body by its digest.
pub(crate) fn digest(body: &str) -> Vec<u8> {
    Sha256::digest(body).to_vec()
}

/// Returns whether the run is stuck. A stuck run has ended, but some instances still wait; only a rerun by a user can
/// free them.
pub(crate) fn is_stuck(header: &Header) -> bool {
    header.ended.as_ref().is_some_and(|end| end.stuck)
}

/// Returns the time at which the run ended, in whole seconds since 1970; `None` while the run is open.
pub(crate) fn ended_at(header: &Header) -> Option<i64> {
    header.ended.as_ref().filter(|_| !header.is_awake()).map(|end| seconds(end.at))
}

/// Returns the time at which the pipeline's next scheduled run is due, in milliseconds since 1970; `None` if no run
/// follows.
pub(crate) fn next_due(pipeline: &Pipeline) -> Option<i64> {
    pipeline.next_run.map(|next| next.due.as_millisecond())
}

/// Returns a deleted pipeline: the columns of its row are `at`, in whole seconds since 1970, and its body.
pub(crate) fn deleted(at: i64, body: Option<&str>) -> Result<DeletedPipeline, StoreError> {
    // A time out of range is not a time of a deletion; the pipeline then counts as deleted long ago.
    let at = Timestamp::from_second(at).unwrap_or_default();
    let pipeline = body.map(|body| read("a deleted pipeline", body)).transpose()?;
    Ok(DeletedPipeline { at, pipeline })
}

/// Returns the attempts that wait for a worker group. `oldest` is the time in the body of an attempt.
///
/// The databases compare these times as texts, so fractions of a second may be in the wrong order.
pub(crate) fn waiting(group: &str, attempts: i64, oldest: &str) -> Result<Waiting, StoreError> {
    let oldest = read("the time of a waiting attempt", &format!("\"{oldest}\""))?;
    Ok(Waiting { group: WorkerGroup::from(group), attempts: u64::try_from(attempts).unwrap_or(0), oldest })
}

/// Returns the body of `value`, which is its JSON text; `what` names the value in an error.
pub(crate) fn write(what: &str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::row(what))
}

/// Returns the value of the body `text`, which is JSON; `what` names the value in an error.
pub(crate) fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(StoreError::row(what))
}

/// Refuses a pipeline with a name or id that not every database can keep. Bodies need no check: JSON escapes U+0000.
pub(crate) fn check_pipeline(pipeline: &Pipeline) -> Result<(), StoreError> {
    keepable("pipeline id", pipeline.id.as_str())?;
    keepable("pipeline name", &pipeline.name)?;
    keepable("unique id", &pipeline.unique_id)
}

/// Refuses a batch with a name or id that not every database can keep.
pub(crate) fn check_batch(batch: &Batch) -> Result<(), StoreError> {
    batch.pipelines.iter().try_for_each(check_pipeline)?;
    batch.definitions.iter().try_for_each(|(id, _, _)| keepable("pipeline id", id.as_str()))?;
    batch.runs.iter().try_for_each(check_run)?;
    batch.notices.iter().try_for_each(|notice| keepable("notice id", notice.id.as_str()))
}

fn check_run(change: &RunChange) -> Result<(), StoreError> {
    keepable("pipeline id", change.header.pipeline.as_str())?;
    keepable("run id", change.header.id.as_str())?;
    for instance in &change.instances {
        keepable("object id", instance.component.as_str())?;
        keepable("object id", instance.id.as_str())?;
    }
    change.attempts.iter().try_for_each(|change| keepable("object id", change.attempt.id.as_str()))
}

/// Returns whether every database can keep the text in a column: PostgreSQL refuses U+0000.
pub(crate) fn is_keepable(text: &str) -> bool {
    !text.contains('\0')
}

fn keepable(what: &'static str, text: &str) -> Result<(), StoreError> {
    if is_keepable(text) { Ok(()) } else { Err(StoreError::Nul { what, text: text.to_owned() }) }
}
