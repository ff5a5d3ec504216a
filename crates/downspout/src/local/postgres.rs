//! The stack's PostgreSQL: the embedded server, and the front through which clients share it.
//!
//! The embedded server serves one session, accepts any password, and does not survive a client that breaks the
//! protocol. So clients reach only the front. The front keeps one permanent [`session`], checks the password in the
//! [`handshake`], and lends the session to one client at a time ([`lender`]), like the session mode of PgBouncer. A
//! client that is idle outside a transaction gives the session back when another client waits ([`relay`]). With its
//! next statement, the client gets its settings and prepared statements again ([`state`]). A stack with
//! `--database-url` does not use this module.
//!
//! Commits survive the end of the process at any moment. `fsync` is off, so a power cut can lose commits.

mod client;
mod client_link;
mod cluster;
mod conversation;
mod handshake;
mod lender;
mod message;
mod relay;
mod scram;
mod session;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::{Client, ClientEnd};
use self::cluster::Cluster;
use self::handshake::{HandshakeError, NewConnection, Opening};
use self::lender::Lender;
use self::message::ErrorReport;
use self::scram::Verifier;
use self::session::Session;

pub use self::cluster::ClusterError;
pub use self::session::StartError;

/// The limits that protect the clients from each other.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a statement waits for the session before it fails.
    pub queue_wait: Duration,
    /// How long an idle client keeps the session while other clients wait, if the state of the session cannot be
    /// restored later.
    pub stateful_grace: Duration,
    /// How long the handshake of a connection may take.
    pub handshake: Duration,
    /// The largest number of connections.
    pub clients: usize,
    /// The longest message of a client, in bytes.
    pub message_bytes: usize,
    /// How long a stop waits for running statements, and then again for the end of the server.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_wait: Duration::from_secs(60),
            stateful_grace: Duration::from_secs(5),
            handshake: Duration::from_secs(30),
            clients: 200,
            message_bytes: 64 * 1024 * 1024,
            stop: Duration::from_secs(3),
        }
    }
}

/// Why the database does not start.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The folder of the database cannot be used.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The embedded server does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The listener has no address.
    #[error("the listener of the database has no address")]
    Listener(#[source] io::Error),
}

/// The running database.
pub struct Postgres {
    url: String,
    tasks: TaskTracker,
    lender: Arc<Lender>,
    limits: Limits,
    _cluster: Arc<Cluster>,
}

impl Postgres {
    /// Opens the database in `data_dir`, and serves it on `listener` to the user `postgres` with `password` until `shutdown`,
    /// within `limits`.
    ///
    /// The database is created if there has never been one.
    ///
    /// # Errors
    ///
    /// [`PostgresError`] if the folder of the database cannot be used, or if the server does not start.
    pub async fn start_with(
        data_dir: &Path,
        listener: TcpListener,
        password: String,
        shutdown: CancellationToken,
        limits: Limits,
    ) -> Result<Self, PostgresError> {
        let address = listener.local_addr().map_err(PostgresError::Listener)?;
        let cluster = open_cluster(data_dir).await?;
        let session = Session::start(cluster.root()).await?;
        let parameters = session.parameters().to_vec();
        let lender = Arc::new(Lender::new(cluster.root().to_owned(), session));
        let front = Arc::new(Front {
            lender: Arc::clone(&lender),
            verifier: Verifier::new(&password),
            parameters,
            limits: limits.clone(),
            permits: Arc::new(Semaphore::new(limits.clients)),
            cancels: Mutex::default(),
            shutdown,
            tasks: TaskTracker::new(),
        });
        let tasks = front.tasks.clone();
        tasks.spawn(front.accept(listener));
        tasks.close();
        Ok(Self { url: url(address, &password), tasks, lender, limits, _cluster: Arc::new(cluster) })
    }

    /// Returns the URL for clients, with the password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits, after `shutdown` was cancelled, until the connections have ended, and then stops the server.
    ///
    /// Each of the two waits ends after [`Limits::stop`] at the latest. If one is cut short, the database recovers at the
    /// next start.
    pub async fn stopped(self) {
        if timeout(self.limits.stop, self.tasks.wait()).await.is_err() {
            tracing::warn!("a statement is still running; the database recovers at the next start");
            return;
        }
        if timeout(self.limits.stop, self.lender.stop()).await.is_err() {
            tracing::warn!("the embedded PostgreSQL does not stop; it recovers at the next start");
        }
    }
}

/// Opens the cluster on a thread of its own, because it blocks and must not be called from a thread of the runtime.
async fn open_cluster(data_dir: &Path) -> Result<Cluster, PostgresError> {
    let data_dir = data_dir.to_owned();
    let opened = session::on_own_thread(move || Cluster::open(&data_dir)).await;
    let opened = opened.ok_or_else(|| StartError::Server("its thread panicked".to_owned()))?;
    Ok(opened?)
}

fn url(address: SocketAddr, password: &str) -> String {
    let mut escaped = String::new();
    for byte in password.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    format!("postgres://postgres:{escaped}@{address}/postgres")
}

/// The data that all connections share.
struct Front {
    lender: Arc<Lender>,
    verifier: Verifier,
    parameters: Vec<(String, String)>,
    limits: Limits,
    permits: Arc<Semaphore>,
    /// The clients that may wait for the session, by the process id and secret that a cancel request names.
    cancels: Mutex<HashMap<(u32, u32), Arc<Notify>>>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Front {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.shutdown.cancelled() => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
                    self.tasks.spawn(Arc::clone(&self).connection(stream, address, permit));
                }
                Err(error) => {
                    tracing::warn!(error = %error, "a connection to the database was not accepted");
                    // The likely reason is a lack of file descriptors, so other connections must close first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        // Without this option, the system holds small messages back until earlier messages are acknowledged.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "TCP_NODELAY could not be set");
        }
        let mut connection = NewConnection::new(stream, address);
        if permit.is_none() {
            return connection
                .turn_away(&ErrorReport::fatal("53300", "sorry, too many clients already"))
                .await;
        }
        let key = rand::random();
        let greeted = tokio::select! {
            greeted = timeout(self.limits.handshake, self.shake_hands(&mut connection, key)) => greeted,
            () = self.shutdown.cancelled() => return,
        };
        match greeted {
            Ok(Ok(Some(startup))) => self.serve(connection, startup, key).await,
            Ok(Ok(None)) => {}
            Ok(Err(HandshakeError::Refused(report))) => {
                tracing::info!(client.address = %address, error.code = report.code, "{}", report.message);
                connection.turn_away(&report).await;
            }
            Ok(Err(error)) => tracing::debug!(client.address = %address, "a handshake failed: {error}"),
            Err(_elapsed) => tracing::debug!(client.address = %address, "a handshake took too long"),
        }
    }

    async fn shake_hands(
        &self,
        connection: &mut NewConnection,
        key: (u32, u32),
    ) -> Result<Option<handshake::Startup>, HandshakeError> {
        match connection.opening().await? {
            Opening::Client(startup) => {
                connection.authenticate(&startup, &self.verifier).await?;
                connection.welcome(&startup, &self.parameters, key).await?;
                Ok(Some(startup))
            }
            Opening::Cancel { process, secret } => {
                // Only a wait can be cancelled. The embedded server takes no signals, so a running statement cannot be stopped.
                if let Some(waiter) = self.cancels().get(&(process, secret)) {
                    waiter.notify_waiters();
                }
                Ok(None)
            }
        }
    }

    async fn serve(&self, connection: NewConnection, startup: handshake::Startup, key: (u32, u32)) {
        let address = connection.address;
        let canceled = Arc::new(Notify::new());
        self.cancels().insert(key, Arc::clone(&canceled));
        let end = Client::new(connection, startup, canceled)
            .serve(&self.lender, &self.limits, &self.shutdown)
            .await;
        self.cancels().remove(&key);
        match end {
            ClientEnd::Left => tracing::debug!(client.address = %address, "{end}"),
            ClientEnd::Ended(_) => tracing::info!(client.address = %address, "ended a connection: {end}"),
        }
    }

    fn cancels(&self) -> std::sync::MutexGuard<'_, HashMap<(u32, u32), Arc<Notify>>> {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
