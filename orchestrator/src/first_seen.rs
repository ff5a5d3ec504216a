//! The time at which a handler first read a definition.
//!
//! A sweep does not start a set that is older than this time and has no ledger entry, unless `myBackfill` is true.

use std::sync::PoisonError;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ports::{Condition, Edges, Put};
use crate::setup::Setup;

/// Returns the time of the definition's first sight. If no handler has read the definition before, stores and returns
/// the present time.
///
/// # Errors
///
/// If the storage fails, or if the stored time cannot be read.
pub(crate) async fn of<E: Edges>(edges: &E, setup: &Setup, definition: &str) -> anyhow::Result<Timestamp> {
    let known = setup.first_seen.lock().unwrap_or_else(PoisonError::into_inner).get(definition).copied();
    if let Some(known) = known {
        return Ok(known);
    }
    let key = format!("{}_first-seen.json", setup.book.folder(definition));
    let bucket = &setup.book.home.bucket;
    let now = setup.now();
    let body = json!({"at": now}).to_string();
    let put = edges.put(bucket, &key, body, Condition::Absent).await;
    let at = match put.with_context(|| format!("writing {key}"))? {
        Put::Stored(_) => now,
        Put::Conflict => {
            let stored = edges.get(bucket, &key).await.with_context(|| format!("reading {key}"))?;
            let text = stored.map(|stored| stored.body).unwrap_or_default();
            let value: Value = serde_json::from_slice(&text).with_context(|| format!("reading {key}"))?;
            let at = value["at"].as_str().with_context(|| format!("{key} lacks `at`"))?;
            at.parse().with_context(|| format!("reading `at` of {key}"))?
        }
    };
    setup.first_seen.lock().unwrap_or_else(PoisonError::into_inner).insert(definition.to_owned(), at);
    Ok(at)
}
