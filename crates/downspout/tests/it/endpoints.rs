//! S3, Data Pipeline and SNS on free ports, and raw requests to them.

use std::sync::Arc;

use downspout::local::s3::{Credentials, LocalS3, S3Store};
use downspout::local::topic::{self, TopicConfig};
use http_front::{Hosts, Limits};
use sigv4::Verifier;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const KEY: &str = "AKIDTEST";
pub(crate) const SECRET: &str = "secret";
pub(crate) const REGION: &str = "us-east-1";
/// The content of the object `drop/private`, which no refused request may get.
pub(crate) const PRIVATE: &str = "a private content";

/// An endpoint that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    S3,
    DataPipeline,
    Sns,
}

pub(crate) const SERVICES: [Service; 3] = [Service::S3, Service::DataPipeline, Service::Sns];

/// The running endpoints. S3 has the bucket `drop` with the object `private`.
pub(crate) struct Endpoints {
    ports: [u16; 3],
    pub(crate) store: S3Store,
    _folder: TempDir,
    _stop: DropGuard,
}

/// An answer, or the part of it that arrived.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status; 0 if the connection was closed without an answer.
    pub(crate) status: u16,
    /// The head and the body.
    pub(crate) text: String,
}

impl Endpoints {
    pub(crate) async fn start(hosts: Hosts, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let credentials = Credentials { access_key_id: KEY.to_owned(), secret_access_key: SECRET.to_owned() };
        let store = S3Store::open(folder.path().join("s3")).unwrap();
        store.create_bucket("drop").await.unwrap();
        let mut listeners = Vec::new();
        for _ in SERVICES {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let ports: Vec<u16> =
            listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        let [s3, datapipeline, sns] = listeners.try_into().unwrap();
        let endpoint =
            LocalS3::new(store.clone(), credentials.clone(), REGION).open_to(hosts.clone(), limits);
        tokio::spawn(endpoint.serve(s3, stop.clone()));
        let mut config = server::Config::new(folder.path().join("pipelines.db"), credentials.clone());
        (config.hosts, config.limits) = (hosts.clone(), limits);
        tokio::spawn(server::serve(config, datapipeline, stop.clone()));
        let topics = TopicConfig {
            region: REGION.to_owned(),
            account: "000000000000".to_owned(),
            database: folder.path().join("topic.db"),
            outbox: folder.path().join("outbox"),
            mail_from: "Downspout <downspout@localhost>".to_owned(),
            smtp: None,
            web_origins: Vec::new(),
            now: Arc::new(jiff::Timestamp::now),
            verifier: Verifier::new(REGION, "sns", vec![credentials]),
            hosts,
            limits,
        };
        tokio::spawn(topic::serve(topics, sns, stop.clone()));
        let ports = ports.try_into().unwrap();
        Self { ports, store, _folder: folder, _stop: stop.drop_guard() }
    }

    pub(crate) fn port(&self, service: Service) -> u16 {
        self.ports[service as usize]
    }

    pub(crate) async fn connect(&self, service: Service) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port(service))).await.unwrap()
    }

    /// Sends bytes, and reads until the endpoint closes the connection.
    pub(crate) async fn send(&self, service: Service, bytes: &[u8]) -> Answer {
        let mut stream = self.connect(service).await;
        // The endpoint may refuse the request before it has read everything.
        let _ = stream.write_all(bytes).await;
        read_answer(stream).await
    }
}

/// Reads until the endpoint closes the connection.
pub(crate) async fn read_answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset after an early refusal loses nothing that has arrived.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.unwrap_or(0), text }
}
