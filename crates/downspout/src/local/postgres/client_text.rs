//! Reads the SQL of clients, as far as the front must know its effects. Pure: no I/O.
//!
//! The front looks at the text of a message alone. A function or a script in a string may do the same things unseen; then the
//! server does them as well as it can.

use std::borrow::Cow;

use bytes::{Buf, BufMut, BytesMut};
use ec2_worker::sql::{literal, statements, words};

use super::message::{put_message, put_query, put_text, take_text};
use super::timeouts::{Timeouts, contains};

/// The longest text that is cut into its statements, in bytes. Scripts of data are longer, and reading them would take time. A
/// longer text is never refused.
const LONGEST: usize = 256 * 1024;

/// The type `int8`, for parameters whose type a client has not stated.
const INT8: u32 = 20;

/// The facts about the text of a message that the front needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ClientText {
    /// Whether the text may change the state of the session beyond its transaction.
    pub(super) changes_session: bool,
    /// Whether the text may change the time limits of the session.
    pub(super) changes_timeouts: bool,
    /// Whether the text begins a transaction.
    pub(super) begins_transaction: bool,
    /// The reason why the text is refused, if it is.
    pub(super) refusal: Option<Refusal>,
}

/// The reason why the front refuses a statement, and what the user can do instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    message: Cow<'static, str>,
    hint: &'static str,
}

impl ClientText {
    /// Reads the text of a message.
    pub(super) fn read(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut found = Self { changes_timeouts: Timeouts::may_change_by(bytes), ..Self::default() };
        if text.len() > LONGEST {
            found.changes_session = true;
            found.begins_transaction = contains(bytes, b"begin");
            return found;
        }
        for statement in statements(text) {
            let upper: Vec<String> = words(&statement.text).map(str::to_ascii_uppercase).collect();
            let words: Vec<&str> = upper.iter().map(String::as_str).collect();
            found.changes_session |= changes_session(&words);
            found.begins_transaction |=
                matches!(words.as_slice(), ["BEGIN", ..] | ["START", "TRANSACTION", ..]);
            if found.refusal.is_none() {
                found.refusal = refusal(&statement.text, &words);
            }
        }
        found
    }
}

/// Returns whether a statement with these words may change the state of the session beyond its transaction.
fn changes_session(words: &[&str]) -> bool {
    match words {
        ["SET", "LOCAL" | "TRANSACTION" | "CONSTRAINTS", ..] => false,
        ["SET" | "RESET" | "DISCARD" | "PREPARE" | "DEALLOCATE" | "LISTEN" | "UNLISTEN", ..]
        | ["DECLARE" | "CLOSE" | "DO" | "CALL", ..] => true,
        _ => words.iter().any(|word| {
            matches!(*word, "TEMP" | "TEMPORARY" | "PG_TEMP" | "SET_CONFIG") || word.contains("ADVISORY_")
        }),
    }
}

/// Returns why a statement with the text `text` and these unquoted words is refused, if it is.
fn refusal(text: &str, words: &[&str]) -> Option<Refusal> {
    if words.first() == Some(&"DO") {
        // The text of a block is a string, and the block may execute strings in it.
        let inside = text.replace(['$', '\'', '"', '(', ')', ';'], " ").to_ascii_uppercase();
        let words: Vec<&str> = inside.split_whitespace().collect();
        return (0..words.len()).find_map(|at| refused_object(&words[at..]));
    }
    refused_object(words).or_else(|| words.iter().find_map(|word| refused_function(word)))
}

/// Returns why a statement is refused that begins with these words and makes a role or a database.
fn refused_object(words: &[&str]) -> Option<Refusal> {
    const HINT: &str = "Use a PostgreSQL server of your own: downspout up --database-url.";
    match words {
        ["CREATE", "UNLOGGED", ..] => Some(unlogged()),
        ["ALTER", "TABLE" | "SEQUENCE", options @ ..] if follows(options, "SET", "UNLOGGED") => Some(unlogged()),
        ["SELECT", options @ ..] if follows(options, "INTO", "UNLOGGED") => Some(unlogged()),
        ["CREATE", "DATABASE", ..] => Some(Refusal {
            message: "the embedded PostgreSQL has one database, postgres; nobody could connect to another one".into(),
            hint: HINT,
        }),
        ["ALTER", "ROLE" | "USER", "POSTGRES", options @ ..] if options.contains(&"PASSWORD") => Some(Refusal {
            message: "the password of postgres is in the data directory of downspout, and cannot be changed here".into(),
            hint: HINT,
        }),
        ["CREATE" | "ALTER", "USER", "MAPPING", ..] | ["ALTER", "ROLE" | "USER", "POSTGRES", ..] => None,
        ["CREATE", "ROLE" | "USER", "POSTGRES", ..] => None,
        ["CREATE", "USER", options @ ..] if !options.contains(&"NOLOGIN") => Some(no_login()),
        ["CREATE" | "ALTER", "ROLE" | "USER", options @ ..] if options.contains(&"LOGIN") => Some(no_login()),
        _ => None,
    }
}

/// Returns whether `second` comes right after `first`.
fn follows(words: &[&str], first: &str, second: &str) -> bool {
    words.windows(2).any(|pair| pair == [first, second])
}

fn unlogged() -> Refusal {
    Refusal {
        message: "the embedded PostgreSQL has no unlogged tables: it ends at once to interrupt a statement of any client, and \
                  every unlogged table would be empty after that"
            .into(),
        hint: "Leave UNLOGGED out.",
    }
}

fn no_login() -> Refusal {
    Refusal {
        message: "the embedded PostgreSQL lets only the role postgres log in".into(),
        hint: "Create the role with NOLOGIN, and let postgres SET ROLE to it; or use a PostgreSQL server of your own: \
               downspout up --database-url.",
    }
}

/// Returns why a statement that calls the function `word` is refused. `word` is in upper case.
fn refused_function(word: &str) -> Option<Refusal> {
    match word {
        "PG_ADVISORY_LOCK"
        | "PG_ADVISORY_LOCK_SHARED"
        | "PG_TRY_ADVISORY_LOCK"
        | "PG_TRY_ADVISORY_LOCK_SHARED" => {
            let name = word.to_ascii_lowercase();
            Some(Refusal {
                message: format!(
                    "{name} would protect nothing: all clients of the embedded PostgreSQL share one session, and a session \
                     always gets its own locks"
                )
                .into(),
                hint: "Use pg_advisory_xact_lock: a transaction has the session for itself until it ends.",
            })
        }
        "PG_EXPORT_SNAPSHOT" => Some(Refusal {
            message:
                "the embedded PostgreSQL has one session, so no other session can use a snapshot of this one"
                    .into(),
            hint: "Run pg_dump without -j (--jobs).",
        }),
        _ => None,
    }
}

impl Refusal {
    /// Returns the message that makes the server refuse, in place of `message`: a simple query (`Q`) or a `Parse`.
    ///
    /// The server itself raises the error, so that transactions and pipelines of messages go on as after any other error.
    pub(super) fn in_place_of(&self, message: &[u8]) -> BytesMut {
        let raise = format!(
            "DO {}",
            literal(&format!(
                "BEGIN RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = {}, HINT = {}; END",
                literal(&self.message),
                literal(self.hint)
            ))
        );
        let mut out = BytesMut::new();
        let mut body = &message[5..];
        if message[0] == b'Q' {
            put_query(&mut out, &raise);
            return out;
        }
        let name = take_text(&mut body).unwrap_or_default();
        let text = take_text(&mut body).unwrap_or_default();
        let types = types_of(body, parameters_of(text));
        put_message(&mut out, b'P', |out| {
            put_text(out, name);
            put_text(out, &raise);
            out.put_u16(u16::try_from(types.len()).unwrap_or(0));
            types.iter().for_each(|oid| out.put_u32(*oid));
        });
        out
    }
}

/// Returns the number of parameters (`$1`, `$2`) in the text of a statement.
fn parameters_of(text: &str) -> usize {
    let number = |rest: &str| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse::<u16>().ok()
    };
    text.split('$').skip(1).filter_map(number).max().unwrap_or(0).into()
}

/// Returns the types of at least `least` parameters. `stated` is the end of a `Parse`: the number of types and the types.
fn types_of(mut stated: &[u8], least: usize) -> Vec<u32> {
    let count = if stated.len() < 2 { 0 } else { stated.get_u16() };
    let mut types = Vec::new();
    for _ in 0..count {
        if stated.len() < 4 {
            break;
        }
        let oid = stated.get_u32();
        types.push(if oid == 0 { INT8 } else { oid });
    }
    types.resize(types.len().max(least), INT8);
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> bool {
        ClientText::read(text).refusal.is_some()
    }

    #[test]
    fn roles_and_databases_that_nobody_could_use_are_refused() {
        for text in [
            "CREATE DATABASE other",
            "SELECT 1; create /* a */ database \"x\"",
            "CREATE USER app PASSWORD 'x'",
            "CREATE ROLE app WITH LOGIN",
            "ALTER ROLE \"app\" LOGIN",
            "ALTER USER postgres PASSWORD 'x'",
            "DO $$ BEGIN CREATE ROLE app LOGIN; END $$",
            "DO $$ BEGIN EXECUTE 'CREATE DATABASE x'; END $$",
        ] {
            assert!(refused(text), "{text}");
        }
        for text in [
            "CREATE ROLE reader",
            "CREATE USER app NOLOGIN",
            "CREATE ROLE postgres; ALTER ROLE postgres WITH SUPERUSER LOGIN",
            "CREATE USER MAPPING FOR postgres SERVER s",
            "ALTER DATABASE postgres SET work_mem = '8MB'",
            "SELECT 'CREATE DATABASE x' -- CREATE USER y",
            "CREATE TABLE login (a int)",
            "DROP DATABASE x",
        ] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn only_locks_and_snapshots_of_a_session_are_refused() {
        assert!(refused("SELECT pg_advisory_lock($1)"));
        assert!(refused("select pg_catalog.pg_try_advisory_lock_shared(1, 2)"));
        assert!(refused("SELECT pg_catalog.pg_export_snapshot()"));
        assert!(!refused("SELECT pg_advisory_xact_lock(1)"));
        assert!(!refused("SELECT pg_advisory_unlock_all()"));
        assert!(!refused(
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_lock(1) $$"
        ));
    }

    #[test]
    fn statements_that_outlive_their_transaction_are_noticed() {
        for text in [
            "SET search_path = a",
            "/* x */ listen c",
            "CREATE TEMP TABLE t (a int)",
            "SELECT set_config('a.b', 'c', false)",
        ] {
            assert!(ClientText::read(text).changes_session, "{text}");
        }
        for text in ["SET LOCAL search_path = a", "UPDATE t SET a = 1", "SELECT temperature FROM t"] {
            assert!(!ClientText::read(text).changes_session, "{text}");
        }
        assert!(ClientText::read("SELECT 1; begin; SELECT 2").begins_transaction);
        assert!(ClientText::read("SET statement_timeout = 1").changes_timeouts);
    }

    #[test]
    fn a_refused_parse_keeps_its_name_and_its_parameters() {
        let mut parse = BytesMut::new();
        put_message(&mut parse, b'P', |body| {
            put_text(body, "s1");
            put_text(body, "SELECT pg_advisory_lock($1, $2)");
            body.put_u16(1);
            body.put_u32(0);
        });
        let refusal = ClientText::read("SELECT pg_advisory_lock($1, $2)").refusal.expect("refused");
        let put = refusal.in_place_of(&parse);
        let mut body = &put[5..];
        assert_eq!(take_text(&mut body), Some("s1"));
        assert!(
            take_text(&mut body)
                .is_some_and(|text| text.starts_with("DO ") && text.contains("pg_advisory_xact_lock"))
        );
        assert_eq!(body, [0, 2, 0, 0, 0, 20, 0, 0, 0, 20]);
    }
}
