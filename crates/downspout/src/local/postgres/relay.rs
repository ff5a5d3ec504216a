//! Carries messages between a client and the session while the client has borrowed the session.
//!
//! One loop serves both directions. Each direction has one limited buffer. If one side stops reading, the buffer of the bytes
//! for this side stays full, and the relay reads no more from the other side.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Limits;
use super::client_link::{ClientLink, READ_BYTES};
use super::conversation::{Conversation, SessionUse};
use super::lender::{Lender, Loan};
use super::message::{ErrorReport, FrameError, whole_message};
use super::session::Lost;

/// How a loan ends.
pub(super) enum LoanEnd {
    /// Another client waits for the session. The session's state was saved for this client's next loan.
    Recalled,
    /// The client has left.
    Left,
    /// The client must be disconnected with this error.
    Ended(ErrorReport),
    /// The connection to the server broke.
    Lost,
}

/// The exchange between a client and the session during one loan.
pub(super) struct Relay<'a> {
    client: &'a mut ClientLink,
    loan: &'a mut Loan,
    limits: &'a Limits,
    waiting: watch::Receiver<usize>,
    conversation: Conversation,
    /// Whole messages on their way to the server.
    to_server: BytesMut,
    client_leaves: bool,
    /// The time of the client's last message, or the start of the loan.
    quiet_since: Instant,
    /// The time until which the client keeps the session, because the state of the session cannot be restored. `None` if the
    /// state can be restored, or was not inspected since the client's last message.
    kept_until: Option<Instant>,
}

impl<'a> Relay<'a> {
    /// Returns a relay between `client` and the session of `loan`.
    pub(super) fn new(
        client: &'a mut ClientLink,
        loan: &'a mut Loan,
        lender: &Arc<Lender>,
        limits: &'a Limits,
    ) -> Self {
        Self {
            client,
            loan,
            limits,
            waiting: lender.waiting(),
            conversation: Conversation::new(),
            to_server: BytesMut::new(),
            client_leaves: false,
            quiet_since: Instant::now(),
            kept_until: None,
        }
    }

    /// Relays messages until the loan ends, and returns how the loan ended.
    pub(super) async fn run(mut self) -> LoanEnd {
        loop {
            if let Err(error) = self.forward() {
                return LoanEnd::Ended(ErrorReport::violation(&error));
            }
            if self.client_leaves && self.to_server.is_empty() {
                return LoanEnd::Left;
            }
            if let Some(end) = self.recall().await {
                return end;
            }
            self.loan.note_use(self.conversation.session_use());
            if let Some(end) = self.carry().await {
                return end;
            }
        }
    }

    /// Moves the whole messages from the client's inbox to the buffer for the server, if this buffer is empty.
    ///
    /// # Errors
    ///
    /// If the client sent a message that is too long or that clients may not send.
    fn forward(&mut self) -> Result<(), FrameError> {
        if !self.to_server.is_empty() {
            return Ok(());
        }
        let inbox = &self.client.inbox;
        let mut end = 0;
        while let Some(length) = whole_message(&inbox[end..], self.limits.message_bytes)? {
            let message = &inbox[end..end + length];
            match message[0] {
                b'X' => {
                    self.client_leaves = true;
                    break;
                }
                b'p' => return Err(FrameError::UnknownType(b'p')),
                kind => {
                    self.conversation.client_sends(kind);
                    self.client.state.client_sends(kind, message);
                }
            }
            end += length;
        }
        if end > 0 {
            self.to_server = self.client.inbox.split_to(end);
            self.quiet_since = Instant::now();
            self.kept_until = None;
        }
        Ok(())
    }

    /// Ends the loan if another client waits and the session is idle.
    ///
    /// If the state of the session cannot be restored later, this client first keeps the session for some time. After this
    /// time, the client is disconnected.
    async fn recall(&mut self) -> Option<LoanEnd> {
        let idle = self.conversation.session_use() == SessionUse::Idle && self.to_server.is_empty();
        let kept = self.kept_until.is_some_and(|until| Instant::now() < until);
        if !idle || kept || *self.waiting.borrow() == 0 {
            return None;
        }
        let Some(session) = self.loan.session() else { return Some(LoanEnd::Lost) };
        match session.inspect(&mut self.client.state).await {
            Err(Lost) => Some(LoanEnd::Lost),
            Ok(None) => Some(LoanEnd::Recalled),
            Ok(Some(remains)) => {
                let until = self.quiet_since + self.limits.stateful_grace;
                self.kept_until = Some(until);
                (Instant::now() >= until).then(|| LoanEnd::Ended(taken_away(&remains)))
            }
        }
    }

    /// Reads or writes once in either direction, as soon as one side is ready. Returns the end of the loan if a side is gone.
    async fn carry(&mut self) -> Option<LoanEnd> {
        let idle = self.conversation.session_use() == SessionUse::Idle && self.to_server.is_empty();
        let kept_until = self.kept_until;
        let Some(session) = self.loan.session() else { return Some(LoanEnd::Lost) };
        let (from_server, to_server, watch) = session.parts();
        let client = &mut *self.client;
        let (from_client, to_client) = client.stream.split();
        let mut parameters = Vec::new();
        let end = tokio::select! {
            moved = inward(from_client, &mut client.inbox, to_server, &mut self.to_server) => moved.end(LoanEnd::Left, LoanEnd::Lost),
            moved = outward(from_server, &mut client.outbox, to_client) => {
                if matches!(moved, Moved::Read) {
                    watch.feed(&client.outbox, |kind, body| {
                        self.conversation.server_sends(kind, body);
                        if kind == b'S' {
                            parameters.push(body.to_vec());
                        }
                    });
                }
                moved.end(LoanEnd::Lost, LoanEnd::Left)
            }
            // Only wakes the loop: `recall` then decides whether the loan ends.
            () = wanted(&mut self.waiting, kept_until), if idle => None,
        };
        for body in parameters {
            self.client.note_parameter(&body, self.loan);
        }
        end
    }
}

/// The result of one step in one direction.
enum Moved {
    Read,
    Wrote,
    SourceClosed,
    SinkClosed,
}

impl Moved {
    fn of_read(count: io::Result<usize>) -> Self {
        if matches!(count, Ok(0) | Err(_)) { Self::SourceClosed } else { Self::Read }
    }

    fn of_write(written: io::Result<usize>) -> Self {
        if written.is_err() { Self::SinkClosed } else { Self::Wrote }
    }

    fn end(self, source_closed: LoanEnd, sink_closed: LoanEnd) -> Option<LoanEnd> {
        match self {
            Self::Read | Self::Wrote => None,
            Self::SourceClosed => Some(source_closed),
            Self::SinkClosed => Some(sink_closed),
        }
    }
}

/// Writes the bytes for the server; if there are none, reads from the client.
async fn inward(
    mut client: impl AsyncRead + Unpin,
    inbox: &mut BytesMut,
    mut server: impl AsyncWrite + Unpin,
    to_server: &mut BytesMut,
) -> Moved {
    if to_server.has_remaining() {
        return Moved::of_write(server.write_buf(to_server).await);
    }
    inbox.reserve(READ_BYTES);
    Moved::of_read(client.read_buf(inbox).await)
}

/// Writes the bytes for the client; if there are none, reads from the server.
async fn outward(
    mut server: impl AsyncRead + Unpin,
    outbox: &mut BytesMut,
    mut client: impl AsyncWrite + Unpin,
) -> Moved {
    if outbox.has_remaining() {
        return Moved::of_write(client.write_buf(outbox).await);
    }
    outbox.reserve(READ_BYTES);
    Moved::of_read(server.read_buf(outbox).await)
}

/// Completes when another client waits for the session and the time in `kept_until`, if any, is over.
async fn wanted(waiting: &mut watch::Receiver<usize>, kept_until: Option<Instant>) {
    if let Some(until) = kept_until {
        sleep_until(until).await;
    }
    if waiting.wait_for(|count| *count > 0).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn taken_away(remains: &str) -> ErrorReport {
    let message =
        format!("the session was idle while other clients waited, so it was ended; it had {remains}");
    ErrorReport::fatal("57P05", message).with_hint(
        "The embedded PostgreSQL serves one client at a time: keep temporary state within a transaction.",
    )
}
