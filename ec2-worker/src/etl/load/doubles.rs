//! Counts the rows of an upsert in whose place another row of the same load stands, because both have the same key.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::table::Table;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::identifier;

/// The queries that count such rows before a batch is merged.
pub(super) struct Doubles {
    /// Counts the rows of the batch with the key of a later row of the batch.
    within: String,
    /// Counts the rows of earlier batches with the key of a row of the batch.
    before: String,
    /// Whether there are earlier batches.
    has_rows: AtomicBool,
}

impl Doubles {
    /// Returns the queries for batches in the table `stage`, which an upsert merges into `table` by `key`. `has_rows` says that
    /// the load has merged batches before.
    pub(super) fn of(table: &Table, key: &[String], stage: &str, has_rows: bool) -> Self {
        let names: Vec<String> = key.iter().map(|name| identifier(name)).collect();
        let keys = format!("SELECT DISTINCT {} FROM {stage}", names.join(", "));
        let same: Vec<String> = names.iter().map(|name| format!("t.{name} = k.{name}")).collect();
        // A row of the table is of an earlier batch if this transaction has written it after a savepoint. Its savepoints have
        // numbers between its own number and that of the present batch; transactions with a number between them that are still
        // in progress are its own, because it does not see the rows of others.
        let before = format!(
            "WITH last AS (SELECT max(-age(xmin)) AS ahead FROM {stage}) \
             SELECT count(*) FROM ({keys}) k JOIN {} t ON {} CROSS JOIN last \
             WHERE CASE WHEN -age(t.xmin) BETWEEN 1 AND last.ahead \
                        THEN txid_status(txid_current() - age(t.xmin)) = 'in progress' ELSE false END",
            table.quoted(),
            same.join(" AND ")
        );
        let within = format!("SELECT (SELECT count(*) FROM {stage}) - (SELECT count(*) FROM ({keys}) k)");
        Self { within, before, has_rows: AtomicBool::new(has_rows) }
    }

    /// Counts the rows that the merge of the batch replaces.
    pub(super) async fn count(&self, tx: &Transaction) -> Result<u64, Failure> {
        let mut count = counted(tx, &self.within).await?;
        if self.has_rows.load(Ordering::Relaxed) {
            count += counted(tx, &self.before).await?;
        }
        Ok(count)
    }

    /// Remembers that a batch was merged.
    pub(super) fn rows_were_written(&self) {
        self.has_rows.store(true, Ordering::Relaxed);
    }
}

async fn counted(tx: &Transaction, sql: &str) -> Result<u64, Failure> {
    let rows = tx.query("counting rows with the same key", sql, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
}
