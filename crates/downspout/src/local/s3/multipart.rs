//! Multipart uploads. Each part is a content of its own; completing an upload joins the parts in order, without copying
//! bytes.

use jiff::Timestamp;
use md5::{Digest, Md5};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::content::{Content, Extent, Segment};
use super::error::StoreError;
use super::event::EventName;
use super::index::{self, NewObject};
use super::model::{Checksums, Conditions, Meta, Part, S3Object, Upload};
use super::receiving::Received;
use super::store::S3Store;
use super::writer::Tx;

/// The smallest size that S3 accepts for every part but the last, in bytes.
const LEAST_PART: u64 = 5 << 20;

/// A part as the completing request names it.
#[derive(Clone, Debug)]
pub(super) struct NamedPart {
    pub(super) number: i32,
    pub(super) etag: String,
    pub(super) checksums: Checksums,
}

/// A part with its content.
#[derive(Clone, Debug)]
pub(super) struct StoredPart {
    pub(super) part: Part,
    pub(super) extent: Extent,
}

impl S3Store {
    pub(super) async fn create_upload(
        &self,
        bucket: &str,
        key: &str,
        meta: Meta,
    ) -> Result<String, StoreError> {
        let (bucket, key, now) = (bucket.to_owned(), key.to_owned(), self.now());
        self.writer()
            .write(move |tx| {
                index::bucket(tx.connection, &bucket)?;
                let id = uuid::Uuid::new_v4().simple().to_string();
                let sql =
                    "INSERT INTO uploads (id, bucket, key, initiated, meta) VALUES (?1, ?2, ?3, ?4, ?5)";
                let meta = serde_json::to_string(&meta)?;
                let initiated = now.as_millisecond();
                tx.connection.execute(sql, params![id, bucket, key.as_bytes(), initiated, meta])?;
                Ok(id)
            })
            .await
    }

    pub(super) async fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, StoreError> {
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        self.read(move |connection| upload(connection, &bucket, &key, &id)).await
    }

    /// Stores a part, in place of an earlier part with the same number.
    pub(super) async fn put_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: i32,
        received: Received,
    ) -> Result<Part, StoreError> {
        let (bucket, key, id, now) = (bucket.to_owned(), key.to_owned(), id.to_owned(), self.now());
        self.writer()
            .write(move |tx| {
                upload(tx.connection, &bucket, &key, &id)?;
                remove_parts(tx, &id, Some(number))?;
                let Received { body, size, md5, checksums } = received;
                let extent = index::keep(tx, body);
                let part =
                    Part { number, size, etag: hex::encode(md5), modified: now, checksums: checksums.into() };
                insert_part(tx.connection, &id, &part, &extent)?;
                Ok(part)
            })
            .await
    }

    /// Returns the upload and its parts with numbers above `after`, at most `limit` parts.
    pub(super) async fn parts(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        after: i32,
        limit: usize,
    ) -> Result<(Upload, Vec<Part>), StoreError> {
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        self.read(move |connection| {
            let upload = upload(connection, &bucket, &key, &id)?;
            let found = stored_parts(connection, &id)?.into_iter().map(|stored| stored.part);
            Ok((upload, found.filter(|part| part.number > after).take(limit).collect()))
        })
        .await
    }

    /// Returns the open uploads whose keys begin with `prefix`, in the order of (key, id) and after the given pair.
    pub(super) async fn uploads(
        &self,
        bucket: &str,
        prefix: &str,
        after: (String, String),
    ) -> Result<Vec<Upload>, StoreError> {
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        self.read(move |connection| {
            index::bucket(connection, &bucket)?;
            let sql = "SELECT id, key, initiated, meta FROM uploads \
                       WHERE bucket = ?1 AND (key, id) > (?2, ?3) AND key >= ?4 ORDER BY key, id";
            let mut statement = connection.prepare_cached(sql)?;
            let bounds = params![bucket, after.0.as_bytes(), after.1, prefix.as_bytes()];
            let mut rows = statement.query(bounds)?;
            let mut uploads = Vec::new();
            while let Some(row) = rows.next()? {
                let upload = upload_row(row)?;
                if !upload.key.starts_with(&prefix) {
                    break;
                }
                uploads.push(upload);
            }
            Ok(uploads)
        })
        .await
    }

    /// Aborts an upload, and removes its parts.
    pub(super) async fn abort(&self, bucket: &str, key: &str, id: &str) -> Result<(), StoreError> {
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        self.writer()
            .write(move |tx| {
                upload(tx.connection, &bucket, &key, &id)?;
                remove_parts(tx, &id, None)?;
                tx.connection.execute("DELETE FROM uploads WHERE id = ?1", [&id])?;
                Ok(())
            })
            .await
    }

    /// Returns the content that the parts `named` would form, so that checksums over all of it can be computed.
    pub(super) async fn assembled(&self, id: &str, named: Vec<NamedPart>) -> Result<Content, StoreError> {
        let id = id.to_owned();
        let blobs = std::sync::Arc::clone(self.blobs());
        self.read(move |connection| {
            let chosen = choose(stored_parts(connection, &id)?, &named)?;
            let files = chosen.iter().filter_map(|stored| match &stored.extent {
                Extent::Blob(id) => Some(id.clone()),
                Extent::Inline(_) => None,
            });
            let pin = blobs.pin(files.collect());
            let segments = chosen.into_iter().map(|stored| segment(&stored)).collect::<Result<_, _>>()?;
            Ok(Content { segments, pin })
        })
        .await
    }

    /// Creates the object from the parts `named`, if `conditions` are fulfilled at that moment.
    pub(super) async fn complete(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        named: Vec<NamedPart>,
        checksums: Checksums,
        conditions: Conditions,
    ) -> Result<S3Object, StoreError> {
        let (bucket, key, id, now) = (bucket.to_owned(), key.to_owned(), id.to_owned(), self.now());
        self.writer()
            .write(move |tx| complete(tx, &bucket, key, &id, &named, checksums, &conditions, now))
            .await
    }
}

#[expect(clippy::too_many_arguments, reason = "one request's fields, handed on once")]
fn complete(
    tx: &mut Tx<'_>,
    bucket: &str,
    key: String,
    id: &str,
    named: &[NamedPart],
    checksums: Checksums,
    conditions: &Conditions,
    now: Timestamp,
) -> Result<S3Object, StoreError> {
    let upload = upload(tx.connection, bucket, &key, id)?;
    let chosen = choose(stored_parts(tx.connection, id)?, named)?;
    let new = NewObject {
        size: chosen.iter().map(|stored| stored.part.size).sum(),
        etag: multipart_etag(&chosen),
        meta: Meta { checksums, algorithm: None, ..upload.meta },
        segments: chosen.iter().map(segment).collect::<Result<_, _>>()?,
    };
    let name = EventName::CreatedCompleteMultipartUpload;
    let object = index::store_object(tx, bucket, key, new, conditions, name, now)?;
    // The files of the named parts belong to the object now, so only the files of the other parts are removed.
    remove_parts(tx, id, None)?;
    tx.connection.execute("DELETE FROM uploads WHERE id = ?1", [id])?;
    Ok(object)
}

/// Returns the stored parts that the request names.
fn choose(stored: Vec<StoredPart>, named: &[NamedPart]) -> Result<Vec<StoredPart>, StoreError> {
    if named.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(StoreError::InvalidPartOrder);
    }
    let mut stored = stored.into_iter();
    let mut chosen = Vec::with_capacity(named.len());
    for wanted in named {
        // Both lists are in ascending order.
        let found = stored.find(|stored| stored.part.number >= wanted.number);
        let found = found.filter(|stored| stored.part.number == wanted.number && fits(&stored.part, wanted));
        chosen.push(found.ok_or(StoreError::InvalidPart(wanted.number))?);
    }
    let mut all_but_last = chosen.iter().rev().skip(1);
    match all_but_last.find(|stored| stored.part.size < LEAST_PART) {
        Some(StoredPart { part, .. }) => {
            Err(StoreError::EntityTooSmall { number: part.number, size: part.size, least: LEAST_PART })
        }
        None => Ok(chosen),
    }
}

fn fits(part: &Part, wanted: &NamedPart) -> bool {
    let (has, wants) = (&part.checksums, &wanted.checksums);
    let agrees =
        |has: &Option<String>, wants: &Option<String>| wants.is_none() || has.is_none() || has == wants;
    part.etag == wanted.etag
        && agrees(&has.crc32, &wants.crc32)
        && agrees(&has.crc32c, &wants.crc32c)
        && agrees(&has.crc64nvme, &wants.crc64nvme)
        && agrees(&has.sha1, &wants.sha1)
        && agrees(&has.sha256, &wants.sha256)
}

/// Returns the ETag of an object from parts: the MD5 of the parts' MD5s, and the number of parts.
fn multipart_etag(parts: &[StoredPart]) -> String {
    let mut all = Md5::new();
    for stored in parts {
        all.update(hex::decode(&stored.part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(all.finalize()), parts.len())
}

fn segment(stored: &StoredPart) -> Result<Segment, StoreError> {
    Ok(Segment {
        number: stored.part.number,
        size: stored.part.size,
        checksums: serde_json::to_string(&stored.part.checksums)?,
        extent: stored.extent.clone(),
    })
}

fn upload(connection: &Connection, bucket: &str, key: &str, id: &str) -> Result<Upload, StoreError> {
    let sql = "SELECT id, key, initiated, meta FROM uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3";
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![id, bucket, key.as_bytes()], upload_row)
        .optional()?;
    found.ok_or_else(|| StoreError::NoSuchUpload(id.to_owned()))
}

fn upload_row(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let meta = document(row, 3)?;
    Ok(Upload { id: row.get(0)?, key: index::key(row, 1)?, initiated: index::time(row, 2)?, meta })
}

fn document<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn stored_parts(connection: &Connection, id: &str) -> Result<Vec<StoredPart>, StoreError> {
    let sql = "SELECT number, size, etag, modified, checksums, blob, inline FROM parts WHERE upload = ?1 ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| {
        let size: i64 = row.get(1)?;
        let part = Part {
            number: row.get(0)?,
            size: size as u64,
            etag: row.get(2)?,
            modified: index::time(row, 3)?,
            checksums: document(row, 4)?,
        };
        Ok(StoredPart { part, extent: index::extent(row, 5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn insert_part(connection: &Connection, id: &str, part: &Part, extent: &Extent) -> Result<(), StoreError> {
    let (blob, inline) = match extent {
        Extent::Blob(id) => (Some(id.as_str()), None),
        Extent::Inline(bytes) => (None, Some(bytes.as_ref())),
    };
    let sql = "INSERT INTO parts (upload, number, size, etag, modified, checksums, blob, inline) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let checksums = serde_json::to_string(&part.checksums)?;
    let (size, modified) = (part.size as i64, part.modified.as_millisecond());
    let values = params![id, part.number, size, part.etag, modified, checksums, blob, inline];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Removes one part of an upload, or all parts, with the files that no object uses.
fn remove_parts(tx: &mut Tx<'_>, id: &str, number: Option<i32>) -> Result<(), StoreError> {
    let sql = "DELETE FROM parts WHERE upload = ?1 AND (?2 IS NULL OR number = ?2) RETURNING blob";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let files = statement.query_map(params![id, number], |row| row.get::<_, Option<String>>(0))?;
    let files: Vec<_> = files.collect::<Result<_, _>>()?;
    let mut is_taken =
        tx.connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM segments WHERE blob = ?1)")?;
    for file in files.into_iter().flatten() {
        if !is_taken.query_row([&file], |row| row.get(0))? {
            tx.bury(file);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(number: i32, size: u64, etag: &str) -> StoredPart {
        let (modified, checksums) = (Timestamp::UNIX_EPOCH, Checksums::default());
        let part = Part { number, size, etag: etag.to_owned(), modified, checksums };
        StoredPart { part, extent: Extent::Inline(bytes::Bytes::new()) }
    }

    fn named(number: i32, etag: &str) -> NamedPart {
        NamedPart { number, etag: etag.to_owned(), checksums: Checksums::default() }
    }

    #[test]
    fn only_the_last_part_may_be_small() {
        let parts = vec![stored(1, LEAST_PART, "a"), stored(2, 1, "b"), stored(3, 1, "c")];
        assert!(choose(parts.clone(), &[named(1, "a"), named(2, "b")]).is_ok());
        let refused = choose(parts, &[named(1, "a"), named(2, "b"), named(3, "c")]);
        assert!(matches!(refused, Err(StoreError::EntityTooSmall { number: 2, .. })));
    }

    #[test]
    fn a_part_needs_its_etag_and_its_place() {
        let parts = vec![stored(1, LEAST_PART, "a"), stored(3, 1, "c")];
        assert!(matches!(choose(parts.clone(), &[named(1, "x")]), Err(StoreError::InvalidPart(1))));
        assert!(matches!(choose(parts.clone(), &[named(2, "c")]), Err(StoreError::InvalidPart(2))));
        let backwards = choose(parts, &[named(3, "c"), named(1, "a")]);
        assert!(matches!(backwards, Err(StoreError::InvalidPartOrder)));
    }

    #[test]
    fn the_etag_is_the_md5_of_md5s_and_their_number() {
        // Two parts without bytes.
        let part = stored(1, 0, "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(multipart_etag(&[part.clone(), part]), "5873dd45edd01f09c1ef2e7819369e8e-2");
    }
}
