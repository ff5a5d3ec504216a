//! Delivers messages to HTTP and HTTPS endpoints, and asks the endpoints to confirm their subscriptions.
//!
//! Only endpoints at addresses that the user allowed are taken: a subscription to any address would let a client of this SNS send
//! requests to every server that this machine reaches. Redirects are not followed.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio_util::sync::CancellationToken;
use url::{Origin, Url};

use super::Topic;
use super::deliveries::{next_due, next_try};
use super::store::WebDelivery;
use crate::https;

/// How long an endpoint may take to answer, as in SNS.
const SEND_LIMIT: Duration = Duration::from_secs(15);
/// The pauses between tries, in seconds.
const RETRY_AFTER_SECS: [i64; 8] = [1, 5, 15, 60, 300, 900, 3_600, 14_400];

/// An address of endpoints that subscriptions may name: a scheme, a host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(Origin);

/// The reason why a text is not an address of endpoints.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not an address such as https://hooks.example.com or http://127.0.0.1:8080, without path, user and password"
)]
pub struct OriginError(String);

impl FromStr for AllowedOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let is_bare = |url: &Url| {
            let has_user = !url.username().is_empty() || url.password().is_some();
            !has_user && url.path() == "/" && url.query().is_none() && url.fragment().is_none()
        };
        let url = url.filter(is_bare).ok_or_else(|| OriginError(text.to_owned()))?;
        Ok(Self(url.origin()))
    }
}

/// Returns the address of an endpoint, if the protocol fits and one of the origins allows the endpoint.
pub(super) fn allowed(origins: &[AllowedOrigin], protocol: &str, endpoint: &str) -> Option<Url> {
    let url = Url::parse(endpoint).ok().filter(|url| url.scheme() == protocol)?;
    // Secrets in an address would be shown to everybody who lists the subscriptions.
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_allowed = origins.iter().any(|origin| origin.0 == url.origin());
    (is_allowed && !has_user).then_some(url)
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Delivers the waiting messages until `shutdown`.
///
/// # Errors
///
/// If TLS cannot be set up.
pub(super) async fn run(topic: Arc<Topic>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let connector = https::connector().context("setting up TLS for subscriptions with the protocol https")?;
    let client: HttpClient = Client::builder(TokioExecutor::new()).build(connector);
    let next = || topic.store.next_web_delivery().map(|next| next.map(|delivery| (delivery.due, delivery)));
    while let Some(delivery) = next_due(next, &topic.web_waits, &shutdown).await {
        deliver(&topic, &client, &delivery).await;
    }
    Ok(())
}

/// Tries once to deliver a message, and notes when the next try is.
async fn deliver(topic: &Topic, client: &HttpClient, delivery: &WebDelivery) {
    let (outcome, may_retry) = match tokio::time::timeout(SEND_LIMIT, send(topic, client, delivery)).await {
        Ok(Ok(status)) if status.is_success() => (Ok(()), false),
        Ok(Ok(status)) => {
            let is_final = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
            (Err(format!("the endpoint answered {status}")), !is_final)
        }
        Ok(Err(Refused::Final(why))) => (Err(why), false),
        Ok(Err(Refused::Unreachable(why))) => (Err(why), true),
        Err(_) => (Err(format!("no answer within {} s", SEND_LIMIT.as_secs())), true),
    };
    let next =
        outcome.is_err().then(|| next_try(delivery.tries, &RETRY_AFTER_SECS)).flatten().filter(|_| may_retry);
    if let Err(why) = outcome {
        tracing::warn!(sns.endpoint = %delivery.endpoint, error = %why, sns.next_try = ?next,
            "an HTTP endpoint did not take a message");
    }
    if let Err(error) = topic.store.note_web_delivery(delivery.id, next) {
        tracing::error!(error = %error, "cannot record that a message was delivered");
        // Without the note, the message is sent again. The pause prevents a tight loop.
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// The reason why a message could not be sent.
enum Refused {
    /// Another try cannot help.
    Final(String),
    /// The endpoint was not reached.
    Unreachable(String),
}

async fn send(topic: &Topic, client: &HttpClient, delivery: &WebDelivery) -> Result<StatusCode, Refused> {
    let protocol = delivery.endpoint.split(':').next().unwrap_or_default();
    // The user may have removed the address since the subscription.
    let url = allowed(&topic.web_origins, protocol, &delivery.endpoint)
        .ok_or_else(|| Refused::Final("its address is no longer allowed".to_owned()))?;
    let request = Request::post(url.as_str())
        .header(header::CONTENT_TYPE, "text/plain; charset=UTF-8")
        .header(header::USER_AGENT, "Amazon Simple Notification Service Agent")
        .header("x-amz-sns-message-type", &delivery.kind)
        .header("x-amz-sns-message-id", &delivery.message_id)
        .header("x-amz-sns-topic-arn", &delivery.topic);
    let request = match delivery.kind.as_str() {
        "Notification" => request.header("x-amz-sns-subscription-arn", &delivery.subscription),
        _ => request,
    };
    let request = if delivery.is_raw { request.header("x-amz-sns-rawdelivery", "true") } else { request };
    let request = request
        .body(Full::new(Bytes::from(delivery.body.clone())))
        .map_err(|error| Refused::Final(error.to_string()))?;
    let response = client.request(request).await;
    response
        .map(|response| response.status())
        .map_err(|error| Refused::Unreachable(http_front::with_causes(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_endpoints_at_allowed_addresses_are_taken() {
        let origins =
            ["http://127.0.0.1:8080", "https://hooks.example.com"].map(|text| text.parse().expect(text));
        let is_allowed = |protocol: &str, endpoint: &str| allowed(&origins, protocol, endpoint).is_some();
        assert!(is_allowed("http", "http://127.0.0.1:8080/notices?from=sns"));
        assert!(is_allowed("https", "https://hooks.example.com:443/x"));
        for (protocol, endpoint) in [
            ("https", "http://127.0.0.1:8080/"),
            ("http", "http://127.0.0.1:8081/"),
            ("http", "http://localhost:8080/"),
            ("http", "http://127.0.0.1:8080@169.254.169.254/"),
            ("https", "https://hooks.example.com.evil.example/"),
            ("https", "https://me:secret@hooks.example.com/"),
            ("http", "file:///etc/passwd"),
            ("http", "nonsense"),
        ] {
            assert!(!is_allowed(protocol, endpoint), "{endpoint}");
        }
        for text in ["hooks.example.com", "ftp://h", "http://h/path", "http://u@h", "https://h?x"] {
            assert!(text.parse::<AllowedOrigin>().is_err(), "{text}");
        }
    }
}
