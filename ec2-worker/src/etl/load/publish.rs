//! Puts the next tables of a run in place: in one transaction, each table gets the rows of its next table.
//!
//! The tables themselves stay, with their views, indexes, rights, foreign keys and sequences; only their rows change.
//! Old rows are deleted first, in referring tables before the tables to which they refer. Then the new rows are
//! inserted in the opposite order. Kept rows that the next table lacks are deleted last.

use definition::counted::counted;
use tokio_postgres::types::Type;

use super::super::column::Column;
use super::super::next_tables::{NextTable, NextTables, drop_next, hash_of_row, is_mergeable, sum_of_rows};
use super::super::table::Table;
use super::list;
use super::merge::Way;
use super::merge::merge;
use super::on_update::Guard;
use super::replace::{self, Kept};
use crate::database::Transaction;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::sql::identifier;

const FOREIGN_KEYS: &str = "
SELECT conrelid::int8, confrelid::int8 FROM pg_catalog.pg_constraint
WHERE contype = 'f' AND conrelid::int8 = ANY ($1) AND confrelid::int8 = ANY ($1) AND conrelid <> confrelid";

/// The deferrable constraints and constraint triggers of a table: the name, and the name for SQL.
const DEFERRABLE: &str = "
SELECT k.conname::text, format('%I.%I', n.nspname, k.conname) FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace
WHERE k.conrelid = $1::int8::oid AND k.condeferrable ORDER BY k.conname";

/// Puts the next tables of the run with the id `run` in place, in the transaction of the caller. Returns the names of
/// the tables for SQL.
///
/// # Errors
///
/// If another run has taken over a table; if a table was dropped; if this run and another program have both changed
/// rows of a table whose rows no primary key tells apart; or if the database refuses the rows or a statement.
pub async fn publish(tx: &Transaction, run: &str, progress: &Progress) -> Result<Vec<String>, Failure> {
    let next_tables = NextTables::of(tx, run).await?.tables;
    if next_tables.is_empty() {
        progress.note("no table of this run waits to be put in place");
        return Ok(Vec::new());
    }
    // Foreign keys in a circle hold only after all tables have their new rows. Deferrable keys can be checked then.
    tx.run("deferring constraints", "SET CONSTRAINTS ALL DEFERRED").await?;
    let mut publications = Vec::with_capacity(next_tables.len());
    for next in in_order(tx, next_tables).await? {
        publications.push(Publication::prepare(tx, next).await?);
    }
    for publication in publications.iter_mut().rev() {
        publication.delete_old(tx).await?;
    }
    for publication in &publications {
        publication.insert_new(tx, &publications).await?;
    }
    for publication in publications.iter().rev() {
        publication.delete_kept(tx).await?;
    }
    for publication in &publications {
        publication.take_loaded_files(tx).await?;
        drop_next(tx, publication.next.oid, &publication.next.next_schema, &publication.next.name).await?;
    }
    check_constraints(tx, &publications).await?;
    let update = "UPDATE downspout.next_tables SET state = 'published' WHERE run = $1";
    tx.query("writing downspout.next_tables", update, &[(&run, Type::TEXT)]).await?;
    let names: Vec<_> = publications.iter().map(|publication| publication.next.to_string()).collect();
    for name in &names {
        progress.add("publishedTable", name);
    }
    progress.note(format!("put in place together: {}", names.join(", ")));
    Ok(publications.iter().map(|publication| publication.next.quoted()).collect())
}

/// Checks the constraints that were deferred, one after another, because the error of a constraint trigger names neither the trigger
/// nor the table.
async fn check_constraints(tx: &Transaction, publications: &[Publication]) -> Result<(), Failure> {
    for Publication { next, .. } in publications {
        for row in tx.query("reading constraints", DEFERRABLE, &[(&next.oid, Type::INT8)]).await? {
            let (shown, quoted): (&str, &str) = (row.get(0), row.get(1));
            let doing = format!("checking the constraint {shown} of {next}");
            tx.run(&doing, &format!("SET CONSTRAINTS {quoted} IMMEDIATE")).await?;
        }
    }
    tx.run("checking the constraints of the tables", "SET CONSTRAINTS ALL IMMEDIATE").await
}

/// Orders the tables so that a table comes after those to which it refers, and locks them against writers.
async fn in_order(tx: &Transaction, mut tables: Vec<NextTable>) -> Result<Vec<NextTable>, Failure> {
    // Two transactions that lock the tables in the same order do not wait for each other in a circle.
    tables.sort_by_key(|table| table.oid);
    for table in &tables {
        let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.quoted());
        tx.run(&format!("locking {table}"), &lock).await?;
    }
    let oids: Vec<i64> = tables.iter().map(|table| table.oid).collect();
    let found = tx.query("reading foreign keys", FOREIGN_KEYS, &[(&oids, Type::INT8_ARRAY)]).await?;
    let keys: Vec<(i64, i64)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut ordered = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let waits = |table: &NextTable| {
            let mut parents = keys.iter().filter(|(child, _)| *child == table.oid);
            parents.any(|(_, parent)| tables.iter().any(|other| other.oid == *parent))
        };
        // In a circle, any table may come first.
        let first = tables.iter().position(|table| !waits(table)).unwrap_or(0);
        ordered.push(tables.remove(first));
    }
    Ok(ordered)
}

/// How the rows of a next table get into its table.
enum Change {
    /// All rows of the table are replaced. Its old rows to which other tables refer are kept at first.
    Replace(Option<Kept>),
    /// The rows that the run has inserted or changed go into the table, or replace its rows with the same primary keys.
    Changed,
    /// The run has only inserted rows. These go into the table, and its old rows stay.
    Added,
}

/// A table that gets the rows of its next table.
struct Publication {
    next: NextTable,
    table: Table,
    columns: Vec<Column>,
    change: Change,
}

impl Publication {
    async fn prepare(tx: &Transaction, next: NextTable) -> Result<Self, Failure> {
        let (schema, name) = (identifier(&next.schema), identifier(&next.name));
        let table = Table::find(tx, Some(&schema), &name).await?.filter(|table| table.oid == next.oid);
        let Some(table) = table else {
            let message = format!("table {next} was dropped since this run began; drop its files again");
            return Err(Failure::bad_input("NoSuchTable", message));
        };
        let columns = next.next(tx).await?.columns;
        let added: Vec<_> =
            columns.iter().filter(|new| !table.columns.iter().any(|old| old.name == new.name)).collect();
        if !added.is_empty() {
            let added = added
                .iter()
                .map(|column| format!("ADD COLUMN {} {}", identifier(&column.name), column.type_name));
            let alter = format!("ALTER TABLE {} {}", next.quoted(), added.collect::<Vec<_>>().join(", "));
            tx.run(&format!("adding columns to {next}"), &alter).await?;
        }
        let change = Self::change(tx, &next, &table).await?;
        Ok(Self { next, table, columns, change })
    }

    async fn change(tx: &Transaction, next: &NextTable, table: &Table) -> Result<Change, Failure> {
        if !next.is_copy {
            return Ok(Change::Replace(None));
        }
        if is_mergeable(table) {
            return Ok(Change::Changed);
        }
        let count = format!("SELECT count(*) FROM {} WHERE xmin = '{}'", next.next_quoted(), next.base_xid);
        let found = tx.query(&format!("counting old rows of {next}"), &count, &[]).await?;
        let is_whole = found.first().is_some_and(|row| row.get::<_, i64>(0) == next.base_rows);
        Ok(if is_whole { Change::Added } else { Change::Replace(None) })
    }

    async fn delete_old(&mut self, tx: &Transaction) -> Result<(), Failure> {
        let Self { next, table, .. } = &*self;
        match &self.change {
            Change::Added => Ok(()),
            Change::Changed => {
                self.check_conflicts(tx).await?;
                if self.lacks_rows(tx).await? {
                    replace::delete_others(tx, table, self.wanted(), next.cascade).await?;
                }
                if self.has_other_keys(tx).await? && !replace::is_referenced(tx, table).await? {
                    // Rows that exchange the values of another unique key cannot replace each other one by one.
                    let delete = format!(
                        "DELETE FROM {} AS old USING {} WHERE {}",
                        next.quoted(),
                        self.changed(),
                        self.same_key("changed", "old")
                    );
                    tx.run(&format!("deleting changed rows of {next}"), &delete).await?;
                    self.change = Change::Added;
                }
                Ok(())
            }
            Change::Replace(_) => {
                if next.is_copy {
                    self.check_unchanged(tx).await?;
                }
                let kept = replace::empty(tx, table, next.cascade, false).await?;
                self.change = Change::Replace(kept);
                Ok(())
            }
        }
    }

    /// Returns the rows that the run has inserted or changed, as `changed`, for SQL.
    fn changed(&self) -> String {
        let NextTable { base_xid, .. } = &self.next;
        format!("(SELECT ctid, * FROM {} WHERE xmin <> '{base_xid}') AS changed", self.next.next_quoted())
    }

    /// Checks that no row was changed both by the run and by another program.
    async fn check_conflicts(&self, tx: &Transaction) -> Result<(), Failure> {
        let Self { next, table, .. } = self;
        let (live, base) = (next.quoted(), next.base_keys_quoted());
        let (old, new) = (hash_of_row(table, "old"), hash_of_row(table, "changed"));
        let changed = self.changed();
        let query = format!(
            "SELECT count(*) FROM (\
             SELECT FROM {live} AS old JOIN {changed} ON {0} LEFT JOIN {base} AS base ON {1} \
             WHERE base.downspout_hash IS DISTINCT FROM {old} AND {old} <> {new} \
             UNION ALL SELECT FROM {changed} JOIN {base} AS base ON {1} \
             WHERE NOT EXISTS (SELECT FROM {live} AS old WHERE {0}) \
             UNION ALL SELECT FROM {base} AS base JOIN {live} AS old ON {2} WHERE base.downspout_hash <> {old} \
             AND NOT EXISTS (SELECT FROM {3} AS next WHERE {4})) AS conflicts",
            self.same_key("old", "changed"),
            self.same_key("base", "changed"),
            self.same_key("base", "old"),
            next.next_quoted(),
            self.same_key("next", "base"),
        );
        let found = tx.query(&format!("comparing the rows of {next}"), &query, &[]).await?;
        let count: i64 = found.first().map_or(0, |row| row.get(0));
        if count == 0 {
            return Ok(());
        }
        let rows = counted(count, "row");
        let message = format!(
            "{rows} of {next} were changed by this run and also by another program since the run began; drop the files again"
        );
        Err(Failure::bad_input("Changed", message))
    }

    /// Returns whether the table has a unique key besides its primary key.
    async fn has_other_keys(&self, tx: &Transaction) -> Result<bool, Failure> {
        let query = "SELECT FROM pg_catalog.pg_index WHERE indrelid = $1::int8::oid AND indisunique AND NOT indisprimary \
                     UNION ALL SELECT FROM pg_catalog.pg_constraint WHERE conrelid = $1::int8::oid AND contype = 'x'";
        Ok(!tx
            .query("reading the keys of the table", query, &[(&self.next.oid, Type::INT8)])
            .await?
            .is_empty())
    }

    /// Returns whether the run has deleted rows, that is, whether the next table lacks a primary key of a copied row.
    async fn lacks_rows(&self, tx: &Transaction) -> Result<bool, Failure> {
        let query = format!(
            "SELECT FROM {} AS base WHERE NOT EXISTS (SELECT FROM {} AS next WHERE {}) LIMIT 1",
            self.next.base_keys_quoted(),
            self.next.next_quoted(),
            self.same_key("next", "base")
        );
        let found = tx.query(&format!("finding deleted rows of {}", self.next), &query, &[]).await?;
        Ok(!found.is_empty())
    }

    /// Returns the query for the primary keys of the rows that stay: those of the next table, and those that another
    /// program has added since the run began.
    fn wanted(&self) -> String {
        let key: Vec<_> = self.table.primary_key.iter().map(|name| identifier(name)).collect();
        let key = key.join(", ");
        format!(
            "(SELECT {key} FROM {} UNION ALL SELECT {key} FROM {} AS other \
             WHERE NOT EXISTS (SELECT FROM {} AS base WHERE {}))",
            self.next.next_quoted(),
            self.next.quoted(),
            self.next.base_keys_quoted(),
            self.same_key("base", "other")
        )
    }

    fn same_key(&self, one: &str, other: &str) -> String {
        let key = self.table.primary_key.iter().map(|name| identifier(name));
        key.map(|name| format!("{one}.{name} = {other}.{name}")).collect::<Vec<_>>().join(" AND ")
    }

    /// Checks that the rows of the table are still those that were copied.
    async fn check_unchanged(&self, tx: &Transaction) -> Result<(), Failure> {
        let Self { next, table, .. } = self;
        let query = format!("SELECT count(*), {} FROM {} AS row", sum_of_rows(table), next.quoted());
        let found = tx.query(&format!("comparing the rows of {next}"), &query, &[]).await?;
        let is_same = found.first().is_some_and(|row| {
            row.get::<_, i64>(0) == next.base_rows && row.get::<_, &str>(1) == next.base_sum
        });
        if is_same {
            return Ok(());
        }
        let message = format!(
            "this run changes rows of {next}, and another program has changed rows since the run began; without a primary key, it \
             is not known which rows are wanted; drop the files again"
        );
        Err(Failure::bad_input("Changed", message))
    }

    /// Inserts the new rows, or replaces old ones. `all` are the tables that are put in place together.
    async fn insert_new(&self, tx: &Transaction, all: &[Self]) -> Result<(), Failure> {
        let Self { next, table, columns, change } = self;
        let from = next.next_quoted();
        let insert = |from: &str| {
            let (table, columns) = (next.quoted(), list(columns));
            format!("INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {from}")
        };
        let way = match change {
            Change::Replace(Some(kept)) if kept.may_swap => Way::Swap(kept.key.clone(), kept.loaded.clone()),
            Change::Replace(Some(kept)) => Way::Keep(kept.key.clone(), kept.loaded.clone()),
            Change::Changed => Way::Upsert(table.primary_key.clone()),
            Change::Replace(None) | Change::Added => Way::Copy,
        };
        let from = if next.is_copy && !matches!(change, Change::Replace(_)) { self.changed() } else { from };
        let doing = format!("putting the rows of {next} in place");
        let Some(merge) = merge(table, columns, &way, &from) else {
            return tx.run(&doing, &insert(&from)).await;
        };
        let mut guard = Guard::of(tx, table, next.cascade, &NextTables::default()).await?;
        // Changed rows of other tables of the run are replaced after this.
        for other in all.iter().filter(|other| matches!(other.change, Change::Changed)) {
            let gone = format!(
                "EXISTS (SELECT FROM {} WHERE {})",
                other.changed(),
                other.same_key("changed", "other")
            );
            guard.without(other.next.oid, &gone);
        }
        merge.guarded(&guard).run(tx, &doing, "").await.map(drop)
    }

    async fn delete_kept(&self, tx: &Transaction) -> Result<(), Failure> {
        match &self.change {
            Change::Replace(Some(kept)) => kept.finish(tx, &self.table, self.next.cascade).await,
            _ => Ok(()),
        }
    }

    /// Writes the files whose rows the next table holds into `downspout.loaded_files`, as files of the table.
    async fn take_loaded_files(&self, tx: &Transaction) -> Result<(), Failure> {
        let doing = "writing downspout.loaded_files";
        if !matches!(self.change, Change::Changed | Change::Added) {
            let forget = "DELETE FROM downspout.loaded_files WHERE table_oid = $1";
            tx.query(doing, forget, &[(&self.next.oid, Type::INT8)]).await?;
        }
        let take = "INSERT INTO downspout.loaded_files (table_oid, table_name, bucket, key, etag, pipeline_id, instance_id, loaded_at) \
                    SELECT $1, $2, bucket, key, etag, pipeline_id, instance_id, loaded_at \
                    FROM downspout.loaded_files WHERE table_oid = $3::regclass::oid::int8 ON CONFLICT DO NOTHING";
        let (name, next) = (self.next.to_string(), self.next.next_quoted());
        tx.query(doing, take, &[(&self.next.oid, Type::INT8), (&name, Type::TEXT), (&next, Type::TEXT)])
            .await?;
        Ok(())
    }
}
