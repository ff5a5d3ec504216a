//! One signed call to a service of AWS that speaks JSON.
//!
//! The worker makes two such calls, `GetSecretValue` and `GetParameter`. The SDK's crates for their services have 25 MB of
//! sources, which every build of the worker would compile. So the calls are made here, with the credentials, the region and the
//! signer of the SDK.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

/// The time limit of one try.
const LIMIT: Duration = Duration::from_secs(5);
/// The size limit of an answer. A secret has at most 64 KiB.
const MOST_BYTES: usize = 1 << 20;

/// A call: the service, the operation and its request.
pub(super) struct Call {
    /// The service in the names of its endpoints and in signatures.
    pub(super) service: &'static str,
    /// The header that names the operation.
    pub(super) target: &'static str,
    /// The variable with the endpoint of this service alone.
    pub(super) endpoint_variable: &'static str,
    /// The region of the service.
    pub(super) region: String,
    pub(super) request: Value,
}

/// The reason why a call has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The service refuses the call.
    #[error("{code}: {message}")]
    Refused {
        /// The name of the exception, without its namespace.
        code: String,
        message: String,
        may_retry: bool,
    },
    /// The service could not be called.
    #[error("{0}")]
    Unreachable(String),
}

impl CallError {
    /// Returns whether the same call may succeed a moment later.
    pub(super) fn may_retry(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Refused { may_retry: true, .. })
    }
}

impl Call {
    /// Sends the call once, and returns the answer's JSON.
    pub(super) async fn send(&self, config: &SdkConfig) -> Result<Value, CallError> {
        let sent = tokio::time::timeout(LIMIT, self.try_send(config)).await;
        sent.unwrap_or_else(|_| {
            Err(CallError::Unreachable(format!("no answer within {} s", LIMIT.as_secs())))
        })
    }

    async fn try_send(&self, config: &SdkConfig) -> Result<Value, CallError> {
        let body = self.request.to_string();
        let request = self.signed(config, &body).await.map_err(CallError::Unreachable)?;
        let provider = std::sync::Arc::new(aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| CallError::Unreachable(format!("TLS: {error}")))?
            .with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
            .with_no_client_auth();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(https);
        let host = request.uri().host().unwrap_or_default().to_owned();
        let broken = |why: String| CallError::Unreachable(format!("{host}: {why}"));
        let answer = client.request(request.map(|()| Full::new(Bytes::from(body)))).await;
        let answer = answer.map_err(|error| broken(with_causes(error)))?;
        let status = answer.status();
        let answer = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        let answer = answer.map_err(|error| broken(error.to_string()))?.to_bytes();
        // The answer may be the secret, so no message quotes it.
        let json: Option<Value> = serde_json::from_slice(&answer).ok();
        match json {
            Some(json) if status.is_success() => Ok(json),
            None if status.is_success() => Err(broken("the answer is not JSON".to_owned())),
            json => Err(refusal(status, &json.unwrap_or_default())),
        }
    }

    /// Returns the request without its body, with the signature. An error is the reason in words.
    async fn signed(&self, config: &SdkConfig, body: &str) -> Result<Request<()>, String> {
        let provider = config.credentials_provider().ok_or("there are no credentials for AWS")?;
        let credentials = provider.provide_credentials().await;
        let credentials =
            credentials.map_err(|error| format!("credentials for AWS: {}", with_causes(error)))?;
        let url = self.url(config);
        let uri: Uri = url.parse().map_err(|error| format!("{url} is not a URL: {error}"))?;
        let host = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let headers = [
            (header::HOST.as_str(), host.as_str()),
            (header::CONTENT_TYPE.as_str(), "application/x-amz-json-1.1"),
            ("x-amz-target", self.target),
        ];
        let identity = credentials.into();
        let unsigned = |error: &dyn std::fmt::Display| format!("the call cannot be signed: {error}");
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsigned(&error))?
            .into();
        let signable = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", &url, headers.into_iter(), signable);
        let signed = sign(signable.map_err(|error| unsigned(&error))?, &parameters);
        let (signature, _) = signed.map_err(|error| unsigned(&error))?.into_parts();
        let mut request = Request::post(uri);
        for (name, value) in headers.into_iter().chain(signature.headers()) {
            request = request.header(name, value);
        }
        request.body(()).map_err(|error| unsigned(&error))
    }

    fn url(&self, config: &SdkConfig) -> String {
        let of_service = std::env::var(self.endpoint_variable).ok().filter(|url| !url.is_empty());
        let stated = of_service.or_else(|| config.endpoint_url().map(str::to_owned));
        let url = stated.unwrap_or_else(|| {
            let suffix = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("https://{}.{}.{suffix}", self.service, self.region)
        });
        format!("{}/", url.trim_end_matches('/'))
    }
}

/// Returns the error and its causes in one line, because hyper's own text names only the last step.
fn with_causes(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

fn refusal(status: StatusCode, json: &Value) -> CallError {
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    let code = text("__type").and_then(|code| code.rsplit('#').next()).unwrap_or(status.as_str()).to_owned();
    let message = text("message").or_else(|| text("Message")).unwrap_or_default();
    let message = message.chars().take(300).collect();
    let may_retry = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || code.starts_with("Throttl")
        || code.starts_with("TooManyRequests")
        // The role of a machine is not known everywhere at once.
        || matches!(code.as_str(), "UnrecognizedClientException" | "InvalidClientTokenId");
    CallError::Refused { code, message, may_retry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_called_in_the_region_of_the_secret() {
        let url = |region: &str| {
            let call = Call {
                service: "ssm",
                target: "AmazonSSM.GetParameter",
                endpoint_variable: "DOWNSPOUT_NEVER_SET",
                region: region.to_owned(),
                request: Value::Null,
            };
            call.url(&SdkConfig::builder().build())
        };
        assert_eq!(url("eu-west-1"), "https://ssm.eu-west-1.amazonaws.com/");
        assert_eq!(url("cn-north-1"), "https://ssm.cn-north-1.amazonaws.com.cn/");
    }

    #[test]
    fn only_a_refusal_that_may_pass_is_tried_again() {
        let refused = |status: u16, code: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            refusal(status, &serde_json::json!({"__type": format!("com.amazonaws#{code}"), "Message": "m"}))
        };
        assert!(refused(400, "ThrottlingException").may_retry());
        assert!(refused(500, "InternalServiceError").may_retry());
        let denied = refused(400, "AccessDeniedException");
        assert!(!denied.may_retry());
        assert_eq!(denied.to_string(), "AccessDeniedException: m");
    }
}
