//! Sends the spans of `downspout server` to a collector, by OTLP over HTTP.
//!
//! A thread of the OpenTelemetry SDK sends the spans in batches. The spans that wait for it have a limit, and further ones are
//! dropped, so a collector that is slow or away costs neither time nor memory.

mod client;
mod endpoint;

use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use server::SPAN_TARGET;
use tokio::runtime::Handle;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::{Layer, Registry};

use client::Client;
pub(crate) use endpoint::Endpoint;

/// The name of the service in traces.
const SERVICE: &str = "downspout";
/// How long the collector may take to answer.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// How long the last spans may take at the end of the program.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// The exporter of spans.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts the exporter, whose connections run on `runtime`. Headers for the collector, such as a key, come from the
    /// environment variable `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up, or if a variable of OpenTelemetry asks for something that this program lacks.
    pub(crate) fn start(endpoint: &Endpoint, runtime: Handle) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint.traces().as_str())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(SEND_LIMIT)
            .with_http_client(Client::new(runtime, SEND_LIMIT).context("setting up TLS for traces")?)
            .build()
            .context("setting up traces")?;
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name(SERVICE).with_attribute(version).build();
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Self { provider })
    }

    /// Returns the layer that takes the spans of the service, and nothing else: lines of the log stay in the log.
    pub(crate) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(
                filter_fn(|metadata| metadata.is_span() && metadata.target() == SPAN_TARGET)
                    .with_max_level_hint(LevelFilter::INFO),
            )
            .boxed()
    }

    /// Sends the spans that wait, for a limited time.
    pub(crate) fn flush(&self) {
        if self.provider.shutdown_with_timeout(FLUSH_LIMIT).is_err() {
            tracing::warn!("the last traces were not sent, because the collector did not take them in time");
        }
    }
}
