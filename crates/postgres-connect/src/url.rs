//! Splits a database URL into its parts.

use url::Url;

pub use url::ParseError;

/// The parts of a database URL, decoded. An empty part counts as absent.
///
/// The type has no `Debug`, because it holds the password.
pub struct DatabaseUrl {
    /// The word before the first colon, such as `postgresql`.
    pub scheme: String,
    /// The host; an IPv6 address stands in brackets.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The settings after the question mark, in their order.
    pub settings: Vec<(String, String)>,
}

impl DatabaseUrl {
    /// Reads `scheme://user:password@host:port/database?setting=value`.
    ///
    /// # Errors
    ///
    /// If the text is not a URL. The error never quotes the text, because it may contain a password.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let url = Url::parse(text)?;
        let settings = url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned()));
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str().and_then(decoded),
            port: url.port(),
            user: decoded(url.username()),
            password: url.password().and_then(decoded),
            database: decoded(url.path().trim_start_matches('/')),
            settings: settings.collect(),
        })
    }
}

/// Decodes the percent escapes of a part before the question mark, where a plus sign is not a space. Returns `None` if the
/// part is empty.
fn decoded(text: &str) -> Option<String> {
    let kept = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let decoded = url::form_urlencoded::parse(kept.as_bytes()).next().map(|(key, _)| key.into_owned());
    decoded.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_decoded_and_a_plus_sign_is_a_plus_sign_but_in_a_setting() {
        let url = DatabaseUrl::parse("postgres://me+you:p%40+s%3Ds@db.example.com:6543/a%20b?x=1+2&y=%2B&x=");
        let url = url.unwrap();
        assert_eq!((url.scheme.as_str(), url.port), ("postgres", Some(6543)));
        let parts = [url.host, url.user, url.password, url.database].map(Option::unwrap);
        assert_eq!(parts, ["db.example.com", "me+you", "p@+s=s", "a b"]);
        let settings = [("x", "1 2"), ("y", "+"), ("x", "")].map(|(key, value)| (key.into(), value.into()));
        assert_eq!(url.settings, settings);
    }

    #[test]
    fn an_empty_part_is_absent() {
        let url = DatabaseUrl::parse("postgres:///").unwrap();
        assert_eq!([url.host, url.user, url.password, url.database], [None, None, None, None]);
        assert_eq!((url.port, url.settings), (None, vec![]));
    }
}
