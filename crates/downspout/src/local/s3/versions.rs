//! The versions of objects: which version is the newest one, and the effect of a write or a delete on the others.
//!
//! The table `objects` has the newest version of each key, unless it is a delete marker. The table `versions` has the delete
//! markers and all older versions. In a bucket that never kept versions, `versions` stays empty.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;
use super::event::EventName;
use super::model::{Address, Bucket, Deleted, Meta, NULL_VERSION, S3Object, Versioning};
use super::rows;
use super::writer::Tx;

/// A version of an object.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Object(Box<S3Object>),
    /// A delete marker.
    Marker {
        version: String,
        modified: Timestamp,
    },
}

impl Found {
    /// Returns the object, or `None` for a delete marker.
    pub(super) fn object(self) -> Option<S3Object> {
        match self {
            Self::Object(object) => Some(*object),
            Self::Marker { .. } => None,
        }
    }
}

/// The changes of a delete.
pub(super) struct Change {
    pub(super) deleted: Deleted,
    /// The contents that no version uses any more.
    pub(super) dropped: Vec<i64>,
    /// The event of the delete, and the object that it names.
    pub(super) event: Option<(EventName, S3Object)>,
}

const COLUMNS: &str = "key, content, size, etag, modified, version, \
                       (SELECT versioning IS NOT NULL FROM buckets WHERE name = ?1), meta";

/// Reads a version, newest or not. Returns `None` if there is none with this id.
pub(super) fn find_version(
    connection: &Connection,
    address: &Address,
    version: &str,
) -> Result<Option<Found>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, 0 FROM objects WHERE bucket = ?1 AND key = ?2 AND version = ?3 UNION ALL \
         SELECT {COLUMNS}, marker FROM versions WHERE bucket = ?1 AND key = ?2 AND version = ?3"
    );
    let values = params![address.bucket, address.key.as_bytes(), version];
    let found = connection.prepare_cached(&sql)?.query_row(values, found_row).optional()?;
    found.map(read_meta).transpose()
}

/// Reads the newest entry of `versions` for a key: a delete marker, or a version that is no longer current. Returns `None` if
/// there is none.
pub(super) fn newest(connection: &Connection, bucket: &str, key: &str) -> Result<Option<Found>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, marker FROM versions WHERE bucket = ?1 AND key = ?2 ORDER BY content DESC LIMIT 1"
    );
    let found = connection.prepare_cached(&sql)?.query_row(params![bucket, key.as_bytes()], found_row);
    found.optional()?.map(read_meta).transpose()
}

fn found_row(row: &Row<'_>) -> rusqlite::Result<(S3Object, String, bool)> {
    Ok((rows::listed_object(row)?, row.get(7)?, row.get(8)?))
}

fn read_meta((mut object, meta, is_marker): (S3Object, String, bool)) -> Result<Found, StoreError> {
    if is_marker {
        return Ok(Found::Marker { version: object.version, modified: object.modified });
    }
    object.meta = serde_json::from_str(&meta)?;
    Ok(Found::Object(Box::new(object)))
}

/// Returns the id for a new version with the number `content`.
///
/// An id begins with its number, so a listing can continue after a version that was deleted in the meantime.
pub(super) fn new_version(bucket: &Bucket, content: i64) -> String {
    match bucket.versioning {
        Versioning::Never | Versioning::Suspended => NULL_VERSION.to_owned(),
        Versioning::Enabled => position_of(content),
    }
}

/// Returns a text that stands for the place of the version with the number `content` among the versions of its key.
pub(super) fn position_of(content: i64) -> String {
    format!("{content:032x}")
}

/// Returns the number of the version that [`position_of`] made the text of, or `None` for any other text.
pub(super) fn content_at(position: &str) -> Option<i64> {
    i64::from_str_radix(position, 16).ok().filter(|_| position.len() == 32)
}

/// Makes room for a new version of `key`, whose present newest version is `current`: keeps `current` as an older version, or
/// gives it up. Returns the contents that no version uses any more once the new version is stored.
pub(super) fn make_room(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    key: &str,
    current: Option<S3Object>,
) -> Result<Vec<i64>, StoreError> {
    if bucket.versioning == Versioning::Never {
        return Ok(current.into_iter().map(|object| object.content).collect());
    }
    let mut dropped = Vec::new();
    if bucket.versioning == Versioning::Suspended {
        // The new version has the id `null`, so an older version with this id goes.
        dropped.extend(
            delete_row(tx.connection, &bucket.name, key, NULL_VERSION)?
                .filter(|row| !row.is_marker)
                .map(|row| row.content),
        );
    }
    match current {
        Some(object) if bucket.versioning == Versioning::Suspended && object.version == NULL_VERSION => {
            dropped.push(object.content);
        }
        Some(_) => {
            let sql = "INSERT INTO versions (bucket, key, content, version, marker, size, etag, modified, meta) \
                       SELECT bucket, key, content, version, 0, size, etag, modified, meta FROM objects \
                       WHERE bucket = ?1 AND key = ?2";
            tx.connection.prepare_cached(sql)?.execute(params![bucket.name, key.as_bytes()])?;
        }
        None => {}
    }
    Ok(dropped)
}

/// Puts a delete marker with the number `content` over `current`, the present newest version of `key`.
pub(super) fn put_marker(
    tx: &mut Tx<'_>,
    bucket: &Bucket,
    key: &str,
    current: Option<S3Object>,
    content: i64,
    now: Timestamp,
) -> Result<Change, StoreError> {
    let dropped = make_room(tx, bucket, key, current)?;
    delete_current(tx.connection, &bucket.name, key)?;
    let version = new_version(bucket, content);
    let sql = "INSERT INTO versions (bucket, key, content, version, marker, size, etag, modified, meta) \
               VALUES (?1, ?2, ?3, ?4, 1, 0, '', ?5, '{}')";
    let values = params![bucket.name, key.as_bytes(), content, version, now.as_millisecond()];
    tx.connection.prepare_cached(sql)?.execute(values)?;
    let object = S3Object {
        key: key.to_owned(),
        content,
        size: 0,
        etag: String::new(),
        modified: now,
        version: version.clone(),
        is_versioned: true,
        meta: Meta::default(),
    };
    let deleted = Deleted { is_marker: true, version: Some(version) };
    Ok(Change { deleted, dropped, event: Some((EventName::RemovedDeleteMarkerCreated, object)) })
}

/// Removes `current`, the only version of its key in a bucket that never kept versions.
pub(super) fn remove_current(
    tx: &mut Tx<'_>,
    address: &Address,
    current: Option<S3Object>,
) -> Result<Change, StoreError> {
    if current.is_some() {
        delete_current(tx.connection, &address.bucket, &address.key)?;
    }
    let dropped = current.iter().map(|object| object.content).collect();
    let event = current.map(|object| (EventName::RemovedDelete, object));
    Ok(Change { deleted: Deleted::default(), dropped, event })
}

/// Removes the version `version` for ever. If it was the newest one, the version before it becomes the newest. A version that
/// does not exist is not an error, as in S3.
pub(super) fn remove_version(
    tx: &mut Tx<'_>,
    address: &Address,
    version: &str,
) -> Result<Change, StoreError> {
    let Address { bucket, key, .. } = address;
    let mut change = Change {
        deleted: Deleted { is_marker: false, version: Some(version.to_owned()) },
        dropped: Vec::new(),
        event: None,
    };
    let Some(found) = find_version(tx.connection, address, version)? else { return Ok(change) };
    let sql = "DELETE FROM objects WHERE bucket = ?1 AND key = ?2 AND version = ?3";
    let was_current =
        tx.connection.prepare_cached(sql)?.execute(params![bucket, key.as_bytes(), version])? > 0;
    if !was_current {
        delete_row(tx.connection, bucket, key, version)?;
    }
    promote(tx.connection, bucket, key)?;
    let object = match found {
        Found::Object(object) => {
            change.dropped.push(object.content);
            *object
        }
        Found::Marker { version, modified } => {
            change.deleted.is_marker = true;
            S3Object {
                key: key.clone(),
                content: 0,
                size: 0,
                etag: String::new(),
                modified,
                version,
                is_versioned: true,
                meta: Meta::default(),
            }
        }
    };
    change.event = Some((EventName::RemovedDelete, object));
    Ok(change)
}

/// Moves the newest version of a key to `objects`, if `objects` has none and the version is not a delete marker.
fn promote(connection: &Connection, bucket: &str, key: &str) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO objects (bucket, key, content, size, etag, modified, meta, version) \
               SELECT bucket, key, content, size, etag, modified, meta, version FROM \
               (SELECT * FROM versions WHERE bucket = ?1 AND key = ?2 ORDER BY content DESC LIMIT 1) WHERE marker = 0";
    connection.prepare_cached(sql)?.execute(params![bucket, key.as_bytes()])?;
    let sql = "DELETE FROM versions WHERE bucket = ?1 AND key = ?2 \
               AND content = (SELECT content FROM objects WHERE bucket = ?1 AND key = ?2)";
    connection.prepare_cached(sql)?.execute(params![bucket, key.as_bytes()])?;
    Ok(())
}

fn delete_current(connection: &Connection, bucket: &str, key: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM objects WHERE bucket = ?1 AND key = ?2";
    connection.prepare_cached(sql)?.execute(params![bucket, key.as_bytes()])?;
    Ok(())
}

/// A row that was removed from `versions`.
struct Removed {
    content: i64,
    is_marker: bool,
}

fn delete_row(
    connection: &Connection,
    bucket: &str,
    key: &str,
    version: &str,
) -> Result<Option<Removed>, StoreError> {
    let sql =
        "DELETE FROM versions WHERE bucket = ?1 AND key = ?2 AND version = ?3 RETURNING content, marker";
    let removed = connection
        .prepare_cached(sql)?
        .query_row(params![bucket, key.as_bytes(), version], |row| {
            Ok(Removed { content: row.get(0)?, is_marker: row.get(1)? })
        })
        .optional()?;
    Ok(removed)
}
