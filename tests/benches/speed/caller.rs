//! A cheap client of the service, so that the benchmark measures the service. The client of the SDK takes more processor
//! time for a call than the service does.

use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use axum::body::{Bytes, to_bytes};
use axum::http::{Request, header};
use downspout::local::stack::Endpoints;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// The size limit of an answer, which no answer reaches.
const MOST_BYTES: usize = 1 << 20;

/// A service that speaks JSON 1.1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// The name for which requests are signed.
    pub(crate) name: &'static str,
    /// The beginning of the header that names the operation.
    pub(crate) target: &'static str,
}

/// The Data Pipeline service.
pub(crate) const DATA_PIPELINE: Service = Service { name: "datapipeline", target: "DataPipeline." };

/// A connection to a service, with the credentials of its calls.
pub(crate) struct Caller {
    service: Service,
    sender: SendRequest<Full<Bytes>>,
    url: String,
    host: String,
    region: String,
    credentials: Credentials,
}

impl Caller {
    /// Connects to the Data Pipeline service of a stack.
    pub(crate) async fn connect(endpoints: &Endpoints) -> Result<Self> {
        Self::connect_to(endpoints, &endpoints.datapipeline, DATA_PIPELINE).await
    }

    /// Connects to a service at `url`, with the keys of a stack.
    pub(crate) async fn connect_to(endpoints: &Endpoints, url: &str, service: Service) -> Result<Self> {
        let Endpoints { region, access_key_id, secret_access_key, .. } = endpoints;
        let credentials = Credentials::new(access_key_id, secret_access_key, None, None, "endpoints.json");
        Self::connect_as(credentials, region, url, service).await
    }

    /// Connects to a service at `url` with these keys.
    pub(crate) async fn connect_as(
        credentials: Credentials,
        region: &str,
        url: &str,
        service: Service,
    ) -> Result<Self> {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let sender = connection(&host).await?;
        let url = format!("http://{host}/");
        Ok(Self { service, sender, url, host, region: region.to_owned(), credentials })
    }

    /// Calls an operation and returns the answer's JSON as `T`.
    pub(crate) async fn call<T: DeserializeOwned>(&mut self, operation: &str, body: String) -> Result<T> {
        let answer = self.send(operation, body).await.with_context(|| format!("calling {operation}"))?;
        serde_json::from_slice(&answer).with_context(|| format!("reading the answer of {operation}"))
    }

    pub(crate) async fn send(&mut self, operation: &str, body: String) -> Result<Bytes> {
        let target = format!("{}{operation}", self.service.target);
        let content_type = "application/x-amz-json-1.1";
        let headers = [
            (header::HOST.as_str(), self.host.as_str()),
            (header::CONTENT_TYPE.as_str(), content_type),
            ("x-amz-target", target.as_str()),
        ];
        let signable = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", &self.url, headers.into_iter(), signable)?;
        let identity = self.credentials.clone().into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?;
        let (signature, _) = sign(signable, &parameters.into())?.into_parts();
        let mut request = Request::post("/");
        for (name, value) in headers.into_iter().chain(signature.headers()) {
            request = request.header(name, value);
        }
        // moto closes the connection after each answer.
        if self.sender.ready().await.is_err() {
            self.sender = connection(&self.host).await?;
        }
        let answer = self.sender.send_request(request.body(Full::from(body))?).await?;
        let status = answer.status();
        let answer = to_bytes(axum::body::Body::new(answer.into_body()), MOST_BYTES).await?;
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }
}

async fn connection(host: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(host).await.with_context(|| format!("connecting to {host}"))?;
    stream.set_nodelay(true).context("calls are small")?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.context("speaking HTTP")?;
    // The task ends with the sender.
    tokio::spawn(connection);
    Ok(sender)
}
