//! Decides the step of a whole set from its content: start, wait, or do nothing.
//!
//! `decide` is a pure function. [`next`] asks the service first, if the decision depends on the progress of a run.

mod decide;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::book::Entry;
use crate::ledger::{Content, HeadState};
use crate::ports::Edges;
use crate::progress;
use crate::sets::Set;
use crate::setup::Setup;

pub(crate) use decide::{Step, Terms, already_read};

/// A step, and the ledger entry from which the step follows.
pub(crate) struct Decided {
    pub step: Step,
    pub entry: Entry,
    /// Whether the progress of the head was written into the ledger of `entry`. S3 does not have this change yet.
    pub is_settled: bool,
}

/// Decides the next step for a whole set.
pub(crate) async fn next<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    content: &Content,
    mut entry: Entry,
) -> anyhow::Result<Decided> {
    // `pipeline_to_ask` and `decide` get the same time. Otherwise a lease could end between the two calls, and the
    // start would be taken over although nobody asked the service for the progress.
    let now = setup.now();
    let mut is_settled = false;
    if let Some(id) = decide::pipeline_to_ask(&entry.ledger, content, now).map(str::to_owned) {
        let progress =
            progress::of(edges, &id).await.context("asking for the progress of the earlier pipeline")?;
        entry.ledger.settle_head(progress, now);
        is_settled = true;
    }
    let step = decide::decide(&entry.ledger, content, &terms(set, now));
    Ok(Decided { step, entry, is_settled })
}

/// Returns the step that [`next`] would decide. The ledger of `entry` shows the progress afterwards; nothing is stored.
pub(crate) async fn preview<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    content: &Content,
    entry: &mut Entry,
) -> anyhow::Result<Step> {
    // The answer shows the state of the run, so the service is asked even if the step does not depend on it.
    let head = entry.ledger.head.as_ref().filter(|head| head.state == HeadState::Activated);
    let id = head.and_then(|head| head.pipeline_id.as_deref());
    let id = id.or_else(|| decide::pipeline_to_ask(&entry.ledger, content, setup.now()));
    if let Some(id) = id.map(str::to_owned) {
        let progress = progress::of(edges, &id).await?;
        entry.ledger.settle_head(progress, setup.now());
    }
    entry.ledger = entry.ledger.restored(&content.run_key);
    Ok(decide::decide(&entry.ledger, content, &terms(set, setup.now())))
}

fn terms(set: &Set<'_>, now: Timestamp) -> Terms {
    Terms {
        now,
        replaces: set.replaces(),
        is_fixed: !set.trigger.has_captures(),
        cap: set.trigger.max_runs_per_day,
        day_end: set.trigger.day_end(now),
        settle: set.trigger.settle,
    }
}
