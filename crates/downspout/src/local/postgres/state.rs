//! The state of a client's session, which is saved when the session is taken away and restored when the client gets it again.
//!
//! Settings, prepared statements and LISTEN can be restored. Temporary tables, cursors that outlive their
//! transaction, and advisory locks cannot.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::message::{put_message, put_query, take_text};
use super::timeouts::Timeouts;

/// The query for the state of the session. Each row has a kind, a name and a value.
///
/// For a statement that a client prepared with the SQL command PREPARE, the server keeps the text of the whole query that
/// contained the PREPARE. Only a short text with a single statement can be repeated: further statements in the text must not
/// run again. Any other prepared statement of this sort has the kind `lost`.
pub(super) const INSPECTION: &str = "
SELECT 'setting', name, setting FROM pg_catalog.pg_settings WHERE source = 'session'
UNION ALL SELECT 'setting', 'role', r FROM pg_catalog.current_setting('role') r WHERE r <> 'none'
UNION ALL SELECT 'prepared', name, '' FROM pg_catalog.pg_prepared_statements WHERE NOT from_sql
UNION ALL SELECT CASE WHEN length(statement) < 2000 AND strpos(rtrim(statement, E'; \\n\\r\\t'), ';') = 0
  THEN 'statement' ELSE 'lost' END, 'the prepared statement ' || name, left(statement, 2000)
  FROM pg_catalog.pg_prepared_statements WHERE from_sql
UNION ALL SELECT 'listen', pg_catalog.quote_ident(c), '' FROM pg_catalog.pg_listening_channels() c
UNION ALL SELECT 'lost', 'the cursor ' || name, '' FROM pg_catalog.pg_cursors
UNION ALL SELECT 'lost', 'the temporary ' || CASE relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' ELSE 'table ' END || relname, ''
  FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema() AND relkind IN ('r', 'p', 'v', 'S')
UNION ALL SELECT 'lost', 'an advisory lock', '' FROM pg_catalog.pg_locks WHERE locktype = 'advisory'";

/// The state that can be restored after a reset.
#[derive(Debug, Default)]
pub(super) struct SessionState {
    settings: Vec<(String, String)>,
    statements: Vec<String>,
    /// The `Parse` messages by the names of their statements, with the unnamed statement.
    prepared: BTreeMap<String, Bytes>,
    /// Whether the client is in a transaction that has failed, and that the server knows nothing of.
    failed_transaction: bool,
}

impl SessionState {
    /// Returns the state of a client that connected with `settings`.
    pub(super) fn of_startup(settings: Vec<(String, String)>) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Notes the effect of a client's message on the prepared statements.
    pub(super) fn client_sends(&mut self, kind: u8, message: &[u8]) {
        let mut body = &message[5..];
        match kind {
            b'P' => {
                if let Some(name) = take_text(&mut body) {
                    self.prepared.insert(name.to_owned(), Bytes::copy_from_slice(message));
                }
            }
            b'C' if body.first() == Some(&b'S') => {
                body = &body[1..];
                if let Some(name) = take_text(&mut body) {
                    self.prepared.remove(name);
                }
            }
            // A simple query removes the unnamed statement.
            b'Q' => {
                self.prepared.remove("");
            }
            _ => {}
        }
    }

    /// Takes over the server's answer to [`INSPECTION`]. Returns the part that cannot be restored, if any.
    pub(super) fn inspected(&mut self, rows: &[Vec<String>]) -> Option<String> {
        let of_kind = |kind: &'static str| {
            rows.iter().filter_map(move |row| match row.as_slice() {
                [found, name, value] if found == kind => Some((name, value)),
                _ => None,
            })
        };
        self.settings = of_kind("setting").map(|(name, value)| (name.clone(), value.clone())).collect();
        self.statements = of_kind("statement").map(|(_, statement)| statement.clone()).collect();
        self.statements.extend(of_kind("listen").map(|(channel, _)| format!("LISTEN {channel}")));
        self.prepared
            .retain(|name, _| name.is_empty() || of_kind("prepared").any(|(found, _)| found == name));
        let lost: Vec<&str> = of_kind("lost").map(|(name, _)| name.as_str()).take(3).collect();
        (!lost.is_empty()).then(|| lost.join(", "))
    }

    /// Writes the messages that restore the state, except for the unnamed statement.
    pub(super) fn put(&self, out: &mut BytesMut) {
        if !self.settings.is_empty() {
            let calls: Vec<String> = self
                .settings
                .iter()
                .map(|(name, value)| {
                    format!("pg_catalog.set_config({}, {}, false)", literal(name), literal(value))
                })
                .collect();
            put_query(out, &format!("SELECT {}", calls.join(", ")));
        }
        for statement in &self.statements {
            put_query(out, statement);
        }
        for (_, parse) in self.prepared.iter().filter(|(name, _)| !name.is_empty()) {
            out.put_slice(parse);
            put_message(out, b'S', |_| {});
        }
    }

    /// Returns whether the client is in a transaction that has failed, which must be rebuilt on the session.
    pub(super) fn transaction_has_failed(&self) -> bool {
        self.failed_transaction
    }

    /// Notes whether the client is in a failed transaction that the server does not know, because the server was killed.
    pub(super) fn note_failed_transaction(&mut self, has_failed: bool) {
        self.failed_transaction = has_failed;
        if has_failed {
            self.prepared.remove("");
        }
    }

    /// Returns whether the client may have set a time limit of its own.
    pub(super) fn sets_timeouts(&self) -> bool {
        self.settings.iter().any(|(name, _)| Timeouts::is_name(name))
    }

    /// Returns the messages that prepare the unnamed statement again. Any simple query removes that statement.
    pub(super) fn unnamed(&self) -> Option<BytesMut> {
        let mut out = BytesMut::from(self.prepared.get("")?.as_ref());
        put_message(&mut out, b'S', |_| {});
        Some(out)
    }
}

/// Splits the startup parameter `options` (`-c name=value --name=value`) into settings.
pub(super) fn settings_of_options(options: &str) -> Vec<(String, String)> {
    let mut words = words(options).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c") {
            Some("") => words.next().unwrap_or_default(),
            Some(joined) => joined.to_owned(),
            None => word.strip_prefix("--").unwrap_or_default().to_owned(),
        };
        if let Some((name, value)) = setting.split_once('=') {
            settings.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    settings
}

/// Splits a text at blanks without a backslash before them.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let word = words.last_mut().expect("there is always one");
        match letter {
            '\\' => word.extend(letters.next()),
            _ if letter.is_ascii_whitespace() => words.push(String::new()),
            _ => word.push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::postgres::message::put_text;

    fn parse_message(name: &str) -> BytesMut {
        let mut out = BytesMut::new();
        put_message(&mut out, b'P', |body| {
            put_text(body, name);
            put_text(body, "SELECT 1");
            body.put_u16(0);
        });
        out
    }

    fn row(columns: [&str; 3]) -> Vec<String> {
        columns.map(str::to_owned).to_vec()
    }

    #[test]
    fn options_are_read_as_postgres_reads_them() {
        let settings =
            settings_of_options(r"-c search_path=a,b -cwork_mem=8MB --statement-timeout=5s -c a.b=x\ y");
        let joined: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(joined, ["search_path=a,b", "work_mem=8MB", "statement_timeout=5s", "a.b=x y"]);
    }

    #[test]
    fn only_statements_that_the_server_still_knows_are_prepared_again() {
        let mut state = SessionState::default();
        for name in ["kept", "failed", ""] {
            state.client_sends(b'P', &parse_message(name));
        }
        assert_eq!(state.inspected(&[row(["prepared", "kept", ""])]), None);
        let mut out = BytesMut::new();
        state.put(&mut out);
        assert_eq!(&out[..out.len() - 5], &parse_message("kept")[..]);
        assert!(state.unnamed().is_some());
        state.client_sends(b'Q', b"Q\0\0\0\x05\0");
        assert!(state.unnamed().is_none());
    }

    #[test]
    fn state_that_cannot_be_restored_is_reported() {
        let rows = [row(["setting", "work_mem", "8192"]), row(["lost", "the temporary table t", ""])];
        assert_eq!(SessionState::default().inspected(&rows).as_deref(), Some("the temporary table t"));
    }

    #[test]
    fn settings_are_quoted() {
        let state = SessionState::of_startup(vec![("a.b".to_owned(), r"it's \".to_owned())]);
        let mut out = BytesMut::new();
        state.put(&mut out);
        let text = String::from_utf8_lossy(&out[5..]).into_owned();
        assert_eq!(text, "SELECT pg_catalog.set_config(E'a.b', E'it''s \\\\', false)\0");
    }
}
