//! Why a task failed: what the service is told, and whether trying again can help.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

/// A task's failure, in the words of `SetTaskStatus`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// `errorId`: a class, a colon, a name. The service does not retry the class `BadInput`.
    pub id: String,
    /// `errorMessage`: what, where, and what to do.
    pub message: String,
    /// The column that the database named when it refused a row.
    pub column: Option<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Trying again within this attempt cannot help.
    Final,
    /// The database was not there, or went away: worth waiting for.
    Away,
    /// The database refused these rows, not the statement.
    Refused,
}

impl Failure {
    /// Returns a failure under any error id.
    pub fn new(id: impl Into<String>, message: impl Into<String>) -> Self {
        Self { id: id.into(), message: message.into(), column: None, kind: Kind::Final }
    }

    /// Returns a failure that the same input would meet again.
    pub fn bad_input(name: &str, message: impl Into<String>) -> Self {
        Self::new(format!("BadInput:{name}"), message)
    }

    /// Returns the failure of a database that cannot be reached now.
    pub fn away(message: impl Into<String>) -> Self {
        Self {
            id: "Database:Unavailable".to_owned(),
            message: message.into(),
            column: None,
            kind: Kind::Away,
        }
    }

    /// Returns what a local file operation that failed means.
    pub fn scratch(what: &str, error: &std::io::Error) -> Self {
        Self::new("Worker:ScratchFolder", format!("{what} in the worker's scratch folder: {error}"))
    }

    /// Returns a failure of the worker itself: a bug of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("Worker:Internal", message)
    }

    /// Adds what went wrong besides.
    #[must_use]
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.message.push_str("; ");
        self.message.push_str(&other.message);
        self
    }

    /// Returns what a database error means for the work `doing`.
    pub fn database(doing: &str, error: &tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            let mut reason = error.to_string();
            if let Some(cause) = error.source() {
                reason = format!("{reason}: {cause}");
            }
            return Self::away(format!("{doing}: the database went away ({reason})"));
        };
        let code = refusal.code();
        let mut message = format!("{doing}: {}", refusal.message());
        for extra in [refusal.detail(), refusal.hint()].into_iter().flatten() {
            message.push_str("; ");
            message.push_str(extra);
        }
        let kind = kind_of(code);
        let id = match kind {
            Kind::Away => "Database:Unavailable".to_owned(),
            _ if is_same_again(code) => format!("BadInput:{}", code.code()),
            _ => format!("Database:{}", code.code()),
        };
        Self { id, message, column: refusal.column().map(str::to_owned), kind }
    }

    /// Returns whether waiting and starting the work again may help.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.kind == Kind::Away
    }

    /// Returns whether the database refused rows: fewer rows at once may find which.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.kind == Kind::Refused
    }
}

/// Returns whether the same statement on the same data is refused again: no retry helps.
fn is_same_again(code: &SqlState) -> bool {
    // Data exception, integrity constraint, no such database or schema, syntax or access, view check, RAISE.
    matches!(&code.code()[..2], "22" | "23" | "3D" | "3F" | "42" | "44" | "P0")
}

fn kind_of(code: &SqlState) -> Kind {
    // Classes of SQLSTATE, PostgreSQL manual, appendix A.
    match &code.code()[..2] {
        // Connection exceptions; operator intervention comes below.
        "08" => Kind::Away,
        // Data exception, integrity constraint, view check, RAISE of a trigger.
        "22" | "23" | "44" | "P0" => Kind::Refused,
        // The server goes down, comes up, or took the session back; a cancelled statement is 57014.
        _ if code.code().starts_with("57P") => Kind::Away,
        _ => match *code {
            SqlState::TOO_MANY_CONNECTIONS
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED => Kind::Away,
            _ => Kind::Final,
        },
    }
}
