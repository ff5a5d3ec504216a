//! Tells that row-level security may have kept rows from an export.

use tokio_postgres::error::SqlState;

use crate::database::Transaction;
use crate::progress::Progress;

/// Notes that policies of row-level security may have kept rows from the export. While `row_security` is off, the server refuses a query
/// to which a policy applies, and names the table. The refusal ends the transaction. Policies inside a function that the query
/// calls are not seen.
pub(super) async fn note(tx: &Transaction, query: &str, progress: &Progress) {
    let explain = format!("SET LOCAL row_security TO off; EXPLAIN {query}");
    let Err(error) = tx.client().simple_query(&explain).await else { return };
    if let Some(refusal) = error.as_db_error()
        && *refusal.code() == SqlState::INSUFFICIENT_PRIVILEGE
    {
        progress.note(format!(
            "row-level security is active for this user, so rows that its policies hide were not exported ({})",
            refusal.message()
        ));
    }
}
