//! The upkeep of the database, which PostgreSQL leaves to its background processes. The embedded server has none of them.
//!
//! Without vacuum, a table that is loaded again grows by its whole size each time. Without checkpoints, the log grows without end,
//! and the start after a kill replays all of it. So the front does both, soon after statements that have changed something. The
//! upkeep takes the session from no client that would lose anything by that, and lets clients pass between two statements.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::conversation::SessionUse;
use super::lender::{Borrower, Lender, Loan, Waiting};
use super::session::{Lost, Session};

/// How long a client waits for a statement of the upkeep until the statement is interrupted. Autovacuum is also
/// interrupted for sessions that wait for it.
const CLIENT_WAIT: Duration = Duration::from_secs(5);

/// Makes the counts of the last transactions visible.
const COUNT: &str = "SELECT pg_catalog.pg_stat_force_next_flush()";

/// The statements for the tables that autovacuum would treat now (PostgreSQL manual, "The Autovacuum Daemon", with the default
/// thresholds), the worst first.
const CHANGED_TABLES: &str = "
SELECT pg_catalog.format('VACUUM (ANALYZE) %I.%I', nspname, relname) FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND (
  pg_catalog.pg_stat_get_dead_tuples(c.oid) > 50 + 0.2 * greatest(reltuples, 0)
  OR pg_catalog.pg_stat_get_ins_since_vacuum(c.oid) > 1000 + 0.2 * greatest(reltuples, 0)
  OR pg_catalog.pg_stat_get_mod_since_analyze(c.oid) > 50 + 0.1 * greatest(reltuples, 0))
ORDER BY pg_catalog.pg_stat_get_dead_tuples(c.oid) DESC";

/// The statements for all tables of users, the smallest first, so that one that takes too long does not keep the others waiting.
/// A killed server has lost its counts, and its last statement may have left many dead rows.
const ALL_TABLES: &str = "
SELECT pg_catalog.format('VACUUM %I.%I', nspname, relname) FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY pg_catalog.pg_relation_size(c.oid)";

/// A checkpoint, if the start after a kill would have to replay more than 32 MB of log.
const OVERDUE_CHECKPOINT: &str = "
SELECT 'CHECKPOINT' FROM pg_catalog.pg_control_checkpoint()
WHERE pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), redo_lsn) > 32 * 1024 * 1024";

/// The longest pause before the upkeep, after it had to be interrupted again and again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// Does the upkeep until `shutdown`, each time `pause` after a change; after each interruption the pause is twice as long. `address` is the address of the front, for messages about
/// who has the session.
pub(super) async fn keep_up(
    lender: Arc<Lender>,
    address: SocketAddr,
    pause: Duration,
    shutdown: CancellationToken,
) {
    let mut changes = lender.changes();
    let rounds = async {
        let mut next_pause = pause;
        while changes.changed().await.is_ok() {
            sleep(next_pause).await;
            changes.mark_unchanged();
            let is_interrupted = round(&lender, address).await;
            next_pause = if is_interrupted { (next_pause * 2).min(LONGEST_PAUSE) } else { pause };
        }
    };
    tokio::select! {
        () = rounds => {}
        () = shutdown.cancelled() => {}
    }
}

/// Borrows the session, and runs the upkeep that is due. Returns whether a statement had to be interrupted.
async fn round(lender: &Arc<Lender>, address: SocketAddr) -> bool {
    let borrower = Borrower {
        application: "downspout's vacuum".to_owned(),
        address,
        since: Timestamp::now(),
        session_use: SessionUse::Active,
    };
    let mut loan = match lender.borrow_for_upkeep(borrower).await {
        Ok(loan) => loan,
        Err(error) => {
            tracing::debug!("the upkeep of the database has to wait: {:#}", anyhow::Error::from(error));
            return false;
        }
    };
    let (mut waiting, watched) = (lender.waiting(), lender.waiting());
    let outcome = tokio::select! {
        outcome = work(&mut loan, &watched) => outcome,
        () = waited(&mut waiting) => Err(Lost),
    };
    let is_interrupted = outcome.is_err();
    match outcome {
        Ok(true) => loan.give_back().await,
        Ok(false) => {
            // Clients wait. The rest follows after them.
            loan.note_change();
            loan.give_back().await;
        }
        Err(Lost) => loan.replace_server().await,
    }
    is_interrupted
}

/// Completes when clients have waited too long.
async fn waited(waiting: &mut watch::Receiver<Waiting>) {
    if waiting.wait_for(|waiting| waiting.clients > 0).await.is_err() {
        std::future::pending::<()>().await;
    }
    sleep(CLIENT_WAIT).await;
}

/// Runs the statements of the upkeep. Returns false if some were left out because clients wait.
async fn work(loan: &mut Loan, waiting: &watch::Receiver<Waiting>) -> Result<bool, Lost> {
    let session = loan.session().ok_or(Lost)?;
    rows(session, COUNT).await?;
    let tables = if session.has_lost_counts() { ALL_TABLES } else { CHANGED_TABLES };
    let mut statements = rows(session, tables).await?;
    statements.extend(rows(session, OVERDUE_CHECKPOINT).await?);
    for statement in statements {
        if waiting.borrow().clients > 0 {
            return Ok(false);
        }
        rows(session, &statement).await?;
        tracing::debug!("upkeep of the database: {statement}");
    }
    session.note_counts();
    Ok(true)
}

/// Runs one statement, and returns the first column of its rows. An error of the statement is logged.
async fn rows(session: &mut Session, sql: &str) -> Result<Vec<String>, Lost> {
    match session.rows(sql).await? {
        Ok(rows) => Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect()),
        Err((code, message)) => {
            tracing::warn!(error.code = code, "the upkeep of the database could not run {sql}: {message}");
            Ok(Vec::new())
        }
    }
}
