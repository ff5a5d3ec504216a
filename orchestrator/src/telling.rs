//! Notices about things that have no ledger of their own, such as a broken definition or a key that matches no pattern.
//!
//! An object beside the ledger says that a notice was published, so that no handler publishes it again.

use std::sync::PoisonError;

use anyhow::Context as _;

use crate::ports::{Condition, Edges, Notice};
use crate::setup::Setup;

/// Publishes a notice about a definition, unless it was published before. Returns whether it was published now.
pub(crate) async fn once<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
    notice: Notice,
) -> anyhow::Result<bool> {
    if setup.published.lock().unwrap_or_else(PoisonError::into_inner).contains(&notice.id) {
        return Ok(false);
    }
    let home = &setup.book.home;
    let record = format!("{}_notices/{}.json", setup.book.folder(definition), notice.id);
    let known = edges.get(&home.bucket, &record).await.with_context(|| format!("reading {record}"))?;
    if known.is_none() {
        // The notice is published first: after a crash between the two calls, two notices are better than none.
        edges.publish(&notice).await.context("publishing a notice")?;
        let body = serde_json::json!({"at": setup.now(), "subject": notice.subject}).to_string();
        let put = edges.put(&home.bucket, &record, body, Condition::Absent).await;
        put.with_context(|| format!("writing {record}"))?;
    }
    setup.published.lock().unwrap_or_else(PoisonError::into_inner).insert(notice.id);
    Ok(known.is_none())
}
