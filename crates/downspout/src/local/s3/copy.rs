//! Copies of objects. A copy shares the files of its source, so no file is copied.

use super::error::StoreError;
use super::event::EventName;
use super::index::{self, NewObject};
use super::model::{Address, Checksums, Conditions, Meta, S3Object};
use super::store::S3Store;

/// The object that a copy creates.
pub(super) struct Copy {
    /// The number of the source's content, as the caller read it. If the source has another content when the copy is
    /// made, nothing is copied.
    pub(super) content: i64,
    pub(super) etag: String,
    pub(super) meta: Meta,
    pub(super) checksums: Checksums,
}

impl S3Store {
    /// Copies an object in the index. Returns `None` if the source changed after the caller read it.
    pub(super) async fn copy(
        &self,
        from: Address,
        to: (String, String),
        copy: Copy,
        conditions: Conditions,
    ) -> Result<Option<S3Object>, StoreError> {
        let now = self.now();
        self.writer()
            .write(move |tx| {
                let source = index::existing(tx.connection, &from)?;
                if source.content != copy.content {
                    return Ok(None);
                }
                let new = NewObject {
                    size: source.size,
                    etag: copy.etag,
                    meta: Meta { checksums: copy.checksums, ..copy.meta },
                    segments: index::segments(tx.connection, source.content)?,
                };
                let (bucket, key) = to;
                let name = EventName::CreatedCopy;
                index::store_object(tx, &bucket, key, new, &conditions, name, now).map(Some)
            })
            .await
    }
}
