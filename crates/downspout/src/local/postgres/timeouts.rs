//! The time limits that a client sets for its session: `statement_timeout` and its relatives.
//!
//! The embedded server has no timers, so these settings have no effect in it. The front reads them from the server and keeps
//! the limits itself. A setting changes only by a message that contains its name, so the front asks again after such messages.

use std::time::Duration;

use ec2_worker::sql::statements;

/// The settings that the front keeps.
const STATEMENT: &str = "statement_timeout";
const IDLE_IN_TRANSACTION: &str = "idle_in_transaction_session_timeout";
const TRANSACTION: &str = "transaction_timeout";

/// The largest value that PostgreSQL takes for each of the settings, in milliseconds.
const LARGEST_MS: u64 = i32::MAX as u64;

/// The time limits of a session. `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Timeouts {
    /// The limit of each statement.
    pub(super) statement: Option<Duration>,
    /// How long the client may be idle in a transaction.
    pub(super) idle_in_transaction: Option<Duration>,
    /// The limit of each transaction.
    pub(super) transaction: Option<Duration>,
}

impl Timeouts {
    /// The query for the limits.
    pub(super) const QUERY: &str = "SELECT pg_catalog.current_setting('statement_timeout'), \
         pg_catalog.current_setting('idle_in_transaction_session_timeout'), \
         pg_catalog.current_setting('transaction_timeout')";

    /// Reads the server's answer to [`Self::QUERY`].
    pub(super) fn of_row(columns: &[String]) -> Self {
        let limit = |at: usize| columns.get(at).and_then(|text| limit_of(text));
        Self { statement: limit(0), idle_in_transaction: limit(1), transaction: limit(2) }
    }

    /// Returns whether `setting` is one of the settings that the front keeps. The case does not matter.
    pub(super) fn is_name(setting: &str) -> bool {
        [STATEMENT, IDLE_IN_TRANSACTION, TRANSACTION].iter().any(|name| name.eq_ignore_ascii_case(setting))
    }

    /// Returns whether the text of a client's message may change a limit.
    pub(super) fn may_change_by(text: &[u8]) -> bool {
        // The names of all three settings end in this way. The commands that set everything back name no setting.
        contains(text, b"_timeout") || contains(text, b"reset all") || contains(text, b"discard")
    }

    /// Returns the limit of a message with the text `text`, which may set `statement_timeout` itself. PostgreSQL limits each
    /// statement of a message alone. The front cannot see where one statement of a message ends, so the limit of the message is
    /// the sum.
    pub(super) fn of_message(&self, text: &str) -> Option<Duration> {
        if self.statement.is_none() && !contains(text.as_bytes(), STATEMENT.as_bytes()) {
            return None;
        }
        let statements = statements(text);
        let set = statements.iter().filter_map(|statement| set_by(&statement.text)).next_back();
        let limit = set.unwrap_or(self.statement)?;
        Some(limit * u32::try_from(statements.len().max(1)).unwrap_or(u32::MAX))
    }
}

/// Returns the new limit if `statement` is a `SET statement_timeout`.
fn set_by(statement: &str) -> Option<Option<Duration>> {
    let lower = statement.to_ascii_lowercase();
    let rest = lower.strip_prefix("set")?.trim_start();
    let rest =
        rest.strip_prefix("session ").or_else(|| rest.strip_prefix("local ")).unwrap_or(rest).trim_start();
    let rest = rest.strip_prefix(STATEMENT)?.trim_start();
    let value = rest.strip_prefix('=').or_else(|| rest.strip_prefix("to "))?;
    Some(limit_of(value.trim().trim_matches('\'')))
}

/// Reads a limit as PostgreSQL writes it: a number and a unit, where milliseconds may lack theirs.
fn limit_of(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    (number > 0).then(|| Duration::from_millis(number.saturating_mul(factor).min(LARGEST_MS)))
}

/// Returns whether `text` contains `word`, which is in lower case. The case of `text` does not matter.
pub(super) fn contains(text: &[u8], word: &[u8]) -> bool {
    let Some(first) = word.first() else { return true };
    let upper = first.to_ascii_uppercase();
    memchr::memchr2_iter(*first, upper, text)
        .any(|at| text.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn limits_are_read_as_postgres_writes_them() {
        let row = ["1500ms", "0", "2min"].map(str::to_owned);
        let timeouts = Timeouts::of_row(&row);
        assert_eq!(timeouts.statement, Some(Duration::from_millis(1500)));
        assert_eq!(timeouts.idle_in_transaction, None);
        assert_eq!(timeouts.transaction, Some(120 * SECOND));
        assert_eq!(Timeouts::of_row(&[]), Timeouts::default());
    }

    #[test]
    fn a_message_is_limited_by_the_session_and_by_its_own_statements() {
        let (none, second) =
            (Timeouts::default(), Timeouts { statement: Some(SECOND), ..Timeouts::default() });
        assert_eq!(none.of_message("SELECT 1"), None);
        assert_eq!(second.of_message("SELECT 1"), Some(SECOND));
        assert_eq!(second.of_message("SELECT ';'; SELECT 2"), Some(2 * SECOND));
        assert_eq!(none.of_message("SET statement_timeout = '3s'; SELECT 2"), Some(6 * SECOND));
        assert_eq!(none.of_message("set local Statement_Timeout TO 500; SELECT 2"), Some(SECOND));
        assert_eq!(second.of_message("SET statement_timeout = 0; SELECT 2"), None);
        assert_eq!(none.of_message("SELECT 'SET statement_timeout = 1'"), None);
    }

    #[test]
    fn messages_that_may_change_a_limit_are_noticed() {
        for text in [
            "SET STATEMENT_TIMEOUT = 1",
            "SELECT set_config('transaction_timeout', '1', true)",
            "RESET ALL",
            "DISCARD ALL",
        ] {
            assert!(Timeouts::may_change_by(text.as_bytes()), "{text}");
        }
        assert!(!Timeouts::may_change_by(b"SELECT * FROM timeouts"));
    }
}
