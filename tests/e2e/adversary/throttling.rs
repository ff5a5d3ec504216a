//! Clients of a service that throttles its callers, or fails for a moment: some of their calls get no other answer.

use std::fmt;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// An answer with which a service turns a call away: its status and its body.
pub(super) type Refusal = (u16, &'static str);

pub(super) const OF_S3: &[Refusal] = &[
    (503, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"),
    (500, "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"),
];
pub(super) const OF_SNS: &[Refusal] = &[
    (
        400,
        "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>",
    ),
    (503, ""),
];
pub(super) const OF_DATA_PIPELINE: &[Refusal] = &[
    (400, r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#),
    (400, r#"{"__type": "com.amazonaws.datapipeline#ThrottlingException", "message": "Rate exceeded"}"#),
];

/// How often calls are turned away, and how many were.
#[derive(Debug, Default)]
pub(super) struct Weather {
    /// How many of a thousand calls are refused.
    pub(super) per_thousand: AtomicU64,
    pub(super) turned_away: AtomicU64,
}

/// An HTTP client that turns some calls away without making them. Every other call goes to the service.
#[derive(Clone)]
struct Throttled {
    inner: SharedHttpClient,
    gate: Gate,
}

struct Connector {
    inner: SharedHttpConnector,
    gate: Gate,
}

#[derive(Clone)]
struct Gate {
    refusals: &'static [Refusal],
    weather: Arc<Weather>,
    random: Arc<Mutex<StdRng>>,
}

/// Returns an HTTP client that turns calls away by the weather.
pub(super) fn client(refusals: &'static [Refusal], weather: &Arc<Weather>, seed: u64) -> SharedHttpClient {
    let gate = Gate {
        refusals,
        weather: Arc::clone(weather),
        random: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))),
    };
    SharedHttpClient::new(Throttled { inner: aws_smithy_http_client::Builder::new().build_http(), gate })
}

impl Gate {
    /// Returns the answer to a call that is turned away.
    fn refusal(&self) -> Option<HttpResponse> {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        if random.random_range(0..1_000) >= self.weather.per_thousand.load(Ordering::Relaxed) {
            return None;
        }
        let (status, body) = self.refusals[random.random_range(0..self.refusals.len())];
        self.weather.turned_away.fetch_add(1, Ordering::Relaxed);
        let status = status.try_into().expect("a status of HTTP");
        Some(HttpResponse::new(status, SdkBody::from(body)))
    }
}

impl fmt::Debug for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttled")
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpClient for Throttled {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, gate: self.gate.clone() })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.gate.refusal() {
            Some(answer) => HttpConnectorFuture::ready(Ok(answer)),
            None => self.inner.call(request),
        }
    }
}
