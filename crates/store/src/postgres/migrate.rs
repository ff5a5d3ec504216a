//! Versions of the schema. A change is a new file here, never an edit of an old one.

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
];

/// First half of the lock's key, so that it is nobody else's; the second is the schema's.
const LOCK: i32 = 0x646f_776e;

/// Servers that start together wait for each other here, and a migration may take long.
const SETTINGS: &str = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0";

/// Makes the schema if it is not there, and applies the migrations that it lacks.
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
        let place = format!("the schema {} of the database {}", location.schema, location.database.shown());
        return Err(StoreError::Newer { place, found, known });
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

/// Returns the version of the schema, which is made if it is not there.
async fn version(
    client: &Client,
    sessions: &Sessions,
    location: &PostgresLocation,
) -> Result<i64, StoreError> {
    let doing = "reading the schema version";
    let schema = location.quoted_schema();
    // Not IF NOT EXISTS: that asks for the right to make schemas also where one is there.
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
