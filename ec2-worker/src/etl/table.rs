//! Reads the description of a table from the catalog of the database.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::column::{Column, ColumnType};
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::identifier;
pub(super) use inside::Types;
pub use rejects_name::rejects_name;

mod inside;
mod rejects_name;

/// A table of the database, or another relation with rows.
#[derive(Clone, Debug)]
pub struct Table {
    /// The schema.
    pub schema: String,
    /// The schema that messages name. For a next table, this is the schema of its table.
    pub shown_schema: String,
    /// The name.
    pub name: String,
    /// The id. A table that is dropped and created again gets another id.
    pub oid: i64,
    /// The kind of the relation.
    pub kind: Relation,
    /// Whether policies of row-level security restrict this user.
    pub row_security: bool,
    /// The columns that can be filled, in order.
    pub columns: Vec<Column>,
    /// The columns that the database generates from others.
    pub generated: Vec<String>,
    /// The columns whose default is the next number of a sequence.
    pub numbered: Vec<String>,
    /// The columns `GENERATED ALWAYS AS IDENTITY`.
    pub always_identity: Vec<String>,
    /// The columns in which equal values may have different texts, such as 1.0 and 1.00 of `numeric`.
    pub respellable: Vec<String>,
    /// The columns of the primary key.
    pub primary_key: Vec<String>,
    /// Whether the primary key is checked only at the end of a statement or transaction.
    pub has_deferrable_key: bool,
}

/// The kind of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// A table, which may have partitions.
    Table,
    /// A table of another server.
    Foreign,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
}

// Every column of these queries has a built-in type, because the driver looks other types up with a prepared statement.
// The casts to `name` cut a long name after 63 bytes, as PostgreSQL does when it creates a table.
const FIND: &str = "
SELECT n.nspname::text, c.relname::text, c.oid::int8, c.relkind::text, pg_catalog.row_security_active(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
  AND (c.relname = $1::name OR NOT $3 AND c.relname = lower($1)::name)
  AND CASE WHEN $2 = '' THEN pg_catalog.pg_table_is_visible(c.oid)
      ELSE n.nspname = $2::name OR NOT $4 AND n.nspname = lower($2)::name END
ORDER BY (c.relname = $1::name) DESC, (n.nspname = $2::name) DESC LIMIT 1";

/// Joins `r`: the type under all domains of the type `a.atttypid`, its modifier, and whether a domain refuses NULL.
pub(super) const RESOLVED: &str = "
CROSS JOIN LATERAL (
    WITH RECURSIVE up AS (
        SELECT d.oid, a.atttypmod AS modifier, d.typtype, d.typbasetype, d.typtypmod, d.typnotnull, 0 AS depth
        FROM pg_catalog.pg_type d WHERE d.oid = a.atttypid
        UNION ALL
        SELECT d.oid, CASE WHEN up.typtypmod >= 0 THEN up.typtypmod ELSE up.modifier END, d.typtype, d.typbasetype,
               d.typtypmod, d.typnotnull OR up.typnotnull, up.depth + 1
        FROM up JOIN pg_catalog.pg_type d ON d.oid = up.typbasetype WHERE up.typtype = 'd'
    )
    SELECT up.oid AS base, up.modifier, up.typnotnull AS strict FROM up ORDER BY up.depth DESC LIMIT 1
) r";

/// Whether values of the type `b` may have values inside.
pub(super) const NESTED: &str = "b.typinput = 'pg_catalog.array_in'::regproc OR b.typtype IN ('c', 'r', 'm')";

/// Whether the type `b` has more values than others of its kind: an enumeration the empty label, and "char" letters beyond ASCII, because
/// each letter is one byte in the encoding of the database.
pub(super) const MORE: &str = "CASE WHEN b.typtype = 'e' THEN EXISTS (
        SELECT FROM pg_catalog.pg_enum l WHERE l.enumtypid = b.oid AND l.enumlabel = '')
    ELSE (SELECT pg_catalog.pg_encoding_max_length(c.encoding) = 1 AND pg_catalog.pg_encoding_to_char(c.encoding) <> 'SQL_ASCII'
          FROM pg_catalog.pg_database c WHERE c.datname = current_database()) END";

const COLUMNS: &str = "
SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), b.typname::text,
       b.typtype::text,
       b.typnamespace = 'pg_catalog'::regnamespace, r.modifier,
       a.attnotnull OR r.strict, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
       a.attgenerated <> '', a.attidentity::text, coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ''),
       r.base::int8, {NESTED},
       EXISTS (SELECT FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation
               AND to_jsonb(l) ->> 'collisdeterministic' = 'false'), {MORE},
       pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'UPDATE')
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
{RESOLVED}
JOIN pg_catalog.pg_type b ON b.oid = r.base
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

// The index also holds the columns of INCLUDE, which do not belong to the key.
const PRIMARY_KEY: &str = "
SELECT a.attname::text, i.indimmediate
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype = 'p'
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (k.conkey)
WHERE i.indrelid = $1::int8::oid AND i.indisprimary ORDER BY a.attnum";

const SCHEMAS: &str =
    "SELECT coalesce(string_agg(s, ', '), 'none') FROM unnest(current_schemas(false)::text[]) s";

impl Table {
    /// Finds a table or view; returns `None` if there is none. Without a schema, the schema may be part of `name`, before a
    /// dot, or else the search path decides. A name in double quotes is sought as written. Any other name that is not
    /// found as written is also sought in lower case.
    ///
    /// # Errors
    ///
    /// If the database refuses the query, or the connection breaks.
    pub async fn find(tx: &Transaction, schema: Option<&str>, name: &str) -> Result<Option<Self>, Failure> {
        let none = Name::whole("");
        let Some(schema) = schema.filter(|schema| !schema.trim().is_empty()) else {
            if let [schema, table] = &Name::parts(name)[..]
                && let Some(found) = Self::named(tx, schema, table).await?
            {
                return Ok(Some(found));
            }
            return Self::named(tx, &none, &Name::whole(name)).await;
        };
        Self::named(tx, &Name::whole(schema), &Name::whole(name)).await
    }

    async fn named(tx: &Transaction, schema: &Name, table: &Name) -> Result<Option<Self>, Failure> {
        let doing = "finding the table";
        let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
            (&table.text, Type::TEXT),
            (&schema.text, Type::TEXT),
            (&table.is_quoted, Type::BOOL),
            (&schema.is_quoted, Type::BOOL),
        ];
        let found = tx.query(doing, FIND, &values).await?;
        let Some(row) = found.first() else { return Ok(None) };
        let (oid, kind): (i64, &str) = (row.get(2), row.get(3));
        let key = tx.query(doing, PRIMARY_KEY, &[(&oid, Type::INT8)]).await?;
        let mut table = Self {
            schema: row.get(0),
            shown_schema: row.get(0),
            name: row.get(1),
            oid,
            kind: match kind {
                "f" => Relation::Foreign,
                "v" => Relation::View,
                "m" => Relation::MaterializedView,
                _ => Relation::Table,
            },
            row_security: row.get(4),
            columns: Vec::new(),
            generated: Vec::new(),
            numbered: Vec::new(),
            always_identity: Vec::new(),
            respellable: Vec::new(),
            primary_key: key.iter().map(|row| row.get(0)).collect(),
            has_deferrable_key: key.iter().any(|row| !row.get::<_, bool>(1)),
        };
        let sql = COLUMNS.replace("{RESOLVED}", RESOLVED).replace("{NESTED}", NESTED).replace("{MORE}", MORE);
        let columns = tx.query(doing, &sql, &[(&oid, Type::INT8)]).await?;
        let nested = columns.iter().filter(|row| row.get(12)).map(|row| row.get(11)).collect();
        let types = Types::read(tx, nested).await?;
        columns.iter().for_each(|row| table.add(row, &types));
        Ok(Some(table))
    }

    fn add(&mut self, row: &Row, types: &Types) {
        let (name, base, class): (String, &str, &str) = (row.get(0), row.get(2), row.get(3));
        let (is_generated, identity, default): (bool, &str, &str) = (row.get(8), row.get(9), row.get(10));
        if is_generated {
            self.generated.push(name);
            return;
        }
        if identity == "a" {
            self.always_identity.push(name.clone());
        }
        if !identity.is_empty() || default.starts_with("nextval(") {
            self.numbered.push(name.clone());
        }
        let kind = ColumnType::of(base, class, row.get(4), row.get(5)).with_more_values(row.get(14));
        // A user who may not update a key keeps its old text.
        if row.get(15) && (row.get(13) || !has_one_text(kind, base, row.get(5))) {
            self.respellable.push(name.clone());
        }
        self.columns.push(Column {
            name,
            type_name: row.get(1),
            kind,
            not_null: row.get(6),
            has_default: row.get(7),
            precision: kind.precision(row.get(5)),
            stored_as: None,
            inside: types.inside(row.get(11), row.get(5)),
        });
    }

    /// Returns the sentence that a table is not in the database. Without a schema, the sentence names the schemas that
    /// were searched.
    ///
    /// # Errors
    ///
    /// If the connection breaks.
    pub async fn missing(tx: &Transaction, schema: Option<&str>, name: &str) -> Result<String, Failure> {
        if let Some(schema) = schema {
            return Ok(format!("table {schema}.{name} is not in the database"));
        }
        let found = tx.query("finding the table", SCHEMAS, &[]).await?;
        let searched: String = found.first().map(|row| row.get(0)).unwrap_or_default();
        Ok(format!(
            "table {name} is not in the database (schemas searched: {searched}; `schemaName` names another schema)"
        ))
    }

    /// Returns the name for SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.name))
    }

    /// Returns the name of the table for refused rows, for SQL.
    #[must_use]
    pub fn rejects(&self) -> String {
        format!("{}.{}", identifier(&self.shown_schema), identifier(&rejects_name(&self.name)))
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.shown_schema, self.name)
    }
}

/// Returns whether equal values of a type have the same text. `base` is the name of the type under all domains. PostgreSQL compares a
/// text without regard to its case only by a collation.
fn has_one_text(kind: ColumnType, base: &str, modifier: i32) -> bool {
    match kind {
        ColumnType::Text(_) => base != "citext" && !(base == "bpchar" && modifier < 0),
        ColumnType::Numeric(declared) => declared.is_some(),
        ColumnType::Bool
        | ColumnType::Int2
        | ColumnType::Int4
        | ColumnType::Int8
        | ColumnType::Enum(_)
        | ColumnType::Date
        | ColumnType::Timestamp
        | ColumnType::TimestampTz
        | ColumnType::Time
        | ColumnType::TimeTz
        | ColumnType::Uuid
        | ColumnType::Bytea
        | ColumnType::Money
        | ColumnType::Byte(_)
        | ColumnType::Id => true,
        ColumnType::Other | ColumnType::OtherText => {
            ["inet", "cidr", "macaddr", "macaddr8", "bit", "varbit", "pg_lsn"].contains(&base)
        }
        ColumnType::Float4
        | ColumnType::Float8
        | ColumnType::Json
        | ColumnType::Jsonb
        | ColumnType::Each(_)
        | ColumnType::Interval(_)
        | ColumnType::Numbers => false,
    }
}

/// A name as a definition gives it.
struct Name {
    text: String,
    is_quoted: bool,
}

impl Name {
    /// Reads a text that is one name. Quotes around it are not part of the name.
    fn whole(text: &str) -> Self {
        let text = text.trim();
        let inside = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        // `"a"."b"` is not one name in quotes.
        let inside = inside.filter(|inside| !inside.replace("\"\"", "").contains('"'));
        match inside {
            Some(inside) => Self { text: inside.replace("\"\"", "\""), is_quoted: true },
            None => Self { text: text.to_owned(), is_quoted: false },
        }
    }

    /// Splits a text at the dots outside quotes.
    fn parts(text: &str) -> Vec<Self> {
        let mut is_quoted = false;
        let parts = text.split(|letter| {
            is_quoted ^= letter == '"';
            letter == '.' && !is_quoted
        });
        parts.map(Self::whole).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_at_dots_outside_quotes() {
        let parts = |text| {
            let parts = Name::parts(text).into_iter();
            parts.map(|name| format!("{}{}", name.text, u8::from(name.is_quoted))).collect::<Vec<_>>()
        };
        assert_eq!(parts("orders"), ["orders0"]);
        assert_eq!(parts("shop.Orders"), ["shop0", "Orders0"]);
        assert_eq!(parts("\"Sales.Letters\""), ["Sales.Letters1"]);
        assert_eq!(parts("shop.\"a \"\"b\"\".c\""), ["shop0", "a \"b\".c1"]);
        assert!(!Name::whole("\"a\".\"b\"").is_quoted);
    }
}
