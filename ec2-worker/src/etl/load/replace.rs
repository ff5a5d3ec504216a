//! Empties the table for the mode `replace`, without a change of rows in other tables.
//!
//! If no other table refers to the table, all its rows are deleted. Otherwise only the rows to which no row refers are
//! deleted first. The rows that are left are kept: the load updates those of them that are in the file, and at its end
//! deletes the others, unless rows of other tables still refer to them.

use definition::counted::counted;
use tokio_postgres::types::Type;

use super::super::table::{Relation, Table};
use super::lock;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::identifier;

/// Old rows that a load has kept because rows of other tables refer to them.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The columns to which the other tables refer.
    pub(super) key: Vec<String>,
    /// The table with the keys of the loaded rows, for SQL.
    pub(super) loaded: String,
    /// Whether a kept row may be deleted and inserted again in one statement, because no foreign key acts on that and no code
    /// of the table notices it. Only so can kept rows exchange unique values.
    pub(super) may_swap: bool,
    references: Vec<Reference>,
}

/// A foreign key that refers to the table.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) constraint: String,
    /// The table that contains the foreign key.
    pub(super) child: String,
    pub(super) child_quoted: String,
    /// The id of this table.
    pub(super) child_oid: i64,
    /// The action of the database on the rows of the child when a row of the table is deleted: `a`, `r`, `c`, `n` or `d` of
    /// `pg_constraint`.
    action: String,
    /// The action on them when the key of a row of the table is updated.
    pub(super) on_update: String,
    pub(super) is_own: bool,
    /// Whether this user can read all rows of the child.
    pub(super) is_readable: bool,
    pub(super) columns: Vec<String>,
    pub(super) key: Vec<String>,
    /// The name of the unique constraint of the key.
    unique: String,
}

/// The table and the tables whose rows are deleted with those of the table: partitions, heirs, and the tables of a view.
const FAMILY: &str = "
WITH RECURSIVE family(oid) AS (
  SELECT $1::int8::oid
  UNION SELECT x.oid FROM family f, LATERAL (
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = f.oid
    UNION ALL SELECT d.refobjid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> f.oid
    WHERE v.oid = f.oid AND v.relkind = 'v') x(oid))";

const REFERENCES: &str = "
SELECT k.conname::text, n.nspname::text, c.relname::text, k.confdeltype::text, k.conrelid IN (SELECT oid FROM family),
  has_table_privilege(k.conrelid, 'SELECT') AND NOT row_security_active(k.conrelid),
  ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY place),
  ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY place),
  i.relname::text, k.confupdtype::text, k.conrelid::int8
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_class i ON i.oid = k.conindid
WHERE k.contype = 'f' AND k.confrelid IN (SELECT oid FROM family)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint p
    WHERE p.oid = k.conparentid AND p.confrelid IN (SELECT oid FROM family))
ORDER BY n.nspname, c.relname, k.conname";

const CODE: &str = "
SELECT 'the trigger ' || t.tgname || ' of ' || t.tgrelid::regclass FROM pg_catalog.pg_trigger t
WHERE t.tgrelid IN (SELECT oid FROM family) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 8 <> 0
UNION ALL SELECT 'the rule ' || r.rulename || ' of ' || r.ev_class::regclass FROM pg_catalog.pg_rewrite r
WHERE r.ev_class IN (SELECT oid FROM family) AND r.ev_type = '4' AND r.ev_enabled IN ('O', 'A')
UNION ALL SELECT 'the inheritance of ' || i.inhrelid::regclass FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhparent WHERE i.inhparent = $1::int8::oid AND c.relkind = 'r'";

/// The cause of rows that stay although a user may see and delete rows of the table.
const POLICIES: &str = "row-level security without a policy that lets this user delete them";

/// Deletes the old rows of the table. Returns the rows that were kept, if there are any.
///
/// # Errors
///
/// If deleting could change rows of other tables and the load does not allow that, or if the database refuses a
/// statement.
pub(super) async fn empty(
    tx: &Transaction,
    table: &Table,
    cascade: bool,
    has_insert_query: bool,
) -> Result<Option<Kept>, Failure> {
    let name = table.quoted();
    let doing = format!("emptying {table}");
    // The lock does not stop readers, but a second `replace` has to wait. Without the lock, the rows of both files would
    // stay.
    if table.kind == Relation::Table {
        tx.run(&doing, &format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")).await?;
    } else {
        lock(tx, &name).await?;
    }
    let code = code(tx, table, cascade).await?;
    let references = references(tx, table).await?;
    let is_plain = references.iter().all(|reference| reference.is_own) || table.kind != Relation::Table;
    if is_plain {
        if let Some(reference) = references.iter().find(|it| it.acts() && !it.is_own && !cascade) {
            return Err(may_change(&format!(
                "deleting rows of {table} can change rows of {} (constraint {}, {})",
                reference.child,
                reference.constraint,
                reference.action()
            )));
        }
        tx.run(&doing, &format!("DELETE FROM {name}")).await?;
        let keeper = code.or_else(|| table.row_security.then(|| POLICIES.to_owned()));
        if let Some(keeper) = keeper
            && has_rows(tx, table).await?
        {
            return Err(not_emptied(table, &keeper));
        }
        return Ok(None);
    }
    keep(tx, table, (cascade, has_insert_query), references).await
}

fn not_emptied(table: &Table, keeper: &str) -> Failure {
    let message = format!(
        "table {table} still has rows after DELETE, because {keeper} keeps them; change that, or use `myLoadMode` append or upsert"
    );
    Failure::bad_input("NotEmptied", message)
}

/// Returns whether a foreign key refers to the table.
///
/// # Errors
///
/// If the connection breaks.
pub(super) async fn is_referenced(tx: &Transaction, table: &Table) -> Result<bool, Failure> {
    Ok(!references(tx, table).await?.is_empty())
}

/// Returns the code that runs when rows are deleted, such as a trigger, if there is any.
///
/// # Errors
///
/// If there is such code, and rows of other tables must not change.
async fn code(tx: &Transaction, table: &Table, cascade: bool) -> Result<Option<String>, Failure> {
    let doing = format!("emptying {table}");
    let code = tx.query(&doing, &format!("{FAMILY}{CODE}"), &[(&table.oid, Type::INT8)]).await?;
    let code: Option<String> = code.first().map(|row| row.get(0));
    match code {
        Some(what) if !cascade => Err(may_change(&format!(
            "{what} may change rows of other tables when rows of {table} are deleted"
        ))),
        code => Ok(code),
    }
}

/// Deletes the rows of the table whose primary keys are not in `wanted`, a query in parentheses.
///
/// # Errors
///
/// The errors of [`Kept::finish`], and an error if code of the table could change rows of other tables.
pub(super) async fn delete_others(
    tx: &Transaction,
    table: &Table,
    wanted: String,
    cascade: bool,
) -> Result<(), Failure> {
    code(tx, table, cascade).await?;
    let references = references(tx, table).await?;
    Kept { key: table.primary_key.clone(), loaded: wanted, may_swap: false, references }
        .finish(tx, table, cascade)
        .await
}

/// Returns the foreign keys that refer to the table or to one of its parts.
///
/// # Errors
///
/// If the connection breaks.
pub(super) async fn references(tx: &Transaction, table: &Table) -> Result<Vec<Reference>, Failure> {
    let doing = "finding the tables that refer to the table";
    let rows = tx.query(doing, &format!("{FAMILY}{REFERENCES}"), &[(&table.oid, Type::INT8)]).await?;
    let reference = |row: &tokio_postgres::Row| {
        let (schema, child): (&str, &str) = (row.get(1), row.get(2));
        Reference {
            constraint: row.get(0),
            child: format!("{schema}.{child}"),
            child_quoted: format!("{}.{}", identifier(schema), identifier(child)),
            action: row.get(3),
            is_own: row.get(4),
            is_readable: row.get(5),
            columns: row.get(6),
            key: row.get(7),
            unique: row.get(8),
            on_update: row.get(9),
            child_oid: row.get(10),
        }
    };
    Ok(rows.iter().map(reference).collect())
}

/// Checks that row-level security has kept none of the rows that the condition `free` on the row `old` chose to be deleted.
async fn check_policies(tx: &Transaction, table: &Table, free: &str) -> Result<(), Failure> {
    if !table.row_security {
        return Ok(());
    }
    let query = format!("SELECT EXISTS (SELECT FROM {} AS old WHERE {free})", table.quoted());
    let rows = tx.query(&format!("emptying {table}"), &query, &[]).await?;
    if rows.first().is_some_and(|row| row.get(0)) { Err(not_emptied(table, POLICIES)) } else { Ok(()) }
}

/// Deletes the rows to which no row refers, and returns the others.
async fn keep(
    tx: &Transaction,
    table: &Table,
    (cascade, has_insert_query): (bool, bool),
    references: Vec<Reference>,
) -> Result<Option<Kept>, Failure> {
    let name = table.quoted();
    let unseen = references.iter().find(|reference| !reference.is_readable);
    if let Some(unseen) = unseen.filter(|reference| reference.acts() && !cascade) {
        return Err(may_change(&format!(
            "deleting rows of {table} can change rows of {} (constraint {}, {}), which this user may not read",
            unseen.child,
            unseen.constraint,
            unseen.action()
        )));
    }
    let is_free = |reference: &Reference| match unseen {
        // Only a row without a key is certainly free.
        Some(_) => nulls(&reference.key),
        None => format!(
            "NOT EXISTS (SELECT FROM {} AS other WHERE {})",
            reference.child_quoted,
            equal("other", &reference.columns, "old", &reference.key)
        ),
    };
    let conditions: Vec<String> = references.iter().map(is_free).collect();
    let delete = format!("DELETE FROM {name} AS old WHERE {}", conditions.join(" AND "));
    tx.run(&format!("emptying {table}"), &delete).await?;
    if !has_rows(tx, table).await? {
        return Ok(None);
    }
    check_policies(tx, table, &conditions.join(" AND ")).await?;
    let others = || references.iter().filter(|reference| !reference.is_own);
    let Some(first) = others().next() else { return Ok(None) };
    let sorted = |reference: &Reference| {
        let mut key = reference.key.clone();
        key.sort_unstable();
        key
    };
    if let Some(other) = others().find(|reference| sorted(reference) != sorted(first)) {
        let children = match first.child == other.child {
            true => first.child.clone(),
            false => format!("{} and {}", first.child, other.child),
        };
        let message = format!(
            "rows of {children} refer to rows of {table} by different columns (constraints {} and {}), so `replace` cannot keep \
             these rows; delete them first, or use `myLoadMode` upsert",
            first.constraint, other.constraint
        );
        return Err(Failure::bad_input("RowsInUse", message));
    }
    if has_insert_query {
        let message = format!(
            "rows of {} refer to rows of {table}, so `replace` has to update these rows, and `insertQuery` cannot; delete \
             the rows of {} first, or load without `insertQuery`",
            first.child, first.child
        );
        return Err(Failure::bad_input("RowsInUse", message));
    }
    let key = list(&first.key);
    let keys = format!("downspout_keys_{}", table.oid);
    let loaded = format!("pg_temp.{keys}");
    // A row with the key of an earlier row of the file is refused under the name of the table's own constraint.
    let create = format!(
        "DROP TABLE IF EXISTS {loaded}; \
         CREATE TEMP TABLE {keys} ON COMMIT DROP AS SELECT {key} FROM {name} WITH NO DATA; \
         ALTER TABLE {loaded} ADD CONSTRAINT {} UNIQUE ({key})",
        identifier(&first.unique)
    );
    tx.run("creating a temporary table", &create).await?;
    let may_swap = !cascade && references.iter().all(|reference| reference.action == "a");
    Ok(Some(Kept { key: first.key.clone(), loaded, may_swap, references }))
}

impl Kept {
    /// Says which row may have a unique value that a refused row needs.
    pub(super) fn holder(&self) -> String {
        let child = self.references.iter().find(|reference| !reference.is_own);
        let child = child.map_or("another table", |reference| reference.child.as_str());
        format!(
            ": a row of the file has it, or an old row that `replace` keeps because rows of {child} refer to it"
        )
    }

    /// Deletes the kept rows that the file lacks.
    ///
    /// # Errors
    ///
    /// If rows of other tables refer to them and the load does not allow to change these.
    pub(super) async fn finish(&self, tx: &Transaction, table: &Table, cascade: bool) -> Result<(), Failure> {
        let name = table.quoted();
        let loaded = |row: &str| {
            format!(
                "EXISTS (SELECT FROM {} AS loaded WHERE {})",
                self.loaded,
                equal("loaded", &self.key, row, &self.key)
            )
        };
        let is_gone = format!("NOT ({}) AND NOT {}", nulls(&self.key), loaded("old"));
        for reference in &self.references {
            if !reference.is_readable || (cascade && reference.acts() && !reference.is_own) {
                continue;
            }
            let own = if reference.is_own { format!(" AND {}", loaded("other")) } else { String::new() };
            let count = format!(
                "SELECT count(*) FROM {} AS other JOIN {name} AS old ON {} WHERE {is_gone}{own}",
                reference.child_quoted,
                equal("other", &reference.columns, "old", &reference.key)
            );
            let rows = tx.query("finding rows that refer to old rows", &count, &[]).await?;
            let count: i64 = rows.first().map_or(0, |row| row.get(0));
            if count > 0 {
                return Err(reference.in_use(table, count));
            }
        }
        tx.run(
            &format!("deleting old rows of {table}"),
            &format!("DELETE FROM {name} AS old WHERE {is_gone}"),
        )
        .await
    }
}

impl Reference {
    /// Returns whether the database changes rows of the child when it deletes rows of the table.
    fn acts(&self) -> bool {
        matches!(self.action.as_str(), "c" | "n" | "d")
    }

    fn action(&self) -> &'static str {
        match self.action.as_str() {
            "c" => "ON DELETE CASCADE",
            "n" => "ON DELETE SET NULL",
            "d" => "ON DELETE SET DEFAULT",
            "r" => "ON DELETE RESTRICT",
            _ => "ON DELETE NO ACTION",
        }
    }

    fn in_use(&self, table: &Table, count: i64) -> Failure {
        let rows = counted(count, "row");
        let refer = if count == 1 { "refers" } else { "refer" };
        let Self { child, constraint, .. } = self;
        let what = format!(
            "{rows} of {child} (constraint {constraint}, {}) {refer} to rows of {table} that are not among the loaded rows",
            self.action()
        );
        if self.acts() && !self.is_own {
            return may_change(&format!("deleting rows of {table} would change rows of {child}: {what}"));
        }
        let message = format!("{what}; add these rows to the file, or delete the rows of {child} first");
        Failure::bad_input("RowsInUse", message)
    }
}

fn may_change(what: &str) -> Failure {
    let message = format!(
        "{what}; set `myCascade` to true to allow this, or use `myLoadMode` upsert; the table is left as it was"
    );
    Failure::bad_input("OtherTables", message)
}

async fn has_rows(tx: &Transaction, table: &Table) -> Result<bool, Failure> {
    let found =
        tx.query("reading the table", &format!("SELECT FROM {} LIMIT 1", table.quoted()), &[]).await?;
    Ok(!found.is_empty())
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| identifier(column)).collect::<Vec<_>>().join(", ")
}

pub(super) fn equal(one: &str, columns: &[String], other: &str, others: &[String]) -> String {
    let pairs = columns.iter().zip(others);
    let pairs = pairs.map(|(a, b)| format!("{one}.{} = {other}.{}", identifier(a), identifier(b)));
    pairs.collect::<Vec<_>>().join(" AND ")
}

/// Returns the condition that a key of an old row contains NULL, so that no row can refer to it.
fn nulls(key: &[String]) -> String {
    let nulls = key.iter().map(|column| format!("old.{} IS NULL", identifier(column)));
    format!("({})", nulls.collect::<Vec<_>>().join(" OR "))
}
