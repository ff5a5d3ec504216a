//! Multipart uploads. Each part is a content of its own; completing an upload joins the parts in order, without copying
//! bytes.

use jiff::{SignedDuration, Timestamp};
use md5::{Digest, Md5};
use rusqlite::{OptionalExtension, params};

use super::content::{Content, Extent, Segment};
use super::error::StoreError;
use super::event::EventName;
use super::index::{self, NewObject};
use super::model::{Checksums, Completed, Conditions, Meta, Part, Upload};
use super::parts::{self, StoredPart, insert_part, remove_parts, stored_parts, upload};
use super::receiving::Received;
use super::store::S3Store;
use super::writer::Tx;

/// The smallest size that S3 accepts for every part but the last, in bytes.
const LEAST_PART: u64 = 5 << 20;

/// How long the answer to a completed upload is kept. A client that got no answer asks again much sooner.
const ANSWERS_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// A part as the completing request names it.
#[derive(Clone, Debug)]
pub(super) struct NamedPart {
    pub(super) number: i32,
    pub(super) etag: String,
    pub(super) checksums: Checksums,
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

    /// Aborts an upload, and removes its parts.
    pub(super) async fn abort(&self, bucket: &str, key: &str, id: &str) -> Result<(), StoreError> {
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        self.writer()
            .write(move |tx| {
                upload(tx.connection, &bucket, &key, &id)?;
                parts::abort(tx, &id)
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
    ) -> Result<Completed, StoreError> {
        let (bucket, key, id, now) = (bucket.to_owned(), key.to_owned(), id.to_owned(), self.now());
        self.writer()
            .write(move |tx| complete(tx, &bucket, key, &id, &named, checksums, &conditions, now))
            .await
    }

    /// Returns the outcome of an upload that the same request completed before, or `None`.
    pub(super) async fn completed(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        named: &[NamedPart],
    ) -> Result<Option<Completed>, StoreError> {
        let (bucket, key, id, named) =
            (bucket.to_owned(), key.to_owned(), id.to_owned(), fingerprint(named)?);
        self.read(move |connection| {
            let sql = "SELECT object FROM completed_uploads \
                       WHERE id = ?1 AND bucket = ?2 AND key = ?3 AND parts = ?4";
            let values = params![id, bucket, key.as_bytes(), named];
            let found = connection.prepare_cached(sql)?.query_row(values, |row| row.get::<_, String>(0));
            Ok(found.optional()?.map(|object| serde_json::from_str(&object)).transpose()?)
        })
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
) -> Result<Completed, StoreError> {
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
    parts::abort(tx, id)?;
    let version = object.named_version();
    let completed = Completed { etag: object.etag, version, checksums: object.meta.checksums };
    let sql = "DELETE FROM completed_uploads WHERE completed < ?1";
    tx.connection.prepare_cached(sql)?.execute([(now - ANSWERS_KEPT).as_millisecond()])?;
    let sql = "INSERT INTO completed_uploads (id, bucket, key, completed, parts, object) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let answer = serde_json::to_string(&completed)?;
    let values =
        params![id, bucket, object.key.as_bytes(), now.as_millisecond(), fingerprint(named)?, answer];
    tx.connection.prepare_cached(sql)?.execute(values)?;
    Ok(completed)
}

/// Returns a text that is the same for two requests with the same parts.
fn fingerprint(named: &[NamedPart]) -> Result<String, StoreError> {
    let parts: Vec<_> = named.iter().map(|part| (part.number, &part.etag)).collect();
    Ok(serde_json::to_string(&parts)?)
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
