//! The AWS protocols: JSON 1.1 of Kinesis and Firehose, signed with SigV4.

mod error;
mod firehose;
mod kinesis;
mod lifecycle;
mod marker;
mod records;
mod text;

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::intake::{Intake, read as read_body};
use error::WireError;

/// The beginnings of the header `X-Amz-Target`.
const KINESIS: &str = "Kinesis_20131202";
const FIREHOSE: &str = "Firehose_20150804";

/// The limit of a body in bytes: 10 MiB of records in Base64, with room for keys and names.
const MOST_BYTES: usize = 16 << 20;

/// A service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Kinesis,
    Firehose,
}

/// Answers one request.
pub(crate) async fn answer(intake: &Intake, parts: &Parts, body: Body) -> Response<Body> {
    respond(serve(intake, parts, body).await)
}

async fn serve(intake: &Intake, parts: &Parts, body: Body) -> Result<String, WireError> {
    if parts.method != Method::POST {
        return Err(WireError::unknown_operation(format!(
            "the method {} is not possible here; every call of the AWS protocols is POST /",
            parts.method
        )));
    }
    let target = text_of(&parts.headers, "x-amz-target");
    let (service, operation) = match target.split_once('.') {
        Some((KINESIS, operation)) => (Service::Kinesis, operation),
        Some((FIREHOSE, operation)) => (Service::Firehose, operation),
        _ => {
            return Err(WireError::unknown_operation(format!(
                "there is no operation `{target}`: send X-Amz-Target: {KINESIS}.<Operation> or {FIREHOSE}.<Operation>"
            )));
        }
    };
    let held = read_body(&intake.budget, body, MOST_BYTES).await?;
    let verifier = match service {
        Service::Kinesis => &intake.kinesis,
        Service::Firehose => &intake.firehose,
    };
    // Clients sign by the system's clock, whatever the server's own clock shows.
    verifier.verify(parts, &held.bytes, Timestamp::now())?;
    let content_type = text_of(&parts.headers, header::CONTENT_TYPE.as_str());
    if content_type.starts_with("application/x-amz-cbor") {
        let message = "this server speaks JSON and no CBOR: set the environment variable AWS_CBOR_DISABLE=true (in Java \
                       also the property com.amazonaws.sdk.disableCbor or aws.cborEnabled=false)";
        return Err(WireError::serialization(message));
    }
    match service {
        Service::Kinesis => kinesis::serve(intake, operation, &held.bytes).await,
        Service::Firehose => firehose::serve(intake, operation, &held.bytes).await,
    }
}

fn text_of<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Reads the members of a request that owns its texts.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    // Some clients send no body where every member is optional.
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| WireError::of_json(&error))
}

fn respond(result: Result<String, WireError>) -> Response<Body> {
    let (status, error, body) = match result {
        Ok(body) => (StatusCode::OK, None, body),
        Err(error) => (error.status, Some(error.code), error.body()),
    };
    let checksum = crc32fast::hash(body.as_bytes());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    headers.insert("x-amz-crc32", HeaderValue::from(checksum));
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(error) = error {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(error));
    }
    response
}
