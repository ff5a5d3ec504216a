//! `runs`: lists the runs with their outcomes, also after their pipelines were deleted, and the sets that wait.

use std::path::Path;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use orchestrator::{Decision, History, PastRun};
use serde::Serialize;

use super::busy::Busy;
use super::run_view::{self, RunView, ShownOutcome};
use super::{Exit, mails, output, past, running_stack, show};
use crate::local::topic::SentMail;

/// The state that is shown for a pipeline that was deleted.
const DELETED: &str = "DELETED";

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// Only the runs of this definition
    #[arg(value_name = "DEFINITION")]
    definition: Option<String>,
    /// List the sets that wait, each with the reason, instead of the runs; those that wait for files, too
    #[arg(long)]
    waiting: bool,
    /// How many runs with deleted pipelines, and how many waiting sets of each definition, to list
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
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
    activated: Option<Timestamp>,
    ended: Option<Timestamp>,
    took: Option<String>,
    rows_loaded: u64,
    rows_rejected: u64,
    /// The time at which the last mail about the run was sent.
    mailed: Option<Timestamp>,
    /// With which work all task runners are busy while the run waits for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<String>,
}

pub(super) async fn run(data_dir: &Path, args: &RunsArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let history = past::history(&endpoints, args.definition.as_deref(), args.limit, args.waiting).await?;
    if args.waiting {
        ensure_known(&history)?;
        return print_waiting(&history, args.json);
    }
    let client = endpoints.datapipeline();
    let mut runs = Vec::new();
    for (id, _) in run_view::list(&client).await? {
        // A pipeline can be deleted between the two calls.
        runs.extend(RunView::load(&client, &id).await?);
    }
    // The task runners may be busy with the work of any definition.
    let busy = Busy::of(&runs);
    let mails = mails::of(&endpoints, None).await?;
    runs.retain(|run| args.definition.as_ref().is_none_or(|wanted| run.definition() == wanted));
    let mut rows: Vec<_> = runs.iter().map(|run| (run.created, row(run, &busy, &mails))).collect();
    // The ledger remembers the runs whose pipelines are deleted.
    let is_deleted = |past: &&PastRun| {
        let id = past.pipeline_id.as_deref();
        id.is_some_and(|id| runs.iter().all(|run| run.pipeline_id != id)) && past.activated.is_some()
    };
    // A run that could not start has no pipeline.
    let is_not_started = |past: &&PastRun| past.pipeline_id.is_none() && past.state == "failed";
    let pasts = history.runs.iter().filter(|past| is_deleted(past) || is_not_started(past));
    rows.extend(pasts.map(|past| (past.activated, past_row(past, &mails))));
    // The service reports times in whole seconds. Within a second, a deleted pipeline was there before those that still are.
    rows.sort_by_key(|(created, row)| (created.map(Timestamp::as_second), row.state != DELETED, *created));
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    if rows.is_empty() {
        ensure_known(&history)?;
    }
    if args.json {
        output::json(&rows)?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        output::line("there are no pipelines yet: `downspout drop --wait FILE...` starts one")?;
    } else {
        let heading = ["pipeline", "name", "run", "activated", "took", "loaded", "refused", "mail sent"];
        output::print(&output::table(&heading, rows.iter().map(cells).collect()))?;
    }
    for row in &rows {
        if let Some(why) = &row.waits {
            output::line(&format!("{} waits: {why}", row.name))?;
        }
    }
    let counted = history.waiting.len();
    if counted > 0 {
        let sets = if counted == 1 { "1 set waits" } else { &format!("{counted} sets wait") };
        output::line(&format!("{sets}: `downspout runs --waiting` says for what"))?;
    }
    print_paused(&history)?;
    Ok(Exit::Done)
}

/// Fails if the definition that was asked for is not known. A definition that is gone may still have runs.
fn ensure_known(history: &History) -> anyhow::Result<()> {
    history.unknown.as_ref().map_or(Ok(()), |why| bail!("{why}"))
}

fn print_waiting(history: &History, json: bool) -> anyhow::Result<Exit> {
    if json {
        output::json(&history.waiting)?;
        return Ok(Exit::Done);
    }
    let row = |decision: &Decision| {
        let set = decision.set.as_deref().unwrap_or_default();
        let missing = decision.missing.join(", ");
        let missing = if missing.is_empty() { missing } else { format!(": {missing}") };
        vec![format!("{}/{set}", decision.definition), format!("{}{missing}", decision.reason)]
    };
    match history.waiting.is_empty() {
        true => output::line("no set waits")?,
        false => output::print(&output::table(
            &["set", "why it waits"],
            history.waiting.iter().map(row).collect(),
        ))?,
    }
    print_paused(history)?;
    Ok(Exit::Done)
}

fn print_paused(history: &History) -> anyhow::Result<()> {
    for (name, since) in &history.paused {
        output::line(&format!("{name} is paused since {since:.0}: `downspout resume {name}`"))?;
    }
    Ok(())
}

/// Returns the row of a run whose pipeline is deleted, or that could not start.
fn past_row(past: &PastRun, mails: &[SentMail]) -> Row {
    Row {
        pipeline_id: past.pipeline_id.clone().unwrap_or_else(|| "not started".to_owned()),
        name: format!("{}/{}", past.definition, past.set),
        state: DELETED.to_owned(),
        outcome: past::outcome(past),
        activated: past.activated,
        took: past.activated.zip(past.ended).map(|(began, ended)| past::took(began, ended)),
        ended: past.ended,
        rows_loaded: past.rows_loaded.unwrap_or_default(),
        rows_rejected: past.rows_rejected.unwrap_or_default(),
        mailed: past.pipeline_id.as_ref().and_then(|id| mails::sent_at(mails, id)),
        waits: None,
    }
}

fn row(run: &RunView, busy: &Busy, mails: &[SentMail]) -> Row {
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
        mailed: mails::sent_at(mails, &run.pipeline_id),
        waits: run.instances.iter().find_map(|instance| busy.why(instance)),
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
        row.mailed.map(|at| format!("{at:.0}")).unwrap_or_default(),
    ]
}
