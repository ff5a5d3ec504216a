//! Cap slots: one object for each run that a definition may start on a UTC day.
//!
//! A slot is taken by a conditional put. It belongs to a set and its content; the same content takes it up again
//! after a crash or a failure, and other content of the set does when the first never started.

use anyhow::Context as _;
use futures::future;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::book::Book;
use crate::ledger::Ledger;
use crate::ports::{Condition, Depth, Put, Storage};

/// Whose a slot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Owner {
    pub set: String,
    pub run_key: String,
}

/// Returns the midnight at which the UTC day of `now` ends.
pub(crate) fn next_day(now: Timestamp) -> Timestamp {
    let day = now.to_zoned(TimeZone::UTC);
    let midnight = day.checked_add(1.day()).and_then(|tomorrow| tomorrow.start_of_day());
    midnight.map_or(Timestamp::MAX, |midnight| midnight.timestamp())
}

/// Takes a slot of today for `owner`; `None` when the day has none left.
pub(crate) async fn take(
    book: &Book,
    storage: &impl Storage,
    definition: &str,
    cap: u32,
    owner: &Owner,
    ledger: &Ledger,
    now: Timestamp,
) -> anyhow::Result<Option<String>> {
    let folder = book.home.key(&format!("caps/{definition}/{}/", now.to_zoned(TimeZone::UTC).date()));
    let key = |number: u32| format!("{folder}{number}.json");
    let is_ours =
        |slot: &str, taken: &Owner| taken.set == owner.set && !ledger.slot_is_spent(slot, &owner.run_key);
    // Most days have their first run here: one call.
    if put(book, storage, &key(1), owner).await? {
        return Ok(Some(key(1)));
    }
    let taken = storage.list(&book.home.bucket, &folder, Depth::All).await.context("listing cap slots")?;
    let owners = future::try_join_all(taken.iter().map(|slot| owner_of(book, storage, &slot.key))).await?;
    let ours = taken
        .iter()
        .zip(&owners)
        .find(|(slot, taken)| taken.as_ref().is_some_and(|taken| is_ours(&slot.key, taken)));
    if let Some((slot, _)) = ours {
        return Ok(Some(slot.key.clone()));
    }
    for slot in (1..=cap).map(key).filter(|key| taken.iter().all(|taken| taken.key != *key)) {
        if put(book, storage, &slot, owner).await? {
            return Ok(Some(slot));
        }
        // Somebody took it just now: maybe another handler for the same content.
        if owner_of(book, storage, &slot).await?.is_some_and(|taken| is_ours(&slot, &taken)) {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}

async fn put(book: &Book, storage: &impl Storage, key: &str, owner: &Owner) -> anyhow::Result<bool> {
    let body = serde_json::to_string(owner).context("writing a cap slot")?;
    let put = storage.put(&book.home.bucket, key, body, Condition::Absent).await;
    Ok(matches!(put.with_context(|| format!("taking {key}"))?, Put::Stored(_)))
}

async fn owner_of(book: &Book, storage: &impl Storage, key: &str) -> anyhow::Result<Option<Owner>> {
    let stored = storage.get(&book.home.bucket, key).await.with_context(|| format!("reading {key}"))?;
    // A slot that cannot be read is somebody's.
    Ok(stored.and_then(|stored| serde_json::from_slice(&stored.body).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let noon: Timestamp = "2026-12-31T12:00:00Z".parse().unwrap();
        assert_eq!(next_day(noon).to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(next_day(next_day(noon)).to_string(), "2027-01-02T00:00:00Z");
    }
}
