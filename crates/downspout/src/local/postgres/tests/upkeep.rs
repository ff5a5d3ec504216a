//! The upkeep of the database: vacuum and checkpoints.

use super::*;

/// Starts a stack whose upkeep follows changes at once.
async fn start() -> Stack {
    Stack::start(Limits { upkeep_pause: Duration::from_millis(10), ..Limits::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_replaced_again_and_again_does_not_grow() {
    let stack = start().await;
    let client = stack.connect("worker").await;
    client.batch_execute("CREATE TABLE t (a int, b text)").await.expect("creates");
    let (mut first, mut vacuumed) = (0, 0);
    for round in 0..6 {
        let fill = "BEGIN; DELETE FROM t; INSERT INTO t SELECT i, repeat('x', 50) FROM generate_series(1, 5000) i; COMMIT";
        client.batch_execute(fill).await.expect("replaces");
        until("the table is vacuumed", async || {
            let sql = "SELECT pg_stat_get_vacuum_count('t'::regclass)";
            let count: u64 = one(&client, sql).await.expect("answers").parse().expect("a number");
            let is_new = count > vacuumed;
            vacuumed = vacuumed.max(count);
            is_new
        })
        .await;
        let size: u64 =
            one(&client, "SELECT pg_relation_size('t')").await.expect("answers").parse().expect("a number");
        if round == 0 {
            first = size;
        }
        assert!(size <= 2 * first + 64 * 1024, "{size} bytes after {round} rounds, {first} after the first");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_does_not_grow_without_end() {
    let stack = start().await;
    let client = stack.connect("worker").await;
    client.batch_execute("CREATE TABLE t (a int, b text)").await.expect("creates");
    for _ in 0..2 {
        let fill = "INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 80000) i";
        client.batch_execute(fill).await.expect("fills");
        until("a checkpoint was made", async || {
            let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn) < 32 * 1024 * 1024 \
                       FROM pg_control_checkpoint()";
            one(&client, sql).await.expect("answers") == "t"
        })
        .await;
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upkeep_takes_no_temporary_table_away() {
    let stack = start().await;
    let (client, other) = (stack.connect("psql").await, stack.connect("other").await);
    other.batch_execute("CREATE TABLE t (a int)").await.expect("creates");
    client.batch_execute("CREATE TEMP TABLE scratch (a int)").await.expect("creates");
    for round in 1..=20 {
        client.batch_execute("INSERT INTO scratch SELECT generate_series(1, 1000)").await.expect("is kept");
        let mut waiting = stack.postgres.lender.waiting();
        waiting.wait_for(|waiting| waiting.upkeep).await.expect("the lender lives");
        let count = one(&client, "SELECT count(*) FROM scratch").await.expect("is kept");
        assert_eq!(count, (1000 * round).to_string());
    }
    stack.stop().await;
}
