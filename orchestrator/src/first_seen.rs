//! The first sight of a definition: the time at which the first version that any handler read was uploaded.
//!
//! A sweep does not start a set that is older than this time and has no ledger entry, unless `myBackfill` is true.

use std::sync::PoisonError;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ports::{Condition, Edges, Put};
use crate::setup::Setup;

/// Returns the time of the definition's first sight. If no handler has read the definition before, stores and returns
/// `uploaded`, the time at which its file was uploaded. Files that arrive between the upload and the first handler were
/// dropped for the definition.
///
/// # Errors
///
/// If the storage fails, or if the stored time cannot be read.
pub(crate) async fn of<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
    uploaded: Timestamp,
) -> anyhow::Result<Timestamp> {
    let known = setup.first_seen.lock().unwrap_or_else(PoisonError::into_inner).get(definition).copied();
    if let Some(known) = known {
        return Ok(known);
    }
    let key = key(setup, definition);
    let bucket = &setup.book.home.bucket;
    let seen = setup.now().min(uploaded);
    let body = json!({"at": seen}).to_string();
    let put = edges.put(bucket, &key, body, Condition::Absent).await;
    let at = match put.with_context(|| format!("writing {key}"))? {
        Put::Stored(_) => seen,
        Put::Conflict => read(edges, bucket, &key).await?.with_context(|| format!("{key} is gone"))?,
    };
    setup.first_seen.lock().unwrap_or_else(PoisonError::into_inner).insert(definition.to_owned(), at);
    Ok(at)
}

/// Returns the time of the definition's first sight, if it is stored.
///
/// # Errors
///
/// If the storage fails, or if the stored time cannot be read.
pub(crate) async fn known<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
) -> anyhow::Result<Option<Timestamp>> {
    read(edges, &setup.book.home.bucket, &key(setup, definition)).await
}

async fn read<E: Edges>(edges: &E, bucket: &str, key: &str) -> anyhow::Result<Option<Timestamp>> {
    let stored = edges.get(bucket, key).await.with_context(|| format!("reading {key}"))?;
    let Some(stored) = stored else { return Ok(None) };
    let value: Value = serde_json::from_slice(&stored.body).with_context(|| format!("reading {key}"))?;
    let at = value["at"].as_str().with_context(|| format!("{key} lacks `at`"))?;
    at.parse().map(Some).with_context(|| format!("reading `at` of {key}"))
}

fn key(setup: &Setup, definition: &str) -> String {
    format!("{}_first-seen.json", setup.book.folder(definition))
}
