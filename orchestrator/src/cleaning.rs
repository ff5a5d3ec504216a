//! The removal of a definition's stale pipelines.

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, future, stream};

use crate::book::Entry;
use crate::conditional::Conditional;
use crate::ledger::{HeadState, Progress};
use crate::ports::{Description, Edges};
use crate::report::log;
use crate::set_name::SetName;
use crate::sets::Set;
use crate::setup::Setup;
use crate::{outcome, progress, stale};

/// The largest number of ids that DescribePipelines accepts.
const DESCRIBED_AT_ONCE: usize = 25;
/// How many pipelines are removed at the same time. The service allows short bursts only.
const REMOVED_AT_ONCE: usize = 8;
/// The number of tries to write the ledger of a pipeline that is removed. A try fails if another handler writes the ledger at the
/// same time.
const MAX_PUTS: usize = 8;

/// Removes the stale pipelines of the set's definition. Before a pipeline is removed, its outcome is written into the
/// ledger of its set.
///
/// With `replaces`, pipelines whose runs are at work are stale, too.
pub(crate) async fn clean<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    replaces: bool,
) -> anyhow::Result<()> {
    let definition = &set.name.definition;
    let names = edges.names().await.context("listing pipelines")?;
    let ids = stale::named(definition, &names);
    let chunks: Vec<Vec<String>> = ids.chunks(DESCRIBED_AT_ONCE).map(<[String]>::to_vec).collect();
    let described = future::try_join_all(chunks.iter().map(|ids| edges.describe(ids))).await;
    let described = described.context("describing pipelines")?.into_iter().flatten();
    let ours = described.filter(|pipeline| stale::is_tagged(definition, pipeline));
    let removals = stream::iter(ours.map(|pipeline| clean_one(edges, setup, set, pipeline, replaces)));
    removals.buffer_unordered(REMOVED_AT_ONCE).try_collect::<()>().await
}

async fn clean_one<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    pipeline: Description,
    replaces: bool,
) -> anyhow::Result<()> {
    let definition = &set.name.definition;
    let Some(id) = stale::set_of(definition, &pipeline.name) else { return Ok(()) };
    let owner = SetName { definition: definition.clone(), id: id.to_owned() };
    for _ in 0..MAX_PUTS {
        let entry = setup.book.entry(edges, &owner).await?;
        match remove_if_stale(edges, setup, set, &pipeline, &owner, &entry, replaces).await? {
            Conditional::Done(()) => return Ok(()),
            Conditional::LedgerChanged => {}
        }
    }
    anyhow::bail!("the ledger of {owner} changed {MAX_PUTS} times while this handler wrote it")
}

/// Removes the pipeline if it is stale. `owner` is the pipeline's set, and `entry` is the entry of that set.
async fn remove_if_stale<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    pipeline: &Description,
    owner: &SetName,
    entry: &Entry,
    replaces: bool,
) -> anyhow::Result<Conditional<()>> {
    let id = pipeline.id.as_str();
    let its_head = entry.ledger.heads().find(|head| head.pipeline_id.as_deref() == Some(id));
    let progress = match its_head.map(|head| head.state) {
        Some(HeadState::Finished) => Progress::Finished,
        Some(HeadState::Failed) if progress::by_state(&pipeline.state).is_none() => Progress::Failed,
        _ => progress::of_described(edges, id, &pipeline.state)
            .await
            .context("asking for the progress of an earlier pipeline")?,
    };
    let claimed = entry.ledger.head.as_ref().filter(|_| *owner == set.name);
    let ours = claimed.and_then(|head| head.pipeline_id.as_deref());
    let now = setup.now();
    if !stale::is_stale(id, progress, &entry.ledger, ours, replaces, now) {
        return Ok(Conditional::Done(()));
    }
    let mut ledger = entry.ledger.clone();
    ledger.settle_pipeline(id, progress, now);
    if progress == Progress::AtWork {
        ledger.supersede(id);
    }
    outcome::add_facts(edges, id, &mut ledger).await;
    if ledger != entry.ledger
        && let Conditional::LedgerChanged = setup.book.put(edges, entry, ledger).await?
    {
        return Ok(Conditional::LedgerChanged);
    }
    log::deleting_stale(id, &pipeline.name);
    edges.delete(id).await.with_context(|| format!("deleting the stale pipeline {id}"))?;
    Ok(Conditional::Done(()))
}
