//! Makes the statements that write to the database. Rows are sent as arrays, so that a few statements save a step with
//! thousands of instances.

use std::collections::BTreeMap;

use engine::{Header, Instance, InstanceId, PipelineId, RunId};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::session::{Statement, Untouched, Value};
use crate::batch::{AttemptChange, RunChange};
use crate::column::{self, ended_at, is_stuck, next_due, revision, seconds, write as json};
use crate::query::wide;
use crate::{Batch, Pipeline, StoreError};

/// The most rows of one statement: enough that a large run needs few statements, and few enough that the parameters of
/// one statement stay small.
const MOST_ROWS: usize = 2000;

/// Returns the digest of name and unique id. By this digest, a creation finds an existing pipeline with the same name and id. The
/// digest is indexed instead of the texts, because PostgreSQL refuses long texts in an index.
pub(super) fn creation_key(pipeline: &Pipeline) -> Vec<u8> {
    let mut digest = Sha256::new();
    digest.update(pipeline.name.len().to_be_bytes());
    digest.update(&pipeline.name);
    digest.update(&pipeline.unique_id);
    digest.finalize().to_vec()
}

fn statement(doing: &'static str, sql: &'static str, values: Vec<Value>) -> Statement {
    Statement { doing, sql, values, untouched: Untouched::Fine }
}

fn text(text: &str) -> Value {
    Box::new(text.to_owned())
}

pub(super) fn delete_pipeline(id: &PipelineId, now: Timestamp) -> Vec<Statement> {
    let doing = "deleting a pipeline";
    let first = Statement {
        doing,
        sql: "WITH gone AS (DELETE FROM pipelines WHERE id = $1 RETURNING id, body) \
              INSERT INTO deleted_pipelines (id, deleted_at, body) SELECT id, $2::bigint, body FROM gone \
              ON CONFLICT (id) DO UPDATE SET deleted_at = excluded.deleted_at, body = excluded.body",
        values: vec![text(id.as_str()), Box::new(seconds(now))],
        untouched: Untouched::NoPipeline(id.clone()),
    };
    // The rows of runs are deleted before the rows of their instances and attempts. A server that saves a run locks the
    // run's row until its new instances and attempts are visible, so the deletion waits and then finds them all.
    let rest = [
        "DELETE FROM runs WHERE pipeline_id = $1",
        "DELETE FROM definitions WHERE pipeline_id = $1",
        "DELETE FROM definition_bodies WHERE pipeline_id = $1",
        // A server that clears an expired run away locks this row before it deletes instances and attempts.
        "DELETE FROM expired_runs WHERE pipeline_id = $1",
        "DELETE FROM instances WHERE pipeline_id = $1",
        "DELETE FROM attempts WHERE pipeline_id = $1",
    ];
    let rest = rest.into_iter().map(|sql| statement(doing, sql, vec![text(id.as_str())]));
    std::iter::once(first).chain(rest).collect()
}

/// Returns the statements that save a batch. All servers lock rows in the same order, so that they never wait for each
/// other in a circle.
pub(super) fn save(batch: &Batch) -> Result<Vec<Statement>, StoreError> {
    let mut statements = Vec::new();
    // If the batch has several values of a pipeline, the last one is saved.
    let pipelines: BTreeMap<&str, &Pipeline> =
        batch.pipelines.iter().map(|pipeline| (pipeline.id.as_str(), pipeline)).collect();
    for (id, known) in batch.touched() {
        statements.push(revise(id, known, pipelines.get(id.as_str()).copied())?);
    }
    for (id, version, definition) in &batch.definitions {
        statements.push(Statement {
            doing: "saving a definition",
            sql: "INSERT INTO definitions (pipeline_id, version, body) VALUES ($1, $2, $3) \
                  ON CONFLICT (pipeline_id, version) DO UPDATE SET body = excluded.body",
            values: vec![
                text(id.as_str()),
                text(version.word()),
                Box::new(json("a definition", definition)?),
            ],
            untouched: Untouched::Fine,
        });
    }
    for run in merged(&batch.runs).into_values() {
        save_run(&run, &mut statements)?;
    }
    for notices in batch.notices.chunks(MOST_ROWS) {
        let ids: Vec<String> = notices.iter().map(|notice| notice.id.to_string()).collect();
        let bodies = notices.iter().map(|notice| json("a notice", notice)).collect::<Result<Vec<_>, _>>()?;
        statements.push(statement(
            "saving notices",
            "INSERT INTO notices (id, body) SELECT id, body \
             FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS new (id, body, number) ORDER BY number \
             ON CONFLICT (id) DO NOTHING",
            vec![Box::new(ids), Box::new(bodies)],
        ));
    }
    Ok(statements)
}

/// Returns the statement that increases the revision of the pipeline, and also saves the pipeline itself if there is a
/// `body`. The statement changes nothing if `known` is a revision that the pipeline does not have. The statement locks
/// the pipeline's row: a second save waits, and a deletion finds all of the batch or nothing.
fn revise(id: &PipelineId, known: Option<u64>, body: Option<&Pipeline>) -> Result<Statement, StoreError> {
    let untouched = match known {
        // The statement cannot tell whether the pipeline was changed or deleted. The caller reads it again to find out.
        Some(_) => Untouched::PipelineChanged(id.clone()),
        None => Untouched::NoPipeline(id.clone()),
    };
    let known = known.map(|known| i64::try_from(known).unwrap_or(i64::MAX));
    let mut values: Vec<Value> = vec![text(id.as_str()), Box::new(known)];
    let Some(pipeline) = body else {
        let doing = "counting a change of a pipeline";
        let sql = "UPDATE pipelines SET revision = revision + 1 WHERE id = $1 AND revision = coalesce($2, revision)";
        return Ok(Statement { doing, sql, values, untouched });
    };
    values.push(Box::new(json("a pipeline", pipeline)?));
    values.push(Box::new(next_due(pipeline)));
    let sql = "UPDATE pipelines SET revision = revision + 1, body = $3, next_due = $4 \
               WHERE id = $1 AND revision = coalesce($2, revision)";
    Ok(Statement { doing: "saving a pipeline", sql, values, untouched })
}

/// All changes of a batch to one run. Several steps become one, with the values that the last step leaves.
struct Merged<'a> {
    /// The first change. It says whether the run is new; if not, its revision is one more than that of the stored run.
    first: &'a RunChange,
    header: &'a Header,
    next_wake: Option<Timestamp>,
    instances: BTreeMap<usize, &'a Instance>,
    attempts: BTreeMap<(usize, u32), &'a AttemptChange>,
}

fn merged(changes: &[RunChange]) -> BTreeMap<(&PipelineId, &RunId), Merged<'_>> {
    let mut runs: BTreeMap<(&PipelineId, &RunId), Merged<'_>> = BTreeMap::new();
    for change in changes {
        let run = runs.entry((&change.header.pipeline, &change.header.id)).or_insert_with(|| Merged {
            first: change,
            header: &change.header,
            next_wake: change.next_wake,
            instances: BTreeMap::new(),
            attempts: BTreeMap::new(),
        });
        run.header = &change.header;
        run.next_wake = change.next_wake;
        run.instances.extend(change.instances.iter().map(|instance| (instance.sequence, instance)));
        let attempts = change.attempts.iter();
        run.attempts.extend(attempts.map(|change| ((change.sequence, change.attempt.number), change)));
    }
    runs
}

fn save_run(run: &Merged<'_>, statements: &mut Vec<Statement>) -> Result<(), StoreError> {
    match &run.first.created {
        Some((definition, depends_on)) => {
            insert_header(run, json("a definition", definition)?, statements)?;
            let created = run.first.instances.iter().zip(depends_on);
            let depends_on: BTreeMap<usize, &Vec<InstanceId>> =
                created.map(|(instance, depends_on)| (instance.sequence, depends_on)).collect();
            insert_instances(run, &depends_on, statements)?;
        }
        None => {
            update_header(run, statements)?;
            update_instances(run, statements)?;
        }
    }
    save_attempts(run, statements)
}

fn insert_header(
    run: &Merged<'_>,
    definition: String,
    statements: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let header = run.header;
    let digest = column::digest(&definition);
    statements.push(statement(
        "saving the definition of a new run",
        "INSERT INTO definition_bodies (pipeline_id, digest, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        vec![text(header.pipeline.as_str()), Box::new(digest.clone()), Box::new(definition)],
    ));
    statements.push(Statement {
        doing: "saving a new run",
        sql: "INSERT INTO runs (pipeline_id, id, revision, is_open, is_stuck, ended_at, header, definition, next_wake) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (pipeline_id, id) DO NOTHING",
        values: vec![
            text(header.pipeline.as_str()),
            text(header.id.as_str()),
            Box::new(revision(header)),
            Box::new(header.is_awake()),
            Box::new(is_stuck(header)),
            Box::new(ended_at(header)),
            Box::new(json("a run", header)?),
            Box::new(digest),
            Box::new(run.next_wake.map(Timestamp::as_millisecond)),
        ],
        untouched: Untouched::Conflict(header.pipeline.clone(), header.id.clone()),
    });
    Ok(())
}

fn update_header(run: &Merged<'_>, statements: &mut Vec<Statement>) -> Result<(), StoreError> {
    let header = run.header;
    statements.push(Statement {
        doing: "saving a run",
        // A second save waits here for the first, and then finds another revision.
        sql: "UPDATE runs SET revision = $3, is_open = $4, is_stuck = $5, ended_at = $6, header = $7, next_wake = $9 \
              WHERE pipeline_id = $1 AND id = $2 AND revision = $8",
        values: vec![
            text(header.pipeline.as_str()),
            text(header.id.as_str()),
            Box::new(revision(header)),
            Box::new(header.is_awake()),
            Box::new(is_stuck(header)),
            Box::new(ended_at(header)),
            Box::new(json("a run", header)?),
            Box::new(revision(&run.first.header) - 1),
            Box::new(run.next_wake.map(Timestamp::as_millisecond)),
        ],
        untouched: Untouched::Conflict(header.pipeline.clone(), header.id.clone()),
    });
    Ok(())
}

/// The columns of rows, each as an array.
#[derive(Default)]
struct Rows {
    sequence: Vec<i64>,
    number: Vec<i64>,
    id: Vec<String>,
    component: Vec<String>,
    instance: Vec<String>,
    status: Vec<String>,
    scheduled: Vec<i64>,
    started: Vec<i64>,
    ended: Vec<Option<i64>>,
    depends_on: Vec<String>,
    offered_to: Vec<Option<String>>,
    body: Vec<String>,
}

impl Rows {
    fn push_instance(&mut self, instance: &Instance, header: &Header) -> Result<(), StoreError> {
        self.sequence.push(wide(instance.sequence));
        self.id.push(instance.id.to_string());
        self.component.push(instance.component.to_string());
        self.status.push(instance.wire_status().as_str().to_owned());
        let interval = instance.interval;
        self.scheduled.push(seconds(interval.map_or(header.scheduled, |interval| interval.start)));
        self.started.push(seconds(instance.started));
        self.ended.push(instance.ended.map(seconds));
        self.body.push(json("an instance", instance)?);
        Ok(())
    }

    fn push_attempt(&mut self, change: &AttemptChange) -> Result<(), StoreError> {
        let attempt = &change.attempt;
        self.sequence.push(wide(change.sequence));
        self.number.push(i64::from(attempt.number));
        self.id.push(attempt.id.to_string());
        self.component.push(change.component.to_string());
        self.instance.push(attempt.instance.to_string());
        self.status.push(attempt.status.wire_status().as_str().to_owned());
        self.scheduled.push(seconds(change.scheduled));
        self.started.push(seconds(attempt.created));
        self.ended.push(attempt.ended.map(seconds));
        self.offered_to.push(change.offered_to.as_ref().map(ToString::to_string));
        self.body.push(json("an attempt", attempt)?);
        Ok(())
    }
}

fn insert_instances(
    run: &Merged<'_>,
    depends_on: &BTreeMap<usize, &Vec<InstanceId>>,
    statements: &mut Vec<Statement>,
) -> Result<(), StoreError> {
    let instances: Vec<&Instance> = run.instances.values().copied().collect();
    for chunk in instances.chunks(MOST_ROWS) {
        let mut rows = Rows::default();
        for instance in chunk {
            rows.push_instance(instance, run.header)?;
            let on = depends_on.get(&instance.sequence).map_or(&[][..], |on| on.as_slice());
            rows.depends_on.push(json("dependencies", &on)?);
        }
        statements.push(statement(
            "saving new instances",
            "INSERT INTO instances (pipeline_id, run_id, scheduled_at, sequence, id, component_id, status, \
             started_at, ended_at, depends_on, body) \
             SELECT $1::text, $2::text, * FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], \
             $8::bigint[], $9::bigint[], $10::text[], $11::text[]) AS new (scheduled_at, sequence) \
             ORDER BY new.sequence",
            vec![
                text(run.header.pipeline.as_str()),
                text(run.header.id.as_str()),
                Box::new(rows.scheduled),
                Box::new(rows.sequence),
                Box::new(rows.id),
                Box::new(rows.component),
                Box::new(rows.status),
                Box::new(rows.started),
                Box::new(rows.ended),
                Box::new(rows.depends_on),
                Box::new(rows.body),
            ],
        ));
    }
    Ok(())
}

fn update_instances(run: &Merged<'_>, statements: &mut Vec<Statement>) -> Result<(), StoreError> {
    let instances: Vec<&Instance> = run.instances.values().copied().collect();
    for chunk in instances.chunks(MOST_ROWS) {
        let mut rows = Rows::default();
        chunk.iter().try_for_each(|instance| rows.push_instance(instance, run.header))?;
        statements.push(statement(
            "saving instances",
            "UPDATE instances SET status = new.status, started_at = new.started_at, \
             ended_at = new.ended_at, body = new.body \
             FROM unnest($3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[]) \
             AS new (sequence, status, started_at, ended_at, body) \
             WHERE instances.pipeline_id = $1 AND instances.run_id = $2 \
             AND instances.sequence = new.sequence",
            vec![
                text(run.header.pipeline.as_str()),
                text(run.header.id.as_str()),
                Box::new(rows.sequence),
                Box::new(rows.status),
                Box::new(rows.started),
                Box::new(rows.ended),
                Box::new(rows.body),
            ],
        ));
    }
    Ok(())
}

fn save_attempts(run: &Merged<'_>, statements: &mut Vec<Statement>) -> Result<(), StoreError> {
    let attempts: Vec<&AttemptChange> = run.attempts.values().copied().collect();
    for chunk in attempts.chunks(MOST_ROWS) {
        let mut rows = Rows::default();
        chunk.iter().try_for_each(|change| rows.push_attempt(change))?;
        statements.push(statement(
            "saving attempts",
            "INSERT INTO attempts (pipeline_id, run_id, scheduled_at, sequence, number, id, component_id, \
             instance_id, status, started_at, ended_at, offered_to, body) \
             SELECT $1::text, $2::text, * FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], \
             $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::text[]) \
             AS new (scheduled_at, sequence, number) \
             ORDER BY new.sequence, new.number \
             ON CONFLICT (pipeline_id, run_id, sequence, number) DO UPDATE SET status = excluded.status, \
             started_at = excluded.started_at, ended_at = excluded.ended_at, \
             offered_to = excluded.offered_to, body = excluded.body",
            vec![
                text(run.header.pipeline.as_str()),
                text(run.header.id.as_str()),
                Box::new(rows.scheduled),
                Box::new(rows.sequence),
                Box::new(rows.number),
                Box::new(rows.id),
                Box::new(rows.component),
                Box::new(rows.instance),
                Box::new(rows.status),
                Box::new(rows.started),
                Box::new(rows.ended),
                Box::new(rows.offered_to),
                Box::new(rows.body),
            ],
        ));
    }
    Ok(())
}
