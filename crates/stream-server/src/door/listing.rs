//! `GET /streams` and `GET /streams/NAME`.

use axum::body::Body;
use http::Response;
use serde_json::json;

use super::Front;
use super::post::json_response;
use crate::live::LiveStream;
use crate::summary;

pub(super) async fn all(front: &Front) -> Response<Body> {
    let mut streams = Vec::new();
    for stream in front.streams.visible().await {
        streams.push(summary::of(&stream, (front.now)()).await);
    }
    json_response(json!({ "streams": streams }).to_string())
}

pub(super) async fn one(front: &Front, stream: &LiveStream) -> Response<Body> {
    json_response(json!(summary::of(stream, (front.now)()).await).to_string())
}
