//! Where a store is, as one word of a command line says it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::{PostgresLocation, PostgresStore, SqliteStore, Store, StoreError};

/// So often, and so far apart, a file is tried that another server has.
const MOST_TRIES: usize = 20;
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Where a store is.
#[derive(Clone, Debug)]
pub enum Location {
    /// A file.
    Sqlite(PathBuf),
    /// A schema of a database.
    Postgres(Box<PostgresLocation>),
}

impl Location {
    /// Reads `PATH`, `sqlite:PATH` or `postgres://user@host/database`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Url`] says what is not understood; it never quotes a password.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(StoreError::Url("names no file: write sqlite:PATH".to_owned())),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => {
                PostgresLocation::parse(text).map(Box::new).map(Self::Postgres).map_err(StoreError::Url)
            }
            Some((scheme, _)) => Err(StoreError::Url(format!(
                "is for {scheme:?}: write a path, sqlite:PATH or postgres://user@host/database"
            ))),
            None => Ok(Self::Sqlite(text.into())),
        }
    }

    /// Opens the store there, made or brought up to date as needed.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open_alone`] and [`PostgresStore::open`].
    pub async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(alone(path).await?),
            Self::Postgres(location) => Arc::new(PostgresStore::open(location).await?),
        })
    }
}

/// Opens the file once no other server has it: one that is about to end has it a moment longer.
async fn alone(path: &Path) -> Result<SqliteStore, StoreError> {
    for _ in 0..MOST_TRIES {
        match SqliteStore::open_alone(path) {
            Err(StoreError::InUse { .. }) => tokio::time::sleep(TRY_AGAIN).await,
            opened => return opened,
        }
    }
    SqliteStore::open_alone(path)
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::Sqlite(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match Location::parse(text) {
            Ok(location) => format!("{location:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_path_is_a_file_and_a_url_is_what_its_scheme_says() {
        assert_eq!(shown("pipelines.db"), r#"Sqlite("pipelines.db")"#);
        assert_eq!(shown("sqlite:/var/lib/p.db"), r#"Sqlite("/var/lib/p.db")"#);
        assert_eq!(shown("sqlite:///var/lib/p.db"), r#"Sqlite("/var/lib/p.db")"#);
        assert_eq!(shown("postgres://me@db.example.com/p"), "Postgres(db.example.com:5432/p)");
        assert_eq!(
            shown("mysql://me:secret@host/p"),
            "the URL of the store is for \"mysql\": write a path, sqlite:PATH or postgres://user@host/database"
        );
        assert_eq!(shown("sqlite:"), "the URL of the store names no file: write sqlite:PATH");
    }
}
