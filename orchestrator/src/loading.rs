//! The start of every operation: loads the definitions, and publishes a notice about each definition that cannot be
//! used.

use std::sync::PoisonError;

use anyhow::Context as _;

use crate::definitions::{Definitions, Loaded};
use crate::first_seen;
use crate::ports::{Condition, Edges};
use crate::report::{self, log};
use crate::setup::Setup;

/// Loads the definitions. A broken definition causes one notice, and does not stop the others.
pub(crate) async fn definitions<E: Edges>(edges: &E, setup: &Setup) -> anyhow::Result<Definitions> {
    let definitions = setup.definitions.load(edges, &setup.book.home).await?;
    for (file, why) in definitions.broken() {
        // The time of the first sight is stored even for a broken definition, so that files that arrive before its
        // correction start a run after it.
        if let Err(error) = first_seen::of(edges, setup, &file.name).await {
            log::first_sight_unknown(&file.name, &error);
        }
        // A topic that cannot be reached must not stop the other definitions. The next handler tries again.
        if let Err(error) = tell_broken(edges, setup, file, why).await {
            log::notice_unpublished(&error);
        }
    }
    Ok(definitions)
}

/// Publishes the notice that the definition in `file` cannot be used, once for each ETag of the file and each reason.
///
/// An object beside the ledger says that the notice was published, because a broken definition has no set.
async fn tell_broken<E: Edges>(edges: &E, setup: &Setup, file: &Loaded, why: &str) -> anyhow::Result<()> {
    let home = &setup.book.home;
    let name = &file.name;
    let notice = report::broken_definition(name, &home.definition_uri(name), &file.etag, why);
    if setup.published.lock().unwrap_or_else(PoisonError::into_inner).contains(&notice.id) {
        return Ok(());
    }
    let mark = format!("{}_notices/{}.json", setup.book.folder(name), notice.id);
    let known = edges.get(&home.bucket, &mark).await.with_context(|| format!("reading {mark}"))?;
    if known.is_none() {
        log::broken_definition(name, &file.etag, why);
        edges.publish(&notice).await.context("publishing a notice")?;
        let body = serde_json::json!({"at": setup.now(), "subject": notice.subject}).to_string();
        let put = edges.put(&home.bucket, &mark, body, Condition::Absent).await;
        put.with_context(|| format!("writing {mark}"))?;
    }
    setup.published.lock().unwrap_or_else(PoisonError::into_inner).insert(notice.id);
    Ok(())
}
