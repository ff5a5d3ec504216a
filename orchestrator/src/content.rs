//! From a set to its content: finds the files of the set in the bucket, and says which are missing.

use anyhow::Context as _;
use futures::future;

use crate::ledger::{Content, DroppedFile};
use crate::ports::{Listed, Storage};
use crate::sets::Set;

/// The result of a search for the files of a set.
pub(crate) enum Found {
    /// All files are there.
    Whole(Content),
    /// The files with these keys are not there.
    Missing(Vec<String>),
}

/// Looks for every file that the set needs.
pub(crate) async fn find(storage: &impl Storage, set: &Set<'_>) -> anyhow::Result<Found> {
    let keys = set.trigger.keys(&set.captures);
    let found = future::try_join_all(keys.iter().map(|key| storage.find(&set.bucket, key.as_str())));
    let found = found.await.with_context(|| format!("listing the files of {}", set.name))?;
    let missing = keys.iter().zip(&found).filter(|(_, found)| found.is_none());
    let missing: Vec<_> = missing.map(|(key, _)| key.to_string()).collect();
    if !missing.is_empty() {
        return Ok(Found::Missing(missing));
    }
    let files = found.into_iter().flatten().map(dropped_file);
    Ok(Found::Whole(Content::new(&set.name, files.collect())))
}

/// Returns a listed object as a file of a set.
pub(crate) fn dropped_file(listed: Listed) -> DroppedFile {
    DroppedFile { key: listed.key, etag: listed.etag, modified: listed.modified }
}
