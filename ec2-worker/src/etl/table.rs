//! Reads the description of a table from the catalog of the database.

use tokio_postgres::types::Type;

use super::column::{Column, ColumnType};
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::identifier;

/// A table of the database.
#[derive(Clone, Debug)]
pub struct Table {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
    /// The id. A table that is dropped and created again gets another id.
    pub oid: i64,
    /// The columns that can be filled, in order.
    pub columns: Vec<Column>,
    /// The columns of the primary key.
    pub primary_key: Vec<String>,
}

// Every column of these queries has a built-in type, because the driver looks other types up with a prepared statement.
const FIND: &str = "
SELECT n.nspname::text, c.relname::text, c.oid::int8
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v') AND c.relname IN ($1, lower($1))
  AND CASE WHEN $2 = '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname IN ($2, lower($2)) END
ORDER BY (c.relname = $1) DESC, (n.nspname = $2) DESC LIMIT 1";

const COLUMNS: &str = "
SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), b.typname::text, b.typtype::text,
       b.typnamespace = 'pg_catalog'::regnamespace,
       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
       a.attnotnull OR t.typnotnull, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum";

const PRIMARY_KEY: &str = "
SELECT a.attname::text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
WHERE i.indrelid = $1::int8::oid AND i.indisprimary ORDER BY a.attnum";

impl Table {
    /// Finds a table or view; returns `None` if there is none. The schema may also be part of `name`, before a dot.
    /// Without a schema, the search path decides. A name that is not found as written is also sought in lower case.
    ///
    /// # Errors
    ///
    /// If the database refuses the query, or the connection breaks.
    pub async fn find(tx: &Transaction, schema: Option<&str>, name: &str) -> Result<Option<Self>, Failure> {
        let (schema, name) = match (schema, name.split_once('.')) {
            (None, Some((schema, name))) => (schema, name),
            (schema, _) => (schema.unwrap_or_default(), name),
        };
        let (schema, name) = (schema.trim_matches('"'), name.trim_matches('"'));
        let doing = "finding the table";
        let found = tx.query(doing, FIND, &[(&name, Type::TEXT), (&schema, Type::TEXT)]).await?;
        let Some(row) = found.first() else { return Ok(None) };
        let oid: i64 = row.get(2);
        let columns = tx.query(doing, COLUMNS, &[(&oid, Type::INT8)]).await?;
        let columns = columns.iter().map(|row| {
            let (base, class): (&str, &str) = (row.get(2), row.get(3));
            Column {
                name: row.get(0),
                type_name: row.get(1),
                kind: ColumnType::of(base, class, row.get(4), row.get(5)),
                not_null: row.get(6),
                has_default: row.get(7),
            }
        });
        let columns = columns.collect();
        let key = tx.query(doing, PRIMARY_KEY, &[(&oid, Type::INT8)]).await?;
        let primary_key = key.iter().map(|row| row.get(0)).collect();
        Ok(Some(Self { schema: row.get(0), name: row.get(1), oid, columns, primary_key }))
    }

    /// Returns the name for SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.name))
    }

    /// Returns the name of the table for refused rows, for SQL.
    #[must_use]
    pub fn rejects(&self) -> String {
        // PostgreSQL cuts a name after 63 bytes, and so would cut the ending by which the two tables differ.
        let mut end = self.name.len().min(63 - "_rejects".len());
        while !self.name.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}.{}", identifier(&self.schema), identifier(&format!("{}_rejects", &self.name[..end])))
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}
