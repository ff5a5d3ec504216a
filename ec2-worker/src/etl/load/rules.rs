//! Refuses tables whose rules a load would not obey.
//!
//! `COPY` ignores the rules of a table, and PostgreSQL refuses an INSERT with `ON CONFLICT` if there are any. So a rule that
//! puts rows elsewhere would do nothing, without a message.

use tokio_postgres::types::Type;

use super::super::table::{Relation, Table};
use crate::database::Transaction;
use crate::failure::Failure;

/// `ev_type` is 2 for UPDATE and 3 for INSERT.
const RULES: &str = "
SELECT r.rulename::text, CASE r.ev_type WHEN '2' THEN 'UPDATE' ELSE 'INSERT' END FROM pg_catalog.pg_rewrite r
WHERE r.ev_class = $1::int8::oid AND (r.ev_type = '3' OR r.ev_type = '2' AND $2) AND r.ev_enabled IN ('O', 'A')
ORDER BY r.ev_type DESC, r.rulename LIMIT 1";

/// Checks that the table has no rule for the rows of the load. `updates` says that the load also updates rows.
///
/// # Errors
///
/// If it has one, or the connection breaks.
pub(super) async fn check(tx: &Transaction, table: &Table, updates: bool) -> Result<(), Failure> {
    if table.kind != Relation::Table {
        return Ok(());
    }
    let doing = "finding the rules of the table";
    let found = tx.query(doing, RULES, &[(&table.oid, Type::INT8), (&updates, Type::BOOL)]).await?;
    let Some(row) = found.first() else { return Ok(()) };
    let (rule, event): (&str, &str) = (row.get(0), row.get(1));
    let message = format!(
        "table {table} has the rule {rule} ON {event}, and a load cannot obey rules; write it as a trigger, load the table that the \
         rule fills, or give the SqlDataNode an `insertQuery`, which obeys the rule"
    );
    Err(Failure::bad_input("Rule", message))
}
