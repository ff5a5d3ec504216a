//! Decides when the time of a client is over. Pure: the time comes in as an argument.
//!
//! A client has time limits of its own ([`Timeouts`]). Others apply only while other clients wait for the session.

use std::time::Duration;

use tokio::time::Instant;

use super::Limits;
use super::conversation::SessionUse;
use super::message::ErrorReport;
use super::timeouts::Timeouts;

const ONE_CLIENT: &str =
    "The embedded PostgreSQL serves one client at a time: end a transaction before you wait for anything.";

/// The exchange of a client at one moment.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) session_use: SessionUse,
    /// How long the request that the server works on may take.
    pub(super) limit: Option<Duration>,
    /// Whether the exchange goes on only after the client has sent rows or has read its answer.
    pub(super) awaits_client: bool,
}

/// The consequence of a time that is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The statement has taken too long.
    Statement,
    /// The statement has not ended after it was asked to. It ends with this error.
    Interruption(ErrorReport),
    /// The connection ends with this error.
    Connection(ErrorReport),
}

/// The times that matter for the deadlines of a client.
#[derive(Debug)]
pub(super) struct Deadlines {
    timeouts: Timeouts,
    /// The beginning of the request at which the server is at work, or the end of the server's last answer.
    since: Instant,
    /// The last time that a byte was moved in either direction.
    moved: Instant,
    /// The time of the client's last message, or the start of the loan.
    quiet_since: Instant,
    transaction_since: Option<Instant>,
    /// The time since which other clients wait, or since the client's last message, if that is later.
    clients_wait_since: Option<Instant>,
    /// The time until which the client keeps the session, because the state of the session cannot be restored. `None` if the
    /// state can be restored, or was not inspected since the client's last message.
    kept_until: Option<Instant>,
    interruption: Option<(Instant, ErrorReport)>,
}

impl Deadlines {
    /// Returns the deadlines of a client that gets the session `now`.
    pub(super) fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self {
            timeouts,
            since: now,
            moved: now,
            quiet_since: now,
            transaction_since: None,
            clients_wait_since: None,
            kept_until: None,
            interruption: None,
        }
    }

    /// Returns the client's own time limits.
    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Sets the client's own time limits.
    pub(super) fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    /// Notes that the server, which was idle, gets a request.
    pub(super) fn request_begins(&mut self, now: Instant) {
        self.since = now;
    }

    /// Notes that the client has sent messages.
    pub(super) fn client_sent(&mut self, now: Instant) {
        self.quiet_since = now;
        self.kept_until = None;
        self.clients_wait_since = None;
    }

    /// Notes that the server has answered a request.
    pub(super) fn answered(&mut self, in_transaction: bool, now: Instant) {
        self.since = now;
        self.interruption = None;
        self.transaction_since = in_transaction.then(|| self.transaction_since.unwrap_or(now));
    }

    /// Notes that the running statement has ended with an error, so that nothing is left to interrupt.
    pub(super) fn failed(&mut self) {
        self.interruption = None;
    }

    /// Notes that bytes were moved.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    /// Notes whether other clients wait.
    pub(super) fn clients_wait(&mut self, wait: bool, now: Instant) {
        self.clients_wait_since = wait.then(|| self.clients_wait_since.unwrap_or(now));
    }

    /// Lets the client keep a session whose state cannot be restored for `grace` after its last message. Returns the end of this
    /// time.
    pub(super) fn keep_session(&mut self, grace: Duration) -> Instant {
        let until = self.quiet_since + grace;
        self.kept_until = Some(until);
        until
    }

    /// Returns whether the client keeps a session whose state cannot be restored. Only waiting clients end this time.
    pub(super) fn keeps_session(&self, clients_wait: bool, now: Instant) -> bool {
        self.kept_until.is_some_and(|until| !clients_wait || now < until)
    }

    /// Sets the time at which the running statement is interrupted with the error `report`, if it has not ended by then.
    pub(super) fn interrupt_at(&mut self, at: Instant, report: ErrorReport) {
        self.interruption = Some((at, report));
    }

    /// Returns the consequence of the time that is over, if any.
    pub(super) fn due(&self, moment: &Moment, limits: &Limits, now: Instant) -> Option<Due> {
        let over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Some((at, report)) = &self.interruption
            && *at <= now
        {
            return Some(Due::Interruption(report.clone()));
        }
        if over(self.statement_end(moment)) {
            return Some(Due::Statement);
        }
        let connection = |code, message: &str| Some(Due::Connection(ErrorReport::fatal(code, message)));
        if over(self.idle_end(moment)) {
            return connection("25P03", "terminating connection due to idle-in-transaction timeout");
        }
        if over(self.transaction_end()) {
            return connection("25P04", "terminating connection due to transaction timeout");
        }
        if over(self.grace_end(moment, limits)) {
            let message = "terminating connection: its transaction was idle while other clients waited, and was rolled back";
            return Some(Due::Connection(ErrorReport::fatal("25P03", message).with_hint(ONE_CLIENT)));
        }
        if over(self.stall_end(moment, limits)) {
            let message = "terminating connection: the client sent no rows or read no answer while other clients waited";
            return Some(Due::Connection(ErrorReport::fatal("57P05", message).with_hint(ONE_CLIENT)));
        }
        None
    }

    /// Returns the next time at which the client's turn must be looked at again.
    pub(super) fn next(&self, moment: &Moment, limits: &Limits) -> Option<Instant> {
        let kept_until = self.kept_until.filter(|_| self.clients_wait_since.is_some());
        let ends = [
            self.interruption.as_ref().map(|(at, _)| *at),
            self.statement_end(moment),
            self.idle_end(moment),
            self.transaction_end(),
            self.grace_end(moment, limits),
            self.stall_end(moment, limits),
            kept_until,
        ];
        ends.into_iter().flatten().min()
    }

    fn statement_end(&self, moment: &Moment) -> Option<Instant> {
        let runs = moment.session_use == SessionUse::Active && self.interruption.is_none();
        moment.limit.filter(|_| runs).map(|limit| self.since + limit)
    }

    fn idle_end(&self, moment: &Moment) -> Option<Instant> {
        let is_idle = moment.session_use == SessionUse::IdleInTransaction;
        self.timeouts.idle_in_transaction.filter(|_| is_idle).map(|limit| self.since + limit)
    }

    fn transaction_end(&self) -> Option<Instant> {
        Some(self.transaction_since? + self.timeouts.transaction?)
    }

    fn grace_end(&self, moment: &Moment, limits: &Limits) -> Option<Instant> {
        let is_idle = moment.session_use == SessionUse::IdleInTransaction;
        let since = self.clients_wait_since.filter(|_| is_idle)?;
        Some(since.max(self.since) + limits.transaction_grace)
    }

    fn stall_end(&self, moment: &Moment, limits: &Limits) -> Option<Instant> {
        let since = self.clients_wait_since.filter(|_| moment.awaits_client)?;
        Some(since.max(self.moved) + limits.stall_grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn moment(session_use: SessionUse) -> Moment {
        Moment { session_use, limit: None, awaits_client: false }
    }

    fn limits() -> Limits {
        Limits { transaction_grace: 5 * SECOND, stall_grace: 30 * SECOND, ..Limits::default() }
    }

    fn code(due: Option<Due>) -> &'static str {
        match due {
            Some(Due::Connection(report)) => report.code,
            Some(_) => "statement",
            None => "none",
        }
    }

    #[test]
    fn a_statement_has_its_limit_from_its_beginning() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(Timeouts::default(), start);
        let running = Moment { limit: Some(2 * SECOND), ..moment(SessionUse::Active) };
        deadlines.request_begins(start + SECOND);
        assert_eq!(deadlines.next(&running, &limits()), Some(start + 3 * SECOND));
        assert_eq!(deadlines.due(&running, &limits(), start + 2 * SECOND), None);
        assert_eq!(deadlines.due(&running, &limits(), start + 3 * SECOND), Some(Due::Statement));
    }

    #[test]
    fn an_idle_transaction_ends_only_while_others_wait() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(Timeouts::default(), start);
        let idle = moment(SessionUse::IdleInTransaction);
        let late = start + 100 * SECOND;
        assert_eq!(deadlines.due(&idle, &limits(), late), None);
        deadlines.clients_wait(true, late);
        assert_eq!(code(deadlines.due(&idle, &limits(), late + 4 * SECOND)), "none");
        assert_eq!(code(deadlines.due(&idle, &limits(), late + 5 * SECOND)), "25P03");
        assert_eq!(code(deadlines.due(&moment(SessionUse::Active), &limits(), late + 5 * SECOND)), "none");
        deadlines.clients_wait(false, late);
        assert_eq!(deadlines.next(&idle, &limits()), None);
    }

    #[test]
    fn a_client_that_neither_sends_nor_reads_ends_only_while_others_wait() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(Timeouts::default(), start);
        let stalled = Moment { awaits_client: true, ..moment(SessionUse::Active) };
        deadlines.clients_wait(true, start);
        deadlines.moved(start + SECOND);
        assert_eq!(code(deadlines.due(&stalled, &limits(), start + 30 * SECOND)), "none");
        assert_eq!(code(deadlines.due(&stalled, &limits(), start + 31 * SECOND)), "57P05");
    }

    #[test]
    fn the_limits_of_the_client_hold_also_if_nobody_waits() {
        let start = Instant::now();
        let timeouts = Timeouts {
            idle_in_transaction: Some(2 * SECOND),
            transaction: Some(9 * SECOND),
            ..Timeouts::default()
        };
        let mut deadlines = Deadlines::new(timeouts, start);
        let idle = moment(SessionUse::IdleInTransaction);
        deadlines.answered(true, start);
        assert_eq!(code(deadlines.due(&idle, &limits(), start + 2 * SECOND)), "25P03");
        deadlines.answered(true, start + 8 * SECOND);
        assert_eq!(code(deadlines.due(&idle, &limits(), start + 9 * SECOND)), "25P04");
        deadlines.answered(false, start + 9 * SECOND);
        assert_eq!(deadlines.due(&moment(SessionUse::Idle), &limits(), start + 60 * SECOND), None);
    }

    #[test]
    fn a_session_that_cannot_be_restored_is_kept_for_a_time() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(Timeouts::default(), start);
        let until = deadlines.keep_session(5 * SECOND);
        assert!(deadlines.keeps_session(true, start) && !deadlines.keeps_session(true, until));
        assert!(deadlines.keeps_session(false, until), "nobody waits");
        deadlines.client_sent(start + SECOND);
        assert!(!deadlines.keeps_session(true, start + SECOND));
    }
}
