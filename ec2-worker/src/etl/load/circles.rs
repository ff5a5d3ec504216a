//! Rows that refer to each other in a circle, such as two persons who are each the partner of the other.
//!
//! None of them can be loaded alone. The waiting rows go into a temporary table without keys, and the database tells to which rows
//! they refer. A row is left out if it refers to a row which is neither there nor in the table, or to a row that is left out. The
//! others are loaded together.

use std::collections::{HashMap, HashSet};

use tokio_postgres::types::Type;

use super::super::table::Table;
use super::LoadTry;
use super::batch::Writer;
use super::waiting::WaitingRow;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::identifier;

const DOING: &str = "finding rows that refer to each other";
/// The table for the waiting rows.
const WAITING: &str = "pg_temp.downspout_waiting";
/// The column with the place of a row among the waiting ones, from 1.
const PLACE: &str = "downspout_place";
/// The columns of the foreign keys that refer to the table itself, and the columns to which they refer.
const OWN_KEYS: &str = "SELECT (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(c.conkey) WITH ORDINALITY AS k(number, place) \
                               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number), \
                               (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(c.confkey) WITH ORDINALITY AS k(number, place) \
                               JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number) \
                        FROM pg_catalog.pg_constraint c \
                        WHERE c.contype = 'f' AND c.conrelid = $1::int8::oid AND c.confrelid = c.conrelid";

impl LoadTry<'_> {
    /// Loads those of the waiting rows that need only each other and rows of the table. Returns the other rows.
    ///
    /// In an upsert, each row may be replaced by other rows than its neighbour, so none of them is loaded together with others.
    pub(super) async fn load_circles(
        &mut self,
        tx: &Transaction,
        table: &Table,
        (writer, rows): (&Writer<'_>, Vec<WaitingRow>),
    ) -> Result<Vec<WaitingRow>, Failure> {
        let Some(columns) = writer.columns().filter(|_| rows.len() > 1) else { return Ok(rows) };
        if self.own_keys.is_empty() || rows.iter().any(|row| !row.later.is_empty()) {
            return Ok(rows);
        }
        tx.run(DOING, "SAVEPOINT circles").await?;
        let found = groups(tx, table, writer, (columns, &rows)).await;
        if found.as_ref().is_err_and(Failure::is_away) {
            return found.map(|_| rows);
        }
        tx.run(DOING, "ROLLBACK TO SAVEPOINT circles; RELEASE SAVEPOINT circles").await?;
        let groups = match found {
            Ok(groups) => groups,
            // The user may not create temporary tables.
            Err(failure) if failure.id.ends_with("42501") => return Ok(rows),
            Err(failure) => return Err(failure),
        };
        let all = groups.concat();
        let mut loaded = HashSet::new();
        if self.load_together(writer, &rows, &all).await? {
            loaded.extend(all);
        } else {
            // One row of one circle has another fault.
            for group in groups {
                if self.load_together(writer, &rows, &group).await? {
                    loaded.extend(group);
                }
            }
        }
        let left = rows.into_iter().enumerate().filter(|(place, _)| !loaded.contains(place));
        Ok(left.map(|(_, row)| row).collect())
    }

    /// Loads the rows at `places` in one batch. Returns whether the database has taken them.
    async fn load_together(
        &mut self,
        writer: &Writer<'_>,
        rows: &[WaitingRow],
        places: &[usize],
    ) -> Result<bool, Failure> {
        let data: Vec<u8> = places.iter().flat_map(|place| rows[*place].data.iter().copied()).collect();
        if data.is_empty() {
            return Ok(false);
        }
        match writer.apply(&data, &[]).await {
            Ok(accepted) => {
                self.loaded.add(places.len() as u64, accepted);
                Ok(true)
            }
            Err(failure) if failure.is_refusal() => Ok(false),
            Err(failure) => Err(failure),
        }
    }
}

/// Returns the places, from 0, of the rows that refer only to rows among them and to rows of the table. Each group of them needs no
/// row of another group. A row that refers to no waiting row is in no group, because the database has refused it alone.
async fn groups(
    tx: &Transaction,
    table: &Table,
    writer: &Writer<'_>,
    (columns, rows): (String, &[WaitingRow]),
) -> Result<Vec<Vec<usize>>, Failure> {
    let create = format!(
        "CREATE TEMP TABLE downspout_waiting AS SELECT * FROM {} WITH NO DATA; \
         ALTER TABLE {WAITING} ADD {PLACE} int8 GENERATED ALWAYS AS IDENTITY",
        table.quoted()
    );
    tx.run(DOING, &create).await?;
    let data: Vec<u8> = rows.iter().flat_map(|row| row.data.iter().copied()).collect();
    writer.copy_into(WAITING, &columns, &data).await?;
    tx.run(DOING, &format!("ANALYZE {WAITING}")).await?;
    let mut references = Vec::new();
    for key in tx.query(DOING, OWN_KEYS, &[(&table.oid, Type::INT8)]).await? {
        let (from, to): (Vec<String>, Vec<String>) = (key.get(0), key.get(1));
        let place = |place: i64| usize::try_from(place - 1).unwrap_or_default();
        let found = tx.query(DOING, &open_references(table, &from, &to), &[]).await?;
        references
            .extend(found.iter().map(|row| (place(row.get(0)), row.get::<_, Option<i64>>(1).map(place))));
    }
    let left = without_lost(rows.len(), &references);
    Ok(connected(&left, &references))
}

/// Returns the numbers below `count` that lead to no end. A pair is a number and the one to which it leads; `None` is an end.
fn without_lost(count: usize, references: &[(usize, Option<usize>)]) -> HashSet<usize> {
    let mut leading_to: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut open = Vec::new();
    for (from, to) in references {
        match to {
            Some(to) => leading_to.entry(*to).or_default().push(*from),
            None => open.push(*from),
        }
    }
    let mut left: HashSet<usize> = (0..count).collect();
    while let Some(lost) = open.pop() {
        if left.remove(&lost) {
            open.extend(leading_to.remove(&lost).unwrap_or_default());
        }
    }
    left
}

/// Returns the groups of numbers in `left` that are connected by pairs.
fn connected(left: &HashSet<usize>, references: &[(usize, Option<usize>)]) -> Vec<Vec<usize>> {
    let mut neighbours: HashMap<usize, Vec<usize>> = HashMap::new();
    for (from, to) in references.iter().filter_map(|(from, to)| Some((*from, (*to)?))) {
        if left.contains(&from) && left.contains(&to) {
            neighbours.entry(from).or_default().push(to);
            neighbours.entry(to).or_default().push(from);
        }
    }
    let mut starts: Vec<usize> = neighbours.keys().copied().collect();
    starts.sort_unstable();
    let mut groups = Vec::new();
    for start in starts {
        let (mut group, mut open) = (Vec::new(), vec![start]);
        while let Some(number) = open.pop() {
            if let Some(next) = neighbours.remove(&number) {
                group.push(number);
                open.extend(next);
            }
        }
        if !group.is_empty() {
            // The rows keep their order.
            group.sort_unstable();
            groups.push(group);
        }
    }
    groups
}

/// Returns the query for the waiting rows that refer by the columns `from` to no row of the table: their places, and the place of the
/// waiting row to which they refer.
fn open_references(table: &Table, from: &[String], to: &[String]) -> String {
    let has_value: Vec<String> =
        from.iter().map(|name| format!("w.{} IS NOT NULL", identifier(name))).collect();
    let same: Vec<String> = (from.iter().zip(to))
        .map(|(from, to)| format!("t.{} = w.{}", identifier(to), identifier(from)))
        .collect();
    let (has_value, same) = (has_value.join(" AND "), same.join(" AND "));
    format!(
        "SELECT w.{PLACE}, min(t.{PLACE}) FROM {WAITING} w LEFT JOIN {WAITING} t ON {same} \
         WHERE {has_value} AND NOT EXISTS (SELECT FROM {} t WHERE {same}) GROUP BY w.{PLACE}",
        table.quoted()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_stay_and_what_leads_to_an_end_is_lost() {
        let ring = [(0, Some(1)), (1, Some(0)), (2, Some(0))];
        let chain = (3..100_000).map(|number| (number, Some(number + 1)));
        let references: Vec<_> = ring.into_iter().chain(chain).chain([(100_000, None)]).collect();
        let mut left: Vec<usize> = without_lost(100_002, &references).into_iter().collect();
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2, 100_001]);
        let left = left.into_iter().collect();
        assert_eq!(connected(&left, &references), [[0, 1, 2]], "nothing refers to the last one");
    }
}
