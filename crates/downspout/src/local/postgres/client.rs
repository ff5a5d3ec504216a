//! Serves one client: borrows the session when the client sends a message, and returns it when others wait.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use jiff::Timestamp;
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::client_link::{ClientLink, READ_BYTES};
use super::conversation::SessionUse;
use super::lender::{Borrower, Lender, Loan};
use super::message::{ErrorReport, Severity, put_ready, take_message, whole_message};
use super::relay::{LoanEnd, Relay};
use super::session::{Lost, StartError};
use super::state::SessionState;

/// A client that has proved its password.
pub(super) struct Client {
    link: ClientLink,
    address: SocketAddr,
    canceled: Arc<Notify>,
    /// Whether the client had the session before, so that its settings are known to be valid.
    settled: bool,
}

/// Why the client did not get the session.
enum NotLent {
    Canceled,
    TimedOut,
    Shutdown,
    Start(StartError),
    Left,
}

/// Why a client is no longer served.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientEnd {
    #[error("the client has left")]
    Left,
    #[error("{}", .0.message)]
    Ended(ErrorReport),
}

impl From<io::Error> for ClientEnd {
    fn from(_: io::Error) -> Self {
        Self::Left
    }
}

impl Client {
    /// Creates a client after its handshake.
    pub(super) fn new(
        connection: super::handshake::NewConnection,
        startup: super::handshake::Startup,
        canceled: Arc<Notify>,
    ) -> Self {
        Self {
            link: ClientLink {
                application: startup.setting("application_name").unwrap_or_default().to_owned(),
                state: SessionState::of_startup(startup.settings),
                stream: connection.stream,
                inbox: connection.inbox,
                outbox: BytesMut::new(),
            },
            address: connection.address,
            canceled,
            settled: false,
        }
    }

    /// Serves the client until it leaves or must be disconnected.
    pub(super) async fn serve(
        &mut self,
        lender: &Arc<Lender>,
        limits: &Limits,
        shutdown: &CancellationToken,
    ) -> ClientEnd {
        loop {
            let end = tokio::select! {
                served = self.serve_once(lender, limits, shutdown) => served,
                () = shutdown.cancelled() => Err(ClientEnd::Ended(shutting_down())),
            };
            if let Err(end) = end {
                if let ClientEnd::Ended(report) = &end {
                    self.disconnect(report).await;
                }
                return end;
            }
        }
    }

    /// Waits for a message of the client, borrows the session, and serves the client until the session goes back.
    async fn serve_once(
        &mut self,
        lender: &Arc<Lender>,
        limits: &Limits,
        shutdown: &CancellationToken,
    ) -> Result<(), ClientEnd> {
        self.listen(limits).await?;
        let loan = match self.borrow(lender, limits, shutdown).await {
            Ok(loan) => loan,
            Err(NotLent::Left) => return Err(ClientEnd::Left),
            Err(NotLent::Shutdown) => return Err(ClientEnd::Ended(shutting_down())),
            Err(NotLent::Start(error)) => return Err(ClientEnd::Ended(cannot_start(&error))),
            Err(NotLent::Canceled) => {
                let report = ErrorReport::error("57014", "canceling statement due to user request");
                return self.refuse(&report, limits).await;
            }
            Err(NotLent::TimedOut) => return self.refuse(&queue_timeout(lender, limits), limits).await,
        };
        self.use_loan(loan, lender, limits).await
    }

    /// Sends the client everything that waits for it, and waits for a whole message of the client.
    async fn listen(&mut self, limits: &Limits) -> Result<(), ClientEnd> {
        let (mut read, mut write) = self.link.stream.split();
        loop {
            match whole_message(&self.link.inbox, limits.message_bytes)
                .map_err(|error| ClientEnd::Ended(ErrorReport::violation(&error)))?
            {
                Some(_) if self.link.inbox[0] == b'X' => return Err(ClientEnd::Left),
                Some(_) => return Ok(()),
                None => self.link.inbox.reserve(READ_BYTES),
            }
            tokio::select! {
                count = read.read_buf(&mut self.link.inbox) => {
                    if count? == 0 {
                        return Err(ClientEnd::Left);
                    }
                }
                written = write.write_buf(&mut self.link.outbox), if self.link.outbox.has_remaining() => {
                    written?;
                }
            }
        }
    }

    async fn borrow(
        &mut self,
        lender: &Arc<Lender>,
        limits: &Limits,
        shutdown: &CancellationToken,
    ) -> Result<Loan, NotLent> {
        let borrower = Borrower {
            application: self.link.application.clone(),
            address: self.address,
            since: Timestamp::now(),
            session_use: SessionUse::Active,
        };
        let canceled = Arc::clone(&self.canceled);
        tokio::select! {
            biased;
            lent = lender.borrow(borrower) => lent.map_err(NotLent::Start),
            () = canceled.notified() => Err(NotLent::Canceled),
            () = self.departure() => Err(NotLent::Left),
            () = shutdown.cancelled() => Err(NotLent::Shutdown),
            () = tokio::time::sleep(limits.queue_wait) => Err(NotLent::TimedOut),
        }
    }

    /// Reads the client's bytes into the inbox, and completes when the client leaves. Once the inbox holds [`READ_BYTES`]
    /// bytes, the function stops reading and never completes, so it does not notice a later departure.
    async fn departure(&mut self) {
        while self.link.inbox.len() < READ_BYTES {
            self.link.inbox.reserve(READ_BYTES);
            match self.link.stream.read_buf(&mut self.link.inbox).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }

    /// Answers the request of the client with `report`, and skips the other messages of the request, as the server would.
    async fn refuse(&mut self, report: &ErrorReport, limits: &Limits) -> Result<(), ClientEnd> {
        tracing::info!(client.address = %self.address, error.code = report.code, "{}", report.message);
        report.put(&mut self.link.outbox);
        loop {
            self.listen(limits).await?;
            let message = take_message(&mut self.link.inbox, limits.message_bytes);
            let message = message.map_err(|error| ClientEnd::Ended(ErrorReport::violation(&error)))?;
            // The request ends with this message if it is a simple query, a function call or a Sync. After an error, the
            // server skips all messages of the extended protocol until Sync.
            if message.is_some_and(|message| matches!(message[0], b'Q' | b'F' | b'S')) {
                put_ready(&mut self.link.outbox);
                return Ok(());
            }
        }
    }

    async fn use_loan(
        &mut self,
        mut loan: Loan,
        lender: &Arc<Lender>,
        limits: &Limits,
    ) -> Result<(), ClientEnd> {
        let end = match self.restore(&mut loan).await {
            Ok(()) => Relay::new(&mut self.link, &mut loan, lender, limits).run().await,
            Err(end) => end,
        };
        if matches!(end, LoanEnd::Lost) {
            loan.lost().await;
            return Err(ClientEnd::Ended(server_lost()));
        }
        loan.note_use(SessionUse::Leaving);
        if let Some(session) = loan.session()
            && session.reset().await.is_err()
        {
            loan.lost().await;
        }
        match end {
            LoanEnd::Recalled => Ok(()),
            LoanEnd::Left => Err(ClientEnd::Left),
            LoanEnd::Ended(report) => Err(ClientEnd::Ended(report)),
            LoanEnd::Lost => Err(ClientEnd::Ended(server_lost())),
        }
    }

    /// Restores the state of the client's session on the borrowed session.
    ///
    /// If the server refuses a part of the state, the client is disconnected at its first loan. At a later loan, the
    /// refusal is only logged.
    async fn restore(&mut self, loan: &mut Loan) -> Result<(), LoanEnd> {
        let session = loan.session().ok_or(LoanEnd::Lost)?;
        let refused =
            session.restore(&self.link.state, &mut self.link.outbox).await.map_err(|Lost| LoanEnd::Lost)?;
        match refused {
            Some((code, message)) if !self.settled => {
                let report = ErrorReport::fatal(
                    "22023",
                    format!("the settings of the connection are refused: {message} ({code})"),
                );
                return Err(LoanEnd::Ended(report));
            }
            Some((code, message)) => {
                tracing::debug!(error.code = code, "a part of the session state was not restored: {message}")
            }
            None => {}
        }
        self.settled = true;
        Ok(())
    }

    async fn disconnect(&mut self, report: &ErrorReport) {
        debug_assert_eq!(report.severity, Severity::Fatal);
        report.put(&mut self.link.outbox);
        let farewell = async {
            self.link.stream.write_all_buf(&mut self.link.outbox).await?;
            self.link.stream.shutdown().await
        };
        // A client that does not read must not delay the front.
        let _ = timeout(std::time::Duration::from_secs(1), farewell).await;
    }
}

fn shutting_down() -> ErrorReport {
    ErrorReport::fatal("57P01", "terminating connection: downspout is shutting down")
}

fn server_lost() -> ErrorReport {
    ErrorReport::fatal(
        "57P01",
        "the embedded PostgreSQL has failed and is being restarted; everything that was not committed is rolled back",
    )
    .with_hint("Connect again and repeat the statement.")
}

fn cannot_start(error: &StartError) -> ErrorReport {
    ErrorReport::fatal("08006", error.to_string()).with_hint("Restart downspout if this persists.")
}

fn queue_timeout(lender: &Lender, limits: &Limits) -> ErrorReport {
    let message = format!(
        "the database is in use by {}; this statement gave up after {} s",
        lender.borrower_in_words(),
        limits.queue_wait.as_secs_f32(),
    );
    ErrorReport::error("53300", message).with_hint(
        "The embedded PostgreSQL serves one client at a time: end the transaction of that client, or close its connection.",
    )
}
