//! Says for every object that landed on a day which run took the object, or why no run took it. Changes nothing.

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::definitions::Definitions;
use crate::ports::{Edges, Listed};
use crate::setup::Setup;
use crate::{near_miss, sets, status};

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

/// A run that took an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenBy {
    /// The definition and the captured values, `orders/day=2026-11-20`.
    pub set: String,
    /// The pipeline, which may be deleted.
    pub pipeline_id: Option<String>,
    /// The state of the run in the ledger.
    pub state: String,
}

/// Returns a proof of every object that landed in the drop bucket on this UTC day, by key.
pub(crate) async fn of_day<E: Edges>(edges: &E, setup: &Setup, day: Date) -> anyhow::Result<Vec<Proof>> {
    let bucket = setup.config.drop_bucket.as_deref().context("no drop bucket is configured")?;
    let definitions = setup.definitions.load(edges, &setup.book.home).await?;
    let (mut proofs, mut after) = (Vec::new(), None);
    loop {
        let page: Vec<Listed> = edges.page(bucket, "", after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(proofs) };
        after = Some(last.key.clone());
        let of_day = page.into_iter().filter(|listed| listed.modified.to_zoned(TimeZone::UTC).date() == day);
        let found = of_day.map(|listed| of_object(edges, setup, &definitions, bucket, listed));
        let found: Vec<Proof> = stream::iter(found).buffered(READ_AT_ONCE).try_collect().await?;
        proofs.extend(found);
    }
}

async fn of_object<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    bucket: &str,
    object: Listed,
) -> anyhow::Result<Proof> {
    let Listed { key, etag, modified, .. } = object;
    let (mut runs, mut reasons) = (Vec::new(), Vec::new());
    match sets::of_key(setup, definitions, bucket, &key) {
        Err(decision) => {
            reasons.push(near_miss::explained(setup, definitions, bucket, &key, *decision).reason);
        }
        Ok(sets) => {
            for set in &sets {
                let entry = match setup.book.entry(edges, &set.name).await {
                    Ok(entry) => entry,
                    // An unreadable ledger hides only its own set.
                    Err(error) => {
                        reasons.push(format!("{}: {error:#}", set.name));
                        continue;
                    }
                };
                let took = entry.ledger.heads().filter(|head| {
                    let has_it = head.files.iter().any(|file| file.key == key && file.etag == etag);
                    has_it && head.activated_at.is_some()
                });
                let before = runs.len();
                runs.extend(took.map(|head| TakenBy {
                    set: set.name.to_string(),
                    pipeline_id: head.pipeline_id.clone(),
                    state: head.state.as_str().to_owned(),
                }));
                if runs.len() == before {
                    let decision = status::of_set(edges, setup, set).await?;
                    let missing = decision.missing.join(", ");
                    let missing = if missing.is_empty() { missing } else { format!(": {missing}") };
                    reasons.push(format!("{}: {}{missing}", set.name, decision.reason));
                }
            }
        }
    }
    Ok(Proof { key, etag, landed: modified, runs, reasons })
}
