//! Next tables hold the rows that tables will have at the end of a run that publishes its tables together.
//!
//! An activity with `myPublish` `together` leaves a table as it is, and works on the *next table* instead: a table
//! with the same name in a schema of the run. The SQL of such an activity names the table, and this name is
//! redirected to the next table. A name inside a view or a function cannot be redirected, so a script that uses the
//! view would read the old rows. PostgreSQL keeps the lock of every used table until the end of a transaction. After
//! each activity these locks are read, and the activity fails if it has used the table in place of the next table, or
//! has changed any other table.
//!
//! `downspout.next_tables` lists the next tables of all runs. [`super::load::publish`] puts them in place.

mod make;
mod partitions;

use std::collections::HashMap;

use tokio_postgres::types::Type;

use super::table::Table;
use crate::database::{DatabaseTarget, Pool, Transaction};
use crate::failure::Failure;
use crate::sql::{Redirected, RedirectedSql, identifier, redirect};

pub use make::{Base, make};
pub(super) use make::{drop_next, hash_of_row, is_mergeable, sum_of_rows};
pub(super) use partitions::CHECK as PARTITION_CHECK;

/// The next tables of a run that are not yet in place.
#[derive(Clone, Debug, Default)]
pub struct NextTables {
    /// The tables, in the order in which they were made.
    pub tables: Vec<NextTable>,
    /// The ids of the partitions and heirs of the tables.
    parts: Vec<i64>,
}

/// A table, and its next table.
#[derive(Clone, Debug)]
pub struct NextTable {
    /// The id of the table.
    pub oid: i64,
    /// The schema of the table.
    pub schema: String,
    /// The name of both tables.
    pub name: String,
    /// The schema of the next table.
    pub next_schema: String,
    /// The id of the transaction that made the next table, in the form of `xmin`. Rows of the next table with another
    /// `xmin` are new or changed.
    pub base_xid: String,
    /// The number of rows that were copied from the table, if no primary key tells them apart; otherwise 0.
    pub base_rows: i64,
    /// A checksum of these rows.
    pub base_sum: String,
    /// Whether the next table began as a copy of the table, and not empty.
    pub is_copy: bool,
    /// `myCascade`: whether putting the table in place may change rows of other tables, by foreign keys, triggers or
    /// rules.
    pub cascade: bool,
}

impl NextTable {
    /// Returns the name of the table for SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.name))
    }

    /// Returns the name of the next table for SQL.
    #[must_use]
    pub fn next_quoted(&self) -> String {
        format!("{}.{}", identifier(&self.next_schema), identifier(&self.name))
    }

    /// Returns the name for SQL of the table that lists the primary keys of the copied rows.
    #[must_use]
    pub fn base_keys_quoted(&self) -> String {
        format!("{}.{}", identifier(&self.next_schema), identifier(&make::base_name(self.oid)))
    }

    /// Finds the next table in the database. Messages show it under the name of the table.
    ///
    /// # Errors
    ///
    /// If the connection breaks, or if somebody dropped the next table.
    pub async fn next(&self, tx: &Transaction) -> Result<Table, Failure> {
        let (schema, name) = (identifier(&self.next_schema), identifier(&self.name));
        match Table::find(tx, Some(&schema), &name).await? {
            Some(table) => Ok(Table { shown_schema: self.schema.clone(), ..table }),
            None => {
                let message = Table::missing(tx, Some(&self.next_schema), &self.name).await?;
                Err(Failure::bad_input("NextTable", format!("{message}; drop all files again")))
            }
        }
    }
}

impl std::fmt::Display for NextTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// The id of the failure of a run whose table another run has taken over.
const TAKEN_OVER: &str = "BadInput:TakenOver";

const FIND: &str = "
SELECT table_oid, table_schema, table_name, next_schema, base_xid, base_rows, base_sum, is_copy, cascade, state, taken_by
FROM downspout.next_tables WHERE run = $1 AND state <> 'published' ORDER BY made_at, table_oid";

/// The tables and views that the transaction has used: whether it has a lock that a change of rows takes, whether it has a lock
/// that a change of the table itself takes, and the number of changed rows. PostgreSQL holds the lock of every table that a
/// statement uses, also through a view or a function, until the transaction ends.
const USED: &str = "
SELECT n.nspname::text, c.relname::text, c.oid::int8, bool_or(l.mode = 'RowExclusiveLock'),
  bool_or(l.mode IN ('ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')),
  CASE WHEN current_setting('track_counts')::bool THEN pg_stat_get_xact_tuples_inserted(c.oid)
    + pg_stat_get_xact_tuples_updated(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid) END
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND c.relkind IN ('r', 'p', 'f', 'm', 'v')
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'downspout')
GROUP BY n.nspname, c.relname, c.oid ORDER BY 1, 2";

/// The tables and views that are there: the number of rows that the session has changed and not counted yet, and the form of
/// the table (columns, indexes, constraints but foreign keys, triggers), and its rights.
const RELATIONS: &str = "
SELECT c.oid::int8, pg_stat_get_xact_tuples_inserted(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
    + pg_stat_get_xact_tuples_deleted(c.oid),
  md5((SELECT coalesce(string_agg(a.attname || a.atttypid || a.attnotnull || a.attisdropped || a.atthasdef, ',' ORDER BY attnum), '')
      FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)
  || (SELECT coalesce(string_agg(i.indexrelid::text, ',' ORDER BY i.indexrelid), '') FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid)
  || (SELECT coalesce(string_agg(k.oid::text, ',' ORDER BY k.oid), '') FROM pg_catalog.pg_constraint k
      WHERE k.conrelid = c.oid AND k.contype <> 'f')
  || (SELECT coalesce(string_agg(t.oid::text, ',' ORDER BY t.oid), '') FROM pg_catalog.pg_trigger t
      WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgname <> 'downspout_foreign_keys')),
  coalesce(c.relacl::text, ''), n.nspname::text, c.relname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'downspout')";

const PARTS: &str = "
WITH RECURSIVE parts(oid) AS (
  SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent::int8 = ANY ($1)
  UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN parts p ON i.inhparent = p.oid)
SELECT oid::int8 FROM parts";

/// The tables and views that were there before a script.
#[derive(Debug, Default)]
pub struct Before(HashMap<i64, RelationState>);

/// A table or view at one time.
#[derive(Clone, Debug, Default)]
struct RelationState {
    schema: String,
    name: String,
    /// The number of rows that the session has changed and not counted yet.
    changed_rows: i64,
    form: String,
    rights: String,
}

/// A table that a transaction has used.
struct Used {
    schema: String,
    name: String,
    oid: i64,
    /// Whether the transaction has a lock that a change of rows takes.
    is_written: bool,
    /// Whether the transaction has a lock that a change of the table itself takes.
    is_altered: bool,
    /// The number of changed rows, if the server counts them.
    changed_rows: Option<i64>,
}

impl NextTables {
    /// Returns the next tables of the run with the id `run` that are not yet in place.
    ///
    /// # Errors
    ///
    /// If another run has taken over one of the tables, the database refuses the query, or the connection breaks.
    pub async fn of(tx: &Transaction, run: &str) -> Result<Self, Failure> {
        let doing = "reading downspout.next_tables";
        if !is_there(tx).await? {
            return Ok(Self::default());
        }
        let rows = tx.query(doing, FIND, &[(&run, Type::TEXT)]).await?;
        let mut tables = Vec::with_capacity(rows.len());
        for row in &rows {
            let table = NextTable {
                oid: row.get(0),
                schema: row.get(1),
                name: row.get(2),
                next_schema: row.get(3),
                base_xid: row.get(4),
                base_rows: row.get(5),
                base_sum: row.get(6),
                is_copy: row.get(7),
                cascade: row.get(8),
            };
            if row.get::<_, &str>(9) == "lost" {
                return Err(lost(&table.to_string(), row.get(10)));
            }
            tables.push(table);
        }
        let oids: Vec<i64> = tables.iter().map(|table| table.oid).collect();
        let parts = parts(tx, &oids).await?;
        Ok(Self { tables, parts })
    }

    /// Returns the next table of the table with the id `oid`.
    #[must_use]
    pub fn of_table(&self, oid: i64) -> Option<&NextTable> {
        self.tables.iter().find(|table| table.oid == oid)
    }

    /// Redirects the names with a schema in `sql`. [`Self::set_search_path`] redirects the others.
    #[must_use]
    pub fn redirect(&self, sql: &str) -> RedirectedSql {
        let redirected = |table: &NextTable| Redirected {
            schema: table.schema.clone(),
            table: table.name.clone(),
            other: table.next_schema.clone(),
        };
        redirect(sql, &self.tables.iter().map(redirected).collect::<Vec<_>>())
    }

    /// Redirects the names without a schema, for the rest of the transaction: the schema of the next tables comes
    /// before the schema of their tables.
    ///
    /// # Errors
    ///
    /// If the connection breaks.
    pub async fn set_search_path(&self, tx: &Transaction) -> Result<(), Failure> {
        if self.tables.is_empty() {
            return Ok(());
        }
        let doing = "setting the search path";
        let rows = tx.query(doing, "SELECT s::text FROM unnest(current_schemas(false)) AS s", &[]).await?;
        let mut path: Vec<String> = Vec::new();
        for row in &rows {
            let schema: &str = row.get(0);
            let next = self.tables.iter().filter(|table| table.schema == schema);
            let mut next: Vec<_> = next.map(|table| identifier(&table.next_schema)).collect();
            next.dedup();
            path.extend(next);
            path.push(identifier(schema));
        }
        if path.is_empty() {
            return Ok(());
        }
        tx.run(doing, &format!("SET LOCAL search_path TO {}", path.join(", "))).await
    }

    /// Checks that the transaction has used no table in place of its next table.
    ///
    /// # Errors
    ///
    /// If it has; the message begins with `what`, as "the script".
    pub async fn check_reads(&self, tx: &Transaction, what: &str) -> Result<(), Failure> {
        let used = used(tx).await?;
        let Some(table) = used.iter().find(|used| self.holds_old_rows(used)) else { return Ok(()) };
        let name = format!("{}.{}", table.schema, table.name);
        let through: Vec<_> =
            used.iter().filter(|other| other.oid != table.oid && self.is_outside(other)).collect();
        let through = through.iter().map(|other| format!("{}.{}", other.schema, other.name));
        let through = match through.collect::<Vec<_>>() {
            others if others.is_empty() => String::new(),
            others => format!(" (it also used {})", others.join(", ")),
        };
        let message = format!(
            "{what} used the old rows of {name}, through a view, a function or a name that cannot be redirected{through}; \
             with `myPublish` together, name the table itself as `{name}`, or do this in the script of the activity with \
             `myPublish` here"
        );
        Err(Failure::bad_input("OldRows", message))
    }

    /// Checks that the transaction has changed the rows of next tables, temporary tables and tables of its own only. `before`
    /// are the tables that were there before.
    ///
    /// # Errors
    ///
    /// If it has changed more; the message begins with `what`, as "the script".
    pub async fn check_changes(&self, tx: &Transaction, before: &Before, what: &str) -> Result<(), Failure> {
        let used = used(tx).await?;
        let is_changed = |used: &&Used| {
            let rows = before.0.get(&used.oid).map_or(0, |relation| relation.changed_rows);
            used.is_altered || used.is_written && used.changed_rows.is_none_or(|changed| changed != rows)
        };
        let is_known = |used: &&Used| before.0.contains_key(&used.oid);
        let mut changed =
            used.iter().filter(|used| self.is_outside(used)).filter(is_known).filter(is_changed);
        if let Some(table) = changed.next() {
            let name = format!("{}.{}", table.schema, table.name);
            let message = format!(
                "{what} changes {name}, which is not an output of an activity with `myPublish` together; add an `output` with this \
                 table, or give the activity that changes it `myPublish` each, so that it changes the table at once"
            );
            return Err(Failure::bad_input("NotAnOutput", message));
        }
        if let Some(table) = used.iter().find(|used| !self.is_outside(used) && !is_known(used)) {
            let message = format!(
                "{what} creates {} without a schema, so that it would be lost at the end of the run; write its schema",
                table.name
            );
            return Err(Failure::bad_input("NoSchema", message));
        }
        Ok(())
    }

    /// Checks that no next table that the transaction has used has another form than `before`.
    ///
    /// # Errors
    ///
    /// If one has; the message begins with `what`, as "the script".
    pub async fn check_form(&self, tx: &Transaction, before: &Before, what: &str) -> Result<(), Failure> {
        let now = Before::read(tx).await?;
        let used = used(tx).await?;
        let is_used = |oid: &i64| used.iter().any(|used| used.oid == *oid);
        // A change of rights takes no lock. Other changes without a lock are those of other activities.
        let is_altered = |oid: &i64, was: &RelationState| {
            now.0.get(oid).is_some_and(|is| is.rights != was.rights || is.form != was.form && is_used(oid))
        };
        let next =
            before.0.iter().filter(|(_, was)| self.tables.iter().any(|next| next.next_schema == was.schema));
        let mut altered = next.filter(|(oid, was)| is_altered(oid, was));
        let Some((_, table)) = altered.next() else { return Ok(()) };
        let of = self.tables.iter().find(|next| next.next_schema == table.schema && next.name == table.name);
        let message = format!(
            "{what} changes the form of {}, such as its columns, indexes or rights; with `myPublish` together, only rows are put \
             in place: do this in an activity with `myPublish` each that runs before",
            of.map_or_else(|| table.name.clone(), ToString::to_string)
        );
        Err(Failure::bad_input("FormChanged", message))
    }

    /// Returns whether the run has other rows for a table.
    fn holds_old_rows(&self, used: &Used) -> bool {
        self.of_table(used.oid).is_some() || self.parts.contains(&used.oid)
    }

    fn is_outside(&self, used: &Used) -> bool {
        !self.tables.iter().any(|table| table.next_schema == used.schema)
    }
}

/// Returns whether a run of the pipeline with the id `pipeline` has put the next table of `table` in place.
///
/// # Errors
///
/// If the database refuses the query, or the connection breaks.
pub async fn is_published(tx: &Transaction, pipeline: &str, table: &Table) -> Result<bool, Failure> {
    let doing = "reading downspout.next_tables";
    if !is_there(tx).await? {
        return Ok(false);
    }
    let sql = "SELECT FROM downspout.next_tables WHERE table_oid = $1 AND starts_with(run, $2) AND state = 'published'";
    let prefix = format!("{pipeline}_");
    let found = tx.query(doing, sql, &[(&table.oid, Type::INT8), (&prefix, Type::TEXT)]).await?;
    Ok(!found.is_empty())
}

/// Returns whether the database has a list of next tables.
async fn is_there(tx: &Transaction) -> Result<bool, Failure> {
    let sql = "SELECT to_regclass('downspout.next_tables') IS NOT NULL";
    let found = tx.query("finding downspout.next_tables", sql, &[]).await?;
    Ok(found.first().is_some_and(|row| row.get(0)))
}

impl Before {
    /// Returns the tables and views that are there now.
    ///
    /// # Errors
    ///
    /// If the connection breaks.
    pub async fn read(tx: &Transaction) -> Result<Self, Failure> {
        let rows = tx.query("reading the tables of the database", RELATIONS, &[]).await?;
        let relation = |row: &tokio_postgres::Row| RelationState {
            changed_rows: row.get(1),
            form: row.get(2),
            rights: row.get(3),
            schema: row.get(4),
            name: row.get(5),
        };
        Ok(Self(rows.iter().map(|row| (row.get(0), relation(row))).collect()))
    }
}

/// Returns the ids of the partitions and heirs of tables.
async fn parts(tx: &Transaction, oids: &[i64]) -> Result<Vec<i64>, Failure> {
    let rows = tx.query("reading partitions", PARTS, &[(&oids, Type::INT8_ARRAY)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn used(tx: &Transaction) -> Result<Vec<Used>, Failure> {
    let rows = tx.query("finding the tables that were used", USED, &[]).await?;
    let used = |row: &tokio_postgres::Row| Used {
        schema: row.get(0),
        name: row.get(1),
        oid: row.get(2),
        is_written: row.get(3),
        is_altered: row.get(4),
        changed_rows: row.get(5),
    };
    Ok(rows.iter().map(used).collect())
}

/// Returns the failure of work of the run with the id `run`, or in its place the sentence that another run has taken over one of the
/// tables. The other run drops the next table, so the work may fail with any sentence of the database.
pub async fn explained(pool: &Pool, target: &DatabaseTarget, run: &str, failure: Failure) -> Failure {
    let Ok(tx) = pool.begin_reading(target).await else { return failure };
    let found = NextTables::of(&tx, run).await;
    tx.rollback().await;
    match found {
        Err(lost) if lost.id == TAKEN_OVER => lost,
        _ => failure,
    }
}

/// Returns the failure of a run whose table another run has taken over.
fn lost(table: &str, by: Option<String>) -> Failure {
    let by = by.map_or_else(String::new, |by| format!(" {by}"));
    let message = format!(
        "another run{by} fills {table} since this run began, so this run cannot put its tables in place; drop its files again"
    );
    Failure::new(TAKEN_OVER, message)
}
