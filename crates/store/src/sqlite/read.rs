//! The statements that read the tables of a data file.

use definition::Definition;
use engine::{AttemptId, Header, InstanceId, Notice, NoticeId, PipelineId, RunId, WorkerGroup};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, Row, params_from_iter};

use crate::column::{self, read as json, seconds};
use crate::query::{after, one_more, page, page_after, wide};
use crate::rows::{InstanceRow, RunRows};
use crate::{
    DefinitionVersion, DeletedPipeline, Marker, Page, Pipeline, Query, Selector, Sphere, StoreError,
    TextField, TimeField, Waiting,
};

fn one<T>(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    let row = connection.prepare_cached(sql).and_then(|mut select| select.query_row(params, read).optional());
    row.map_err(StoreError::doing(doing))
}

pub(super) fn all<T>(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let rows =
        connection.prepare_cached(sql).and_then(|mut select| select.query_map(params, read)?.collect());
    rows.map_err(StoreError::doing(doing))
}

pub(super) fn pipeline(connection: &Connection, id: &PipelineId) -> Result<Option<Pipeline>, StoreError> {
    let sql = "SELECT body FROM pipelines WHERE id = ?1";
    let body: Option<String> = one(connection, "reading a pipeline", sql, [id.as_str()], |row| row.get(0))?;
    body.map(|body| json("a pipeline", &body)).transpose()
}

pub(super) fn revision(connection: &Connection, id: &PipelineId) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT revision FROM pipelines WHERE id = ?1";
    let doing = "reading a pipeline's revision";
    let revision: Option<i64> = one(connection, doing, sql, [id.as_str()], |row| row.get(0))?;
    Ok(revision.map(|revision| u64::try_from(revision).unwrap_or_default()))
}

pub(super) fn overdue(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<PipelineId>, StoreError> {
    let sql = "SELECT id FROM (SELECT pipeline_id AS id, next_wake AS due FROM runs WHERE is_open = 1 \
               UNION ALL SELECT id, next_due FROM pipelines) WHERE due <= ?1 \
               GROUP BY id ORDER BY min(due), id LIMIT ?2";
    let key = (now.as_millisecond(), i64::try_from(limit).unwrap_or(i64::MAX));
    all(connection, "listing what is overdue", sql, key, |row| Ok(PipelineId::from(row.get::<_, String>(0)?)))
}

pub(super) fn free(
    connection: &Connection,
    group: &WorkerGroup,
    limit: usize,
) -> Result<Vec<(PipelineId, AttemptId)>, StoreError> {
    let sql = "SELECT pipeline_id, id FROM attempts WHERE offered_to = ?1 ORDER BY seq LIMIT ?2";
    let key = (group.as_str(), i64::try_from(limit).unwrap_or(i64::MAX));
    all(connection, "listing free attempts", sql, key, |row| {
        let (pipeline, attempt): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((PipelineId::from(pipeline), AttemptId::from(attempt)))
    })
}

pub(super) fn waiting(connection: &Connection) -> Result<Vec<Waiting>, StoreError> {
    let sql = "SELECT offered_to, count(*), min(body ->> '$.created') FROM attempts \
               WHERE offered_to IS NOT NULL GROUP BY offered_to ORDER BY offered_to";
    let rows: Vec<(String, i64, String)> = all(connection, "counting waiting attempts", sql, [], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    rows.into_iter().map(|(group, attempts, oldest)| column::waiting(&group, attempts, &oldest)).collect()
}

pub(super) fn deleted_pipeline(
    connection: &Connection,
    id: &PipelineId,
) -> Result<Option<DeletedPipeline>, StoreError> {
    let sql = "SELECT deleted_at, body FROM deleted_pipelines WHERE id = ?1";
    let row = one(connection, "reading deleted pipelines", sql, [id.as_str()], |row| {
        Ok((row.get(0)?, row.get::<_, Option<String>>(1)?))
    })?;
    row.map(|(at, body)| column::deleted(at, body.as_deref())).transpose()
}

pub(super) fn list_pipelines(
    connection: &Connection,
    from: Option<Marker>,
    limit: usize,
) -> Result<Page<(PipelineId, String)>, StoreError> {
    let sql = "SELECT seq, id, name FROM pipelines WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let read = |row: &Row<'_>| {
        let id: String = row.get(1)?;
        Ok((row.get(0)?, (PipelineId::from(id), row.get(2)?)))
    };
    let rows = all(connection, "listing pipelines", sql, (after(from), one_more(limit)), read)?;
    Ok(page(rows, limit))
}

pub(super) fn definition(
    connection: &Connection,
    id: &PipelineId,
    version: DefinitionVersion,
) -> Result<Option<Definition>, StoreError> {
    let sql = "SELECT body FROM definitions WHERE pipeline_id = ?1 AND version = ?2";
    let key = (id.as_str(), version.word());
    let text: Option<String> = one(connection, "reading a definition", sql, key, |row| row.get(0))?;
    text.map(|text| json("a definition", &text)).transpose()
}

pub(super) fn open_runs(connection: &Connection) -> Result<Vec<(PipelineId, RunId)>, StoreError> {
    let sql = "SELECT pipeline_id, id FROM runs WHERE is_open = 1 ORDER BY pipeline_id, id";
    all(connection, "listing open runs", sql, [], |row| {
        let (pipeline, run): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((PipelineId::from(pipeline), RunId::from(run)))
    })
}

pub(super) fn upcoming(connection: &Connection) -> Result<Vec<(PipelineId, Timestamp)>, StoreError> {
    let sql = "SELECT id, next_due FROM pipelines WHERE next_due IS NOT NULL ORDER BY next_due, seq";
    all(connection, "listing the next runs", sql, [], |row| {
        let (id, due): (String, i64) = (row.get(0)?, row.get(1)?);
        Ok((PipelineId::from(id), Timestamp::from_millisecond(due).unwrap_or(Timestamp::MAX)))
    })
}

pub(super) fn run_of(
    connection: &Connection,
    pipeline: &PipelineId,
    instance: &InstanceId,
) -> Result<Option<RunId>, StoreError> {
    let sql = "SELECT run_id FROM instances WHERE pipeline_id = ?1 AND id = ?2 \
               AND run_id NOT IN (SELECT run_id FROM expired_runs WHERE pipeline_id = ?1)";
    let found: Option<String> = one(
        connection,
        "reading the run of an instance",
        sql,
        (pipeline.as_str(), instance.as_str()),
        |row| row.get(0),
    )?;
    Ok(found.map(RunId::from))
}

pub(super) fn runs(connection: &Connection, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError> {
    let sql = "SELECT header FROM runs WHERE pipeline_id = ?1 ORDER BY id";
    let rows: Vec<String> = all(connection, "listing runs", sql, [pipeline.as_str()], |row| row.get(0))?;
    rows.iter().map(|row| json("a run", row)).collect()
}

pub(super) fn unsettled_runs(
    connection: &Connection,
    pipeline: &PipelineId,
) -> Result<Vec<Header>, StoreError> {
    let sql = "SELECT header FROM runs WHERE pipeline_id = ?1 AND (is_open = 1 OR is_stuck = 1) ORDER BY id";
    let doing = "listing unsettled runs";
    let rows: Vec<String> = all(connection, doing, sql, [pipeline.as_str()], |row| row.get(0))?;
    rows.iter().map(|row| json("a run", row)).collect()
}

pub(super) fn run(
    connection: &Connection,
    pipeline: &PipelineId,
    run: &RunId,
) -> Result<Option<RunRows>, StoreError> {
    let sql = "SELECT header, body FROM runs JOIN definition_bodies \
               ON definition_bodies.pipeline_id = runs.pipeline_id AND digest = definition \
               WHERE runs.pipeline_id = ?1 AND runs.id = ?2";
    let key = (pipeline.as_str(), run.as_str());
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let Some((header, definition)) = one(connection, "reading a run", sql, key, read)? else {
        return Ok(None);
    };
    let sql = "SELECT body, depends_on FROM instances WHERE pipeline_id = ?1 AND run_id = ?2 ORDER BY seq";
    let instances = all(connection, "reading instances", sql, key, |row| {
        Ok(InstanceRow { body: row.get(0)?, depends_on: row.get(1)? })
    })?;
    let sql = "SELECT body FROM attempts WHERE pipeline_id = ?1 AND run_id = ?2 ORDER BY seq";
    let attempts = all(connection, "reading attempts", sql, key, |row| row.get(0))?;
    Ok(Some(RunRows { id: run.clone(), header, definition, instances, attempts }))
}

pub(super) fn pending_notices(connection: &Connection) -> Result<Vec<Notice>, StoreError> {
    let sql = "SELECT body FROM notices ORDER BY seq";
    let rows: Vec<String> = all(connection, "reading notices", sql, [], |row| row.get(0))?;
    rows.iter().map(|row| json("a notice", row)).collect()
}

pub(super) fn has_notice(connection: &Connection, id: &NoticeId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM notices WHERE id = ?1";
    Ok(one(connection, "reading a notice", sql, [id.as_str()], |_| Ok(()))?.is_some())
}

pub(super) fn query(
    connection: &Connection,
    pipeline: &PipelineId,
    query: &Query,
    from: Option<Marker>,
    limit: usize,
) -> Result<Page<String>, StoreError> {
    let mut rows = Vec::new();
    let run = from.as_ref().and_then(|marker| marker.run.as_ref());
    let rest = from.as_ref().zip(run).map(|(marker, run)| Stretch::Rest(run, marker.seq));
    for stretch in rest.into_iter().chain([Stretch::Later(run)]) {
        let (sql, values) = statement(pipeline, query, stretch, one_more(limit) - wide(rows.len()));
        let read = |row: &Row<'_>| {
            let run: String = row.get(1)?;
            Ok((Marker { seq: row.get(0)?, run: Some(RunId::from(run)) }, row.get(2)?))
        };
        rows.extend(all(connection, "querying objects", &sql, params_from_iter(values), read)?);
    }
    Ok(page_after(rows, limit))
}

/// One of the two parts of the rows after a marker: the rest of the marker's run, and all later runs. Each part has a
/// statement of its own. With one condition for both, SQLite would read the run from its beginning for every page.
#[derive(Clone, Copy)]
enum Stretch<'a> {
    /// The rows of this run whose `seq` is greater than this one.
    Rest(&'a RunId, i64),
    /// The rows of all runs after this one, or of all runs if there is none.
    Later(Option<&'a RunId>),
}

fn statement(pipeline: &PipelineId, query: &Query, stretch: Stretch<'_>, limit: i64) -> (String, Vec<Value>) {
    let of_pipeline = || Value::from(pipeline.as_str().to_owned());
    let mut values = vec![of_pipeline(), of_pipeline()];
    let mut sql = format!(
        "SELECT seq, run_id, id FROM {} WHERE pipeline_id = ? \
         AND run_id NOT IN (SELECT run_id FROM expired_runs WHERE pipeline_id = ?)",
        table(query.sphere)
    );
    let text = |run: &RunId| Value::from(run.to_string());
    match stretch {
        Stretch::Rest(run, seq) => {
            sql.push_str(" AND run_id = ? AND seq > ?");
            values.extend([text(run), Value::from(seq)]);
        }
        Stretch::Later(run) => {
            sql.push_str(" AND run_id > ?");
            values.push(run.map_or_else(|| Value::from(String::new()), text));
        }
    }
    for selector in &query.selectors {
        sql.push_str(" AND ");
        sql.push_str(&condition(pipeline, query.sphere, selector, &mut values));
    }
    sql.push_str(" ORDER BY run_id, seq LIMIT ?");
    values.push(Value::from(limit));
    (sql, values)
}

/// The statuses that the index of instances by status leaves out, as its migration states.
const NOT_INDEXED: [&str; 2] = ["FINISHED", "WAITING_ON_DEPENDENCIES"];

/// Returns the SQL condition of a selector, and appends the values of its `?` to `values`.
fn condition(pipeline: &PipelineId, sphere: Sphere, selector: &Selector, values: &mut Vec<Value>) -> String {
    match (selector, sphere) {
        (Selector::AnyOf(TextField::Id, words), _) => {
            values.push(Value::from(pipeline.to_string()));
            by_id(sphere, &any_of("id", words, values))
        }
        (Selector::AnyOf(TextField::Status, words), _) => {
            let any = any_of("status", words, values);
            match &words[..] {
                // SQLite uses a partial index only if the statement repeats the index's condition.
                [word] if sphere == Sphere::Instance && !NOT_INDEXED.contains(&word.as_str()) => {
                    format!("{any} AND status NOT IN ('{}')", NOT_INDEXED.join("', '"))
                }
                _ => any,
            }
        }
        (Selector::AnyOf(TextField::Component, words), _) => any_of("component_id", words, values),
        (Selector::AnyOf(TextField::Instance, instances), Sphere::Attempt) => {
            of_instances(pipeline, instances, values)
        }
        // Instances lack the field, so no instance matches.
        (Selector::AnyOf(TextField::Instance, _), Sphere::Instance) => "0".to_owned(),
        (Selector::Within(field, first, last), _) => {
            let column = match field {
                TimeField::Scheduled => "scheduled_at",
                TimeField::Started => "started_at",
                TimeField::Ended => "ended_at",
            };
            let bound = |time: &Option<_>, open: i64| Value::from(time.map_or(open, seconds));
            values.extend([bound(first, i64::MIN), bound(last, i64::MAX)]);
            format!("{column} BETWEEN ? AND ?")
        }
    }
}

/// Returns the condition that an attempt belongs to one of these instances. The id of an attempt begins with the id of its
/// instance, so SQLite finds the attempts by the index of ids.
fn of_instances(pipeline: &PipelineId, instances: &[String], values: &mut Vec<Value>) -> String {
    for instance in instances {
        let around = AttemptId::around(&InstanceId::from(instance.as_str()));
        values.extend([around.start, around.end, instance.clone()].map(Value::from));
    }
    values.push(Value::from(pipeline.to_string()));
    // The instances are rows of VALUES: SQLite limits how deep OR conditions nest, and there may be more instances.
    let wanted = vec!["(?, ?, ?)"; instances.len()].join(", ");
    format!(
        "seq IN (SELECT seq FROM (VALUES {wanted}) AS wanted JOIN attempts ON pipeline_id = ? \
         AND id >= wanted.column1 AND id < wanted.column2 AND instance_id = wanted.column3)"
    )
}

fn any_of(column: &str, words: &[String], values: &mut Vec<Value>) -> String {
    values.extend(words.iter().map(|word| Value::from(word.clone())));
    format!("{column} IN ({})", vec!["?"; words.len()].join(", "))
}

/// Returns the condition that an object fulfils the condition `ids`, which compares the object's id. The result is a
/// subquery, because SQLite would otherwise read all objects of a run.
fn by_id(sphere: Sphere, ids: &str) -> String {
    format!("seq IN (SELECT seq FROM {} WHERE pipeline_id = ? AND ({ids}))", table(sphere))
}

fn table(sphere: Sphere) -> &'static str {
    match sphere {
        Sphere::Instance => "instances",
        Sphere::Attempt => "attempts",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::migrate;

    #[test]
    fn a_page_of_objects_follows_the_previous_page_without_a_sort() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::bring_up_to_date(&mut connection, std::path::Path::new("")).unwrap();
        let run = RunId::from("2030-01-31T22:00:00");
        let rest = Stretch::Rest(&run, 7);
        let plan = |sphere, stretch, field, words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let selectors = if words.is_empty() { vec![] } else { vec![Selector::AnyOf(field, words)] };
            let query = Query { sphere, selectors };
            let (sql, values) = statement(&PipelineId::from("df-1"), &query, stretch, 100);
            let (sql, values) = (format!("EXPLAIN QUERY PLAN {sql}"), params_from_iter(values));
            let plan: Vec<String> = all(&connection, "planning", &sql, values, |row| row.get(3)).unwrap();
            plan.join("; ")
        };
        for (sphere, by_run) in [(Sphere::Instance, "instances_of_run"), (Sphere::Attempt, "attempts_of_run")]
        {
            for status in [&[][..], &["FINISHED"], &["FAILED", "TIMEDOUT"]] {
                for (stretch, begins) in [(rest, "run_id=? AND"), (Stretch::Later(None), "run_id>?")] {
                    let plan = plan(sphere, stretch, TextField::Status, status);
                    assert!(plan.contains(by_run) && plan.contains(begins), "{status:?}: {plan}");
                    assert!(!plan.contains("ORDER BY"), "{status:?}: {plan}");
                }
            }
        }
        for stretch in [rest, Stretch::Later(Some(&run))] {
            let failed = plan(Sphere::Instance, stretch, TextField::Status, &["FAILED"]);
            assert!(failed.contains("instances_by_status") && !failed.contains("ORDER BY"), "{failed}");
        }
        for (field, found) in [(TextField::Instance, "id>? AND id<?"), (TextField::Id, "id=?")] {
            let attempts = plan(Sphere::Attempt, rest, field, &["@A_2030-01-31T22:00:00"]);
            assert!(attempts.contains("seq=? AND"), "{attempts}");
            assert!(attempts.contains(&format!("(pipeline_id=? AND {found})")), "{attempts}");
        }
    }
}
