//! Expiry of runs, and removal of their rows.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::read::all;
use crate::column::seconds;
use crate::expiry::{Candidate, MOST_FORGOTTEN, MOST_ROWS, MOST_RUNS};
use crate::query::wide;
use crate::{Expired, ExpiryMarker, StoreError};

pub(super) fn runs(
    connection: &Connection,
    ended_before: Timestamp,
    from: Option<ExpiryMarker>,
) -> Result<Expired, StoreError> {
    let doing = "letting runs expire";
    if from.is_none() {
        // A small part is enough, because this is called again and again.
        let sql = "DELETE FROM deleted_pipelines WHERE id IN \
                   (SELECT id FROM deleted_pipelines WHERE deleted_at < ?1 LIMIT ?2)";
        change(connection, doing, sql, params![seconds(ended_before), wide(MOST_FORGOTTEN)])?;
    }
    let ExpiryMarker { ended_at, pipeline, run } = from.unwrap_or_else(ExpiryMarker::first);
    let sql = "SELECT ended_at, pipeline_id, id, EXISTS (SELECT 1 FROM runs AS newer \
               WHERE newer.pipeline_id = runs.pipeline_id AND newer.id > runs.id AND newer.is_open = 0) FROM runs \
               WHERE ended_at IS NOT NULL AND is_stuck = 0 AND ended_at < ?1 \
               AND (ended_at, pipeline_id, id) > (?2, ?3, ?4) ORDER BY ended_at, pipeline_id, id LIMIT ?5";
    let read = |row: &Row<'_>| {
        let at = ExpiryMarker { ended_at: row.get(0)?, pipeline: row.get(1)?, run: row.get(2)? };
        Ok(Candidate { at, has_expired: row.get(3)? })
    };
    let values = params![seconds(ended_before), ended_at, pipeline, run, wide(MOST_RUNS)];
    let candidates = all(connection, doing, sql, values, read)?;
    for Candidate { at, .. } in candidates.iter().filter(|it| it.has_expired) {
        let key = (&at.pipeline, &at.run);
        let mark = "INSERT INTO expired_runs (pipeline_id, run_id, definition) \
                    SELECT pipeline_id, id, definition FROM runs WHERE pipeline_id = ?1 AND id = ?2";
        change(connection, doing, mark, key)?;
        change(connection, doing, "DELETE FROM runs WHERE pipeline_id = ?1 AND id = ?2", key)?;
    }
    Ok(Expired::of(candidates))
}

pub(super) fn clear(connection: &Connection) -> Result<bool, StoreError> {
    let doing = "clearing away expired runs";
    let sql = "SELECT pipeline_id, run_id, definition FROM expired_runs LIMIT ?1";
    let read = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
    };
    let expired = all(connection, doing, sql, [wide(MOST_RUNS)], read)?;
    let mut left = MOST_ROWS;
    for (pipeline, run, definition) in &expired {
        for table in ["attempts", "instances"] {
            let sql = format!(
                "DELETE FROM {table} WHERE seq IN \
                 (SELECT seq FROM {table} WHERE pipeline_id = ?1 AND run_id = ?2 LIMIT ?3)"
            );
            left -= change(connection, doing, &sql, params![pipeline, run, wide(left)])?.min(left);
            if left == 0 {
                return Ok(true);
            }
        }
        let orphan = "DELETE FROM definition_bodies WHERE pipeline_id = ?1 AND digest = ?2 \
                      AND NOT EXISTS (SELECT 1 FROM runs WHERE pipeline_id = ?1 AND definition = ?2)";
        change(connection, doing, orphan, params![pipeline, definition])?;
        let mark = "DELETE FROM expired_runs WHERE pipeline_id = ?1 AND run_id = ?2";
        change(connection, doing, mark, (pipeline, run))?;
    }
    Ok(expired.len() == MOST_RUNS)
}

fn change(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    let changed = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
    changed.map_err(StoreError::doing(doing))
}
