//! Dry runs: loads in a transaction that is undone, with a comparison of the table before and after.
//!
//! The loads of one database share a transaction, so that a later load finds the rows of an earlier one. A load that
//! fails is undone alone, and the next one follows. Nothing stays, except that sequences have advanced.

use serde::Serialize;
use tokio_postgres::types::Type;

use super::super::rejects::Spool;
use super::super::table::Table;
use super::{Load, LoadTry};
use crate::database::{Pool, Transaction};
use crate::failure::Failure;
use crate::ledger;
use crate::progress::{Fields, Progress};
use crate::sql::{literal, statements};

/// The largest number of rows of each kind that a dry run shows.
const SAMPLES: i64 = 5;
/// The beginning of the message if the comparison fails.
const COMPARING: &str = "comparing the table before and after";

/// The result of a dry run of one load.
#[derive(Clone, Debug, Serialize)]
pub struct DryLoad {
    /// The table, as the database names it; the name in the definition if the table was not found.
    pub table: String,
    /// The fields that a load would report.
    pub fields: Fields,
    /// The reasons of the first refused rows, with their places.
    pub reasons: Vec<String>,
    /// The number of refused rows.
    pub refused: u64,
    /// The changes that the load would make. `None` if it would fail.
    pub changes: Option<Changes>,
    /// The `errorId` and the `errorMessage`, if the load would fail.
    pub failure: Option<(String, String)>,
}

/// The changes of a table by a load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Whether the load creates the table.
    pub creates_table: bool,
    /// The columns, in the order of the table.
    pub columns: Vec<String>,
    /// The columns that tell rows apart: those of the primary key. Without them, a changed row is a removed and an added one.
    pub key: Vec<String>,
    /// The number of rows that are added.
    pub added: i64,
    /// The number of rows with other values.
    pub changed: i64,
    /// The number of rows that are removed.
    pub removed: i64,
    /// The number of rows that stay as they are.
    pub unchanged: i64,
    /// The first rows of each kind: added, changed, removed.
    pub samples: Vec<Sample>,
}

/// A row before and after a load, as texts of its columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The values before; `None` for a row that is added.
    pub before: Option<Vec<Option<String>>>,
    /// The values after; `None` for a row that is removed.
    pub after: Option<Vec<Option<String>>>,
}

/// Runs `loads` in order without an effect, and says what each would do.
///
/// # Errors
///
/// If a database cannot be reached, or refuses the transaction. The failure of a load is part of its result.
pub async fn dry_run(loads: &[Load], pool: &Pool) -> Result<Vec<DryLoad>, Failure> {
    let mut results: Vec<Option<DryLoad>> = loads.iter().map(|_| None).collect();
    for index in 0..loads.len() {
        if results[index].is_some() {
            continue;
        }
        let key = loads[index].target.session_key();
        let tx = ledger::begin_undone(pool, &loads[index].target).await?;
        for (load, result) in
            loads.iter().zip(&mut results).filter(|(load, _)| load.target.session_key() == key)
        {
            *result = Some(one(load, &tx).await?);
        }
        tx.rollback().await;
    }
    Ok(results.into_iter().flatten().collect())
}

async fn one(load: &Load, tx: &Transaction) -> Result<DryLoad, Failure> {
    tx.run("setting a savepoint", "SAVEPOINT dry_run").await?;
    let progress = Progress::default();
    let mut spool = Spool::new(&load.scratch, &load.key.pipeline);
    let result = LoadTry::new(load, &progress, &mut spool).without_effect(tx).await;
    let (changes, failure) = match result {
        Ok(changes) => (Some(changes), None),
        Err(failure) if failure.is_away() => return Err(failure),
        Err(failure) => {
            tx.run("going back to a savepoint", "ROLLBACK TO SAVEPOINT dry_run").await?;
            (None, Some((failure.id, failure.message)))
        }
    };
    let fields = progress.fields();
    let found = fields.iter().find(|(key, _)| key == "loadedTable").map(|(_, table)| table.clone());
    let named =
        || load.schema.as_ref().map_or(load.table.clone(), |schema| format!("{schema}.{}", load.table));
    Ok(DryLoad {
        table: found.unwrap_or_else(named),
        fields,
        reasons: spool.reasons().to_vec(),
        refused: spool.count(),
        changes,
        failure,
    })
}

impl LoadTry<'_> {
    /// Does what [`LoadTry::in_transaction`] does, without the ledger and the table for refused rows.
    async fn without_effect(&mut self, tx: &Transaction) -> Result<Changes, Failure> {
        let was_there = Table::find(tx, self.load.schema.as_deref(), &self.load.table).await?.is_some();
        let own = self.load.create.as_deref().filter(|_| !was_there).map(statements).unwrap_or_default();
        if let Some(statement) = own.iter().find(|statement| statement.stands_alone()) {
            let text: String = statement.text.chars().take(60).collect();
            let message = format!(
                "`createTableSql` has the statement `{text}`, which cannot be undone, so a dry run does not run it; remove it, \
                 because a load runs in one transaction as well"
            );
            return Err(Failure::bad_input("CreateTableSql", message));
        }
        let mut table = self.table(tx).await?;
        self.progress.set("loadedTable", &table);
        let before = table.columns.len();
        snapshot(tx, &table, "before").await?;
        self.fill(tx, &mut table).await?;
        self.report(&table);
        snapshot(tx, &table, "after").await?;
        let mut changes = changes(tx, &table, before).await?;
        changes.creates_table = !was_there;
        Ok(changes)
    }
}

/// Copies the rows of the table into the temporary table `downspout_` with the ending `name`.
async fn snapshot(tx: &Transaction, table: &Table, name: &str) -> Result<(), Failure> {
    let sql = format!(
        "DROP TABLE IF EXISTS pg_temp.downspout_{name}; CREATE TEMP TABLE downspout_{name} ON COMMIT DROP AS \
         SELECT row_number() OVER () AS n, to_jsonb(downspout_row) AS r FROM {} downspout_row",
        table.quoted()
    );
    tx.run(COMPARING, &sql).await
}

/// Compares the two snapshots. `before` is the number of columns that the table had before the load.
async fn changes(tx: &Transaction, table: &Table, before: usize) -> Result<Changes, Failure> {
    let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    // The rows before get the added columns, so that new columns alone do not count as a change of a row.
    let added = columns.get(before..).unwrap_or_default().iter();
    let added: Vec<String> = added.map(|name| format!("{}, NULL", literal(name))).collect();
    let empty = format!("jsonb_build_object({})", added.join(", "));
    let key: Vec<String> = table.primary_key.iter().map(|name| format!("r -> {}", literal(name))).collect();
    let key = match &key[..] {
        // Equal rows are numbered, so that they can be told apart.
        [] => "r::text || '#' || row_number() OVER (PARTITION BY r::text)".to_owned(),
        key => format!("jsonb_build_array({})::text", key.join(", ")),
    };
    let join = format!(
        "CREATE TEMP TABLE downspout_changes ON COMMIT DROP AS \
         SELECT b.r AS before, a.r AS after, coalesce(a.n, b.n) AS n, CASE WHEN b.k IS NULL THEN 1 \
         WHEN a.k IS NULL THEN 3 WHEN a.r::text <> b.r::text THEN 2 ELSE 0 END AS kind FROM \
         (SELECT n, r, {key} AS k FROM (SELECT n, {empty} || r AS r FROM pg_temp.downspout_before) x) b FULL JOIN \
         (SELECT n, r, {key} AS k FROM pg_temp.downspout_after) a ON a.k = b.k"
    );
    tx.run(COMPARING, &format!("DROP TABLE IF EXISTS pg_temp.downspout_changes; {join}")).await?;
    let counts = "SELECT kind, count(*) FROM pg_temp.downspout_changes GROUP BY kind";
    let counts = tx.query(COMPARING, counts, &[]).await?;
    let count = |kind: i32| {
        counts.iter().find(|row| row.get::<_, i32>(0) == kind).map_or(0, |row| row.get::<_, i64>(1))
    };
    let (added, changed, removed, unchanged) = (count(1), count(2), count(3), count(0));
    let texts = |side: &str| {
        format!(
            "CASE WHEN {side} IS NOT NULL THEN ARRAY(SELECT {side} ->> c FROM unnest($1) WITH ORDINALITY u(c, i) ORDER BY i) END"
        )
    };
    let sample = format!(
        "SELECT {}, {} FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY n) AS place \
         FROM pg_temp.downspout_changes WHERE kind > 0) x WHERE place <= $2 ORDER BY kind, place",
        texts("before"),
        texts("after")
    );
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&columns, Type::TEXT_ARRAY), (&SAMPLES, Type::INT8)];
    let rows = tx.query(COMPARING, &sample, &values).await?;
    let samples = rows.iter().map(|row| Sample { before: row.get(0), after: row.get(1) }).collect();
    let key = table.primary_key.clone();
    Ok(Changes { creates_table: false, columns, key, added, changed, removed, unchanged, samples })
}
