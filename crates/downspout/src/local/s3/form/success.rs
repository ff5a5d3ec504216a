//! The answer to a successful upload from a form, which the form itself chooses.

use axum::body::Body;
use http::header::{ETAG, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use url::Url;

use crate::local::s3::answers;
use crate::local::xml_text::xml_text;

/// The answer that a form chooses.
pub(in crate::local::s3) struct Success {
    bucket: String,
    key: String,
    path: String,
    redirect: Option<Url>,
    status: StatusCode,
}

impl Success {
    /// Reads the fields that choose the answer. A redirect that is not a URL does not count, as in S3.
    pub(super) fn new<'a>(
        bucket: &str,
        key: &str,
        path: &str,
        field: impl Fn(&str) -> Option<&'a str>,
    ) -> Self {
        let redirect = field("success_action_redirect").or_else(|| field("redirect"));
        let redirect = redirect.and_then(|url| Url::parse(url).ok());
        let status = match field("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        };
        Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            path: path.to_owned(),
            redirect: redirect.filter(|url| matches!(url.scheme(), "http" | "https")),
            status,
        }
    }

    /// Returns the answer, with the ETag from the answer to the put.
    pub(in crate::local::s3) fn answer(self, put: &Response<Body>) -> Response<Body> {
        let etag = put.headers().get(ETAG).cloned();
        let etag_text = etag.as_ref().and_then(|etag| etag.to_str().ok()).unwrap_or_default().to_owned();
        let mut location = self.path.clone();
        let mut answer = match self.redirect {
            Some(mut url) => {
                let mut pairs = url.query_pairs_mut();
                pairs.append_pair("bucket", &self.bucket);
                pairs.append_pair("key", &self.key).append_pair("etag", &etag_text);
                drop(pairs);
                location = url.into();
                empty(StatusCode::SEE_OTHER)
            }
            None if self.status == StatusCode::CREATED => {
                let values = [
                    ("Location", &self.path),
                    ("Bucket", &self.bucket),
                    ("Key", &self.key),
                    ("ETag", &etag_text),
                ];
                let elements =
                    values.map(|(name, value)| format!("<{name}>{}</{name}>", xml_text(value))).concat();
                let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
                answers::xml(self.status, format!("{head}<PostResponse>{elements}</PostResponse>"))
            }
            None => empty(self.status),
        };
        if let Ok(location) = HeaderValue::from_str(&location) {
            answer.headers_mut().insert(LOCATION, location);
        }
        if let Some(etag) = etag {
            answer.headers_mut().insert(ETAG, etag);
        }
        answer
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
