//! Notes which file versions a table holds, so that `append` loads none of them twice.
//!
//! A file that fills other columns, by another `insertQuery`, other `column`s or from another sheet, is another load: its
//! shape follows the version of the file in the notes.
//!
//! The notes are in `downspout.loaded_files`, a table that the ledger creates. They commit together with the rows.

use tokio_postgres::types::Type;

use super::table::Table;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::ledger::WorkKey;
use crate::storage::ObjectRef;

/// The text between the ETag and the checksum of the shape.
const SHAPE: &str = " shape ";

/// Notes that the table holds this version of a file in this shape (see [`shape`]). Returns false if that was noted before.
///
/// # Errors
///
/// If the database refuses the statement, or the connection breaks.
pub async fn note(
    tx: &Transaction,
    key: &WorkKey,
    table: &Table,
    object: &ObjectRef,
    shape: &str,
) -> Result<bool, Failure> {
    let insert = "INSERT INTO downspout.loaded_files AS f \
                  (table_oid, table_name, bucket, key, etag, pipeline_id, instance_id) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING 1";
    let (name, etag) = (table.to_string(), object.etag.clone().unwrap_or_default());
    let version = format!("{}{shape}", etag.trim_matches('"'));
    let inserted = tx
        .query(
            "writing downspout.loaded_files",
            insert,
            &[
                (&table.oid, Type::INT8),
                (&name, Type::TEXT),
                (&object.at.bucket, Type::TEXT),
                (&object.at.key, Type::TEXT),
                (&version, Type::TEXT),
                (&key.pipeline, Type::TEXT),
                (&key.instance, Type::TEXT),
            ],
        )
        .await?;
    Ok(!inserted.is_empty())
}

/// Returns a short text that is equal for loads that make the same rows of a file: with the same `insert`, where blanks do not
/// count, the same `declared` columns, and the same `sheet` of a workbook. It is empty for a load without any of them.
///
/// All shapes of one version of a file in one table stand side by side, so a checksum tells them apart.
#[must_use]
pub fn shape(insert: Option<&str>, declared: &[String], sheet: Option<&str>) -> String {
    if insert.is_none() && declared.is_empty() && sheet.is_none() {
        return String::new();
    }
    let insert = insert.map(|insert| insert.split_whitespace().collect::<Vec<_>>().join(" "));
    let declared: Vec<&str> = declared.iter().map(|name| name.trim()).collect();
    let text = format!("{insert:?} {declared:?} {sheet:?}");
    let mut sum = flate2::Crc::new();
    sum.update(text.as_bytes());
    format!("{SHAPE}{:08x}-{}", sum.sum(), text.len())
}

/// Returns the ETag, without quotes, of a version that [`note`] has written.
#[must_use]
pub fn etag_of(version: &str) -> &str {
    version.rsplit_once(SHAPE).map_or(version, |(etag, _)| etag)
}

/// Forgets the files of a table, because a load replaces its rows or because somebody emptied it.
///
/// # Errors
///
/// If the database refuses the statement, or the connection breaks.
pub async fn forget(tx: &Transaction, table: &Table) -> Result<(), Failure> {
    let delete = "DELETE FROM downspout.loaded_files WHERE table_oid = $1";
    tx.query("writing downspout.loaded_files", delete, &[(&table.oid, Type::INT8)]).await?;
    Ok(())
}
