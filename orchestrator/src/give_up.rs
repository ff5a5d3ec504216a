//! Gives up content that can never start, because the files of its set are gone.

use crate::book::Entry;
use crate::conditional::Conditional;
use crate::ledger::HeadState;
use crate::ports::Edges;
use crate::setup::Setup;

/// Changes the ledger of a set whose files are gone, because no run can start from them: removes the next content and the wish to
/// run again, and marks the head as superseded if the head is deferred, or is a claim that has lost its holder and has no
/// pipeline.
pub(crate) async fn of<E: Edges>(edges: &E, setup: &Setup, entry: Entry) -> anyhow::Result<Entry> {
    let mut ledger = entry.ledger.clone();
    ledger.next = None;
    ledger.rerun = None;
    if let Some(head) = &mut ledger.head {
        let has_no_holder =
            matches!(head.state, HeadState::Claimed | HeadState::Created) && !head.is_leased(setup.now());
        if head.state == HeadState::Deferred || (has_no_holder && head.pipeline_id.is_none()) {
            head.state = HeadState::Superseded;
        }
    }
    if ledger == entry.ledger {
        return Ok(entry);
    }
    match setup.book.put(edges, &entry, ledger).await? {
        Conditional::Done(written) => Ok(written),
        Conditional::LedgerChanged => setup.book.again(edges, &entry).await,
    }
}
