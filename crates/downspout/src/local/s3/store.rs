//! The object store itself: buckets and objects, contents as files, everything else in the index.
//!
//! Knows nothing of HTTP. One thread writes ([`super::writer`]); reads go over connections of their own
//! and never wait for it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::watch;

use super::blobs::{BlobId, Blobs};
use super::error::StoreError;
use super::events::{self, EventName};
use super::model::{Bucket, Conditions, Meta, S3Object};
use super::reading::{Content, Place, Segment};
use super::receiving::{Body, Received};
use super::schema;
use super::writer::{Tx, Writer};
use crate::local::Now;

/// Reading connections kept open for the next reader.
const SPARE_READERS: usize = 8;

/// A durable object store in a directory.
///
/// Cheap to clone; all clones are the same store.
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

/// What a whole new object is made of.
pub(super) struct NewObject {
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) meta: Meta,
    pub(super) segments: Vec<Segment>,
}

impl S3Store {
    /// Opens the store in `dir`, making it if need be, and removes what a crash left half-done.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with_clock(dir, Arc::new(Timestamp::now))
    }

    /// Opens the store with a clock of the caller's.
    pub fn open_with_clock(dir: impl AsRef<Path>, now: Now) -> Result<Self, StoreError> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(|source| StoreError::io(dir, source))?;
        let index = dir.join("index.sqlite");
        let connection = schema::open_writer(&index)?;
        let blobs = Arc::new(Blobs::open(dir.join("blobs"))?);
        let swept = blobs.sweep(&living_blobs(&connection)?)?;
        if swept > 0 {
            tracing::info!(s3.swept = swept, "removed contents of uploads that a crash broke off");
        }
        let (sender, events) = watch::channel(0);
        let writer = Writer::start(connection, Arc::clone(&blobs), sender);
        let inner = Inner { index, blobs, writer, readers: Mutex::default(), events, now };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes events of everything that happens in `bucket` from now on.
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

    /// Makes a bucket; one that exists stays as it is.
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
        // Whole milliseconds: the same before and after it went through the index.
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
            let sql = "SELECT name, created, notify FROM buckets ORDER BY name";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_map([], bucket_row)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    pub(super) async fn bucket(&self, name: &str) -> Result<Bucket, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| bucket(connection, &name)).await
    }

    pub(super) async fn delete_bucket(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.writer()
            .write(move |tx| {
                bucket(tx.connection, &name)?;
                let sql = "SELECT EXISTS (SELECT 1 FROM objects WHERE bucket = ?1) \
                           OR EXISTS (SELECT 1 FROM uploads WHERE bucket = ?1)";
                if tx.connection.query_row(sql, [&name], |row| row.get(0))? {
                    return Err(StoreError::BucketNotEmpty(name));
                }
                tx.connection.execute("DELETE FROM buckets WHERE name = ?1", [&name])?;
                Ok(())
            })
            .await
    }

    /// Looks an object up.
    pub(super) async fn head(&self, bucket_name: &str, key: &str) -> Result<S3Object, StoreError> {
        let (bucket_name, key) = (bucket_name.to_owned(), key.to_owned());
        self.read(move |connection| existing(connection, &bucket_name, &key)).await
    }

    /// Looks an object up together with its content, which stays readable whatever happens to the object.
    pub(super) async fn open_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<(S3Object, Content), StoreError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let blobs = Arc::clone(self.blobs());
        self.read(move |connection| {
            loop {
                let object = existing(connection, &bucket, &key)?;
                let segments = segments(connection, object.content)?;
                let files = segments.iter().filter_map(|segment| match &segment.place {
                    Place::Blob(id) => Some(id.clone()),
                    Place::Inline(_) => None,
                });
                let content = Content { hold: blobs.hold(files.collect()), segments };
                // Replaced between the look and the hold, it may have lost its files; then the new one counts.
                if find(connection, &bucket, &key)?.is_some_and(|again| again.content == object.content) {
                    return Ok((object, content));
                }
            }
        })
        .await
    }

    /// Stores a received content under `key`, if `conditions` hold at that moment.
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
                let segment = Segment { number: 1, size, checksums: String::new(), place: keep(tx, body) };
                let meta = Meta { checksums: checksums.into(), ..meta };
                let object = NewObject { size, etag: hex::encode(md5), meta, segments: vec![segment] };
                store_object(tx, &bucket, key, object, &conditions, name, now)
            })
            .await
    }

    /// Deletes an object; whether there was one.
    pub(super) async fn delete(
        &self,
        bucket_name: &str,
        key: &str,
        conditions: Conditions,
    ) -> Result<bool, StoreError> {
        let (bucket_name, key, now) = (bucket_name.to_owned(), key.to_owned(), self.now());
        self.writer().write(move |tx| delete_object(tx, &bucket_name, &key, &conditions, now)).await
    }

    /// Replaces what is said of an object, its content untouched; `change` gets its present metadata.
    pub(super) async fn change_meta<F>(&self, bucket: &str, key: &str, change: F) -> Result<(), StoreError>
    where
        F: FnOnce(&mut Meta) + Send + 'static,
    {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.writer()
            .write(move |tx| {
                let mut object = existing(tx.connection, &bucket, &key)?;
                change(&mut object.meta);
                let sql = "UPDATE objects SET meta = ?3 WHERE bucket = ?1 AND key = ?2";
                let meta = serde_json::to_string(&object.meta)?;
                tx.connection.execute(sql, params![bucket, key.as_bytes(), meta])?;
                Ok(())
            })
            .await
    }
}

/// Gives a received content to the transaction and returns where it is.
pub(super) fn keep(tx: &mut Tx<'_>, body: Body) -> Place {
    match body {
        Body::Inline(bytes) => Place::Inline(Bytes::from(bytes)),
        Body::Blob(blob) => {
            let id = blob.id().to_owned();
            tx.keep(blob);
            Place::Blob(id)
        }
    }
}

/// Puts `new` under `key` in place of what is there, with its event.
pub(super) fn store_object(
    tx: &mut Tx<'_>,
    bucket_name: &str,
    key: String,
    new: NewObject,
    conditions: &Conditions,
    name: EventName,
    now: Timestamp,
) -> Result<S3Object, StoreError> {
    let bucket = bucket(tx.connection, bucket_name)?;
    let current = find(tx.connection, bucket_name, &key)?;
    conditions.check_write(&key, current.as_ref())?;
    let content = next_sequence(tx.connection)?;
    insert_segments(tx.connection, content, &new.segments)?;
    let NewObject { size, etag, meta, .. } = new;
    let object = S3Object { key, content, size, etag, modified: now, meta };
    let sql = "INSERT OR REPLACE INTO objects (bucket, key, content, size, etag, modified, meta) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.connection.prepare_cached(sql)?.execute(params![
        bucket_name,
        object.key.as_bytes(),
        content,
        size as i64,
        object.etag,
        now.as_millisecond(),
        serde_json::to_string(&object.meta)?,
    ])?;
    // The new content first: a copy onto itself shares its files with the old one.
    if let Some(current) = current {
        drop_content(tx, current.content)?;
    }
    if bucket.notifies {
        events::append(tx, bucket_name, name, &object, now)?;
    }
    Ok(object)
}

/// Deletes the object under `key`, with its event; whether there was one.
pub(super) fn delete_object(
    tx: &mut Tx<'_>,
    bucket_name: &str,
    key: &str,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let bucket = bucket(tx.connection, bucket_name)?;
    let current = find(tx.connection, bucket_name, key)?;
    conditions.check_write(key, current.as_ref())?;
    let Some(mut object) = current else { return Ok(false) };
    let sql = "DELETE FROM objects WHERE bucket = ?1 AND key = ?2";
    tx.connection.prepare_cached(sql)?.execute(params![bucket_name, key.as_bytes()])?;
    drop_content(tx, object.content)?;
    if bucket.notifies {
        object.content = next_sequence(tx.connection)?;
        events::append(tx, bucket_name, EventName::RemovedDelete, &object, now)?;
    }
    Ok(true)
}

fn drop_content(tx: &mut Tx<'_>, content: i64) -> Result<(), StoreError> {
    let connection = tx.connection;
    let mut files =
        connection.prepare_cached("SELECT blob FROM segments WHERE content = ?1 AND blob IS NOT NULL")?;
    let files: Vec<BlobId> = files.query_map([content], |row| row.get(0))?.collect::<Result<_, _>>()?;
    connection.prepare_cached("DELETE FROM segments WHERE content = ?1")?.execute([content])?;
    let mut is_shared =
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM segments WHERE blob = ?1)")?;
    for file in files {
        if !is_shared.query_row([&file], |row| row.get(0))? {
            tx.bury(file);
        }
    }
    Ok(())
}

fn insert_segments(connection: &Connection, content: i64, segments: &[Segment]) -> Result<(), StoreError> {
    let sql = "INSERT INTO segments (content, number, size, checksums, blob, inline) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = connection.prepare_cached(sql)?;
    for segment in segments {
        let (blob, inline) = match &segment.place {
            Place::Blob(id) => (Some(id.as_str()), None),
            Place::Inline(bytes) => (None, Some(bytes.as_ref())),
        };
        let size = segment.size as i64;
        insert.execute(params![content, segment.number, size, segment.checksums, blob, inline])?;
    }
    Ok(())
}

/// Returns the stretches of a content in their order.
pub(super) fn segments(connection: &Connection, content: i64) -> Result<Vec<Segment>, StoreError> {
    let sql = "SELECT number, size, checksums, blob, inline FROM segments WHERE content = ?1 ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([content], |row| {
        let size: i64 = row.get(1)?;
        Ok(Segment { number: row.get(0)?, size: size as u64, checksums: row.get(2)?, place: place(row, 3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Reads the columns `blob` and `inline`, which begin at `column`.
pub(super) fn place(row: &Row<'_>, column: usize) -> rusqlite::Result<Place> {
    Ok(match row.get::<_, Option<BlobId>>(column)? {
        Some(id) => Place::Blob(id),
        None => Place::Inline(row.get::<_, Option<Vec<u8>>>(column + 1)?.unwrap_or_default().into()),
    })
}

/// Looks a bucket up.
pub(super) fn bucket(connection: &Connection, name: &str) -> Result<Bucket, StoreError> {
    let sql = "SELECT name, created, notify FROM buckets WHERE name = ?1";
    let found = connection.prepare_cached(sql)?.query_row([name], bucket_row).optional()?;
    found.ok_or_else(|| StoreError::NoSuchBucket(name.to_owned()))
}

fn bucket_row(row: &Row<'_>) -> rusqlite::Result<Bucket> {
    Ok(Bucket { name: row.get(0)?, created: time(row, 1)?, notifies: row.get(2)? })
}

/// Looks an object up that must be there.
pub(super) fn existing(
    connection: &Connection,
    bucket_name: &str,
    key: &str,
) -> Result<S3Object, StoreError> {
    match find(connection, bucket_name, key)? {
        Some(object) => Ok(object),
        None => {
            bucket(connection, bucket_name)?;
            Err(StoreError::NoSuchKey(key.to_owned()))
        }
    }
}

fn find(connection: &Connection, bucket: &str, key: &str) -> Result<Option<S3Object>, StoreError> {
    let sql = "SELECT key, content, size, etag, modified, meta FROM objects WHERE bucket = ?1 AND key = ?2";
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![bucket, key.as_bytes()], |row| Ok((listed_object(row)?, row.get::<_, String>(5)?)))
        .optional()?;
    let Some((mut object, meta)) = found else { return Ok(None) };
    object.meta = serde_json::from_str(&meta)?;
    Ok(Some(object))
}

/// Reads the columns `key, content, size, etag, modified`; the metadata stay empty.
pub(super) fn listed_object(row: &Row<'_>) -> rusqlite::Result<S3Object> {
    let size: i64 = row.get(2)?;
    Ok(S3Object {
        key: key(row, 0)?,
        content: row.get(1)?,
        size: size as u64,
        etag: row.get(3)?,
        modified: time(row, 4)?,
        meta: Meta::default(),
    })
}

/// Reads a key.
pub(super) fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    String::from_utf8(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
    })
}

/// Reads a time in milliseconds.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Integer, Box::new(error))
    })
}

/// Returns the next number of contents and events: it only ever grows, also over restarts.
fn next_sequence(connection: &Connection) -> Result<i64, StoreError> {
    let sql = "UPDATE sequence SET value = value + 1 RETURNING value";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn living_blobs(connection: &Connection) -> Result<HashSet<BlobId>, StoreError> {
    let sql = "SELECT blob FROM segments WHERE blob IS NOT NULL UNION SELECT blob FROM parts WHERE blob IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
