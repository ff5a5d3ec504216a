//! A database, the user who connects to it, and how the connection is encrypted.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls;

/// The time limit for opening a connection. A database that is up answers much sooner.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// The silence on a connection after which the system asks whether the other side is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// The pause between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// The number of such questions that may stay without an answer.
const KEEPALIVE_RETRIES: u32 = 3;
/// The time that sent bytes may stay unacknowledged.
const UNACKNOWLEDGED_WAIT: Duration = Duration::from_secs(60);

/// The settings that make a [`DatabaseTarget`].
pub struct Settings {
    /// The name under which the database lists the sessions of the program.
    pub application: &'static str,
    /// Host name, address, or the folder of a Unix socket; this machine if absent.
    pub host: Option<String>,
    /// The port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Option<String>,
    /// The database. If absent, it has the same name as the user.
    pub database: Option<String>,
    /// `sslmode` of PostgreSQL's clients, but `allow` means `prefer` here, and `verify-ca` means `verify-full`. If
    /// absent: `disable` on this machine, and `prefer` elsewhere.
    pub sslmode: Option<String>,
    /// The path of a PEM file with the certificates of the authorities to trust; if absent, the well-known public authorities. The
    /// file is read only if `sslmode` is `verify-ca` or `verify-full`.
    pub sslrootcert: Option<String>,
}

/// A database, and the user who connects to it. Its `Debug` text shows host, port and database, never a password.
#[derive(Clone)]
pub struct DatabaseTarget {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    session_key: String,
    shown: String,
    search_path: Option<String>,
}

impl fmt::Debug for DatabaseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl DatabaseTarget {
    /// Makes a target from `settings`.
    ///
    /// # Errors
    ///
    /// If the TLS settings are wrong. The error text continues a sentence that begins with "the URL", and never quotes a
    /// password.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let Settings { application, host, port, user, password, database, sslmode, sslrootcert } = settings;
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        let database = database.unwrap_or_else(|| user.clone());
        let encryption = Encryption::read(sslmode.as_deref(), &host)?;
        let mut config = Config::new();
        config.host(host.trim_matches(['[', ']'])).port(port).user(&user).dbname(&database);
        if let Some(password) = password {
            config.password(password);
        }
        config.application_name(application).connect_timeout(CONNECT_WAIT).ssl_mode(encryption.mode);
        // A database whose host is gone sends nothing. Without these limits, the client would wait for hours.
        config.keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL);
        config.keepalives_retries(KEEPALIVE_RETRIES).tcp_user_timeout(UNACKNOWLEDGED_WAIT);
        let tls = match encryption.mode {
            SslMode::Disable => None,
            _ => Some(tls::connector(encryption.is_verified, sslrootcert.as_deref())?),
        };
        let shown = format!("{host}:{port}/{database}");
        let session_key =
            format!("{user}@{shown} {:?} {encryption:?} {sslrootcert:?}", config.get_password());
        Ok(Self { config, tls, session_key, shown, search_path: None })
    }

    /// Returns the same target with a search path: the schemas for names without a schema, as SQL writes them after
    /// `SET search_path TO`. The program sets it in each of its transactions.
    #[must_use]
    pub fn with_search_path(mut self, schemas: String) -> Self {
        self.session_key.push_str(&format!(" {schemas}"));
        self.search_path = Some(schemas);
        self
    }

    /// Returns the search path of the target, if it has one.
    #[must_use]
    pub fn search_path(&self) -> Option<&str> {
        self.search_path.as_deref()
    }

    /// Returns the configuration for `tokio_postgres`.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the connector that encrypts a connection; `None` if connections are not encrypted.
    #[must_use]
    pub fn tls(&self) -> Option<&MakeRustlsConnect> {
        self.tls.as_ref()
    }

    /// Returns the key of the target in a pool of sessions. Two targets may share sessions if and only if their keys are equal. The
    /// key contains the password, so it is a secret: never show it.
    #[must_use]
    pub fn session_key(&self) -> &str {
        &self.session_key
    }

    /// Returns host, port and database, for messages.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Connects; a task in the background serves the connection until the client is dropped.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or refuses the connection.
    pub async fn connect(&self) -> Result<Client, Error> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(connection);
                Ok(client)
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
    }

    /// Asks the server to cancel the statement that the session of `token` is running.
    ///
    /// # Errors
    ///
    /// If the server cannot be asked. The server does not say whether it canceled a statement.
    pub async fn cancel(&self, token: &CancelToken) -> Result<(), Error> {
        match &self.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        }
    }
}

/// The encryption that `sslmode` asks for.
#[derive(Debug, PartialEq, Eq)]
struct Encryption {
    mode: SslMode,
    /// Whether the server's certificate is checked.
    is_verified: bool,
}

impl Encryption {
    fn read(sslmode: Option<&str>, host: &str) -> Result<Self, String> {
        let (mode, is_verified) = match sslmode {
            None if is_on_this_machine(host) => (SslMode::Disable, false),
            Some("disable") => (SslMode::Disable, false),
            None | Some("allow" | "prefer") => (SslMode::Prefer, false),
            Some("require") => (SslMode::Require, false),
            Some("verify-ca" | "verify-full") => (SslMode::Require, true),
            Some(other) => return Err(format!("has the unknown sslmode `{other}`")),
        };
        Ok(Self { mode, is_verified })
    }
}

/// Returns whether `host` is this machine: loopback, or the folder of a Unix socket.
fn is_on_this_machine(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]") || Path::new(host).is_absolute()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(host: &str) -> Settings {
        Settings {
            application: "tests",
            host: Some(host.to_owned()),
            port: 5432,
            user: "me".to_owned(),
            password: Some("hidden".to_owned()),
            database: None,
            sslmode: None,
            sslrootcert: None,
        }
    }

    #[test]
    fn sslmode_says_whether_to_encrypt_and_whether_to_check_the_certificate() {
        let read = |mode| Encryption::read(mode, "db.example.com").map(|it| (it.mode, it.is_verified));
        assert_eq!(read(None), Ok((SslMode::Prefer, false)));
        assert_eq!(read(Some("disable")), Ok((SslMode::Disable, false)));
        for mode in ["allow", "prefer"] {
            assert_eq!(read(Some(mode)), Ok((SslMode::Prefer, false)), "{mode}");
        }
        assert_eq!(read(Some("require")), Ok((SslMode::Require, false)));
        for mode in ["verify-ca", "verify-full"] {
            assert_eq!(read(Some(mode)), Ok((SslMode::Require, true)), "{mode}");
        }
        assert_eq!(read(Some("perhaps")), Err("has the unknown sslmode `perhaps`".to_owned()));
    }

    #[test]
    fn connections_to_this_machine_are_encrypted_only_if_sslmode_says_so() {
        for host in ["localhost", "127.0.0.1", "::1", "[::1]", "/var/run/postgresql"] {
            let target = DatabaseTarget::new(settings(host)).unwrap();
            assert!(target.tls().is_none(), "{host}");
            let asked = Settings { sslmode: Some("require".to_owned()), ..settings(host) };
            assert!(DatabaseTarget::new(asked).unwrap().tls().is_some(), "{host}");
        }
        assert!(DatabaseTarget::new(settings("db.example.com")).unwrap().tls().is_some());
    }

    #[test]
    fn the_database_has_the_name_of_the_user_by_default_and_no_password_is_shown() {
        let target = DatabaseTarget::new(settings("db.example.com")).unwrap();
        assert_eq!(format!("{target:?}"), "db.example.com:5432/me");
        assert_eq!(target.shown(), "db.example.com:5432/me");
        let missing = Settings {
            sslmode: Some("verify-full".to_owned()),
            sslrootcert: Some("/no/such/file".to_owned()),
            ..settings("db.example.com")
        };
        let problem = DatabaseTarget::new(missing).unwrap_err();
        assert!(problem.contains("sslrootcert") && !problem.contains("hidden"), "{problem}");
    }

    #[test]
    fn sessions_are_shared_only_between_equal_targets() {
        let key = |settings: Settings| DatabaseTarget::new(settings).unwrap().session_key().to_owned();
        let with_sslmode =
            |mode: &str| Settings { sslmode: Some(mode.to_owned()), ..settings("db.example.com") };
        let ours = key(settings("db.example.com"));
        assert_eq!(ours, key(settings("db.example.com")));
        let others = [
            settings("other.example.com"),
            Settings { port: 6543, ..settings("db.example.com") },
            Settings { user: "you".to_owned(), ..settings("db.example.com") },
            Settings { password: None, ..settings("db.example.com") },
            with_sslmode("disable"),
            with_sslmode("require"),
        ];
        for other in others {
            assert_ne!(ours, key(other));
        }
        assert_ne!(
            key(with_sslmode("require")),
            key(with_sslmode("verify-full")),
            "a target that checks the certificate must not use sessions that did not check it"
        );
        let target = DatabaseTarget::new(settings("db.example.com")).unwrap();
        assert_ne!(
            ours,
            target.with_search_path("\"shop\"".to_owned()).session_key(),
            "with another search path, a name means another table"
        );
    }
}
