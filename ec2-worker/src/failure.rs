//! The failure of a task: its text for the service, and whether another try can help.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::SqlState;

/// The failure of a task, with the fields that `SetTaskStatus` sends.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// `errorId`: a class, a colon and a name. The service does not retry the class `BadInput`.
    pub id: String,
    /// `errorMessage`: the problem, its place, and a remedy.
    pub message: String,
    /// The column that the database named, if it refused a row.
    pub column: Option<String>,
    /// The foreign key that a refused row violates.
    pub foreign_key: Option<String>,
    /// Whether another row has a value of a refused row that must be unique. Rows of temporary tables do not count.
    pub is_taken: bool,
    /// The number of the refused row among the rows of its `COPY`, from 1, if the database named it. This is a hint: another
    /// row may be the one at fault.
    pub row: Option<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Another try within the same attempt cannot help.
    Final,
    /// The database could not be reached, or the connection broke. Another try may help.
    Away,
    /// The database refused the rows, not the statement.
    Refused,
    /// The database probably refused a row, because the error came while it took rows. If it takes each row alone, the error
    /// is another one.
    PerhapsRefused,
}

impl Failure {
    /// Returns a final failure with the given `errorId` and `errorMessage`.
    pub fn new(id: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            message: message.into(),
            column: None,
            foreign_key: None,
            is_taken: false,
            row: None,
            kind: Kind::Final,
        }
    }

    /// Returns a failure of the class `BadInput`: the same input would fail again.
    pub fn bad_input(name: &str, message: impl Into<String>) -> Self {
        Self::new(format!("BadInput:{name}"), message)
    }

    /// Returns the failure of a database that cannot be reached at present.
    pub fn away(message: impl Into<String>) -> Self {
        Self {
            id: "Database:Unavailable".to_owned(),
            message: message.into(),
            column: None,
            foreign_key: None,
            is_taken: false,
            row: None,
            kind: Kind::Away,
        }
    }

    /// Returns the failure of an operation on a local file; `what` names the operation.
    pub fn scratch(what: &str, error: &std::io::Error) -> Self {
        Self::new("Worker:ScratchFolder", format!("{what} in the worker's scratch folder: {error}"))
    }

    /// Returns a failure that only a bug of the worker can cause.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("Worker:Internal", message)
    }

    /// Adds the message of another failure, after a semicolon.
    #[must_use]
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.message.push_str("; ");
        self.message.push_str(&other.message);
        self
    }

    /// Returns the failure of a database operation; `doing` names the operation.
    pub fn database(doing: &str, error: &tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            if holds_nul(error) {
                let problem = "the text holds a NUL character, which PostgreSQL cannot take; remove it";
                return Self::bad_input("Nul", format!("{doing}: {problem}"));
            }
            let mut reason = error.to_string();
            if let Some(cause) = error.source() {
                reason = format!("{reason}: {cause}");
            }
            return Self::away(format!("{doing}: the connection to the database broke ({reason})"));
        };
        let code = refusal.code();
        let mut message = format!("{doing}: {}", refusal.message());
        for extra in [refusal.detail(), refusal.hint()].into_iter().flatten() {
            message.push_str("; ");
            message.push_str(extra);
        }
        if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
            message.push_str(
                "; the server is a standby, or default_transaction_read_only of the role or database is on",
            );
        }
        // A policy of row-level security refuses rows with the code for missing privileges.
        let by_policy = refusal.routine() == Some("ExecWithCheckOptions");
        // In `COPY`, the server was reading a value of a row. The value is at fault, and not the statement.
        let of_value = refusal.where_().is_some_and(|context| column_of_copy(context).is_some());
        let kind = if by_policy || of_value && is_of_value(code) { Kind::Refused } else { kind_of(code) };
        let id = match kind {
            Kind::Away => "Database:Unavailable".to_owned(),
            _ if is_same_again(code) => format!("BadInput:{}", code.code()),
            _ => format!("Database:{}", code.code()),
        };
        let column = refusal.column().or_else(|| column_of_copy(refusal.where_()?));
        let is_key = *code == SqlState::FOREIGN_KEY_VIOLATION;
        let foreign_key = refusal.constraint().filter(|_| is_key).map(str::to_owned);
        let is_unique = matches!(*code, SqlState::UNIQUE_VIOLATION | SqlState::EXCLUSION_VIOLATION);
        let is_taken = is_unique && !refusal.schema().is_some_and(|schema| schema.starts_with("pg_temp"));
        let row = refusal.where_().and_then(row_of_copy);
        Self { id, message, column: column.map(str::to_owned), foreign_key, is_taken, row, kind }
    }

    /// Returns whether the work may succeed if the same attempt starts it again later.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.kind == Kind::Away
    }

    /// Returns the failure of a statement that the server has read before with other values. So a complaint about the
    /// syntax or about an unknown name is about one of the values.
    #[must_use]
    pub(crate) fn of_values(mut self) -> Self {
        let of_values =
            ["BadInput:42601", "BadInput:42704", "BadInput:42883", "BadInput:42P01", "Database:54001"];
        if self.kind == Kind::Final && of_values.contains(&self.id.as_str()) {
            self.kind = Kind::Refused;
        }
        self
    }

    /// Returns the failure of rows that were sent to the database. An error is then perhaps about a row, although its code
    /// does not say so, as the one with which `hstore` refuses a text.
    #[must_use]
    pub(crate) fn of_rows(mut self) -> Self {
        let code = self.id.rsplit(':').next().unwrap_or_default();
        if self.kind == Kind::Final && may_be_of_row(code) {
            self.kind = Kind::PerhapsRefused;
        }
        self
    }

    /// Returns whether the database refused rows. The caller can then find the rows at fault by sending fewer rows at a
    /// time.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind, Kind::Refused | Kind::PerhapsRefused)
    }

    /// Returns whether a refusal is perhaps none: if no row turns out to be at fault, the failure must not be forgotten.
    #[must_use]
    pub(crate) fn is_doubtful(&self) -> bool {
        self.kind == Kind::PerhapsRefused
    }
}

/// Returns whether a type may refuse a text with this code, which otherwise speaks against the statement. Examples are
/// the syntax of a `tsvector`, the name of a table in a `regclass`, and JSON that is nested too deeply.
fn is_of_value(code: &SqlState) -> bool {
    matches!(&code.code()[..2], "0A" | "42" | "54") && *code != SqlState::INSUFFICIENT_PRIVILEGE
}

/// Returns whether an error with this code may be about a row that was sent: an internal error, as types of extensions raise it
/// with `elog`, a query with too many rows, a `CASE` without a branch, or an error of a function in another language. Never
/// about a row are errors of connections, resources, rights, settings, and of the server itself.
fn may_be_of_row(code: &str) -> bool {
    // XX001 and XX002 are damaged tables and indexes.
    code == "XX000"
        || matches!(
            code.get(..2),
            Some("09" | "0F" | "0L" | "0P" | "0Z" | "10" | "20" | "21" | "24" | "27" | "2F" | "38" | "39")
        )
}

/// Returns the column that the context of an error in `COPY` names: `COPY orders, line 1, column price: "x"`.
fn column_of_copy(context: &str) -> Option<&str> {
    let line = context.lines().find(|line| line.starts_with("COPY "))?;
    let (_, column) = line.split_once(", column ")?;
    Some(column.split_once(": ").map_or(column, |(column, _)| column))
}

/// Returns the number of the row that the context of an error in `COPY` names: `COPY orders, line 4`. The word for "line" is in
/// the language of the server.
fn row_of_copy(context: &str) -> Option<usize> {
    let line = context.lines().find(|line| line.starts_with("COPY "))?;
    let mut parts = line.rsplit(", ");
    parts.find_map(|part| part.rsplit(' ').next()?.parse().ok())
}

/// Returns whether the driver refused to send a text because of a NUL character in it. The connection is not harmed.
fn holds_nul(error: &tokio_postgres::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let is_nul = |cause: &io::Error| {
        cause.kind() == io::ErrorKind::InvalidInput && cause.to_string().contains("embedded null")
    };
    cause.is_some_and(is_nul)
}

/// Returns whether the database would refuse the same statement on the same data again.
fn is_same_again(code: &SqlState) -> bool {
    // In this order: data exception, integrity constraint, no such database, no such schema, syntax or access, view
    // check, RAISE.
    matches!(&code.code()[..2], "22" | "23" | "3D" | "3F" | "42" | "44" | "P0") || is_of_user(code)
}

fn kind_of(code: &SqlState) -> Kind {
    // Classes of SQLSTATE, PostgreSQL manual, appendix A.
    match &code.code()[..2] {
        // Connection exceptions. Operator intervention follows below.
        "08" => Kind::Away,
        // Data exception, integrity constraint, view check, RAISE of a trigger.
        "22" | "23" | "44" | "P0" => Kind::Refused,
        // The server is stopping or starting, or it ended the session. A cancelled statement has the code 57014, which
        // is final.
        _ if code.code().starts_with("57P") => Kind::Away,
        _ => match *code {
            // A row, or a value of an index, is too big for its page.
            SqlState::PROGRAM_LIMIT_EXCEEDED => Kind::Refused,
            _ if is_of_user(code) => Kind::Refused,
            SqlState::TOO_MANY_CONNECTIONS
            | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED => Kind::Away,
            _ => Kind::Final,
        },
    }
}

/// Returns whether the code is none of PostgreSQL: a trigger or function of the user has chosen it for a RAISE.
fn is_of_user(code: &SqlState) -> bool {
    // Standard classes begin with 0 to 4 or A to H (SQL standard, part 2, 24.1), those of PostgreSQL with 5, F, P or X.
    matches!(code.code().as_bytes()[0], b'6'..=b'9' | b'I'..=b'O' | b'Q'..=b'W' | b'Y' | b'Z')
}
