//! `GET /streams` and `GET /streams/NAME`.

use axum::body::Body;
use http::Response;
use serde_json::json;

use super::post::json_response;
use crate::intake::Intake;
use crate::live::LiveStream;
use crate::summary;

pub(super) async fn all(intake: &Intake) -> Response<Body> {
    let mut streams = Vec::new();
    for stream in intake.streams.visible().await {
        streams.push(summary::of(&stream, (intake.now)()).await);
    }
    json_response(json!({ "streams": streams }).to_string())
}

pub(super) async fn one(intake: &Intake, stream: &LiveStream) -> Response<Body> {
    json_response(json!(summary::of(stream, (intake.now)()).await).to_string())
}
