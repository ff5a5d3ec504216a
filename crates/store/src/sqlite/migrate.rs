//! Versions of the schema. A change is a new file here, never an edit of an old one.

use std::path::Path;

use rusqlite::Connection;

use crate::StoreError;

/// The migrations in order; the n-th brings a file to version n.
const MIGRATIONS: &[(&str, &str)] = &[
    ("first", include_str!("../../migrations/sqlite/0001_first.sql")),
    ("next runs", include_str!("../../migrations/sqlite/0002_next_runs.sql")),
    ("servers", include_str!("../../migrations/sqlite/0003_servers.sql")),
    ("stuck runs", include_str!("../../migrations/sqlite/0004_stuck_runs.sql")),
];

/// Applies the migrations that the file lacks.
pub(super) fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let doing = "reading the schema version";
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
        return Err(StoreError::Newer { place: format!("the data file {}", path.display()), found, known });
    }
    transaction.commit().map_err(StoreError::doing("bringing the schema up to date"))
}
