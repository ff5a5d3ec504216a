//! The rules that all signatures of S3 have in common, about the keys and the scope.

use http::{HeaderMap, StatusCode};

use super::refusal::{self, Refusal};
use crate::credentials::{Credentials, KnownKeys as _};
use crate::scope::{Scope, TERMINATOR};

/// The region of the endpoint, and the credentials that may sign.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) region: String,
    pub(super) credentials: Vec<Credentials>,
}

/// The code and the beginning of the message of errors about a credential. They depend on the part of the request that holds the
/// credential.
pub(super) struct CredentialErrors {
    pub(super) code: &'static str,
    pub(super) text: &'static str,
}

impl Rules {
    /// Returns the secret that belongs to the access key id of the scope.
    pub(super) fn secret(&self, scope: &Scope<'_>) -> Result<String, Refusal> {
        self.credentials.secret_of(scope.access_key_id).ok_or_else(|| {
            let message = "The AWS Access Key Id you provided does not exist in our records.";
            Refusal::new(StatusCode::FORBIDDEN, "InvalidAccessKeyId", message)
        })
    }

    /// Reads the credential, and checks that it is for S3 in the region of the endpoint.
    pub(super) fn scope<'a>(
        &self,
        credential: &'a str,
        errors: &CredentialErrors,
    ) -> Result<Scope<'a>, Refusal> {
        let malformed = |message: String| {
            Refusal::new(StatusCode::BAD_REQUEST, errors.code, format!("{}; {message}", errors.text))
        };
        let scope = Scope::parse(credential).ok_or_else(|| {
            let form = "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
            malformed(form.to_owned())
        })?;
        if scope.date.len() != 8 || !scope.date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed(format!(
                "incorrect date format \"{}\". This date in the credential must be in the format \"yyyyMMdd\".",
                scope.date
            )));
        }
        if scope.region != self.region {
            return Err(refusal::wrong_region(errors.code, errors.text, scope.region, &self.region));
        }
        if scope.service != "s3" {
            let service = scope.service;
            return Err(malformed(format!(
                "incorrect service \"{service}\". This endpoint belongs to \"s3\"."
            )));
        }
        if scope.terminator != TERMINATOR {
            let given = scope.terminator;
            return Err(malformed(format!(
                "incorrect terminal \"{given}\". This endpoint uses \"{TERMINATOR}\"."
            )));
        }
        Ok(scope)
    }
}

/// Checks that the day of the credential is the day of the request.
pub(super) fn check_day(scope: &Scope<'_>, date: &str, errors: &CredentialErrors) -> Result<(), Refusal> {
    if date.starts_with(scope.date) {
        return Ok(());
    }
    let message = format!(
        "{}; Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\".",
        errors.text,
        scope.date,
        &date[..8]
    );
    Err(Refusal::new(StatusCode::BAD_REQUEST, errors.code, message))
}

/// Refuses session tokens: the keys of an endpoint have none.
pub(super) fn refuse_token(is_given: bool) -> Result<(), Refusal> {
    if !is_given {
        return Ok(());
    }
    let message = "The provided token is malformed or otherwise invalid. The keys of this endpoint have no session \
                   token: unset AWS_SESSION_TOKEN.";
    Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidToken", message))
}

/// Refuses a signature that leaves out the host, or a header `x-amz-*` of the request.
pub(super) fn check_signed_headers(headers: &HeaderMap, signed: &[&str]) -> Result<(), Refusal> {
    let mut left_out = crate::canonical::unsigned_amz_headers(headers, signed);
    if !signed.contains(&"host") {
        left_out.insert(0, "host".to_owned());
    }
    if left_out.is_empty() {
        return Ok(());
    }
    let refusal = Refusal::access_denied("There were headers present in the request which were not signed");
    Err(refusal.with("HeadersNotSigned", left_out.join(", ")))
}
