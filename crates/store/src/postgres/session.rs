//! Sessions with the database server, which the comments here call the server: a bounded pool, single statements, and
//! transactions.
//!
//! A transaction is a list of [`Statement`]s, so that it can be repeated: after the server undid it, for example
//! because of a deadlock, or after its connection was lost before the commit. After a lost `COMMIT` it is not repeated,
//! because it is unknown whether the server carried it out: the caller must read.

use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use engine::{PipelineId, RunId};
use futures::future::BoxFuture;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, NoTls, Row};

use super::PostgresLocation;
use crate::StoreError;

/// The most sessions of one Downspout server. They are seldom all in use: a save takes a few milliseconds.
const MOST_SESSIONS: usize = 8;
/// The longest wait of a call for a free session.
const SESSION_WAIT: Duration = Duration::from_secs(30);
/// The time limit for opening a session, which takes a connection and a few answers.
const MAKE_WAIT: Duration = Duration::from_secs(20);
/// The number of tries of a transaction that the server undoes.
const MOST_TRIES: u32 = 5;
/// The pause after the first failure; each further pause is longer than the one before by the same time.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The settings of every session. Waits have limits, so that a Downspout server that hangs cannot block the others for
/// ever. A commit is on the disk before it is acknowledged, whatever the default of the database is.
const SETTINGS: &str = "SET lock_timeout = '10s'; SET statement_timeout = '60s'; \
    SET idle_in_transaction_session_timeout = '60s'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";

/// A parameter of a statement.
pub(super) type Value = Box<dyn ToSql + Send + Sync>;

/// A statement of a transaction.
pub(super) struct Statement {
    pub(super) doing: &'static str,
    pub(super) sql: &'static str,
    pub(super) values: Vec<Value>,
    pub(super) untouched: Untouched,
}

/// The meaning of a statement that changed no row. An error undoes the transaction.
pub(super) enum Untouched {
    Fine,
    NoPipeline(PipelineId),
    PipelineChanged(PipelineId),
    Conflict(PipelineId, RunId),
}

impl Untouched {
    fn error(&self) -> Option<StoreError> {
        match self {
            Self::Fine => None,
            Self::NoPipeline(id) => Some(StoreError::NoPipeline(id.clone())),
            Self::PipelineChanged(id) => Some(StoreError::PipelineChanged(id.clone())),
            Self::Conflict(pipeline, run) => {
                Some(StoreError::Conflict { pipeline: pipeline.clone(), run: run.clone() })
            }
        }
    }
}

/// The pool of sessions.
pub(super) struct Sessions {
    pool: Pool,
    shown: String,
}

/// A session. A session that is dropped in the middle of a transaction is closed, which undoes the transaction.
struct Session {
    object: Option<Object>,
    at_rest: bool,
}

impl std::ops::Deref for Session {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.object.as_ref().expect("only dropping takes it")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.at_rest
            && let Some(object) = self.object.take()
        {
            drop(Object::take(object));
        }
    }
}

/// A failed try to carry out a transaction.
enum Failed {
    /// The transaction was undone, and the next try may succeed.
    Undone(StoreError),
    /// Another try would not help.
    ForGood(StoreError),
}

impl Sessions {
    pub(super) fn new(location: &PostgresLocation) -> Result<Self, StoreError> {
        let config = location.database.config().clone();
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match location.database.tls() {
            Some(tls) => Manager::from_config(config, tls.clone(), recycling),
            None => Manager::from_config(config, NoTls, recycling),
        };
        let shown = location.database.shown().to_owned();
        let settings = format!("SET search_path TO {}; {SETTINGS}", location.quoted_schema());
        let pool = Pool::builder(manager)
            .max_size(MOST_SESSIONS)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(SESSION_WAIT),
                create: Some(MAKE_WAIT),
                recycle: Some(MAKE_WAIT),
            })
            .post_create(Hook::async_fn(move |client, _| {
                let settings = settings.clone();
                Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(|source| StoreError::Connect { at: shown.clone(), source: source.into() })?;
        Ok(Self { pool, shown })
    }

    /// Takes a session from the pool, or opens one.
    pub(super) async fn take(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| {
            let source = match error {
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                    error.into()
                }
                error => error.into(),
            };
            StoreError::Connect { at: self.shown.clone(), source }
        })
    }

    /// Returns a function that adds the name of the operation to the driver's error.
    pub(super) fn doing(&self, doing: &'static str) -> impl FnOnce(Error) -> StoreError {
        let at = self.shown.clone();
        move |source| match is_lost(&source) {
            true => StoreError::Lost { doing, at, source },
            false => StoreError::Postgres { doing, source },
        }
    }

    /// Runs one statement that may be repeated, and returns its rows. If the connection turns out to be lost, the statement
    /// is tried on another.
    pub(super) async fn rows(
        &self,
        doing: &'static str,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.again_if_lost(doing, || {
            Box::pin(async move {
                let session = self.take().await?;
                let rows = async { session.query(&session.prepare_cached(sql).await?, values).await };
                Ok(rows.await)
            })
        })
        .await
    }

    /// Runs a statement that was built for this call, as [`Self::rows`] does. The statement is not kept prepared.
    pub(super) async fn rows_of(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        self.again_if_lost(doing, || {
            Box::pin(async move { Ok(self.take().await?.query_typed(sql, values).await) })
        })
        .await
    }

    async fn again_if_lost<'a>(
        &self,
        doing: &'static str,
        ask: impl Fn() -> BoxFuture<'a, Result<Result<Vec<Row>, Error>, StoreError>>,
    ) -> Result<Vec<Row>, StoreError> {
        let answer = match ask().await? {
            Err(error) if is_lost(&error) => {
                self.forget_idle();
                ask().await?
            }
            answer => answer,
        };
        match answer {
            // The caller searched for a text with U+0000, which no column can hold.
            Err(error) if error.code() == Some(&SqlState::CHARACTER_NOT_IN_REPERTOIRE) => Ok(Vec::new()),
            answer => answer.map_err(self.doing(doing)),
        }
    }

    /// Forgets the idle sessions: after one connection was lost, the others most often are lost too.
    fn forget_idle(&self) {
        self.pool.retain(|_, _| false);
    }

    /// Carries out the statements in one transaction: all of them or none.
    pub(super) async fn carry_out(&self, statements: &[Statement]) -> Result<(), StoreError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let error = match self.try_to_carry_out(statements).await {
                Ok(()) => return Ok(()),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::Undone(error)) if tried == MOST_TRIES => return Err(error),
                Err(Failed::Undone(error)) => error,
            };
            tracing::debug!("a transaction was undone, trying again: {error}");
            if matches!(error, StoreError::Lost { .. }) {
                self.forget_idle();
            }
            tokio::time::sleep(RETRY_PAUSE * tried).await;
        }
    }

    async fn try_to_carry_out(&self, statements: &[Statement]) -> Result<(), Failed> {
        let object = self.take().await.map_err(Failed::ForGood)?;
        let mut session = Session { object: Some(object), at_rest: false };
        if let Err(failed) = self.send_all(&session, statements).await {
            session.at_rest = session.batch_execute("ROLLBACK").await.is_ok();
            return Err(failed);
        }
        let doing = "committing (read the data to learn whether they were saved)";
        session.batch_execute("COMMIT").await.map_err(self.doing(doing)).map_err(Failed::ForGood)?;
        session.at_rest = true;
        Ok(())
    }

    /// Begins a transaction and sends all statements before it awaits the first answer: one round trip.
    async fn send_all(&self, session: &Session, statements: &[Statement]) -> Result<(), Failed> {
        let failed = |doing: &'static str| {
            move |error: Error| {
                let is_undone = is_lost(&error) || is_contention(&error);
                let error = self.doing(doing)(error);
                if is_undone { Failed::Undone(error) } else { Failed::ForGood(error) }
            }
        };
        let mut prepared = Vec::with_capacity(statements.len());
        for statement in statements {
            // A session prepares a statement once, and then keeps it.
            let ready = session.prepare_cached(statement.sql).await;
            prepared.push(ready.map_err(failed(statement.doing))?);
        }
        let begun = send(session.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED")).await;
        let mut answers = Vec::with_capacity(statements.len());
        for (statement, ready) in statements.iter().zip(&prepared) {
            let values = statement.values.iter().map(|value| -> &(dyn ToSql + Sync) { &**value });
            answers.push(send(session.execute_raw(ready, values)).await);
        }
        begun.await.map_err(failed("beginning a transaction"))?;
        // The answers are read in order: the first failure is the cause of the later ones.
        for (statement, answer) in statements.iter().zip(answers) {
            let touched = answer.await.map_err(failed(statement.doing))?;
            if touched == 0
                && let Some(error) = statement.untouched.error()
            {
                return Err(Failed::ForGood(error));
            }
        }
        Ok(())
    }
}

/// Sends the request of `work`, which the client does at the first poll; returns a future for the answer.
async fn send<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let mut work = Box::pin(work);
    let at_once = futures::poll!(&mut work);
    async move {
        match at_once {
            Poll::Ready(answer) => answer,
            Poll::Pending => work.await,
        }
    }
}

/// Returns whether the connection was lost, and any transaction with it.
fn is_lost(error: &Error) -> bool {
    match error.code() {
        // Class 08 is "connection exception"; the others end the session.
        Some(code) => {
            code.code().starts_with("08")
                || matches!(code.code(), "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
        }
        None => {
            error.is_closed()
                || std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
        }
    }
}

/// Returns whether the server undid the transaction because of another one.
pub(super) fn is_contention(error: &Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::T_R_SERIALIZATION_FAILURE) || code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
}
