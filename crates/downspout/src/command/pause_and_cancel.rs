//! The commands `pause`, `resume` and `cancel`, with which a person pauses definitions and cancels runs.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;
use definition::status::Status;

use super::run_view::{self, RunView};
use super::{Exit, output, past, running_stack};
use crate::local::stack::Endpoints;
use crate::sdk_error::readable;

const PAUSE_HELP: &str = "\
While a definition is paused, dropped files wait, and no run of the definition starts. A run that is at work goes on: \
`downspout cancel` ends it. `downspout runs --waiting` lists what waits.";
const CANCEL_HELP: &str = "\
Examples:
  downspout cancel df-0123456789ABCDEFGHIJ
  downspout cancel orders                       every run of the definition that is at work

The work is cancelled as by `aws datapipeline set-status --status CANCEL`. The next set of the definition starts then; \
`downspout pause` before it prevents this.";

/// Arguments of `pause` and `resume`.
#[derive(Debug, Args)]
#[command(after_help = PAUSE_HELP)]
pub struct PauseArgs {
    /// The definition
    definition: String,
}

/// Arguments of `cancel`.
#[derive(Debug, Args)]
#[command(after_help = CANCEL_HELP)]
pub struct CancelArgs {
    /// The id of a pipeline, `df-...`, or a definition
    #[arg(value_name = "PIPELINE")]
    target: String,
}

pub(super) async fn pause(data_dir: &Path, args: &PauseArgs, is_paused: bool) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let name = &args.definition;
    let query = [("definition", name.clone()), ("paused", is_paused.to_string())];
    let path = format!("/pause?{}", serde_urlencoded::to_string(query)?);
    let _: bool = running_stack::ask(&endpoints, http::Method::POST, &path).await?;
    output::line(&match is_paused {
        true => format!("{name} is paused: no run of it starts until `downspout resume {name}`"),
        false => format!("{name} is resumed"),
    })?;
    Ok(Exit::Done)
}

pub(super) async fn cancel(data_dir: &Path, args: &CancelArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let client = endpoints.datapipeline();
    let ids: Vec<String> = match args.target.starts_with("df-") {
        true => vec![args.target.clone()],
        false => {
            let listed = run_view::list(&client).await?.into_iter();
            let is_of_definition = |name: &str| {
                name == args.target
                    || name.split_once('/').is_some_and(|(definition, _)| definition == args.target)
            };
            listed.filter(|(_, name)| is_of_definition(name)).map(|(id, _)| id).collect()
        }
    };
    let mut canceled = 0;
    for id in &ids {
        let run = RunView::load(&client, id).await?;
        let run =
            run.with_context(|| format!("there is no pipeline {id}: `downspout runs` lists the pipelines"))?;
        canceled += usize::from(cancel_run(&endpoints, &run).await?);
    }
    if ids.is_empty()
        && let Some(why) = past::history(&endpoints, Some(&args.target), 1, false).await?.unknown
    {
        bail!("{why}");
    }
    if canceled == 0 {
        output::line(&format!("{}: no run is at work", args.target))?;
        return Ok(Exit::NothingRan);
    }
    Ok(Exit::Done)
}

/// Cancels the instances of a run that are not final. Returns false if there are none.
async fn cancel_run(endpoints: &Endpoints, run: &RunView) -> anyhow::Result<bool> {
    let is_open = |status: &str| !status.parse().is_ok_and(Status::is_final);
    let open = run.instances.iter().filter(|instance| is_open(&instance.status));
    let open: Vec<String> = open.map(|instance| instance.id.clone()).collect();
    if open.is_empty() {
        return Ok(false);
    }
    let call = endpoints.datapipeline().set_status().pipeline_id(&run.pipeline_id).status("CANCEL");
    let called = call.set_object_ids(Some(open)).send().await.map_err(readable);
    called.with_context(|| format!("cancelling {}", run.pipeline_id))?;
    output::line(&format!(
        "{} ({}) is being cancelled; a step that is nearly done may still finish",
        run.name, run.pipeline_id
    ))?;
    Ok(true)
}
