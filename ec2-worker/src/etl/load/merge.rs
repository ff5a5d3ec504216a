//! The statements that move rows into a table, so that a row replaces the row with the same key.

use super::super::column::Column;
use super::super::table::Table;
use super::list;
use super::on_update::Guard;
use super::replace::equal;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::identifier;

/// In which way rows go into a table.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// COPY into the table.
    Copy,
    /// COPY into a temporary table, and INSERT from there.
    Insert,
    /// As `Insert`, but a row replaces the row with the same key.
    Upsert(Vec<String>),
    /// As `Upsert`, for the only rows that the table will have. A second row with the same key is refused. The second
    /// value is the table for the keys of the loaded rows.
    Keep(Vec<String>, String),
    /// As `Keep`, but the rows that are replaced are deleted first, so that they can exchange unique values.
    Swap(Vec<String>, String),
}

/// Moves rows into a table.
#[derive(Clone, Debug)]
pub(super) struct Merge {
    /// The statement that notes the keys of the rows first, if there is one.
    before: Option<String>,
    /// The INSERT.
    insert: String,
    /// The columns by which a row replaces another; empty if no row does.
    key: Vec<String>,
    /// Whether the database counts every row that the INSERT stores. It does not count a row that is left as it is because its key
    /// exists.
    counts_all: bool,
    guard: Guard,
}

impl Merge {
    /// Makes the merge fail if the database would change rows that refer to the table, as `guard` says.
    pub(super) fn guarded(self, guard: &Guard) -> Self {
        Self { guard: guard.clone(), ..self }
    }

    /// Moves the rows, and then runs the statements `after`. Returns the number of rows that the table has taken, if the database
    /// counts all of them. A trigger may leave rows out.
    ///
    /// # Errors
    ///
    /// If the database refuses a statement, or the rows would change rows of other tables.
    pub(super) async fn run(
        &self,
        tx: &Transaction,
        doing: &str,
        after: &str,
    ) -> Result<Option<u64>, Failure> {
        let before = self.before.as_ref().map(|before| format!("{before}; ")).unwrap_or_default();
        let stored = if self.key.is_empty() || self.guard.is_open() {
            let counts = tx.run_counted(doing, &format!("{before}{}; {after}", self.insert)).await?;
            counts.get(usize::from(self.before.is_some())).copied()
        } else {
            if !before.is_empty() {
                tx.run(doing, &before).await?;
            }
            let stored = self.guard.run(tx, doing, &self.insert, &self.key).await?;
            if !after.is_empty() {
                tx.run(doing, after).await?;
            }
            stored
        };
        Ok(stored.filter(|_| self.counts_all))
    }
}

/// Returns the statements that move the rows of `from`, which is named for SQL, into `table`, unless the way is COPY.
///
/// In an upsert, the last of several rows with the same key stays, as if the rows had been merged one by one. Columns
/// that the file lacks keep their values then; in a row that `replace` keeps, they get their defaults.
pub(super) fn merge(table: &Table, columns: &[Column], way: &Way, from: &str) -> Option<Merge> {
    let (listed, name) = (list(columns), table.quoted());
    // Without OVERRIDING, PostgreSQL refuses values for a column GENERATED ALWAYS AS IDENTITY, which COPY accepts.
    let insert = format!("INSERT INTO {name} ({listed}) OVERRIDING SYSTEM VALUE SELECT");
    let names = |key: &[String]| key.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
    // An equal key may have another text, and the table gets that of the file. Other keys are not set, because PostgreSQL would lock
    // their rows against new rows that refer to them.
    let others = |key: &[String]| {
        let is_set =
            |column: &&Column| !key.contains(&column.name) || table.respellable.contains(&column.name);
        let others = columns.iter().filter(is_set);
        others
            .map(|column| identifier(&column.name))
            .map(|c| format!("{c} = excluded.{c}"))
            .collect::<Vec<_>>()
    };
    // Every column of a row may belong to the key.
    let on_conflict = |key: &[String], sets: &[String]| match sets.len() {
        0 => format!("ON CONFLICT ({}) DO NOTHING", names(key)),
        _ => format!("ON CONFLICT ({}) DO UPDATE SET {}", names(key), sets.join(", ")),
    };
    let merge = |before: Option<String>, insert: String, key: &[String]| Merge {
        before,
        insert,
        key: key.to_vec(),
        counts_all: true,
        guard: Guard::default(),
    };
    Some(match way {
        Way::Copy => return None,
        Way::Insert => merge(None, format!("{insert} {listed} FROM {from} ORDER BY ctid"), &[]),
        Way::Upsert(key) => {
            let sets = others(key);
            let insert = format!(
                "{insert} DISTINCT ON ({0}) {listed} FROM {from} ORDER BY {0}, ctid DESC {1}",
                names(key),
                on_conflict(key, &sets)
            );
            Merge { counts_all: !sets.is_empty(), ..merge(None, insert, key) }
        }
        Way::Keep(key, loaded) => {
            let filled = |column: &Column| columns.iter().any(|known| known.name == column.name);
            let absent = table.columns.iter().filter(|column| !filled(column));
            let mut sets = others(key);
            sets.extend(absent.map(|column| format!("{} = DEFAULT", identifier(&column.name))));
            let before = format!("INSERT INTO {loaded} SELECT {} FROM {from}", names(key));
            let insert = format!("{insert} {listed} FROM {from} ORDER BY ctid {}", on_conflict(key, &sets));
            Merge { counts_all: !sets.is_empty(), ..merge(Some(before), insert, key) }
        }
        Way::Swap(key, loaded) => {
            let before = format!("INSERT INTO {loaded} SELECT {} FROM {from}", names(key));
            // Foreign keys are checked at the end of the statement, and the condition makes the DELETE come first.
            let insert = format!(
                "WITH gone AS (DELETE FROM {name} AS old USING {from} AS new WHERE {} RETURNING 1) \
                 {insert} {listed} FROM {from} WHERE (SELECT count(*) FROM gone) >= 0 ORDER BY ctid",
                equal("old", key, "new", key)
            );
            merge(Some(before), insert, &[])
        }
    })
}
