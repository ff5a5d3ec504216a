//! Writes the outcome of a run that has ended into the ledger of its set.

use anyhow::Context as _;

use crate::book::Entry;
use crate::conditional::Conditional;
use crate::ledger::{HeadState, Ledger};
use crate::ports::{Edges, PipelineError};
use crate::progress;
use crate::report::log;
use crate::setup::Setup;

/// The number of tries to write an outcome. A try fails if another handler writes the ledger at the same time.
const MAX_PUTS: usize = 8;

/// Writes the outcome of the head's run into the ledger, if the run has ended. Returns whether the ledger was written.
/// `entry` is the ledger afterwards.
pub(crate) async fn write<E: Edges>(edges: &E, setup: &Setup, entry: &mut Entry) -> anyhow::Result<bool> {
    for _ in 0..MAX_PUTS {
        let head = entry.ledger.head.as_ref().filter(|head| head.state == HeadState::Activated);
        let Some(id) = head.and_then(|head| head.pipeline_id.clone()) else { return Ok(false) };
        let progress = progress::of(edges, &id).await;
        let progress = progress.with_context(|| format!("asking for the progress of {id}"))?;
        let mut ledger = entry.ledger.clone();
        ledger.settle_head(progress, setup.now());
        if ledger == entry.ledger {
            return Ok(false);
        }
        add_facts(edges, &id, &mut ledger).await;
        match setup.book.put(edges, entry, ledger).await? {
            Conditional::Done(written) => {
                *entry = written;
                return Ok(true);
            }
            Conditional::LedgerChanged => *entry = setup.book.again(edges, entry).await?,
        }
    }
    // The next sweep writes the outcome.
    Ok(false)
}

/// Adds the facts about the run of the pipeline `id` to its head, if the run has ended. People miss these facts once the
/// pipeline is deleted, but no decision depends on them, so a failure is only logged.
pub(crate) async fn add_facts<E: Edges>(edges: &E, id: &str, ledger: &mut Ledger) {
    let mut heads = ledger.head.iter_mut().chain(&mut ledger.earlier);
    let Some(head) = heads.find(|head| head.pipeline_id.as_deref() == Some(id)) else { return };
    let has_ended = matches!(head.state, HeadState::Finished | HeadState::Failed | HeadState::Superseded);
    if !has_ended || head.facts.is_some() {
        return;
    }
    match edges.facts(id).await {
        Ok(facts) => head.facts = Some(facts),
        Err(PipelineError::Gone(_)) => {}
        Err(error) => log::facts_unknown(id, &error.into()),
    }
}
