//! Handles a request before and after its operation.
//!
//! The question that a browser sends before a request of another origin is answered from the rules of the bucket.
//!
//! A request passes these checks in this order: its host, its signature, and the headers that this endpoint does not honour. Its
//! body is checked while it arrives. `s3s` gets the request without its signature, and with a body that is the content.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::StreamBody;
use http_front::Hosts;
use hyper::body::Frame;
use s3s::S3Error;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::path::check_bucket_name;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use sigv4::Credentials;
use sigv4::s3::{BodyCheck, Content, ContentError, Refusal, S3Verifier};

use super::answers;
use super::broken_content::refusal_of;
use super::cors::{self, Question};
use super::detour;
use super::form::{self, Form};
use super::host::Domains;
use super::service::Service;
use super::store::S3Store;
use super::unhonoured;

/// The largest body of a request whose body is not the content of an object or a part, in bytes.
const LARGEST_DOCUMENT: usize = 20 << 20;
/// The largest content that is read before its operation begins, in bytes. A small content is refused without side effects.
const SMALL_CONTENT: u64 = 64 << 10;
/// How many bytes of a refused request are read and dropped, so that the client reads the reason of the refusal.
const DRAIN_LIMIT: usize = 64 << 20;
/// How long the rest of a refused request may take to arrive.
const DRAIN_WAIT: Duration = Duration::from_secs(10);
/// The query parameters of a request that puts an object or a part.
const CONTENT_PARAMETERS: [&str; 3] = ["partNumber", "uploadId", "x-id"];

/// The front of an S3 endpoint.
pub(super) struct Front {
    service: S3Service,
    store: S3Store,
    verifier: S3Verifier,
    domains: Domains,
    account: String,
}

impl Front {
    pub(super) fn new(
        store: S3Store,
        credentials: Credentials,
        region: String,
        account: String,
        hosts: Hosts,
    ) -> Self {
        let domains = Domains::new(hosts);
        let verifier = S3Verifier::new(region.clone(), vec![credentials]);
        // `s3s` gets no keys: only requests that the verifier let through reach it.
        let mut builder = S3ServiceBuilder::new(Service { store: store.clone(), region });
        builder.set_validation(Names);
        builder.set_host(domains.clone());
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(S3Config::default()))));
        Self { service: builder.build(), store, verifier, domains, account }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let expects = request.headers().contains_key(EXPECT);
        let is_empty = request.body().is_end_stream();
        let (parts, mut body) = request.into_parts();
        let resource = parts.uri.path().to_owned();
        let mut allowing = HeaderMap::new();
        let answer = match self.serve(parts, &mut body, &mut allowing).await {
            Ok(answer) => answer,
            Err(refusal) => {
                if !expects {
                    // After this time the client gets the answer in any case.
                    let _ = tokio::time::timeout(DRAIN_WAIT, drain(body)).await;
                }
                answers::refused(&refusal)
            }
        };
        let mut answer = answers::complete(answer, &answers::new_request_id(), &resource).await;
        answer.headers_mut().extend(allowing);
        // hyper sends no "100 Continue" for a request without content. botocore then keeps waiting for one, and its next
        // request on the same connection hangs; so the connection is closed.
        if expects && (is_empty || !answer.status().is_success()) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// Checks a request and carries it out. Takes the body when the checks are passed. Puts into `allowing` the headers with which
    /// a browser lets a page read the answer, also if the answer is a refusal.
    async fn serve(
        &self,
        parts: Parts,
        body: &mut Body,
        allowing: &mut HeaderMap,
    ) -> Result<Response<Body>, Refusal> {
        let mut request = Request::from_parts(parts, ());
        let bucket = self.domains.check(&mut request)?;
        let (parts, ()) = request.into_parts();
        let named = bucket.clone().or_else(|| bucket_in_path(parts.uri.path()));
        if parts.method == Method::OPTIONS {
            return Ok(self.preflight(&parts, &named.unwrap_or_default()).await);
        }
        *allowing = self.allowing(&parts, named.as_deref()).await;
        self.carry_out(parts, bucket, body).await
    }

    /// Answers the question of a browser before a request.
    async fn preflight(&self, parts: &Parts, bucket: &str) -> Response<Body> {
        let allowed = match Question::of_preflight(&parts.headers) {
            Ok(question) => cors::preflight(&self.store, bucket, &question).await,
            Err(error) => Err(error),
        };
        let answer = allowed.map(|headers| {
            let mut answer = Response::new(s3s::Body::empty());
            *answer.headers_mut() = headers;
            answer
        });
        match answer.or_else(S3Error::to_http_response) {
            Ok(answer) => answers::mended(answer),
            Err(error) => {
                tracing::error!(%error, "the S3 endpoint could not answer a preflight request");
                answers::refused(&internal_error())
            }
        }
    }

    /// Returns the headers with which a browser lets a page read the answer. A request of another program needs none.
    async fn allowing(&self, parts: &Parts, bucket: Option<&str>) -> HeaderMap {
        match (Question::of_request(parts.method.as_str(), &parts.headers), bucket) {
            (Some(question), Some(bucket)) => cors::headers(&self.store, bucket, &question).await,
            _ => HeaderMap::new(),
        }
    }

    /// Checks who sent a request, and carries it out.
    async fn carry_out(
        &self,
        mut parts: Parts,
        bucket: Option<String>,
        body: &mut Body,
    ) -> Result<Response<Body>, Refusal> {
        if form::is_form(&parts) {
            return self.serve_form(&parts, bucket, std::mem::take(body)).await;
        }
        detour::refuse_other_services(&parts.headers)?;
        let payload = self.verifier.verify(&parts, jiff::Timestamp::now())?;
        sigv4::s3::without_signature(&mut parts);
        presigned_headers(&mut parts)?;
        unhonoured::check(&parts.headers, &self.account)?;
        detour::adapt(&mut parts, bucket.is_some())?;
        let is_content = is_content(&parts, bucket.is_some());
        let content = content(&mut parts, payload, is_content, body).await?;
        self.call(Request::from_parts(parts, content)).await
    }

    /// Checks the form of a browser, and puts its file as an object.
    async fn serve_form(
        &self,
        parts: &Parts,
        bucket: Option<String>,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        let form = Form::read(parts, bucket, body).await?;
        let now = jiff::Timestamp::now();
        self.verifier.verify_policy(&form.signed_policy()?, now)?;
        let upload = form.into_upload(now)?;
        unhonoured::check(upload.request.headers(), &self.account)?;
        let answer = self.call(upload.request).await?;
        Ok(if answer.status().is_success() { upload.success.answer(&answer) } else { answer })
    }

    async fn call(&self, request: Request<s3s::Body>) -> Result<Response<Body>, Refusal> {
        let answered = self.service.call(request).await;
        answered.map(answers::mended).map_err(|error| {
            tracing::error!(error = ?error, "the S3 endpoint could not build an answer");
            internal_error()
        })
    }
}

fn internal_error() -> Refusal {
    let message = "We encountered an internal error. Please try again.";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
}

/// Returns the bucket that a path names.
fn bucket_in_path(path: &str) -> Option<String> {
    path.split('/').nth(1).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The names that may stand in the place of a bucket: those of buckets, and that of an operation.
struct Names;

impl NameValidation for Names {
    fn validate_bucket_name(&self, name: &str) -> bool {
        check_bucket_name(name) || name == "WriteGetObjectResponse"
    }
}

/// Moves the headers that a presigned URL has in its query to the headers, where everything else reads them. Some SDKs sign the
/// metadata, the tags, the ACL and the checksum of an upload so. A header of the request itself wins.
fn presigned_headers(parts: &mut Parts) -> Result<(), Refusal> {
    let query = parts.uri.query().unwrap_or_default();
    let is_header = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
    };
    let (moved, kept): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_header);
    if moved.is_empty() {
        return Ok(());
    }
    for (name, value) in url::form_urlencoded::parse(moved.join("&").as_bytes()) {
        let invalid = || Refusal::invalid_argument(format!("the parameter {name} cannot be a header"));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?;
        // The hash of the content belongs to the signature.
        if header != "x-amz-content-sha256" {
            parts.headers.entry(header).or_insert(value);
        }
    }
    let path = parts.uri.path();
    let target = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    // A part of a legal target is legal.
    if let Ok(uri) = target.parse() {
        parts.uri = uri;
    }
    Ok(())
}

/// Returns whether the body of a request becomes the content of an object or a part.
fn is_content(parts: &Parts, has_bucket_in_host: bool) -> bool {
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let mut parameters = url::form_urlencoded::parse(query);
    parts.method == Method::PUT
        && detour::names_object(parts, has_bucket_in_host)
        && !parts.headers.contains_key("x-amz-copy-source")
        && parameters.all(|(name, _)| CONTENT_PARAMETERS.contains(&name.as_ref()))
}

/// Returns the content of a request as a body for `s3s`, and puts the length of the content into the headers.
async fn content(
    parts: &mut Parts,
    payload: BodyCheck,
    is_content: bool,
    body: &mut Body,
) -> Result<s3s::Body, Refusal> {
    let stated =
        parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let length = payload.decoded_length().or(stated);
    if is_content && length.is_none() {
        let message = "You must provide the Content-Length HTTP header.";
        return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", message));
    }
    let content = Content::new(payload, std::mem::take(body).into_data_stream());
    parts.extensions.insert(content.trailers());
    parts.headers.remove(TRANSFER_ENCODING);
    let content = content.into_stream();
    if is_content && length.is_some_and(|length| length > SMALL_CONTENT) {
        set_length(parts, length.unwrap_or_default());
        return Ok(s3s::Body::http_body_unsync(StreamBody::new(content.map_ok(Frame::data))));
    }
    let bytes = collect(content).await?;
    if length.is_some() {
        set_length(parts, bytes.len() as u64);
    }
    Ok(s3s::Body::from(bytes))
}

fn set_length(parts: &mut Parts, length: u64) {
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
}

async fn collect(content: impl Stream<Item = Result<Bytes, ContentError>>) -> Result<Bytes, Refusal> {
    let mut content = std::pin::pin!(content);
    // A small content comes in one piece, which is passed on as it is.
    let (mut first, mut bytes) = (Bytes::new(), BytesMut::new());
    while let Some(piece) = content.next().await {
        let piece = piece.map_err(|error| refusal_of(&error))?;
        if first.is_empty() && bytes.is_empty() {
            first = piece;
        } else {
            bytes.extend_from_slice(&std::mem::take(&mut first));
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() > LARGEST_DOCUMENT {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "MaxMessageLengthExceeded",
                "Your request was too big.",
            ));
        }
    }
    Ok(if bytes.is_empty() { first } else { bytes.freeze() })
}

/// Reads the rest of a refused request, because many clients read the answer only after they have sent everything.
async fn drain(body: Body) {
    let mut body = body.into_data_stream();
    let mut drained = 0;
    while let Some(Ok(bytes)) = body.next().await {
        drained += bytes.len();
        if drained > DRAIN_LIMIT {
            return;
        }
    }
}
