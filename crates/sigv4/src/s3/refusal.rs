//! A refused request, with the status, the code and the message of S3.

use http::StatusCode;

/// The reason why S3 refuses a request.
///
/// The message is for the client. It has neither keys nor signatures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The HTTP status of the answer.
    pub status: StatusCode,
    /// The error code of S3.
    pub code: &'static str,
    /// The text that people read.
    pub message: String,
    /// Further elements of the answer, such as `Region`.
    pub details: Vec<(&'static str, String)>,
}

impl Refusal {
    /// Returns a refusal without further elements.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Vec::new() }
    }

    /// Returns the refusal with a further element.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Returns a refusal with status 403 and the code `AccessDenied`.
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
    }

    /// Returns a refusal with status 400 and the code `InvalidArgument`.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
    }

    /// Returns a refusal with status 400 and the code `InvalidRequest`.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    }

    /// Returns a refusal with status 501 and the code `NotImplemented`.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }
}

/// Returns the refusal of Signature Version 2. Regions that opened after 2014 refuse it with this code.
#[must_use]
pub fn version_2_refused() -> Refusal {
    Refusal::invalid_request(
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256. For the AWS CLI \
         and boto3: aws configure set default.s3.signature_version s3v4",
    )
}

pub(super) fn does_not_match() -> Refusal {
    Refusal::new(
        StatusCode::FORBIDDEN,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    )
}

/// The region in the credential is not the region of the endpoint. `place` names the header or the parameter.
pub(super) fn wrong_region(code: &'static str, place: &str, given: &str, region: &str) -> Refusal {
    let message = format!("{place}; the region '{given}' is wrong; expecting '{region}'");
    Refusal::new(StatusCode::BAD_REQUEST, code, message).with("Region", region)
}
