//! The HTTP client that sends spans to the collector.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use crate::https;

/// A client whose connections run on the runtime of the program. The SDK calls it from a thread of its own.
#[derive(Debug)]
pub(super) struct Client {
    client: HyperClient<HttpsConnector<HttpConnector>>,
    runtime: Handle,
    /// Whether the last request failed. The log has a line when this changes, and not for each batch.
    is_failing: AtomicBool,
}

impl Client {
    /// Returns a client whose requests may take `limit`.
    pub(super) fn new(runtime: Handle, limit: Duration) -> Result<Self, rustls::Error> {
        let client = HyperClient::new(https::connector()?, limit, None);
        Ok(Self { client, runtime, is_failing: AtomicBool::new(false) })
    }

    fn note(&self, failure: Option<String>) {
        let was_failing = self.is_failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(cause) if !was_failing => {
                tracing::warn!("the collector does not take traces; they are dropped until it does: {cause}")
            }
            None if was_failing => tracing::info!("the collector takes traces again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        // The task ends early only with the program, which then says itself that traces were not sent.
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await }).await?;
        self.note(match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answered {}", response.status())),
            Err(error) => Some(http_front::with_causes(&**error)),
        });
        sent
    }
}
