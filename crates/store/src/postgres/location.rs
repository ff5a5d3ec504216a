//! The PostgreSQL that holds the store's tables: a database, and a schema in it.

use postgres_connect::{DatabaseTarget, DatabaseUrl, Settings};

/// The schema that holds the tables if the URL names no other.
const DEFAULT_SCHEMA: &str = "downspout_engine";
/// The bytes of the longest name that PostgreSQL does not cut.
const LONGEST_NAME: usize = 63;

/// A database, the user who connects to it, and the schema that holds the store's tables. Its `Debug` text never shows
/// a password.
#[derive(Clone)]
pub struct PostgresLocation {
    pub(super) database: DatabaseTarget,
    pub(super) schema: String,
}

impl std::fmt::Debug for PostgresLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.database.fmt(f)
    }
}

impl PostgresLocation {
    /// Reads a URL, `postgres://user:password@host:port/database?sslmode=verify-full&schema=name`.
    ///
    /// # Errors
    ///
    /// If a part of the URL is not understood. The message names the part, and never quotes a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let url = DatabaseUrl::parse(url).map_err(|error| format!("does not read: {error}"))?;
        let mut own = OwnSettings::default();
        for (key, value) in url.settings {
            own.set(&key, value)?;
        }
        let database = DatabaseTarget::new(Settings {
            application: "downspout",
            host: own.host.or(url.host),
            port: url.port.unwrap_or(5432),
            user: own.user.or(url.user).ok_or("names no user: write postgres://user@host/database")?,
            password: own.password.or(url.password),
            database: url.database,
            sslmode: own.sslmode,
            sslrootcert: own.sslrootcert,
        })?;
        let schema = own.schema.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned());
        Ok(Self { database, schema })
    }

    /// Returns the schema of `account` in the same database.
    pub(crate) fn of_account(&self, account: &str) -> Result<Self, String> {
        let schema = format!("{}_{account}", self.schema);
        if schema.len() > LONGEST_NAME {
            let most = LONGEST_NAME - account.len() - 1;
            return Err(format!(
                "names a schema to which the account does not fit: use at most {most} bytes"
            ));
        }
        Ok(Self { schema, ..self.clone() })
    }

    /// Returns the schema's name as SQL writes it.
    pub(super) fn quoted_schema(&self) -> String {
        format!("\"{}\"", self.schema.replace('"', "\"\""))
    }
}

/// The settings of a store's URL.
#[derive(Default)]
struct OwnSettings {
    host: Option<String>,
    user: Option<String>,
    password: Option<String>,
    schema: Option<String>,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

impl OwnSettings {
    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "host" => self.host = Some(value),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "schema" if value.is_empty() || value.len() > LONGEST_NAME || value.contains('\0') => {
                return Err(format!("names an impossible schema: a name has 1 to {LONGEST_NAME} bytes"));
            }
            "schema" => self.schema = Some(value),
            "sslmode" => self.sslmode = Some(value),
            "sslrootcert" => self.sslrootcert = Some(value),
            other => {
                return Err(format!(
                    "has the unknown setting {other:?}; there are host, user, password, schema, sslmode and \
                     sslrootcert"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_host_user_database_schema_and_tls() {
        let url = "postgres://me:p%40ss@db.example.com:6543/p?sslmode=require&schema=other";
        let location = PostgresLocation::parse(url).unwrap();
        assert_eq!(format!("{location:?}"), "db.example.com:6543/p");
        assert_eq!(location.database.config().get_user(), Some("me"));
        assert_eq!(location.database.config().get_password(), Some(&b"p@ss"[..]));
        assert_eq!(location.quoted_schema(), "\"other\"");
        assert!(location.database.tls().is_some());
        let location = PostgresLocation::parse("postgresql://me@localhost").unwrap();
        assert_eq!(
            (location.database.shown(), location.schema.as_str()),
            ("localhost:5432/me", DEFAULT_SCHEMA)
        );
        assert!(location.database.tls().is_none());
    }

    #[test]
    fn a_socket_is_named_by_its_folder_and_the_user_by_a_setting() {
        let url = "postgres:///p?user=me&host=/var/run/postgresql";
        let location = PostgresLocation::parse(url).unwrap();
        assert_eq!(location.database.shown(), "/var/run/postgresql:5432/p");
        assert_eq!(location.database.config().get_user(), Some("me"));
        assert!(location.database.tls().is_none());
    }

    #[test]
    fn a_user_before_an_empty_host_is_refused() {
        let problem = PostgresLocation::parse("postgres://me@/p?host=/var/run/postgresql").unwrap_err();
        assert_eq!(problem, "does not read: empty host");
    }

    #[test]
    fn a_url_that_is_not_understood_is_reported_without_the_password() {
        for url in [
            "postgres://me:geheim@host/p?sslmode=perhaps",
            "postgres://me:geheim@host/p?pool=3",
            "postgres://me:geheim@host/p?schema=",
            "postgres://me:geheim@host:port/p",
            "postgres://:geheim@host/p",
            "postgres://me:geheim@host/p?sslmode=verify-full&sslrootcert=/no/such/file",
        ] {
            let problem = PostgresLocation::parse(url).unwrap_err();
            assert!(!problem.contains("geheim"), "{problem}");
        }
    }
}
