//! The ledger: a record, in the database, of the work that was done there.
//!
//! The service may hand out a task twice, for example after a crash between the commit of the work and its report. So
//! each task inserts its ledger row first, in the transaction of its work. A task that finds its row there already does
//! nothing, and reports the content of the row.

use tokio_postgres::types::Type;

use crate::database::encoding::Characters;
use crate::database::{DatabaseTarget, Pool, Transaction};
use crate::failure::Failure;
use crate::progress::Fields;

/// The identity of a piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkKey {
    /// The id of the pipeline.
    pub pipeline: String,
    /// The id of the instance. A retry has another attempt, but it is the same work.
    pub instance: String,
    /// The number of reruns. A rerun is new work.
    pub generation: i64,
}

/// The advisory lock that a session holds while it creates the schema. The number is arbitrary.
const LOCK: i64 = 0x646f_776e_7370_6f75;

const SCHEMA: &str = "
CREATE SCHEMA IF NOT EXISTS downspout;
CREATE TABLE IF NOT EXISTS downspout.ledger (
    pipeline_id text NOT NULL,
    instance_id text NOT NULL,
    generation  bigint NOT NULL,
    done_at     timestamptz NOT NULL DEFAULT now(),
    report      text NOT NULL DEFAULT '[]',
    PRIMARY KEY (pipeline_id, instance_id, generation)
);
CREATE TABLE IF NOT EXISTS downspout.loaded_files (
    table_oid   bigint NOT NULL,
    table_name  text NOT NULL,
    bucket      text NOT NULL,
    key         text NOT NULL,
    etag        text NOT NULL,
    pipeline_id text NOT NULL,
    instance_id text NOT NULL,
    loaded_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (table_oid, bucket, key, etag)
);
COMMENT ON SCHEMA downspout IS 'The work that pipelines did here, so that no work is done twice.';
COMMENT ON TABLE downspout.ledger IS 'One row for each finished activity, committed with its work.';
COMMENT ON TABLE downspout.loaded_files IS 'The file versions that each table holds.'";

/// Begins the transaction of a script, with the settings of the role. Creates the ledger first, in a transaction of its
/// own, if it is missing.
///
/// # Errors
///
/// The errors of [`Pool::begin`], and an error if the ledger is missing and the user may not create a schema.
pub async fn begin(pool: &Pool, target: &DatabaseTarget) -> Result<Transaction, Failure> {
    let tx = pool.begin(target).await?;
    match made(tx).await? {
        Some(tx) => Ok(tx),
        None => pool.begin(target).await,
    }
}

/// Begins the transaction of a load, with settings that do not depend on the role.
///
/// # Errors
///
/// The errors of [`begin`].
pub async fn begin_fixed(pool: &Pool, target: &DatabaseTarget) -> Result<Transaction, Failure> {
    let tx = pool.begin_fixed(target).await?;
    match made(tx).await? {
        Some(tx) => Ok(tx),
        None => pool.begin_fixed(target).await,
    }
}

/// Begins the transaction of a dry run, with the settings of a load. The caller undoes the transaction. If the ledger is
/// missing, it is created in the transaction, so that nothing of it stays.
///
/// # Errors
///
/// The errors of [`begin`].
pub async fn begin_undone(pool: &Pool, target: &DatabaseTarget) -> Result<Transaction, Failure> {
    let tx = pool.begin_fixed(target).await?;
    if !is_there(&tx).await? {
        create(&tx).await?;
    }
    Ok(tx)
}

/// Returns the transaction if the ledger is there. Otherwise creates the ledger and commits.
async fn made(tx: Transaction) -> Result<Option<Transaction>, Failure> {
    if is_there(&tx).await? {
        return Ok(Some(tx));
    }
    create(&tx).await?;
    tx.commit().await?;
    Ok(None)
}

async fn is_there(tx: &Transaction) -> Result<bool, Failure> {
    let doing = "finding the schema downspout";
    let found = tx.query(doing, "SELECT to_regclass('downspout.loaded_files') IS NOT NULL", &[]).await?;
    Ok(found.first().is_some_and(|row| row.get(0)))
}

async fn create(tx: &Transaction) -> Result<(), Failure> {
    // Without the lock, IF NOT EXISTS fails when two sessions create the same object at once.
    let sql = format!("SELECT pg_advisory_xact_lock({LOCK}); {SCHEMA}");
    tx.run("creating the schema downspout (the user needs CREATE on the database)", &sql).await
}

/// Returns whether an earlier attempt has done the work.
///
/// # Errors
///
/// If the database refuses the query, or the connection breaks.
pub async fn is_done(tx: &Transaction, key: &WorkKey) -> Result<bool, Failure> {
    let found = tx
        .query(
            "reading downspout.ledger",
            "SELECT FROM downspout.ledger WHERE pipeline_id = $1 AND instance_id = $2 AND generation = $3",
            &[(&key.pipeline, Type::TEXT), (&key.instance, Type::TEXT), (&key.generation, Type::INT8)],
        )
        .await?;
    Ok(!found.is_empty())
}

/// Claims the work. Returns `None` if the work is still to do, or the report of the attempt that did the work.
///
/// Waits while another session does the same work.
///
/// # Errors
///
/// If the database refuses the statement, or the connection breaks.
pub async fn claim(tx: &Transaction, key: &WorkKey) -> Result<Option<Fields>, Failure> {
    let doing = "claiming the work in downspout.ledger";
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&key.pipeline, Type::TEXT), (&key.instance, Type::TEXT), (&key.generation, Type::INT8)];
    let insert = "INSERT INTO downspout.ledger (pipeline_id, instance_id, generation) VALUES ($1, $2, $3) \
                  ON CONFLICT DO NOTHING RETURNING 1";
    if !tx.query(doing, insert, &values).await?.is_empty() {
        return Ok(None);
    }
    let select =
        "SELECT report FROM downspout.ledger WHERE pipeline_id = $1 AND instance_id = $2 AND generation = $3";
    let found = tx.query(doing, select, &values).await?;
    let report: &str = found.first().map_or("[]", |row| row.get(0));
    Ok(Some(serde_json::from_str(report).unwrap_or_default()))
}

/// Returns the same JSON without other characters than those of ASCII.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            text.push(letter);
        } else {
            let units = letter
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<String>();
            text.push_str(&units);
        }
    }
    text
}

/// Writes the report of the work into its row.
///
/// # Errors
///
/// If the database refuses the statement, or the connection breaks.
pub async fn record(tx: &Transaction, key: &WorkKey, report: &Fields) -> Result<(), Failure> {
    let mut report = serde_json::to_string(report).unwrap_or_else(|_| "[]".to_owned());
    if Characters::lacking(tx, [report.as_str()]).await?.is_some() {
        report = in_ascii(&report);
    }
    let update = "UPDATE downspout.ledger SET report = $4, done_at = now() \
                  WHERE pipeline_id = $1 AND instance_id = $2 AND generation = $3";
    tx.query(
        "writing downspout.ledger",
        update,
        &[
            (&key.pipeline, Type::TEXT),
            (&key.instance, Type::TEXT),
            (&key.generation, Type::INT8),
            (&report, Type::TEXT),
        ],
    )
    .await?;
    Ok(())
}
