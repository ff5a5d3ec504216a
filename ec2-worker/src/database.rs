//! Sessions with PostgreSQL, and transactions on them.
//!
//! A proxy may lend a session for one transaction only (PgBouncer in transaction mode, the Postgres of the local
//! stack). So nothing here outlives a transaction: no prepared statement, no temporary table, no setting. A session
//! that was closed while idle is replaced without a message.
//!
//! Scripts of users run with the settings of their role. Loads and exports run with the settings of [`FIXED`], so that
//! the same file gives the same rows, and the same rows give the same file, whichever role connects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, SimpleQueryMessage};

use crate::failure::Failure;

pub(crate) mod encoding;
mod url;

pub(crate) use self::url::check_url;
pub use self::url::parse;
pub use postgres_connect::DatabaseTarget;

/// The largest number of idle sessions for each database.
const IDLE: usize = 2;
/// A session that was idle for longer is closed, because the server may have dropped it.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// How often a transaction is begun again whose beginning the server has cancelled.
const TRIES: usize = 50;

/// The settings of loads and exports. A role or a database may have others for each of them.
///
/// `default_transaction_read_only` is not among them: an administrator sets it to prevent writing, also when a disk is
/// full.
const FIXED: &str = "
SET LOCAL statement_timeout TO 0; SET LOCAL lock_timeout TO 0;
SET LOCAL idle_in_transaction_session_timeout TO 0;
SET LOCAL TimeZone TO 'UTC'; SET LOCAL DateStyle TO 'ISO, YMD'; SET LOCAL IntervalStyle TO 'postgres';
SET LOCAL extra_float_digits TO 3; SET LOCAL bytea_output TO 'hex'; SET LOCAL client_encoding TO 'UTF8';
SET LOCAL xmlbinary TO 'base64'; SET LOCAL xmloption TO 'content'; SET LOCAL array_nulls TO on;
SET LOCAL standard_conforming_strings TO on; SET LOCAL transform_null_equals TO off; SET LOCAL row_security TO on;
SET LOCAL lc_monetary TO 'C'; SET LOCAL lc_numeric TO 'C'; SET LOCAL lc_time TO 'C';
SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) IS NOT NULL;
SELECT set_config('synchronous_commit', 'local', true) WHERE current_setting('synchronous_commit') = 'off';
SET LOCAL search_path TO ";
/// Makes the database check foreign keys and run triggers for the rows of a load. Roles of replication tools, such as those of AWS
/// DMS, often have the setting `replica`, and only a user with the right to do so may change it.
const AS_ORIGIN: &str = "SELECT set_config('session_replication_role', 'origin', true)
WHERE current_setting('session_replication_role') = 'replica';";
/// The search path of loads and exports if the connection names none: the default of PostgreSQL.
const SEARCH_PATH: &str = r#""$user", public"#;

/// The idle sessions, by database.
#[derive(Clone, Default)]
pub struct Pool {
    idle: Arc<Mutex<HashMap<String, Vec<Idle>>>>,
}

/// A session, and when it became idle.
type Idle = (Instant, Client);

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

impl Pool {
    /// Begins a transaction with the settings of the role, on an idle session if there is one, otherwise on a new
    /// session.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached: then [`Failure::is_away`] is true. If the database refuses the session: then
    /// the failure is final.
    pub async fn begin(&self, target: &DatabaseTarget) -> Result<Transaction, Failure> {
        let path = target.search_path().map(|path| format!("; SET LOCAL search_path TO {path}"));
        self.begin_with(target, &format!("BEGIN{}", path.unwrap_or_default())).await
    }

    /// Begins a transaction with settings that do not depend on the role, for a load or an export.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::begin`].
    pub async fn begin_fixed(&self, target: &DatabaseTarget) -> Result<Transaction, Failure> {
        let path = target.search_path().unwrap_or(SEARCH_PATH);
        self.begin_with(target, &format!("BEGIN ISOLATION LEVEL READ COMMITTED;{FIXED}{path};{AS_ORIGIN}"))
            .await
    }

    /// Begins a transaction like that of [`Self::begin_fixed`], in which the database refuses every change.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::begin`].
    pub async fn begin_reading(&self, target: &DatabaseTarget) -> Result<Transaction, Failure> {
        let path = target.search_path().unwrap_or(SEARCH_PATH);
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;{FIXED}{path}");
        self.begin_with(target, &begin).await
    }

    async fn begin_with(&self, target: &DatabaseTarget, begin: &str) -> Result<Transaction, Failure> {
        while let Some(client) = self.take(target) {
            if client.batch_execute(begin).await.is_ok() {
                return Ok(self.opened(target, client));
            }
        }
        let client = connect(target).await?;
        let mut begun = client.batch_execute(begin).await;
        // A `statement_timeout` of a few milliseconds can end these statements before they lift it.
        for _ in 0..TRIES {
            match &begun {
                Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                    begun = client.batch_execute(&format!("ROLLBACK;{begin}")).await;
                }
                _ => break,
            }
        }
        begun.map_err(|error| not_begun(&error))?;
        Ok(self.opened(target, client))
    }

    /// Opens a session without a transaction, for statements that cannot run in one.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::begin`].
    pub async fn session(&self, target: &DatabaseTarget) -> Result<Transaction, Failure> {
        let session = self.opened(target, connect(target).await?);
        if let Some(path) = target.search_path() {
            session.run("setting the search path", &format!("SET search_path TO {path}")).await?;
        }
        Ok(session)
    }

    fn opened(&self, target: &DatabaseTarget, client: Client) -> Transaction {
        Transaction { client: Some(client), pool: self.clone(), target: target.clone(), busy: true }
    }

    fn take(&self, target: &DatabaseTarget) -> Option<Client> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = idle.get_mut(target.session_key())?;
        sessions.retain(|(since, client)| since.elapsed() < IDLE_TIME && !client.is_closed());
        sessions.pop().map(|(_, client)| client)
    }

    fn give_back(&self, target: &DatabaseTarget, client: Client) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = idle.entry(target.session_key().to_owned()).or_default();
        if sessions.len() < IDLE && !client.is_closed() {
            sessions.push((Instant::now(), client));
            drop(idle);
            self.close_later();
        }
    }

    /// Closes the sessions that are idle for too long, once the time is over.
    fn close_later(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let pool = Arc::downgrade(&self.idle);
        runtime.spawn(async move {
            tokio::time::sleep(IDLE_TIME).await;
            let Some(idle) = pool.upgrade() else { return };
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|_, sessions| {
                sessions.retain(|(since, client)| since.elapsed() < IDLE_TIME && !client.is_closed());
                !sessions.is_empty()
            });
        });
    }
}

fn not_begun(error: &tokio_postgres::Error) -> Failure {
    // The language and the quotation marks of the message are those of the server.
    let refused = error.as_db_error().filter(|error| *error.code() == SqlState::INSUFFICIENT_PRIVILEGE);
    if refused.is_some_and(|error| error.message().contains("session_replication_role")) {
        return Failure::bad_input(
            "ReplicationRole",
            "the setting session_replication_role of this user is replica, so PostgreSQL would neither check foreign keys nor run \
             triggers for the loaded rows, and this user may not change the setting; load as another user, or reset it: ALTER \
             ROLE … RESET session_replication_role"
                .to_owned(),
        );
    }
    Failure::database("beginning a transaction", error)
}

/// A session in a transaction. A transaction that is dropped before its commit or rollback is cancelled and undone.
pub struct Transaction {
    client: Option<Client>,
    pool: Pool,
    target: DatabaseTarget,
    busy: bool,
}

impl Transaction {
    /// Returns the client of `tokio_postgres`.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.client.as_ref().expect("only the methods that consume the transaction take the client out")
    }

    /// Runs one or more statements and drops their rows.
    ///
    /// # Errors
    ///
    /// If the database refuses a statement, or the connection breaks. The message begins with `doing`.
    pub async fn run(&self, doing: &str, sql: &str) -> Result<(), Failure> {
        self.client().batch_execute(sql).await.map_err(|error| Failure::database(doing, &error))
    }

    /// Runs statements, and returns for each of them how many rows it has changed or returned.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::run`].
    pub async fn run_counted(&self, doing: &str, sql: &str) -> Result<Vec<u64>, Failure> {
        let messages = self.client().simple_query(sql).await;
        let messages = messages.map_err(|error| Failure::database(doing, &error))?;
        let count = |message| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(rows),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(count).collect())
    }

    /// Runs a query without a prepared statement. Its columns and parameters must have built-in types.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::run`].
    pub async fn query(
        &self,
        doing: &str,
        sql: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Failure> {
        self.client().query_typed(sql, values).await.map_err(|error| Failure::database(doing, &error))
    }

    /// Commits. If the connection breaks during the commit, the ledger row shows the next try whether the commit took
    /// effect.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::run`].
    pub async fn commit(mut self) -> Result<(), Failure> {
        self.run("committing", "COMMIT").await?;
        self.busy = false;
        Ok(())
    }

    /// Undoes the transaction. If this fails, the session is closed, and the database undoes the transaction.
    pub async fn rollback(mut self) {
        if self.client().batch_execute("ROLLBACK").await.is_ok() {
            self.busy = false;
        }
    }

    /// Gives the session back to the pool. The session must not have an open transaction.
    pub fn release(mut self) {
        self.busy = false;
    }

    /// Commits, then runs `sql` on the same session.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::commit`]. An error of `sql` is returned as the value instead, because the commit has
    /// succeeded.
    pub async fn commit_then(mut self, sql: &str) -> Result<Result<(), tokio_postgres::Error>, Failure> {
        self.run("committing", "COMMIT").await?;
        self.busy = false;
        Ok(self.client().batch_execute(sql).await)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if !self.busy {
            self.pool.give_back(&self.target, client);
            return;
        }
        // The server notices a closed connection only after the present statement, so cancel the statement.
        let cancel = client.cancel_token();
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && !client.is_closed()
        {
            let target = self.target.clone();
            runtime.spawn(async move {
                if let Err(error) = target.cancel(&cancel).await {
                    tracing::debug!(error = %error, "a statement could not be cancelled");
                }
            });
        }
    }
}

/// Connects once, in the same way as activities do.
///
/// # Errors
///
/// If the connection fails. The message says why, and never shows the password.
pub async fn check(url: &str) -> Result<(), String> {
    let target = parse(url, None, None, None, &[]).map_err(|what| format!("the URL {what}"))?;
    connect(&target).await.map(drop).map_err(|failure| failure.message)
}

async fn connect(target: &DatabaseTarget) -> Result<Client, Failure> {
    let connected = target.connect().await;
    connected.map_err(|error| Failure::database(&format!("connecting to {}", target.shown()), &error))
}
