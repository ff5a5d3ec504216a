//! `logs`: prints the logs that the workers uploaded for a run.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use flate2::read::MultiGzDecoder;

use super::output::{self, Style};
use super::run_view::RunView;
use super::{Exit, running_stack};
use crate::bucket_listing;
use crate::local::stack::Endpoints;
use crate::sdk_error::readable;

const AFTER_HELP: &str = "\
Examples:
  downspout logs df-0123456789ABCDEFGHIJ
  downspout logs df-0123456789ABCDEFGHIJ LoadOrders     only the logs of LoadOrders";

/// Arguments of `logs`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct LogsArgs {
    /// Id of the pipeline, `df-...`
    pipeline_id: String,
    /// Only the logs with this word in their key: an object, an instance or an attempt
    only: Option<String>,
    /// Print JSON with the key and the text of each log
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Log {
    key: String,
    text: String,
}

pub(super) async fn run(data_dir: &Path, args: &LogsArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let mut logs = Vec::new();
    for key in keys(&endpoints, args).await? {
        let text = fetch(&endpoints, &key).await?;
        logs.push(Log { key, text });
    }
    if args.json {
        output::json(&logs)?;
    } else if logs.is_empty() {
        // Logs stay after their pipeline is deleted. So a missing pipeline is an error only if it has no logs.
        let run = RunView::load(&endpoints.datapipeline(), &args.pipeline_id).await?;
        run.with_context(|| {
            format!("there is no pipeline {}: `downspout runs` lists the pipelines", args.pipeline_id)
        })?;
        output::line(&format!(
            "there are no logs of {} yet: a log is uploaded when its attempt ends",
            args.pipeline_id
        ))?;
    }
    if !args.json {
        for log in &logs {
            output::line(&output::paint(&format!("==> {}", log.key), Style::Bold))?;
            output::line(log.text.trim_end())?;
        }
    }
    Ok(Exit::Done)
}

/// Returns the keys of the pipeline's logs in the logs bucket. If `args.only` is given, every returned key contains it.
///
/// The id of the pipeline is one folder in each key, whatever the `pipelineLogUri` is.
async fn keys(endpoints: &Endpoints, args: &LogsArgs) -> anyhow::Result<Vec<String>> {
    let part = format!("/{}/", args.pipeline_id);
    let bucket = &endpoints.buckets.logs;
    let listed = bucket_listing::objects(&endpoints.s3(), bucket, "").await?;
    let wanted = |key: &String| {
        format!("/{key}").contains(&part) && args.only.as_ref().is_none_or(|only| key.contains(only.as_str()))
    };
    Ok(listed.into_iter().map(|object| object.key).filter(wanted).collect())
}

async fn fetch(endpoints: &Endpoints, key: &str) -> anyhow::Result<String> {
    let answer = endpoints.s3().get_object().bucket(&endpoints.buckets.logs).key(key).send().await;
    let answer = answer.map_err(readable).with_context(|| format!("fetching the log {key}"))?;
    let bytes = answer.body.collect().await.with_context(|| format!("fetching the log {key}"))?.into_bytes();
    if !key.ends_with(".gz") {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes.as_ref())
        .read_to_end(&mut plain)
        .with_context(|| format!("unpacking the log {key}"))?;
    Ok(String::from_utf8_lossy(&plain).into_owned())
}
