//! The object store: buckets and objects. Contents are files, and everything else is in the index.
//!
//! The store knows nothing of HTTP. One thread writes (see [`super::writer`]). Each read uses a connection of its own, so that
//! it never waits for the writer.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::blobs::Blobs;
use super::content::{Content, Extent, Segment};
use super::error::StoreError;
use super::event::EventName;
use super::index::{self, NewObject};
use super::model::{Address, Bucket, Conditions, Deleted, Meta, S3Object, Versioning};
use super::parts;
use super::receiving::Received;
use super::schema;
use super::writer::Writer;
use crate::local::Now;

/// How many reading connections are kept open for later reads.
const SPARE_READERS: usize = 8;

/// A durable object store in a directory.
///
/// A clone is cheap, and uses the same store.
#[derive(Clone)]
pub struct S3Store {
    inner: Arc<Inner>,
}

struct Inner {
    index: PathBuf,
    blobs: Arc<Blobs>,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    events: watch::Receiver<u64>,
    now: Now,
}

impl S3Store {
    /// Opens the store in `dir`, creates it if it is missing, and removes files that a crash left unfinished.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a file cannot be read or written, or if a newer version of the program wrote the directory.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with_clock(dir, Arc::new(Timestamp::now))
    }

    /// Opens the store with the given clock.
    pub fn open_with_clock(dir: impl AsRef<Path>, now: Now) -> Result<Self, StoreError> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(|source| StoreError::io(dir, source))?;
        let index = dir.join("index.sqlite");
        let connection = schema::open_writer(&index)?;
        let blobs = Arc::new(Blobs::open(dir.join("blobs"))?);
        let swept = blobs.sweep(&index::living_blobs(&connection)?)?;
        if swept > 0 {
            tracing::info!(s3.swept = swept, "removed the contents of uploads that a crash interrupted");
        }
        let (sender, events) = watch::channel(0);
        let writer = Writer::start(connection, Arc::clone(&blobs), sender);
        let inner = Inner { index, blobs, writer, readers: Mutex::default(), events, now };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Lets every later change in `bucket` create an event.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchBucket`], or a failure of the index.
    pub async fn notify_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        let bucket = bucket.to_owned();
        self.writer()
            .write(move |tx| {
                let sql = "UPDATE buckets SET notify = 1 WHERE name = ?1";
                let changed = tx.connection.execute(sql, [&bucket])?;
                if changed == 0 { Err(StoreError::NoSuchBucket(bucket)) } else { Ok(()) }
            })
            .await
    }

    /// Creates a bucket. An existing bucket stays as it is.
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        let (bucket, now) = (bucket.to_owned(), self.now());
        self.writer()
            .write(move |tx| {
                let sql = "INSERT OR IGNORE INTO buckets (name, created) VALUES (?1, ?2)";
                tx.connection.execute(sql, params![bucket, now.as_millisecond()])?;
                Ok(())
            })
            .await
    }

    pub(super) fn now(&self) -> Timestamp {
        let now = (self.inner.now)();
        // The index stores whole milliseconds, so the time is the same before and after it was stored.
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    pub(super) fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    pub(super) fn blobs(&self) -> &Arc<Blobs> {
        &self.inner.blobs
    }

    pub(super) fn events(&self) -> watch::Receiver<u64> {
        self.inner.events.clone()
    }

    /// Runs `query` on a reading connection, on a thread that may block.
    pub(super) async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let reading = tokio::task::spawn_blocking(move || {
            let spare = inner.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = spare.map_or_else(|| schema::open_reader(&inner.index), Ok)?;
            let found = query(&connection);
            let mut readers = inner.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() < SPARE_READERS {
                readers.push(connection);
            }
            found
        });
        reading.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) async fn buckets(&self) -> Result<Vec<Bucket>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT name, created, notify, versioning FROM buckets ORDER BY name";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_map([], index::bucket_row)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    pub(super) async fn bucket(&self, name: &str) -> Result<Bucket, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| index::bucket(connection, &name)).await
    }

    /// Deletes a bucket that has no objects, no versions and no delete markers. Its open uploads are aborted, as in S3.
    pub(super) async fn delete_bucket(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.writer()
            .write(move |tx| {
                index::bucket(tx.connection, &name)?;
                let sql = "SELECT EXISTS (SELECT 1 FROM objects WHERE bucket = ?1) \
                           OR EXISTS (SELECT 1 FROM versions WHERE bucket = ?1)";
                if tx.connection.query_row(sql, [&name], |row| row.get(0))? {
                    return Err(StoreError::BucketNotEmpty(name));
                }
                parts::abort_all(tx, &name)?;
                for table in ["bucket_documents", "completed_uploads"] {
                    tx.connection.execute(&format!("DELETE FROM {table} WHERE bucket = ?1"), [&name])?;
                }
                tx.connection.execute("DELETE FROM buckets WHERE name = ?1", [&name])?;
                Ok(())
            })
            .await
    }

    /// Sets whether a bucket keeps versions.
    pub(super) async fn set_versioning(
        &self,
        bucket: &str,
        versioning: Versioning,
    ) -> Result<(), StoreError> {
        let bucket = bucket.to_owned();
        self.writer()
            .write(move |tx| {
                index::bucket(tx.connection, &bucket)?;
                let sql = "UPDATE buckets SET versioning = ?2 WHERE name = ?1";
                tx.connection.execute(sql, params![bucket, versioning.status()])?;
                Ok(())
            })
            .await
    }

    /// Reads an object without its content.
    pub(super) async fn head(&self, address: Address) -> Result<S3Object, StoreError> {
        self.read(move |connection| index::existing(connection, &address)).await
    }

    /// Reads an object with its content, which stays readable if the object is replaced or deleted.
    pub(super) async fn open_object(&self, address: Address) -> Result<(S3Object, Content), StoreError> {
        let blobs = Arc::clone(self.blobs());
        self.read(move |connection| {
            loop {
                let object = index::existing(connection, &address)?;
                let segments = index::segments(connection, object.content)?;
                let files = segments.iter().filter_map(|segment| match &segment.extent {
                    Extent::Blob(id) => Some(id.clone()),
                    Extent::Inline(_) => None,
                });
                let content = Content { pin: blobs.pin(files.collect()), segments };
                // If the object was replaced before its files were pinned, the files may be gone. In that case the new
                // object is read.
                if index::existing(connection, &address).is_ok_and(|again| again.content == object.content) {
                    return Ok((object, content));
                }
            }
        })
        .await
    }

    /// Stores a received content under `key`, if `conditions` are fulfilled at that moment.
    pub(super) async fn put(
        &self,
        bucket: &str,
        key: &str,
        received: Received,
        meta: Meta,
        conditions: Conditions,
        name: EventName,
    ) -> Result<S3Object, StoreError> {
        let (bucket, key, now) = (bucket.to_owned(), key.to_owned(), self.now());
        self.writer()
            .write(move |tx| {
                let Received { body, size, md5, checksums } = received;
                let segment =
                    Segment { number: 1, size, checksums: String::new(), extent: index::keep(tx, body) };
                let meta = Meta { checksums: checksums.into(), ..meta };
                let object = NewObject { size, etag: hex::encode(md5), meta, segments: vec![segment] };
                index::store_object(tx, &bucket, key, object, &conditions, name, now)
            })
            .await
    }

    /// Deletes an object or one of its versions.
    pub(super) async fn delete(
        &self,
        address: Address,
        conditions: Conditions,
    ) -> Result<Deleted, StoreError> {
        let now = self.now();
        self.writer().write(move |tx| index::delete_object(tx, &address, &conditions, now)).await
    }

    /// Changes the metadata of an object and keeps its content. `change` gets the present metadata. Returns the object as it was
    /// before.
    pub(super) async fn change_meta<F>(&self, address: Address, change: F) -> Result<S3Object, StoreError>
    where
        F: FnOnce(&mut Meta) + Send + 'static,
    {
        self.writer()
            .write(move |tx| {
                let object = index::existing(tx.connection, &address)?;
                let mut meta = object.meta.clone();
                change(&mut meta);
                let meta = serde_json::to_string(&meta)?;
                for table in ["objects", "versions"] {
                    let sql = format!(
                        "UPDATE {table} SET meta = ?4 WHERE bucket = ?1 AND key = ?2 AND content = ?3"
                    );
                    let values = params![address.bucket, address.key.as_bytes(), object.content, meta];
                    tx.connection.execute(&sql, values)?;
                }
                Ok(object)
            })
            .await
    }
}
