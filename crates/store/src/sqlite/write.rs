//! Writes to the tables, each within the caller's transaction.

use engine::{Header, Instance, InstanceId, NoticeId, PipelineId, WorkerGroup};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::read;
use crate::batch::{AttemptChange, RunChange};
use crate::column::{self, ended_at, is_stuck, next_due, revision, seconds, write as json};
use crate::{Batch, Pipeline, StoreError};

pub(super) fn create_pipeline(connection: &Connection, new: &Pipeline) -> Result<Pipeline, StoreError> {
    let doing = "creating a pipeline";
    column::check_pipeline(new)?;
    let existing: Option<String> = connection
        .prepare_cached("SELECT body FROM pipelines WHERE name = ?1 AND unique_id = ?2")
        .and_then(|mut select| select.query_row((&new.name, &new.unique_id), |row| row.get(0)).optional())
        .map_err(StoreError::doing(doing))?;
    if let Some(body) = existing {
        return column::read("a pipeline", &body);
    }
    let body = json("a pipeline", new)?;
    connection
        .prepare_cached("INSERT INTO pipelines (id, name, unique_id, body) VALUES (?1, ?2, ?3, ?4)")
        .and_then(|mut insert| insert.execute((new.id.as_str(), &new.name, &new.unique_id, body)))
        .map_err(StoreError::doing(doing))?;
    Ok(new.clone())
}

pub(super) fn delete_pipeline(
    connection: &Connection,
    id: &PipelineId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let doing = "deleting a pipeline";
    let removed = connection
        .execute(
            "INSERT OR REPLACE INTO deleted_pipelines (id, deleted_at, body) \
             SELECT id, ?2, body FROM pipelines WHERE id = ?1",
            (id.as_str(), seconds(now)),
        )
        .map_err(StoreError::doing(doing))?;
    connection
        .execute("DELETE FROM pipelines WHERE id = ?1", [id.as_str()])
        .map_err(StoreError::doing(doing))?;
    for table in ["definitions", "runs", "definition_bodies", "expired_runs", "instances", "attempts"] {
        connection
            .execute(&format!("DELETE FROM {table} WHERE pipeline_id = ?1"), [id.as_str()])
            .map_err(StoreError::doing(doing))?;
    }
    Ok(removed > 0)
}

pub(super) fn notice_done(connection: &Connection, id: &NoticeId) -> Result<(), StoreError> {
    connection
        .execute("DELETE FROM notices WHERE id = ?1", [id.as_str()])
        .map(|_| ())
        .map_err(StoreError::doing("removing a published notice"))
}

pub(super) fn machine_secret(connection: &Connection, fresh: &str) -> Result<String, StoreError> {
    connection
        .execute("INSERT OR IGNORE INTO machine_secret (only_row, secret) VALUES (1, ?1)", [fresh])
        .and_then(|_| connection.query_row("SELECT secret FROM machine_secret", [], |row| row.get(0)))
        .map_err(StoreError::doing("reading the secret of machines"))
}

/// The largest number of pages that SQLite allows.
const MOST_PAGES: i64 = 4_294_967_294;

pub(super) fn limit_growth(connection: &Connection, bytes: Option<u64>) -> Result<(), StoreError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let set = |pages: i64| connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
    let limited = || match bytes {
        Some(bytes) => {
            let (used, size) = (pragma("page_count")?, pragma("page_size")?.max(1));
            let more = i64::try_from(bytes).unwrap_or(i64::MAX) / size;
            set(used.saturating_add(more).min(MOST_PAGES))
        }
        None => set(MOST_PAGES),
    };
    limited().map_err(StoreError::doing("limiting the size of the store"))
}

pub(super) fn save(connection: &Connection, batch: &Batch) -> Result<(), StoreError> {
    column::check_batch(batch)?;
    for (id, known) in batch.touched() {
        revise(connection, id, known)?;
    }
    for pipeline in &batch.pipelines {
        save_pipeline(connection, pipeline)?;
    }
    for (id, version, definition) in &batch.definitions {
        let text = json("a definition", definition)?;
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO definitions (pipeline_id, version, body) VALUES (?1, ?2, ?3)",
            )
            .and_then(|mut insert| insert.execute((id.as_str(), version.word(), text)))
            .map_err(StoreError::doing("saving a definition"))?;
    }
    for change in &batch.runs {
        save_run(connection, change)?;
    }
    for notice in &batch.notices {
        let body = json("a notice", notice)?;
        connection
            .prepare_cached("INSERT OR IGNORE INTO notices (id, body) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.execute((notice.id.as_str(), body)))
            .map_err(StoreError::doing("saving a notice"))?;
    }
    Ok(())
}

/// Increases the revision of the pipeline; fails if the pipeline does not have the `known` revision.
fn revise(connection: &Connection, id: &PipelineId, known: Option<u64>) -> Result<(), StoreError> {
    let known = known.map(|known| i64::try_from(known).unwrap_or(i64::MAX));
    let changed = connection
        .prepare_cached(
            "UPDATE pipelines SET revision = revision + 1 WHERE id = ?1 AND revision = coalesce(?2, revision)",
        )
        .and_then(|mut update| update.execute((id.as_str(), known)))
        .map_err(StoreError::doing("counting a change of a pipeline"))?;
    if changed == 0 && known.is_some() && read::pipeline(connection, id)?.is_some() {
        return Err(StoreError::PipelineChanged(id.clone()));
    }
    must_exist(changed, id)
}

/// Fails if no row was changed: a deleted pipeline must not come back with its definition or run.
fn must_exist(changed: usize, id: &PipelineId) -> Result<(), StoreError> {
    if changed == 0 { Err(StoreError::NoPipeline(id.clone())) } else { Ok(()) }
}

fn save_pipeline(connection: &Connection, pipeline: &Pipeline) -> Result<(), StoreError> {
    let body = json("a pipeline", pipeline)?;
    let changed = connection
        .prepare_cached("UPDATE pipelines SET body = ?2, next_due = ?3 WHERE id = ?1")
        .and_then(|mut update| update.execute((pipeline.id.as_str(), body, next_due(pipeline))))
        .map_err(StoreError::doing("saving a pipeline"))?;
    must_exist(changed, &pipeline.id)
}

fn save_run(connection: &Connection, change: &RunChange) -> Result<(), StoreError> {
    let header = &change.header;
    match &change.created {
        Some((definition, depends_on)) => {
            insert_header(connection, change, &json("a definition", definition)?)?;
            for (instance, depends_on) in change.instances.iter().zip(depends_on) {
                insert_instance(connection, header, instance, depends_on)?;
            }
        }
        None => {
            update_header(connection, change)?;
            for instance in &change.instances {
                update_instance(connection, header, instance)?;
            }
        }
    }
    for change in &change.attempts {
        save_attempt(connection, header, change)?;
    }
    Ok(())
}

fn insert_header(connection: &Connection, change: &RunChange, definition: &str) -> Result<(), StoreError> {
    let header = &change.header;
    let digest = column::digest(definition);
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO definition_bodies (pipeline_id, digest, body) VALUES (?1, ?2, ?3)",
        )
        .and_then(|mut insert| insert.execute(params![header.pipeline.as_str(), digest, definition]))
        .map_err(StoreError::doing("saving the definition of a new run"))?;
    let text = json("a run", header)?;
    let inserted = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO runs (pipeline_id, id, revision, is_open, is_stuck, ended_at, header, definition, \
             next_wake) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                header.pipeline.as_str(),
                header.id.as_str(),
                revision(header),
                header.is_awake(),
                is_stuck(header),
                ended_at(header),
                text,
                digest,
                change.next_wake.map(Timestamp::as_millisecond),
            ])
        })
        .map_err(StoreError::doing("saving a new run"))?;
    must_have_changed(inserted, header)
}

fn update_header(connection: &Connection, change: &RunChange) -> Result<(), StoreError> {
    let header = &change.header;
    let text = json("a run", header)?;
    let update = |sql: &str| {
        let row = params![
            header.pipeline.as_str(),
            header.id.as_str(),
            revision(header),
            header.is_awake(),
            is_stuck(header),
            ended_at(header),
            text,
            change.next_wake.map(Timestamp::as_millisecond),
        ];
        let updated = connection.prepare_cached(sql).and_then(|mut update| update.execute(row));
        updated.map_err(StoreError::doing("saving a run"))
    };
    // An UPDATE writes the indexes of every column that it names, also if the value stays the same. These columns nearly
    // always stay the same, so the first statement does not name them.
    let mut updated = update(
        "UPDATE runs SET revision = ?3, header = ?7, next_wake = ?8 WHERE pipeline_id = ?1 AND id = ?2 \
         AND revision = ?3 - 1 AND is_open = ?4 AND is_stuck = ?5 AND ended_at IS ?6",
    )?;
    if updated == 0 {
        updated = update(
            "UPDATE runs SET revision = ?3, is_open = ?4, is_stuck = ?5, ended_at = ?6, header = ?7, next_wake = ?8 \
             WHERE pipeline_id = ?1 AND id = ?2 AND revision = ?3 - 1",
        )?;
    }
    must_have_changed(updated, header)
}

fn must_have_changed(changed: usize, header: &Header) -> Result<(), StoreError> {
    if changed == 0 {
        let (pipeline, run) = (header.pipeline.clone(), header.id.clone());
        return Err(StoreError::Conflict { pipeline, run });
    }
    Ok(())
}

fn insert_instance(
    connection: &Connection,
    header: &Header,
    instance: &Instance,
    depends_on: &[InstanceId],
) -> Result<(), StoreError> {
    let (depends_on, body) = (json("dependencies", &depends_on)?, json("an instance", instance)?);
    connection
        .prepare_cached(
            "INSERT INTO instances (pipeline_id, run_id, id, component_id, status, scheduled_at, started_at, \
             ended_at, depends_on, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                header.pipeline.as_str(),
                header.id.as_str(),
                instance.id.as_str(),
                instance.component.as_str(),
                instance.wire_status().as_str(),
                seconds(instance.interval.map_or(header.scheduled, |interval| interval.start)),
                seconds(instance.started),
                instance.ended.map(seconds),
                depends_on,
                body,
            ])
        })
        .map(|_| ())
        .map_err(StoreError::doing("saving a new instance"))
}

fn update_instance(connection: &Connection, header: &Header, instance: &Instance) -> Result<(), StoreError> {
    let body = json("an instance", instance)?;
    connection
        .prepare_cached(
            "UPDATE instances SET status = ?3, started_at = ?4, ended_at = ?5, body = ?6 \
             WHERE pipeline_id = ?1 AND id = ?2",
        )
        .and_then(|mut update| {
            update.execute(params![
                header.pipeline.as_str(),
                instance.id.as_str(),
                instance.wire_status().as_str(),
                seconds(instance.started),
                instance.ended.map(seconds),
                body,
            ])
        })
        .map(|_| ())
        .map_err(StoreError::doing("saving an instance"))
}

fn save_attempt(connection: &Connection, header: &Header, change: &AttemptChange) -> Result<(), StoreError> {
    let attempt = &change.attempt;
    let body = json("an attempt", attempt)?;
    connection
        .prepare_cached(
            "INSERT INTO attempts (pipeline_id, run_id, id, component_id, instance_id, status, scheduled_at, \
             started_at, ended_at, offered_to, body) VALUES (:pipeline, :run, :id, :component, :instance, :status, \
             :scheduled, :started, :ended, :offered_to, :body) \
             ON CONFLICT (pipeline_id, id) DO UPDATE SET status = excluded.status, \
             started_at = excluded.started_at, ended_at = excluded.ended_at, \
             offered_to = excluded.offered_to, body = excluded.body",
        )
        .and_then(|mut upsert| {
            upsert.execute(named_params! {
                ":pipeline": header.pipeline.as_str(),
                ":run": header.id.as_str(),
                ":id": attempt.id.as_str(),
                ":component": change.component.as_str(),
                ":instance": attempt.instance.as_str(),
                ":status": attempt.status.wire_status().as_str(),
                ":scheduled": seconds(change.scheduled),
                ":started": seconds(attempt.created),
                ":ended": attempt.ended.map(seconds),
                ":offered_to": change.offered_to.as_ref().map(WorkerGroup::as_str),
                ":body": body,
            })
        })
        .map(|_| ())
        .map_err(StoreError::doing("saving an attempt"))
}
