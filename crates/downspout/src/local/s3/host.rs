//! Reads the bucket from the host name of a request, as S3 does ("virtual-hosted-style requests").
//!
//! `BUCKET.localhost` and `BUCKET.s3.localhost` name a bucket. With `localhost`, `s3.localhost` or an IP address, the path
//! names the bucket. The same holds for a name that the user gave in the place of `localhost`. Every other host is refused,
//! because a wrong guess would treat a part of the key as the bucket.

use http::Request;
use http::header::HOST;
use http_front::{HostError, Hosts, is_address, without_port};
use s3s::host::{S3Host, VirtualHost};
use s3s::{S3Result, s3_error};
use sigv4::s3::Refusal;

/// Finds the buckets that hosts name.
#[derive(Clone)]
pub(super) struct Domains {
    hosts: Hosts,
    /// The host names of the endpoint. A longer one comes before a shorter one that it ends with: the host
    /// `data.s3.localhost` names the bucket `data`, not `data.s3`.
    names: Vec<String>,
}

impl Domains {
    /// Returns the domains of an endpoint that answers to `hosts`.
    pub(super) fn new(hosts: Hosts) -> Self {
        let own = hosts.names().iter().map(String::as_str).chain(["localhost"]);
        let mut names: Vec<String> = own.flat_map(|name| [format!("s3.{name}"), name.to_owned()]).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Self { hosts, names }
    }

    /// Checks the host of a request, and returns the bucket that it names, or `None` if the bucket is in the path.
    ///
    /// Fails if the request does not have exactly one host, or if the host is unknown.
    pub(super) fn check<B>(&self, request: &mut Request<B>) -> Result<Option<String>, Refusal> {
        self.hosts.check(request).map_err(|error| match error {
            HostError::Unknown(host) => unknown_host(&host),
            HostError::NotOne => Refusal::invalid_request(error.to_string()),
        })?;
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        self.bucket_of(host).ok_or_else(|| unknown_host(host))
    }

    /// Returns the bucket that a host names, or `Some(None)` if the bucket is in the path. Returns `None` if the host is
    /// unknown.
    fn bucket_of(&self, host: &str) -> Option<Option<String>> {
        if is_address(host) {
            return Some(None);
        }
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if is_address(&name) {
            return Some(None);
        }
        let rest = self.names.iter().find_map(|domain| {
            name.strip_suffix(domain.as_str()).filter(|rest| rest.is_empty() || rest.ends_with('.'))
        })?;
        match rest.strip_suffix('.') {
            None => Some(None),
            Some(bucket) => Some(Some(bucket.to_owned())).filter(|_| !is_ambiguous(bucket)),
        }
    }
}

impl S3Host for Domains {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let named = VirtualHost::new(host);
        match self.bucket_of(host) {
            Some(Some(bucket)) => Ok(named.with_bucket(bucket)),
            Some(None) => Ok(named),
            None => Err(s3_error!(InvalidRequest, "{}", unknown_host(host).message)),
        }
    }
}

/// Returns whether the host of this bucket could be mistaken for the endpoint or for the host of another bucket. For example,
/// `data.s3.localhost` is the host of the bucket `data`, so no bucket may have the name `data.s3`.
pub(super) fn is_ambiguous(bucket: &str) -> bool {
    bucket.split('.').any(|label| label.eq_ignore_ascii_case("s3"))
}

fn unknown_host(host: &str) -> Refusal {
    Refusal::invalid_request(format!(
        "this S3 does not serve the host `{host}`: use localhost, s3.localhost or 127.0.0.1 with the bucket in the path, \
         or BUCKET.localhost or BUCKET.s3.localhost; or give the name of this machine to `downspout up` with --host-name"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket_of(host: &str) -> Option<Option<String>> {
        Domains::new(Hosts::default()).bucket_of(host)
    }

    #[test]
    fn a_host_below_the_domains_names_a_bucket() {
        for (host, bucket) in [
            ("data.localhost", "data"),
            ("data.localhost:9000", "data"),
            ("data.s3.localhost", "data"),
            ("DATA.S3.LocalHost:9000", "data"),
            ("data.localhost.", "data"),
            ("my.dotted.bucket.localhost", "my.dotted.bucket"),
            ("my.dotted.bucket.s3.localhost:1", "my.dotted.bucket"),
        ] {
            assert_eq!(bucket_of(host), Some(Some(bucket.to_owned())), "{host}");
        }
    }

    #[test]
    fn the_domains_and_addresses_name_no_bucket() {
        for host in [
            "localhost",
            "localhost:9000",
            "LOCALHOST",
            "localhost.",
            "localhost:",
            "s3.localhost",
            "s3.localhost:9000",
            "127.0.0.1",
            "127.0.0.1:9000",
            "[::1]",
            "[::1]:9000",
        ] {
            assert_eq!(bucket_of(host), Some(None), "{host}");
        }
    }

    #[test]
    fn any_other_host_is_unknown() {
        for host in
            ["example.com", "data.s3.s3.localhost", "s3.us-east-1.localhost", "data.s3.us-east-1.localhost"]
        {
            assert_eq!(bucket_of(host), None, "{host}");
        }
    }

    #[test]
    fn a_name_that_the_user_gave_is_a_domain() {
        let domains = Domains::new(Hosts::with_names(["stack.example.com".to_owned()]));
        assert_eq!(domains.bucket_of("stack.example.com"), Some(None));
        assert_eq!(domains.bucket_of("data.stack.example.com:80"), Some(Some("data".to_owned())));
        assert_eq!(domains.bucket_of("data.s3.stack.example.com"), Some(Some("data".to_owned())));
    }
}
