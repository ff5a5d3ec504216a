//! Cap slots: one object for each run that a definition may start on one day.
//!
//! A conditional put takes a slot. The slot belongs to a set and its content. After a crash or a failure, the same content
//! uses its slot again. If the content never started, other content of the same set may use the slot.

use anyhow::Context as _;
use futures::future;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;
use crate::ports::{Condition, Depth, Put, Storage};
use crate::sets::Set;
use crate::setup::Setup;

/// The set and the content that hold a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    set: String,
    run_key: String,
}

/// Takes one of the `cap` slots of the day of `now` for the content `run_key` of a set. Returns the key of the slot, or `None` if no slot
/// is free.
pub(crate) async fn take(
    storage: &impl Storage,
    setup: &Setup,
    set: &Set<'_>,
    cap: u32,
    run_key: &str,
    ledger: &Ledger,
    now: Timestamp,
) -> anyhow::Result<Option<String>> {
    let home = &setup.book.home;
    let day = set.trigger.day_of(now);
    let folder = home.key(&format!("caps/{}/{day}/", set.name.definition));
    let key = |number: u32| format!("{folder}{number}.json");
    let owner = Owner { set: set.name.id.clone(), run_key: run_key.to_owned() };
    let is_ours = |slot: &str, taken: &Owner| taken.set == owner.set && !ledger.slot_is_spent(slot, run_key);
    // On most days, a definition starts one run only, and this call is enough.
    if put(storage, &home.bucket, &key(1), &owner).await? {
        return Ok(Some(key(1)));
    }
    let taken = storage.list(&home.bucket, &folder, Depth::All).await.context("listing cap slots")?;
    let owners = taken.iter().map(|slot| owner_of(storage, &home.bucket, &slot.key));
    let owners = future::try_join_all(owners).await?;
    let ours = taken
        .iter()
        .zip(&owners)
        .find(|(slot, taken)| taken.as_ref().is_some_and(|taken| is_ours(&slot.key, taken)));
    if let Some((slot, _)) = ours {
        return Ok(Some(slot.key.clone()));
    }
    for slot in (1..=cap).map(key).filter(|key| taken.iter().all(|taken| taken.key != *key)) {
        if put(storage, &home.bucket, &slot, &owner).await? {
            return Ok(Some(slot));
        }
        // Another handler took the slot since the listing, perhaps for the same content.
        let taken = owner_of(storage, &home.bucket, &slot).await?;
        if taken.is_some_and(|taken| is_ours(&slot, &taken)) {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}

/// Puts a slot and returns whether it was free.
async fn put(storage: &impl Storage, bucket: &str, key: &str, owner: &Owner) -> anyhow::Result<bool> {
    let body = serde_json::to_string(owner).context("writing a cap slot")?;
    let put = storage.put(bucket, key, body, Condition::Absent).await;
    Ok(matches!(put.with_context(|| format!("taking {key}"))?, Put::Stored(_)))
}

/// Returns the owner of a slot. An object that cannot be read is a slot, too. Its owner is unknown.
async fn owner_of(storage: &impl Storage, bucket: &str, key: &str) -> anyhow::Result<Option<Owner>> {
    let stored = storage.get(bucket, key).await.with_context(|| format!("reading {key}"))?;
    Ok(stored.and_then(|stored| serde_json::from_slice(&stored.body).ok()))
}
