//! Migrations of the schema. A change of the schema is a new file, never an edit of an old one.

use tokio_postgres::Client;

use super::PostgresLocation;
use super::session::Sessions;
use crate::StoreError;

/// The migrations in order; the n-th brings a schema to version n.
pub(super) const MIGRATIONS: &[(&str, &str)] = &[
    ("first", include_str!("../../migrations/postgres/0001_first.sql")),
    ("next runs", include_str!("../../migrations/postgres/0002_next_runs.sql")),
    ("servers", include_str!("../../migrations/postgres/0003_servers.sql")),
    ("definitions once, stuck runs", include_str!("../../migrations/postgres/0004_definitions_once.sql")),
    ("retention", include_str!("../../migrations/postgres/0005_retention.sql")),
    ("deleted bodies", include_str!("../../migrations/postgres/0006_deleted_bodies.sql")),
    ("machine secret", include_str!("../../migrations/postgres/0007_machine_secret.sql")),
];

/// The first half of the lock's key, which keeps it apart from the locks of other programs; the second half is a hash of
/// the schema's name.
const LOCK: i32 = 0x646f_776e;

/// Lifts the time limits: servers that start together wait for each other, and a migration may take long.
const SETTINGS: &str = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0";

/// Creates the schema if there is none, and applies the migrations that it lacks.
///
/// # Errors
///
/// [`StoreError::Newer`] if a newer program wrote the schema; [`StoreError::Encoding`] if the database is not in UTF-8;
/// the errors of the database otherwise.
pub(super) async fn bring_up_to_date(
    sessions: &Sessions,
    location: &PostgresLocation,
) -> Result<(), StoreError> {
    let mut session = sessions.take().await?;
    let doing = "bringing the schema up to date";
    let transaction = session.build_transaction().start().await.map_err(sessions.doing(doing))?;
    must_hold_every_text(transaction.client(), sessions, location).await?;
    transaction.batch_execute(SETTINGS).await.map_err(sessions.doing(doing))?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", &[&LOCK, &location.schema])
        .await
        .map_err(sessions.doing("waiting for another server to bring the schema up to date"))?;
    let found = version(transaction.client(), sessions, location).await?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        let tables = format!("the schema {} of the database {}", location.schema, location.database.shown());
        return Err(StoreError::Newer { tables, found, known });
    }
    for (version, (name, sql)) in (1_i64..).zip(MIGRATIONS) {
        if version > found {
            transaction.batch_execute(sql).await.map_err(sessions.doing(doing))?;
            transaction
                .execute("INSERT INTO migrations (version, name) VALUES ($1, $2)", &[&version, name])
                .await
                .map_err(sessions.doing("noting the schema version"))?;
        }
    }
    transaction.commit().await.map_err(sessions.doing(doing))
}

async fn must_hold_every_text(
    client: &Client,
    sessions: &Sessions,
    location: &PostgresLocation,
) -> Result<(), StoreError> {
    let row = client.query_one("SELECT current_setting('server_encoding')", &[]).await;
    let encoding: String = row.map_err(sessions.doing("reading the database's encoding"))?.get(0);
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(StoreError::Encoding { at: location.database.shown().to_owned(), encoding })
}

/// Returns the version of the schema, and creates the schema if there is none.
async fn version(
    client: &Client,
    sessions: &Sessions,
    location: &PostgresLocation,
) -> Result<i64, StoreError> {
    let doing = "reading the schema version";
    let schema = location.quoted_schema();
    // CREATE SCHEMA IF NOT EXISTS would need the right to create schemas even if the schema exists.
    let is_there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), \
                    EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'migrations')";
    let row = client.query_one(is_there, &[&location.schema]).await.map_err(sessions.doing(doing))?;
    let (has_schema, has_migrations): (bool, bool) = (row.get(0), row.get(1));
    if !has_schema {
        let make = format!("CREATE SCHEMA {schema}");
        client.batch_execute(&make).await.map_err(sessions.doing("making the schema"))?;
    }
    if !has_migrations {
        let make = "CREATE TABLE migrations (version bigint PRIMARY KEY, name text COLLATE \"C\" NOT NULL)";
        client.batch_execute(make).await.map_err(sessions.doing("making the table of migrations"))?;
    }
    let found = "SELECT coalesce(max(version), 0) FROM migrations";
    Ok(client.query_one(found, &[]).await.map_err(sessions.doing(doing))?.get(0))
}
