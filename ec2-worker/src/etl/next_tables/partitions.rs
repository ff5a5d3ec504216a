//! Makes a next table refuse the rows that the partitions of its table refuse: rows for which there is no partition, and rows that
//! break a check, a NOT NULL or a unique key that one partition alone has.
//!
//! A next table has no partitions. Without these rules, such a row would be noticed only when the tables are put in place, and
//! would fail the whole run. The rules of partitions by hash are noticed only then, and so are their EXCLUDE and deferrable
//! constraints.

use tokio_postgres::types::Type;

use super::super::table::Table;
use super::NextTable;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::{identifier, literal};

/// The name of the check. The database names it when it refuses a row.
pub(in super::super) const CHECK: &str = "a partition takes the row";

const DOING: &str = "reading the partitions of the table";
/// The largest length of a name in PostgreSQL, in bytes.
const LONGEST_NAME: usize = 63;

/// The table and its partitions. Partitions by hash count as their table.
const TREE: &str = "
WITH RECURSIVE tree(oid, is_leaf) AS (
  SELECT c.oid, coalesce(s.partstrat, 'h') = 'h' FROM pg_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_partitioned_table s ON s.partrelid = c.oid WHERE c.oid = $1::int8::oid
  UNION SELECT i.inhrelid, coalesce(s.partstrat, 'h') = 'h' FROM tree
    JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid AND NOT tree.is_leaf
    LEFT JOIN pg_catalog.pg_partitioned_table s ON s.partrelid = i.inhrelid)";

/// The rules of partitions that the table itself lacks: the name, the condition of the partition, and the expression of a check, or the
/// definition of a unique index with its predicate.
const RULES: &str = "
{TREE}
SELECT r.name || ' of ' || c.relname, d.condition, r.is_index, r.rule, coalesce(r.predicate, 'true'), c.oid::text
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
CROSS JOIN LATERAL (SELECT coalesce(pg_catalog.pg_get_partition_constraintdef(tree.oid), 'true')) AS d (condition)
CROSS JOIN LATERAL (
  SELECT k.conname::text, false, pg_catalog.pg_get_expr(k.conbin, k.conrelid), NULL
  FROM pg_catalog.pg_constraint k WHERE k.conrelid = tree.oid AND k.contype = 'c' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint o WHERE o.conrelid = $1::int8::oid AND o.contype = 'c' AND o.conname = k.conname)
  UNION ALL SELECT 'NOT NULL of ' || a.attname, false, quote_ident(a.attname) || ' IS NOT NULL', NULL
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = tree.oid AND a.attnum > 0 AND a.attnotnull AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute o WHERE o.attrelid = $1::int8::oid AND o.attname = a.attname AND o.attnotnull)
  UNION ALL SELECT i.relname::text, true, pg_catalog.pg_get_indexdef(x.indexrelid), pg_catalog.pg_get_expr(x.indpred, x.indrelid)
  FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
  WHERE x.indrelid = tree.oid AND x.indisunique AND x.indimmediate AND x.indisvalid
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = x.indexrelid)
) AS r (name, is_index, rule, predicate)
WHERE tree.is_leaf AND tree.oid <> $1::int8::oid AND d.condition !~ 'satisfies_hash_partition' ORDER BY tree.oid, 1";

/// The conditions of the partitions that have rows. A partition without a condition takes every row. Partitions by hash count as
/// one that takes every row, because their condition would read the table itself.
const CONDITIONS: &str = "
{TREE}
SELECT CASE WHEN d ~ 'satisfies_hash_partition' THEN 'true' ELSE coalesce(d, 'true') END
FROM tree CROSS JOIN LATERAL pg_catalog.pg_get_partition_constraintdef(tree.oid) AS d
WHERE tree.is_leaf ORDER BY tree.oid";

const KIND: &str =
    "SELECT c.relkind = 'p' OR c.relispartition FROM pg_catalog.pg_class c WHERE c.oid = $1::int8::oid";

const KNOWN: &str = "SELECT pg_catalog.obj_description(k.oid, 'pg_constraint') FROM pg_catalog.pg_constraint k \
                     WHERE k.conrelid = $1::regclass AND k.conname = $2::name";

/// Gives the next table the rules by which a partition of `table` takes a row, or brings them up to date. The search path must
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
    let conditions = CONDITIONS.replace("{TREE}", TREE);
    let rows = tx.query(DOING, &conditions, &[(&table.oid, Type::INT8)]).await?;
    let conditions: Vec<String> = rows.iter().map(|row| format!("({})", row.get::<_, &str>(0))).collect();
    let condition = if conditions.is_empty() { "false".to_owned() } else { conditions.join(" OR ") };
    add(tx, next, CHECK, &condition).await?;
    for row in tx.query(DOING, &RULES.replace("{TREE}", TREE), &[(&table.oid, Type::INT8)]).await? {
        let (partition, rule, predicate): (&str, &str, &str) = (row.get(1), row.get(3), row.get(4));
        let name = &unique(row.get(0), row.get(5));
        if !row.get::<_, bool>(2) {
            add(tx, next, name, &format!("({partition}) IS NOT TRUE OR ({rule})")).await?;
            continue;
        }
        let columns = rule.strip_suffix(&format!(" WHERE {predicate}")).unwrap_or(rule);
        let Some((_, columns)) = columns.split_once(" USING ") else { continue };
        let index = format!(
            "CREATE UNIQUE INDEX IF NOT EXISTS {} ON {} USING {columns} WHERE ({partition}) AND ({predicate})",
            identifier(name),
            next.next_quoted()
        );
        tx.run(DOING, &index).await?;
    }
    Ok(())
}

/// Returns the name of a rule as the database keeps it. Of a name that is too long, the database keeps the beginning, which the rules of
/// several partitions can share, so the id of the partition stands at its end.
fn unique(name: &str, oid: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let end = name.floor_char_boundary(LONGEST_NAME - oid.len() - 1);
    format!("{}~{oid}", &name[..end])
}

/// Gives the next table the check `condition` under the name `check`.
async fn add(tx: &Transaction, next: &NextTable, check: &str, condition: &str) -> Result<(), Failure> {
    let (new, name) = (next.next_quoted(), identifier(check));
    let known = tx.query(DOING, KNOWN, &[(&new, Type::TEXT), (&check, Type::TEXT)]).await?;
    // Another activity may use the next table, so a check that has not changed stays the same object.
    if known.first().is_some_and(|row| row.get::<_, Option<&str>>(0) == Some(condition)) {
        return Ok(());
    }
    let alter = format!(
        "ALTER TABLE {new} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID; \
         COMMENT ON CONSTRAINT {name} ON {new} IS {}",
        literal(condition)
    );
    tx.run(DOING, &alter).await
}
