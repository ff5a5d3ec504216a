//! Makes a next table refuse rows for which its table has no partition.
//!
//! A next table has no partitions. Without a check, such a row would be noticed only when the tables are put in place, and
//! would fail the whole run.

use tokio_postgres::types::Type;

use super::super::table::Table;
use super::NextTable;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::{identifier, literal};

/// The name of the check. The database names it when it refuses a row.
pub(in super::super) const CHECK: &str = "a partition takes the row";

const DOING: &str = "reading the partitions of the table";

/// The conditions of the partitions that have rows. A partition without a condition takes every row. Partitions by hash count as
/// one that takes every row, because their condition would read the table itself.
const CONDITIONS: &str = "
WITH RECURSIVE tree(oid, is_leaf) AS (
  SELECT c.oid, coalesce(s.partstrat, 'h') = 'h' FROM pg_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_partitioned_table s ON s.partrelid = c.oid WHERE c.oid = $1::int8::oid
  UNION SELECT i.inhrelid, coalesce(s.partstrat, 'h') = 'h' FROM tree
    JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid AND NOT tree.is_leaf
    LEFT JOIN pg_catalog.pg_partitioned_table s ON s.partrelid = i.inhrelid)
SELECT CASE WHEN d ~ 'satisfies_hash_partition' THEN 'true' ELSE coalesce(d, 'true') END
FROM tree CROSS JOIN LATERAL pg_catalog.pg_get_partition_constraintdef(tree.oid) AS d
WHERE tree.is_leaf ORDER BY tree.oid";

const KIND: &str =
    "SELECT c.relkind = 'p' OR c.relispartition FROM pg_catalog.pg_class c WHERE c.oid = $1::int8::oid";

const KNOWN: &str = "SELECT pg_catalog.obj_description(k.oid, 'pg_constraint') FROM pg_catalog.pg_constraint k \
                     WHERE k.conrelid = $1::regclass AND k.conname = $2";

/// Gives the next table a check that a partition of `table` takes the row, or brings the check up to date. The search path must
/// be empty, so that the database writes each name with its schema.
///
/// # Errors
///
/// If the database refuses a statement, or the connection breaks.
pub(super) async fn check(tx: &Transaction, table: &Table, next: &NextTable) -> Result<(), Failure> {
    let kind = tx.query(DOING, KIND, &[(&table.oid, Type::INT8)]).await?;
    if !kind.first().is_some_and(|row| row.get(0)) {
        return Ok(());
    }
    let rows = tx.query(DOING, CONDITIONS, &[(&table.oid, Type::INT8)]).await?;
    let conditions: Vec<String> = rows.iter().map(|row| format!("({})", row.get::<_, &str>(0))).collect();
    let condition = if conditions.is_empty() { "false".to_owned() } else { conditions.join(" OR ") };
    let (new, name) = (next.next_quoted(), identifier(CHECK));
    let known = tx.query(DOING, KNOWN, &[(&new, Type::TEXT), (&CHECK, Type::TEXT)]).await?;
    // Another activity may use the next table, so a check that has not changed stays the same object.
    if known.first().is_some_and(|row| row.get::<_, Option<&str>>(0) == Some(condition.as_str())) {
        return Ok(());
    }
    let alter = format!(
        "ALTER TABLE {new} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID; \
         COMMENT ON CONSTRAINT {name} ON {new} IS {}",
        literal(&condition)
    );
    tx.run(DOING, &alter).await
}
