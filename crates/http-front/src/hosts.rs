//! The hosts that an endpoint answers to.
//!
//! An attacker can let the name of a page point to this machine after a browser has loaded the page ("DNS rebinding"). The
//! browser then lets the page call the endpoints, but it sends the name of the page as the host. So an endpoint answers only to
//! names that always belong to this machine, to addresses, which no page can take over, and to names that its user gave.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::HOST;
use http::{HeaderValue, Request};

/// The name of this machine for itself. Browsers never look up this name or a name below it (RFC 6761, section 6.3).
const LOCALHOST: &str = "localhost";

/// The names that an endpoint answers to, in addition to all IP addresses, `localhost` and the names below `localhost`.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    names: Vec<String>,
}

/// The reason why the host of a request is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The request has no header `Host`, or more than one.
    #[error("the request must have the header Host exactly once")]
    NotOne,
    /// The endpoint does not answer to this host.
    #[error(
        "this endpoint does not serve the host `{0}`: use localhost, a name below it, or an address; or give the name to the \
         server with --host-name"
    )]
    Unknown(String),
}

impl Hosts {
    /// Returns the hosts of an endpoint whose user gave these names. Each name also stands for all names below it.
    pub fn with_names(names: impl IntoIterator<Item = String>) -> Self {
        let tidy = |name: String| name.trim_matches('.').to_ascii_lowercase();
        Self { names: names.into_iter().map(tidy).filter(|name| !name.is_empty()).collect() }
    }

    /// Returns the names that the user gave, in lower case.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Checks the host of a request, and copies the host of an absolute request target into the `Host` header.
    ///
    /// # Errors
    ///
    /// [`HostError`] if the request does not have exactly one host, or if the endpoint does not answer to it.
    pub fn check<B>(&self, request: &mut Request<B>) -> Result<(), HostError> {
        let unknown = |host: &[u8]| HostError::Unknown(String::from_utf8_lossy(host).into_owned());
        let count = request.headers().get_all(HOST).iter().count();
        // RFC 9112, section 3.2.2: the host of an absolute target replaces the host in the header.
        if let Some(authority) = request.uri().authority().filter(|_| count < 2) {
            let authority = authority.as_str();
            let host = HeaderValue::from_str(authority).map_err(|_| unknown(authority.as_bytes()))?;
            request.headers_mut().insert(HOST, host);
        }
        let mut hosts = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(HostError::NotOne) };
        let is_served = host.to_str().is_ok_and(|host| self.serves(host));
        if is_served { Ok(()) } else { Err(unknown(host.as_bytes())) }
    }

    /// Returns whether the endpoint answers to this host, which may have a port.
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        if is_address(host) {
            return true;
        }
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_below = |domain: &str| {
            name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || is_prefix_of_labels(rest))
        };
        is_address(&name) || is_below(LOCALHOST) || self.names.iter().any(|domain| is_below(domain))
    }
}

/// Returns whether `rest` is labels with a dot after each, such as `data.` of `data.localhost`.
fn is_prefix_of_labels(rest: &str) -> bool {
    let Some(labels) = rest.strip_suffix('.') else { return false };
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    labels.split('.').all(|label| !label.is_empty() && label.bytes().all(is_legal))
}

/// Returns whether a host is an IP address, with or without a port.
#[must_use]
pub fn is_address(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.parse::<SocketAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
        || bracketed.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// Returns the host without its port.
#[must_use]
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &Hosts, target: &str, headers: &[&str]) -> Result<String, HostError> {
        let mut request = Request::builder().uri(target);
        for host in headers {
            request = request.header("host", *host);
        }
        let mut request = request.body(()).expect("the request is well formed");
        hosts.check(&mut request)?;
        Ok(request.headers()[HOST].to_str().expect("a host is text").to_owned())
    }

    #[test]
    fn names_of_this_machine_and_addresses_are_served() {
        for host in [
            "localhost",
            "LOCALHOST:9000",
            "localhost.",
            "localhost:",
            "data.localhost",
            "my.dotted.bucket.s3.localhost:1",
            "127.0.0.1",
            "127.0.0.1:9000",
            "127.0.0.1.",
            "10.0.0.5:80",
            "[::1]",
            "[::1]:9000",
        ] {
            assert!(Hosts::default().serves(host), "{host}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for host in [
            "",
            ":9000",
            ".localhost",
            "a..localhost",
            "example.com",
            "notlocalhost",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "localhost@example.com",
            "example.com@localhost",
            "example.com/.localhost",
            "localhost:9000:9000",
            "localhost:port",
        ] {
            assert!(!Hosts::default().serves(host), "{host}");
        }
    }

    #[test]
    fn a_given_name_is_served_with_all_names_below_it() {
        let hosts = Hosts::with_names(["Stack.Example.com.".to_owned()]);
        assert!(hosts.serves("stack.example.com:80") && hosts.serves("data.stack.example.com"));
        assert!(!hosts.serves("mystack.example.com") && !hosts.serves("example.com"));
    }

    #[test]
    fn a_request_must_have_one_host() {
        let hosts = Hosts::default();
        assert_eq!(check(&hosts, "/", &[]), Err(HostError::NotOne));
        assert_eq!(check(&hosts, "/", &["localhost", "localhost"]), Err(HostError::NotOne));
        assert_eq!(check(&hosts, "/", &["evil.example"]), Err(HostError::Unknown("evil.example".to_owned())));
    }

    #[test]
    fn the_host_of_an_absolute_target_counts() {
        let hosts = Hosts::default();
        assert_eq!(check(&hosts, "http://a.localhost/", &["localhost"]).as_deref(), Ok("a.localhost"));
        assert!(check(&hosts, "http://evil.example/", &["localhost"]).is_err());
    }
}
