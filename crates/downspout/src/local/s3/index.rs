//! The rows of the index: reads and writes objects, contents and buckets within a transaction.

use std::collections::HashSet;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::blobs::BlobId;
use super::content::{Extent, Segment};
use super::error::StoreError;
use super::event::{self, EventName};
use super::model::{Address, Bucket, Conditions, Deleted, Meta, S3Object, Versioning};
use super::receiving::Body;
use super::rows;
use super::versions::{self, Change, Found};
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

/// Stores `new` under `key` in place of the present object, and adds the event if the bucket notifies. A bucket that keeps
/// versions keeps the present object as an older version.
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
    let replaced = versions::make_room(tx, &bucket, &key, current)?;
    let version = versions::new_version(&bucket, content);
    let NewObject { size, etag, meta, .. } = new;
    let is_versioned = bucket.versioning != Versioning::Never;
    let object = S3Object { key, content, size, etag, modified: now, version, is_versioned, meta };
    let sql = "INSERT OR REPLACE INTO objects (bucket, key, content, size, etag, modified, meta, version) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    tx.connection.prepare_cached(sql)?.execute(params![
        bucket_name,
        object.key.as_bytes(),
        content,
        size as i64,
        object.etag,
        now.as_millisecond(),
        serde_json::to_string(&object.meta)?,
        object.version,
    ])?;
    // The old content is removed after the new content is stored, because both share their files if an object is copied
    // onto itself.
    for content in replaced {
        drop_content(tx, content)?;
    }
    if bucket.notifies {
        event::append(tx, bucket_name, name, &object, now)?;
    }
    Ok(object)
}

/// Deletes an object, and adds the event if the bucket notifies. Without a version in the address, a bucket that keeps versions
/// gets a delete marker instead.
///
/// Fails if the bucket does not exist or `conditions` do not hold.
pub(super) fn delete_object(
    tx: &mut Tx<'_>,
    address: &Address,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<Deleted, StoreError> {
    let bucket = bucket(tx.connection, &address.bucket)?;
    let current = match &address.version {
        None => find(tx.connection, &bucket.name, &address.key)?,
        Some(version) => versions::find_version(tx.connection, address, version)?.and_then(Found::object),
    };
    conditions.check_write(&address.key, current.as_ref())?;
    let change = take_out(tx, &bucket, address, current, now)?;
    if let Some((name, mut object)) = change.event.filter(|_| bucket.notifies) {
        object.content = next_sequence(tx.connection)?;
        event::append(tx, &bucket.name, name, &object, now)?;
    }
    Ok(change.deleted)
}

/// Deletes an object, or puts a delete marker over it, without an event: the rule of a lifecycle has events of its own, which the
/// configuration of the stack leaves out.
pub(super) fn expire_object(tx: &mut Tx<'_>, address: &Address, now: Timestamp) -> Result<(), StoreError> {
    let bucket = bucket(tx.connection, &address.bucket)?;
    let current = find(tx.connection, &address.bucket, &address.key)?;
    take_out(tx, &bucket, address, current, now).map(drop)
}

/// Removes the version that `address` names, or takes `current`, the newest version, out of sight.
fn take_out(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    address: &Address,
    current: Option<S3Object>,
    now: Timestamp,
) -> Result<Change, StoreError> {
    let change = match (&address.version, bucket.versioning) {
        (Some(version), _) => versions::remove_version(tx, address, version)?,
        (None, Versioning::Never) => versions::remove_current(tx, address, current)?,
        (None, Versioning::Enabled | Versioning::Suspended) => {
            let content = next_sequence(tx.connection)?;
            versions::put_marker(tx, bucket, &address.key, current, content, now)?
        }
    };
    for content in &change.dropped {
        drop_content(tx, *content)?;
    }
    Ok(change)
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
            extent: rows::extent(row, 3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Reads a bucket. Fails if the bucket does not exist.
pub(super) fn bucket(connection: &Connection, name: &str) -> Result<Bucket, StoreError> {
    let sql = "SELECT name, created, notify, versioning FROM buckets WHERE name = ?1";
    let found = connection.prepare_cached(sql)?.query_row([name], bucket_row).optional()?;
    found.ok_or_else(|| StoreError::NoSuchBucket(name.to_owned()))
}

pub(super) fn bucket_row(row: &Row<'_>) -> rusqlite::Result<Bucket> {
    let versioning = Versioning::of_status(row.get::<_, Option<String>>(3)?.as_deref());
    Ok(Bucket { name: row.get(0)?, created: rows::time(row, 1)?, notifies: row.get(2)?, versioning })
}

/// Reads the version of an object that `address` names. Fails if the bucket or the version does not exist, or if the version is a
/// delete marker.
pub(super) fn existing(connection: &Connection, address: &Address) -> Result<S3Object, StoreError> {
    let found = match &address.version {
        None => match find(connection, &address.bucket, &address.key)? {
            Some(object) => return Ok(object),
            None => versions::newest(connection, &address.bucket, &address.key)?,
        },
        Some(version) => versions::find_version(connection, address, version)?,
    };
    match (found, &address.version) {
        (Some(Found::Object(object)), Some(_)) => Ok(*object),
        (Some(Found::Marker { version, .. }), None) => {
            Err(StoreError::Deleted { key: address.key.clone(), version })
        }
        (Some(Found::Marker { version, modified }), Some(_)) => {
            Err(StoreError::IsDeleteMarker { version, modified })
        }
        (None, Some(version)) => {
            bucket(connection, &address.bucket)?;
            Err(StoreError::NoSuchVersion { key: address.key.clone(), version: version.clone() })
        }
        (Some(Found::Object(_)) | None, None) => {
            bucket(connection, &address.bucket)?;
            Err(StoreError::NoSuchKey(address.key.clone()))
        }
    }
}

/// Reads the newest version of an object, or `None` if there is none or if it is a delete marker.
pub(super) fn find(connection: &Connection, bucket: &str, key: &str) -> Result<Option<S3Object>, StoreError> {
    let sql = "SELECT key, content, size, etag, modified, version, \
               (SELECT versioning IS NOT NULL FROM buckets WHERE name = ?1), meta \
               FROM objects WHERE bucket = ?1 AND key = ?2";
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![bucket, key.as_bytes()], |row| {
            Ok((rows::listed_object(row)?, row.get::<_, String>(7)?))
        })
        .optional()?;
    let Some((mut object, meta)) = found else { return Ok(None) };
    object.meta = serde_json::from_str(&meta)?;
    Ok(Some(object))
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
