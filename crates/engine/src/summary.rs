//! The summary of a run: the texts of `#{node...}` in an alarm with `myOncePerRun`, for the mail that reports the outcome.

use std::collections::HashMap;

use definition::counted::counted;
use definition::{Field, FieldValue, duration};

use crate::header::RunOutcome;
use crate::instance::{Ending, Instance};
use crate::run::Run;
use crate::scope::{Context, Texts};
use crate::time::wire;

/// The maximum number of reasons for refused rows in a mail. The quarantine holds all of them.
const REASON_LIMIT: usize = 20;

/// The maximum number of notes in a mail. `downspout show` shows all of them.
const NOTE_LIMIT: usize = 20;

/// The text of an empty list.
const NOTHING: &str = "none";

/// Returns the texts for a run that ended with `outcome`.
pub(crate) fn of(run: &Run, outcome: RunOutcome) -> Texts {
    let header = run.header();
    let ended = header.ended.as_ref().map_or(header.started, |end| end.at);
    let end = run.instances().iter().map(|instance| run.interval(instance).end).max();
    let mut fields = HashMap::from([
        ("name", header.pipeline_name.clone()),
        ("id", header.pipeline.to_string()),
        ("@id", header.pipeline.to_string()),
        ("@pipelineId", header.pipeline.to_string()),
        ("@status", outcome.wire_status().to_string()),
        ("@version", header.version.to_string()),
        ("@scheduledStartTime", wire(header.scheduled)),
        ("@scheduledEndTime", wire(end.unwrap_or(header.scheduled))),
        ("@actualStartTime", wire(header.started)),
        ("@actualEndTime", wire(ended)),
        ("@finishedTime", wire(ended)),
        ("duration", duration::in_words(ended.duration_since(header.started))),
        ("rejectReasons", reasons(run)),
        ("loads", listed(loads(run))),
        ("notes", notes(run)),
        ("results", listed(results(run))),
        ("logs", logs(run)),
    ]);
    for (key, finished_only) in [
        ("rowsRead", false),
        ("rowsLoaded", true),
        ("rowsWritten", true),
        ("rowsRejected", false),
        ("rowsSkipped", false),
        ("bytesRead", false),
    ] {
        fields.insert(key, sum(run, key, finished_only).to_string());
    }
    // With the noun, because a subject such as "1 rows loaded" is wrong.
    fields.insert("loadedRows", counted(sum(run, "rowsLoaded", true), "row"));
    if let Some((instance, error)) = first_failure(run) {
        fields.insert("errorId", error.id.clone().unwrap_or_default());
        fields.insert("errorMessage", error.message.clone().unwrap_or_default());
        fields.insert("errorStackTrace", error.stack_trace.clone().unwrap_or_default());
        fields.insert("firstError", error_words(instance, error));
    } else if outcome == RunOutcome::Canceled
        && let Some((instance, reason)) = first_cancellation(run)
    {
        fields.insert("errorMessage", format!("canceled: {reason}"));
        fields.insert("firstError", format!("{}: canceled: {reason}", instance.component));
    }
    Texts(fields)
}

/// Returns the strings that the newest attempt reported under `key`.
fn reported<'a>(instance: &'a Instance, key: &'a str) -> impl Iterator<Item = &'a str> {
    let fields: &[Field] =
        instance.newest_attempt().map(|newest| newest.reported.as_slice()).unwrap_or_default();
    fields.iter().filter(move |field| field.key == *key).filter_map(|field| match &field.value {
        FieldValue::String(text) => Some(text.as_str()),
        FieldValue::Ref(_) => None,
    })
}

fn first<'a>(instance: &'a Instance, key: &'a str) -> Option<&'a str> {
    reported(instance, key).next()
}

/// Sums a reported number over all instances, or over the FINISHED ones only if `finished_only`.
fn sum(run: &Run, key: &str, finished_only: bool) -> u64 {
    let counted = run.instances().iter().filter(|instance| !finished_only || instance.is_finished());
    let counted = counted.filter(|instance| key != "rowsLoaded" || !waits_in_vain(run, instance));
    let counts = counted.filter_map(|instance| first(instance, key)?.trim().parse::<u64>().ok());
    counts.fold(0, u64::saturating_add)
}

fn listed(lines: Vec<String>) -> String {
    if lines.is_empty() { NOTHING.to_owned() } else { lines.join("\n") }
}

fn reasons(run: &Run) -> String {
    let all: Vec<_> =
        run.instances().iter().flat_map(|instance| reported(instance, "rejectReasons")).collect();
    let mut lines: Vec<_> = all.iter().take(REASON_LIMIT).map(|line| (*line).to_owned()).collect();
    // The refused rows can outnumber the reasons, because each load reports only its first reasons.
    let refused = usize::try_from(sum(run, "rowsRejected", false)).unwrap_or(usize::MAX).max(all.len());
    if !lines.is_empty() && refused > lines.len() {
        lines.push(format!("and {} more", refused - lines.len()));
    }
    listed(lines)
}

/// Returns one line for each note of an activity, such as a check of `myExpectWarn` that did not hold.
fn notes(run: &Run) -> String {
    let of_instance =
        |instance| reported(instance, "note").map(|note| format!("{}: {note}", instance.component));
    let mut lines: Vec<String> = run.instances().iter().flat_map(of_instance).collect();
    let more = lines.len().saturating_sub(NOTE_LIMIT);
    lines.truncate(NOTE_LIMIT);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    listed(lines)
}

/// Returns one line for each FINISHED load. A load that failed has left its table unchanged.
fn loads(run: &Run) -> Vec<String> {
    let finished = run.instances().iter().filter(|instance| instance.is_finished());
    let line = |instance| {
        let table = first(instance, "loadedTable")?;
        let rows = first(instance, "rowsLoaded").unwrap_or("0");
        let refused = first(instance, "rowsRejected").unwrap_or("0");
        let skipped = first(instance, "rowsSkipped").filter(|skipped| *skipped != "0");
        let skipped = skipped.map(|skipped| format!(", {skipped} skipped")).unwrap_or_default();
        let mut from = reported(instance, "loadedFrom");
        let (from, more) = (from.next(), from.count());
        let more = if more > 0 { format!(" and {}", counted(more, "more file")) } else { String::new() };
        let from = from.map(|from| format!(", from {from}{more}")).unwrap_or_default();
        let left =
            if waits_in_vain(run, instance) { "not changed by this run; its load had read " } else { "" };
        Some(format!("{table}: {left}{}, {refused} refused{skipped}{from}", counted(rows, "row")))
    };
    finished.filter_map(line).collect()
}

/// Returns whether the rows of a load have not reached their table, because the run was to put all its tables in place
/// together and did not.
fn waits_in_vain(run: &Run, instance: &Instance) -> bool {
    let is_published = |other: &Instance| other.is_finished() && first(other, "publishedTable").is_some();
    first(instance, "waitsForPublication").is_some() && !run.instances().iter().any(is_published)
}

/// Returns a paragraph for each result that a FINISHED instance wrote: its location and its first lines.
fn results(run: &Run) -> Vec<String> {
    let finished = run.instances().iter().filter(|instance| instance.is_finished());
    let block = |instance| {
        let to = first(instance, "writtenTo")?;
        let rows = first(instance, "rowsWritten")
            .map(|rows| format!(" ({})", counted(rows, "row")))
            .unwrap_or_default();
        let preview: Vec<_> = reported(instance, "resultPreview").flat_map(str::lines).collect();
        let preview = preview.iter().map(|line| format!("\n    {line}")).collect::<String>();
        Some(format!("{to}{rows}{preview}"))
    };
    finished.filter_map(block).collect()
}

fn first_failure(run: &Run) -> Option<(&Instance, &crate::task_error::TaskError)> {
    let failed = run.instances().iter().filter(|instance| instance.ending() == Some(&Ending::Failed));
    let earliest = failed.min_by_key(|instance| (instance.ended, instance.sequence))?;
    Some((earliest, earliest.error()?))
}

/// Returns the instance that was canceled first, with the reason.
fn first_cancellation(run: &Run) -> Option<(&Instance, &str)> {
    let canceled = run.instances().iter().filter_map(|instance| match instance.ending()? {
        Ending::Canceled { reason } => Some((instance, reason.as_str())),
        _ => None,
    });
    canceled.min_by_key(|(instance, _)| (instance.ended, instance.sequence))
}

fn error_words(instance: &Instance, error: &crate::task_error::TaskError) -> String {
    let id = error.id.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
    let message = error.message.as_deref().unwrap_or("it failed without a message");
    format!("{}: {id}{message}", instance.component)
}

/// Returns the prefix of the logs of the run.
fn logs(run: &Run) -> String {
    let uri = || {
        let default = run.plan().object(definition::inherit::DEFAULT_ID)?;
        let evaluation = Default::default();
        let context = Context::of_component(run, default, &evaluation);
        let texts = context.evaluate("pipelineLogUri", default.string("pipelineLogUri")?).ok()?;
        Some(format!("{}/{}/", texts.first()?.trim_end_matches('/'), run.header().pipeline))
    };
    uri().unwrap_or_else(|| NOTHING.to_owned())
}
