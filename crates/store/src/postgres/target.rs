//! URLs of PostgreSQL: where it is, who we are there, and in which schema we keep our tables.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use super::tls;

/// The schema that holds our tables if the URL names no other.
const SCHEMA: &str = "downspout_engine";
/// PostgreSQL cuts longer names.
const LONGEST_NAME: usize = 63;
/// A database that is there answers much sooner.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// Where a PostgreSQL is, and who we are there. Shows host, port and database, never a password.
#[derive(Clone)]
pub struct Target {
    pub(super) config: Config,
    pub(super) tls: Option<MakeRustlsConnect>,
    pub(super) schema: String,
    /// Host, port and database, for messages.
    pub(super) shown: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Target {
    /// Reads a URL, `postgres://user:password@host:port/database?sslmode=verify-full&schema=name`.
    ///
    /// # Errors
    ///
    /// Says what of the URL is not understood; never quotes a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let parsed = Url::parse(url).map_err(|error| format!("does not read: {error}"))?;
        let mut settings = Settings::default();
        for (key, value) in parsed.query_pairs() {
            settings.set(&key, value.into_owned())?;
        }
        let in_url = |text: &str| decoded(text).filter(|text| !text.is_empty());
        let host = settings.host.take().or_else(|| in_url(parsed.host_str().unwrap_or_default()));
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        let port = parsed.port().unwrap_or(5432);
        let user = settings.user.take().or_else(|| in_url(parsed.username()));
        let user = user.ok_or("names no user: write postgres://user@host/database")?;
        let database = in_url(parsed.path().trim_start_matches('/')).unwrap_or_else(|| user.clone());
        let password = settings.password.take().or_else(|| parsed.password().and_then(in_url));

        let mut config = Config::new();
        config.host(host.trim_matches(['[', ']'])).port(port).user(&user).dbname(&database);
        if let Some(password) = password {
            config.password(password);
        }
        config.application_name("downspout").connect_timeout(CONNECT_WAIT);
        // A database whose host is gone says nothing; without these, nobody would notice for hours.
        config.keepalives_idle(Duration::from_secs(30)).keepalives_interval(Duration::from_secs(10));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(60));
        let tls = settings.tls(&host, &mut config)?;
        let schema = settings.schema.unwrap_or_else(|| SCHEMA.to_owned());
        Ok(Self { config, tls, schema, shown: format!("{host}:{port}/{database}") })
    }

    /// Returns the schema's name as SQL writes it.
    pub(super) fn quoted_schema(&self) -> String {
        format!("\"{}\"", self.schema.replace('"', "\"\""))
    }
}

#[derive(Default)]
struct Settings {
    host: Option<String>,
    user: Option<String>,
    password: Option<String>,
    schema: Option<String>,
    ssl: Option<String>,
    root: Option<String>,
}

impl Settings {
    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        match key {
            "host" => self.host = Some(value),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "schema" if value.is_empty() || value.len() > LONGEST_NAME || value.contains('\0') => {
                return Err(format!("names a schema of no use: it takes 1 to {LONGEST_NAME} bytes"));
            }
            "schema" => self.schema = Some(value),
            "sslmode" => self.ssl = Some(value),
            "sslrootcert" => self.root = Some(value),
            other => {
                return Err(format!(
                    "has the unknown setting {other:?}; there are host, user, password, schema, sslmode and \
                     sslrootcert"
                ));
            }
        }
        Ok(())
    }

    fn tls(&self, host: &str, config: &mut Config) -> Result<Option<MakeRustlsConnect>, String> {
        let on_this_machine = matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]");
        // A path is the folder of a socket.
        let on_this_machine = on_this_machine || Path::new(host).is_absolute();
        let (mode, verified) = match self.ssl.as_deref() {
            None if on_this_machine => (SslMode::Disable, false),
            Some("disable") => (SslMode::Disable, false),
            None | Some("allow" | "prefer") => (SslMode::Prefer, false),
            Some("require") => (SslMode::Require, false),
            Some("verify-ca" | "verify-full") => (SslMode::Require, true),
            Some(other) => return Err(format!("has the unknown sslmode {other:?}")),
        };
        config.ssl_mode(mode);
        if mode == SslMode::Disable {
            return Ok(None);
        }
        tls::connector(verified, self.root.as_deref()).map(Some)
    }
}

/// Decodes percent signs, as a form does; outside of a query a plus sign is a plus sign.
fn decoded(text: &str) -> Option<String> {
    let kept = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(kept.as_bytes()).next().map(|(key, _)| key.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_host_user_database_schema_and_tls() {
        let url = "postgres://me:p%40ss@db.example.com:6543/p?sslmode=require&schema=other";
        let target = Target::parse(url).unwrap();
        assert_eq!(format!("{target:?}"), "db.example.com:6543/p");
        assert_eq!(target.config.get_user(), Some("me"));
        assert_eq!(target.config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(target.quoted_schema(), "\"other\"");
        assert!(target.tls.is_some());
        let target = Target::parse("postgresql://me@localhost").unwrap();
        assert_eq!((target.shown.as_str(), target.schema.as_str()), ("localhost:5432/me", SCHEMA));
        assert!(target.tls.is_none());
        let target = Target::parse("postgres://me@/p?host=/var/run/postgresql").or_else(|_| {
            // `Url` wants a host where there is a user.
            Target::parse("postgres:///p?user=me&host=/var/run/postgresql")
        });
        assert_eq!(target.unwrap().shown, "/var/run/postgresql:5432/p");
    }

    #[test]
    fn what_is_not_understood_is_told_without_the_password() {
        for url in [
            "postgres://me:geheim@host/p?sslmode=perhaps",
            "postgres://me:geheim@host/p?pool=3",
            "postgres://me:geheim@host/p?schema=",
            "postgres://me:geheim@host:port/p",
            "postgres://:geheim@host/p",
            "postgres://me:geheim@host/p?sslmode=verify-full&sslrootcert=/no/such/file",
        ] {
            let problem = Target::parse(url).unwrap_err();
            assert!(!problem.contains("geheim"), "{problem}");
        }
    }
}
