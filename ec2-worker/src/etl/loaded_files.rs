//! Notes which file versions a table holds, so that `append` loads none of them twice.
//!
//! The notes are in `downspout.loaded_files`, a table that the ledger creates. They commit together with the rows.

use tokio_postgres::types::Type;

use super::table::Table;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::ledger::WorkKey;
use crate::storage::ObjectRef;

/// Notes that the table holds this version of a file. Returns false if that was noted before.
///
/// # Errors
///
/// If the database refuses the statement, or the connection breaks.
pub async fn note(
    tx: &Transaction,
    key: &WorkKey,
    table: &Table,
    object: &ObjectRef,
) -> Result<bool, Failure> {
    let insert = "INSERT INTO downspout.loaded_files AS f \
                  (table_oid, table_name, bucket, key, etag, pipeline_id, instance_id) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING 1";
    let (name, etag) = (table.to_string(), object.etag.clone().unwrap_or_default());
    let inserted = tx
        .query(
            "writing downspout.loaded_files",
            insert,
            &[
                (&table.oid, Type::INT8),
                (&name, Type::TEXT),
                (&object.at.bucket, Type::TEXT),
                (&object.at.key, Type::TEXT),
                (&etag.trim_matches('"'), Type::TEXT),
                (&key.pipeline, Type::TEXT),
                (&key.instance, Type::TEXT),
            ],
        )
        .await?;
    Ok(!inserted.is_empty())
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
