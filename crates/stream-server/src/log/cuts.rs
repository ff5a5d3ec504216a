//! Cuts: a range of the log is saved before it is delivered, and settled afterwards.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::LogError;
use super::totals::{Amount, Counts, Cut, first_arrival, number, wide};

/// How many cuts the log remembers.
const KEPT_CUTS: u64 = 1000;

/// How many rows and bytes are removed at once, so that the writer is not kept from requests for long.
const ROWS_AT_ONCE: i64 = 1000;
const BYTES_AT_ONCE: u64 = 4 << 20;

/// The cut that is to be saved: everything but its range.
#[derive(Clone)]
pub(crate) struct NewCut {
    pub(crate) version: u64,
    pub(crate) decided_at: Timestamp,
    pub(crate) mark: String,
    /// The cut ends with the row that brings it to so many bytes.
    pub(crate) bytes: u64,
}

/// A saved cut, and when the first record behind it arrived.
pub(super) struct Saved {
    pub(super) cut: Option<Cut>,
    pub(super) oldest_uncut: Option<Timestamp>,
}

/// Saves a cut of the rows after the last cut. There is none if no row waits.
pub(super) fn save(connection: &Connection, new: &NewCut) -> Result<Saved, LogError> {
    let failed = LogError::doing("saving a cut");
    let (last_number, after_row) = connection
        .query_row("SELECT coalesce(max(number), 0), coalesce(max(last_row), 0) FROM cut", [], |row| {
            Ok((number(row, 0)?, number(row, 1)?))
        })
        .map_err(failed)?;
    let sql = "SELECT first, records, bytes FROM batch WHERE first > ?1 ORDER BY first";
    let mut select = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = select.query([wide(after_row)]).map_err(failed)?;
    let (mut last_row, mut amount) = (after_row, Amount::default());
    while amount.bytes < new.bytes {
        let Some(row) = rows.next().map_err(failed)? else { break };
        last_row = number(row, 0).map_err(failed)?;
        amount.records += number(row, 1).map_err(failed)?;
        amount.bytes += number(row, 2).map_err(failed)?;
    }
    drop(rows);
    let Some(oldest_at) = first_arrival(connection, after_row)? else {
        return Ok(Saved { cut: None, oldest_uncut: None });
    };
    let cut = Cut {
        number: last_number + 1,
        after_row,
        last_row,
        version: new.version,
        mark: new.mark.clone(),
        decided_at: new.decided_at,
        oldest_at,
        amount,
    };
    insert(connection, &cut).map_err(failed)?;
    Ok(Saved { oldest_uncut: first_arrival(connection, last_row)?, cut: Some(cut) })
}

fn insert(connection: &Connection, cut: &Cut) -> rusqlite::Result<()> {
    let sql = "INSERT INTO cut (number, after_row, last_row, version, mark, decided_at, oldest_at, records, bytes) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        wide(cut.number),
        wide(cut.after_row),
        wide(cut.last_row),
        wide(cut.version),
        cut.mark,
        cut.decided_at.as_millisecond(),
        cut.oldest_at.as_millisecond(),
        wide(cut.amount.records),
        wide(cut.amount.bytes),
    ];
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

/// Notes that a cut is delivered, with its counts, and forgets old cuts.
pub(super) fn settle(
    connection: &Connection,
    cut: &Cut,
    counts: &Counts,
    now: Timestamp,
) -> Result<(), LogError> {
    let failed = LogError::doing("settling a cut");
    let sql = "UPDATE cut SET done_at = ?2, opened = ?3, delivered = ?4, lines = ?5, quarantined = ?6, left_out = ?7 \
               WHERE number = ?1 AND done_at IS NULL";
    let values = params![
        wide(cut.number),
        now.as_millisecond(),
        wide(counts.opened),
        wide(counts.delivered),
        wide(counts.lines),
        wide(counts.quarantined),
        wide(counts.left_out),
    ];
    let settled =
        connection.prepare_cached(sql).and_then(|mut update| update.execute(values)).map_err(failed)?;
    if settled == 0 {
        return Err(LogError::Damaged(format!("cut {} is not open", cut.number)));
    }
    let sql = "UPDATE totals SET settled_records = settled_records + ?1, settled_bytes = settled_bytes + ?2, \
               opened = opened + ?3, delivered = delivered + ?4, lines = lines + ?5, \
               quarantined = quarantined + ?6, left_out = left_out + ?7";
    let values = params![
        wide(cut.amount.records),
        wide(cut.amount.bytes),
        wide(counts.opened),
        wide(counts.delivered),
        wide(counts.lines),
        wide(counts.quarantined),
        wide(counts.left_out),
    ];
    connection.execute(sql, values).map_err(failed)?;
    let sql = "DELETE FROM cut WHERE number <= ?1 AND done_at IS NOT NULL";
    connection.execute(sql, [wide(cut.number.saturating_sub(KEPT_CUTS))]).map_err(failed)?;
    Ok(())
}

/// Removes some rows up to `through`, the oldest first, as long as more than `keep_bytes` of their data remain. Returns
/// the removed bytes.
pub(super) fn remove_rows(
    connection: &Connection,
    through: u64,
    kept_bytes: u64,
    keep_bytes: u64,
) -> Result<u64, LogError> {
    let failed = LogError::doing("removing delivered records");
    let sql = "SELECT first, bytes FROM batch WHERE first <= ?1 ORDER BY first LIMIT ?2";
    let mut select = connection.prepare_cached(sql).map_err(failed)?;
    let rows =
        select.query_map(params![wide(through), ROWS_AT_ONCE], |row| Ok((number(row, 0)?, number(row, 1)?)));
    let rows: Vec<_> = rows.and_then(Iterator::collect).map_err(failed)?;
    let mut removed = 0;
    for (first, bytes) in rows {
        if kept_bytes - removed.min(kept_bytes) <= keep_bytes || removed >= BYTES_AT_ONCE {
            break;
        }
        let mut delete = connection.prepare_cached("DELETE FROM batch WHERE first = ?1").map_err(failed)?;
        delete.execute([wide(first)]).map_err(failed)?;
        removed += bytes;
    }
    Ok(removed)
}
