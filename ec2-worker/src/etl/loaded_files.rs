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
    let (name, version) = (table.to_string(), version(object, shape));
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

/// Returns whether the table holds another version of a file in this shape.
///
/// # Errors
///
/// If the database refuses the query, or the connection breaks.
pub async fn has_other(
    tx: &Transaction,
    table: &Table,
    object: &ObjectRef,
    shape: &str,
) -> Result<bool, Failure> {
    let sql = "SELECT etag FROM downspout.loaded_files WHERE table_oid = $1 AND bucket = $2 AND key = $3";
    let values = [
        (&table.oid as &(dyn tokio_postgres::types::ToSql + Sync), Type::INT8),
        (&object.at.bucket, Type::TEXT),
        (&object.at.key, Type::TEXT),
    ];
    let found = tx.query("reading downspout.loaded_files", sql, &values).await?;
    let etag = object.etag.clone().unwrap_or_default();
    let is_other = |version: &str| {
        let known = etag_of(version);
        known != etag.trim_matches('"') && version[known.len()..] == *shape
    };
    Ok(found.iter().any(|row| is_other(row.get(0))))
}

/// Returns when a version of a file in a shape was loaded into the table, and by which pipeline.
///
/// # Errors
///
/// If the database refuses the query, or the connection breaks.
pub async fn loaded_by(
    tx: &Transaction,
    table: &Table,
    object: &ObjectRef,
    shape: &str,
) -> Result<Option<(String, String)>, Failure> {
    let sql = "SELECT to_char(loaded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), pipeline_id \
               FROM downspout.loaded_files WHERE table_oid = $1 AND bucket = $2 AND key = $3 AND etag = $4";
    let version = version(object, shape);
    let values = [
        (&table.oid as &(dyn tokio_postgres::types::ToSql + Sync), Type::INT8),
        (&object.at.bucket, Type::TEXT),
        (&object.at.key, Type::TEXT),
        (&version, Type::TEXT),
    ];
    let found = tx.query("reading downspout.loaded_files", sql, &values).await?;
    Ok(found.first().map(|row| (row.get(0), row.get(1))))
}

/// Returns the text that stands for a version of a file in a shape.
fn version(object: &ObjectRef, shape: &str) -> String {
    let etag = object.etag.as_deref().unwrap_or_default();
    format!("{}{shape}", etag.trim_matches('"'))
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

/// Forgets the files of a table that has no rows, because somebody emptied it. Its old files may be loaded again.
///
/// # Errors
///
/// If the database refuses the statement, or the connection breaks.
pub async fn forget_if_empty(tx: &Transaction, table: &Table) -> Result<(), Failure> {
    let doing = "writing downspout.loaded_files";
    let oid = [(&table.oid as &(dyn tokio_postgres::types::ToSql + Sync), Type::INT8)];
    // A user who may only insert rows cannot see whether there are any.
    let may_look = "SELECT EXISTS (SELECT FROM downspout.loaded_files WHERE table_oid = $1) \
                    AND pg_catalog.has_any_column_privilege($1::oid, 'SELECT')";
    if tx.query(doing, may_look, &oid).await?.first().is_some_and(|row| row.get(0)) {
        let delete = format!(
            "DELETE FROM downspout.loaded_files WHERE table_oid = $1 AND NOT EXISTS (SELECT FROM {})",
            table.quoted()
        );
        tx.query(doing, &delete, &oid).await?;
    }
    Ok(())
}

/// Forgets the files of a table, because a load replaces its rows.
///
/// # Errors
///
/// If the database refuses the statement, or the connection breaks.
pub async fn forget(tx: &Transaction, table: &Table) -> Result<(), Failure> {
    let delete = "DELETE FROM downspout.loaded_files WHERE table_oid = $1";
    tx.query("writing downspout.loaded_files", delete, &[(&table.oid, Type::INT8)]).await?;
    Ok(())
}
