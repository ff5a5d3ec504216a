//! The rows of the index: reads and writes objects, contents and buckets within a transaction.

use std::collections::HashSet;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::blobs::BlobId;
use super::content::{Extent, Segment};
use super::error::StoreError;
use super::event::{self, EventName};
use super::model::{Bucket, Conditions, Meta, S3Object};
use super::receiving::Body;
use super::writer::Tx;

/// The data of a new object.
pub(super) struct NewObject {
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) meta: Meta,
    pub(super) segments: Vec<Segment>,
}

/// Returns where the bytes of a received content are. If they are in a blob, the transaction keeps the blob when it
/// commits.
pub(super) fn keep(tx: &mut Tx<'_>, body: Body) -> Extent {
    match body {
        Body::Inline(bytes) => Extent::Inline(Bytes::from(bytes)),
        Body::Blob(blob) => {
            let id = blob.id().to_owned();
            tx.keep(blob);
            Extent::Blob(id)
        }
    }
}

/// Stores `new` under `key` in place of the present object, and adds the event if the bucket notifies.
///
/// Fails if the bucket does not exist or `conditions` do not hold.
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
    // The old content is removed after the new content is stored, because both share their files if an object is copied
    // onto itself.
    if let Some(current) = current {
        drop_content(tx, current.content)?;
    }
    if bucket.notifies {
        event::append(tx, bucket_name, name, &object, now)?;
    }
    Ok(object)
}

/// Deletes the object under `key`, and adds the event if the bucket notifies. Returns whether there was an object.
///
/// Fails if the bucket does not exist or `conditions` do not hold.
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
        event::append(tx, bucket_name, EventName::RemovedDelete, &object, now)?;
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
        let (blob, inline) = match &segment.extent {
            Extent::Blob(id) => (Some(id.as_str()), None),
            Extent::Inline(bytes) => (None, Some(bytes.as_ref())),
        };
        let size = segment.size as i64;
        insert.execute(params![content, segment.number, size, segment.checksums, blob, inline])?;
    }
    Ok(())
}

/// Returns the segments of a content in their order.
pub(super) fn segments(connection: &Connection, content: i64) -> Result<Vec<Segment>, StoreError> {
    let sql = "SELECT number, size, checksums, blob, inline FROM segments WHERE content = ?1 ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([content], |row| {
        let size: i64 = row.get(1)?;
        Ok(Segment {
            number: row.get(0)?,
            size: size as u64,
            checksums: row.get(2)?,
            extent: extent(row, 3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Reads the columns `blob` and `inline`, of which `column` is the first.
pub(super) fn extent(row: &Row<'_>, column: usize) -> rusqlite::Result<Extent> {
    Ok(match row.get::<_, Option<BlobId>>(column)? {
        Some(id) => Extent::Blob(id),
        None => Extent::Inline(row.get::<_, Option<Vec<u8>>>(column + 1)?.unwrap_or_default().into()),
    })
}

/// Reads a bucket. Fails if the bucket does not exist.
pub(super) fn bucket(connection: &Connection, name: &str) -> Result<Bucket, StoreError> {
    let sql = "SELECT name, created, notify FROM buckets WHERE name = ?1";
    let found = connection.prepare_cached(sql)?.query_row([name], bucket_row).optional()?;
    found.ok_or_else(|| StoreError::NoSuchBucket(name.to_owned()))
}

pub(super) fn bucket_row(row: &Row<'_>) -> rusqlite::Result<Bucket> {
    Ok(Bucket { name: row.get(0)?, created: time(row, 1)?, notifies: row.get(2)? })
}

/// Reads an object. Fails if the bucket or the object does not exist.
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

pub(super) fn find(connection: &Connection, bucket: &str, key: &str) -> Result<Option<S3Object>, StoreError> {
    let sql = "SELECT key, content, size, etag, modified, meta FROM objects WHERE bucket = ?1 AND key = ?2";
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![bucket, key.as_bytes()], |row| Ok((listed_object(row)?, row.get::<_, String>(5)?)))
        .optional()?;
    let Some((mut object, meta)) = found else { return Ok(None) };
    object.meta = serde_json::from_str(&meta)?;
    Ok(Some(object))
}

/// Reads the columns `key, content, size, etag, modified`, and leaves the metadata empty.
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

/// Reads a key from a column of bytes. Fails if the bytes are not UTF-8.
pub(super) fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    String::from_utf8(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
    })
}

/// Reads a time from a column of milliseconds since 1970.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Integer, Box::new(error))
    })
}

/// Returns the next number for a content or an event. The numbers never go down, even after a restart.
fn next_sequence(connection: &Connection) -> Result<i64, StoreError> {
    let sql = "UPDATE sequence SET value = value + 1 RETURNING value";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Returns the blobs that contents or the parts of uploads still use.
pub(super) fn living_blobs(connection: &Connection) -> Result<HashSet<BlobId>, StoreError> {
    let sql = "SELECT blob FROM segments WHERE blob IS NOT NULL UNION SELECT blob FROM parts WHERE blob IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
