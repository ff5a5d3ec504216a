//! Rows that refer to rows of the same table which are not loaded yet.
//!
//! A row may stand before the row to which it refers. In a whole batch this is not a problem, because the database checks
//! foreign keys after all rows. But when rows are sent in small groups, to find a refused row, such a row is refused
//! although it is good. So it waits, and is sent again after all other rows of the load.
//!
//! The same is true of a row with a unique value of an old row that `replace` keeps and that a later row of the file changes.

use std::ops::Range;

use tokio_postgres::types::Type;

use super::super::source::Source;
use super::super::table::Table;
use super::super::transform::{Layout, Reject};
use super::LoadTry;
use super::batch::Writer;
use super::doubles::subtransactions;
use super::groups::Groups;
use super::merge::Way;
use super::reason::reason;
use super::replace::Kept;
use crate::database::Transaction;
use crate::failure::Failure;

const OWN_KEYS: &str = "SELECT conname::text FROM pg_catalog.pg_constraint \
                        WHERE contype = 'f' AND conrelid = $1::int8::oid AND confrelid = conrelid";

/// Writes something, so that the savepoint gets a number, and undoes it.
const UNDONE: &str = "SAVEPOINT point; CREATE TEMP TABLE downspout_point (); ROLLBACK TO SAVEPOINT point; \
                      RELEASE SAVEPOINT point";

/// Waiting rows of one file.
pub(super) struct Waiting {
    pub(super) source: Source,
    pub(super) layout: Layout,
    pub(super) way: Way,
    pub(super) rows: Vec<WaitingRow>,
}

/// An encoded row, and its refusal if the row to which it refers never comes.
pub(super) struct WaitingRow {
    pub(super) data: Vec<u8>,
    pub(super) reject: Reject,
    /// In an upsert, the point of the load at which the row was last refused.
    pub(super) refused_at: Option<i64>,
    /// In an upsert, the spans of the load in which rows were written that come after this row in the file, and so replace it:
    /// from each refusal to the next pass over the waiting rows.
    pub(super) later: Vec<Range<i64>>,
}

/// Returns the names of the foreign keys of a table that refer to the table itself.
pub(super) async fn own_keys(tx: &Transaction, table: &Table) -> Result<Vec<String>, Failure> {
    let found =
        tx.query("finding the foreign keys of the table", OWN_KEYS, &[(&table.oid, Type::INT8)]).await?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

impl LoadTry<'_> {
    /// Returns whether the row of this refusal refers to a row of the table that may come later, or has a value of a kept row
    /// that may change later.
    pub(super) fn may_wait(&self, failure: &Failure) -> bool {
        let is_own = failure.foreign_key.as_ref().is_some_and(|key| self.own_keys.contains(key));
        is_own || self.kept.is_some() && failure.is_taken
    }

    /// Returns why the database refused a row.
    pub(super) fn reason(&self, failure: &Failure) -> String {
        let holder = self.kept.as_ref().filter(|_| failure.is_taken).map(Kept::holder);
        reason(failure, &holder.unwrap_or_default(), self.load.insert.is_some())
    }

    /// Returns in which way waiting rows are sent.
    fn last_way(&self, way: &Way) -> Way {
        match (way, &self.kept) {
            (Way::Keep(key, loaded), Some(kept)) if kept.may_swap => Way::Swap(key.clone(), loaded.clone()),
            _ => way.clone(),
        }
    }

    /// Sends the waiting rows again, until no more of them can be loaded. The others are refused.
    pub(super) async fn load_waiting(&mut self, tx: &Transaction, table: &Table) -> Result<(), Failure> {
        while !self.waiting.is_empty() && !self.is_limit_passed() {
            self.begin_pass(tx).await?;
            if self.pass(tx, table, false).await? || self.pass(tx, table, true).await? {
                continue;
            }
            for waiting in std::mem::take(&mut self.waiting) {
                let rejects: Vec<Reject> = waiting.rows.into_iter().map(|row| row.reject).collect();
                self.collect(&waiting.source, &rejects)?;
            }
        }
        Ok(())
    }

    /// Sends the waiting rows of each file again: those that refer to each other in a circle together, or else each by itself. Returns
    /// whether any of them is not waiting any more.
    async fn pass(&mut self, tx: &Transaction, table: &Table, in_circles: bool) -> Result<bool, Failure> {
        let mut is_progress = false;
        for mut waiting in std::mem::take(&mut self.waiting) {
            let (layout, way) = (waiting.layout.clone(), self.last_way(&waiting.way));
            let writer = Writer::new(tx, table, layout, way, (true, &self.guard)).await?;
            let before = waiting.rows.len();
            waiting.rows = match in_circles {
                true => self.load_circles(tx, table, (&writer, waiting.rows)).await?,
                false => self.send_again(&waiting.source, &writer, waiting.rows).await?,
            };
            is_progress |= waiting.rows.len() < before;
            if !waiting.rows.is_empty() {
                self.waiting.push(waiting);
            }
        }
        Ok(is_progress)
    }

    /// Notes for each waiting row of an upsert that the rows which were written since its refusal come after it.
    async fn begin_pass(&mut self, tx: &Transaction) -> Result<(), Failure> {
        let is_ordered = |waiting: &Waiting| waiting.rows.iter().any(|row| row.refused_at.is_some());
        if !self.waiting.iter().any(is_ordered) {
            return Ok(());
        }
        // The point can be read only after a batch was undone, and the last one was perhaps not.
        tx.run("setting a savepoint", UNDONE).await?;
        let now = subtransactions(tx).await?;
        for row in self.waiting.iter_mut().flat_map(|waiting| &mut waiting.rows) {
            row.later.extend(row.refused_at.map(|refused_at| refused_at..now));
        }
        Ok(())
    }

    /// Sends rows in groups, as in a refused batch. Returns those that have to wait still. In an upsert, each row is sent
    /// alone, because each has its own rows that come after it.
    async fn send_again(
        &mut self,
        source: &Source,
        writer: &Writer<'_>,
        rows: Vec<WaitingRow>,
    ) -> Result<Vec<WaitingRow>, Failure> {
        let (mut left, mut groups) = (Vec::new(), Groups::new(rows.len(), None));
        let mut rows = std::collections::VecDeque::from(rows);
        while !rows.is_empty() && !self.is_limit_passed() {
            let later = rows.front().map(|row| row.later.clone()).unwrap_or_default();
            let count = if later.is_empty() { groups.next(rows.len()) } else { 1 };
            let data: Vec<u8> = rows.iter().take(count).flat_map(|row| row.data.iter().copied()).collect();
            match writer.apply(&data, &later).await {
                Ok(accepted) => {
                    self.loaded.add(count as u64, accepted);
                    rows.drain(..count);
                    groups.accepted(count);
                }
                Err(failure) if failure.is_refusal() && count == 1 => {
                    if let Some(mut row) = rows.pop_front() {
                        row.reject.reason = self.reason(&failure);
                        row.refused_at = writer.point().await?;
                        match self.may_wait(&failure) {
                            true => left.push(row),
                            false => self.collect(source, &[row.reject])?,
                        }
                    }
                    groups.refused(count, None);
                }
                Err(failure) if failure.is_refusal() => groups.refused(count, failure.row),
                Err(failure) => return Err(failure),
            }
        }
        Ok(left)
    }
}
