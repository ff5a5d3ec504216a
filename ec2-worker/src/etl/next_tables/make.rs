//! Makes the next table of a table.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio_postgres::types::Type;

use super::super::table::{Relation, Table};
use super::{NextTable, NextTables, is_there, lost, partitions, parts};
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::{identifier, literal};

/// The rows with which a next table begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// No rows, because the activity replaces all of them.
    Empty,
    /// The rows of the table.
    Copy,
}

const DOING: &str = "making the next table";

const REGISTRY: &str = "
CREATE TABLE IF NOT EXISTS downspout.next_tables (
    run          text NOT NULL,
    table_oid    bigint NOT NULL,
    table_schema text NOT NULL,
    table_name   text NOT NULL,
    next_schema  text NOT NULL,
    base_xid     text NOT NULL,
    base_rows    bigint NOT NULL,
    base_sum    text NOT NULL,
    is_copy      boolean NOT NULL,
    cascade      boolean NOT NULL,
    state        text NOT NULL CHECK (state IN ('open', 'lost', 'published')),
    taken_by     text,
    made_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, table_oid)
);
COMMENT ON TABLE downspout.next_tables IS 'The tables that runs with myPublish together fill before they put them in place.'";

const STATE: &str = "SELECT state, taken_by FROM downspout.next_tables WHERE run = $1 AND table_oid = $2";

/// The reasons against a next table, and whether `myCascade` allows it nevertheless. Triggers and rules would change rows
/// only when the run puts them in place, so its other activities would not see the changes. The rows of heirs count as rows
/// of the table, but a next table has no heirs.
///
/// A trigger of a partitioned table stands once more at each partition, with the id of the first one in `tgparentid` since PostgreSQL 13.
const CODE: &str = "
WITH RECURSIVE parts(oid) AS (
  SELECT $1::int8::oid UNION SELECT i.inhrelid FROM parts p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)
SELECT 'the trigger ' || t.tgname || CASE WHEN t.tgrelid = $1::int8::oid THEN '' ELSE ' of ' || t.tgrelid::regclass::text END
    || ' would act only when the run has ended'
    || CASE WHEN t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0 THEN '' ELSE ', and may change other tables (`myCascade` true allows it)' END,
  NOT (t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0)
FROM pg_catalog.pg_trigger t
WHERE t.tgrelid IN (SELECT oid FROM parts) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
  AND coalesce(to_jsonb(t) ->> 'tgparentid', '0') = '0'
UNION ALL SELECT 'the rule ' || r.rulename || ' would act only when the run has ended', false FROM pg_catalog.pg_rewrite r
WHERE r.ev_class = $1::int8::oid AND r.ev_type <> '1' AND r.ev_enabled IN ('O', 'A')
UNION ALL SELECT 'the inheritance of ' || i.inhrelid::regclass || ' gives it rows that a next table lacks', false
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhparent WHERE i.inhparent = $1::int8::oid AND c.relkind = 'r'";

/// The foreign keys of a table: name, definition, the table they refer to, its columns, and whether this user can see
/// all rows of that table.
const FOREIGN_KEYS: &str = "
SELECT k.conname::text, pg_catalog.pg_get_constraintdef(k.oid), k.confrelid::int8, k.confrelid::regclass::text,
  ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY place),
  ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY place),
  has_table_privilege(k.confrelid, 'SELECT') AND NOT row_security_active(k.confrelid)
FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND k.conrelid = $1::int8::oid ORDER BY k.conname";

/// Makes the next table of `table` for the run with the id `run`, unless the run has it already. The caller commits,
/// and fills the next table in a later transaction, because rows of this transaction count as copied rows.
///
/// Two runs cannot both put rows into one table. So a next table that another run has made for the same table is
/// dropped, and that run fails if it has not ended.
///
/// # Errors
///
/// If the table cannot have a next table, another run has taken over the table, the database refuses a statement, or
/// the connection breaks.
pub async fn make(
    tx: &Transaction,
    run: &str,
    table: &Table,
    base: Base,
    cascade: bool,
) -> Result<(), Failure> {
    // Without the lock, two activities of the run could make the registry or the next table at once.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('downspout.next_tables', 0))";
    tx.run("waiting for another next table", lock).await?;
    if !is_there(tx).await? {
        tx.run("creating downspout.next_tables", REGISTRY).await?;
    }
    let state = tx.query(DOING, STATE, &[(&run, Type::TEXT), (&table.oid, Type::INT8)]).await?;
    match state.first().map(|row| row.get::<_, &str>(0)) {
        Some("open") => return reuse(tx, run, table, cascade).await,
        Some("lost") => return Err(lost(&table.to_string(), state[0].get(1))),
        _ => {}
    }
    check(tx, table, cascade).await?;
    take_over(tx, run, table.oid).await?;
    let others = NextTables::of(tx, run).await?;
    check_partitions(tx, table, &others).await?;
    let mut next = NextTable {
        oid: table.oid,
        schema: table.schema.clone(),
        name: table.name.clone(),
        next_schema: schema_of(&table.schema, run),
        base_xid: String::new(),
        base_rows: 0,
        base_sum: "0".to_owned(),
        is_copy: base == Base::Copy,
        cascade,
    };
    create(tx, table, &next).await?;
    if next.is_copy {
        copy_rows(tx, table, &mut next).await?;
    }
    refer(tx, table, &next, others, true).await?;
    partitions::check(tx, table, &next).await?;
    register(tx, run, &next).await
}

/// Prepares a next table that the run has already for one more activity.
async fn reuse(tx: &Transaction, run: &str, table: &Table, cascade: bool) -> Result<(), Failure> {
    let allow = "UPDATE downspout.next_tables SET cascade = true WHERE run = $1 AND table_oid = $2 AND $3 AND NOT cascade";
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&run, Type::TEXT), (&table.oid, Type::INT8), (&cascade, Type::BOOL)];
    tx.query(DOING, allow, &values).await?;
    let mut others = NextTables::of(tx, run).await?;
    let Some(own) = others.tables.iter().position(|next| next.oid == table.oid) else { return Ok(()) };
    let own = others.tables.remove(own);
    // Meanwhile, a table to which this one refers may have got a next table.
    refer(tx, table, &own, others, false).await?;
    // Meanwhile, the table may have got a partition.
    partitions::check(tx, table, &own).await
}

/// Returns the name of the table with the primary keys of the rows that were copied from the table with the id `oid`.
pub(super) fn base_name(oid: i64) -> String {
    format!("{oid} base")
}

/// Returns the schema for the next tables of the tables in `schema`.
///
/// PostgreSQL cuts a name after 63 bytes, but the schemas of two runs differ only by the id at the end. So a long schema
/// name is cut here. It gets a hash, because the names of two schemas may have the same beginning.
fn schema_of(schema: &str, run: &str) -> String {
    let space = 63_usize.saturating_sub(run.len() + 2);
    if schema.len() <= space {
        return format!("{schema}__{run}");
    }
    let mut hasher = DefaultHasher::new();
    schema.hash(&mut hasher);
    let hash = format!("~{:08x}", hasher.finish() >> 32);
    let mut end = space.saturating_sub(hash.len());
    while !schema.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{hash}__{run}", &schema[..end])
}

async fn check(tx: &Transaction, table: &Table, cascade: bool) -> Result<(), Failure> {
    let refused = |what: &str| {
        let message = format!(
            "{table} cannot be published together with other tables, because {what}; give its activities `myPublish` each"
        );
        Failure::bad_input("Publish", message)
    };
    match table.kind {
        Relation::Table => {}
        Relation::Foreign => return Err(refused("it is a table of another server")),
        Relation::View | Relation::MaterializedView => return Err(refused("it is a view")),
    }
    if table.row_security {
        return Err(refused("policies of row-level security restrict this user"));
    }
    let code = tx.query(DOING, CODE, &[(&table.oid, Type::INT8)]).await?;
    let mut code = code.iter().filter(|row| !(cascade && row.get::<_, bool>(1)));
    match code.next() {
        Some(row) => Err(refused(row.get::<_, &str>(0))),
        None => Ok(()),
    }
}

/// Checks that the run has no next table for a part of the table, or for a table that contains this one as a part.
async fn check_partitions(tx: &Transaction, table: &Table, others: &NextTables) -> Result<(), Failure> {
    let own = parts(tx, &[table.oid]).await?;
    let part = others.tables.iter().find(|other| own.contains(&other.oid));
    let other = match part {
        Some(part) => part.to_string(),
        None if others.parts.contains(&table.oid) => "the table of which it is a part".to_owned(),
        None => return Ok(()),
    };
    let message = format!(
        "this run cannot publish both {table} and {other} together, because one is a partition of the other; name only one of \
         them as an output"
    );
    Err(Failure::bad_input("Publish", message))
}

/// Drops the next tables that other runs have made for the same table.
async fn take_over(tx: &Transaction, run: &str, oid: i64) -> Result<(), Failure> {
    let update = "UPDATE downspout.next_tables SET state = 'lost', taken_by = $1 \
                  WHERE table_oid = $2 AND run <> $1 AND state = 'open' RETURNING next_schema, table_name";
    let taken = tx.query(DOING, update, &[(&run, Type::TEXT), (&oid, Type::INT8)]).await?;
    for row in taken {
        drop_next(tx, oid, row.get(0), row.get(1)).await?;
    }
    Ok(())
}

/// Drops a next table, and its schema if no other table is in it.
///
/// # Errors
///
/// If the database refuses a statement, or the connection breaks.
pub(in super::super) async fn drop_next(
    tx: &Transaction,
    oid: i64,
    schema: &str,
    name: &str,
) -> Result<(), Failure> {
    let doing = "dropping the next table";
    let (quoted, table) = (identifier(schema), identifier(name));
    let base = identifier(&base_name(oid));
    let drop = format!(
        "DROP TABLE IF EXISTS {quoted}.{table}, {quoted}.{base} CASCADE; DROP FUNCTION IF EXISTS {quoted}.{table}() CASCADE"
    );
    let there = tx
        .query(
            doing,
            "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1::name",
            &[(&schema, Type::TEXT)],
        )
        .await?;
    if there.is_empty() {
        return Ok(());
    }
    let forget = "DELETE FROM downspout.loaded_files WHERE table_oid = to_regclass($1)::oid::int8";
    tx.query(doing, forget, &[(&format!("{quoted}.{table}"), Type::TEXT)]).await?;
    tx.run(doing, &drop).await?;
    let rest = "SELECT FROM pg_catalog.pg_class WHERE relnamespace = $1::regnamespace LIMIT 1";
    if tx.query(doing, rest, &[(&quoted, Type::TEXT)]).await?.is_empty() {
        tx.run(doing, &format!("DROP SCHEMA {quoted} CASCADE")).await?;
    }
    Ok(())
}

async fn create(tx: &Transaction, table: &Table, next: &NextTable) -> Result<(), Failure> {
    drop_next(tx, next.oid, &next.next_schema, &next.name).await?;
    let (live, new) = (next.quoted(), next.next_quoted());
    // A copied identity column would have its own sequence and count from 1 again. The next table uses the sequence
    // of the table instead.
    let create = format!(
        "CREATE SCHEMA IF NOT EXISTS {}; CREATE TABLE {new} (LIKE {live} INCLUDING ALL EXCLUDING IDENTITY)",
        identifier(&next.next_schema)
    );
    tx.run(&format!("making the next table of {table} (the user needs CREATE on the database)"), &create)
        .await?;
    for column in &table.numbered {
        let find = "SELECT pg_get_serial_sequence($1, $2)";
        let sequence = tx.query(DOING, find, &[(&live, Type::TEXT), (column, Type::TEXT)]).await?;
        if let Some(sequence) = sequence.first().and_then(|row| row.get::<_, Option<String>>(0)) {
            let (column, sequence) = (identifier(column), literal(&sequence));
            let alter = format!("ALTER TABLE {new} ALTER COLUMN {column} SET DEFAULT nextval({sequence})");
            tx.run(DOING, &alter).await?;
        }
    }
    Ok(())
}

/// Copies the rows of the table. Keeps their primary keys or their checksum, and the list of the files that they come
/// from.
async fn copy_rows(tx: &Transaction, table: &Table, next: &mut NextTable) -> Result<(), Failure> {
    let columns: Vec<_> = table.columns.iter().map(|column| identifier(&column.name)).collect();
    let columns = columns.join(", ");
    let (live, new) = (next.quoted(), next.next_quoted());
    let doing = format!("copying the rows of {table}");
    tx.run(&doing, &format!("INSERT INTO {new} ({columns}) SELECT {columns} FROM {live}")).await?;
    if is_mergeable(table) {
        let key: Vec<_> = table.primary_key.iter().map(|name| identifier(name)).collect();
        let keys = format!(
            "CREATE TABLE {} AS SELECT {}, {} AS downspout_hash FROM {new} AS row",
            next.base_keys_quoted(),
            key.join(", "),
            hash_of_row(table, "row")
        );
        tx.run(&doing, &keys).await?;
    } else {
        let count = format!("SELECT count(*), {} FROM {new} AS row", sum_of_rows(table));
        if let Some(row) = tx.query(&doing, &count, &[]).await?.first() {
            (next.base_rows, next.base_sum) = (row.get(0), row.get(1));
        }
    }
    let notes = "INSERT INTO downspout.loaded_files (table_oid, table_name, bucket, key, etag, pipeline_id, instance_id, loaded_at) \
                 SELECT $1::regclass::oid::int8, table_name, bucket, key, etag, pipeline_id, instance_id, loaded_at \
                 FROM downspout.loaded_files WHERE table_oid = $2";
    tx.query(&doing, notes, &[(&new, Type::TEXT), (&table.oid, Type::INT8)]).await?;
    Ok(())
}

/// Returns the SQL for a checksum of the rows of the alias `row`. The checksum does not depend on the order of the rows.
pub(in super::super) fn sum_of_rows(table: &Table) -> String {
    format!("coalesce(sum({}::numeric), 0)::text", hash_of_row(table, "row"))
}

/// Returns the SQL for a hash of the row `alias`. The hash depends on settings, so compare only hashes that were made with the
/// same settings.
pub(in super::super) fn hash_of_row(table: &Table, alias: &str) -> String {
    let columns: Vec<_> =
        table.columns.iter().map(|column| format!("{alias}.{}", identifier(&column.name))).collect();
    format!("hashtextextended(ROW({})::text, 0)", columns.join(", "))
}

/// Returns whether rows of the table can be told apart by the primary key and replaced one by one. PostgreSQL cannot
/// set a column GENERATED ALWAYS AS IDENTITY, or compare rows by a deferrable key.
pub(in super::super) fn is_mergeable(table: &Table) -> bool {
    let is_key = |name: &String| table.primary_key.contains(name);
    !table.primary_key.is_empty() && !table.has_deferrable_key && table.always_identity.iter().all(is_key)
}

/// Gives the next table the foreign keys of the table.
///
/// If the other table has a next table, or is the table itself, the foreign key refers to that next table. A foreign
/// key to any other table would stop other programs that delete rows there. So a trigger checks new rows in its
/// place, if this user can see all rows of the other table. The real key checks all rows when they are put in place.
async fn refer(
    tx: &Transaction,
    table: &Table,
    next: &NextTable,
    mut others: NextTables,
    is_first: bool,
) -> Result<(), Failure> {
    // With an empty search path, PostgreSQL writes each name in the definition of a key with its schema.
    tx.run("setting the search path", "SET LOCAL search_path TO ''").await?;
    let keys = tx.query(DOING, FOREIGN_KEYS, &[(&table.oid, Type::INT8)]).await?;
    others.tables.push(next.clone());
    let new = next.next_quoted();
    let known =
        "SELECT conname::text FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conrelid = $1::regclass";
    let known = tx.query(DOING, known, &[(&new, Type::TEXT)]).await?;
    let known: Vec<&str> = known.iter().map(|row| row.get(0)).collect();
    let is_missing = |key: &&tokio_postgres::Row| {
        others.of_table(key.get(2)).is_some() && !known.contains(&key.get::<_, &str>(0))
    };
    // A next table that is used again has its keys already, unless another table has got a next table since.
    if !is_first && !keys.iter().any(|key| is_missing(&key)) {
        return Ok(());
    }
    tx.run(DOING, &format!("DROP FUNCTION IF EXISTS {new}() CASCADE")).await?;
    let mut checks = String::new();
    for key in &keys {
        let (name, definition, parent): (&str, &str, i64) = (key.get(0), key.get(1), key.get(2));
        if known.contains(&name) {
            continue;
        }
        if others.of_table(parent).is_some() {
            let definition = others.redirect(definition.trim_end_matches(" NOT VALID")).text;
            let alter =
                format!("ALTER TABLE {new} ADD CONSTRAINT {} {definition} NOT VALID", identifier(name));
            tx.run(DOING, &alter).await?;
        } else if key.get::<_, bool>(6) {
            checks.push_str(&missing_parent(
                table,
                name,
                key.get(3),
                &key.get::<_, Vec<String>>(4),
                &key.get::<_, Vec<String>>(5),
            ));
        }
    }
    if checks.is_empty() {
        return Ok(());
    }
    let body = literal(&format!("BEGIN {checks} RETURN NEW; END"));
    let trigger = format!(
        "CREATE FUNCTION {new}() RETURNS trigger LANGUAGE plpgsql AS {body}; \
         CREATE TRIGGER downspout_foreign_keys BEFORE INSERT OR UPDATE ON {new} FOR EACH ROW EXECUTE FUNCTION {new}()"
    );
    tx.run(DOING, &trigger).await
}

/// Returns the statement that refuses a row without its row in `parent`, as the foreign key `name` would.
fn missing_parent(table: &Table, name: &str, parent: &str, columns: &[String], keys: &[String]) -> String {
    let filled: Vec<_> =
        columns.iter().map(|column| format!("NEW.{} IS NOT NULL", identifier(column))).collect();
    let equal = columns.iter().zip(keys);
    let equal: Vec<_> =
        equal.map(|(own, other)| format!("parent.{} = NEW.{}", identifier(other), identifier(own))).collect();
    let message =
        format!("insert or update on table \"{}\" violates foreign key constraint \"{name}\"", table.name);
    format!(
        "IF {} AND NOT EXISTS (SELECT FROM {parent} AS parent WHERE {}) THEN \
         RAISE foreign_key_violation USING MESSAGE = {}, CONSTRAINT = {}; END IF; ",
        filled.join(" AND "),
        equal.join(" AND "),
        literal(&message),
        literal(name)
    )
}

async fn register(tx: &Transaction, run: &str, next: &NextTable) -> Result<(), Failure> {
    let insert = "INSERT INTO downspout.next_tables AS n (run, table_oid, table_schema, table_name, next_schema, \
                  base_xid, base_rows, base_sum, is_copy, cascade, state) \
                  VALUES ($1, $2, $3, $4, $5, (txid_current() % 4294967296)::text, $6, $7, $8, $9, 'open') \
                  ON CONFLICT (run, table_oid) DO UPDATE SET next_schema = excluded.next_schema, \
                  base_xid = excluded.base_xid, base_rows = excluded.base_rows, base_sum = excluded.base_sum, \
                  is_copy = excluded.is_copy, cascade = excluded.cascade, state = 'open', made_at = now()";
    tx.query(
        DOING,
        insert,
        &[
            (&run, Type::TEXT),
            (&next.oid, Type::INT8),
            (&next.schema, Type::TEXT),
            (&next.name, Type::TEXT),
            (&next.next_schema, Type::TEXT),
            (&next.base_rows, Type::INT8),
            (&next.base_sum, Type::TEXT),
            (&next.is_copy, Type::BOOL),
            (&next.cascade, Type::BOOL),
        ],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_schemas_with_the_same_beginning_get_different_next_schemas() {
        let run = "df-0123456789ABCDEFGHIJ_20260101000000";
        assert_eq!(schema_of("staging", run), format!("staging__{run}"));
        let [north, south] =
            ["customers_of_the_whole_european_north", "customers_of_the_whole_european_south"]
                .map(|it| schema_of(it, run));
        assert_ne!(north, south);
        assert!(north.len() <= 63 && north.ends_with(run) && north.starts_with("customers_"), "{north}");
        assert!(schema_of(&"é".repeat(31), run).len() <= 63);
    }
}
