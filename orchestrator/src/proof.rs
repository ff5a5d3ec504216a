//! Says for every object that landed on a day which run took the object, or why no run took it. Changes nothing.

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::content::{self, Found};
use crate::definitions::Definitions;
use crate::ledger::{Head, Ledger};
use crate::ports::{Edges, Listed};
use crate::sets::{self, Set};
use crate::setup::Setup;
use crate::taken_by::TakenBy;
use crate::{gone, near_miss, status};

/// How many keys one listing reads.
const PAGE: usize = 1_000;
/// How many objects are read at the same time.
const READ_AT_ONCE: usize = 16;

/// The runs that took an object, or the reasons why no run took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The key.
    pub key: String,
    /// The ETag.
    pub etag: String,
    /// The time at which the object landed.
    pub landed: Timestamp,
    /// The runs that took this version of the object.
    pub runs: Vec<TakenBy>,
    /// The reason why no run has taken it, for each set that it belongs to; empty if a run took it.
    pub reasons: Vec<String>,
}

/// Returns a proof of every object that landed in the drop bucket on this UTC day, by key.
pub(crate) async fn of_day<E: Edges>(edges: &E, setup: &Setup, day: Date) -> anyhow::Result<Vec<Proof>> {
    let bucket = setup.config.drop_bucket.as_deref().context("no drop bucket is configured")?;
    let definitions = setup.definitions.load(edges, &setup.book.home).await?;
    let (mut proofs, mut after) = (Vec::new(), None);
    loop {
        let page: Vec<Listed> = edges.page(bucket, "", after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        let of_day = page.into_iter().filter(|listed| listed.modified.to_zoned(TimeZone::UTC).date() == day);
        let found = of_day.map(|listed| of_object(edges, setup, &definitions, bucket, listed));
        let found: Vec<Proof> = stream::iter(found).buffered(READ_AT_ONCE).try_collect().await?;
        proofs.extend(found);
    }
    add_runs_of_other_patterns(edges, setup, &definitions, &mut proofs).await?;
    Ok(proofs)
}

/// Adds the runs of definitions that are gone, or that had other patterns when they ran, to the proofs without a run.
async fn add_runs_of_other_patterns<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    proofs: &mut [Proof],
) -> anyhow::Result<()> {
    let without = || proofs.iter().filter(|proof| proof.runs.is_empty());
    let Some(first) = without().map(|proof| proof.landed).min() else { return Ok(()) };
    let mut known = gone::runs_since(edges, setup, definitions, first).await?;
    for proof in proofs.iter_mut().filter(|proof| proof.runs.is_empty()) {
        if let Some(runs) = known.remove(&(proof.key.clone(), proof.etag.clone())) {
            proof.runs = runs;
            proof.reasons.clear();
        }
    }
    Ok(())
}

async fn of_object<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    bucket: &str,
    object: Listed,
) -> anyhow::Result<Proof> {
    let (mut runs, mut reasons) = (Vec::new(), Vec::new());
    match sets::of_key(setup, definitions, bucket, &object.key) {
        Err(decision) => {
            reasons.push(near_miss::explained(setup, definitions, bucket, &object.key, *decision).reason);
        }
        Ok(sets) => {
            for set in &sets {
                // An unreadable ledger hides only its own set.
                let took = match setup.book.entry(edges, &set.name).await {
                    Ok(entry) => took(set, &entry.ledger, &object),
                    Err(error) => {
                        reasons.push(format!("{}: {error:#}", set.name));
                        continue;
                    }
                };
                if took.is_empty() {
                    reasons.push(format!("{}: {}", set.name, why_no_run(edges, setup, set, &object).await?));
                }
                runs.extend(took);
            }
        }
    }
    let Listed { key, etag, modified, .. } = object;
    Ok(Proof { key, etag, landed: modified, runs, reasons })
}

/// Returns the runs of a set that took this version of an object.
fn took(set: &Set<'_>, ledger: &Ledger, object: &Listed) -> Vec<TakenBy> {
    let took = ledger.heads().filter(|head| {
        let has_it = head.files.iter().any(|file| file.key == object.key && file.etag == object.etag);
        has_it && head.activated_at.is_some()
    });
    let taken_by = |head: &Head| TakenBy {
        set: set.name.to_string(),
        pipeline_id: head.pipeline_id.clone(),
        state: head.state.as_str().to_owned(),
        definition_now: None,
    };
    took.map(taken_by).collect()
}

/// Returns why no run of the set took an object.
async fn why_no_run<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    object: &Listed,
) -> anyhow::Result<String> {
    if let Found::Whole(content) = content::find(edges, set).await?
        && let Some(why) = content::why_unread(set, &content, object)
    {
        return Ok(why);
    }
    let decision = status::of_set(edges, setup, set).await?;
    let missing = decision.missing.join(", ");
    let missing = if missing.is_empty() { missing } else { format!(": {missing}") };
    Ok(format!("{}{missing}", decision.reason))
}
