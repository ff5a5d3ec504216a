//! JDBC and PostgreSQL URLs.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use super::tls;

/// Where a database is, and who we are there.
#[derive(Clone)]
pub struct Target {
    pub(super) config: Config,
    pub(super) tls: Option<MakeRustlsConnect>,
    /// Tells sessions of one user at one database from others; with the password, so never to be shown.
    pub(super) key: String,
    /// Host, port and database, for messages.
    pub(super) shown: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Target {
    /// Reads a URL (`jdbc:postgresql://host:port/database?sslmode=require`, or without `jdbc:`).
    ///
    /// `properties` are `A=B` as in `jdbcProperties`; what is given beside the URL wins.
    ///
    /// # Errors
    ///
    /// Says what of the URL is not understood; never quotes a password.
    pub fn parse(
        url: &str,
        user: Option<&str>,
        password: Option<&str>,
        database: Option<&str>,
        properties: &[String],
    ) -> Result<Self, String> {
        let parsed = read(url)?;
        let host = parsed.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
        let port = parsed.port().unwrap_or(if parsed.scheme() == "redshift" { 5439 } else { 5432 });
        let mut config = Config::new();
        config.host(host.trim_matches(['[', ']'])).port(port);
        config.application_name("ec2-worker").connect_timeout(Duration::from_secs(10));
        // A database whose host is gone says nothing; without these, nobody would notice for hours.
        config.keepalives_idle(Duration::from_secs(30)).keepalives_interval(Duration::from_secs(10));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(60));
        let mut settings = Settings { ssl: None, root: None, user: None, password: None };
        for (key, value) in parsed.query_pairs() {
            settings.set(&key, &value);
        }
        for property in properties {
            if let Some((key, value)) = property.split_once('=') {
                settings.set(key.trim(), value.trim());
            }
        }
        let in_url = |text: &str| decoded(text).filter(|text| !text.is_empty());
        let user = user.map(str::to_owned).or(settings.user.take()).or_else(|| in_url(parsed.username()));
        let user = user.ok_or("names no user; give `username`")?;
        config.user(&user);
        let password = password.map(str::to_owned).or(settings.password.take());
        if let Some(password) = password.or_else(|| parsed.password().and_then(in_url)) {
            config.password(password);
        }
        let path = in_url(parsed.path().trim_start_matches('/'));
        let database = path.or_else(|| database.map(str::to_owned)).unwrap_or_else(|| user.clone());
        config.dbname(&database);
        let tls = settings.tls(host, &mut config)?;
        let shown = format!("{host}:{port}/{database}");
        let key = format!("{user}@{shown} {:?} {:?}", config.get_password(), config.get_ssl_mode());
        Ok(Self { config, tls, key, shown })
    }
}

/// Returns whether this worker can speak to the database at `url`, as far as that tells: what an expression in it stands
/// for is not known.
///
/// # Errors
///
/// Says why not; never quotes a password.
pub(crate) fn speaks(url: &str) -> Result<(), String> {
    match plain(url).split_once("#{") {
        None => read(url).map(drop),
        Some((known, _)) => known.split_once(':').map_or(Ok(()), |(scheme, _)| spoken(scheme)),
    }
}

fn read(url: &str) -> Result<Url, String> {
    let parsed = Url::parse(plain(url)).map_err(|error| format!("is not a database URL: {error}"))?;
    spoken(parsed.scheme()).map(|()| parsed)
}

fn plain(url: &str) -> &str {
    url.trim().strip_prefix("jdbc:").unwrap_or(url.trim())
}

fn spoken(scheme: &str) -> Result<(), String> {
    if matches!(scheme, "postgresql" | "postgres" | "redshift") {
        return Ok(());
    }
    Err(format!("is for `{scheme}`; ec2-worker speaks PostgreSQL only"))
}

struct Settings {
    ssl: Option<String>,
    root: Option<String>,
    user: Option<String>,
    password: Option<String>,
}

impl Settings {
    fn set(&mut self, key: &str, value: &str) {
        let value = value.to_owned();
        match key {
            "sslmode" => self.ssl = Some(value),
            // The driver's older spelling.
            "ssl" if value != "false" => {
                self.ssl = Some(self.ssl.take().unwrap_or_else(|| "verify-full".to_owned()))
            }
            "sslrootcert" => self.root = Some(value),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            // Other properties of the Java driver have no meaning here.
            _ => {}
        }
    }

    fn tls(&self, host: &str, config: &mut Config) -> Result<Option<MakeRustlsConnect>, String> {
        let loopback = matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]");
        let (mode, verified) = match self.ssl.as_deref() {
            None if loopback => (SslMode::Disable, false),
            Some("disable") => (SslMode::Disable, false),
            None | Some("allow" | "prefer") => (SslMode::Prefer, false),
            Some("require") => (SslMode::Require, false),
            Some("verify-ca" | "verify-full") => (SslMode::Require, true),
            Some(other) => return Err(format!("has the unknown sslmode `{other}`")),
        };
        config.ssl_mode(mode);
        if mode == SslMode::Disable {
            return Ok(None);
        }
        tls::connector(verified, self.root.as_deref()).map(Some)
    }
}

/// Decodes percent signs, as a form does; in a URL's path and user a plus sign is a plus sign.
fn decoded(text: &str) -> Option<String> {
    let kept = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(kept.as_bytes()).next().map(|(key, _)| key.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jdbc_url_gives_host_port_database_and_tls() {
        let target = Target::parse(
            "jdbc:postgresql://db.example.com:6543/shop?sslmode=require",
            Some("etl"),
            Some("secret"),
            None,
            &[],
        );
        let target = target.expect("legal");
        assert_eq!(target.shown, "db.example.com:6543/shop");
        assert!(target.tls.is_some());
        assert_eq!(format!("{target:?}"), "db.example.com:6543/shop");
    }

    #[test]
    fn user_and_password_may_stand_in_the_url() {
        let target = Target::parse("postgres://me:p%40ss@127.0.0.1/x", None, None, None, &[]).expect("legal");
        assert_eq!(target.config.get_user(), Some("me"));
        assert_eq!(target.config.get_password(), Some(&b"p@ss"[..]));
        assert!(target.tls.is_none());
    }

    #[test]
    fn what_is_not_postgresql_is_said_so() {
        let problem =
            Target::parse("jdbc:mysql://host/db", Some("me"), None, None, &[]).expect_err("refused");
        assert_eq!(problem, "is for `mysql`; ec2-worker speaks PostgreSQL only");
        assert!(Target::parse("jdbc:postgresql://host/db", None, None, None, &[]).is_err());
    }
}
