//! Says for every object that landed on a day which run took the object, or why no run took it. Changes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::content::{self, Found};
use crate::definitions::Definitions;
use crate::ledger::{Content, Head, HeadState, Ledger};
use crate::ports::{Edges, Listed};
use crate::report::Decision;
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
    /// One reason for each set of the key that has no run of the object, or only runs that later ones have replaced. If the key belongs
    /// to no set and no run took the object: why.
    pub reasons: Vec<String>,
}

/// Returns a proof of every object that landed in the drop bucket on this UTC day, by key.
pub(crate) async fn of_day<E: Edges>(edges: &E, setup: &Setup, day: Date) -> anyhow::Result<Vec<Proof>> {
    let bucket = setup.config.drop_bucket.as_deref().context("no drop bucket is configured")?;
    let definitions = setup.definitions.load(edges, &setup.book.home).await?;
    let (mut proofs, mut after) = (Vec::new(), None);
    let looks = Looks::default();
    loop {
        let page: Vec<Listed> = edges.page(bucket, "", after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        let of_day = page.into_iter().filter(|listed| listed.modified.to_zoned(TimeZone::UTC).date() == day);
        let found = of_day.map(|listed| of_object(edges, setup, &definitions, &looks, bucket, listed));
        let found: Vec<Proof> = stream::iter(found).buffered(READ_AT_ONCE).try_collect().await?;
        proofs.extend(found);
    }
    add_runs_of_other_patterns(edges, setup, &definitions, bucket, &mut proofs).await?;
    Ok(proofs)
}

/// Adds the runs of definitions that are gone, or that had other patterns when they ran, to the proofs without a run.
async fn add_runs_of_other_patterns<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    bucket: &str,
    proofs: &mut [Proof],
) -> anyhow::Result<()> {
    let without = || proofs.iter().filter(|proof| proof.runs.is_empty());
    let Some(first) = without().map(|proof| proof.landed).min() else { return Ok(()) };
    let mut known = gone::runs_since(edges, setup, definitions, first).await?;
    for proof in proofs.iter_mut().filter(|proof| proof.runs.is_empty()) {
        if let Some(runs) = known.remove(&(proof.key.clone(), proof.etag.clone())) {
            proof.runs = runs;
            // The reasons of the sets to which the key belongs now stay true.
            if sets::of_key(setup, definitions, bucket, &proof.key).is_err() {
                proof.reasons.clear();
            }
        }
    }
    Ok(())
}

async fn of_object<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    looks: &Looks,
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
                if took.iter().all(|run| run.state == HeadState::Superseded.as_str()) {
                    let why = match definitions.check_values() {
                        Ok(()) => why_no_run(edges, setup, looks, set, &object).await?,
                        Err(error) => error.to_string(),
                    };
                    reasons.push(format!("{}: {why}", set.name));
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

/// The state of a set that has objects without a run.
struct SetLook {
    /// The content, if the set is whole.
    content: Option<Content>,
    decision: Decision,
}

/// The sets that a proof has looked at, by name. A set is looked at once, however many of its objects have no run.
type Looks = Mutex<HashMap<String, Arc<SetLook>>>;

async fn look<E: Edges>(
    edges: &E,
    setup: &Setup,
    looks: &Looks,
    set: &Set<'_>,
) -> anyhow::Result<Arc<SetLook>> {
    let name = set.name.to_string();
    let known = looks.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    let content = match content::find(edges, set).await? {
        Found::Whole(content) => Some(content),
        _ => None,
    };
    let look = Arc::new(SetLook { content, decision: status::of_set(edges, setup, set).await? });
    looks.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::clone(&look));
    Ok(look)
}

/// Returns why no run of the set took an object.
async fn why_no_run<E: Edges>(
    edges: &E,
    setup: &Setup,
    looks: &Looks,
    set: &Set<'_>,
    object: &Listed,
) -> anyhow::Result<String> {
    let look = look(edges, setup, looks, set).await?;
    let why = look.content.as_ref().and_then(|content| content::why_unread(set, content, object));
    if let Some(why) = why {
        return Ok(why);
    }
    let SetLook { decision, .. } = &*look;
    let missing = decision.missing.join(", ");
    let missing = if missing.is_empty() { missing } else { format!(": {missing}") };
    Ok(format!("{}{missing}", decision.reason))
}
