//! `rerun`: runs the files of a failed run again.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use aws_sdk_s3::types::MetadataDirective;
use clap::Args;
use definition::trigger::Trigger;
use orchestrator::Decision;

use super::drop::follow_keys;
use super::run_view::{RunView, ShownOutcome};
use super::{Exit, output, running_stack};
use crate::bucket_listing;
use crate::local::stack::Endpoints;
use crate::sdk_error::readable;

const AFTER_HELP: &str = "\
Each content of a file set runs once, so only a failed or cancelled run can be repeated. The command copies the files onto \
themselves, which starts a new pipeline with the current definition. Correct the definition or the file first.";

/// Arguments of `rerun`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RerunArgs {
    /// Id of the failed pipeline, `df-...`, which a drop started
    pipeline_id: String,
    /// Follow the new run, and exit with its result
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(data_dir: &Path, args: &RerunArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let run = RunView::load(&endpoints.datapipeline(), &args.pipeline_id).await?;
    let run = run.with_context(|| {
        format!("there is no pipeline {}: `downspout runs` lists the pipelines", args.pipeline_id)
    })?;
    if !run.name.contains('/') {
        let id = &run.pipeline_id;
        output::line(&format!(
            "{id} was not started by a drop. To run it again, use `aws datapipeline activate-pipeline --pipeline-id {id}`. To run \
             only its failed instances again, use \
             `aws datapipeline set-status --pipeline-id {id} --object-ids INSTANCE... --status RERUN`."
        ))?;
        return Ok(Exit::NothingRan);
    }
    let refusal = match run.outcome() {
        ShownOutcome::Failed | ShownOutcome::Canceled => None,
        ShownOutcome::Pending => Some("was never activated, so nothing has run: drop its files again"),
        ShownOutcome::Running => Some("is still running: `downspout show` says what it waits for"),
        ShownOutcome::Finished => {
            Some("has finished, and each content of a file set runs once: drop changed files instead")
        }
    };
    if let Some(refusal) = refusal {
        output::line(&format!("{} {refusal}", run.pipeline_id))?;
        return Ok(Exit::NothingRan);
    }
    let keys = keys(&endpoints, &run).await?;
    if let Some(later) = finished_since(&endpoints, &run, &keys[0]).await? {
        output::line(&format!(
            "These files ran again as {later}, which has finished: there is nothing to repeat."
        ))?;
        return Ok(Exit::NothingRan);
    }
    copy_onto_themselves(&endpoints, &keys).await?;
    for key in &keys {
        output::line(&format!("s3://{}/{key}", endpoints.buckets.drop))?;
    }
    if !args.wait {
        return Ok(Exit::Done);
    }
    follow_keys(&endpoints, &keys[..1], &BTreeSet::new()).await
}

/// Returns the pipeline id of another run of the same files, if the newest run of the files is another one and has
/// finished. `key` is the key of one of the files.
async fn finished_since(endpoints: &Endpoints, run: &RunView, key: &str) -> anyhow::Result<Option<String>> {
    let path = format!("/status?{}", serde_urlencoded::to_string([("key", key)])?);
    let decisions: Vec<Decision> = running_stack::ask(endpoints, http::Method::GET, &path).await?;
    let ours = decisions.into_iter().find(|decision| decision.definition == run.definition());
    let finished = ours.filter(|decision| decision.state.as_deref() == Some("finished"));
    Ok(finished.and_then(|decision| decision.pipeline_id).filter(|id| *id != run.pipeline_id))
}

/// Returns the keys of the run's file set. These keys match a pattern of the run's definition, and their captured values
/// are those in the name of the run.
///
/// # Errors
///
/// If the drop bucket has no such key any more, or if the definition or the keys cannot be read.
async fn keys(endpoints: &Endpoints, run: &RunView) -> anyhow::Result<Vec<String>> {
    let (name, set) = run.name.split_once('/').unwrap_or((&run.name, ""));
    let trigger = trigger(endpoints, name).await?;
    let s3 = endpoints.s3();
    let mut found = BTreeSet::new();
    for prefix in trigger.literal_prefixes() {
        let listed = bucket_listing::objects(&s3, &endpoints.buckets.drop, &prefix).await?;
        let is_ours = |key: &String| trigger.captures(key).is_some_and(|captures| captures.encoded() == set);
        found.extend(listed.into_iter().map(|object| object.key).filter(is_ours));
    }
    anyhow::ensure!(
        !found.is_empty(),
        "the files of {} are gone from the drop bucket: drop them again",
        run.name
    );
    Ok(found.into_iter().collect())
}

async fn trigger(endpoints: &Endpoints, name: &str) -> anyhow::Result<Trigger> {
    let key = format!("{name}.json");
    let answer = endpoints.s3().get_object().bucket(&endpoints.buckets.definitions).key(&key).send().await;
    let answer = answer.map_err(readable).with_context(|| format!("fetching the definition {key}"))?;
    let bytes =
        answer.body.collect().await.with_context(|| format!("fetching the definition {key}"))?.into_bytes();
    let definition =
        definition::file::parse(&String::from_utf8_lossy(&bytes)).with_context(|| key.clone())?;
    let trigger = Trigger::of(&definition).map_err(|error| anyhow::anyhow!("{key}: {error}"))?;
    trigger.with_context(|| format!("files do not start {key}, because it has no myDropFile"))
}

/// Copies every object onto itself. S3 sends the same event for the copy as for a new object.
async fn copy_onto_themselves(endpoints: &Endpoints, keys: &[String]) -> anyhow::Result<()> {
    let s3 = endpoints.s3();
    let bucket = &endpoints.buckets.drop;
    for key in keys {
        let copy = s3
            .copy_object()
            .bucket(bucket)
            .key(key)
            .copy_source(format!("{bucket}/{}", encoded(key)))
            // S3 refuses a copy of an object onto itself unless something changes.
            .metadata_directive(MetadataDirective::Replace);
        copy.send()
            .await
            .map_err(readable)
            .with_context(|| format!("copying s3://{bucket}/{key} onto itself"))?;
    }
    Ok(())
}

/// Returns the key in the encoding of the header `x-amz-copy-source`.
fn encoded(key: &str) -> String {
    let mut text = String::new();
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
