//! The endpoint: one listener serves the HTTP door, which has the paths under `/streams`, and the AWS protocols, which are
//! `POST /`.

use axum::body::Body;
use http::{Request, Response, StatusCode, header};

use crate::door::{self, DoorError};
use crate::intake::Intake;
use crate::wire;

/// Answers one request.
pub(crate) async fn answer(intake: &Intake, mut request: Request<Body>) -> Response<Body> {
    if let Err(refused) = intake.hosts.check(&mut request) {
        return DoorError::message(StatusCode::FORBIDDEN, refused.to_string()).respond();
    }
    let (parts, body) = request.into_parts();
    let mut response = match parts.uri.path() {
        // A stream file cannot allow a page to use the AWS protocols, because their path does not name a stream.
        "/" if parts.headers.contains_key(header::ORIGIN) => door::unlisted_page().respond(),
        "/" => return wire::answer(intake, &parts, body).await,
        _ => door::answer(intake, &parts, body).await,
    };
    door::vary(&mut response);
    response
}

/// Answers a connection for which the server has no place.
pub(crate) fn full() -> Response<String> {
    let body = r#"{"message":"the server is busy with as many requests as it takes"}"#;
    let mut response = Response::new(body.to_owned());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
