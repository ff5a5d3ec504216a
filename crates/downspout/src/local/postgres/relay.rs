//! Carries messages between a client and the session while the client has borrowed the session.
//!
//! One loop serves both directions. Each direction has one limited buffer. If one side stops reading, the buffer of the bytes
//! for this side stays full, and the relay stops reading from the other side.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Limits;
use super::client_link::ClientLink;
use super::client_text::ClientText;
use super::conversation::{Conversation, SessionUse};
use super::deadlines::{Deadlines, Due, Moment};
use super::lender::{Lender, Loan, Waiting};
use super::message::{
    ErrorReport, FrameError, TransactionStatus, put_message, put_text, take_text, whole_message,
};
use super::session::Lost;
use super::step::{Moved, held_back, inward, outward};

/// How long the answer of a statement that has just ended may take to arrive. A statement whose answer arrives is not interrupted,
/// so that no client believes that a commit has failed.
const ENDING: Duration = Duration::from_millis(100);

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
    /// The running statement must be interrupted by killing the server.
    Interrupted(Interruption),
}

/// The position of a client in its exchange with the server when its statement was interrupted.
pub(super) struct Interruption {
    /// The error of the statement.
    pub(super) report: ErrorReport,
    /// The number of complete requests without an answer.
    pub(super) owed: usize,
    /// Whether the client must still send the end of a request.
    pub(super) is_unsynced: bool,
    /// The state of the transaction, as the server would see it.
    pub(super) status: TransactionStatus,
    /// The part of the session that is lost, if any.
    pub(super) lost_state: Option<String>,
}

/// The exchange between a client and the session during one loan.
pub(super) struct Relay<'a> {
    client: &'a mut ClientLink,
    loan: &'a mut Loan,
    limits: &'a Limits,
    waiting: watch::Receiver<Waiting>,
    /// Changes when the client asks to cancel its statement.
    canceled: &'a mut watch::Receiver<u64>,
    conversation: Conversation,
    deadlines: Deadlines,
    /// Whole messages on their way to the server.
    to_server: BytesMut,
    /// Whether the server has received a part of `to_server`.
    is_partly_sent: bool,
    /// Whether to read from the client although the server takes nothing.
    reads_ahead: bool,
    client_leaves: bool,
    /// Whether a message in `to_server` or without an answer begins a transaction.
    begins_transaction: bool,
    /// Whether the state of the session may have changed since it was last saved.
    is_state_stale: bool,
    /// The part of the session's state that cannot be restored, as it was when the state was last saved.
    lost_state: Option<String>,
    are_timeouts_stale: bool,
    /// Whether the transaction has changed a time limit. The change may end with the transaction.
    has_transaction_timeouts: bool,
}

impl<'a> Relay<'a> {
    /// Returns a relay between `client` and the session of `loan`, to which the state of the client was restored.
    pub(super) fn new(
        client: &'a mut ClientLink,
        loan: &'a mut Loan,
        lender: &Arc<Lender>,
        limits: &'a Limits,
        canceled: &'a mut watch::Receiver<u64>,
    ) -> Self {
        let has_failed = client.state.transaction_has_failed();
        // From here on, the server knows of the transaction.
        client.state.note_failed_transaction(false);
        let timeouts = loan.session().map(|session| session.timeouts()).unwrap_or_default();
        Self {
            are_timeouts_stale: client.state.sets_timeouts(),
            client,
            loan,
            limits,
            waiting: lender.waiting(),
            canceled,
            conversation: Conversation::new(has_failed),
            deadlines: Deadlines::new(timeouts, Instant::now()),
            to_server: BytesMut::new(),
            is_partly_sent: false,
            reads_ahead: false,
            client_leaves: false,
            begins_transaction: false,
            is_state_stale: false,
            lost_state: None,
            has_transaction_timeouts: false,
        }
    }

    /// Relays messages until the loan ends, and returns how the loan ended.
    pub(super) async fn run(mut self) -> LoanEnd {
        let end = loop {
            if let Err(end) = self.turn().await {
                break end;
            }
        };
        if self.is_partly_sent {
            self.loan.note_broken_message();
        }
        self.cut_answer();
        end
    }

    /// Does the next step of the exchange. Fails with the end of the loan.
    async fn turn(&mut self) -> Result<(), LoanEnd> {
        if self.to_server.is_empty() {
            self.catch_up().await?;
            self.forward().map_err(|error| LoanEnd::Ended(ErrorReport::violation(&error)))?;
        }
        if self.client_leaves && self.to_server.is_empty() {
            return Err(LoanEnd::Left);
        }
        self.recall().await?;
        self.loan.note_use(self.conversation.session_use());
        self.carry().await
    }

    /// Reads the state and the time limits of the session from the server before the next statement, if the last statement may
    /// have changed them.
    async fn catch_up(&mut self) -> Result<(), LoanEnd> {
        let session_use = self.conversation.session_use();
        let has_message = matches!(whole_message(&self.client.inbox, self.limits.message_bytes), Ok(Some(_)));
        if has_message && self.is_state_stale && session_use == SessionUse::Idle {
            self.save_state().await?;
        }
        // A limit of idle transactions holds before the next statement.
        let matters = match session_use {
            SessionUse::IdleInTransaction => true,
            SessionUse::Active => false,
            _ => has_message,
        };
        if self.are_timeouts_stale && matters {
            let session = self.loan.session().ok_or(LoanEnd::Lost)?;
            if let Some(timeouts) = session.read_timeouts().await.map_err(|Lost| LoanEnd::Lost)? {
                self.deadlines.set_timeouts(timeouts);
                self.are_timeouts_stale = false;
                self.has_transaction_timeouts = session_use == SessionUse::IdleInTransaction;
            }
        }
        Ok(())
    }

    /// Saves the state of the session for a later loan, and notes the part that cannot be restored.
    async fn save_state(&mut self) -> Result<(), LoanEnd> {
        let session = self.loan.session().ok_or(LoanEnd::Lost)?;
        self.lost_state = session.inspect(&mut self.client.state).await.map_err(|Lost| LoanEnd::Lost)?;
        if let Some(parse) = self.client.state.unnamed() {
            // The inspection has removed the unnamed statement.
            session.prepare_unnamed(parse).await.map_err(|Lost| LoanEnd::Lost)?;
        }
        self.is_state_stale = false;
        Ok(())
    }

    /// Moves the whole messages from the client's inbox to the empty buffer for the server.
    ///
    /// # Errors
    ///
    /// If the client sent a message that is too long or that clients may not send.
    fn forward(&mut self) -> Result<(), FrameError> {
        let mut end = 0;
        let mut replacement = None;
        while let Some(length) = whole_message(&self.client.inbox[end..], self.limits.message_bytes)? {
            match self.client.inbox[end] {
                b'X' => {
                    self.client_leaves = true;
                    break;
                }
                b'p' => return Err(FrameError::UnknownType(b'p')),
                _ => {}
            }
            let message = &self.client.inbox[end..end + length];
            let text = text_of(message).map(ClientText::read).unwrap_or_default();
            replacement = text.refusal.as_ref().map(|refusal| refusal.in_place_of(message));
            self.note_message(end, length, &text, replacement.as_deref());
            if replacement.is_some() {
                // The messages after the refused one are forwarded next time.
                break;
            }
            end += length;
        }
        if end > 0 || replacement.is_some() {
            self.to_server = self.client.inbox.split_to(end);
            if let Some(replacement) = replacement {
                let refused = whole_message(&self.client.inbox, self.limits.message_bytes)?.unwrap_or(0);
                self.client.inbox.advance(refused);
                self.to_server.unsplit(replacement);
            }
            self.deadlines.client_sent(Instant::now());
        }
        Ok(())
    }

    /// Notes the effect of the message at `start` of the inbox. If there is a `replacement`, it is sent instead of the message.
    fn note_message(&mut self, start: usize, length: usize, text: &ClientText, replacement: Option<&[u8]>) {
        let message = replacement.unwrap_or(&self.client.inbox[start..start + length]);
        let kind = message[0];
        if self.conversation.session_use() != SessionUse::Active {
            self.deadlines.request_begins(Instant::now());
            // A request to cancel is for a statement that runs, not for the next one.
            if self.conversation.has_begun() {
                self.canceled.mark_unchanged();
            }
        }
        let limit = match kind {
            b'Q' => self.deadlines.timeouts().of_message(text_of(message).unwrap_or_default()),
            b'E' | b'F' => self.deadlines.timeouts().statement,
            _ => None,
        };
        self.is_state_stale |= text.changes_session;
        self.are_timeouts_stale |= text.changes_timeouts;
        self.begins_transaction |= text.begins_transaction;
        self.conversation.client_sends(kind, limit);
        self.client.state.client_sends(kind, message);
    }

    /// Ends the loan if another client waits and the session is idle.
    ///
    /// If the state of the session cannot be restored later, this client first keeps the session for some time. After this
    /// time, the client is disconnected. The upkeep takes the session only if the state can be restored.
    async fn recall(&mut self) -> Result<(), LoanEnd> {
        let Waiting { clients, upkeep } = *self.waiting.borrow_and_update();
        let now = Instant::now();
        self.deadlines.clients_wait(clients > 0, now);
        let is_idle = self.conversation.session_use() == SessionUse::Idle && self.to_server.is_empty();
        if !is_idle || (clients == 0 && !upkeep) || self.deadlines.keeps_session(clients > 0, now) {
            return Ok(());
        }
        self.save_state().await?;
        match &self.lost_state {
            None => Err(LoanEnd::Recalled),
            Some(_) if self.deadlines.keep_session(self.limits.stateful_grace) > now || clients == 0 => {
                Ok(())
            }
            Some(remains) => Err(LoanEnd::Ended(taken_away(remains))),
        }
    }

    /// Reads or writes once in either direction, as soon as one side is ready. Fails with the end of the loan if a side is gone,
    /// or if the time of the client is over.
    async fn carry(&mut self) -> Result<(), LoanEnd> {
        let before = self.client.outbox.len();
        let ready = before - held_back(self.unfinished(), before);
        let moment = self.moment(ready);
        if let Some(due) = self.deadlines.due(&moment, self.limits, Instant::now()) {
            return self.time_is_over(due);
        }
        let wake = self.deadlines.next(&moment, self.limits);
        let is_active = moment.session_use == SessionUse::Active;
        let session = self.loan.session().ok_or(LoanEnd::Lost)?;
        let (from_server, to_server, _) = session.parts();
        let client = &mut *self.client;
        let (from_client, to_client) = client.stream.split();
        let leaving = self.limits.leaving;
        let step = tokio::select! {
            moved = inward(from_client, &mut client.inbox, to_server, &mut self.to_server, self.reads_ahead, leaving) => Step::Inward(moved),
            moved = outward(from_server, &mut client.outbox, ready, to_client) => Step::Outward(moved),
            Ok(()) = self.canceled.changed(), if is_active => Step::Canceled,
            Ok(()) = self.waiting.changed() => Step::Woken,
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => Step::Woken,
        };
        match step {
            Step::Inward(moved) => {
                // A direction that is stuck moves nothing, and its time limit must come.
                if !matches!(moved, Moved::Stuck) {
                    self.deadlines.moved(Instant::now());
                }
                match moved {
                    Moved::Wrote => {
                        self.is_partly_sent = !self.to_server.is_empty();
                        self.reads_ahead = false;
                    }
                    Moved::Stuck => self.reads_ahead = true,
                    _ => {}
                }
                end_of(moved, LoanEnd::Left, LoanEnd::Lost)
            }
            Step::Outward(moved) => {
                self.deadlines.moved(Instant::now());
                if matches!(moved, Moved::Read) {
                    self.note_answers(before);
                }
                end_of(moved, LoanEnd::Lost, LoanEnd::Left)
            }
            Step::Canceled => {
                self.interrupt(canceled());
                Ok(())
            }
            Step::Woken => Ok(()),
        }
    }

    /// Notes the messages of the server from byte `start` of the outbox on.
    fn note_answers(&mut self, start: usize) {
        let Some(session) = self.loan.session() else { return };
        let (_, _, watch) = session.parts();
        let now = Instant::now();
        let (mut parameters, mut has_changed) = (Vec::new(), false);
        watch.feed(&self.client.outbox[start..], |kind, body| {
            self.conversation.server_sends(kind, body);
            match kind {
                b'S' => parameters.push(body.to_vec()),
                b'C' => has_changed |= leaves_dead_rows(body),
                b'E' => self.deadlines.failed(),
                b'Z' => {
                    self.begins_transaction = false;
                    let in_transaction = self.conversation.is_in_transaction();
                    self.deadlines.answered(in_transaction, now);
                    if self.has_transaction_timeouts && !in_transaction {
                        self.has_transaction_timeouts = false;
                        self.are_timeouts_stale = true;
                    }
                }
                _ => {}
            }
        });
        if has_changed {
            self.loan.note_change();
        }
        for body in parameters {
            self.client.note_parameter(&body, self.loan);
        }
    }

    /// Returns the facts about the exchange at this moment that the deadlines need. `ready` bytes wait for the client.
    fn moment(&self, ready: usize) -> Moment {
        let awaits_rows = self.conversation.is_copying_in() && self.to_server.is_empty();
        Moment {
            session_use: self.conversation.session_use(),
            limit: self.conversation.limit(),
            awaits_client: awaits_rows || ready > 0,
        }
    }

    /// Returns how many bytes of the message that the server has not finished were received.
    fn unfinished(&mut self) -> usize {
        self.loan.session().map_or(0, |session| session.parts().2.unfinished())
    }

    fn time_is_over(&mut self, due: Due) -> Result<(), LoanEnd> {
        match due {
            Due::Statement => {
                self.interrupt(timed_out());
                Ok(())
            }
            Due::Interruption(report) => Err(self.interrupted(report)),
            Due::Connection(report) => Err(LoanEnd::Ended(report)),
        }
    }

    /// Lets the running statement end with the error `report`, unless it ends by itself at this moment.
    fn interrupt(&mut self, report: ErrorReport) {
        let mut patience = ENDING;
        if self.conversation.is_copying_in() {
            // A COPY from the client can end without a new server.
            put_message(&mut self.to_server, b'f', |body| put_text(body, &report.message));
            self.conversation.client_sends(b'f', None);
            patience = self.limits.leaving;
        }
        self.deadlines.interrupt_at(Instant::now() + patience, report);
    }

    /// Removes the beginning of a message whose rest will not come from the bytes for the client.
    fn cut_answer(&mut self) {
        let unfinished = self.unfinished();
        let outbox = &mut self.client.outbox;
        self.client.is_in_message = unfinished > outbox.len();
        outbox.truncate(outbox.len().saturating_sub(unfinished));
    }

    fn interrupted(&mut self, report: ErrorReport) -> LoanEnd {
        let in_transaction = self.conversation.is_in_transaction() || self.begins_transaction;
        LoanEnd::Interrupted(Interruption {
            report,
            owed: self.conversation.owed(),
            is_unsynced: self.conversation.is_unsynced(),
            status: if in_transaction { TransactionStatus::Failed } else { TransactionStatus::Outside },
            lost_state: self.lost_state.take(),
        })
    }
}

/// The step that [`Relay::carry`] has done.
enum Step {
    Inward(Moved),
    Outward(Moved),
    Canceled,
    Woken,
}

/// Fails with `source_closed` or `sink_closed` if the step has found its source or its sink closed.
fn end_of(moved: Moved, source_closed: LoanEnd, sink_closed: LoanEnd) -> Result<(), LoanEnd> {
    match moved {
        Moved::Read | Moved::Wrote | Moved::Stuck => Ok(()),
        Moved::SourceClosed => Err(source_closed),
        Moved::SinkClosed => Err(sink_closed),
    }
}

/// Returns the SQL in a client's message, if there is any.
fn text_of(message: &[u8]) -> Option<&str> {
    let mut body = &message[5..];
    match message[0] {
        b'Q' => take_text(&mut body),
        b'P' => {
            take_text(&mut body)?;
            take_text(&mut body)
        }
        _ => None,
    }
}

/// Returns whether the statement with this `CommandComplete` may have left dead rows.
fn leaves_dead_rows(tag: &[u8]) -> bool {
    [&b"INSERT"[..], b"UPDATE", b"DELETE", b"MERGE", b"COPY", b"DO", b"CALL", b"ROLLBACK", b"CREATE", b"DROP"]
        .iter()
        .any(|start| tag.starts_with(start))
}

fn canceled() -> ErrorReport {
    ErrorReport::error("57014", "canceling statement due to user request")
}

fn timed_out() -> ErrorReport {
    ErrorReport::error("57014", "canceling statement due to statement timeout")
}

fn taken_away(remains: &str) -> ErrorReport {
    let message =
        format!("the session was idle while other clients waited, so it was ended; it had {remains}");
    ErrorReport::fatal("57P05", message).with_hint(
        "The embedded PostgreSQL serves one client at a time: keep temporary state within a transaction.",
    )
}
