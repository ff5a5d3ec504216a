//! Completes the answers of the endpoint: each has a request id, each error also has a message, and no document has a character
//! that XML cannot contain.

use std::fmt::Write as _;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use sigv4::s3::Refusal;

use crate::local::xml_text::xml_text;

/// Carries the name of a condition that does not hold from the operation to the error document. It is never sent.
pub(super) const CONDITION: HeaderName = HeaderName::from_static("x-downspout-condition");

/// The second id of a request, by which AWS finds the host that answered it.
const HOST_ID: &str = "x-amz-id-2";
/// The header with the id of a request.
const REQUEST_ID: &str = "x-amz-request-id";
/// The largest error of `s3s` in bytes. Errors have a few hundred bytes.
const LARGEST_ERROR: usize = 1 << 20;
/// The end of the XML of an error.
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

/// Returns the answer to a connection for which the endpoint has no place.
pub(super) fn full() -> Response<String> {
    let message = "Please reduce your request rate: this S3 is busy with as many requests as it takes.";
    let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", message);
    let id = new_request_id();
    let mut response = Response::new(completed(&document(&refusal), refusal.status, &id));
    *response.status_mut() = refusal.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Returns the answer to a refused request.
pub(super) fn refused(refusal: &Refusal) -> Response<Body> {
    xml(refusal.status, document(refusal))
}

fn document(refusal: &Refusal) -> String {
    let element = |(name, value): (&str, &str)| format!("<{name}>{}</{name}>", xml_text(value));
    let details = refusal.details.iter().map(|(name, value)| (*name, value.as_str()));
    let elements = [("Code", refusal.code), ("Message", &refusal.message)].into_iter().chain(details);
    let elements: String = elements.map(element).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{elements}{END}")
}

/// Returns an answer with an XML document.
pub(super) fn xml(status: StatusCode, document: String) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Adds the ids to an answer, and to an error also the message if it has none, and `resource`, the path of the request.
pub(super) async fn complete(response: Response<Body>, request_id: &str, resource: &str) -> Response<Body> {
    let (mut parts, mut body) = response.into_parts();
    let condition = parts.headers.remove(CONDITION);
    let host_id = uuid::Uuid::new_v4().simple().to_string();
    for (name, id) in [(REQUEST_ID, request_id), (HOST_ID, &host_id)] {
        if let Ok(id) = HeaderValue::from_str(id) {
            parts.headers.insert(name, id);
        }
    }
    if parts.status == StatusCode::NOT_MODIFIED {
        // RFC 9110, section 15.4.5: this answer has no content.
        parts.headers.remove(CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    if parts.status.is_client_error() || parts.status.is_server_error() {
        let document = to_bytes(body, LARGEST_ERROR).await.unwrap_or_default();
        let document = String::from_utf8_lossy(&document);
        let document = completed(&document, parts.status, request_id);
        let condition = condition.as_ref().and_then(|condition| condition.to_str().ok());
        let more = [("Condition", condition), ("Resource", Some(resource)), ("HostId", Some(&host_id))];
        let document = with_elements(&document, &more);
        let document = escaped(&document).unwrap_or(document);
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

/// Adds elements at the end of an error, except those that it has already.
fn with_elements(document: &str, elements: &[(&str, Option<&str>)]) -> String {
    let mut text = document.strip_suffix(END).unwrap_or(document).to_owned();
    for (name, value) in elements {
        if let Some(value) = value.filter(|_| !text.contains(&format!("<{name}>"))) {
            text.push_str(&format!("<{name}>{}</{name}>", xml_text(value)));
        }
    }
    text + END
}

/// Mends a document of `s3s` that is in one piece, and returns it as a body: its characters that XML cannot contain, and the quotes
/// of an ETag. The content of an object is a stream, and stays as it is.
pub(super) fn mended(mut response: Response<s3s::Body>) -> Response<Body> {
    let document = response.body().bytes().filter(|document| document.starts_with(b"<?xml"));
    let mended = document.and_then(|document| {
        let text = String::from_utf8_lossy(&document);
        escaped(&text).or_else(|| unquoted(&text))
    });
    if let Some(mended) = mended {
        // The length is another one now; the server writes the header from the content.
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = s3s::Body::from(Bytes::from(mended));
    }
    response.map(Body::new)
}

/// Takes the quotes from the ETag in the answer to GetObjectAttributes, the only document of S3 that has none. Returns
/// `None` for any other document.
fn unquoted(document: &str) -> Option<String> {
    let is_attributes = document.contains("<GetObjectAttributesResponse") && document.contains("<ETag>\"");
    is_attributes.then(|| document.replacen("<ETag>\"", "<ETag>", 1).replacen("\"</ETag>", "</ETag>", 1))
}

/// Writes characters that XML cannot contain as numeric references, and returns `None` if there are none.
///
/// XML 1.0 does not know references to most of these characters either. S3 sends them all the same: the SDK for
/// JavaScript reads them, and other clients ask for the encoding `url` to list keys with such characters. A carriage
/// return as it is would become a line feed when it is read.
fn escaped(text: &str) -> Option<String> {
    let is_plain = |character: char| match character {
        '\t' | '\n' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        other => other >= ' ',
    };
    if text.chars().all(is_plain) {
        return None;
    }
    let mut escaped = String::with_capacity(text.len() + 64);
    for character in text.chars() {
        if is_plain(character) {
            escaped.push(character);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "&#x{:x};", u32::from(character));
        }
    }
    Some(escaped)
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
    fn characters_that_xml_cannot_contain_become_references() {
        let escaped = escaped("<Key>a\u{1}\r\t\n\u{e9}</Key>");
        assert_eq!(escaped.as_deref(), Some("<Key>a&#x1;&#xd;\t\n\u{e9}</Key>"));
    }

    #[tokio::test]
    async fn an_error_names_its_condition_and_its_resource() {
        let mut response = xml(StatusCode::PRECONDITION_FAILED, "<Error><Code>A</Code></Error>".to_owned());
        response.headers_mut().insert(CONDITION, HeaderValue::from_static("If-Match"));
        let completed = complete(response, "ID", "/drop/a&b").await;
        assert!(!completed.headers().contains_key(CONDITION));
        let text = to_bytes(completed.into_body(), LARGEST_ERROR).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.contains("<Condition>If-Match</Condition><Resource>/drop/a&amp;b</Resource>"), "{text}");
    }

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
