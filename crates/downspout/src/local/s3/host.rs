//! Reads the bucket from the host name of a request, as S3 does ("virtual-hosted-style requests").
//!
//! `BUCKET.localhost` and `BUCKET.s3.localhost` name a bucket. With `localhost`, `s3.localhost` or an IP address, the path
//! names the bucket. Every other host is refused, because a wrong guess would treat a part of the key as the bucket.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request};
use s3s::host::{S3Host, VirtualHost};
use s3s::{S3Error, S3Result, s3_error};

/// The host names of the endpoint. The longest is first: the host `data.s3.localhost` names the bucket `data`, not `data.s3`.
const DOMAINS: [&str; 2] = ["s3.localhost", "localhost"];

/// Finds, for `s3s`, the bucket that a host names.
pub(super) struct LocalDomains;

impl S3Host for LocalDomains {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let named = VirtualHost::new(host);
        Ok(match bucket_of(host)? {
            Some(bucket) => named.with_bucket(bucket),
            None => named,
        })
    }
}

/// Checks the host of a request, and copies the host of an absolute request target into the `Host` header.
///
/// Fails if the request does not have exactly one host, if the host is unknown, or if the host names the bucket and the
/// signature does not cover the host.
pub(super) fn check_host<B>(request: &mut Request<B>) -> S3Result<()> {
    let count = request.headers().get_all(HOST).iter().count();
    // RFC 9112, section 3.2.2: the host of an absolute target replaces the host in the header.
    if let Some(authority) = request.uri().authority().filter(|_| count < 2) {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| unknown_host(authority.as_str()))?;
        request.headers_mut().insert(HOST, host);
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(s3_error!(InvalidRequest, "the request must have the header Host exactly once"));
    };
    let host = host.to_str().map_err(|_| unknown_host(&String::from_utf8_lossy(host.as_bytes())))?;
    // Without this check, a signed request for one bucket could be sent again to another bucket.
    if bucket_of(host)?.is_some() && leaves_host_unsigned(request) {
        return Err(s3_error!(
            AccessDenied,
            "the signature must cover the header Host, which names the bucket"
        ));
    }
    Ok(())
}

/// Returns the bucket that a host names, or `None` if the bucket is in the path. Fails if the host is unknown.
fn bucket_of(host: &str) -> S3Result<Option<String>> {
    if is_address(host) {
        return Ok(None);
    }
    let name = without_port(host);
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if is_address(&name) {
        return Ok(None);
    }
    for domain in DOMAINS {
        match name.strip_suffix(domain) {
            Some("") => return Ok(None),
            Some(rest) if rest.ends_with('.') => {
                let bucket = &rest[..rest.len() - 1];
                return if is_ambiguous(bucket) {
                    Err(unknown_host(host))
                } else {
                    Ok(Some(bucket.to_owned()))
                };
            }
            _ => {}
        }
    }
    Err(unknown_host(host))
}

/// Returns whether the host of this bucket could be taken for the endpoint or for the host of another bucket. For example,
/// `data.s3.localhost` is the host of the bucket `data`, so no bucket may have the name `data.s3`.
pub(super) fn is_ambiguous(bucket: &str) -> bool {
    bucket.split('.').any(|label| label.eq_ignore_ascii_case("s3"))
}

fn is_address(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.parse::<SocketAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
        || bracketed.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Returns whether the request has a signature of version 4 that does not cover the `Host` header.
///
/// A signature of version 2 covers the bucket itself.
fn leaves_host_unsigned<B>(request: &Request<B>) -> bool {
    let leaves_out = |names: &str| !names.split(';').any(|name| name.eq_ignore_ascii_case("host"));
    let header =
        request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut in_header = header.split([',', ' ']).filter_map(|word| word.strip_prefix("SignedHeaders="));
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let mut in_query = url::form_urlencoded::parse(query).filter(|(name, _)| name == "X-Amz-SignedHeaders");
    in_header.any(leaves_out) || in_query.any(|(_, names)| leaves_out(&names))
}

fn unknown_host(host: &str) -> S3Error {
    s3_error!(
        InvalidRequest,
        "this S3 does not serve the host `{host}`: use localhost, s3.localhost or 127.0.0.1 with the bucket in the path, \
         or BUCKET.localhost or BUCKET.s3.localhost"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(bucket_of(host).unwrap().as_deref(), Some(bucket), "{host}");
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
            assert_eq!(bucket_of(host).unwrap(), None, "{host}");
        }
    }

    #[test]
    fn any_other_host_is_refused() {
        for host in [
            "",
            ":9000",
            "example.com",
            "data.example.com",
            "s3.amazonaws.com",
            "notlocalhost",
            "localhost.example.com",
            "data.localhost@example.com",
            "data.localhost:9000:9000",
            "localhost:port",
            "data.s3.s3.localhost",
            "s3.us-east-1.localhost",
            "data.s3.us-east-1.localhost",
        ] {
            let refused = bucket_of(host).unwrap_err();
            assert_eq!(refused.code(), &s3s::S3ErrorCode::InvalidRequest, "{host}");
        }
    }
}
