//! The saved sums of a log: the records that wait, the records that were delivered, and the cut in hand.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::LogError;

/// A number of records and the bytes of their data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// The number of records.
    pub(crate) records: u64,
    /// The bytes of their data.
    pub(crate) bytes: u64,
}

/// The outcomes of records. `opened` is the sum of `delivered`, `quarantined` and `left_out`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The records after aggregates of the Kinesis Producer Library were opened.
    pub(crate) opened: u64,
    /// The records whose lines are in data objects.
    pub(crate) delivered: u64,
    /// The lines in data objects. A record may hold several JSON texts, each of which is a line.
    pub(crate) lines: u64,
    /// The records in quarantine objects.
    pub(crate) quarantined: u64,
    /// The records without any JSON text. No object contains them.
    pub(crate) left_out: u64,
}

impl Counts {
    /// Adds the counts of another cut.
    pub(crate) fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.delivered += other.delivered;
        self.lines += other.lines;
        self.quarantined += other.quarantined;
        self.left_out += other.left_out;
    }
}

/// A range of the log that is delivered as one, with everything that the names of its objects follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) number: u64,
    /// The rows of the cut: greater than this one,
    pub(crate) after_row: u64,
    /// up to and including this one.
    pub(crate) last_row: u64,
    /// The version of the definition that was in force.
    pub(crate) version: u64,
    /// A random text in the names of the objects.
    pub(crate) mark: String,
    pub(crate) decided_at: Timestamp,
    /// The time at which the oldest record arrived.
    pub(crate) oldest_at: Timestamp,
    pub(crate) amount: Amount,
}

// The statements of a start that look at `batch`, where millions of rows may wait.
const LAST_ROW: &str = "SELECT coalesce(max(first), 0) FROM batch";
const KEPT: &str = "SELECT coalesce(sum(bytes), 0) FROM batch WHERE first <= ?1";
const FIRST_ARRIVAL: &str = "SELECT arrived_at FROM batch WHERE first > ?1 ORDER BY first LIMIT 1";

/// The durable state of a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) next_number: u64,
    pub(crate) accepted: Amount,
    pub(crate) settled: Amount,
    pub(crate) counts: Counts,
    /// The greatest row.
    pub(crate) last_row: u64,
    /// The greatest row of all cuts.
    pub(crate) cut_through: u64,
    /// The greatest row of the cuts that are done.
    pub(crate) settled_through: u64,
    pub(crate) cuts: u64,
    /// The cut whose delivery goes on.
    pub(crate) open_cut: Option<Cut>,
    /// The time at which the oldest record that belongs to no cut arrived.
    pub(crate) oldest_uncut: Option<Timestamp>,
    /// The data of delivered rows that are still in the file.
    pub(crate) kept_bytes: u64,
}

impl Totals {
    /// Returns the amount of the records that are accepted and not delivered.
    pub(crate) fn waiting(&self) -> Amount {
        difference(self.accepted, self.settled)
    }

    /// Returns what belongs to no cut yet.
    pub(crate) fn uncut(&self) -> Amount {
        let waiting = self.waiting();
        self.open_cut.as_ref().map_or(waiting, |cut| difference(waiting, cut.amount))
    }

    /// Returns when the oldest record that is not delivered arrived.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.open_cut.as_ref().map(|cut| cut.oldest_at).or(self.oldest_uncut)
    }

    /// Reads the state. The time for it does not depend on how much waits.
    pub(super) fn read(connection: &Connection) -> Result<Self, LogError> {
        let failed = LogError::doing("reading the sums of the data file");
        let mut totals = connection
            .query_row("SELECT * FROM totals", [], |row| {
                Ok(Self {
                    next_number: number(row, 1)?,
                    accepted: Amount { records: number(row, 2)?, bytes: number(row, 3)? },
                    settled: Amount { records: number(row, 4)?, bytes: number(row, 5)? },
                    counts: counts(row, 6)?,
                    ..Self::default()
                })
            })
            .map_err(failed)?;
        let one = |sql: &str| connection.query_row(sql, [], |row| number(row, 0)).map_err(failed);
        totals.cut_through = one("SELECT coalesce(max(last_row), 0) FROM cut")?;
        totals.cuts = one("SELECT coalesce(max(number), 0) FROM cut")?;
        totals.last_row = one(LAST_ROW)?.max(totals.cut_through);
        totals.open_cut = open_cut(connection).map_err(failed)?;
        totals.settled_through = totals.open_cut.as_ref().map_or(totals.cut_through, |cut| cut.after_row);
        totals.oldest_uncut = first_arrival(connection, totals.cut_through)?;
        // Few delivered rows are kept, so that this sum is short.
        totals.kept_bytes = connection
            .query_row(KEPT, [wide(totals.settled_through)], |row| number(row, 0))
            .map_err(failed)?;
        Ok(totals)
    }
}

fn difference(whole: Amount, part: Amount) -> Amount {
    Amount {
        records: whole.records.saturating_sub(part.records),
        bytes: whole.bytes.saturating_sub(part.bytes),
    }
}

/// The columns of a cut.
const CUT: &str = "number, after_row, last_row, version, mark, decided_at, oldest_at, records, bytes";

fn cut(row: &Row<'_>) -> rusqlite::Result<Cut> {
    Ok(Cut {
        number: number(row, 0)?,
        after_row: number(row, 1)?,
        last_row: number(row, 2)?,
        version: number(row, 3)?,
        mark: row.get(4)?,
        decided_at: time(row, 5)?,
        oldest_at: time(row, 6)?,
        amount: Amount { records: number(row, 7)?, bytes: number(row, 8)? },
    })
}

fn open_cut(connection: &Connection) -> rusqlite::Result<Option<Cut>> {
    let sql = format!("SELECT {CUT} FROM cut WHERE done_at IS NULL ORDER BY number LIMIT 1");
    connection.query_row(&sql, [], cut).optional()
}

/// Returns the cuts from the number `first` on, with their counts.
pub(super) fn cuts_from(connection: &Connection, first: u64) -> Result<Vec<(Cut, Counts)>, LogError> {
    let failed = LogError::doing("reading the cuts");
    let sql = format!(
        "SELECT {CUT}, opened, delivered, lines, quarantined, left_out FROM cut WHERE number >= ?1 ORDER BY number"
    );
    let mut select = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = select.query_map([wide(first)], |row| Ok((cut(row)?, counts(row, 9)?)));
    rows.and_then(Iterator::collect).map_err(failed)
}

/// Reads the counts, which begin at a column.
fn counts(row: &Row<'_>, first: usize) -> rusqlite::Result<Counts> {
    Ok(Counts {
        opened: number(row, first)?,
        delivered: number(row, first + 1)?,
        lines: number(row, first + 2)?,
        quarantined: number(row, first + 3)?,
        left_out: number(row, first + 4)?,
    })
}

/// Returns when the first record after the row `row` arrived.
pub(super) fn first_arrival(connection: &Connection, row: u64) -> Result<Option<Timestamp>, LogError> {
    let found = connection
        .prepare_cached(FIRST_ARRIVAL)
        .and_then(|mut select| select.query_row(params![wide(row)], |row| time(row, 0)).optional());
    found.map_err(LogError::doing("reading the oldest record"))
}

/// Returns a column that holds a number.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// Returns a column that holds a time in milliseconds.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let value: i64 = row.get(column)?;
    Timestamp::from_millisecond(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// Returns a number as SQLite keeps it. Row numbers and sums of bytes never reach the limit of 63 bits.
pub(super) fn wide(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_reads_no_rows_that_wait() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        for sql in [LAST_ROW, KEPT, FIRST_ARRIVAL] {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = vec![1; explain.parameter_count()];
            let plan = explain.query_map(rusqlite::params_from_iter(values), |row| row.get(3));
            let plan: Vec<String> = plan.unwrap().collect::<Result<_, _>>().unwrap();
            assert!(plan.iter().all(|step| !step.contains("SCAN")) && !plan.is_empty(), "{sql}: {plan:?}");
        }
    }
}
