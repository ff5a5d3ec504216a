//! Reads the columns that several tables of the index have in common.

use jiff::Timestamp;
use rusqlite::Row;

use super::blobs::BlobId;
use super::content::Extent;
use super::model::{Meta, S3Object};

/// Reads the columns `blob` and `inline`. `column` is the index of the first of them.
pub(super) fn extent(row: &Row<'_>, column: usize) -> rusqlite::Result<Extent> {
    Ok(match row.get::<_, Option<BlobId>>(column)? {
        Some(id) => Extent::Blob(id),
        None => Extent::Inline(row.get::<_, Option<Vec<u8>>>(column + 1)?.unwrap_or_default().into()),
    })
}

/// Reads the columns `key, content, size, etag, modified, version` and whether the bucket keeps versions, and leaves the metadata
/// empty.
pub(super) fn listed_object(row: &Row<'_>) -> rusqlite::Result<S3Object> {
    let size: i64 = row.get(2)?;
    Ok(S3Object {
        key: key(row, 0)?,
        content: row.get(1)?,
        size: size as u64,
        etag: row.get(3)?,
        modified: time(row, 4)?,
        version: row.get(5)?,
        is_versioned: row.get::<_, Option<bool>>(6)?.unwrap_or_default(),
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
