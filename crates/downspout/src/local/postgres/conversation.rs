//! Follows the exchange between a client and the server by the types of the messages. Pure: no I/O.
//!
//! The result is whether the session can be taken away without the client missing an answer.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// A request whose answer, up to its `ReadyForQuery`, is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owed {
    kind: OwedKind,
    /// How long the request may take.
    limit: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwedKind {
    SimpleQuery,
    Sync,
}

/// The way in which a borrower uses the session at this moment. Error messages for clients that waited too long for the
/// session contain the `Display` text of the session use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionUse {
    Idle,
    Active,
    IdleInTransaction,
    /// The loan is over, and the session is being reset. The last statement of the borrower may still be running.
    Leaving,
    /// The server was killed, to interrupt the last statement of the borrower, and is being started again.
    Restarting,
}

impl fmt::Display for SessionUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle, with session state that would be lost",
            Self::Active => "running a statement",
            Self::IdleInTransaction => "idle in an open transaction",
            Self::Leaving => "disconnected, with its last statement still running",
            Self::Restarting => "interrupted, while the server starts again",
        })
    }
}

/// The exchange of one client with the server.
#[derive(Debug)]
pub(super) struct Conversation {
    owed: VecDeque<Owed>,
    /// Whether extended messages were sent without a `Sync` after them.
    unsynced: bool,
    /// How long the extended messages without a `Sync` after them may take.
    unsynced_limit: Option<Duration>,
    copying_in: bool,
    in_transaction: bool,
    /// Whether the client has sent anything.
    has_begun: bool,
}

impl Conversation {
    /// Returns a conversation on a session that has answered everything, in a transaction or not.
    pub(super) fn new(in_transaction: bool) -> Self {
        Self {
            owed: VecDeque::new(),
            unsynced: false,
            unsynced_limit: None,
            copying_in: false,
            in_transaction,
            has_begun: false,
        }
    }

    /// Returns whether the client has sent anything.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Returns whether the server reads the rows of a COPY from the client.
    pub(super) fn is_copying_in(&self) -> bool {
        self.copying_in
    }

    /// Returns whether the server was in a transaction when it last said so.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Returns how long the request that the server works on may take. `None` if there is no limit or no request.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.owed.front().map_or(self.unsynced_limit, |owed| owed.limit)
    }

    /// Returns the number of complete requests without an answer.
    pub(super) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Returns whether the client must still send the end of a request.
    pub(super) fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    /// Returns how the borrower uses the session now.
    pub(super) fn session_use(&self) -> SessionUse {
        if !self.owed.is_empty() || self.unsynced || self.copying_in {
            SessionUse::Active
        } else if self.in_transaction {
            SessionUse::IdleInTransaction
        } else {
            SessionUse::Idle
        }
    }

    /// Notes a message of the client, of type `kind`, that is sent to the server. The message may take `limit`.
    pub(super) fn client_sends(&mut self, kind: u8, limit: Option<Duration>) {
        self.has_begun = true;
        match kind {
            b'Q' | b'F' => {
                self.owed.push_back(Owed { kind: OwedKind::SimpleQuery, limit });
                self.unsynced = false;
            }
            // The server ignores Sync and Flush during a COPY from the client (protocol: COPY operations).
            b'S' | b'H' if self.copying_in => {}
            b'S' => {
                self.owed.push_back(Owed { kind: OwedKind::Sync, limit: self.unsynced_limit.take() });
                self.unsynced = false;
            }
            b'P' | b'B' | b'D' | b'E' | b'C' | b'H' => {
                self.unsynced = true;
                if let Some(limit) = limit {
                    *self.unsynced_limit.get_or_insert_default() += limit;
                }
            }
            b'c' | b'f' => self.copying_in = false,
            _ => {}
        }
    }

    /// Notes a message of the server, of type `kind`, that is sent to the client.
    pub(super) fn server_sends(&mut self, kind: u8, body: &[u8]) {
        match kind {
            b'Z' => {
                self.owed.pop_front();
                self.copying_in = false;
                self.in_transaction = body != b"I";
            }
            b'G' => {
                self.copying_in = true;
                // The server reads the Syncs that follow the Execute of the COPY during the COPY, and ignores them. So no
                // answer to these Syncs will come.
                let is_simple = self.owed.front().is_some_and(|owed| owed.kind == OwedKind::SimpleQuery);
                if !is_simple {
                    self.unsynced_limit = self.limit();
                    self.owed.clear();
                    self.unsynced = true;
                }
            }
            b'E' => {
                self.copying_in = false;
                // Without an owed answer, the server waits for the Sync of the client.
                self.unsynced_limit = self.unsynced_limit.filter(|_| !self.owed.is_empty());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays messages: `>X` from the client, `<X` from the server, `<Zt` ready in a transaction.
    fn after(script: &str) -> SessionUse {
        let mut conversation = Conversation::new(false);
        for step in script.split_whitespace() {
            let bytes = step.as_bytes();
            match bytes[0] {
                b'>' => conversation.client_sends(bytes[1], None),
                _ if step == "<Zt" => conversation.server_sends(b'Z', b"T"),
                _ => conversation.server_sends(bytes[1], b"I"),
            }
        }
        conversation.session_use()
    }

    #[test]
    fn a_client_is_idle_when_every_query_and_sync_is_answered() {
        assert_eq!(after(""), SessionUse::Idle);
        assert_eq!(after(">Q"), SessionUse::Active);
        assert_eq!(after(">Q <D <C <Z"), SessionUse::Idle);
        assert_eq!(after(">P >B >E >S >P >B >E >S <1 <2 <C <Z"), SessionUse::Active);
        assert_eq!(after(">P >B >E >S >P >B >E >S <1 <2 <C <Z <1 <2 <C <Z"), SessionUse::Idle);
        assert_eq!(after(">Q <C <Zt"), SessionUse::IdleInTransaction);
        assert_eq!(after(">P >D >H <1 <t"), SessionUse::Active);
    }

    #[test]
    fn a_copy_by_simple_query_is_active_until_its_answer() {
        assert_eq!(after(">Q <G >d"), SessionUse::Active);
        assert_eq!(after(">Q <G >d >c"), SessionUse::Active);
        assert_eq!(after(">Q <G >d >c <C <Z"), SessionUse::Idle);
        assert_eq!(after(">Q <G >d <E <Z >d >c"), SessionUse::Idle);
        assert_eq!(after(">Q <G >c <C <G >d >c <C <Z"), SessionUse::Idle);
    }

    #[test]
    fn a_sync_sent_before_the_copy_began_is_not_answered() {
        assert_eq!(after(">B >E >S <2 <G"), SessionUse::Active);
        assert_eq!(after(">B >E >S <2 <G >d >c"), SessionUse::Active);
        assert_eq!(after(">B >E >S <2 <G >d >c >S <C <Z"), SessionUse::Idle);
        assert_eq!(after(">B >E >S <2 <G >d <E >d >c >S <Z"), SessionUse::Idle);
        assert_eq!(after(">B >E >S <2 <G >d <E >f"), SessionUse::Active);
    }

    #[test]
    fn the_limit_is_that_of_the_request_that_the_server_works_on() {
        let second = Some(Duration::from_secs(1));
        let mut conversation = Conversation::new(false);
        conversation.client_sends(b'Q', second);
        conversation.client_sends(b'P', None);
        conversation.client_sends(b'E', second);
        conversation.client_sends(b'E', second);
        assert_eq!(conversation.limit(), second);
        conversation.server_sends(b'Z', b"I");
        assert_eq!(conversation.limit(), Some(Duration::from_secs(2)));
        conversation.client_sends(b'S', None);
        assert_eq!((conversation.limit(), conversation.owed()), (Some(Duration::from_secs(2)), 1));
        conversation.server_sends(b'Z', b"I");
        assert_eq!((conversation.limit(), conversation.owed()), (None, 0));
    }
}
