//! Appends records: requests that wait at the same time share rows, one commit, and one flush of the disk.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use sqlite_writer::{Failure, Job};
use tokio::sync::oneshot;

use super::Shared;
use super::error::{AppendError, LogError};
use super::frame::{Frames, Group, Part, Plan};
use super::totals::{Amount, wide};

/// A row of the log ends when it has so many bytes: enough to make the work for each row small, and little enough that
/// readers, which take a row at a time, need little memory.
const ROW_BYTES: usize = 1 << 20;

/// The answer to a request: the first number of each of its parts.
type Answer = Result<Vec<u64>, AppendError>;

/// Records that wait for the thread that writes.
#[derive(Default)]
pub(super) struct Pending {
    next_number: u64,
    requests: Vec<Request>,
    amount: Amount,
    /// Whether a job that takes the waiting records is in the queue of the writer.
    is_scheduled: bool,
}

/// The records of a request.
struct Request {
    parts: Vec<Part>,
    answer: oneshot::Sender<Answer>,
}

impl Pending {
    /// Returns an empty queue whose first record will have the number `next_number`.
    pub(super) fn from(next_number: u64) -> Self {
        Self { next_number, ..Self::default() }
    }

    /// Returns the bytes that wait for the writer.
    pub(super) fn bytes(&self) -> u64 {
        self.amount.bytes
    }

    /// Adds the records of a request. Returns the plan of their numbers, and whether a job must be put into the queue.
    pub(super) fn add(&mut self, group: Group, answer: oneshot::Sender<Answer>) -> (Plan, bool) {
        self.amount.records += group.len() as u64;
        self.amount.bytes += group.bytes();
        let (parts, plan) = group.split();
        self.requests.push(Request { parts, answer });
        (plan, !std::mem::replace(&mut self.is_scheduled, true))
    }

    /// Takes everything that waits, and numbers it shard by shard, so that the records of a row have consecutive numbers.
    fn take(&mut self) -> Taken {
        self.is_scheduled = false;
        let requests = std::mem::take(&mut self.requests);
        let mut order: Vec<(u32, usize, usize)> = Vec::new();
        for (request, Request { parts, .. }) in requests.iter().enumerate() {
            order.extend(parts.iter().enumerate().map(|(part, Part { shard, .. })| (*shard, request, part)));
        }
        order.sort_unstable();
        let mut firsts: Vec<Vec<u64>> = requests.iter().map(|request| vec![0; request.parts.len()]).collect();
        for (_, request, part) in &order {
            firsts[*request][*part] = self.next_number;
            self.next_number += requests[*request].parts[*part].records;
        }
        let amount = std::mem::take(&mut self.amount);
        Taken { next_number: self.next_number, requests, order, firsts, amount, rows: None }
    }
}

/// The records of one job.
struct Taken {
    next_number: u64,
    requests: Vec<Request>,
    /// All parts by shard: shard, request, and part of the request.
    order: Vec<(u32, usize, usize)>,
    /// The first number of each part of each request.
    firsts: Vec<Vec<u64>>,
    amount: Amount,
    /// The result of the work.
    rows: Option<Result<Rows, LogError>>,
}

/// The rows that a job wrote.
#[derive(Clone, Copy)]
struct Rows {
    last: u64,
    /// The time at which the first record arrived.
    first_arrived: Timestamp,
}

/// The job that writes all records that wait when it begins.
pub(super) struct Append {
    shared: Arc<Shared>,
    taken: Option<Taken>,
}

impl Append {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, taken: None }
    }
}

impl Job for Append {
    fn work(&mut self, connection: &Connection) -> Result<(), Failure> {
        // The work may be done twice. The second time, it writes the same records.
        let taken = self.taken.get_or_insert_with(|| self.shared.pending().take());
        let rows = write(connection, taken);
        let worked = rows.as_ref().map(|_| ()).map_err(LogError::failure);
        taken.rows = Some(rows);
        worked
    }

    fn answer(self: Box<Self>, committed: Result<(), &Failure>) {
        let Self { shared, taken } = *self;
        // A job that never ran still has to answer those who wait.
        let taken = taken.unwrap_or_else(|| shared.pending().take());
        let result = match (taken.rows, committed) {
            (Some(Ok(rows)), Ok(())) => {
                let mut totals = shared.totals();
                totals.accepted.records += taken.amount.records;
                totals.accepted.bytes += taken.amount.bytes;
                totals.next_number = taken.next_number;
                totals.last_row = rows.last;
                totals.oldest_uncut.get_or_insert(rows.first_arrived);
                drop(totals);
                shared.announce_change();
                Ok(())
            }
            (Some(Err(error)), _) => Err(AppendError::of(&error.failure())),
            (_, Err(failure)) => Err(AppendError::of(failure)),
            (None, Ok(())) => Err(AppendError::Broken("the work was not done".to_owned())),
        };
        for (request, firsts) in taken.requests.into_iter().zip(taken.firsts) {
            // A client that is gone needs no answer; its records stay.
            let _ = request.answer.send(result.clone().map(|()| firsts));
        }
    }
}

fn write(connection: &Connection, taken: &Taken) -> Result<Rows, LogError> {
    let mut rows = Rows { last: 0, first_arrived: Timestamp::MAX };
    for parts in taken.order.chunk_by(|one, next| one.0 == next.0) {
        let frames: Vec<&[u8]> = parts
            .iter()
            .map(|(_, request, part)| &taken.requests[*request].parts[*part].frames[..])
            .collect();
        let (shard, request, part) = parts[0];
        let first = taken.firsts[request][part];
        for row in rows_of(first, &frames)? {
            insert(connection, shard, &row)?;
            if rows.last == 0 {
                rows.first_arrived = row.arrived;
            }
            rows.last = row.first;
        }
    }
    let sql = "UPDATE totals SET next_number = ?1, accepted_records = accepted_records + ?2, \
               accepted_bytes = accepted_bytes + ?3";
    let values = params![wide(taken.next_number), wide(taken.amount.records), wide(taken.amount.bytes)];
    let updated = connection.prepare_cached(sql).and_then(|mut update| update.execute(values));
    updated.map_err(LogError::doing("summing accepted records"))?;
    Ok(rows)
}

/// A row before it is written.
struct Row<'a> {
    first: u64,
    arrived: Timestamp,
    amount: Amount,
    /// The frames, in pieces.
    body: Vec<&'a [u8]>,
    length: usize,
}

/// Divides the frames of a shard into rows. The first record has the number `first`.
fn rows_of<'a>(first: u64, parts: &[&'a [u8]]) -> Result<Vec<Row<'a>>, LogError> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    let mut next = first;
    for part in parts {
        let mut frames = Frames::new(next, part);
        // The frames between `begun` and the record in hand are not in the body of a row yet.
        let mut begun = 0;
        let mut at = 0;
        while let Some(record) = frames.next() {
            let record = record?;
            if rows.last().is_none_or(|row| row.length + (at - begun) >= ROW_BYTES) {
                if let Some(row) = rows.last_mut() {
                    row.add(&part[begun..at]);
                }
                begun = at;
                rows.push(Row::new(record.number, record.arrived));
            }
            at = part.len() - frames.left();
            next = record.number + 1;
            if let Some(row) = rows.last_mut() {
                row.amount.records += 1;
                row.amount.bytes += record.data.len() as u64;
            }
        }
        if let Some(row) = rows.last_mut() {
            row.add(&part[begun..]);
        }
    }
    Ok(rows)
}

impl<'a> Row<'a> {
    fn new(first: u64, arrived: Timestamp) -> Self {
        Self { first, arrived, amount: Amount::default(), body: Vec::new(), length: 0 }
    }

    fn add(&mut self, frames: &'a [u8]) {
        if !frames.is_empty() {
            self.body.push(frames);
            self.length += frames.len();
        }
    }
}

fn insert(connection: &Connection, shard: u32, row: &Row<'_>) -> Result<(), LogError> {
    let sql =
        "INSERT INTO batch (first, shard, records, bytes, arrived_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let joined;
    let body: &[u8] = match &row.body[..] {
        [only] => only,
        pieces => {
            joined = pieces.concat();
            &joined
        }
    };
    let values = params![
        wide(row.first),
        shard,
        wide(row.amount.records),
        wide(row.amount.bytes),
        row.arrived.as_millisecond(),
        body
    ];
    let inserted = connection.prepare_cached(sql).and_then(|mut insert| insert.execute(values));
    inserted.map(|_| ()).map_err(LogError::doing("writing records"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(records: &[(u32, usize)]) -> Group {
        let mut group = Group::default();
        for (shard, size) in records {
            let write = |buffer: &mut Vec<u8>| {
                buffer.resize(buffer.len() + size, b'x');
                Ok::<(), ()>(())
            };
            group.push(*shard, Timestamp::UNIX_EPOCH, "k", write).unwrap();
        }
        group
    }

    #[test]
    fn small_requests_share_a_row_and_large_ones_are_divided() {
        let sizes: [&[usize]; 4] = [&[10, 20], &[ROW_BYTES, 5, 6], &[7], &[ROW_BYTES / 2; 5]];
        let mut parts = Vec::new();
        for sizes in sizes {
            let records: Vec<_> = sizes.iter().map(|size| (0, *size)).collect();
            parts.extend(group(&records).split().0);
        }
        let frames: Vec<&[u8]> = parts.iter().map(|part| &part.frames[..]).collect();
        let rows = rows_of(1, &frames).unwrap();
        let mut seen = Vec::new();
        for row in &rows {
            let body = row.body.concat();
            assert_eq!(body.len(), row.length);
            let records: Vec<_> = Frames::new(row.first, &body).map(|record| record.unwrap()).collect();
            assert_eq!(records.len() as u64, row.amount.records);
            assert_eq!(records.iter().map(|record| record.data.len() as u64).sum::<u64>(), row.amount.bytes);
            assert!(row.length < 2 * ROW_BYTES + 100);
            seen.extend(records.iter().map(|record| (record.number, record.data.len())));
        }
        assert!(rows.len() > 2, "{}", rows.len());
        let expected: Vec<_> = (1..).zip(sizes.concat()).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn numbers_are_consecutive_within_a_shard_and_rise_with_the_order_of_the_requests() {
        let mut pending = Pending::from(100);
        let mut plans = Vec::new();
        for records in [&[(1, 5), (0, 5), (1, 5)][..], &[(0, 5), (1, 5)]] {
            plans.push(pending.add(group(records), oneshot::channel().0));
        }
        assert_eq!(plans.iter().map(|(_, must_schedule)| *must_schedule).collect::<Vec<_>>(), [true, false]);
        let taken = pending.take();
        let numbers = |request: usize| plans[request].0.numbers(&taken.firsts[request]);
        assert_eq!(numbers(0), [(102, 1), (100, 0), (103, 1)]);
        assert_eq!(numbers(1), [(101, 0), (104, 1)]);
        assert_eq!((taken.next_number, taken.amount.records), (105, 5));
    }
}
