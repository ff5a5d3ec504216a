//! Locations of stores, as the command line states them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::{PostgresLocation, PostgresStore, SqliteStore, Store, StoreError};

/// How often opening a data file is tried again while another server has the file open.
const MOST_TRIES: usize = 20;
/// The pause between two tries.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The location of a store.
#[derive(Clone, Debug)]
pub enum Location {
    /// A data file.
    Sqlite(PathBuf),
    /// A schema of a PostgreSQL database.
    Postgres(Box<PostgresLocation>),
}

impl Location {
    /// Reads a location: `PATH`, `sqlite:PATH` or `postgres://user@host/database`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Url`] says which part is not understood; it never quotes a password.
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

    /// Returns the location beside this one that belongs to `account`: a file or schema whose name ends with the account.
    ///
    /// # Errors
    ///
    /// [`StoreError::Url`] if the name of the schema is too long for PostgreSQL.
    pub fn of_account(&self, account: &str) -> Result<Self, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                let end = path.extension().map(|end| format!(".{}", end.to_string_lossy()));
                Self::Sqlite(path.with_file_name(format!("{stem}-{account}{}", end.unwrap_or_default())))
            }
            Self::Postgres(location) => {
                Self::Postgres(Box::new(location.of_account(account).map_err(StoreError::Url)?))
            }
        })
    }

    /// Opens the store. Its file or schema is created or migrated as needed.
    ///
    /// # Errors
    ///
    /// The errors of [`SqliteStore::open_alone`] and [`PostgresStore::open`].
    pub async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(open_alone(path).await?),
            Self::Postgres(location) => Arc::new(PostgresStore::open(location).await?),
        })
    }
}

/// Opens the data file for this server alone. If another server has the file open, tries again, because that server may be
/// about to end. After the last try, returns [`StoreError::InUse`].
async fn open_alone(path: &Path) -> Result<SqliteStore, StoreError> {
    for _ in 0..MOST_TRIES {
        match SqliteStore::open_alone(path) {
            Err(StoreError::InUse { .. }) => tokio::time::sleep(RETRY_PAUSE).await,
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
    fn an_account_has_a_file_or_schema_beside_that_of_the_first_account() {
        let of = |text: &str| Location::parse(text).and_then(|location| location.of_account("123456789012"));
        let file = |text: &str| match of(text) {
            Ok(Location::Sqlite(path)) => path.display().to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(file("/var/lib/pipelines.db"), "/var/lib/pipelines-123456789012.db");
        assert_eq!(file("pipelines"), "pipelines-123456789012");
        let long = format!("postgres://me@host/p?schema={}", "s".repeat(60));
        let Err(error) = of(&long) else { panic!("the name is too long") };
        assert!(error.to_string().contains("at most 50 bytes"), "{error}");
        assert!(of("postgres://me@host/p").is_ok());
    }

    #[test]
    fn a_path_is_a_file_and_the_scheme_of_a_url_says_which_store_it_is() {
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
