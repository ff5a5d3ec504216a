//! Delivers the records that wait now.

use stream::objects::{Objects, Origin};

use super::QueryError;
use crate::answers::Flushed;
use crate::deliver::Dock;
use crate::live::{LiveStream, Trouble};
use crate::log::Cut;

/// How often a step of the delivery may fail after a user asked for it, before the user gets the error. The first failure may be
/// that of a try that had begun before.
const TRIES: u32 = 2;

/// Cuts everything that the stream has accepted, and returns when it is delivered.
pub(crate) async fn flush(dock: &Dock, stream: &LiveStream) -> Result<Flushed, QueryError> {
    let mut changes = stream.log.changes();
    let mut troubles = stream.troubles();
    let before = stream.log.totals();
    let waiting = before.waiting().records;
    if waiting == 0 {
        return Ok(Flushed { records: 0, objects: Vec::new() });
    }
    if before.open_cut.is_none() {
        stream.version().map_err(|refused| QueryError::Undefined(refused.to_string()))?;
    }
    let failures = stream.trouble().map_or(0, |trouble| trouble.failures);
    let through = stream.ask_flush();
    while stream.log.totals().settled_through < through {
        // After a step that works, the count starts again.
        let is_final = |trouble: &Trouble| {
            trouble.tries >= TRIES && trouble.failures.saturating_sub(failures) >= u64::from(TRIES)
        };
        if let Some(trouble) = stream.trouble().filter(is_final) {
            return Err(QueryError::NotDelivered(trouble.why));
        }
        tokio::select! {
            changed = changes.changed() => changed.map_err(|_| QueryError::Stopping)?,
            changed = troubles.changed() => changed.map_err(|_| QueryError::Stopping)?,
            () = dock.stop.cancelled() => return Err(QueryError::Stopping),
        }
    }
    let first = before.open_cut.map_or(before.cuts + 1, |cut| cut.number);
    let mut objects = Vec::new();
    for (cut, counts) in stream.log.cuts_from(first).await? {
        if cut.after_row < through && counts.lines > 0 {
            objects.extend(data_object(dock, stream, &cut).await);
        }
    }
    Ok(Flushed { records: waiting, objects })
}

/// Returns the data object of a cut; `None` if its definition cannot be read any more.
async fn data_object(dock: &Dock, stream: &LiveStream, cut: &Cut) -> Option<String> {
    let source = stream.log.version(cut.version).await.ok()?;
    let version = stream.parse(cut.version, &source).ok()?;
    let number = u32::try_from(cut.version).unwrap_or(u32::MAX);
    let origin = Origin::Cut { mark: &cut.mark, number: cut.number };
    let data = Objects::of(&version.stream, &dock.homes, origin, number, cut.oldest_at).data;
    Some(format!("s3://{}/{}", data.bucket, data.key))
}
