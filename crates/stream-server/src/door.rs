//! The door: the HTTP endpoint through which records come in.
//!
//! One listener serves the paths under `/streams` and the AWS protocols, which are `POST /`.

mod access;
mod body;
mod budget;
mod cors;
mod error;
mod listing;
mod post;
mod put;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_front::Hosts;
use sigv4::Verifier;
use stream::shard;

pub(crate) use access::ApiKey;
pub(crate) use body::{BodyError, read as read_body};
pub(crate) use budget::Budget;
pub(crate) use error::DoorError;

use crate::config::Now;
use crate::deliver::Dock;
use crate::live::{LiveStream, Version};
use crate::streams::Streams;
use crate::wire;

/// The parts of the server that requests use.
pub(crate) struct Front {
    pub(crate) streams: Arc<Streams>,
    pub(crate) dock: Arc<Dock>,
    pub(crate) now: Now,
    pub(crate) region: String,
    pub(crate) account_id: String,
    pub(crate) hosts: Hosts,
    pub(crate) kinesis: Verifier,
    pub(crate) firehose: Verifier,
    pub(crate) budget: Budget,
    pub(crate) api_key: ApiKey,
    /// The number of records without a partition key, which the shards take in turn.
    pub(crate) keyless: Arc<AtomicU64>,
}

/// What a path means.
enum Route<'p> {
    /// `/`: an AWS protocol.
    Root,
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
            (Some(""), None, ..) => Self::Root,
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
            Self::Root | Self::Streams | Self::Other => None,
        }
    }
}

impl Front {
    /// Answers one request.
    pub(crate) async fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        if let Err(refused) = self.hosts.check(&mut request) {
            return DoorError::message(StatusCode::FORBIDDEN, refused.to_string()).respond();
        }
        let (parts, body) = request.into_parts();
        let route = Route::of(parts.uri.path());
        let stream = route.name().and_then(|name| self.streams.get(name));
        let version = stream.as_ref().and_then(|stream| stream.version().ok());
        let origin = match cors::check(&parts, version.as_deref()) {
            Ok(origin) => origin,
            Err(refused) => return refused.respond(),
        };
        if parts.method == Method::OPTIONS {
            return cors::preflight(origin);
        }
        let mut response = match route {
            Route::Root => wire::answer(self, &parts, body).await,
            route => {
                let stream = stream.as_deref();
                let answered = self.serve(&route, &parts, body, stream, version.as_deref()).await;
                answered.unwrap_or_else(|error| error.respond())
            }
        };
        cors::allow(origin, &mut response);
        response
    }

    async fn serve(
        &self,
        route: &Route<'_>,
        parts: &Parts,
        body: Body,
        stream: Option<&LiveStream>,
        version: Option<&Version>,
    ) -> Result<Response<Body>, DoorError> {
        if matches!(route, Route::Other) {
            let message = "the paths are /streams, /streams/NAME, /streams/NAME/record and /streams/NAME/records; the \
                           AWS protocols are POST /";
            return Err(DoorError::message(StatusCode::NOT_FOUND, message));
        }
        self.api_key.check(parts, version)?;
        if let (Route::Streams, &Method::GET) = (route, &parts.method) {
            return Ok(listing::all(self).await);
        }
        let stream = || stream.ok_or_else(|| no_stream(route.name().unwrap_or_default()));
        match (route, &parts.method) {
            (Route::Stream(_), &Method::GET) => Ok(listing::one(self, stream()?).await),
            (Route::Stream(_), &Method::POST) => post::post(self, stream()?, parts, body).await,
            (Route::Record(_), &Method::PUT) => put::record(self, stream()?, parts, body).await,
            (Route::Records(_), &Method::PUT) => put::records(self, stream()?, parts, body).await,
            (route, method) => Err(not_allowed(route, method)),
        }
    }
}

/// Returns the shard of a record. Records without a partition key take the shards in turn, which `keyless` counts.
pub(crate) fn shard_of(keyless: &AtomicU64, version: &Version, key: &str, hash: Option<u128>) -> u32 {
    let shards = version.stream.shards;
    if shards.get() == 1 {
        return 0;
    }
    match hash {
        Some(hash) => shard::shard_of(hash, shards).0,
        None if key.is_empty() => {
            let turn = keyless.fetch_add(1, Ordering::Relaxed) % u64::from(shards.get());
            u32::try_from(turn).unwrap_or_default()
        }
        None => shard::shard_of(shard::hash_key(key), shards).0,
    }
}

/// Returns the sequence number and the id of the shard of each record, as text.
pub(crate) fn texts(places: &[(u64, u32)]) -> impl ExactSizeIterator<Item = (String, String)> {
    places.iter().map(|(number, shard)| {
        let (number, shard) = (*number, shard::ShardId(*shard));
        (shard::SequenceNumber { number, shard }.to_string(), shard.to_string())
    })
}

fn no_stream(name: &str) -> DoorError {
    DoorError::message(StatusCode::NOT_FOUND, format!("there is no stream `{name}`; GET /streams lists them"))
}

fn not_allowed(route: &Route<'_>, method: &Method) -> DoorError {
    let allowed = match route {
        Route::Streams => "GET",
        Route::Stream(_) => "GET, POST",
        Route::Record(_) | Route::Records(_) => "PUT",
        Route::Root | Route::Other => "POST",
    };
    let message = format!("the method {method} is not possible here; possible: {allowed}");
    DoorError::message(StatusCode::METHOD_NOT_ALLOWED, message)
}

/// Answers a connection for which the server has no place.
pub(crate) fn full() -> Response<String> {
    let mut response =
        Response::new(r#"{"message":"the server is busy with as many requests as it takes"}"#.to_owned());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
