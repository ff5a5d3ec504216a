//! The list of the objects that a node reads, which the orchestrator writes for dropped files.
//!
//! The list has the form of a manifest of Redshift, and the ETag of each object, so that a run reads exactly the files
//! that started it, also if other files have arrived in their folder since.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;

use crate::failure::Failure;
use crate::storage::{ObjectRef, S3Uri, Storage};

/// How many objects are looked up at the same time.
const PINNED_AT_ONCE: usize = 16;

#[derive(Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    url: String,
    etag: String,
}

/// Returns the objects of the list at `at`, each pinned to its ETag, in the order of the list. The list may be empty: an
/// optional file that was not dropped.
///
/// # Errors
///
/// If the list cannot be read, or if an object is gone or has another version.
pub(crate) async fn objects(storage: &Storage, at: &S3Uri) -> Result<Vec<ObjectRef>, Failure> {
    let list = ObjectRef { at: at.clone(), etag: None, size: 0 };
    let unreadable = |error| {
        Failure::bad_input("Manifest", format!("reading {at}: the manifest is not a list of files: {error}"))
    };
    let manifest: Manifest = serde_json::from_slice(&storage.bytes(&list).await?).map_err(unreadable)?;
    let pins = manifest.entries.into_iter().map(|Entry { url, etag }| async move {
        let no_uri =
            || Failure::bad_input("Manifest", format!("reading {at}: `{url}` is not an s3://bucket/key"));
        storage.pin(&S3Uri::parse(&url).ok_or_else(no_uri)?, Some(&etag)).await
    });
    stream::iter(pins).buffered(PINNED_AT_ONCE).try_collect().await
}
