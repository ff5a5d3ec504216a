//! Reads from the catalog which values are inside the values of a type: the elements of an array, the fields of a composite type.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::super::column::{Column, ColumnType, Inside};
use super::MORE;
use crate::database::Transaction;
use crate::failure::Failure;

/// The deepest nesting that is followed. PostgreSQL has no type that contains itself, so this limit only ends a loop in a damaged catalog.
const DEEPEST: usize = 32;

/// All types inside the types `$1`, and these themselves. The catalogue names the range of a multirange since PostgreSQL 14; the detour
/// by JSON lets older servers run the query, too. `int2vector` and its like are arrays by their category, but not in their text.
const TYPES: &str = "
WITH RECURSIVE inside AS (
    SELECT unnest($1::int8[])::oid AS oid
    UNION
    SELECT part.oid FROM inside JOIN pg_catalog.pg_type w ON w.oid = inside.oid CROSS JOIN LATERAL (
        SELECT w.typelem WHERE w.typinput = 'pg_catalog.array_in'::regproc
        UNION ALL SELECT w.typbasetype WHERE w.typtype = 'd'
        UNION ALL SELECT x.atttypid FROM pg_catalog.pg_attribute x
            WHERE w.typtype = 'c' AND x.attrelid = w.typrelid AND x.attnum > 0 AND NOT x.attisdropped
        UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g
            WHERE w.typtype IN ('r', 'm')
            AND (g.rngtypid = w.oid OR (to_jsonb(g) ->> 'rngmultitypid')::int8 = w.oid::int8)
    ) part (oid)
)
SELECT w.oid::int8, w.typname::text, w.typtype::text, w.typnamespace = 'pg_catalog'::regnamespace,
       pg_catalog.format_type(w.oid, NULL), w.typinput = 'pg_catalog.array_in'::regproc, w.typelem::int8,
       coalesce((SELECT e.typdelim::text FROM pg_catalog.pg_type e WHERE e.oid = w.typelem), ','),
       w.typbasetype::int8, w.typtypmod,
       (SELECT g.rngsubtype::int8 FROM pg_catalog.pg_range g WHERE w.typtype IN ('r', 'm')
            AND (g.rngtypid = w.oid OR (to_jsonb(g) ->> 'rngmultitypid')::int8 = w.oid::int8)),
       ARRAY(SELECT x.atttypid::int8 FROM pg_catalog.pg_attribute x WHERE w.typtype = 'c' AND x.attrelid = w.typrelid
             AND x.attnum > 0 AND NOT x.attisdropped ORDER BY x.attnum),
       ARRAY(SELECT x.atttypmod FROM pg_catalog.pg_attribute x WHERE w.typtype = 'c' AND x.attrelid = w.typrelid
             AND x.attnum > 0 AND NOT x.attisdropped ORDER BY x.attnum), {MORE}
FROM inside JOIN pg_catalog.pg_type w ON w.oid = inside.oid JOIN pg_catalog.pg_type b ON b.oid = w.oid";

/// The types of a table or a statement that may have values inside, and the types of these.
pub(in crate::etl) struct Types(HashMap<i64, Found>);

struct Found {
    name: String,
    class: String,
    is_built_in: bool,
    full_name: String,
    has_more: bool,
    form: Form,
}

/// What the values of a type are made of. A type is named by its `oid`.
enum Form {
    Single,
    Domain { base: i64, modifier: i32 },
    Array { separator: u8, of: i64 },
    Range(i64),
    Multirange(i64),
    Composite(Vec<(i64, i32)>),
}

impl Types {
    /// Reads the types with these ids, and all types inside them. Without ids, it asks nothing.
    ///
    /// # Errors
    ///
    /// If the database refuses the query, or the connection breaks.
    pub(in crate::etl) async fn read(tx: &Transaction, roots: Vec<i64>) -> Result<Self, Failure> {
        if roots.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let rows = tx
            .query(
                "reading the types of the columns",
                &TYPES.replace("{MORE}", MORE),
                &[(&roots, Type::INT8_ARRAY)],
            )
            .await?;
        Ok(Self(rows.iter().map(|row| (row.get(0), Found::of(row))).collect()))
    }

    /// Returns the values inside a value of the type, or `None` if it is a single value or was not read.
    pub(in crate::etl) fn inside(&self, oid: i64, modifier: i32) -> Option<Arc<Inside>> {
        match self.tree(oid, modifier, 0) {
            Inside::Value(_) => None,
            inside => Some(Arc::new(inside)),
        }
    }

    fn tree(&self, oid: i64, modifier: i32, depth: usize) -> Inside {
        let of = |oid: i64, modifier: i32| self.tree(oid, modifier, depth + 1);
        let Some(found) = self.0.get(&oid).filter(|_| depth < DEEPEST) else {
            return Inside::Value(Box::new(Column::of("", "unknown", ColumnType::Other)));
        };
        match &found.form {
            Form::Single => {
                let kind = ColumnType::of(&found.name, &found.class, found.is_built_in, modifier)
                    .with_more_values(found.has_more);
                let precision = kind.precision(modifier);
                Inside::Value(Box::new(Column { precision, ..Column::of("", found.full_name.clone(), kind) }))
            }
            Form::Domain { base, modifier: own } => of(*base, if *own >= 0 { *own } else { modifier }),
            Form::Array { separator, of: element } => {
                Inside::Array(*separator, Box::new(of(*element, modifier)))
            }
            Form::Range(bound) => Inside::Range(Box::new(of(*bound, -1))),
            Form::Multirange(bound) => Inside::Multirange(Box::new(of(*bound, -1))),
            Form::Composite(fields) => {
                Inside::Composite(fields.iter().map(|(oid, modifier)| of(*oid, *modifier)).collect())
            }
        }
    }
}

impl Found {
    fn of(row: &Row) -> Self {
        let (class, is_array): (String, bool) = (row.get(2), row.get(5));
        let subtype: Option<i64> = row.get(10);
        let form = match (class.as_str(), subtype) {
            _ if is_array => Form::Array {
                separator: row.get::<_, &str>(7).bytes().next().unwrap_or(b','),
                of: row.get(6),
            },
            ("d", _) => Form::Domain { base: row.get(8), modifier: row.get(9) },
            ("r", Some(bound)) => Form::Range(bound),
            ("m", Some(bound)) => Form::Multirange(bound),
            ("c", _) => {
                let (types, modifiers): (Vec<i64>, Vec<i32>) = (row.get(11), row.get(12));
                Form::Composite(types.into_iter().zip(modifiers).collect())
            }
            _ => Form::Single,
        };
        Self {
            name: row.get(1),
            class,
            is_built_in: row.get(3),
            full_name: row.get(4),
            has_more: row.get(13),
            form,
        }
    }
}
