//! Finds out which runs dropped keys start, or why they start none.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use orchestrator::{Decision, Verdict};

use super::super::follow::{self, POLL_INTERVAL};
use super::super::run_view::{RunView, ShownOutcome};
use super::super::{Exit, output, running_stack, show};
use crate::local::stack::Endpoints;

/// How long a complete set may take to start. After this time, its events have failed, or it will never start.
const START_LIMIT: Duration = Duration::from_secs(90);

/// The result of a dropped key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyOutcome {
    /// The key belongs to the run of this pipeline. The second value is the state of the run in the ledger.
    Run(String, Option<String>),
    /// Nothing runs, for this reason.
    NothingRan(String),
    /// The run could not be started, for this reason.
    NotStarted(String),
}

/// Follows the runs of `keys` to their end, and returns the worst result. The pipelines in `known` are earlier runs.
pub(in crate::command) async fn follow_keys(
    endpoints: &Endpoints,
    keys: &[String],
    known: &BTreeSet<String>,
) -> anyhow::Result<Exit> {
    let mut outcomes = BTreeSet::new();
    for key in keys {
        outcomes.extend(outcomes_of(endpoints, key).await?);
    }
    // Two keys of one set may report different states of its run.
    let mut followed = BTreeSet::new();
    outcomes.retain(|outcome| match outcome {
        KeyOutcome::Run(id, _) => followed.insert(id.clone()),
        KeyOutcome::NothingRan(_) | KeyOutcome::NotStarted(_) => true,
    });
    let mut exits = Vec::new();
    for outcome in &outcomes {
        exits.push(match outcome {
            KeyOutcome::NothingRan(reason) => {
                output::line(reason)?;
                Exit::NothingRan
            }
            KeyOutcome::NotStarted(reason) => {
                output::line(reason)?;
                Exit::Failed
            }
            KeyOutcome::Run(id, state) => {
                follow_run(endpoints, id, state.as_deref(), known.contains(id)).await?
            }
        });
    }
    // The worst result counts: a failed run, then a key without a run, then success.
    let worst = [Exit::Failed, Exit::NothingRan].into_iter().find(|exit| exits.contains(exit));
    Ok(worst.unwrap_or(Exit::Done))
}

async fn follow_run(
    endpoints: &Endpoints,
    id: &str,
    state: Option<&str>,
    is_earlier: bool,
) -> anyhow::Result<Exit> {
    if is_earlier {
        output::line(&format!("These files ran before, as {id}; no new run was started."))?;
    }
    match follow::to_the_end(endpoints, id).await? {
        Some(run) => {
            output::print(&show::timeline(&run))?;
            Ok(if run.outcome() == ShownOutcome::Finished { Exit::Done } else { Exit::Failed })
        }
        None => {
            let state = state.unwrap_or("unknown");
            output::line(&format!("The pipeline {id} was deleted; the outcome of its run: {state}."))?;
            Ok(if state == "finished" { Exit::Done } else { Exit::Failed })
        }
    }
}

async fn outcomes_of(endpoints: &Endpoints, key: &str) -> anyhow::Result<Vec<KeyOutcome>> {
    let path = format!("/status?{}", serde_urlencoded::to_string([("key", key)])?);
    let mut began = Instant::now();
    let mut printed = None;
    loop {
        let decisions: Vec<Decision> = running_stack::ask(endpoints, http::Method::GET, &path).await?;
        if let Some(next) = decisions.iter().find(|decision| waits_for_a_run(decision)) {
            // The new run starts after the earlier run ends, so the time limit starts again.
            began = Instant::now();
            let waits = Some(reason(next));
            if waits != printed {
                output::complain!("{}", waits.as_deref().unwrap_or_default());
                printed = waits;
            }
        }
        let outcomes: Option<Vec<KeyOutcome>> =
            decisions.iter().map(|decision| outcome(key, decision)).collect();
        match outcomes {
            Some(outcomes) if outcomes.is_empty() => {
                return Ok(vec![KeyOutcome::NothingRan(format!(
                    "{key}: no definition has a pattern that matches it"
                ))]);
            }
            Some(outcomes) => return refused_starts(endpoints, &decisions, outcomes).await,
            None if began.elapsed() > START_LIMIT => {
                let reasons: Vec<&str> = decisions.iter().map(|decision| decision.reason.as_str()).collect();
                let hint = "`downspout dead-letters` lists events that could not be handled";
                return Ok(vec![KeyOutcome::NotStarted(format!(
                    "{key}: no run has started: {}; {hint}",
                    reasons.join("; ")
                ))]);
            }
            None => tokio::time::sleep(POLL_INTERVAL).await,
        }
    }
}

/// Adds the reason to each run that the service refused to activate, because its pipeline would stay PENDING.
async fn refused_starts(
    endpoints: &Endpoints,
    decisions: &[Decision],
    outcomes: Vec<KeyOutcome>,
) -> anyhow::Result<Vec<KeyOutcome>> {
    let client = endpoints.datapipeline();
    let mut explained = Vec::with_capacity(outcomes.len());
    for (decision, outcome) in decisions.iter().zip(outcomes) {
        explained.push(match outcome {
            KeyOutcome::Run(id, Some(state)) if state == "failed" => {
                match RunView::load(&client, &id).await? {
                    Some(run) if run.outcome() == ShownOutcome::Pending => {
                        KeyOutcome::NotStarted(reason(decision))
                    }
                    _ => KeyOutcome::Run(id, Some(state)),
                }
            }
            outcome => outcome,
        });
    }
    Ok(explained)
}

/// Returns the decision about a set as one sentence.
fn reason(decision: &Decision) -> String {
    let set = decision.set.as_deref().map(|set| format!("/{set}")).unwrap_or_default();
    let missing = decision.missing.join(", ");
    let missing = if missing.is_empty() { missing } else { format!(": {missing}") };
    format!("{}{set}: {}{missing}", decision.definition, decision.reason)
}

/// Returns the result of the decision for the key, or `None` while the result is open.
fn outcome(key: &str, decision: &Decision) -> Option<KeyOutcome> {
    let reason = || match decision.definition.as_str() {
        "" => format!("{key}: {}", decision.reason),
        _ => reason(decision),
    };
    match decision.verdict {
        // The pipeline is not activated yet, and its activation may be refused.
        Verdict::Started | Verdict::Duplicate
            if matches!(decision.state.as_deref(), Some("claimed" | "created")) =>
        {
            None
        }
        Verdict::Started | Verdict::Duplicate => {
            decision.pipeline_id.clone().map(|id| KeyOutcome::Run(id, decision.state.clone()))
        }
        // Nothing runs before a person resumes the definition.
        Verdict::Paused | Verdict::Incomplete | Verdict::Deferred | Verdict::Unmatched | Verdict::Ignored => {
            Some(KeyOutcome::NothingRan(reason()))
        }
        Verdict::Failed => Some(KeyOutcome::NotStarted(reason())),
        // The event is not handled yet, or an earlier run is still going.
        Verdict::Ready | Verdict::Next | Verdict::QueuedBehind => None,
    }
}

fn waits_for_a_run(decision: &Decision) -> bool {
    matches!(decision.verdict, Verdict::Next | Verdict::QueuedBehind)
}
