//! `show`: prints the timeline of a run, and one sentence for each waiting instance that says why it waits.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use definition::duration;
use jiff::Timestamp;
use orchestrator::PastRun;
use serde::Serialize;

use super::busy::Busy;
use super::output::{self, Style};
use super::run_view::{InstanceView, RunView, ShownOutcome, WithOutcome};
use super::{Exit, mails, past, running_stack};
use crate::local::stack::Endpoints;
use crate::local::topic::SentMail;

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Id of the pipeline, `df-...`, as `downspout runs` lists it
    pipeline_id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A run with its mails, for programs.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    run: WithOutcome<'a>,
    mails: Vec<SentMail>,
}

/// A run whose pipeline was deleted, with its mails, for programs.
#[derive(Serialize)]
struct ShownPast {
    #[serde(flatten)]
    run: PastRun,
    mails: Vec<SentMail>,
}

pub(super) async fn run(data_dir: &Path, args: &ShowArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let Some(mut run) = RunView::load(&endpoints.datapipeline(), &args.pipeline_id).await? else {
        return show_past(&endpoints, args).await;
    };
    Busy::around(&endpoints.datapipeline(), &run).await?.explain(&mut run);
    let mails = mails::of(&endpoints, Some(&args.pipeline_id)).await?;
    match args.json {
        true => output::json(&Shown { run: run.with_outcome(), mails })?,
        false => {
            output::print(&timeline(&run))?;
            mails.iter().try_for_each(|mail| output::line(&mails::sentence(mail)))?;
        }
    }
    Ok(Exit::Done)
}

/// Shows a run whose pipeline was deleted.
async fn show_past(endpoints: &Endpoints, args: &ShowArgs) -> anyhow::Result<Exit> {
    let past = past::run_of(endpoints, &args.pipeline_id).await?.with_context(|| {
        format!("there is no pipeline {}: `downspout runs` lists the pipelines", args.pipeline_id)
    })?;
    let mails = mails::of(endpoints, Some(&args.pipeline_id)).await?;
    if args.json {
        output::json(&ShownPast { run: past, mails })?;
        return Ok(Exit::Done);
    }
    output::print(&past::text(&past))?;
    mails.iter().try_for_each(|mail| output::line(&mails::sentence(mail)))?;
    Ok(Exit::Done)
}

/// Returns the run as text for people.
pub(super) fn timeline(run: &RunView) -> String {
    let mut text = heading(run);
    let (origin, _) = run.span();
    let shown = run.instances.iter().filter(|instance| instance.is_worth_showing());
    let has_intervals = run.has_intervals();
    let rows = shown.map(|instance| row(instance, origin, has_intervals)).collect();
    text.push_str(&output::table(&["at", "took", "what", "status", "rows"], rows));
    for instance in &run.instances {
        text.push_str(&remarks(instance, &name(instance, has_intervals)));
    }
    text.push_str(&cascade_failures(run));
    text
}

fn heading(run: &RunView) -> String {
    let mut words = vec![run.outcome().painted()];
    if run.outcome() == ShownOutcome::Pending {
        words.push("never activated".to_owned());
    }
    words.extend(run.started.map(|at| format!("activated {at:.0}")));
    let (first, last) = run.span();
    let took = first.zip(last);
    words.extend(took.map(|(start, end)| format!("took {}", duration(start, end))));
    words.extend(run.next_run.as_ref().map(|at| format!("next run {at}")));
    format!("{}  {}  ({})\n", output::paint(&run.name, Style::Bold), run.pipeline_id, words.join(", "))
}

/// Returns the name that people know an instance by: its component and, if there are several intervals, its interval.
fn name(instance: &InstanceView, has_intervals: bool) -> String {
    match instance.scheduled.as_ref().filter(|_| has_intervals) {
        Some(start) => format!("{} {start}", instance.component),
        None => instance.component.clone(),
    }
}

fn row(instance: &InstanceView, origin: Option<Timestamp>, has_intervals: bool) -> Vec<String> {
    let at = origin.zip(instance.started).map(|(origin, start)| format!("+{}", duration(origin, start)));
    let took = instance.started.zip(instance.ended).map(|(start, end)| duration(start, end));
    vec![
        at.unwrap_or_default(),
        took.unwrap_or_default(),
        name(instance, has_intervals),
        output::paint_status(&instance.status),
        rows(instance),
    ]
}

fn rows(instance: &InstanceView) -> String {
    let mut words = Vec::new();
    if let Some(loaded) = instance.number("rowsLoaded") {
        // The rows of a run that publishes its tables together get into them at its end.
        let into = if instance.text("waitsForPublication").is_some() { "for" } else { "into" };
        let table = instance.text("loadedTable").map(|table| format!(" {into} {table}")).unwrap_or_default();
        words.push(format!("{} loaded{table}", output::count(loaded)));
    }
    if let Some(rejected) = instance.number("rowsRejected").filter(|rejected| *rejected > 0) {
        words.push(output::paint(&format!("{} refused", output::count(rejected)), Style::Warn));
    }
    if let Some(table) = instance.text("publishedTable") {
        words.push(format!("put in place: {table} and others of the run"));
    }
    if let Some(written) = instance.number("rowsWritten") {
        let location =
            instance.text("writtenTo").map(|location| format!(" to {location}")).unwrap_or_default();
        words.push(format!("{} written{location}", output::count(written)));
    }
    words.join(", ")
}

/// Returns the lines about an instance below the table: errors, failed attempts, why it waits.
fn remarks(instance: &InstanceView, name: &str) -> String {
    let mut lines = Vec::new();
    if instance.failed_itself()
        && let Some(message) = &instance.error_message
    {
        let id = instance.error_id.as_deref().map(|id| format!("{id}: ")).unwrap_or_default();
        let message = output::harmless(message);
        lines.push(output::paint(&format!("{name} failed: {id}{message}"), Style::Bad));
    }
    if let Some(reason) = instance.cancellation_reason.as_ref().filter(|_| instance.status == "CANCELED") {
        lines.push(format!("{name} was canceled: {}", output::harmless(reason)));
    }
    if instance.attempts.len() > 1 || !instance.failed_itself() {
        let failed = (1..).zip(&instance.attempts).filter(|(_, attempt)| attempt.error_message.is_some());
        lines.extend(failed.map(|(number, attempt)| {
            let message = output::harmless(attempt.error_message.as_deref().unwrap_or_default());
            format!("{name}, attempt {number}: {}: {message}", output::paint_status(&attempt.status))
        }));
    }
    lines.extend(instance.wait_reason.as_ref().map(|why| format!("{name} {}.", why.trim_end_matches('.'))));
    if let Some(reasons) = instance.fields.get("rejectReasons") {
        let refusal = |reason: &String| format!("{name}, refused row: {}", output::harmless(reason));
        lines.extend(reasons.iter().map(refusal));
        let refused = instance.number("rowsRejected").unwrap_or_default();
        let more = refused.saturating_sub(reasons.len() as u64);
        lines.extend((more > 0).then(|| format!("{name}, refused rows: and {} more", output::count(more))));
    }
    if let Some(notes) = instance.fields.get("note") {
        lines.extend(notes.iter().map(|note| format!("{name}: {}", output::harmless(note))));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Returns one sentence per instance that failed or was cancelled: which instances did not run because of it.
fn cascade_failures(run: &RunView) -> String {
    let mut by_root: BTreeMap<&[String], Vec<&str>> = BTreeMap::new();
    let shown = run.instances.iter().filter(|instance| instance.is_worth_showing());
    for instance in shown.filter(|instance| instance.status == "CASCADE_FAILED") {
        // The first id of the chain is the instance that failed by itself.
        let root = instance.cascade_failed_on.get(..1).unwrap_or_default();
        by_root.entry(root).or_default().push(&instance.component);
    }
    let sentence = |(root, failed): (&[String], Vec<&str>)| {
        let is_root = |instance: &&InstanceView| root.first() == Some(&instance.id);
        let was_canceled =
            run.instances.iter().find(is_root).is_some_and(|instance| instance.status == "CANCELED");
        let ended = if was_canceled { "was canceled" } else { "failed" };
        format!("Because {} {ended}, these did not run: {}.\n", names(root), failed.join(", "))
    };
    by_root.into_iter().map(sentence).collect()
}

/// Returns the component names of instance ids: `@Load_2026-03-01T10:00:00` is `Load`.
fn names(ids: &[String]) -> String {
    let name = |id: &String| {
        let id = id.strip_prefix('@').unwrap_or(id);
        id.rsplit_once('_').map_or(id, |(name, _)| name).to_owned()
    };
    let names: Vec<String> = ids.iter().map(name).collect();
    if names.is_empty() { "something before it".to_owned() } else { names.join(" and ") }
}

/// Returns the time between two moments in words.
pub(super) fn duration(from: Timestamp, to: Timestamp) -> String {
    duration::in_words(to.duration_since(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cascade_failure_names_its_cause_and_how_the_cause_ended() {
        for (status, ended) in [("CANCELED", "was canceled"), ("FAILED", "failed")] {
            let mut run = super::super::run_view::tests::run(&[(status, &[]), ("CASCADE_FAILED", &[])]);
            "Second".clone_into(&mut run.instances[1].component);
            run.instances[1].cascade_failed_on = vec!["@A_2026".to_owned()];
            "@Second_2026".clone_into(&mut run.instances[1].id);
            assert_eq!(cascade_failures(&run), format!("Because A {ended}, these did not run: Second.\n"));
        }
    }

    #[test]
    fn a_sentence_has_one_full_stop() {
        let mut run = super::super::run_view::tests::run(&[("WAITING_FOR_RUNNER", &[])]);
        for why in ["waits for a worker", "waits: the group has none."] {
            run.instances[0].wait_reason = Some(why.to_owned());
            let said = remarks(&run.instances[0], "A");
            assert_eq!(said, format!("A {}.\n", why.trim_end_matches('.')));
        }
    }

    #[test]
    fn instances_are_called_by_their_component() {
        assert_eq!(names(&["@Load_Orders_2026-03-01T10:00:00".to_owned()]), "Load_Orders");
    }
}
