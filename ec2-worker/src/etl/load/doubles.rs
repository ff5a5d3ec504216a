//! Counts the rows of an upsert that another row of the same load replaces, because both have the same key.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::table::Table;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::ledger::WorkKey;
use crate::sql::{identifier, literal};

/// The queries that count such rows before a batch is merged.
pub(super) struct Doubles {
    /// Counts the rows of the batch with the key of a later row of the batch.
    within: String,
    /// Counts the rows of earlier batches that have the same key as a row of this batch.
    before: String,
    /// Removes the rows of the batch that another row replaces, if `{condition}` is true of the other row.
    superseded: String,
    /// Finds a row of the batch that would replace a row which the load with the ledger row `{ledger}`, or a later transaction,
    /// has written. Returns its key as text.
    newer: String,
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
        let (table, same) = (table.quoted(), same.join(" AND "));
        // A row of the table is of an earlier batch if this transaction has written it after a savepoint.
        let before = format!(
            "WITH last AS (SELECT max(-age(xmin)) AS ahead FROM {stage}) \
             SELECT count(*) FROM ({keys}) k JOIN {table} t ON {same} CROSS JOIN last WHERE {}",
            written_between(1, "last.ahead")
        );
        let superseded = format!(
            "WITH gone AS (DELETE FROM {stage} k USING {table} t WHERE {same} AND ({{condition}}) RETURNING 1) \
             SELECT count(*) FROM gone"
        );
        let texts: Vec<String> = names.iter().map(|name| format!("k.{name}::text")).collect();
        // The rows of this transaction have an age of 0 or less.
        let newer = format!(
            "SELECT concat_ws(', ', {}) FROM {stage} k JOIN {table} t ON {same} \
             WHERE age(t.xmin) BETWEEN 1 AND (SELECT age(xmin) FROM downspout.ledger WHERE {{ledger}}) LIMIT 1",
            texts.join(", ")
        );
        let within = format!("SELECT (SELECT count(*) FROM {stage}) - (SELECT count(*) FROM ({keys}) k)");
        Self { within, before, superseded, newer, has_rows: AtomicBool::new(has_rows) }
    }

    /// Counts the rows of the batch with the key of a later row of the batch. The merge leaves them out.
    pub(super) async fn count_within(&self, tx: &Transaction) -> Result<u64, Failure> {
        counted(tx, &self.within).await
    }

    /// Counts the rows of earlier batches that the merge of the batch replaces.
    pub(super) async fn count_before(&self, tx: &Transaction) -> Result<u64, Failure> {
        if self.has_rows.load(Ordering::Relaxed) { counted(tx, &self.before).await } else { Ok(0) }
    }

    /// Removes the rows of the batch that are replaced by a row which the load has written in one of `spans` (see
    /// [`subtransactions`]). Returns the number of removed rows.
    pub(super) async fn remove_superseded(
        &self,
        tx: &Transaction,
        spans: &[Range<i64>],
    ) -> Result<u64, Failure> {
        let spans = spans.iter().map(|span| written_between(span.start, &(span.end - 1).to_string()));
        let condition = spans.collect::<Vec<_>>().join(" OR ");
        counted(tx, &self.superseded.replace("{condition}", &condition)).await
    }

    /// Checks that no row of the batch replaces a row of the load `of` or of a later transaction. The database does not know
    /// which of two rows of a file stood below the other.
    pub(super) async fn check_newer(&self, tx: &Transaction, of: &WorkKey) -> Result<(), Failure> {
        let WorkKey { pipeline, instance, generation } = of;
        let ledger = format!(
            "pipeline_id = {} AND instance_id = {} AND generation = {generation}",
            literal(pipeline),
            literal(instance)
        );
        let found = tx
            .query("looking for newer rows with the same key", &self.newer.replace("{ledger}", &ledger), &[])
            .await?;
        let Some(row) = found.first() else { return Ok(()) };
        let key: String = row.get(0);
        let message = format!(
            "the table has a row with the key {key} since run {pipeline} or later, and it may have stood below the mended row in the \
             file; remove the mended row if it should not replace that row, or else add --over-newer"
        );
        Err(Failure::bad_input("NewerRow", message))
    }

    /// Remembers that a batch was merged.
    pub(super) fn rows_were_written(&self) {
        self.has_rows.store(true, Ordering::Relaxed);
    }
}

/// Returns a point in the load: the number of the next transaction of the server, counted from that of the load. The point tells
/// earlier rows from later rows, because a row that the load writes after it has this number or a higher one.
///
/// The number is right only after a batch was undone, because only then has the server seen the load's latest number end.
pub(super) async fn subtransactions(tx: &Transaction) -> Result<i64, Failure> {
    let sql = "SELECT (txid_snapshot_xmax(txid_current_snapshot()) - txid_current())::int8";
    let rows = tx.query("reading the number of the transaction", sql, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Returns the SQL condition that this transaction has written the row `t` after a savepoint with a number from `first` to
/// `last`. Savepoints have numbers after that of the transaction. Transactions with a number between them that are still in
/// progress are its own, because it does not see the rows of others.
fn written_between(first: i64, last: &str) -> String {
    format!(
        "CASE WHEN -age(t.xmin) BETWEEN {first} AND {last} \
         THEN txid_status(txid_current() - age(t.xmin)) = 'in progress' ELSE false END"
    )
}

async fn counted(tx: &Transaction, sql: &str) -> Result<u64, Failure> {
    let rows = tx.query("counting rows with the same key", sql, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
}
