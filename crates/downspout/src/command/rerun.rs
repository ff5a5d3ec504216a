//! `rerun` and `backfill`: run sets again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, ensure};
use clap::Args;
use jiff::civil::Date;
use orchestrator::{Decision, Verdict};
use percent_encoding::percent_decode_str;

use super::drop::follow_keys;
use super::run_view::{RunView, ShownOutcome};
use super::{Exit, output, running_stack};
use crate::local::stack::Endpoints;

const AFTER_HELP: &str = "\
Examples:
  downspout rerun df-0123456789ABCDEFGHIJ       the files of a run that failed or was cancelled
  downspout rerun orders day=2026-01-01         the set of a day, also if it finished and its pipeline is gone
  downspout rerun orders day=2026-01-01 --force also if myMaxRunsPerDay is reached

The run uses the current definition and the files that are in the drop bucket now. If another run of the definition is at \
work, the new run starts after it.

The values are those of `downspout runs`, such as day=2026-01-01 or at=2026-01-05T09:15; a name of a set may be copied from there as it is, \
also with its percent-encoding.

Exit codes: 0 the set runs or will run; 1 it cannot start, or with --wait its run failed; 3 nothing runs, because the set is incomplete, its \
definition is paused or myMaxRunsPerDay is reached.";

const BACKFILL_HELP: &str = "\
Example:
  downspout backfill orders --from 2026-01-01 --to 2026-01-31

Runs each set whose day lies in this time and whose files are in the drop bucket, the oldest drop first, whether it ran before \
or not. The day is the captured value that is a date, such as {day} of incoming/{day}/orders.csv.";

/// Arguments of `rerun`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RerunArgs {
    /// A definition, or the id of a failed pipeline, `df-...`, which a drop started
    #[arg(value_name = "DEFINITION")]
    target: String,
    /// The captured values of the set, such as day=2026-01-01
    #[arg(value_name = "NAME=VALUE")]
    values: Vec<String>,
    /// Run although myMaxRunsPerDay is reached; the run does not count
    #[arg(long)]
    force: bool,
    /// Follow the new run, and exit with its result
    #[arg(long)]
    wait: bool,
}

/// Arguments of `backfill`.
#[derive(Debug, Args)]
#[command(after_help = BACKFILL_HELP)]
pub struct BackfillArgs {
    /// The definition
    definition: String,
    /// The first day
    #[arg(long, value_name = "DAY")]
    from: Date,
    /// The last day
    #[arg(long, value_name = "DAY")]
    to: Date,
    /// Run although myMaxRunsPerDay is reached; the runs do not count
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(data_dir: &Path, args: &RerunArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let (definition, values) = match args.target.starts_with("df-") && args.values.is_empty() {
        true => match set_of_run(&endpoints, &args.target).await? {
            Ok(set) => set,
            Err(refusal) => {
                output::line(&refusal)?;
                return Ok(Exit::NothingRan);
            }
        },
        false => (args.target.clone(), pairs(args.values.iter().map(String::as_str))?),
    };
    let query = [
        ("definition", definition),
        ("values", serde_json::to_string(&values)?),
        ("force", args.force.to_string()),
    ];
    let path = format!("/rerun?{}", serde_urlencoded::to_string(query)?);
    let decision: Decision = running_stack::ask(&endpoints, http::Method::POST, &path).await?;
    output::line(&described(&decision))?;
    let waits = exit_of(&decision) == Exit::Done || decision.verdict == Verdict::Paused;
    match (&decision.key, exit_of(&decision)) {
        (Some(key), _) if args.wait && waits => {
            follow_keys(&endpoints, std::slice::from_ref(key), &BTreeSet::new()).await
        }
        (_, exit) => Ok(exit),
    }
}

pub(super) async fn backfill(data_dir: &Path, args: &BackfillArgs) -> anyhow::Result<Exit> {
    ensure!(args.from <= args.to, "--from {} is after --to {}", args.from, args.to);
    let endpoints = running_stack::reach(data_dir).await?;
    let query = [
        ("definition", args.definition.clone()),
        ("from", args.from.to_string()),
        ("to", args.to.to_string()),
        ("force", args.force.to_string()),
    ];
    let path = format!("/backfill?{}", serde_urlencoded::to_string(query)?);
    let decisions: Vec<Decision> = running_stack::ask(&endpoints, http::Method::POST, &path).await?;
    if args.json {
        output::json(&decisions)?;
    } else if decisions.is_empty() {
        output::line(&format!(
            "the drop bucket has no files of {} with a date from {} to {} in the values of their sets; `downspout rerun` runs other \
             sets",
            args.definition, args.from, args.to
        ))?;
    } else {
        output::print(&decisions.iter().map(|decision| described(decision) + "\n").collect::<String>())?;
    }
    let exits: Vec<Exit> = decisions.iter().map(exit_of).collect();
    let worst = [Exit::Failed, Exit::Done].into_iter().find(|exit| exits.contains(exit));
    Ok(worst.unwrap_or(Exit::NothingRan))
}

fn described(decision: &Decision) -> String {
    let set = decision.set.as_deref().map(|set| format!("/{set}")).unwrap_or_default();
    let id = decision.pipeline_id.as_deref().filter(|_| decision.verdict == Verdict::Started);
    let id = id.map(|id| format!(" as {id}")).unwrap_or_default();
    let missing = decision.missing.iter().map(|key| format!("\n  {key}")).collect::<String>();
    match decision.verdict {
        Verdict::Started => format!("{}{set}: started{id}", decision.definition),
        _ => format!("{}{set}: {}{missing}", decision.definition, decision.reason),
    }
}

/// Returns how the command ends: done if the set runs or will run.
fn exit_of(decision: &Decision) -> Exit {
    match decision.verdict {
        Verdict::Started | Verdict::Next | Verdict::QueuedBehind | Verdict::Ready => Exit::Done,
        Verdict::Failed => Exit::Failed,
        // Nothing runs before a person resumes the definition.
        Verdict::Paused
        | Verdict::Duplicate
        | Verdict::Incomplete
        | Verdict::Deferred
        | Verdict::Unmatched
        | Verdict::Ignored => Exit::NothingRan,
    }
}

/// The name of the only set of a definition whose keys have no captured values.
const WHOLE: &str = "all";

/// A definition, and the captured values of one of its sets.
type SetOfRun = (String, BTreeMap<String, String>);

/// Returns the set of a run that failed or was cancelled. The inner error says why the run is not run again.
async fn set_of_run(endpoints: &Endpoints, id: &str) -> anyhow::Result<Result<SetOfRun, String>> {
    let run = RunView::load(&endpoints.datapipeline(), id).await?;
    let run = run.with_context(|| {
        format!(
            "there is no pipeline {id}: `downspout runs` lists the runs, and `downspout rerun DEFINITION NAME=VALUE` runs the \
             files of a deleted pipeline again"
        )
    })?;
    let Some((definition, set)) = run.name.split_once('/') else {
        return Ok(Err(format!(
            "{id} was not started by a drop. To run it again, use `aws datapipeline activate-pipeline --pipeline-id {id}`. To run \
             only its failed instances again, use \
             `aws datapipeline set-status --pipeline-id {id} --object-ids INSTANCE... --status RERUN`."
        )));
    };
    let again = command(definition, set);
    let refusal = match run.outcome() {
        ShownOutcome::Failed | ShownOutcome::Canceled => None,
        ShownOutcome::Pending => {
            Some("was never activated, so nothing has run: drop its files again".to_owned())
        }
        ShownOutcome::Running => Some("is still running: `downspout show` says what it waits for".to_owned()),
        ShownOutcome::Finished => Some(format!("has finished; `{again}` runs its files once more")),
    };
    if let Some(refusal) = refusal {
        return Ok(Err(format!("{id} {refusal}")));
    }
    let values = match set {
        WHOLE => BTreeMap::new(),
        _ => pairs(set.split(','))?,
    };
    // The name of a set has the values in percent-encoding.
    let decoded = |value: String| percent_decode_str(&value).decode_utf8_lossy().into_owned();
    let values = values.into_iter().map(|(name, value)| (name, decoded(value)));
    Ok(Ok((definition.to_owned(), values.collect())))
}

/// Returns the command that runs a set again, given its name.
fn command(definition: &str, set: &str) -> String {
    match set {
        WHOLE => format!("downspout rerun {definition}"),
        _ => format!("downspout rerun {definition} {}", set.replace(',', " ")),
    }
}

fn pairs<'a>(texts: impl Iterator<Item = &'a str>) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for text in texts {
        let (name, value) = text.split_once('=').with_context(|| format!("`{text}` is not NAME=VALUE"))?;
        let before = pairs.insert(name.to_owned(), value.to_owned());
        ensure!(before.is_none(), "`{name}` is given twice: a set has one value of each name");
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_for_a_set_without_captured_values_has_no_values() {
        assert_eq!(command("tr_append", "all"), "downspout rerun tr_append");
        assert_eq!(command("orders", "day=d1,at=a%20b"), "downspout rerun orders day=d1 at=a%20b");
    }

    #[test]
    fn a_name_that_is_given_twice_is_refused() {
        assert_eq!(pairs(["day=a", "n=1=2"].into_iter()).expect("pairs").len(), 2);
        let error = pairs(["day=a", "day=b"].into_iter()).expect_err("refused").to_string();
        assert_eq!(error, "`day` is given twice: a set has one value of each name");
    }
}
