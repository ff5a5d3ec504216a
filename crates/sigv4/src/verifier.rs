//! Checks requests that are signed in the `Authorization` header and whose body has been read.

use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;
use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use sha2::{Digest, Sha256};

use crate::authorization::Authorization;
use crate::canonical::{self, CanonicalRequest, PATH};
use crate::credentials::KnownKeys;
use crate::date::{ALLOWED_SKEW_MINUTES, DateError, RequestDate, allowed_skew, basic};
use crate::error::SignatureError;
use crate::key::{ALGORITHM, SigningKey, string_to_sign};
use crate::scope::{Scope, TERMINATOR};

/// Checks the signatures of requests to one service in one region.
#[derive(Clone)]
pub struct Verifier {
    region: String,
    service: String,
    keys: Arc<dyn KnownKeys>,
}

impl Verifier {
    /// Returns a verifier for `service` (the signing name: `datapipeline`, `sns`) in `region`.
    pub fn new(
        region: impl Into<String>,
        service: impl Into<String>,
        keys: impl KnownKeys + 'static,
    ) -> Self {
        Self { region: region.into(), service: service.into(), keys: Arc::new(keys) }
    }

    /// Checks that one of the known keys signed the request, within 15 minutes of `now`. Returns the id of that key.
    ///
    /// The signature must cover `host`, the date, and every header `x-amz-*` that the request has. `now` must be the time of
    /// the system's clock, even when a test sets the service's own clock, because clients sign with the system's time.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] says which rule the request breaks.
    pub fn verify<'a>(
        &self,
        parts: &'a Parts,
        body: &[u8],
        now: Timestamp,
    ) -> Result<&'a str, SignatureError> {
        let header = authorization_header(&parts.headers)?;
        let Some(parameters) = header.trim().strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' '))
        else {
            let algorithm = header.split_whitespace().next().unwrap_or_default();
            return Err(incomplete(&format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
        };
        let authorization = Authorization::parse(parameters);
        let part = |name: &str| {
            let missing = || incomplete(&format!("Authorization header requires '{name}' parameter."));
            authorization.get(name).ok_or_else(missing)
        };
        let scope = Scope::parse(part("Credential")?).ok_or_else(|| {
            incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
            )
        })?;
        let signed = canonical::signed_headers(part("SignedHeaders")?);
        let signature = part("Signature")?;
        let date = request_date(&parts.headers)?;
        let secret = self.keys.secret_of(scope.access_key_id).ok_or(SignatureError::UnknownKey)?;
        if parts.headers.contains_key("x-amz-security-token") {
            return Err(SignatureError::UnknownKey);
        }
        self.check_scope(&scope, &date.text)?;
        check_date(&date, now)?;
        check_signed_headers(&signed, &parts.headers, date.header)?;
        let request = CanonicalRequest {
            method: &parts.method,
            path: &canonical_path(parts.uri.path()),
            query: &canonical::query(parts.uri.query().unwrap_or_default(), None),
            headers: &parts.headers,
            signed: &signed,
            payload: &payload_hash(&parts.headers, body)?,
        };
        let text = string_to_sign(&date.text, scope.text, &request.to_bytes());
        let key = SigningKey::new(&secret, &scope);
        key.has_signed(&text, signature).then_some(scope.access_key_id).ok_or_else(does_not_match)
    }

    fn check_scope(&self, scope: &Scope<'_>, date: &str) -> Result<(), SignatureError> {
        if scope.date != &date[..8] {
            return Err(mismatch(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{}' != '{}', from '{date}'.",
                scope.date,
                &date[..8],
            )));
        }
        if scope.region != self.region {
            return Err(mismatch(format!(
                "Credential should be scoped to a valid region, not '{}'.",
                scope.region
            )));
        }
        if scope.service != self.service {
            return Err(mismatch(format!(
                "Credential should be scoped to correct service: '{}'.",
                self.service
            )));
        }
        if scope.terminator != TERMINATOR {
            let text = format!("Credential should be scoped with a valid terminator: '{TERMINATOR}'.");
            return Err(mismatch(text));
        }
        Ok(())
    }
}

fn authorization_header(headers: &HeaderMap) -> Result<&str, SignatureError> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let header = values.next().ok_or(SignatureError::Missing)?;
    if values.next().is_some() {
        return Err(incomplete("The request must have one Authorization header."));
    }
    header.to_str().map_err(|_| incomplete("Authorization header must be ASCII."))
}

fn request_date(headers: &HeaderMap) -> Result<RequestDate, SignatureError> {
    RequestDate::of(headers).map_err(|error| match error {
        DateError::Missing => {
            incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        }
        DateError::Unreadable(text) => {
            incomplete(&format!("Date must be in ISO-8601 'basic format'. Got '{text}'."))
        }
    })
}

fn check_date(date: &RequestDate, now: Timestamp) -> Result<(), SignatureError> {
    let (earliest, latest) = (now - allowed_skew(), now + allowed_skew());
    let text = &date.text;
    if date.time < earliest {
        let (limit, now_text) = (basic(earliest), basic(now));
        return Err(mismatch(format!(
            "Signature expired: {text} is now earlier than {limit} ({now_text} - {ALLOWED_SKEW_MINUTES} min.)"
        )));
    }
    if date.time > latest {
        let (limit, now_text) = (basic(latest), basic(now));
        return Err(mismatch(format!(
            "Signature not yet current: {text} is still later than {limit} ({now_text} + {ALLOWED_SKEW_MINUTES} min.)"
        )));
    }
    Ok(())
}

/// Requires a signature over the headers that decide the meaning of a request: host, date, and all that belong to AWS.
fn check_signed_headers(signed: &[&str], headers: &HeaderMap, date: &str) -> Result<(), SignatureError> {
    let host = if signed.contains(&canonical::AUTHORITY) { canonical::AUTHORITY } else { "host" };
    let mut required = vec![host.to_owned(), date.to_owned()];
    required.extend(canonical::unsigned_amz_headers(headers, signed));
    match required.iter().find(|name| !signed.contains(&name.as_str())) {
        Some(name) => Err(mismatch(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))),
        None => Ok(()),
    }
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

/// Encodes the path, which the client sent encoded, a second time. Every service except S3 does so.
fn canonical_path(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { utf8_percent_encode(path, PATH).to_string() }
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

    use crate::Credentials;

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
        crate::date::parse(DATE).expect("the constant is a date")
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
        let parts = request(&with_signature(GOOD));
        let key = verifier().verify(&parts, b"", now());
        assert_eq!(key.expect("the signature is AWS's own"), "AKIDEXAMPLE");
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
    fn an_unknown_key_is_distinguished_from_a_wrong_signature() {
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
    fn every_amz_header_must_be_signed() {
        let mut parts = request(&with_signature(GOOD));
        parts.headers.insert("x-amz-target", http::HeaderValue::from_static("DataPipeline.ListPipelines"));
        let error = verifier().verify(&parts, b"", now()).unwrap_err();
        assert_eq!(error.to_string(), "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.");
    }
}
