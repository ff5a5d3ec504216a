//! The stack's PostgreSQL: the embedded server, and the front through which clients share it.
//!
//! The embedded server serves one session, accepts any password, cannot interrupt a statement, and does not survive a client
//! that breaks the protocol. So it runs in a process of its own ([`server_process`]), and clients reach only the front. The front
//! keeps one permanent [`session`], checks the password in the [`handshake`], and lends the session to one client at a time
//! ([`lender`]), like the session mode of PgBouncer. A client that is idle outside a transaction gives the session back when
//! another client waits ([`relay`]). With its next statement, the client gets its settings and prepared statements again
//! ([`state`]). A stack with `--database-url` does not use this module.
//!
//! A statement that is cancelled, has taken too long, or has lost its client is interrupted by killing the server, which then
//! starts again. All other clients notice nothing but the time that this takes.
//!
//! The front runs on one thread of its own. A statement passes through it twice, and handing it to another thread each time takes
//! longer than a short statement.
//!
//! Commits survive the end of the process at any moment. `fsync` is off, so a power cut can lose commits.

mod client;
mod client_link;
mod client_text;
mod cluster;
mod cluster_server;
mod conversation;
mod deadlines;
mod handshake;
mod leftover_files;
mod lender;
mod message;
mod relay;
mod scram;
mod server_process;
mod session;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod timeouts;
mod upkeep;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::{Client, ClientEnd};
use self::handshake::{HandshakeError, NewConnection, Opening};
use self::lender::Lender;
use self::message::ErrorReport;
use self::scram::Verifier;

pub use self::cluster_server::serve;
pub use self::server_process::{ServerProgram, StartError};

/// The limits that protect the clients from each other.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a statement waits for the session before it fails.
    pub queue_wait: Duration,
    /// How long an idle client keeps the session while other clients wait, if the state of the session cannot be
    /// restored later.
    pub stateful_grace: Duration,
    /// How long a client that is idle in a transaction keeps the session while other clients wait.
    pub transaction_grace: Duration,
    /// How long a client that sends no rows of its COPY, or does not read its answer, keeps the session while other clients
    /// wait. A worker may have to wait for the next rows of its file.
    pub stall_grace: Duration,
    /// How long a statement may go on after its client has left, and after a COPY was told to end. After this time, the statement
    /// is interrupted.
    pub leaving: Duration,
    /// How long a client waits for the session before a notice tells it who has the session.
    pub notice_after: Duration,
    /// How long the database must be left unchanged before the upkeep begins.
    pub upkeep_pause: Duration,
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
            transaction_grace: Duration::from_secs(5),
            stall_grace: Duration::from_secs(30),
            leaving: Duration::from_secs(1),
            notice_after: Duration::from_secs(2),
            upkeep_pause: Duration::from_secs(1),
            handshake: Duration::from_secs(30),
            clients: 200,
            message_bytes: 64 * 1024 * 1024,
            stop: Duration::from_secs(3),
        }
    }
}

/// The reason why the database does not start.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The embedded server does not start, or the folder of the database cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The path of this program, which also runs the embedded server, is unknown.
    #[error("the path of this program, which also runs the embedded PostgreSQL, is unknown")]
    Program(#[source] io::Error),
    /// The listener is unusable.
    #[error("the listener of the database is unusable")]
    Listener(#[source] io::Error),
    /// The thread of the front does not start.
    #[error("the thread of the database does not start")]
    Thread(#[source] io::Error),
    /// The thread of the front ended before the database had started.
    #[error("the thread of the database ended while the database started")]
    ThreadEnded,
}

/// The running database.
pub struct Postgres {
    url: String,
    /// Ends when the thread of the front does.
    stopped: oneshot::Receiver<()>,
    #[cfg_attr(not(test), expect(dead_code, reason = "tests break its connection"))]
    lender: Arc<Lender>,
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
    pub async fn start(
        data_dir: &Path,
        listener: TcpListener,
        password: String,
        shutdown: CancellationToken,
        limits: Limits,
    ) -> Result<Self, PostgresError> {
        let program = ServerProgram::this_program().map_err(PostgresError::Program)?;
        Self::start_with(program, data_dir, listener, password, shutdown, limits).await
    }

    /// Does the same as [`Postgres::start`], with a server of `program`.
    async fn start_with(
        program: ServerProgram,
        data_dir: &Path,
        listener: TcpListener,
        password: String,
        shutdown: CancellationToken,
        limits: Limits,
    ) -> Result<Self, PostgresError> {
        let address = listener.local_addr().map_err(PostgresError::Listener)?;
        let listener = listener.into_std().map_err(PostgresError::Listener)?;
        let opened = Opened { program, data_dir: data_dir.to_owned(), listener, shutdown, limits };
        let url = url(address, &password);
        let (started, is_started) = oneshot::channel();
        let (stops, stopped) = oneshot::channel();
        let run = move || {
            // The listener and the sockets of the session belong to the runtime of the thread that uses them.
            match runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(opened.run(address, &password, started)),
                Err(error) => drop(started.send(Err(PostgresError::Thread(error)))),
            }
            // If the stack could not start, nobody waits for this message.
            let _ = stops.send(());
        };
        thread::Builder::new().name("postgres-front".to_owned()).spawn(run).map_err(PostgresError::Thread)?;
        let lender = is_started.await.unwrap_or(Err(PostgresError::ThreadEnded))?;
        Ok(Self { url, stopped, lender })
    }

    /// Returns the URL for clients, with the password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits, after `shutdown` was cancelled, until the connections have ended and the server has stopped.
    ///
    /// Each of the two waits ends after [`Limits::stop`] at the latest. If one is cut short, the database recovers at the
    /// next start.
    pub async fn stopped(self) {
        // An error means that the thread ended by a panic, which the log shows.
        let _ = self.stopped.await;
    }
}

/// A database before its start.
struct Opened {
    program: ServerProgram,
    data_dir: PathBuf,
    listener: std::net::TcpListener,
    shutdown: CancellationToken,
    limits: Limits,
}

impl Opened {
    /// Starts the database, tells `started`, and serves until the shutdown is over.
    async fn run(
        self,
        address: SocketAddr,
        password: &str,
        started: oneshot::Sender<Result<Arc<Lender>, PostgresError>>,
    ) {
        let Self { program, data_dir, listener, shutdown, limits } = self;
        let listener = TcpListener::from_std(listener).map_err(PostgresError::Listener);
        let lender = Lender::start(program, data_dir, limits.leaving).await;
        let (listener, lender) = match (listener, lender) {
            (Ok(listener), Ok(lender)) => (listener, Arc::new(lender)),
            (Err(error), _) => return drop(started.send(Err(error))),
            (_, Err(error)) => return drop(started.send(Err(error.into()))),
        };
        let front = Arc::new(Front {
            lender: Arc::clone(&lender),
            verifier: Verifier::new(password),
            parameters: lender.parameters().await,
            limits: limits.clone(),
            permits: Arc::new(Semaphore::new(limits.clients)),
            cancels: Mutex::default(),
            shutdown: shutdown.clone(),
            tasks: TaskTracker::new(),
        });
        let tasks = front.tasks.clone();
        tasks.spawn(front.accept(listener));
        tasks.spawn(upkeep::keep_up(Arc::clone(&lender), address, limits.upkeep_pause, shutdown.clone()));
        tasks.close();
        if started.send(Ok(Arc::clone(&lender))).is_err() {
            // The start of the stack was given up.
            shutdown.cancel();
        }
        shutdown.cancelled().await;
        // A connection that does not end in time ends with the runtime.
        if timeout(limits.stop, tasks.wait()).await.is_err() {
            tracing::warn!("a client of the database does not leave");
        }
        if timeout(limits.stop, lender.stop()).await.is_err() {
            tracing::warn!("the embedded PostgreSQL does not stop; it recovers at the next start");
        }
    }
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
    /// The receivers of requests to cancel, by the process id and secret that a request names.
    cancels: Mutex<HashMap<(u32, u32), watch::Sender<u64>>>,
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
                if let Some(client) = self.cancels().get(&(process, secret)) {
                    client.send_modify(|requests| *requests += 1);
                }
                Ok(None)
            }
        }
    }

    async fn serve(&self, connection: NewConnection, startup: handshake::Startup, key: (u32, u32)) {
        let address = connection.address;
        let (cancel, canceled) = watch::channel(0);
        self.cancels().insert(key, cancel);
        let end = Client::new(connection, startup, canceled)
            .serve(&self.lender, &self.limits, &self.shutdown)
            .await;
        self.cancels().remove(&key);
        match end {
            ClientEnd::Left => tracing::debug!(client.address = %address, "{end}"),
            ClientEnd::ErrorToSend(_) | ClientEnd::ErrorSent(_) | ClientEnd::InMessage => {
                tracing::info!(client.address = %address, "ended a connection: {end}")
            }
        }
    }

    fn cancels(&self) -> std::sync::MutexGuard<'_, HashMap<(u32, u32), watch::Sender<u64>>> {
        self.cancels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
