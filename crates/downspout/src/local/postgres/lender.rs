//! Lends the only session to one client at a time, in the order of their requests.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};

use jiff::{Timestamp, Unit};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::conversation::SessionUse;
use super::session::{Session, StartError};

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

/// The session, the queue for it, and its borrower.
pub(super) struct Lender {
    root: PathBuf,
    /// `None` after the server was lost. The next borrower starts the server again.
    session: Arc<Mutex<Option<Session>>>,
    waiting: watch::Sender<usize>,
    borrower: StdMutex<Option<Borrower>>,
}

impl Lender {
    /// Creates a lender of `session`, whose server uses the folder `root`.
    pub(super) fn new(root: PathBuf, session: Session) -> Self {
        Self {
            root,
            session: Arc::new(Mutex::new(Some(session))),
            waiting: watch::Sender::new(0),
            borrower: StdMutex::new(None),
        }
    }

    /// Waits in the queue for the session, and lends the session to `borrower`. If the server was lost, this function starts
    /// the server again, and fails if the server does not start. Dropping the future leaves the queue.
    pub(super) async fn borrow(self: &Arc<Self>, borrower: Borrower) -> Result<Loan, StartError> {
        let session = {
            let _ticket = QueueTicket::new(&self.waiting);
            Arc::clone(&self.session).lock_owned().await
        };
        *self.borrower() = Some(borrower);
        let mut loan = Loan { lender: Arc::clone(self), session };
        // The task of an earlier borrower may have ended without a reset.
        if let Some(session) = loan.session()
            && session.reset().await.is_err()
        {
            loan.lost().await;
        }
        if loan.session.is_none() {
            tracing::info!("starting the embedded PostgreSQL again");
            *loan.session = Some(Session::start(&self.root).await?);
        }
        Ok(loan)
    }

    /// Returns a receiver of the number of waiting clients.
    pub(super) fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    /// Returns the borrower as text for a message.
    pub(super) fn borrower_in_words(&self) -> String {
        self.borrower().as_ref().map_or_else(|| "another client".to_owned(), ToString::to_string)
    }

    /// Ends the session and the server.
    pub(super) async fn stop(&self) {
        if let Some(mut session) = self.session.lock().await.take() {
            session.stop().await;
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
}

impl Loan {
    /// Returns the session, or `None` after it was lost.
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// Notes what the borrower does with the session.
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

    /// Drops a session whose server is gone, and waits until the server's folder is free again.
    pub(super) async fn lost(&mut self) {
        if let Some(mut session) = self.session.take() {
            session.stop().await;
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        *self.lender.borrower() = None;
    }
}

/// A ticket in the queue. While the ticket exists, its client is one of the waiting clients.
struct QueueTicket<'a>(&'a watch::Sender<usize>);

impl<'a> QueueTicket<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Self(waiting)
    }
}

impl Drop for QueueTicket<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
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
