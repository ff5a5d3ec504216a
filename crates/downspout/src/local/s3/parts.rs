//! The rows of open uploads and of their parts.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::content::Extent;
use super::error::StoreError;
use super::model::{Part, Upload};
use super::rows;
use super::writer::Tx;

/// A part with its content.
#[derive(Clone, Debug)]
pub(super) struct StoredPart {
    pub(super) part: Part,
    pub(super) extent: Extent,
}

/// Reads an open upload. Fails if there is none with this id for this key.
pub(super) fn upload(
    connection: &Connection,
    bucket: &str,
    key: &str,
    id: &str,
) -> Result<Upload, StoreError> {
    let sql = "SELECT id, key, initiated, meta FROM uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3";
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![id, bucket, key.as_bytes()], upload_row)
        .optional()?;
    found.ok_or_else(|| StoreError::NoSuchUpload(id.to_owned()))
}

/// Reads the columns `id, key, initiated, meta`.
pub(super) fn upload_row(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let meta = document(row, 3)?;
    Ok(Upload { id: row.get(0)?, key: rows::key(row, 1)?, initiated: rows::time(row, 2)?, meta })
}

fn document<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Returns the parts of an upload in the order of their numbers.
pub(super) fn stored_parts(connection: &Connection, id: &str) -> Result<Vec<StoredPart>, StoreError> {
    let sql = "SELECT number, size, etag, modified, checksums, blob, inline FROM parts WHERE upload = ?1 ORDER BY number";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([id], |row| {
        let size: i64 = row.get(1)?;
        let part = Part {
            number: row.get(0)?,
            size: size as u64,
            etag: row.get(2)?,
            modified: rows::time(row, 3)?,
            checksums: document(row, 4)?,
        };
        Ok(StoredPart { part, extent: rows::extent(row, 5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn insert_part(
    connection: &Connection,
    id: &str,
    part: &Part,
    extent: &Extent,
) -> Result<(), StoreError> {
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
pub(super) fn remove_parts(tx: &mut Tx<'_>, id: &str, number: Option<i32>) -> Result<(), StoreError> {
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

/// Aborts an upload: removes it with its parts.
pub(super) fn abort(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    remove_parts(tx, id, None)?;
    tx.connection.prepare_cached("DELETE FROM uploads WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Aborts all open uploads of a bucket.
pub(super) fn abort_all(tx: &mut Tx<'_>, bucket: &str) -> Result<(), StoreError> {
    let mut statement = tx.connection.prepare_cached("SELECT id FROM uploads WHERE bucket = ?1")?;
    let ids: Vec<String> = statement.query_map([bucket], |row| row.get(0))?.collect::<Result<_, _>>()?;
    ids.iter().try_for_each(|id| abort(tx, id))
}
