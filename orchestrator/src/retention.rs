//! Deletes old objects: cap slots, the objects that record that a notice was published, manifests, and
//! the ledgers of sets whose files are gone.
//!
//! Only the ledger says that the files of a set ran. So it stays as long as one of the files is in the bucket,
//! because a later sweep would run the files again otherwise.

use anyhow::Context as _;
use jiff::Timestamp;

use crate::ledger::{HeadState, Ledger};
use crate::ports::{Edges, Listed};
use crate::setup::Setup;

/// How many keys one listing reads.
const PAGE: usize = 1_000;

/// Deletes the old objects that were last changed before `before`. Returns how many objects were deleted.
pub(crate) async fn forget<E: Edges>(edges: &E, setup: &Setup, before: Timestamp) -> anyhow::Result<usize> {
    let home = &setup.book.home;
    let mut forgotten = 0;
    for folder in ["caps/", "ledger/"] {
        let prefix = home.key(folder);
        let mut after: Option<String> = None;
        loop {
            let page = edges.page(&home.bucket, &prefix, after.as_deref(), PAGE).await;
            let page = page.with_context(|| format!("listing {prefix}"))?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for listed in page.iter().filter(|listed| listed.modified < before) {
                let name = listed.key.strip_prefix(prefix.as_str()).unwrap_or_default();
                if is_forgettable(edges, setup, name, folder, listed).await? {
                    edges.delete_object(&home.bucket, &listed.key).await?;
                    forgotten += 1;
                }
            }
        }
    }
    Ok(forgotten)
}

/// Returns whether an old object is no longer needed. `name` is its key within the folder.
async fn is_forgettable<E: Edges>(
    edges: &E,
    setup: &Setup,
    name: &str,
    folder: &str,
    listed: &Listed,
) -> anyhow::Result<bool> {
    if folder == "caps/" {
        return Ok(true);
    }
    let Some((definition, rest)) = name.split_once('/') else { return Ok(false) };
    // A rerun of the same files writes its manifest again. Without the record of an old notice, the notice may be published once more
    // if its cause is still there.
    if rest.starts_with("_notices/") || rest.starts_with("_manifests/") {
        return Ok(true);
    }
    let Some(set) = setup.book.set_of(definition, &listed.key) else { return Ok(false) };
    // An unreadable ledger stays, because its contents are unknown.
    let Ok(entry) = setup.book.entry(edges, &set).await else { return Ok(false) };
    if !is_at_rest(&entry.ledger) {
        return Ok(false);
    }
    let files = entry.ledger.heads().flat_map(|head| &head.files);
    for file in files {
        let found = edges.find(&entry.ledger.bucket, &file.key).await;
        if found.with_context(|| format!("looking for {}", file.key))?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_at_rest(ledger: &Ledger) -> bool {
    let is_over = |state| matches!(state, HeadState::Finished | HeadState::Failed | HeadState::Superseded);
    ledger.next.is_none() && ledger.rerun.is_none() && ledger.heads().all(|head| is_over(head.state))
}
