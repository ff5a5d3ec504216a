//! Serves one client: borrows the session when the client sends a message, and returns it when others wait.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use jiff::Timestamp;
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::client_link::{ClientLink, READ_BYTES};
use super::conversation::SessionUse;
use super::lender::{Borrower, Lender, Loan};
use super::message::{ErrorReport, Severity, TransactionStatus, put_ready, take_message, whole_message};
use super::relay::{Interruption, LoanEnd, Relay};
use super::server_process::StartError;
use super::session::Lost;
use super::state::SessionState;

/// The hint of messages about waiting.
const ONE_CLIENT: &str = "The embedded PostgreSQL serves one client at a time: end the transaction of that client, or close its connection.";

/// A client that has proved its password.
pub(super) struct Client {
    link: ClientLink,
    address: SocketAddr,
    /// Changes when the client asks to cancel its statement.
    canceled: watch::Receiver<u64>,
    /// Whether the client had the session before, so that its settings are known to be valid.
    settled: bool,
}

/// The reason why the client did not get the session.
enum NotLent {
    Canceled,
    TimedOut,
    Shutdown,
    Start(StartError),
    Left,
}

/// The reason why a client is no longer served.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientEnd {
    #[error("the client has left")]
    Left,
    /// The client has not received this error yet.
    #[error("{}", .0.message)]
    ErrorToSend(ErrorReport),
    /// The client has received this error.
    #[error("{}", .0.message)]
    ErrorSent(ErrorReport),
    /// The client has received a part of a message, and there is no way to send it the rest or an error.
    #[error("its statement was interrupted in the middle of a large row")]
    InMessage,
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
        canceled: watch::Receiver<u64>,
    ) -> Self {
        Self {
            link: ClientLink {
                application: startup.setting("application_name").unwrap_or_default().to_owned(),
                state: SessionState::of_startup(startup.settings),
                stream: connection.stream,
                inbox: connection.inbox,
                outbox: BytesMut::new(),
                is_in_message: false,
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
                () = shutdown.cancelled() => Err(ClientEnd::ErrorToSend(shutting_down())),
            };
            match end {
                Ok(()) => {}
                Err(ClientEnd::ErrorToSend(report)) => return self.disconnect(&report).await,
                Err(end) => return end,
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
        if matches!(self.link.inbox.first(), Some(b'd' | b'c' | b'f')) {
            // The rows of a COPY that has ended: PostgreSQL ignores them (protocol: COPY operations).
            let message = take_message(&mut self.link.inbox, limits.message_bytes);
            return message.map(drop).map_err(|error| ClientEnd::ErrorToSend(ErrorReport::violation(&error)));
        }
        self.canceled.mark_unchanged();
        let loan = match self.borrow(lender, limits, shutdown).await {
            Ok(loan) => loan,
            Err(NotLent::Left) => return Err(ClientEnd::Left),
            Err(NotLent::Shutdown) => return Err(ClientEnd::ErrorToSend(shutting_down())),
            Err(NotLent::Start(error)) => return Err(ClientEnd::ErrorToSend(cannot_start(error))),
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
                .map_err(|error| ClientEnd::ErrorToSend(ErrorReport::violation(&error)))?
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
        let Self { link, canceled, .. } = self;
        tokio::select! {
            biased;
            lent = lender.borrow(borrower) => lent.map_err(NotLent::Start),
            Ok(()) = canceled.changed() => Err(NotLent::Canceled),
            () = attend(link, lender, limits.notice_after) => Err(NotLent::Left),
            () = shutdown.cancelled() => Err(NotLent::Shutdown),
            () = tokio::time::sleep(limits.queue_wait) => Err(NotLent::TimedOut),
        }
    }

    /// Answers the request of the client with `report`, and skips the other messages of the request, as the server would.
    async fn refuse(&mut self, report: &ErrorReport, limits: &Limits) -> Result<(), ClientEnd> {
        tracing::info!(client.address = %self.address, error.code = report.code, "{}", report.message);
        report.put(&mut self.link.outbox);
        let status = match self.link.state.transaction_has_failed() {
            true => TransactionStatus::Failed,
            false => TransactionStatus::Outside,
        };
        self.skip_request(status, limits).await
    }

    /// Skips the rest of a request that has failed, and says that the next one may come.
    async fn skip_request(&mut self, status: TransactionStatus, limits: &Limits) -> Result<(), ClientEnd> {
        loop {
            self.listen(limits).await?;
            let message = take_message(&mut self.link.inbox, limits.message_bytes);
            let message = message.map_err(|error| ClientEnd::ErrorToSend(ErrorReport::violation(&error)))?;
            // The request ends with this message if it is a simple query, a function call or a Sync. After an error, the
            // server skips all messages of the extended protocol until Sync.
            if message.is_some_and(|message| matches!(message[0], b'Q' | b'F' | b'S')) {
                put_ready(&mut self.link.outbox, status);
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
            Ok(()) => Relay::new(&mut self.link, &mut loan, lender, limits, &mut self.canceled).run().await,
            Err(end) => end,
        };
        match end {
            LoanEnd::Lost => {
                loan.replace_server().await;
                Err(ClientEnd::ErrorToSend(server_lost()))
            }
            LoanEnd::Interrupted(interruption) => {
                loan.replace_server().await;
                self.answer_interrupted(interruption, limits).await
            }
            LoanEnd::Recalled => {
                loan.give_back().await;
                Ok(())
            }
            LoanEnd::Left => {
                loan.give_back().await;
                Err(ClientEnd::Left)
            }
            LoanEnd::Ended(report) => {
                // The client gets the error at once, and not only when its last statement has ended.
                let (client_end, ()) = tokio::join!(self.disconnect(&report), loan.give_back());
                Err(client_end)
            }
        }
    }

    /// Tells the client that its statement was interrupted. Everything of its session that can be restored is restored with its
    /// next statement.
    async fn answer_interrupted(
        &mut self,
        interruption: Interruption,
        limits: &Limits,
    ) -> Result<(), ClientEnd> {
        let Interruption { report, owed, is_unsynced, status, lost_state } = interruption;
        tracing::info!(client.address = %self.address, error.code = report.code, "{}", report.message);
        if self.link.is_in_message {
            return Err(ClientEnd::InMessage);
        }
        if let Some(remains) = lost_state {
            return Err(ClientEnd::ErrorToSend(state_lost(&report, &remains)));
        }
        self.link.state.note_failed_transaction(status == TransactionStatus::Failed);
        for _ in 0..owed {
            report.put(&mut self.link.outbox);
            put_ready(&mut self.link.outbox, status);
        }
        if is_unsynced {
            report.put(&mut self.link.outbox);
            self.skip_request(status, limits).await?;
        }
        Ok(())
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

    /// Sends the client the error that ends its connection.
    async fn disconnect(&mut self, report: &ErrorReport) -> ClientEnd {
        debug_assert_eq!(report.severity, Severity::Fatal);
        if self.link.is_in_message {
            return ClientEnd::InMessage;
        }
        report.put(&mut self.link.outbox);
        let farewell = async {
            self.link.stream.write_all_buf(&mut self.link.outbox).await?;
            self.link.stream.shutdown().await
        };
        // A client that does not read must not delay the front.
        let _ = timeout(Duration::from_secs(1), farewell).await;
        ClientEnd::ErrorSent(report.clone())
    }
}

/// Tells a client that waits for the session who has it, and reads the client's messages. Completes when the client leaves.
///
/// Once the inbox holds [`READ_BYTES`] bytes, the function stops reading, so it does not notice a later departure.
async fn attend(link: &mut ClientLink, lender: &Lender, notice_after: Duration) {
    let ClientLink { stream, inbox, outbox, .. } = link;
    let (mut read, mut write) = stream.split();
    let (notice_at, mut is_notified) = (Instant::now() + notice_after, false);
    loop {
        let reads = inbox.len() < READ_BYTES;
        inbox.reserve(READ_BYTES);
        tokio::select! {
            count = read.read_buf(inbox), if reads => {
                if matches!(count, Ok(0) | Err(_)) {
                    return;
                }
            }
            written = write.write_buf(outbox), if outbox.has_remaining() => {
                if written.is_err() {
                    return;
                }
            }
            () = sleep_until(notice_at), if !is_notified => {
                is_notified = true;
                ErrorReport::notice(format!("waiting for the database: it is in use by {}", lender.borrower_in_words()))
                    .with_hint(ONE_CLIENT)
                    .put(outbox);
            }
            else => std::future::pending().await,
        }
    }
}

fn shutting_down() -> ErrorReport {
    ErrorReport::fatal("57P01", "terminating connection: downspout is shutting down")
}

fn state_lost(interruption: &ErrorReport, remains: &str) -> ErrorReport {
    let message = format!(
        "{}; the embedded PostgreSQL was restarted for this, and the session has lost {remains}",
        interruption.message
    );
    ErrorReport::fatal("57P01", message).with_hint("Connect again.")
}

fn server_lost() -> ErrorReport {
    ErrorReport::fatal(
        "57P01",
        "the embedded PostgreSQL has failed and is being restarted; everything that was not committed is rolled back",
    )
    .with_hint("Connect again and repeat the statement.")
}

fn cannot_start(error: StartError) -> ErrorReport {
    let reason = format!("{:#}", anyhow::Error::from(error));
    ErrorReport::fatal("08006", reason).with_hint("Restart downspout if this persists.")
}

fn queue_timeout(lender: &Lender, limits: &Limits) -> ErrorReport {
    let message = format!(
        "the database is in use by {}; this statement gave up after {} s",
        lender.borrower_in_words(),
        limits.queue_wait.as_secs_f32(),
    );
    ErrorReport::error("53300", message).with_hint(ONE_CLIENT)
}
