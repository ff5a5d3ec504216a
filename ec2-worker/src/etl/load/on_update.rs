//! Protects rows of other tables from the actions of foreign keys when the key to which they refer is updated.
//!
//! With `ON UPDATE CASCADE`, `SET NULL` or `SET DEFAULT`, the database changes the rows that refer to an updated row. A load
//! allows that only with `myCascade`. It compares the keys before and after each statement, because a trigger or a
//! generated column may change them, too.

use definition::counted::counted;

use super::super::next_tables::NextTables;
use super::super::table::Table;
use super::replace::{Reference, equal, references};
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::identifier;

/// The foreign keys whose actions a load does not allow. The default allows all.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    /// The table to which they refer, for messages and for SQL.
    table: (String, String),
    references: Vec<(Reference, String)>,
}

impl Guard {
    /// Finds the foreign keys that change rows when a key of `table` is updated. Of `next_tables`, the live tables are named
    /// in messages.
    ///
    /// # Errors
    ///
    /// If the connection breaks.
    pub(super) async fn of(
        tx: &Transaction,
        table: &Table,
        cascade: bool,
        next_tables: &NextTables,
    ) -> Result<Self, Failure> {
        if cascade {
            return Ok(Self::default());
        }
        let acts = |reference: &Reference| matches!(reference.on_update.as_str(), "c" | "n" | "d");
        let mut found = Vec::new();
        for mut reference in references(tx, table).await?.into_iter().filter(acts) {
            let next = next_tables.tables.iter().find(|next| reference.child_quoted == next.next_quoted());
            if let Some(next) = next {
                reference.child = next.to_string();
            }
            found.push((reference, String::new()));
        }
        Ok(Self { table: (table.to_string(), table.quoted()), references: found })
    }

    /// Leaves out the rows of the child with the id `oid` for which the condition `gone` on the row `other` is true, because
    /// this transaction replaces them afterwards.
    pub(super) fn without(&mut self, oid: i64, gone: &str) {
        for (_, condition) in self.references.iter_mut().filter(|(reference, _)| reference.child_oid == oid) {
            condition.push_str(&format!(" AND NOT {gone}"));
        }
    }

    /// Returns whether every change is allowed.
    pub(super) fn is_open(&self) -> bool {
        self.references.is_empty()
    }

    /// Runs `insert`, which replaces rows with the same `key`, and compares the keys to which other rows refer. Returns the number of
    /// rows that `insert` has stored.
    ///
    /// # Errors
    ///
    /// If such a key has changed, or the database refuses the statement.
    pub(super) async fn run(
        &self,
        tx: &Transaction,
        doing: &str,
        insert: &str,
        key: &[String],
    ) -> Result<Option<u64>, Failure> {
        let mut returned: Vec<&String> = key.iter().collect();
        returned.extend(self.references.iter().flat_map(|(reference, _)| &reference.key));
        returned.sort_unstable();
        returned.dedup();
        let returned: Vec<_> = returned.into_iter().map(|name| identifier(name)).collect();
        // All parts of the statement see the rows as they were before it.
        let counts = self.references.iter().enumerate().map(|(place, (reference, condition))| {
            format!("SELECT {place}::int8, count(*) FROM {}", self.changed(reference, condition, key))
        });
        let stored = "SELECT -1::int8, count(*) FROM merged".to_owned();
        let counts = counts.chain([stored]).collect::<Vec<_>>().join(" UNION ALL ");
        let sql = format!("WITH merged AS ({insert} RETURNING {}) {counts}", returned.join(", "));
        let mut stored = None;
        for row in tx.query(doing, &sql, &[]).await? {
            let (place, count): (i64, i64) = (row.get(0), row.get(1));
            let Ok(place) = usize::try_from(place) else {
                stored = u64::try_from(count).ok();
                continue;
            };
            if let Some((reference, _)) = self.references.get(place).filter(|_| count > 0) {
                return Err(self.refusal(reference, count));
            }
        }
        Ok(stored)
    }

    /// Returns the old rows whose keys have changed and to which rows of the child refer.
    fn changed(&self, reference: &Reference, condition: &str, key: &[String]) -> String {
        let row = |of: &str| {
            let columns = reference.key.iter().map(|name| format!("{of}.{}", identifier(name)));
            format!("ROW({})", columns.collect::<Vec<_>>().join(", "))
        };
        // Equal values of some types have different texts, such as 1.0 and 1.00, and the actions copy the text.
        let changed = format!("pg_catalog.record_image_ne({}, {})", row("old"), row("new"));
        let same = equal("old", key, "new", key);
        let rows = format!("{} AS old JOIN merged AS new ON {same} WHERE {changed}", self.table.1);
        if !reference.is_readable {
            return rows;
        }
        let refers = equal("other", &reference.columns, "old", &reference.key);
        format!(
            "{rows} AND EXISTS (SELECT FROM {} AS other WHERE {refers}{condition})",
            reference.child_quoted
        )
    }

    fn refusal(&self, reference: &Reference, count: i64) -> Failure {
        let action = match reference.on_update.as_str() {
            "c" => "ON UPDATE CASCADE",
            "n" => "ON UPDATE SET NULL",
            _ => "ON UPDATE SET DEFAULT",
        };
        let columns: Vec<_> = reference.key.iter().map(|name| format!("`{name}`")).collect();
        let (table, columns) = (&self.table.0, columns.join(", "));
        let refer = match (reference.is_readable, reference.is_own) {
            (false, _) => format!("rows of {}, which this user may not read, may refer", reference.child),
            (true, true) => "other rows of the table refer".to_owned(),
            (true, false) => format!("rows of {} refer", reference.child),
        };
        let message = format!(
            "the new rows change {columns} in {} of {table} to which {refer} (constraint {}, {action}), so the database would \
             change those rows, too; keep the old values of {columns}, or set `myCascade` to true to allow this; the table is \
             left as it was",
            counted(count, "row"),
            reference.constraint
        );
        Failure::bad_input("OtherTables", message)
    }
}
