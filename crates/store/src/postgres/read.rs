//! Reads of the tables. Each read is one statement, so it sees the data of one moment.

use definition::Definition;
use engine::{AttemptId, Header, InstanceId, Notice, PipelineId, Run, RunId, WorkerGroup};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio_postgres::types::{ToSql, Type};

use super::session::Sessions;
use crate::column::{self, is_keepable, read as json, seconds};
use crate::query::{after, one_more, page};
use crate::rows::{InstanceRow, RunRows};
use crate::{
    DefinitionVersion, DeletedPipeline, Marker, Page, Pipeline, Query, Selector, Sphere, StoreError,
    TextField, TimeField, Waiting,
};

/// Runs a statement whose rows have a body as their only column, and returns the bodies.
async fn bodies<T: DeserializeOwned>(
    sessions: &Sessions,
    (doing, what): (&'static str, &'static str),
    sql: &'static str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<T>, StoreError> {
    let rows = sessions.rows(doing, sql, values).await?;
    rows.iter().map(|row| json(what, row.get(0))).collect()
}

pub(super) async fn pipeline(sessions: &Sessions, id: &PipelineId) -> Result<Option<Pipeline>, StoreError> {
    let sql = "SELECT body FROM pipelines WHERE id = $1";
    Ok(bodies(sessions, ("reading a pipeline", "a pipeline"), sql, &[&id.as_str()]).await?.pop())
}

pub(super) async fn pipeline_by_key(
    sessions: &Sessions,
    creation_key: &[u8],
) -> Result<Option<Pipeline>, StoreError> {
    let sql = "SELECT body FROM pipelines WHERE creation_key = $1";
    Ok(bodies(sessions, ("reading a pipeline", "a pipeline"), sql, &[&creation_key]).await?.pop())
}

pub(super) async fn revision(sessions: &Sessions, id: &PipelineId) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT revision FROM pipelines WHERE id = $1";
    let rows = sessions.rows("reading a pipeline's revision", sql, &[&id.as_str()]).await?;
    Ok(rows.first().map(|row| u64::try_from(row.get::<_, i64>(0)).unwrap_or_default()))
}

pub(super) async fn overdue(
    sessions: &Sessions,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<PipelineId>, StoreError> {
    let sql = "SELECT id FROM (SELECT pipeline_id AS id, next_wake AS due FROM runs WHERE next_wake <= $1 \
               UNION ALL SELECT id, next_due FROM pipelines WHERE next_due <= $1) AS overdue \
               GROUP BY id ORDER BY min(due), id LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = sessions.rows("listing what is overdue", sql, &[&now.as_millisecond(), &limit]).await?;
    Ok(rows.iter().map(|row| PipelineId::from(row.get::<_, &str>(0))).collect())
}

pub(super) async fn free(
    sessions: &Sessions,
    group: &WorkerGroup,
    limit: usize,
) -> Result<Vec<(PipelineId, AttemptId)>, StoreError> {
    let sql = "SELECT pipeline_id, id FROM attempts WHERE md5(offered_to) = md5($1) AND offered_to = $1 \
               ORDER BY seq LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = sessions.rows("listing free attempts", sql, &[&group.as_str(), &limit]).await?;
    let read = |row: &tokio_postgres::Row| {
        (PipelineId::from(row.get::<_, &str>(0)), AttemptId::from(row.get::<_, &str>(1)))
    };
    Ok(rows.iter().map(read).collect())
}

pub(super) async fn waiting(sessions: &Sessions) -> Result<Vec<Waiting>, StoreError> {
    let sql = "SELECT offered_to, count(*), min(body::json ->> 'created') FROM attempts \
               WHERE offered_to IS NOT NULL GROUP BY offered_to ORDER BY offered_to";
    let rows = sessions.rows("counting waiting attempts", sql, &[]).await?;
    rows.iter().map(|row| column::waiting(row.get(0), row.get(1), row.get(2))).collect()
}

pub(super) async fn deleted_pipeline(
    sessions: &Sessions,
    id: &PipelineId,
) -> Result<Option<DeletedPipeline>, StoreError> {
    let sql = "SELECT deleted_at, body FROM deleted_pipelines WHERE id = $1";
    let rows = sessions.rows("reading deleted pipelines", sql, &[&id.as_str()]).await?;
    rows.first().map(|row| column::deleted(row.get(0), row.get(1))).transpose()
}

pub(super) async fn list_pipelines(
    sessions: &Sessions,
    from: Option<Marker>,
    limit: usize,
) -> Result<Page<(PipelineId, String)>, StoreError> {
    let sql = "SELECT seq, id, name FROM pipelines WHERE seq > $1 ORDER BY seq LIMIT $2";
    let rows = sessions.rows("listing pipelines", sql, &[&after(from), &one_more(limit)]).await?;
    let rows = rows.iter().map(|row| (row.get(0), (PipelineId::from(row.get::<_, &str>(1)), row.get(2))));
    Ok(page(rows.collect(), limit))
}

pub(super) async fn definition(
    sessions: &Sessions,
    id: &PipelineId,
    version: DefinitionVersion,
) -> Result<Option<Definition>, StoreError> {
    let sql = "SELECT body FROM definitions WHERE pipeline_id = $1 AND version = $2";
    let key: [&(dyn ToSql + Sync); 2] = [&id.as_str(), &version.word()];
    Ok(bodies(sessions, ("reading a definition", "a definition"), sql, &key).await?.pop())
}

pub(super) async fn open_runs(sessions: &Sessions) -> Result<Vec<(PipelineId, RunId)>, StoreError> {
    let sql = "SELECT pipeline_id, id FROM runs WHERE is_open ORDER BY pipeline_id, id";
    let rows = sessions.rows("listing open runs", sql, &[]).await?;
    let read = |row: &tokio_postgres::Row| {
        (PipelineId::from(row.get::<_, &str>(0)), RunId::from(row.get::<_, &str>(1)))
    };
    Ok(rows.iter().map(read).collect())
}

pub(super) async fn upcoming(sessions: &Sessions) -> Result<Vec<(PipelineId, Timestamp)>, StoreError> {
    let sql = "SELECT id, next_due FROM pipelines WHERE next_due IS NOT NULL ORDER BY next_due, seq";
    let rows = sessions.rows("listing the next runs", sql, &[]).await?;
    let read = |row: &tokio_postgres::Row| {
        let due = Timestamp::from_millisecond(row.get(1)).unwrap_or(Timestamp::MAX);
        (PipelineId::from(row.get::<_, &str>(0)), due)
    };
    Ok(rows.iter().map(read).collect())
}

pub(super) async fn run_of(
    sessions: &Sessions,
    pipeline: &PipelineId,
    instance: &InstanceId,
) -> Result<Option<RunId>, StoreError> {
    if !is_keepable(instance.as_str()) {
        return Ok(None);
    }
    let sql = "SELECT run_id FROM instances WHERE id = $2 AND pipeline_id = $1 \
               AND run_id NOT IN (SELECT run_id FROM expired_runs WHERE pipeline_id = $1)";
    let doing = "reading the run of an instance";
    let rows = sessions.rows(doing, sql, &[&pipeline.as_str(), &instance.as_str()]).await?;
    Ok(rows.first().map(|row| RunId::from(row.get::<_, &str>(0))))
}

pub(super) async fn runs(sessions: &Sessions, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError> {
    let sql = "SELECT header FROM runs WHERE pipeline_id = $1 ORDER BY id";
    bodies(sessions, ("listing runs", "a run"), sql, &[&pipeline.as_str()]).await
}

pub(super) async fn unsettled_runs(
    sessions: &Sessions,
    pipeline: &PipelineId,
) -> Result<Vec<Header>, StoreError> {
    let sql = "SELECT header FROM runs WHERE pipeline_id = $1 AND (is_open OR is_stuck) ORDER BY id";
    bodies(sessions, ("listing unsettled runs", "a run"), sql, &[&pipeline.as_str()]).await
}

pub(super) async fn run(
    sessions: &Sessions,
    pipeline: &PipelineId,
    run: &RunId,
) -> Result<Option<Run>, StoreError> {
    // Header, instances and attempts must be of one moment, so one statement reads them.
    let sql = "SELECT 0 AS part, 0::bigint AS sequence, 0::bigint AS number, header, definition_bodies.body \
               FROM runs JOIN definition_bodies \
               ON definition_bodies.pipeline_id = runs.pipeline_id AND digest = definition \
               WHERE runs.pipeline_id = $1 AND runs.id = $2 \
               UNION ALL SELECT 1, sequence, 0, body, depends_on FROM instances \
               WHERE pipeline_id = $1 AND run_id = $2 \
               UNION ALL SELECT 2, sequence, number, body, '' FROM attempts \
               WHERE pipeline_id = $1 AND run_id = $2 \
               ORDER BY part, sequence, number";
    let rows = sessions.rows("reading a run", sql, &[&pipeline.as_str(), &run.as_str()]).await?;
    let (mut top, mut instances, mut attempts) = (None, Vec::new(), Vec::new());
    for row in &rows {
        let (part, body, other): (i32, String, String) = (row.get(0), row.get(3), row.get(4));
        match part {
            0 => top = Some((body, other)),
            1 => instances.push(InstanceRow { body, depends_on: other }),
            _ => attempts.push(body),
        }
    }
    let Some((header, definition)) = top else { return Ok(None) };
    RunRows { id: run.clone(), header, definition, instances, attempts }.into_run().map(Some)
}

pub(super) async fn pending_notices(sessions: &Sessions) -> Result<Vec<Notice>, StoreError> {
    let sql = "SELECT body FROM notices ORDER BY seq";
    bodies(sessions, ("reading notices", "a notice"), sql, &[]).await
}

pub(super) async fn query(
    sessions: &Sessions,
    pipeline: &PipelineId,
    query: &Query,
    from: Option<Marker>,
    limit: usize,
) -> Result<Page<String>, StoreError> {
    let table = match query.sphere {
        Sphere::Instance => "instances",
        Sphere::Attempt => "attempts",
    };
    let mut values = Values(vec![
        (Box::new(pipeline.to_string()), Type::TEXT),
        (Box::new(after(from)), Type::INT8),
        (Box::new(one_more(limit)), Type::INT8),
    ]);
    let mut sql = format!(
        "SELECT seq, id FROM {table} WHERE pipeline_id = $1 AND seq > $2 \
         AND run_id NOT IN (SELECT run_id FROM expired_runs WHERE pipeline_id = $1)"
    );
    for selector in &query.selectors {
        sql.push_str(" AND ");
        sql.push_str(&condition(query.sphere, selector, &mut values));
    }
    sql.push_str(" ORDER BY seq LIMIT $3");
    let values: Vec<(&(dyn ToSql + Sync), Type)> =
        values.0.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
    let rows = sessions.rows_of("querying objects", &sql, &values).await?;
    Ok(page(rows.iter().map(|row| (row.get(0), row.get(1))).collect(), limit))
}

/// The parameters of a statement that is built for one call.
struct Values(Vec<(super::session::Value, Type)>);

impl Values {
    /// Adds a value, and returns its name in SQL.
    fn push(&mut self, value: super::session::Value, kind: Type) -> String {
        self.0.push((value, kind));
        format!("${}", self.0.len())
    }
}

/// Writes a selector as SQL.
fn condition(sphere: Sphere, selector: &Selector, values: &mut Values) -> String {
    match selector {
        Selector::AnyOf(field, words) => {
            let column = match (field, sphere) {
                (TextField::Id, _) => "id",
                (TextField::Status, _) => "status",
                (TextField::Component, _) => "component_id",
                (TextField::Instance, Sphere::Attempt) => "instance_id",
                // Instances lack the field, so no instance matches.
                (TextField::Instance, Sphere::Instance) => return "false".to_owned(),
            };
            // A text that no column can hold matches nothing.
            let words: Vec<String> = words.iter().filter(|word| is_keepable(word)).cloned().collect();
            format!("{column} = ANY ({})", values.push(Box::new(words), Type::TEXT_ARRAY))
        }
        Selector::Within(field, first, last) => {
            let column = match field {
                TimeField::Scheduled => "scheduled_at",
                TimeField::Started => "started_at",
                TimeField::Ended => "ended_at",
            };
            let mut bound =
                |time: &Option<_>, open: i64| values.push(Box::new(time.map_or(open, seconds)), Type::INT8);
            let (first, last) = (bound(first, i64::MIN), bound(last, i64::MAX));
            format!("{column} BETWEEN {first} AND {last}")
        }
    }
}
