//! Presigned URLs: signatures in the query.

use std::collections::BTreeMap;

use http::StatusCode;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};

use super::payload::{BodyCheck, Seed, Stated};
use super::refusal::Refusal;
use super::rules::{CredentialErrors, Rules, check_day, check_signed_headers, refuse_token};
use super::signed_request::SignedRequest;
use super::text;
use crate::canonical;
use crate::date::{self, allowed_skew};
use crate::key::{ALGORITHM, SigningKey};

const CODE: &str = "AuthorizationQueryParametersError";
const ERRORS: CredentialErrors =
    CredentialErrors { code: CODE, text: "Error parsing the X-Amz-Credential parameter" };
/// The longest life of a presigned URL, in seconds.
const LONGEST_LIFE: i64 = 7 * 24 * 60 * 60;

/// Checks the signature, and returns how the body must be checked.
pub(super) fn verify(rules: &Rules, parts: &Parts, now: Timestamp) -> Result<BodyCheck, Refusal> {
    let query = parts.uri.query().unwrap_or_default();
    let parameters = parameters(query)?;
    let get = |name: &str| {
        parameters.get(name).map(String::as_str).ok_or_else(|| {
            malformed(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
                 X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            )
        })
    };
    let (algorithm, credential, date) =
        (get("X-Amz-Algorithm")?, get("X-Amz-Credential")?, get("X-Amz-Date")?);
    let (expires, signature) = (get("X-Amz-Expires")?, get("X-Amz-Signature")?);
    let signed = canonical::signed_headers(get("X-Amz-SignedHeaders")?);
    if algorithm != ALGORITHM {
        return Err(malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
    }
    let scope = rules.scope(credential, &ERRORS)?;
    let time = date::parse(date)
        .ok_or_else(|| malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
    check_day(&scope, date, &ERRORS)?;
    check_life(time, life(expires)?, now)?;
    let secret = rules.secret(&scope)?;
    let headers = &parts.headers;
    refuse_token(
        parameters.contains_key("X-Amz-Security-Token") || headers.contains_key("x-amz-security-token"),
    )?;
    check_signed_headers(headers, &signed)?;
    let stated = text(headers, "x-amz-content-sha256");
    let stated = stated.or_else(|| parameters.get("X-Amz-Content-Sha256").map(String::as_str));
    let stated = stated.unwrap_or("UNSIGNED-PAYLOAD");
    let kind = Stated::parse(stated)?;
    let key = SigningKey::new(&secret, &scope);
    let request = SignedRequest {
        parts,
        query: &canonical::query(query, Some("X-Amz-Signature")),
        signed_headers: &signed,
        payload: stated,
        date,
        scope: scope.text,
        signature,
    };
    request.check(&key)?;
    let (date, scope, signature) = (date.to_owned(), scope.text.to_owned(), signature.to_owned());
    kind.payload(headers, || Seed { key, date, scope, signature })
}

/// Returns the parameters `X-Amz-*`. Fails if one of them is there twice.
fn parameters(query: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let mut found = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name.starts_with("X-Amz-") && found.insert(name.to_string(), value.into_owned()).is_some() {
            return Err(malformed(&format!("{name} is given twice")));
        }
    }
    Ok(found)
}

fn life(expires: &str) -> Result<SignedDuration, Refusal> {
    let seconds: i64 = expires.parse().map_err(|_| malformed("X-Amz-Expires should be a number"))?;
    if seconds < 0 {
        return Err(malformed("X-Amz-Expires must be non-negative"));
    }
    if seconds > LONGEST_LIFE {
        // This is the text of S3, although S3 accepts 604800.
        return Err(malformed(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             604800 seconds",
        ));
    }
    Ok(SignedDuration::from_secs(seconds))
}

fn check_life(signed_at: Timestamp, life: SignedDuration, now: Timestamp) -> Result<(), Refusal> {
    let shown = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    if signed_at > now + allowed_skew() {
        let refusal = Refusal::access_denied("Request is not valid yet");
        return Err(refusal.with("ServerTime", shown(now)));
    }
    // An end that no `Timestamp` can represent lies in the future, so the URL has not expired.
    match signed_at.checked_add(life) {
        Ok(end) if end < now => {
            let refusal = Refusal::access_denied("Request has expired");
            Err(refusal
                .with("X-Amz-Expires", life.as_secs().to_string())
                .with("Expires", shown(end))
                .with("ServerTime", shown(now)))
        }
        _ => Ok(()),
    }
}

fn malformed(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, CODE, message)
}
