//! Lists the refused records of a stream.

use std::collections::VecDeque;

use stream::encode::read_quarantined;
use stream::objects::S3Object;
use tempfile::NamedTempFile;

use super::QueryError;
use super::objects::{self, Kind, LineError};
use super::replay::{definitions, is_replayed};
use crate::answers::{Quarantine, QuarantinedRecord};
use crate::deliver::Dock;
use crate::live::LiveStream;

/// How many records are shown unless the question says otherwise.
const USUAL_LIMIT: usize = 20;
/// The most records that are shown.
const MOST_RECORDS: usize = 1000;

/// Lists the refused records that no replay has taken, the newest first.
pub(crate) async fn list(
    dock: &Dock,
    stream: &LiveStream,
    limit: Option<usize>,
) -> Result<Quarantine, QueryError> {
    let limit = limit.unwrap_or(USUAL_LIMIT).min(MOST_RECORDS);
    stream.version().map_err(|refused| QueryError::Undefined(refused.to_string()))?;
    let definitions = definitions(stream).await?;
    let found = objects::list(&dock.s3, &dock.homes, &definitions, Kind::Quarantine).await?;
    let mut quarantine = Quarantine { records: Vec::new(), total: 0 };
    for found in found.into_iter().rev() {
        if is_replayed(&dock.s3, &found.place).await? {
            continue;
        }
        let file = objects::fetch(&dock.s3, &found.place, &dock.spool).await?;
        let wanted = limit - quarantine.records.len();
        let read = tokio::task::spawn_blocking(move || newest(&file, &found.place, wanted)).await;
        let (records, count) = read.map_err(|_| QueryError::Stopping)??;
        quarantine.total += count;
        quarantine.records.extend(records);
    }
    Ok(quarantine)
}

/// Returns the last records of an object, the last one first, and the number of all its records.
fn newest(
    file: &NamedTempFile,
    place: &S3Object,
    wanted: usize,
) -> Result<(Vec<QuarantinedRecord>, u64), QueryError> {
    let object = format!("s3://{}/{}", place.bucket, place.key);
    let (mut last, mut count) = (VecDeque::new(), 0);
    objects::each_line(file, place, |line| {
        let refused = read_quarantined(line).map_err(LineError::Line)?;
        count += 1;
        last.push_front(QuarantinedRecord {
            sequence_number: refused.record.number.sequence.to_string(),
            arrival: refused.record.arrival,
            error_code: refused.error_code,
            error_message: refused.error_message,
            version: u64::from(refused.version),
            object: object.clone(),
        });
        last.truncate(wanted);
        Ok(())
    })?;
    Ok((last.into(), count))
}
