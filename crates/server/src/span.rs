//! The spans of traces: one for each request, and one for each step that matters.
//!
//! The program that runs the service may send the spans to a collector. Otherwise they are disabled: no span is made, and no
//! attribute is computed. Attributes hold ids and names only: no secret, and no part of a body.

use engine::{NoticeId, PipelineId, RunId};
use http::{HeaderMap, StatusCode};
use opentelemetry::Context;
use opentelemetry_http::HeaderExtractor;
use tracing::Span;
use tracing::field::{Empty, display};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::error::ServiceError;
use crate::worker_groups::Offer;

/// The target of all spans. A log should leave it out, and an exporter of traces should take nothing else.
pub const SPAN_TARGET: &str = "spans";

/// Returns the span of a request. Its parent is the span that the header `traceparent` names, if the request has one.
pub(crate) fn request(request_id: &str, operation: &'static str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: SPAN_TARGET,
        parent: None,
        "request",
        otel.name = operation,
        otel.kind = "server",
        otel.status_code = Empty,
        request.id = request_id,
        request.operation = operation,
        request.key = Empty,
        account.id = Empty,
        result = Empty,
        http.response.status_code = Empty,
    );
    if !span.is_disabled() {
        let caller = opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&Context::new(), &HeaderExtractor(headers))
        });
        // This fails only for a span that has begun, or if no exporter takes the span.
        let _ = span.set_parent(caller);
    }
    span
}

/// Notes how a request ended.
pub(crate) fn end_request(span: &Span, error: Option<&ServiceError>) {
    let status = error.map_or(StatusCode::OK, ServiceError::status);
    // The layer for OpenTelemetry makes texts of unsigned numbers.
    span.record("http.response.status_code", i64::from(status.as_u16()));
    end(span, error.map_or("ok", ServiceError::code), status.is_server_error());
}

/// Returns the span of a wake-up of a pipeline, which nobody asked for.
pub(crate) fn wake(pipeline: &PipelineId) -> Span {
    let id = display(pipeline);
    tracing::info_span!(target: SPAN_TARGET, "wake", pipeline.id = id, result = Empty, otel.status_code = Empty)
}

/// Returns the span of a claim: an attempt is handed to a task runner.
pub(crate) fn claim(offer: &Offer) -> Span {
    let (pipeline, attempt) = (display(&offer.pipeline), display(&offer.attempt));
    tracing::info_span!(
        target: SPAN_TARGET,
        "claim",
        pipeline.id = pipeline,
        attempt.id = attempt,
        result = Empty,
        otel.status_code = Empty,
    )
}

/// Returns the span of one change of a pipeline and its runs. `run` is the run that changes, if it is only one.
pub(crate) fn step(pipeline: &PipelineId, run: Option<&RunId>) -> Span {
    let (pipeline, run) = (display(pipeline), run.map(display));
    tracing::info_span!(
        target: SPAN_TARGET,
        "step",
        pipeline.id = pipeline,
        run.id = run,
        result = Empty,
        otel.status_code = Empty,
    )
}

/// Returns the span of a save that begins a run.
pub(crate) fn begin(pipeline: &PipelineId, run: &RunId) -> Span {
    let (pipeline, run) = (display(pipeline), display(run));
    tracing::info_span!(target: SPAN_TARGET, "begin", pipeline.id = pipeline, run.id = run)
}

/// Returns the span of a save to the store.
pub(crate) fn save(pipeline: &PipelineId) -> Span {
    let id = display(pipeline);
    tracing::info_span!(target: SPAN_TARGET, "save", pipeline.id = id, result = Empty, otel.status_code = Empty)
}

/// Returns the span of one try to publish a notice.
pub(crate) fn publish(notice: &NoticeId, pipeline: &PipelineId) -> Span {
    let (notice, pipeline) = (display(notice), display(pipeline));
    tracing::info_span!(
        target: SPAN_TARGET,
        "publish",
        otel.kind = "producer",
        notice.id = notice,
        pipeline.id = pipeline,
        result = Empty,
        otel.status_code = Empty,
    )
}

/// Notes how the work of a span ended, and whether that is an error of the service.
pub(crate) fn end(span: &Span, result: &'static str, is_error: bool) {
    span.record("result", result);
    if is_error {
        span.record("otel.status_code", "error");
    }
}
