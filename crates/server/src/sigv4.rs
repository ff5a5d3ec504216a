//! Checks AWS Signature Version 4 on requests whose body has been read.
//!
//! The Data Pipeline endpoint and the local SNS use this module. A [`Verifier`] knows one service, one region and the
//! credentials that may sign. It reads signatures in the `Authorization` header only: only S3 needs presigned URLs.
//!
//! The module is written on `hmac` and `sha2`. The crate `scratchstack-aws-signature` fixes the length of a secret key,
//! needs an IAM principal and a tower service per key, and logs the canonical request, which may carry secrets.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// The limit of AWS on the difference between the date of a request and the clock, in minutes.
const ALLOWED_SKEW_MINUTES: i64 = 15;
/// The characters that are escaped in a name or value of a query.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The characters that are escaped in a path.
const PATH: &AsciiSet = &VALUE.remove(b'/');

/// A pair of keys that may sign requests.
#[derive(Clone)]
pub struct Credentials {
    /// The public part, `AKIA...`.
    pub access_key_id: String,
    /// The secret part. `Debug` does not show it.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Why a request is not accepted.
///
/// `Display` is the text that a client sees. The text has neither keys nor signatures.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The request carries no signature at all.
    #[error("Missing Authentication Token")]
    Missing,
    /// The `Authorization` header lacks a part or cannot be read, or the request has no date in the right form.
    #[error("{0}")]
    Incomplete(String),
    /// The access key is unknown.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The signature is wrong, too old, too new, or for another service or region; or it does not cover a header that
    /// must be signed; or the body does not have the hash that the client sent.
    #[error("{0}")]
    Mismatch(String),
}

impl SignatureError {
    /// Returns the exception's name in the AWS JSON protocols.
    #[must_use]
    pub fn json_code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Mismatch(_) => "InvalidSignatureException",
        }
    }

    /// Returns the error code in the Query protocol, which SNS uses.
    #[must_use]
    pub fn query_code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationToken",
            Self::Incomplete(_) => "IncompleteSignature",
            Self::UnknownKey => "InvalidClientTokenId",
            Self::Mismatch(_) => "SignatureDoesNotMatch",
        }
    }

    /// Returns the HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Incomplete(_) => StatusCode::BAD_REQUEST,
            Self::Missing | Self::UnknownKey | Self::Mismatch(_) => StatusCode::FORBIDDEN,
        }
    }
}

/// Checks the signatures of requests to one service in one region.
#[derive(Clone, Debug)]
pub struct Verifier {
    region: String,
    service: String,
    credentials: Vec<Credentials>,
}

impl Verifier {
    /// Returns a verifier for `service` (the signing name: `datapipeline`, `sns`) in `region`.
    pub fn new(region: impl Into<String>, service: impl Into<String>, credentials: Vec<Credentials>) -> Self {
        Self { region: region.into(), service: service.into(), credentials }
    }

    /// Checks that one of the credentials signed the request, within 15 minutes of `now`.
    ///
    /// `now` must be the time of the system's clock, even when a test sets the service's own clock, because clients
    /// sign with the system's time.
    pub fn verify(&self, parts: &Parts, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
        let header = parts.headers.get(http::header::AUTHORIZATION).ok_or(SignatureError::Missing)?;
        let header = header.to_str().map_err(|_| incomplete("Authorization header must be ASCII."))?;
        let claim = Claim::parse(header)?;
        let (date, sent) = request_date(&parts.headers)?;
        let credentials = self.credentials.iter().find(|known| known.access_key_id == claim.access_key_id);
        let credentials = credentials.ok_or(SignatureError::UnknownKey)?;
        self.check_scope(&claim, date)?;
        check_date(date, sent, now)?;
        check_signed_headers(&claim, &parts.headers)?;
        let text = canonical_request(parts, &claim, &payload_hash(&parts.headers, body)?);
        let to_sign = format!("{ALGORITHM}\n{date}\n{}\n{}", claim.scope, hex::encode(Sha256::digest(&text)));
        let key = signing_key(&credentials.secret_access_key, claim.date, &self.region, &self.service);
        let mut mac = keyed(&key);
        mac.update(to_sign.as_bytes());
        mac.verify_slice(&claim.signature).map_err(|_| does_not_match())
    }

    fn check_scope(&self, claim: &Claim<'_>, date: &str) -> Result<(), SignatureError> {
        if !date.starts_with(claim.date) {
            return Err(mismatch(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{}' != '{}', from '{date}'.",
                claim.date,
                &date[..8],
            )));
        }
        if claim.region != self.region {
            return Err(mismatch(format!(
                "Credential should be scoped to a valid region, not '{}'.",
                claim.region
            )));
        }
        if claim.service != self.service {
            return Err(mismatch(format!(
                "Credential should be scoped to correct service: '{}'.",
                self.service
            )));
        }
        if claim.terminator != TERMINATOR {
            let text = format!("Credential should be scoped with a valid terminator: '{TERMINATOR}'.");
            return Err(mismatch(text));
        }
        Ok(())
    }
}

/// The contents of an `Authorization` header.
struct Claim<'a> {
    access_key_id: &'a str,
    /// `date/region/service/aws4_request`.
    scope: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    signed_headers: &'a str,
    signature: Vec<u8>,
}

impl<'a> Claim<'a> {
    fn parse(header: &'a str) -> Result<Self, SignatureError> {
        let Some(parameters) = header.trim().strip_prefix(ALGORITHM) else {
            let algorithm = header.split_whitespace().next().unwrap_or_default();
            return Err(incomplete(&format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
        };
        let named: BTreeMap<&str, &str> = parameters
            .split(',')
            .filter_map(|parameter| parameter.trim().split_once('='))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let part = |name: &str| {
            let missing = || incomplete(&format!("Authorization header requires '{name}' parameter."));
            named.get(name).copied().filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        let credential = part("Credential")?;
        let bad_credential = || {
            incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
            )
        };
        let (access_key_id, scope) = credential.split_once('/').ok_or_else(bad_credential)?;
        let [date, region, service, terminator] =
            scope.split('/').collect::<Vec<_>>().try_into().map_err(|_| bad_credential())?;
        let signed_headers = part("SignedHeaders")?;
        let signature = hex::decode(part("Signature")?).map_err(|_| does_not_match())?;
        Ok(Self { access_key_id, scope, date, region, service, terminator, signed_headers, signature })
    }
}

/// Returns the request's date, as `YYYYMMDDTHHMMSSZ` and as a time.
fn request_date(headers: &HeaderMap) -> Result<(&str, Timestamp), SignatureError> {
    let header = headers.get("x-amz-date").or_else(|| headers.get(http::header::DATE)).ok_or_else(|| {
        incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    })?;
    let text = header.to_str().unwrap_or_default().trim();
    parse_date(text)
        .map(|sent| (text, sent))
        .ok_or_else(|| incomplete(&format!("Date must be in ISO-8601 'basic format'. Got '{text}'.")))
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn check_date(date: &str, sent: Timestamp, now: Timestamp) -> Result<(), SignatureError> {
    let window = jiff::SignedDuration::from_mins(ALLOWED_SKEW_MINUTES);
    let (earliest, latest) = (now - window, now + window);
    let basic = |time: Timestamp| time.strftime("%Y%m%dT%H%M%SZ").to_string();
    if sent < earliest {
        let (limit, now_text) = (basic(earliest), basic(now));
        return Err(mismatch(format!(
            "Signature expired: {date} is now earlier than {limit} ({now_text} - {ALLOWED_SKEW_MINUTES} min.)"
        )));
    }
    if sent > latest {
        let (limit, now_text) = (basic(latest), basic(now));
        return Err(mismatch(format!(
            "Signature not yet current: {date} is still later than {limit} ({now_text} + {ALLOWED_SKEW_MINUTES} min.)"
        )));
    }
    Ok(())
}

/// Requires a signature over the headers that decide the meaning of a request: host, date, and the operation.
fn check_signed_headers(claim: &Claim<'_>, headers: &HeaderMap) -> Result<(), SignatureError> {
    let signed: Vec<&str> = claim.signed_headers.split(';').collect();
    let date = if headers.contains_key("x-amz-date") { "x-amz-date" } else { "date" };
    for required in ["host", date, "x-amz-target"] {
        let must = required == "host" || headers.contains_key(required);
        if must && !signed.contains(&required) {
            return Err(mismatch(format!("'{required}' must be a 'SignedHeader' in the AWS Authorization.")));
        }
    }
    Ok(())
}

/// Returns the hash of the body in hexadecimal, with which the canonical request ends. Fails if the client sent another
/// hash in `x-amz-content-sha256`.
fn payload_hash(headers: &HeaderMap, body: &[u8]) -> Result<String, SignatureError> {
    let actual = hex::encode(Sha256::digest(body));
    match headers.get("x-amz-content-sha256") {
        Some(stated) if stated.as_bytes() != actual.as_bytes() => Err(mismatch(
            "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned(),
        )),
        _ => Ok(actual),
    }
}

fn canonical_request(parts: &Parts, claim: &Claim<'_>, payload_hash: &str) -> String {
    let path = canonical_path(parts.uri.path());
    let query = canonical_query(parts.uri.query().unwrap_or_default());
    let mut text = format!("{}\n{path}\n{query}\n", parts.method);
    for name in claim.signed_headers.split(';') {
        let values = parts.headers.get_all(name).iter().map(|value| trimmed(value.as_bytes()));
        text.push_str(&format!("{name}:{}\n", values.collect::<Vec<_>>().join(",")));
    }
    text.push_str(&format!("\n{}\n{payload_hash}", claim.signed_headers));
    text
}

/// Encodes the path, which the client sent encoded, a second time. Every service except S3 does so.
fn canonical_path(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { utf8_percent_encode(path, PATH).to_string() }
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (reencode(name), reencode(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn reencode(text: &str) -> String {
    percent_encode(&percent_decode_str(text).collect::<Vec<u8>>(), VALUE).to_string()
}

/// Removes the blanks at both ends of a header value, and replaces several blanks inside by one, as the canonical form
/// requires.
fn trimmed(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> Vec<u8> {
    let first = format!("AWS4{secret}").into_bytes();
    [date, region, service, TERMINATOR].iter().fold(first, |key, part| {
        let mut mac = keyed(&key);
        mac.update(part.as_bytes());
        mac.finalize().into_bytes().to_vec()
    })
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn incomplete(text: &str) -> SignatureError {
    SignatureError::Incomplete(text.to_owned())
}

fn mismatch(text: String) -> SignatureError {
    SignatureError::Mismatch(text)
}

fn does_not_match() -> SignatureError {
    mismatch(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// The date of the requests in AWS's own test suite; the key and the scope below are from there, too.
    const DATE: &str = "20150830T123600Z";

    fn verifier() -> Verifier {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        Verifier::new("us-east-1", "service", vec![credentials])
    }

    fn now() -> Timestamp {
        parse_date(DATE).expect("the constant is a date")
    }

    fn request(authorization: &str) -> Parts {
        let request = Request::get("/?Param2=value2&Param1=value1")
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", DATE)
            .header("authorization", authorization);
        request.body(()).expect("the request is well formed").into_parts().0
    }

    fn with_signature(signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        )
    }

    /// `get-vanilla-query-order-key-case` of AWS's published test suite.
    const GOOD: &str = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";

    #[test]
    fn the_published_example_is_accepted() {
        verifier().verify(&request(&with_signature(GOOD)), b"", now()).expect("the signature is AWS's own");
    }

    #[test]
    fn a_changed_body_is_refused() {
        let error = verifier().verify(&request(&with_signature(GOOD)), b"x", now()).unwrap_err();
        assert_eq!(error.json_code(), "InvalidSignatureException");
        assert_eq!(error.query_code(), "SignatureDoesNotMatch");
    }

    #[test]
    fn a_date_sixteen_minutes_off_is_refused() {
        for minutes in [-16, 16] {
            let then = now() + jiff::SignedDuration::from_mins(minutes);
            let error = verifier().verify(&request(&with_signature(GOOD)), b"", then).unwrap_err();
            assert_eq!(error.json_code(), "InvalidSignatureException");
            assert!(error.to_string().contains("15 min."), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_told_apart_from_a_wrong_signature() {
        let header = with_signature(GOOD).replace("AKIDEXAMPLE", "AKIDOTHER");
        let error = verifier().verify(&request(&header), b"", now()).unwrap_err();
        assert_eq!(error.json_code(), "UnrecognizedClientException");
    }

    #[test]
    fn another_service_or_region_is_refused_by_name() {
        for (from, to) in [("/service/", "/sns/"), ("us-east-1", "eu-west-1")] {
            let header = with_signature(GOOD).replace(from, to);
            let error = verifier().verify(&request(&header), b"", now()).unwrap_err();
            assert!(error.to_string().starts_with("Credential should be scoped"), "{error}");
        }
    }

    #[test]
    fn a_header_that_lacks_a_part_is_incomplete() {
        for broken in ["Basic abc", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00"] {
            let error = verifier().verify(&request(broken), b"", now()).unwrap_err();
            assert_eq!(error.json_code(), "IncompleteSignatureException");
        }
    }

    #[test]
    fn host_must_be_signed() {
        let header = with_signature(GOOD).replace("host;", "");
        let error = verifier().verify(&request(&header), b"", now()).unwrap_err();
        assert_eq!(error.to_string(), "'host' must be a 'SignedHeader' in the AWS Authorization.");
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(!format!("{:?}", verifier()).contains("wJalr"));
    }
}
