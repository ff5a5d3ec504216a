//! The next run of a definition: writes the outcome of the run that has ended, and starts the set that waits longest.
//!
//! The caller knows that a run of the definition has ended, or that some time has passed. The cost depends on the sets
//! that wait and may start, not on the sets that ever ran: the turn names the run that has ended, and the queue names the
//! sets that wait.

use crate::definitions::Definitions;
use crate::handler::{Cause, advance};
use crate::ledger::{HeadState, after};
use crate::outcome;
use crate::ports::Edges;
use crate::queue::{self, Mark};
use crate::report::{Decision, SweepReport, Verdict, log};
use crate::sets_of::{SetsOf, captures_of};
use crate::setup::Setup;
use crate::{give_up, loading, turn};

/// How many failed sets end one call. More failures mean that a service is down, and a later call tries again.
const MAX_FAILURES: usize = 100;

/// Starts the next run of the definition `name`.
pub(crate) async fn start<E: Edges>(edges: &E, setup: &Setup, name: &str) -> anyhow::Result<SweepReport> {
    let definitions = loading::definitions(edges, setup).await?;
    let mut report = SweepReport::default();
    Box::pin(start_into(edges, setup, &definitions, name, &mut report)).await?;
    Ok(report)
}

/// Starts the next run of the definition `name`, and adds the result to `report`.
pub(crate) async fn start_into<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    name: &str,
    report: &mut SweepReport,
) -> anyhow::Result<()> {
    let Some(sets) = SetsOf::definition(definitions, name)? else { return Ok(()) };
    if let Err(error) = Box::pin(end_turn(edges, setup, &sets, name, report)).await {
        add_failure(report, name, &error);
    }
    let mut last: Option<String> = None;
    loop {
        let page = queue::page(edges, &setup.book, name, last.as_deref()).await?;
        last = page.last;
        if last.is_none() {
            return Ok(());
        }
        for mark in page.marks {
            if mark.due > setup.now() || report.failures.len() >= MAX_FAILURES {
                return Ok(());
            }
            match Box::pin(advance_marked(edges, setup, &sets, &mark)).await {
                Ok(Some(decision)) => {
                    let is_at_work = matches!(
                        decision.verdict,
                        Verdict::Started | Verdict::QueuedBehind | Verdict::Paused
                    );
                    if decision.verdict != Verdict::Duplicate {
                        report.decisions.push(decision);
                    }
                    // The runs of a definition start one after another, so no later set can start now.
                    if is_at_work {
                        return Ok(());
                    }
                }
                Ok(None) => {}
                Err(error) => add_failure(report, &mark.set.to_string(), &error),
            }
        }
    }
}

/// Writes the outcome of the run that has the definition's turn, or continues its start if the holder of the claim is
/// gone.
async fn end_turn<E: Edges>(
    edges: &E,
    setup: &Setup,
    sets: &SetsOf<'_>,
    name: &str,
    report: &mut SweepReport,
) -> anyhow::Result<()> {
    let Some(owner) = turn::owner(edges, setup, name).await? else { return Ok(()) };
    let mut entry = setup.book.entry(edges, &owner).await?;
    report.ended += usize::from(outcome::write(edges, setup, &mut entry).await?);
    let is_abandoned = entry.ledger.head.as_ref().is_some_and(|head| {
        matches!(head.state, HeadState::Claimed | HeadState::Created) && !head.is_leased(setup.now())
    });
    if is_abandoned && let Some(captures) = captures_of(&entry.ledger, sets.trigger()) {
        let decision =
            Box::pin(advance(edges, setup, &sets.set(&entry.ledger.bucket, captures), Cause::Look)).await?;
        if decision.verdict == Verdict::Incomplete {
            give_up::of(edges, setup, setup.book.again(edges, &entry).await?).await?;
        }
        report.decisions.push(decision);
    }
    Ok(())
}

/// Adds an error at a set or a definition to the report.
pub(crate) fn add_failure(report: &mut SweepReport, set: &str, error: &anyhow::Error) {
    log::sweep_failed(set, error);
    report.failures.push(format!("{set}: {error:#}"));
}

/// Advances the set of a mark. Removes the mark if its set does not wait any more.
///
/// Returns `None` if the definition has no such set any more.
async fn advance_marked<E: Edges>(
    edges: &E,
    setup: &Setup,
    sets: &SetsOf<'_>,
    mark: &Mark,
) -> anyhow::Result<Option<Decision>> {
    let waiting = queue::read(edges, &setup.book, mark).await?;
    let set = waiting.and_then(|waiting| {
        let captures = sets.trigger().captures(&waiting.key)?;
        Some(sets.set(&waiting.bucket, captures))
    });
    // The definition was changed since, and another set may have the name of the mark's set.
    let Some(set) = set.filter(|set| set.name == mark.set) else {
        log::mark_without_set(&mark.key);
        queue::remove_key(edges, &setup.book, &mark.key).await;
        return Ok(None);
    };
    let decision = Box::pin(advance(edges, setup, &set, Cause::Look)).await?;
    let waits = match decision.verdict {
        Verdict::Started => {
            queue::remove_key(edges, &setup.book, &mark.key).await;
            return Ok(Some(decision));
        }
        Verdict::QueuedBehind | Verdict::Paused | Verdict::Next => true,
        // A deferred set has another mark, for the day to which it was put off.
        Verdict::Deferred
        | Verdict::Duplicate
        | Verdict::Incomplete
        | Verdict::Unmatched
        | Verdict::Ignored
        | Verdict::Failed
        | Verdict::Ready => false,
    };
    if decision.verdict == Verdict::Incomplete {
        give_up::of(edges, setup, setup.book.entry(edges, &set.name).await?).await?;
    }
    if decision.verdict == Verdict::Duplicate {
        // If another set took the turn before the handler of this set noted the start, nothing else names the run.
        outcome::write(edges, setup, &mut setup.book.entry(edges, &set.name).await?).await?;
    }
    // The handler that put a young mark may be about to write into the ledger that the set waits.
    let is_old = after(mark.put_at, setup.config.lease) <= setup.now();
    if !waits && is_old {
        queue::remove_key(edges, &setup.book, &mark.key).await;
    }
    Ok(Some(decision))
}
