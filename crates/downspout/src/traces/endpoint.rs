//! The address of a collector of traces.

use std::str::FromStr;

use url::Url;

/// The address of a collector, without the path that OTLP adds for traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(Url);

/// The reason why a text is not the address of a collector. It does not quote the text, which may have a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("write the address of a collector, such as http://127.0.0.1:4318")]
    NoUrl,
    #[error(
        "write an address without user, password, `?` and `#`; a key for the collector belongs in OTEL_EXPORTER_OTLP_HEADERS"
    )]
    TooMuch,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or(EndpointError::NoUrl)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::TooMuch);
        }
        Ok(Self(url))
    }
}

impl Endpoint {
    /// Returns the address to which traces go.
    pub(super) fn traces(&self) -> Url {
        let mut url = self.0.clone();
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_otlp_comes_after_that_of_the_address() {
        for (text, traces) in [
            ("http://host:4318", "http://host:4318/v1/traces"),
            ("http://host:4318/", "http://host:4318/v1/traces"),
            ("https://host/otlp/", "https://host/otlp/v1/traces"),
        ] {
            let endpoint: Endpoint = text.parse().expect("an address");
            assert_eq!(endpoint.traces().as_str(), traces);
        }
    }

    #[test]
    fn other_texts_are_refused_without_being_quoted() {
        for text in ["", "host:4318", "127.0.0.1:4318", "grpc://host:4317", "http://"] {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError::NoUrl), "{text}");
        }
        for text in
            ["http://me:hidden@host", "http://hidden@host", "http://host?key=hidden", "http://host#hidden"]
        {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }
}
