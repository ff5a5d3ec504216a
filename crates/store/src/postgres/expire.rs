//! Expiry of runs, and removal of their rows. Several servers may do this at once: each skips the rows that another has locked.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::session::{Sessions, Statement, Untouched};
use crate::column::seconds;
use crate::expiry::{Candidate, MOST_FORGOTTEN, MOST_ROWS, MOST_RUNS};
use crate::query::wide;
use crate::{Expired, ExpiryMarker, StoreError};

pub(super) async fn runs(
    sessions: &Sessions,
    ended_before: Timestamp,
    from: Option<ExpiryMarker>,
) -> Result<Expired, StoreError> {
    if from.is_none() {
        // A small part is enough, because this is called again and again.
        let sql = "DELETE FROM deleted_pipelines WHERE id IN \
                   (SELECT id FROM deleted_pipelines WHERE deleted_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
        let doing = "forgetting deleted pipelines";
        sessions.rows(doing, sql, &[&seconds(ended_before), &wide(MOST_FORGOTTEN)]).await?;
    }
    let ExpiryMarker { ended_at, pipeline, run } = from.unwrap_or_else(ExpiryMarker::first);
    // A run that another server is saving has a locked row, so this statement skips the run. If a run expires after another
    // server has loaded it, that server finds no row to save it to.
    let sql = "WITH candidates AS ( \
                   SELECT ended_at, pipeline_id, id FROM runs \
                   WHERE ended_at IS NOT NULL AND NOT is_stuck AND ended_at < $1 \
                   AND (ended_at, pipeline_id, id) > ($2, $3, $4) \
                   ORDER BY ended_at, pipeline_id, id LIMIT $5 FOR UPDATE SKIP LOCKED), \
               gone AS ( \
                   DELETE FROM runs USING candidates \
                   WHERE runs.pipeline_id = candidates.pipeline_id AND runs.id = candidates.id \
                   AND EXISTS (SELECT FROM runs AS newer WHERE newer.pipeline_id = candidates.pipeline_id \
                               AND newer.id > candidates.id AND NOT newer.is_open) \
                   RETURNING runs.pipeline_id, runs.id, runs.definition), \
               marked AS ( \
                   INSERT INTO expired_runs (pipeline_id, run_id, definition) SELECT * FROM gone) \
               SELECT candidates.ended_at, candidates.pipeline_id, candidates.id, gone.id IS NOT NULL FROM candidates \
               LEFT JOIN gone ON gone.pipeline_id = candidates.pipeline_id AND gone.id = candidates.id \
               ORDER BY 1, 2, 3";
    let limit = wide(MOST_RUNS);
    let rows = sessions
        .rows("letting runs expire", sql, &[&seconds(ended_before), &ended_at, &pipeline, &run, &limit])
        .await?;
    let candidate = |row: &Row| {
        let at = ExpiryMarker { ended_at: row.get(0), pipeline: row.get(1), run: row.get(2) };
        Candidate { at, has_expired: row.get(3) }
    };
    Ok(Expired::of(rows.iter().map(candidate).collect()))
}

/// Removes a small part of the rows of expired runs. Returns whether there may be more.
pub(super) async fn clear(sessions: &Sessions) -> Result<bool, StoreError> {
    let doing = "clearing away expired runs";
    let sql = "WITH expired AS ( \
                   SELECT pipeline_id, run_id, definition FROM expired_runs \
                   ORDER BY pipeline_id, run_id LIMIT $1 FOR UPDATE SKIP LOCKED), \
               old_attempts AS ( \
                   SELECT pipeline_id, run_id, sequence, number FROM expired \
                   JOIN attempts USING (pipeline_id, run_id) LIMIT $2), \
               gone_attempts AS ( \
                   DELETE FROM attempts USING old_attempts AS old \
                   WHERE attempts.pipeline_id = old.pipeline_id AND attempts.run_id = old.run_id \
                   AND attempts.sequence = old.sequence AND attempts.number = old.number RETURNING 1), \
               old_instances AS ( \
                   SELECT pipeline_id, run_id, sequence FROM expired \
                   JOIN instances USING (pipeline_id, run_id) LIMIT $2), \
               gone_instances AS ( \
                   DELETE FROM instances USING old_instances AS old \
                   WHERE instances.pipeline_id = old.pipeline_id AND instances.run_id = old.run_id \
                   AND instances.sequence = old.sequence RETURNING 1) \
               SELECT pipeline_id, run_id, definition, (SELECT count(*) FROM gone_attempts), \
               (SELECT count(*) FROM gone_instances) FROM expired";
    let (most_runs, most_rows) = (wide(MOST_RUNS), wide(MOST_ROWS));
    let expired = sessions.rows(doing, sql, &[&most_runs, &most_rows]).await?;
    let Some(first) = expired.first() else { return Ok(false) };
    if first.get::<_, i64>(3) == most_rows || first.get::<_, i64>(4) == most_rows {
        return Ok(true);
    }
    sessions.carry_out(&finish(doing, &expired)).await?;
    Ok(expired.len() == MOST_RUNS)
}

/// Returns the statements that end the removal of `expired`, whose instances and attempts are gone. They delete the rows of
/// `expired_runs`, and definitions to which no run refers any more.
fn finish(doing: &'static str, expired: &[Row]) -> Vec<Statement> {
    let pipelines: Vec<String> = expired.iter().map(|row| row.get(0)).collect();
    let runs: Vec<String> = expired.iter().map(|row| row.get(1)).collect();
    let definitions: Vec<Option<Vec<u8>>> = expired.iter().map(|row| row.get(2)).collect();
    let statement = |sql, values| Statement { doing, sql, values, untouched: Untouched::Fine };
    vec![
        // A server that begins a run locks its pipeline first. While the pipelines are locked here, no new run can refer to
        // a definition.
        statement(
            "SELECT FROM pipelines WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
            vec![Box::new(pipelines.clone())],
        ),
        statement(
            "DELETE FROM definition_bodies AS bodies \
             USING unnest($1::text[], $2::bytea[]) AS old (pipeline_id, definition) \
             WHERE bodies.pipeline_id = old.pipeline_id AND digest = old.definition AND NOT EXISTS ( \
             SELECT FROM runs WHERE runs.pipeline_id = bodies.pipeline_id AND runs.definition = digest)",
            vec![Box::new(pipelines.clone()), Box::new(definitions)],
        ),
        statement(
            "DELETE FROM expired_runs USING unnest($1::text[], $2::text[]) AS old (pipeline_id, run_id) \
             WHERE expired_runs.pipeline_id = old.pipeline_id AND expired_runs.run_id = old.run_id",
            vec![Box::new(pipelines), Box::new(runs)],
        ),
    ]
}
