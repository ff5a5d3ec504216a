//! The signature of the policy of a form, with which a browser uploads an object.
//!
//! Only the signature is checked here. The caller checks the conditions of the policy. Source: "Browser-Based Uploads Using
//! POST" in the Amazon S3 API Reference.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use super::refusal::{self, Refusal};
use super::rules::{CredentialErrors, Rules, check_day, refuse_token};
use crate::date::{self, allowed_skew};
use crate::key::{ALGORITHM, SigningKey};

const ERRORS: CredentialErrors =
    CredentialErrors { code: "InvalidArgument", text: "Error parsing the X-Amz-Credential field" };
/// How long the key of a day signs policies.
const LONGEST_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The fields of a form that sign its policy.
pub struct SignedPolicy<'a> {
    /// The field `policy`: the document in Base64, as it was sent.
    pub policy: &'a str,
    /// The field `x-amz-algorithm`.
    pub algorithm: &'a str,
    /// The field `x-amz-credential`.
    pub credential: &'a str,
    /// The field `x-amz-date`.
    pub date: &'a str,
    /// The field `x-amz-signature`.
    pub signature: &'a str,
    /// Whether the form has the field `x-amz-security-token`.
    pub has_token: bool,
}

/// Checks the signature of a policy.
pub(super) fn verify(rules: &Rules, form: &SignedPolicy<'_>, now: Timestamp) -> Result<(), Refusal> {
    if form.algorithm != ALGORITHM {
        let message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, ERRORS.code, message));
    }
    let scope = rules.scope(form.credential, &ERRORS)?;
    let time = date::parse(form.date).ok_or_else(|| {
        Refusal::invalid_argument("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    })?;
    check_day(&scope, form.date, &ERRORS)?;
    if time > now + allowed_skew() {
        return Err(Refusal::access_denied("Request is not valid yet"));
    }
    if time < now - LONGEST_LIFE {
        return Err(Refusal::access_denied("Request has expired"));
    }
    let secret = rules.secret(&scope)?;
    refuse_token(form.has_token)?;
    let key = SigningKey::new(&secret, &scope);
    let is_signed = key.has_signed(form.policy.as_bytes(), form.signature);
    is_signed.then_some(()).ok_or_else(refusal::does_not_match)
}
