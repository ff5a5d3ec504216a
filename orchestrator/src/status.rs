//! Answers the question about a key: which decision was made about it, or would be made now. Changes nothing.

use futures::future;

use crate::claim::ClaimKind;
use crate::content::{self, Found};
use crate::ledger::Content;
use crate::ports::Edges;
use crate::report::{self, Decision};
use crate::sets::{self, Set};
use crate::setup::Setup;
use crate::step::{self, Step};
use crate::{first_seen, near_miss, queue, turn};

/// Returns the decision about each set that `key` belongs to, or one decision that says why it belongs to none.
pub(crate) async fn of_key<E: Edges>(
    edges: &E,
    setup: &Setup,
    bucket: &str,
    key: &str,
) -> anyhow::Result<Vec<Decision>> {
    let definitions = setup.definitions.load(edges, &setup.book.home).await?;
    let sets = match sets::of_key(setup, &definitions, bucket, key) {
        Ok(sets) => sets,
        Err(decision) => return Ok(vec![near_miss::explained(setup, &definitions, bucket, key, *decision)]),
    };
    let decisions = match definitions.check_values() {
        Ok(()) => future::try_join_all(sets.iter().map(|set| of_set(edges, setup, set))).await?,
        Err(error) => sets.iter().map(|set| report::failed(&set.name, &error)).collect(),
    };
    Ok(decisions.into_iter().map(|decision| Decision { key: Some(key.to_owned()), ..decision }).collect())
}

/// Returns the decision about a set.
pub(crate) async fn of_set<E: Edges>(edges: &E, setup: &Setup, set: &Set<'_>) -> anyhow::Result<Decision> {
    let reading = setup.book.entry(edges, &set.name);
    let (found, mut entry) = future::try_join(content::find(edges, set), reading).await?;
    let content = match found {
        Found::Whole(content) => content,
        Found::Overtaken { marker, newer } => return Ok(report::overtaken(&set.name, marker, &newer)),
        Found::Missing(keys) => return Ok(report::incomplete(&set.name, set.trigger, keys)),
        Found::TooMany(files) => return Ok(report::too_many(&set.name, &files)),
    };
    let step = step::preview(edges, setup, set, &content, &mut entry).await?;
    let (name, ledger) = (&set.name, &entry.ledger);
    let kind = match step {
        Step::Duplicate(reason) => return Ok(report::duplicate(name, reason, ledger)),
        Step::NotNewer(old) => return Ok(report::not_newer(name, old)),
        Step::Deferred(until) => {
            return Ok(report::deferred(name, &set.captures, set.trigger, until, ledger));
        }
        Step::Queue | Step::Queued => {
            // The end of the earlier run starts nothing before the definition is resumed.
            let since = turn::paused_since(edges, setup, &name.definition).await?;
            return Ok(since.map_or_else(|| report::next(name, ledger), |since| report::paused(name, since)));
        }
        Step::Restore => return Ok(report::ready(name)),
        Step::Claim if !entry.exists() && is_older(edges, setup, set, &content).await? => {
            return Ok(report::older(name, &set.captures));
        }
        Step::Claim => ClaimKind::New,
        Step::TakeOver => ClaimKind::TakeOver,
    };
    if let Some(since) = turn::paused_since(edges, setup, &name.definition).await? {
        return Ok(report::paused(name, since));
    }
    let ahead = turn::ahead(edges, setup, set, kind.generation(ledger)).await?;
    Ok(match ahead {
        Some(ahead) => report::queued_behind(name, &ahead.set, ahead.pipeline_id.as_deref()),
        None => report::ready(name),
    })
}

/// Returns whether all files of a set without a ledger were dropped before the first sight of its definition. No sweep starts this set.
async fn is_older<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    content: &Content,
) -> anyhow::Result<bool> {
    if set.trigger.backfill {
        return Ok(false);
    }
    let first_seen = first_seen::known(edges, setup, &set.name.definition).await?.unwrap_or(set.uploaded);
    Ok(queue::landed_at(&content.files) < first_seen)
}
