//! The HTTP server of the S3 endpoint.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, S3Result, s3_error};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::host::{self, LocalDomains};
use super::service::Service;
use super::store::S3Store;

/// How long open requests may go on after the shutdown has begun.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// Pause after a failed accept. The likely reason is a lack of file descriptors, and an immediate retry would use all CPU time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The access key that clients sign with.
#[derive(Clone)]
pub struct Credentials {
    /// The public part of the key.
    pub access_key_id: String,
    /// The secret part of the key.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            return Ok(SecretKey::from(self.secret_access_key.clone()));
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

/// An S3 endpoint over a store.
pub struct LocalS3 {
    service: S3Service,
}

impl LocalS3 {
    /// Creates an endpoint that accepts requests signed with `credentials`.
    pub fn new(store: S3Store, credentials: Credentials, region: impl Into<String>) -> Self {
        let mut builder = S3ServiceBuilder::new(Service { store, region: region.into() });
        builder.set_auth(credentials);
        builder.set_host(LocalDomains);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(S3Config::default()))));
        Self { service: builder.build() }
    }

    /// Serves `listener` until `shutdown`. Open requests then have a few seconds to finish.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let connections = TaskTracker::new();
        while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, self.service.clone(), shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the S3 endpoint could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.close();
        if tokio::time::timeout(SHUTDOWN_LIMIT, connections.wait()).await.is_err() {
            tracing::warn!(s3.connections = connections.len(), "the shutdown interrupted S3 requests");
        }
    }
}

async fn connection(stream: TcpStream, service: S3Service, shutdown: CancellationToken) {
    // Answers are small or fill whole buffers, so waiting for more bytes would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let builder = Builder::new(TokioExecutor::new()).http1_only();
    let service = service_fn(move |request| answer(service.clone(), request));
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(SHUTDOWN_LIMIT, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        // The usual reason is that the client closed the connection. Its last request may have taken effect although the
        // client got no answer.
        tracing::debug!(%error, "a connection to the S3 endpoint ended");
    }
}

/// Answers one request.
async fn answer(service: S3Service, mut request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
    let expects = request.headers().contains_key(EXPECT);
    let is_empty = request.body().is_end_stream();
    let mut response = match host::check_host(&mut request) {
        Ok(()) => service.call(request.map(Body::from)).await?,
        Err(refused) => refused.to_http_response().map_err(|error| HttpError::new(Box::new(error)))?,
    };
    // hyper sends no "100 Continue" for a request without content. botocore then keeps waiting for one, and its next request on
    // the same connection hangs; so the connection is closed.
    if expects && (is_empty || !response.status().is_success()) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
