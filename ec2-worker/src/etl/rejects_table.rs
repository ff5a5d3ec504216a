//! Finds the table for refused rows beside a table, or another object that has its name.

use tokio_postgres::types::Type;

use super::rejects::COLUMNS;
use super::table::Table;
use crate::database::Transaction;
use crate::failure::Failure;

/// The kind of the object with the name `$1`, and whether it has the columns `$2`. A table has a type of the same name.
const FOUND: &str = "
SELECT c.relkind::text, (SELECT count(*) FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname::text = ANY ($2)) = cardinality($2)
FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1)
UNION ALL SELECT 'type', false WHERE to_regclass($1) IS NULL AND to_regtype($1) IS NOT NULL";

/// What has the name of a table for refused rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// The table for refused rows.
    Table,
    /// An object of the user. The text says what it is.
    Other(&'static str),
}

/// Returns what has the name of the table for the refused rows of `table`.
///
/// # Errors
///
/// If the database refuses the query, or the connection breaks.
pub(super) async fn find(tx: &Transaction, table: &Table) -> Result<Found, Failure> {
    // `retried_at` is not among the columns, because a table of an older version lacks it.
    let columns: Vec<&str> = COLUMNS.to_vec();
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&table.rejects(), Type::TEXT), (&columns, Type::TEXT_ARRAY)];
    let found = tx.query("finding the table for refused rows", FOUND, &values).await?;
    let Some(row) = found.first() else { return Ok(Found::Nothing) };
    Ok(match row.get::<_, &str>(0) {
        "r" | "p" | "f" | "v" if row.get(1) => Found::Table,
        "r" | "p" => Found::Other("a table with other columns"),
        "f" => Found::Other("a table of another server with other columns"),
        "v" => Found::Other("a view"),
        "m" => Found::Other("a materialized view"),
        "S" => Found::Other("a sequence"),
        "i" | "I" => Found::Other("an index"),
        _ => Found::Other("a type"),
    })
}

/// Says that an object of the user has the name of the table for refused rows. `reasons` are those of the refused rows.
pub(super) fn taken(table: &Table, what: &str, reasons: &[String]) -> Failure {
    let message = format!(
        "the refused rows of {table} cannot be stored in {}, because this name is that of {what}; rename this object, or load into a \
         table with another name; refused were: {}",
        table.rejects(),
        reasons.join("; ")
    );
    Failure::bad_input("RejectsTable", message)
}
