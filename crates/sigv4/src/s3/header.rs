//! Signatures in the header `Authorization`.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::payload::{BodyCheck, Seed, Stated};
use super::refusal::{Refusal, version_2_refused};
use super::rules::{CredentialErrors, Rules, check_day, check_signed_headers, refuse_token};
use super::signed_request::SignedRequest;
use super::text;
use crate::authorization::Authorization;
use crate::canonical;
use crate::date::{ALLOWED_SKEW_MINUTES, RequestDate, allowed_skew};
use crate::key::{ALGORITHM, SigningKey};

const ERRORS: CredentialErrors =
    CredentialErrors { code: "AuthorizationHeaderMalformed", text: "The authorization header is malformed" };

/// Checks the signature, and returns how the body must be checked.
pub(super) fn verify(rules: &Rules, parts: &Parts, now: Timestamp) -> Result<BodyCheck, Refusal> {
    let header = authorization_header(&parts.headers)?;
    let authorization = Authorization::parse(header);
    let part = |name: &str| {
        authorization.get(name).ok_or_else(|| {
            malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
        })
    };
    let (credential, signed, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let signed = canonical::signed_headers(signed);
    let scope = rules.scope(credential, &ERRORS)?;
    let date = RequestDate::of(&parts.headers).map_err(|_| {
        Refusal::access_denied("AWS authentication requires a valid Date or x-amz-date header")
    })?;
    check_day(&scope, &date.text, &ERRORS)?;
    check_skew(&date, now)?;
    let secret = rules.secret(&scope)?;
    refuse_token(parts.headers.contains_key("x-amz-security-token"))?;
    check_signed_headers(&parts.headers, &signed)?;
    let stated = text(&parts.headers, "x-amz-content-sha256").ok_or_else(|| {
        Refusal::invalid_request("Missing required header for this request: x-amz-content-sha256")
    })?;
    let kind = Stated::parse(stated)?;
    let key = SigningKey::new(&secret, &scope);
    let request = SignedRequest {
        parts,
        query: &canonical::query(parts.uri.query().unwrap_or_default(), None),
        signed_headers: &signed,
        payload: stated,
        date: &date.text,
        scope: scope.text,
        signature,
    };
    request.check(&key)?;
    let (date, scope, signature) = (date.text, scope.text.to_owned(), signature.to_owned());
    kind.payload(&parts.headers, || Seed { key, date, scope, signature })
}

/// Returns the parts of the header after the algorithm.
fn authorization_header(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (values.next(), values.next()) else {
        return Err(malformed("the request must have one header of this name."));
    };
    let header = header.to_str().map_err(|_| malformed("it must be ASCII."))?.trim();
    let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
    match algorithm {
        ALGORITHM => Ok(rest),
        "AWS" => Err(version_2_refused()),
        "AWS4-ECDSA-P256-SHA256" => Err(Refusal::not_implemented(
            "AWS4-ECDSA-P256-SHA256 is not implemented here: sign with AWS4-HMAC-SHA256.",
        )),
        _ => {
            Err(Refusal::invalid_argument("Unsupported Authorization Type")
                .with("ArgumentName", "Authorization"))
        }
    }
}

fn check_skew(date: &RequestDate, now: Timestamp) -> Result<(), Refusal> {
    if date.time >= now - allowed_skew() && date.time <= now + allowed_skew() {
        return Ok(());
    }
    let message = "The difference between the request time and the current time is too large.";
    let whole_seconds = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Err(Refusal::new(StatusCode::FORBIDDEN, "RequestTimeTooSkewed", message)
        .with("RequestTime", &date.text)
        .with("ServerTime", whole_seconds(now))
        .with("MaxAllowedSkewMilliseconds", (ALLOWED_SKEW_MINUTES * 60_000).to_string()))
}

fn malformed(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, ERRORS.code, format!("{}; {message}", ERRORS.text))
}
