//! Completes the answers of the endpoint: each has a request id, and each error also has a message.

use axum::body::{Body, to_bytes};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use sigv4::s3::Refusal;

use crate::local::xml_text::xml_text;

/// The header with the id of a request.
const REQUEST_ID: &str = "x-amz-request-id";
/// The largest error of `s3s` in bytes. Errors have a few hundred bytes.
const LARGEST_ERROR: usize = 1 << 20;
/// What the XML of an error ends with.
const END: &str = "</Error>";

/// The messages of codes that `s3s` sends without one, in the words of S3 ("Error responses" in the API Reference).
const MESSAGES: &[(&str, &str)] = &[
    ("AccessDenied", "Access Denied"),
    ("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"),
    ("InternalError", "We encountered an internal error. Please try again."),
    ("InvalidBucketName", "The specified bucket is not valid."),
    ("InvalidURI", "Couldn't parse the specified URI."),
    ("KeyTooLongError", "Your key is too long."),
    (
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema.",
    ),
    ("MaxMessageLengthExceeded", "Your request was too big."),
    ("MethodNotAllowed", "The specified method is not allowed against this resource."),
    ("MissingContentLength", "You must provide the Content-Length HTTP header."),
    ("NotImplemented", "A header you provided implies functionality that is not implemented."),
];

/// Returns a new id for a request.
pub(super) fn new_request_id() -> String {
    let id = uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase();
    id[..16].to_owned()
}

/// Returns the answer to a refused request.
pub(super) fn refused(refusal: &Refusal) -> Response<Body> {
    let element = |(name, value): (&str, &str)| format!("<{name}>{}</{name}>", xml_text(value));
    let details = refusal.details.iter().map(|(name, value)| (*name, value.as_str()));
    let elements = [("Code", refusal.code), ("Message", &refusal.message)].into_iter().chain(details);
    let elements: String = elements.map(element).collect();
    xml(refusal.status, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{elements}{END}"))
}

/// Returns an answer with an XML document.
pub(super) fn xml(status: StatusCode, document: String) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Adds the request id to an answer, and to an error also the message if it has none.
pub(super) async fn complete(response: Response<Body>, request_id: &str) -> Response<Body> {
    let (mut parts, mut body) = response.into_parts();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        parts.headers.insert(REQUEST_ID, id);
    }
    if parts.status.is_client_error() || parts.status.is_server_error() {
        let document = to_bytes(body, LARGEST_ERROR).await.unwrap_or_default();
        let document = String::from_utf8_lossy(&document);
        let document = completed(&document, parts.status, request_id);
        tracing::debug!(
            request.id = request_id,
            status = parts.status.as_u16(),
            "S3 refused a request: {document}"
        );
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        parts.headers.remove(CONTENT_LENGTH);
        body = Body::from(document);
    }
    Response::from_parts(parts, body)
}

/// Returns the XML of an error with the message and the request id.
fn completed(document: &str, status: StatusCode, request_id: &str) -> String {
    let Some(start) = document.trim_end().strip_suffix(END) else {
        let code = status.canonical_reason().unwrap_or("Error").replace(' ', "");
        let refusal = format!("<Error><Code>{code}</Code>{END}");
        return completed(&refusal, status, request_id);
    };
    let mut text = start.to_owned();
    if !text.contains("<Message>") {
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = code.map(|(code, _)| code).unwrap_or_default();
        let known =
            MESSAGES.iter().find(|(known, _)| *known == code).map(|(_, message)| (*message).to_owned());
        let message = known.unwrap_or_else(|| format!("S3 refused the request with the code {code}."));
        text.push_str(&format!("<Message>{}</Message>", xml_text(&message)));
    }
    if !text.contains("<RequestId>") {
        text.push_str(&format!("<RequestId>{request_id}</RequestId>"));
    }
    text + END
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_gets_a_message_and_an_id() {
        let error = "<?xml version=\"1.0\"?><Error><Code>InvalidURI</Code></Error>";
        let text = completed(error, StatusCode::BAD_REQUEST, "ID");
        assert_eq!(
            text,
            "<?xml version=\"1.0\"?><Error><Code>InvalidURI</Code><Message>Couldn't parse the specified URI.</Message>\
             <RequestId>ID</RequestId></Error>"
        );
    }

    #[test]
    fn a_message_stays_as_it_is() {
        let error = "<Error><Code>A</Code><Message>B</Message></Error>";
        let text = completed(error, StatusCode::BAD_REQUEST, "ID");
        assert_eq!(text, "<Error><Code>A</Code><Message>B</Message><RequestId>ID</RequestId></Error>");
    }

    #[test]
    fn an_empty_error_gets_everything() {
        let text = completed("", StatusCode::NOT_FOUND, "ID");
        assert!(text.starts_with("<Error><Code>NotFound</Code><Message>"), "{text}");
    }
}
