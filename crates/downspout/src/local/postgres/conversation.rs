//! Follows the exchange between a client and the server by the types of the messages. Pure: no I/O.
//!
//! The result is whether the session can be taken away without the client missing an answer.

use std::collections::VecDeque;
use std::fmt;

/// A request whose answer, up to its `ReadyForQuery`, is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
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
}

impl fmt::Display for SessionUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle, with session state that would be lost",
            Self::Active => "running a statement",
            Self::IdleInTransaction => "idle in an open transaction",
            Self::Leaving => "disconnected, with its last statement still running",
        })
    }
}

/// The exchange of one client with the server.
#[derive(Debug)]
pub(super) struct Conversation {
    owed: VecDeque<Owed>,
    /// Whether extended messages were sent without a `Sync` after them.
    unsynced: bool,
    copying_in: bool,
    in_transaction: bool,
}

impl Conversation {
    /// Returns a conversation on a session that has answered everything.
    pub(super) fn new() -> Self {
        Self { owed: VecDeque::new(), unsynced: false, copying_in: false, in_transaction: false }
    }

    /// Returns what the borrower does with the session.
    pub(super) fn session_use(&self) -> SessionUse {
        if !self.owed.is_empty() || self.unsynced || self.copying_in {
            SessionUse::Active
        } else if self.in_transaction {
            SessionUse::IdleInTransaction
        } else {
            SessionUse::Idle
        }
    }

    /// Notes a message of the client, of type `kind`, that is sent to the server.
    pub(super) fn client_sends(&mut self, kind: u8) {
        match kind {
            b'Q' | b'F' => {
                self.owed.push_back(Owed::SimpleQuery);
                self.unsynced = false;
            }
            // The server ignores Sync and Flush during a COPY from the client (protocol: COPY operations).
            b'S' | b'H' if self.copying_in => {}
            b'S' => {
                self.owed.push_back(Owed::Sync);
                self.unsynced = false;
            }
            b'P' | b'B' | b'D' | b'E' | b'C' | b'H' => self.unsynced = true,
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
                if self.owed.front() != Some(&Owed::SimpleQuery) {
                    self.owed.clear();
                    self.unsynced = true;
                }
            }
            b'E' => self.copying_in = false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays messages: `>X` from the client, `<X` from the server, `<Zt` ready in a transaction.
    fn after(script: &str) -> SessionUse {
        let mut conversation = Conversation::new();
        for step in script.split_whitespace() {
            let bytes = step.as_bytes();
            match bytes[0] {
                b'>' => conversation.client_sends(bytes[1]),
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
}
