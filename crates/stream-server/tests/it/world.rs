//! A server with its stand-in for S3, a clock that tests wind, and clients.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use axum::body::{Body, Bytes, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stream_server::{BeforeFlush, Config, FileReport, Homes, Pauses, StreamServer};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::stand_in_s3::StandInS3;

pub(crate) const API_KEY: &str = "the api key";
const KEYS: (&str, &str) = ("AKIDEXAMPLE", "secret");

/// The time at which every test begins.
pub(crate) const BEGIN: &str = "2026-11-20T10:00:00Z";

/// A clock that tests wind.
#[derive(Clone)]
pub(crate) struct Clock {
    time: Arc<Mutex<Timestamp>>,
    set: watch::Sender<u64>,
}

impl Clock {
    fn new() -> Self {
        let time = BEGIN.parse().expect("the constant is a time");
        Self { time: Arc::new(Mutex::new(time)), set: watch::Sender::new(0) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.time.lock().expect("no test panics with the lock")
    }

    /// Sets the clock forward, or back.
    pub(crate) fn wind(&self, seconds: i64) {
        *self.time.lock().expect("no test panics with the lock") += SignedDuration::from_secs(seconds);
        self.set.send_modify(|times| *times += 1);
    }
}

/// How a server is set up.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// The bytes of all bodies.
    pub(crate) bodies: usize,
    /// The bytes that a stream keeps undelivered.
    pub(crate) backlog: u64,
    /// How long a delivery that failed waits.
    pub(crate) pauses: Pauses,
}

impl Default for Settings {
    fn default() -> Self {
        let pauses = Pauses { first: Duration::from_millis(1), most: Duration::from_millis(20) };
        Self { bodies: 64 << 20, backlog: u64::MAX, pauses }
    }
}

/// A server that runs.
pub(crate) struct World {
    pub(crate) server: StreamServer,
    pub(crate) s3: StandInS3,
    pub(crate) clock: Clock,
    pub(crate) address: String,
    folder: TempDir,
    files: BTreeMap<String, String>,
    before_flush: Option<BeforeFlush>,
    settings: Settings,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the status, the type of the error and the body, in the form of golden exchanges.
    pub(crate) fn golden(&self) -> String {
        let kind = self.headers.get("x-amzn-errortype").map_or("", |kind| kind.to_str().unwrap_or_default());
        format!("{} {kind}\n{}", self.status.as_u16(), self.body)
    }
}

impl World {
    /// Starts a server with stream files.
    pub(crate) async fn with(files: &[(&str, &str)]) -> Self {
        Self::start(files, None, Settings::default()).await
    }

    /// Starts a server; `before_flush` runs before each flush of the disk.
    pub(crate) async fn start(
        files: &[(&str, &str)],
        before_flush: Option<BeforeFlush>,
        settings: Settings,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let (s3, clock) = (StandInS3::start().await, Clock::new());
        let server = open(folder.path(), &s3, &clock, before_flush.clone(), settings).await;
        let (address, stop, running) = run(&server).await;
        let world = Self { server, s3, clock, address, folder, files, before_flush, settings, stop, running };
        let reports = world.set_files().await;
        assert!(
            reports.iter().all(|it| it.failure.is_none() && it.findings.iter().all(|it| !it.is_error)),
            "{reports:?}"
        );
        world
    }

    /// Ends the server as if it was killed between two steps, and starts it again on the same folder.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(|| ()).await
    }

    /// Ends the server, does `change`, and starts the server again.
    pub(crate) async fn restart_after(self, change: impl FnOnce()) -> Self {
        let Self { server, s3, clock, folder, files, before_flush, settings, stop, running, .. } = self;
        stop.cancel();
        running.await.expect("the server ends");
        drop(server);
        change();
        let server = open(folder.path(), &s3, &clock, before_flush.clone(), settings).await;
        let (address, stop, running) = run(&server).await;
        let world = Self { server, s3, clock, address, folder, files, before_flush, settings, stop, running };
        world.set_files().await;
        world
    }

    /// Changes a stream file, or removes it.
    pub(crate) async fn set_file(&mut self, name: &str, text: Option<&str>) -> Vec<FileReport> {
        match text {
            Some(text) => self.files.insert(name.to_owned(), text.to_owned()),
            None => self.files.remove(name),
        };
        self.set_files().await
    }

    async fn set_files(&self) -> Vec<FileReport> {
        let files = self.files.iter().map(|(name, text)| (name.clone(), Ok(text.clone()))).collect();
        self.server.set_files(&files, &|file| Err(format!("there is no file {file}"))).await
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn client(&self) -> Client {
        let host = self.address.clone();
        let stream = TcpStream::connect(&host).await.expect("the server listens");
        stream.set_nodelay(true).expect("the option exists");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("the server speaks HTTP");
        tokio::spawn(connection);
        Client { sender, host }
    }

    /// Sends a request to the HTTP door, with the API key.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &str) -> Answer {
        self.client().await.send(method, path, &[("x-api-key", API_KEY)], body.to_owned()).await
    }

    /// Posts a record and expects that it is accepted.
    pub(crate) async fn post(&self, stream: &str, body: &str) -> Value {
        let answer = self.send(Method::POST, &format!("/streams/{stream}"), body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// Calls an operation of an AWS protocol.
    pub(crate) async fn call(&self, target: &str, body: &Value) -> Answer {
        self.client().await.call(target, &body.to_string()).await
    }

    /// Calls `PutRecords` of Kinesis with records of different keys.
    pub(crate) async fn put_records(&self, stream: &str, data: &[&str]) -> Value {
        let records: Vec<_> = data
            .iter()
            .enumerate()
            .map(|(number, data)| json!({"Data": STANDARD.encode(data), "PartitionKey": number.to_string()}))
            .collect();
        let answer = self
            .call("Kinesis_20131202.PutRecords", &json!({"StreamName": stream, "Records": records}))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// Returns the summary of a stream.
    pub(crate) async fn summary(&self, stream: &str) -> stream_server::answers::StreamSummary {
        let list = self.server.list().await;
        list.streams.into_iter().find(|it| it.name == stream).expect("the stream is in the list")
    }

    /// Waits until a stream has nothing to deliver.
    pub(crate) async fn delivered(&self, stream: &str) {
        until(&format!("{stream} is delivered"), async || {
            let summary = self.summary(stream).await;
            if summary.waiting_records == 0 { Ok(()) } else { Err(format!("{summary:?}")) }
        })
        .await;
    }
}

/// Waits until `check` succeeds.
pub(crate) async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        match check().await {
            Ok(value) => return value,
            Err(state) => assert!(tokio::time::Instant::now() < deadline, "waiting until {what}: {state}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn open(
    folder: &Path,
    s3: &StandInS3,
    clock: &Clock,
    before_flush: Option<BeforeFlush>,
    settings: Settings,
) -> StreamServer {
    let homes = Homes { drop: "drop".to_owned(), raw: "raw".to_owned() };
    let keys = sigv4::Credentials { access_key_id: KEYS.0.to_owned(), secret_access_key: KEYS.1.to_owned() };
    let own_clock = clock.clone();
    let config = Config {
        now: Arc::new(move || own_clock.now()),
        clock_set: clock.set.subscribe(),
        pauses: settings.pauses,
        before_flush,
        body_bytes: settings.bodies,
        backlog_bytes: settings.backlog,
        ..Config::new(folder.to_owned(), s3.client(), homes, keys, API_KEY.to_owned())
    };
    StreamServer::open(config).await.expect("the logs can be opened")
}

async fn run(server: &StreamServer) -> (String, CancellationToken, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address").to_string();
    let (stop, server) = (CancellationToken::new(), server.clone());
    let token = stop.clone();
    let running = tokio::spawn(async move { server.run(listener, token).await });
    (address, stop, running)
}

/// A connection to the server.
pub(crate) struct Client {
    sender: SendRequest<Body>,
    host: String,
}

impl Client {
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", &self.host);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("the request is well formed");
        self.sender.ready().await.expect("the connection is open");
        let answer = self.sender.send_request(request).await.expect("the server answers");
        let (parts, body) = answer.into_parts();
        let body: Bytes = to_bytes(Body::new(body), 1 << 26).await.expect("the answer arrives");
        let body = String::from_utf8(body.into()).expect("answers are text");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Calls an operation of an AWS protocol.
    pub(crate) async fn call(&mut self, target: &str, body: &str) -> Answer {
        let service = if target.starts_with("Firehose") { "firehose" } else { "kinesis" };
        self.call_as(service, target, "application/x-amz-json-1.1", body).await
    }

    /// Calls an operation with a signature for `service`.
    pub(crate) async fn call_as(
        &mut self,
        service: &str,
        target: &str,
        content_type: &str,
        body: &str,
    ) -> Answer {
        let host = self.host.clone();
        let headers = [("host", host.as_str()), ("content-type", content_type), ("x-amz-target", target)];
        let signable = SignableBody::Bytes(body.as_bytes());
        let url = format!("http://{host}/");
        let signable = SignableRequest::new("POST", &url, headers.into_iter(), signable);
        let identity = Credentials::new(KEYS.0, KEYS.1, None, None, "test").into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .expect("all parameters are given");
        let signed = sign(signable.expect("the request can be signed"), &parameters.into());
        let (signature, _) = signed.expect("the request can be signed").into_parts();
        let all: Vec<_> = headers.into_iter().chain(signature.headers()).collect();
        self.send(Method::POST, "/", &all, body.to_owned()).await
    }
}
