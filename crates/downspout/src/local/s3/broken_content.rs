//! The reason why a content did not arrive, as an error of S3.

use std::error::Error;

use http::StatusCode;
use http_front::SlowBody;
use s3s::{S3Error, S3ErrorCode};
use sigv4::s3::{ContentError, Refusal};

/// Returns the refusal for a content whose stream failed with `error`.
pub(super) fn refusal_of(error: &(dyn Error + 'static)) -> Refusal {
    if SlowBody::caused(error) {
        let message = "Your socket connection to the server was not read from or written to within the timeout period. \
                       Idle connections will be closed.";
        return Refusal::new(StatusCode::BAD_REQUEST, "RequestTimeout", message);
    }
    if let Some(refusal) = error.downcast_ref::<Refusal>() {
        return refusal.clone();
    }
    match error.downcast_ref::<ContentError>() {
        Some(error) => error.refusal(),
        None => {
            let message = format!("The content did not arrive whole: {error}");
            Refusal::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)
        }
    }
}

/// Returns the same refusal as an error of `s3s`.
pub(super) fn s3_error_of(error: &(dyn Error + 'static)) -> S3Error {
    let refusal = refusal_of(error);
    let code = S3ErrorCode::from_bytes(refusal.code.as_bytes());
    let code = code.unwrap_or_else(|| S3ErrorCode::Custom(refusal.code.into()));
    let mut error = S3Error::with_message(code, refusal.message);
    error.set_status_code(refusal.status);
    error
}
