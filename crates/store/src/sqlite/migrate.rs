//! Migrations of the schema. A change of the schema is a new file, never an edit of an old one.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use crate::{StoreError, column};

/// The migrations in order; the n-th brings a file to version n.
pub(super) const MIGRATIONS: &[(&str, &str)] = &[
    ("first", include_str!("../../migrations/sqlite/0001_first.sql")),
    ("next runs", include_str!("../../migrations/sqlite/0002_next_runs.sql")),
    ("servers", include_str!("../../migrations/sqlite/0003_servers.sql")),
    ("definitions once, stuck runs", include_str!("../../migrations/sqlite/0004_definitions_once.sql")),
    ("retention", include_str!("../../migrations/sqlite/0005_retention.sql")),
    ("pages", include_str!("../../migrations/sqlite/0006_pages.sql")),
    ("fewer indexes", include_str!("../../migrations/sqlite/0007_fewer_indexes.sql")),
    ("deleted bodies", include_str!("../../migrations/sqlite/0008_deleted_bodies.sql")),
    ("machine secret", include_str!("../../migrations/sqlite/0009_machine_secret.sql")),
];

/// Applies the migrations that the file lacks.
pub(super) fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let doing = "reading the schema version";
    add_sha256(connection).map_err(StoreError::doing(doing))?;
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(StoreError::doing(doing))?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        )
        .map_err(StoreError::doing(doing))?;
    let found: i64 = transaction
        .query_row("SELECT coalesce(max(version), 0) FROM migrations", [], |row| row.get(0))
        .map_err(StoreError::doing(doing))?;
    for (version, (name, sql)) in (1..).zip(MIGRATIONS) {
        if version > found {
            transaction.execute_batch(sql).map_err(StoreError::doing("bringing the schema up to date"))?;
            transaction
                .execute("INSERT INTO migrations (version, name) VALUES (?1, ?2)", (version, name))
                .map_err(StoreError::doing("noting the schema version"))?;
        }
    }
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { tables: format!("the data file {}", path.display()), found, known });
    }
    transaction.commit().map_err(StoreError::doing("bringing the schema up to date"))
}

/// Adds the function `sha256`, which a migration needs and SQLite lacks.
fn add_sha256(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("sha256", 1, flags, |context| {
        Ok(column::digest(context.get_raw(0).as_str()?))
    })
}
