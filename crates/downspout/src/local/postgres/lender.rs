//! Lends the only session to one client at a time, in the order of their requests.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{Timestamp, Unit};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::conversation::SessionUse;
use super::server_process::{ServerProgram, StartError};
use super::session::Session;

/// The client that has the session.
#[derive(Debug, Clone)]
pub(super) struct Borrower {
    pub(super) application: String,
    pub(super) address: SocketAddr,
    pub(super) since: Timestamp,
    pub(super) session_use: SessionUse,
}

impl fmt::Display for Borrower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.round(Unit::Second).unwrap_or(self.since);
        let Self { application, address, session_use, .. } = self;
        write!(f, "\"{application}\" at {address} since {since}, {session_use}")
    }
}

/// The clients that wait for the session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) clients: usize,
    /// Whether the upkeep waits. It takes the session from no client that would lose anything.
    pub(super) upkeep: bool,
}

/// The session, the queue for it, and its borrower.
pub(super) struct Lender {
    program: ServerProgram,
    data_dir: PathBuf,
    /// How long the last statement of a borrower may go on after the borrower is gone.
    leaving: Duration,
    /// `None` after the server was lost. The next borrower starts the server again.
    session: Arc<Mutex<Option<Session>>>,
    waiting: watch::Sender<Waiting>,
    /// Counts the statements that may have left dead rows.
    changes: watch::Sender<u64>,
    borrower: StdMutex<Option<Borrower>>,
}

impl Lender {
    /// Starts the server of `program` on the database in `data_dir`, and creates a lender of its session. The last statement of
    /// a borrower may go on for `leaving` after the borrower is gone.
    pub(super) async fn start(
        program: ServerProgram,
        data_dir: PathBuf,
        leaving: Duration,
    ) -> Result<Self, StartError> {
        let session = Session::start(&program, &data_dir).await?;
        Ok(Self {
            program,
            data_dir,
            leaving,
            session: Arc::new(Mutex::new(Some(session))),
            waiting: watch::Sender::default(),
            changes: watch::Sender::default(),
            borrower: StdMutex::new(None),
        })
    }

    /// Returns the parameters that the server reports when a session begins. The server must run.
    pub(super) async fn parameters(&self) -> Vec<(String, String)> {
        self.session.lock().await.as_ref().map(|session| session.parameters().to_vec()).unwrap_or_default()
    }

    /// Waits in the queue for the session, and lends the session to the client `borrower`. If the server was lost, this function
    /// starts the server again, and fails if the server does not start. Dropping the future leaves the queue.
    pub(super) async fn borrow(self: &Arc<Self>, borrower: Borrower) -> Result<Loan, StartError> {
        let session = {
            let _ticket = QueueTicket::new(&self.waiting, |waiting, there| {
                if there { waiting.clients += 1 } else { waiting.clients -= 1 }
            });
            Arc::clone(&self.session).lock_owned().await
        };
        self.lend(session, borrower).await
    }

    /// Does the same as [`Self::borrow`] for the upkeep.
    pub(super) async fn borrow_for_upkeep(self: &Arc<Self>, borrower: Borrower) -> Result<Loan, StartError> {
        let session = {
            let _ticket = QueueTicket::new(&self.waiting, |waiting, there| waiting.upkeep = there);
            Arc::clone(&self.session).lock_owned().await
        };
        self.lend(session, borrower).await
    }

    async fn lend(
        self: &Arc<Self>,
        session: OwnedMutexGuard<Option<Session>>,
        borrower: Borrower,
    ) -> Result<Loan, StartError> {
        *self.borrower() = Some(borrower);
        let mut loan = Loan { lender: Arc::clone(self), session, is_broken: false };
        // The task of an earlier borrower may have ended without a reset.
        if let Some(session) = loan.session()
            && session.reset(self.leaving).await.is_err()
        {
            loan.kill().await;
        }
        loan.start().await?;
        Ok(loan)
    }

    /// Returns a receiver of the waiting clients.
    pub(super) fn waiting(&self) -> watch::Receiver<Waiting> {
        self.waiting.subscribe()
    }

    /// Returns a receiver of the number of statements that may have left dead rows.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns the borrower as text for a message.
    pub(super) fn borrower_in_words(&self) -> String {
        self.borrower().as_ref().map_or_else(|| "another client".to_owned(), ToString::to_string)
    }

    /// Ends the session and the server.
    pub(super) async fn stop(&self) {
        if let Some(session) = self.session.lock().await.take() {
            session.stop(self.leaving).await;
        }
    }

    fn borrower(&self) -> MutexGuard<'_, Option<Borrower>> {
        self.borrower.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The borrowed session. Dropping the loan lends the session to the next client in the queue.
pub(super) struct Loan {
    lender: Arc<Lender>,
    session: OwnedMutexGuard<Option<Session>>,
    /// Whether a part of a message was sent to the server, and the rest will never be.
    is_broken: bool,
}

impl Loan {
    /// Returns the session, or `None` after it was lost.
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// Notes how the borrower uses the session now.
    pub(super) fn note_use(&self, session_use: SessionUse) {
        if let Some(borrower) = self.lender.borrower().as_mut() {
            borrower.session_use = session_use;
        }
    }

    /// Notes the application name of the borrower.
    pub(super) fn is_called(&self, application: &str) {
        if let Some(borrower) = self.lender.borrower().as_mut() {
            application.clone_into(&mut borrower.application);
        }
    }

    /// Notes that a statement of the borrower may have left dead rows.
    pub(super) fn note_change(&self) {
        self.lender.changes.send_modify(|count| *count += 1);
    }

    /// Notes that the rest of a message will never be sent to the server, which therefore cannot be used any more.
    pub(super) fn note_broken_message(&mut self) {
        self.is_broken = true;
    }

    /// Clears the session for the next borrower. If the last statement of this borrower does not end soon, the server is killed,
    /// and started again in the background.
    pub(super) async fn give_back(mut self) {
        self.note_use(SessionUse::Leaving);
        let leaving = self.lender.leaving;
        let is_broken = self.is_broken;
        let is_clear = match self.session() {
            Some(session) => !is_broken && session.reset(leaving).await.is_ok(),
            None => false,
        };
        if !is_clear {
            self.replace_server().await;
        }
    }

    /// Kills the server, which interrupts its statement, and starts it again in the background. The session is lent again when
    /// the server has started.
    pub(super) async fn replace_server(mut self) {
        self.note_use(SessionUse::Restarting);
        self.kill().await;
        tokio::spawn(async move {
            // After a failure, the next borrower tries again, and is told the reason.
            if let Err(error) = self.start().await {
                tracing::warn!(
                    "the embedded PostgreSQL was not started again: {:#}",
                    anyhow::Error::from(error)
                );
            }
        });
    }

    async fn kill(&mut self) {
        if let Some(session) = self.session.take() {
            session.kill().await;
            self.note_change();
        }
    }

    /// Starts the server if it does not run.
    async fn start(&mut self) -> Result<(), StartError> {
        if self.session.is_none() {
            tracing::info!("starting the embedded PostgreSQL again");
            let mut session = Session::start(&self.lender.program, &self.lender.data_dir).await?;
            session.note_lost_counts();
            *self.session = Some(session);
        }
        Ok(())
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        *self.lender.borrower() = None;
    }
}

/// A ticket in the queue. While the ticket exists, its owner is counted among those who wait.
struct QueueTicket<'a> {
    waiting: &'a watch::Sender<Waiting>,
    count: fn(&mut Waiting, bool),
}

impl<'a> QueueTicket<'a> {
    fn new(waiting: &'a watch::Sender<Waiting>, count: fn(&mut Waiting, bool)) -> Self {
        waiting.send_modify(|waiting| count(waiting, true));
        Self { waiting, count }
    }
}

impl Drop for QueueTicket<'_> {
    fn drop(&mut self) {
        self.waiting.send_modify(|waiting| (self.count)(waiting, false));
    }
}

#[cfg(test)]
impl Lender {
    /// Returns a copy of the server's stream, with which a test can close the stream.
    pub(super) async fn breaker(&self) -> std::os::unix::net::UnixStream {
        use std::os::fd::AsFd;
        let session = self.session.lock().await;
        let stream = session.as_ref().expect("the server runs").stream();
        stream.as_fd().try_clone_to_owned().expect("file descriptors are left").into()
    }
}
