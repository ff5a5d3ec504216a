//! Shows the records that are in the log: those that wait, and the newest that were delivered.

use std::sync::Arc;
use std::time::Duration;

use stream::shard::{SequenceNumber, ShardId};
use tokio_util::sync::CancellationToken;

use super::QueryError;
use crate::answers::{Tail, TailRecord};
use crate::live::LiveStream;
use crate::log::{Frames, LogError};

/// How long a question waits for the first record.
const WAIT: Duration = Duration::from_secs(10);
/// The most records of an answer.
const MOST_RECORDS: u64 = 1000;
/// An answer ends with the record that brings its data to so many bytes.
const MOST_BYTES: usize = 4 << 20;

/// The wishes of a question.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// The sequence number after which the answer begins.
    pub(crate) after: Option<String>,
    /// Without `after`: with how many of the newest records the answer begins.
    pub(crate) last: Option<u64>,
    /// The most records of the answer.
    pub(crate) limit: Option<u64>,
}

/// Returns the records after a position. Waits for some time if there is no record.
pub(crate) async fn tail(
    stream: &Arc<LiveStream>,
    wish: &Wish,
    stop: &CancellationToken,
) -> Result<Tail, QueryError> {
    let limit = usize::try_from(wish.limit.unwrap_or(MOST_RECORDS).clamp(1, MOST_RECORDS)).unwrap_or(1);
    let mut changes = stream.log.changes();
    let after = match &wish.after {
        Some(after) => {
            let number: Result<SequenceNumber, _> = after.parse();
            number.map_err(|_| QueryError::Sequence(after.clone()))?.number
        }
        None => {
            let next = stream.log.totals().next_number;
            next.saturating_sub(1).saturating_sub(wish.last.unwrap_or(0).min(MOST_RECORDS))
        }
    };
    let deadline = tokio::time::Instant::now() + WAIT;
    loop {
        let own = Arc::clone(stream);
        let read = tokio::task::spawn_blocking(move || read(&own, after, limit)).await;
        let records = read.map_err(|_| QueryError::Stopping)??;
        let is_over = tokio::time::Instant::now() >= deadline || stop.is_cancelled();
        if !records.is_empty() || is_over {
            let start = SequenceNumber { number: after, shard: ShardId(0) }.to_string();
            let next = records.last().map_or(start, |record| record.sequence_number.clone());
            return Ok(Tail { records, next: Some(next) });
        }
        tokio::select! {
            changed = changes.changed() => changed.map_err(|_| QueryError::Stopping)?,
            () = tokio::time::sleep_until(deadline) => {}
            () = stop.cancelled() => {}
        }
    }
}

fn read(stream: &LiveStream, after: u64, limit: usize) -> Result<Vec<TailRecord>, LogError> {
    let last = stream.log.totals().last_row;
    let (mut records, mut bytes) = (Vec::new(), 0);
    let mut row = stream.log.row_before(after)?;
    while let Some(next) = stream.log.row_after(row, last)? {
        row = next.first;
        for frame in Frames::new(next.first, &next.body) {
            let frame = frame?;
            if frame.number <= after {
                continue;
            }
            bytes += frame.data.len();
            let number = SequenceNumber { number: frame.number, shard: ShardId(next.shard) };
            records.push(TailRecord {
                sequence_number: number.to_string(),
                partition_key: frame.key.to_owned(),
                arrival: frame.arrived,
                data: String::from_utf8_lossy(frame.data).into_owned(),
            });
            if records.len() >= limit || bytes >= MOST_BYTES {
                return Ok(records);
            }
        }
    }
    Ok(records)
}
