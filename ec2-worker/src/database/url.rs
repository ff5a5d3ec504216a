//! Reads the URL of a database, as JDBC or PostgreSQL writes it.

use postgres_connect::{DatabaseTarget, DatabaseUrl, Settings};

use crate::sql::identifier;

/// Reads a URL (`jdbc:postgresql://host:port/database?sslmode=require`, or without `jdbc:`).
///
/// `properties` are `A=B` as in `jdbcProperties`; a value given beside the URL takes precedence over a value in the
/// URL, except for the database.
///
/// # Errors
///
/// If a part of the URL is not understood. The message names the part, and never quotes a password.
pub fn parse(
    url: &str,
    user: Option<&str>,
    password: Option<&str>,
    database: Option<&str>,
    properties: &[String],
) -> Result<DatabaseTarget, String> {
    let url = read(url)?;
    let mut settings = DriverSettings::default();
    for (key, value) in &url.settings {
        settings.set(key, value);
    }
    for (index, property) in properties.iter().enumerate() {
        // The message does not quote the property, which may be a password.
        let (key, value) = property.split_once('=').ok_or_else(|| {
            format!("has a property that is not name=value (jdbcProperties, value {})", index + 1)
        })?;
        settings.set(key.trim(), value.trim());
    }
    let user = user.map(str::to_owned).or(settings.user).or(url.user);
    let target = DatabaseTarget::new(Settings {
        application: "ec2-worker",
        host: url.host,
        port: url.port.unwrap_or(if url.scheme == "redshift" { 5439 } else { 5432 }),
        user: user.ok_or("names no user; give `username`")?,
        password: password.map(str::to_owned).or(settings.password).or(url.password),
        database: url.database.or_else(|| database.map(str::to_owned)),
        sslmode: settings.sslmode,
        sslrootcert: settings.sslrootcert,
    })?;
    Ok(match settings.search_path {
        Some(schemas) => target.with_search_path(schemas),
        None => target,
    })
}

/// Checks whether this worker can connect to a database with this URL. The value of an expression in the URL is
/// unknown before a run, so of a URL with an expression only the scheme is checked, if it precedes the expression.
///
/// # Errors
///
/// If the worker cannot connect. The message says why, and never quotes a password.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    match plain(url).split_once("#{") {
        None => read(url).map(drop),
        Some((known, _)) => known.split_once(':').map_or(Ok(()), |(scheme, _)| check_scheme(scheme)),
    }
}

fn read(url: &str) -> Result<DatabaseUrl, String> {
    let parsed = DatabaseUrl::parse(plain(url)).map_err(|error| format!("is not a database URL: {error}"))?;
    check_scheme(&parsed.scheme).map(|()| parsed)
}

fn plain(url: &str) -> &str {
    url.trim().strip_prefix("jdbc:").unwrap_or(url.trim())
}

fn check_scheme(scheme: &str) -> Result<(), String> {
    if matches!(scheme, "postgresql" | "postgres" | "redshift") {
        return Ok(());
    }
    Err(format!("is for `{scheme}`; ec2-worker speaks PostgreSQL only"))
}

/// The settings of the JDBC driver that this worker uses.
#[derive(Default)]
struct DriverSettings {
    sslmode: Option<String>,
    sslrootcert: Option<String>,
    user: Option<String>,
    password: Option<String>,
    /// The schemas of `currentSchema` or of `options`, quoted.
    search_path: Option<String>,
}

impl DriverSettings {
    fn set(&mut self, key: &str, value: &str) {
        let value = value.to_owned();
        match key {
            "sslmode" => self.sslmode = Some(value),
            // `ssl` is an older setting of the JDBC driver. `sslmode` takes precedence over it.
            "ssl" if value != "false" => {
                self.sslmode = Some(self.sslmode.take().unwrap_or_else(|| "verify-full".to_owned()))
            }
            "sslrootcert" => self.sslrootcert = Some(value),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "currentSchema" => self.search_path = quoted_list(&value),
            // In the JDBC driver, `currentSchema` takes precedence over `options`.
            "options" if self.search_path.is_none() => self.search_path = path_of_options(&value),
            // This worker ignores the other properties of the JDBC driver.
            _ => {}
        }
    }
}

/// Returns a list of schemas as SQL writes it; `None` if the list is empty. A name in quotes may contain commas, and keeps
/// its capital letters.
fn quoted_list(schemas: &str) -> Option<String> {
    let (mut names, mut name, mut is_quoted) = (Vec::new(), String::new(), false);
    for letter in schemas.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => names.push(std::mem::take(&mut name)),
            // As PostgreSQL does, for a name without quotes.
            _ if !is_quoted => name.extend(letter.to_lowercase()),
            _ => name.push(letter),
        }
    }
    names.push(name);
    let quoted = names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).map(identifier);
    let quoted: Vec<String> = quoted.collect();
    (!quoted.is_empty()).then(|| quoted.join(", "))
}

/// Returns the search path that the options of a server name (`-c search_path=a,b` or `--search_path=a,b`). A backslash
/// makes a space part of a value.
fn path_of_options(options: &str) -> Option<String> {
    const SPACE: char = '\u{0}';
    let joined = options.replace("\\ ", &SPACE.to_string());
    let words = joined.split_whitespace();
    let settings = words.map(|word| word.strip_prefix("--").or(word.strip_prefix("-c")).unwrap_or(word));
    let path = settings.filter_map(|setting| setting.strip_prefix("search_path=")).next_back()?;
    quoted_list(&path.replace(SPACE, " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jdbc_url_gives_host_port_database_and_tls() {
        let target = parse(
            "jdbc:postgresql://db.example.com:6543/shop?sslmode=require",
            Some("etl"),
            Some("secret"),
            None,
            &[],
        );
        let target = target.expect("legal");
        assert_eq!(target.shown(), "db.example.com:6543/shop");
        assert!(target.tls().is_some());
        assert_eq!(format!("{target:?}"), "db.example.com:6543/shop");
    }

    #[test]
    fn the_url_may_contain_user_and_password() {
        let target = parse("postgres://me:p%40ss@127.0.0.1/x", None, None, None, &[]).expect("legal");
        assert_eq!(target.config().get_user(), Some("me"));
        assert_eq!(target.config().get_password(), Some(&b"p@ss"[..]));
        assert!(target.tls().is_none());
    }

    #[test]
    fn a_url_of_another_database_is_refused_with_its_scheme() {
        let problem = parse("jdbc:mysql://host/db", Some("me"), None, None, &[]).expect_err("refused");
        assert_eq!(problem, "is for `mysql`; ec2-worker speaks PostgreSQL only");
        assert!(parse("jdbc:postgresql://host/db", None, None, None, &[]).is_err());
    }

    #[test]
    fn the_search_path_is_that_of_current_schema_or_of_the_options() {
        for (settings, properties, wanted) in [
            ("", &[][..], None),
            ("?currentSchema=shop", &[], Some("\"shop\"")),
            ("?currentSchema=Shop, public", &[], Some("\"shop\", \"public\"")),
            ("?currentSchema=%22A,b%22,c", &[], Some("\"A,b\", \"c\"")),
            ("?currentSchema=", &[], None),
            ("?options=-c%20search_path=a,b", &[], Some("\"a\", \"b\"")),
            ("?options=-c%20statement_timeout=5%20--search_path=a", &[], Some("\"a\"")),
            ("", &["options=-csearch_path=a,\\ b"], Some("\"a\", \"b\"")),
            ("?options=-csearch_path=a&currentSchema=b", &[], Some("\"b\"")),
            ("?currentSchema=a", &["currentSchema=b"], Some("\"b\"")),
        ] {
            let properties: Vec<String> = properties.iter().map(|text| (*text).to_owned()).collect();
            let url = format!("jdbc:postgresql://db.example.com/shop{settings}");
            let target = parse(&url, Some("etl"), None, None, &properties).expect("legal");
            assert_eq!(target.search_path(), wanted, "{settings} {properties:?}");
        }
    }
}
