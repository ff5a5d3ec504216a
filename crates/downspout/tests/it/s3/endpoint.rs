//! An S3 endpoint on a directory of its own, and clients for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use downspout::local::Now;
use downspout::local::s3::{self, LocalS3, S3Store};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a test waits for a condition.
const LIMIT: Duration = Duration::from_secs(20);

/// A running endpoint with the bucket `drop`, which notifies of changes.
pub(crate) struct Endpoint {
    pub(crate) store: S3Store,
    directory: TempDir,
    address: String,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        Self::start_with_clock(Arc::new(Timestamp::now)).await
    }

    pub(crate) async fn start_with_clock(now: Now) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), now).await
    }

    async fn start_in(directory: TempDir, now: Now) -> Self {
        let store = S3Store::open_with_clock(directory.path(), now).unwrap();
        store.create_bucket("drop").await.unwrap();
        store.notify_bucket("drop").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let credentials =
            s3::Credentials { access_key_id: "AKIDTEST".to_owned(), secret_access_key: "secret".to_owned() };
        let shutdown = CancellationToken::new();
        let endpoint = LocalS3::new(store.clone(), credentials, "us-east-1");
        let serving = tokio::spawn(endpoint.serve(listener, shutdown.clone()));
        Self { store, directory, address, shutdown, serving }
    }

    /// Stops the endpoint, and starts one on the same directory.
    pub(crate) async fn restart(self) -> Self {
        self.shutdown.cancel();
        self.serving.await.unwrap();
        drop(self.store);
        Self::start_in(self.directory, Arc::new(Timestamp::now)).await
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with("AKIDTEST", "secret")
    }

    pub(crate) fn client_with(&self, access_key: &str, secret: &str) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(access_key, secret, None, None, "test"))
            .endpoint_url(&self.address)
            .force_path_style(true)
            .retry_config(RetryConfig::disabled());
        Client::from_conf(config.build())
    }

    /// Returns a client that puts the bucket before `domain` in the host name.
    pub(crate) fn virtual_client(&self, domain: &str) -> Client {
        let config = self.client().config().to_builder().force_path_style(false);
        Client::from_conf(config.endpoint_url(format!("http://{domain}:{}", self.port())).build())
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the files of contents.
    pub(crate) fn blobs(&self) -> Vec<PathBuf> {
        let entries = self.path().join("blobs").read_dir().unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Returns the S3 error code of a refused request.
pub(crate) fn code<T: std::fmt::Debug, E: ProvideErrorMetadata>(answer: Result<T, SdkError<E>>) -> String {
    let error = answer.expect_err("the request is refused");
    error.code().unwrap_or("no code").to_owned()
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(LIMIT, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "still waiting until {what}");
}
