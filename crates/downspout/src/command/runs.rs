//! `runs`: lists every pipeline with the outcome of its runs.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::run_view::{self, RunView, ShownOutcome};
use super::{Exit, output, running_stack, show};

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// Only the runs of this definition
    #[arg(value_name = "DEFINITION")]
    definition: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    pipeline_id: String,
    name: String,
    state: String,
    outcome: ShownOutcome,
    activated: Option<jiff::Timestamp>,
    ended: Option<jiff::Timestamp>,
    took: Option<String>,
    rows_loaded: u64,
    rows_rejected: u64,
}

pub(super) async fn run(data_dir: &Path, args: &RunsArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let client = endpoints.datapipeline();
    let mut runs = Vec::new();
    for (id, _) in run_view::list(&client).await? {
        // A pipeline can be deleted between the two calls.
        runs.extend(RunView::load(&client, &id).await?);
    }
    runs.retain(|run| args.definition.as_ref().is_none_or(|wanted| run.definition() == wanted));
    runs.sort_by_key(|run| run.created);
    if args.json {
        output::json(&runs.iter().map(row).collect::<Vec<_>>())?;
    } else if runs.is_empty() {
        output::line("there are no pipelines yet: `downspout drop --wait FILE...` starts one")?;
    } else {
        let heading = ["pipeline", "name", "run", "activated", "took", "loaded", "refused"];
        output::print(&output::table(&heading, runs.iter().map(|run| cells(&row(run))).collect()))?;
    }
    Ok(Exit::Done)
}

fn row(run: &RunView) -> Row {
    let (began, ended) = run.span();
    Row {
        pipeline_id: run.pipeline_id.clone(),
        name: run.name.clone(),
        state: run.state.clone(),
        outcome: run.outcome(),
        activated: run.started,
        took: began.zip(ended).map(|(began, ended)| show::duration(began, ended)),
        ended,
        rows_loaded: run.sum("rowsLoaded"),
        rows_rejected: run.sum("rowsRejected"),
    }
}

fn cells(row: &Row) -> Vec<String> {
    vec![
        row.pipeline_id.clone(),
        row.name.clone(),
        row.outcome.painted(),
        row.activated.map(|at| format!("{at:.0}")).unwrap_or_default(),
        row.took.clone().unwrap_or_default(),
        output::count(row.rows_loaded),
        output::count(row.rows_rejected),
    ]
}
