//! The door: the paths under `/streams`, through which records come in by plain HTTP.

mod access;
mod cors;
mod error;
mod listing;
mod post;
mod put;

use axum::body::Body;
use http::request::Parts;
use http::{Method, Response, StatusCode};

pub(crate) use cors::{unlisted as unlisted_page, vary};
pub(crate) use error::DoorError;

use crate::intake::Intake;
use crate::live::{LiveStream, Version};

/// The meaning of a path.
enum Route<'p> {
    /// `/streams`
    Streams,
    /// `/streams/NAME`
    Stream(&'p str),
    /// `/streams/NAME/record`
    Record(&'p str),
    /// `/streams/NAME/records`
    Records(&'p str),
    Other,
}

impl<'p> Route<'p> {
    fn of(path: &'p str) -> Self {
        let mut parts = path.split('/').skip(1);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("streams"), None | Some(""), None, _) => Self::Streams,
            (Some("streams"), Some(name), None | Some(""), None) => Self::Stream(name),
            (Some("streams"), Some(name), Some("record"), None) => Self::Record(name),
            (Some("streams"), Some(name), Some("records"), None) => Self::Records(name),
            _ => Self::Other,
        }
    }

    /// Returns the name of the stream that the path is about.
    fn name(&self) -> Option<&'p str> {
        match self {
            Self::Stream(name) | Self::Record(name) | Self::Records(name) => Some(name),
            Self::Streams | Self::Other => None,
        }
    }
}

/// Answers one request.
pub(crate) async fn answer(intake: &Intake, parts: &Parts, body: Body) -> Response<Body> {
    let route = Route::of(parts.uri.path());
    let stream = route.name().and_then(|name| intake.streams.get(name));
    let version = stream.as_ref().and_then(|stream| stream.version().ok());
    let origin = match cors::check(parts, version.as_deref()) {
        Ok(origin) => origin,
        Err(refused) => return refused.respond(),
    };
    if parts.method == Method::OPTIONS {
        return cors::preflight(origin);
    }
    let answered = serve(intake, &route, parts, body, stream.as_deref(), version.as_deref()).await;
    let mut response = answered.unwrap_or_else(|error| error.respond());
    cors::allow(origin, &mut response);
    response
}

async fn serve(
    intake: &Intake,
    route: &Route<'_>,
    parts: &Parts,
    body: Body,
    stream: Option<&LiveStream>,
    version: Option<&Version>,
) -> Result<Response<Body>, DoorError> {
    if matches!(route, Route::Other) {
        let message = "the paths are /streams, /streams/NAME, /streams/NAME/record and /streams/NAME/records; the AWS \
                       protocols are POST /";
        return Err(DoorError::message(StatusCode::NOT_FOUND, message));
    }
    access::check(&intake.api_key, parts, version)?;
    if let (Route::Streams, &Method::GET) = (route, &parts.method) {
        return Ok(listing::all(intake).await);
    }
    let stream = || stream.ok_or_else(|| no_stream(route.name().unwrap_or_default()));
    match (route, &parts.method) {
        (Route::Stream(_), &Method::GET) => Ok(listing::one(intake, stream()?).await),
        (Route::Stream(_), &Method::POST) => post::post(intake, stream()?, parts, body).await,
        (Route::Record(_), &Method::PUT) => put::record(intake, stream()?, parts, body).await,
        (Route::Records(_), &Method::PUT) => put::records(intake, stream()?, parts, body).await,
        (route, method) => Err(not_allowed(route, method)),
    }
}

fn no_stream(name: &str) -> DoorError {
    DoorError::message(StatusCode::NOT_FOUND, format!("there is no stream `{name}`; GET /streams lists them"))
}

fn not_allowed(route: &Route<'_>, method: &Method) -> DoorError {
    let allowed = match route {
        Route::Streams | Route::Other => "GET",
        Route::Stream(_) => "GET, POST",
        Route::Record(_) | Route::Records(_) => "PUT",
    };
    let message = format!("the method {method} is not possible here; possible: {allowed}");
    DoorError::message(StatusCode::METHOD_NOT_ALLOWED, message)
}
