//! Runs that expire, and what they leave. Several servers may be at it: each passes over what another holds.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::session::{Sessions, Statement, Untouched};
use crate::column::seconds;
use crate::expiry::{Looked, MOST_ROWS, MOST_RUNS};
use crate::query::wide;
use crate::{Expired, ExpiryMarker, StoreError};

pub(super) async fn runs(
    sessions: &Sessions,
    ended_before: Timestamp,
    from: Option<ExpiryMarker>,
) -> Result<Expired, StoreError> {
    let ExpiryMarker { ended_at, pipeline, run } = from.unwrap_or_else(ExpiryMarker::first);
    // Whoever saves a run holds its row, and whoever loaded one that expires finds another revision: none.
    let sql = "WITH looked AS ( \
                   SELECT ended_at, pipeline_id, id FROM runs \
                   WHERE ended_at IS NOT NULL AND NOT is_stuck AND ended_at < $1 \
                   AND (ended_at, pipeline_id, id) > ($2, $3, $4) \
                   ORDER BY ended_at, pipeline_id, id LIMIT $5 FOR UPDATE SKIP LOCKED), \
               gone AS ( \
                   DELETE FROM runs USING looked \
                   WHERE runs.pipeline_id = looked.pipeline_id AND runs.id = looked.id \
                   AND EXISTS (SELECT FROM runs AS newer WHERE newer.pipeline_id = looked.pipeline_id \
                               AND newer.id > looked.id AND NOT newer.is_open) \
                   RETURNING runs.pipeline_id, runs.id, runs.definition), \
               marked AS ( \
                   INSERT INTO expired_runs (pipeline_id, run_id, definition) SELECT * FROM gone) \
               SELECT looked.ended_at, looked.pipeline_id, looked.id, gone.id IS NOT NULL FROM looked \
               LEFT JOIN gone ON gone.pipeline_id = looked.pipeline_id AND gone.id = looked.id \
               ORDER BY 1, 2, 3";
    let limit = wide(MOST_RUNS);
    let rows = sessions
        .rows("letting runs expire", sql, &[&seconds(ended_before), &ended_at, &pipeline, &run, &limit])
        .await?;
    let looked = |row: &Row| {
        let at = ExpiryMarker { ended_at: row.get(0), pipeline: row.get(1), run: row.get(2) };
        Looked { at, has_expired: row.get(3) }
    };
    Ok(Expired::of(rows.iter().map(looked).collect()))
}

pub(super) async fn clear(sessions: &Sessions) -> Result<bool, StoreError> {
    let doing = "clearing away expired runs";
    let sql = "WITH held AS ( \
                   SELECT pipeline_id, run_id, definition FROM expired_runs \
                   ORDER BY pipeline_id, run_id LIMIT $1 FOR UPDATE SKIP LOCKED), \
               old_attempts AS ( \
                   SELECT pipeline_id, run_id, sequence, number FROM held \
                   JOIN attempts USING (pipeline_id, run_id) LIMIT $2), \
               gone_attempts AS ( \
                   DELETE FROM attempts USING old_attempts AS old \
                   WHERE attempts.pipeline_id = old.pipeline_id AND attempts.run_id = old.run_id \
                   AND attempts.sequence = old.sequence AND attempts.number = old.number RETURNING 1), \
               old_instances AS ( \
                   SELECT pipeline_id, run_id, sequence FROM held \
                   JOIN instances USING (pipeline_id, run_id) LIMIT $2), \
               gone_instances AS ( \
                   DELETE FROM instances USING old_instances AS old \
                   WHERE instances.pipeline_id = old.pipeline_id AND instances.run_id = old.run_id \
                   AND instances.sequence = old.sequence RETURNING 1) \
               SELECT pipeline_id, run_id, definition, (SELECT count(*) FROM gone_attempts), \
               (SELECT count(*) FROM gone_instances) FROM held";
    let (most_runs, most_rows) = (wide(MOST_RUNS), wide(MOST_ROWS));
    let held = sessions.rows(doing, sql, &[&most_runs, &most_rows]).await?;
    let Some(first) = held.first() else { return Ok(false) };
    if first.get::<_, i64>(3) == most_rows || first.get::<_, i64>(4) == most_rows {
        return Ok(true);
    }
    sessions.carry_out(&finish(doing, &held)).await?;
    Ok(held.len() == MOST_RUNS)
}

/// Forgets runs of which nothing is left, and definitions that no run refers to any more.
fn finish(doing: &'static str, held: &[Row]) -> Vec<Statement> {
    let pipelines: Vec<String> = held.iter().map(|row| row.get(0)).collect();
    let runs: Vec<String> = held.iter().map(|row| row.get(1)).collect();
    let definitions: Vec<Option<Vec<u8>>> = held.iter().map(|row| row.get(2)).collect();
    let statement = |sql, values| Statement { doing, sql, values, untouched: Untouched::Fine };
    vec![
        // Whoever begins a run holds its pipeline: nobody refers to a definition anew while it is looked for.
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
