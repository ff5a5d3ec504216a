//! The network between the handlers and the services. It turns calls away as a busy service does, kills handlers between any two
//! calls, and notes the notices that arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, pending};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::Notify;

use super::moto;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    S3,
    Sns,
    DataPipeline,
}

pub(super) const SERVICES: [Service; 3] = [Service::S3, Service::Sns, Service::DataPipeline];

impl Service {
    /// Returns the answers with which the service turns a call away: their status and their body.
    fn refusals(self) -> &'static [(u16, &'static str)] {
        match self {
            Self::S3 => &[
                (
                    503,
                    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
                ),
                (
                    500,
                    "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>",
                ),
            ],
            Self::Sns => &[
                (
                    400,
                    "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>",
                ),
                (503, ""),
            ],
            Self::DataPipeline => &[
                (400, r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#),
                (
                    400,
                    r#"{"__type": "com.amazonaws.datapipeline#ThrottlingException", "message": "Rate exceeded"}"#,
                ),
            ],
        }
    }

    /// Returns how many of a thousand calls are turned away. Few calls go to SNS.
    fn refused_per_thousand(self) -> u64 {
        match self {
            Self::S3 | Self::DataPipeline => 40,
            Self::Sns => 300,
        }
    }
}

/// A notice that reached the topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) subject: String,
    pub(super) times: usize,
}

/// The network of a story.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// Whether the weather is bad: services turn calls away.
    pub(super) is_stormy: AtomicBool,
    turned_away: [AtomicU64; 3],
    broken_connections: AtomicUsize,
    /// The operations before or after which handlers died.
    deaths: Mutex<BTreeMap<String, usize>>,
    told: Mutex<BTreeMap<String, Told>>,
    /// The stand-ins for the parts that the server of moto lacks.
    pub(super) moto: Option<moto::Additions>,
}

impl Network {
    /// Returns a network in front of a stack, or in front of moto with these additions.
    pub(super) fn with(moto: Option<moto::Additions>) -> Self {
        Self { moto, ..Self::default() }
    }

    pub(super) fn turned_away(&self, service: Service) -> u64 {
        self.turned_away[service as usize].load(Ordering::Relaxed)
    }

    /// Returns how many calls got no answer because their connection broke.
    pub(super) fn broken_connections(&self) -> usize {
        self.broken_connections.load(Ordering::Relaxed)
    }

    /// Returns how many handlers died at each operation.
    pub(super) fn deaths(&self) -> BTreeMap<String, usize> {
        locked(&self.deaths).clone()
    }

    /// Returns the notices that reached the topic, by their ids.
    pub(super) fn told(&self) -> BTreeMap<String, Told> {
        locked(&self.told).clone()
    }

    /// Returns an HTTP client for the calls of a handler to a service.
    pub(super) fn client(self: &Arc<Self>, service: Service, seed: u64) -> SharedHttpClient {
        let random = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        let gate = Gate { service, network: Arc::clone(self), random };
        SharedHttpClient::new(Guarded { inner: aws_smithy_http_client::Builder::new().build_http(), gate })
    }

    fn note_notice(&self, form: &[u8]) {
        let fields: BTreeMap<String, String> = serde_urlencoded::from_bytes::<Vec<(String, String)>>(form)
            .unwrap_or_default()
            .into_iter()
            .collect();
        let name = fields.iter().find(|(_, value)| *value == "downspout-notice-id").map(|(name, _)| name);
        let id = name.and_then(|name| fields.get(&name.replace(".Name", ".Value.StringValue")));
        let id = id.cloned().unwrap_or_else(|| panic!("a notice without an id: {fields:?}"));
        let mut told = locked(&self.told);
        let told = told.entry(id).or_default();
        told.subject = fields.get("Subject").cloned().unwrap_or_default();
        told.times += 1;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

tokio::task_local! {
    /// The life of the handler whose task makes a call, if it will be killed.
    static LIFE: Arc<Life>;
}

/// The number of calls before which a handler that is killed dies. The start of a run takes about 20 calls.
const CALLS: u64 = 28;
/// The operations of a start, at which some handlers are killed on purpose. Others die at any call.
const OF_A_START: [&str; 6] =
    ["CreatePipeline", "PutPipelineDefinition", "ActivatePipeline", "PUT object", "Publish", "DELETE object"];

/// The life of a handler that is killed.
#[derive(Debug)]
pub(super) struct Life {
    /// How many calls are made before the last one.
    calls_left: AtomicU64,
    /// The operation whose calls count; `None` if all do.
    counted: Option<&'static str>,
    has_ended: AtomicBool,
    /// Whether the last call reaches its service. The handler never sees the answer.
    is_last_call_made: bool,
    end: Notify,
}

impl Life {
    /// Returns a life that ends at any call, or at one of those that start a run.
    pub(super) fn random(random: &mut StdRng) -> Self {
        let is_last_call_made = random.random_range(0..2) == 0;
        if random.random_range(0..3) == 0 {
            return Self::of(random.random_range(0..CALLS), None, is_last_call_made);
        }
        let counted = OF_A_START[random.random_range(0..OF_A_START.len())];
        let calls = if counted == "PUT object" { random.random_range(0..5) } else { 0 };
        Self::of(calls, Some(counted), is_last_call_made)
    }

    /// Returns a life that ends at the call after `calls` others. If `counted` is given, only calls of this operation count.
    fn of(calls: u64, counted: Option<&'static str>, is_last_call_made: bool) -> Self {
        let (calls_left, has_ended) = (AtomicU64::new(calls), AtomicBool::new(false));
        Self { calls_left, counted, has_ended, is_last_call_made, end: Notify::new() }
    }

    /// Counts a call, and returns whether it is the last one.
    fn is_last_call(&self, operation: &str) -> bool {
        // Calls that go on at the same time as the last one are never made.
        self.has_ended.load(Ordering::Relaxed)
            || self.counted.is_none_or(|counted| counted == operation)
                && self
                    .calls_left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_err()
    }
}

/// Works until the end of the work, or until the end of the life. Returns `None` if the handler died.
pub(super) async fn live<T>(life: Option<Life>, work: impl Future<Output = T>) -> Option<T> {
    let Some(life) = life.map(Arc::new) else { return Some(work.await) };
    tokio::select! {
        answer = LIFE.scope(Arc::clone(&life), work) => Some(answer),
        () = life.end.notified() => None,
    }
}

/// An HTTP client behind a gate.
#[derive(Clone)]
struct Guarded {
    inner: SharedHttpClient,
    gate: Gate,
}

struct Connector {
    inner: SharedHttpConnector,
    gate: Gate,
}

/// The way of the calls to one service.
#[derive(Clone)]
struct Gate {
    service: Service,
    network: Arc<Network>,
    random: Arc<Mutex<StdRng>>,
}

impl Gate {
    /// Returns the answer to a call that is turned away.
    fn refusal(&self) -> Option<HttpResponse> {
        let mut random = locked(&self.random);
        let is_refused = random.random_range(0..1_000) < self.service.refused_per_thousand();
        if !is_refused || !self.network.is_stormy.load(Ordering::Relaxed) {
            return None;
        }
        let refusals = self.service.refusals();
        let (status, body) = refusals[random.random_range(0..refusals.len())];
        self.network.turned_away[self.service as usize].fetch_add(1, Ordering::Relaxed);
        let status = status.try_into().expect("a status of HTTP");
        Some(HttpResponse::new(status, SdkBody::from(body)))
    }

    /// Returns the name of the operation.
    fn operation(&self, request: &HttpRequest) -> String {
        let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        match self.service {
            Service::S3 if request.uri().contains("list-type") => "ListObjectsV2".to_owned(),
            Service::S3 => format!("{} object", request.method()),
            Service::Sns => "Publish".to_owned(),
            Service::DataPipeline => target.unwrap_or_default().to_owned(),
        }
    }

    /// Makes a call. It ends also if the handler does not wait for its answer any more.
    async fn made(
        self,
        connector: SharedHttpConnector,
        request: HttpRequest,
        operation: String,
    ) -> Result<HttpResponse, ConnectorError> {
        let form =
            if self.service == Service::Sns { request.body().bytes().map(<[u8]>::to_vec) } else { None };
        let call = async move {
            let answer = match &self.network.moto {
                Some(moto) => moto.made(&connector, request, &operation).await,
                None => connector.call(request).await,
            };
            let answer = answer.inspect_err(|_| {
                self.network.broken_connections.fetch_add(1, Ordering::Relaxed);
            })?;
            if let Some(form) = form.filter(|_| answer.status().is_success()) {
                self.network.note_notice(&form);
            }
            Ok(answer)
        };
        tokio::spawn(call).await.expect("a call does not panic")
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded")
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpClient for Guarded {
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
        let (gate, inner) = (self.gate.clone(), self.inner.clone());
        let operation = gate.operation(&request);
        let life = LIFE.try_with(Arc::clone).ok().filter(|life| life.is_last_call(&operation));
        HttpConnectorFuture::new(async move {
            if let Some(life) = life {
                let is_first = !life.has_ended.swap(true, Ordering::Relaxed);
                let network = Arc::clone(&gate.network);
                if life.is_last_call_made && is_first {
                    let _ = gate.made(inner, request, operation.clone()).await;
                }
                if is_first {
                    *locked(&network.deaths).entry(operation).or_default() += 1;
                }
                life.end.notify_one();
                return pending().await;
            }
            match gate.refusal() {
                Some(answer) => Ok(answer),
                None => gate.made(inner, request, operation).await,
            }
        })
    }
}

/// Returns the names of the services that never turned a call away.
pub(super) fn never_busy(network: &Network) -> BTreeSet<Service> {
    SERVICES.into_iter().filter(|service| network.turned_away(*service) == 0).collect()
}
