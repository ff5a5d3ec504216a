//! Statements that do not end by themselves, and the clients that wait behind them.

use std::pin::pin;

use futures::StreamExt;
use tokio_postgres::AsyncMessage;

use super::*;

/// A statement that never ends, and that no timer and no signal of the operating system can interrupt.
const ENDLESS: &str = "DO $$ BEGIN LOOP NULL; END LOOP; END $$";

async fn until_a_statement_runs(stack: &Stack) {
    until("a statement runs", async || {
        let borrower = stack.postgres.lender.borrower_in_words();
        borrower.contains("running a statement") && !borrower.contains("vacuum")
    })
    .await;
}

/// Runs `sql`, cancels it while it runs, and returns its error.
async fn canceled(stack: &Stack, client: &Client, sql: &str) -> tokio_postgres::Error {
    let mut result = pin!(one(client, sql));
    loop {
        let ask = async {
            until_a_statement_runs(stack).await;
            client.cancel_token().cancel_query(NoTls).await.expect("asks");
        };
        tokio::select! {
            result = &mut result => return result.expect_err("was canceled"),
            () = ask => {}
        }
        // The statement that ran was perhaps the one before; then the request came too early.
        if let Ok(result) = timeout(LIMIT / 4, &mut result).await {
            return result.expect_err("was canceled");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_statement_is_canceled_and_its_session_goes_on() {
    let stack = Stack::start(Limits::default()).await;
    let (client, next) = (stack.connect("client").await, stack.connect("next").await);
    client.batch_execute("CREATE TABLE t AS SELECT 7 a; SET work_mem = '8MB'").await.expect("sets up");
    let seven = client.prepare("SELECT a FROM t WHERE a > $1").await.expect("prepares");
    for sql in ["SELECT pg_sleep(3600)", ENDLESS, "SELECT count(*) FROM generate_series(1, 1000000000000)"] {
        let error = canceled(&stack, &client, sql).await;
        assert_eq!(code(&error), "57014", "{error}");
        assert_eq!(
            error.as_db_error().expect("answered").message(),
            "canceling statement due to user request"
        );
        assert_eq!(one(&client, "SHOW work_mem").await.expect("goes on"), "8MB");
        let row = client.query_one(&seven, &[&1]).await.expect("is still prepared");
        assert_eq!(row.get::<_, i32>(0), 7);
        assert_eq!(one(&next, "SELECT a FROM t").await.expect("gets in"), "7");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_statement_fails_its_transaction() {
    let stack = Stack::start(Limits::default()).await;
    let client = stack.connect("client").await;
    client.batch_execute("CREATE TABLE t (a int)").await.expect("creates");
    client.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.expect("begins");
    let error = canceled(&stack, &client, "SELECT pg_sleep(3600)").await;
    assert_eq!(code(&error), "57014", "{error}");
    let error = one(&client, "INSERT INTO t VALUES (2)").await.expect_err("the transaction has failed");
    assert_eq!(code(&error), "25P02", "{error}");
    client.batch_execute("ROLLBACK").await.expect("ends it");
    client.batch_execute("INSERT INTO t VALUES (3)").await.expect("a new transaction begins");
    assert_eq!(one(&client, "SELECT string_agg(a::text, ' ') FROM t").await.expect("answers"), "3");

    // A statement that begins its own transaction leaves a failed one, too.
    let error = canceled(&stack, &client, "BEGIN; SELECT pg_sleep(3600)").await;
    assert_eq!(code(&error), "57014", "{error}");
    let error = one(&client, "INSERT INTO t VALUES (4)").await.expect_err("the transaction has failed");
    assert_eq!(code(&error), "25P02", "{error}");
    client.batch_execute("ROLLBACK").await.expect("ends it");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_answer_ends_between_two_rows() {
    let stack = Stack::start(Limits::default()).await;
    let client = stack.connect("client").await;
    let rows = client
        .simple_query_raw("SELECT generate_series(1, 1000000000), repeat('x', 3000)")
        .await
        .expect("begins");
    let mut rows = pin!(rows);
    let mut count = 0;
    let error = loop {
        match timeout(LIMIT, rows.next()).await.expect("in time").expect("no end of the rows") {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        if count == 100 {
            client.cancel_token().cancel_query(NoTls).await.expect("asks");
        }
    };
    assert_eq!(code(&error), "57014", "{error}");
    assert_eq!(one(&client, "SELECT 1").await.expect("goes on"), "1");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_copy_ends_without_a_new_server() {
    let stack = Stack::start(Limits::default()).await;
    let client = stack.connect("client").await;
    client.batch_execute("CREATE TABLE t (a int)").await.expect("creates");
    let (mut raw, token) = raw_client(stack.port).await;
    send_query(&mut raw, "CREATE TEMP TABLE kept (a int)").await;
    wait_for(&mut raw, b'Z').await;
    let mut rows = BytesMut::new();
    put_message(&mut rows, b'd', |body| body.put_slice(b"1\n"));
    for _ in 0..2 {
        send_query(&mut raw, "COPY t FROM STDIN").await;
        wait_for(&mut raw, b'G').await;
        raw.write_all(&rows).await.expect("sends");
        let connection = TcpStream::connect(("127.0.0.1", stack.port)).await.expect("connects");
        token.clone().cancel_query_raw(connection, NoTls).await.expect("asks");
        wait_for(&mut raw, b'E').await;
        // A client goes on until it reads the error.
        raw.write_all(&rows).await.expect("sends");
        send_query(&mut raw, "INSERT INTO kept VALUES (1)").await;
        wait_for(&mut raw, b'C').await;
    }
    drop(raw);
    assert_eq!(one(&client, "SELECT count(*) FROM t").await.expect("gets in"), "0");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_ends_when_its_client_has_left() {
    let stack = Stack::start(Limits::default()).await;
    let next = stack.connect("next").await;
    next.batch_execute("CREATE TABLE t (a int)").await.expect("creates");
    for sql in [ENDLESS, "SELECT pg_sleep(3600)", "BEGIN; INSERT INTO t VALUES (1); SELECT pg_sleep(3600)"] {
        let (mut raw, _) = raw_client(stack.port).await;
        send_query(&mut raw, sql).await;
        until_a_statement_runs(&stack).await;
        drop(raw);
        assert_eq!(one(&next, "SELECT count(*) FROM t").await.expect("gets in"), "0", "{sql}");
    }
    // The client leaves while the server has stopped reading its rows.
    next.batch_execute(
        "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN LOOP NULL; END LOOP; END $$;
         CREATE TRIGGER hang BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION hang()",
    )
    .await
    .expect("creates");
    let (mut raw, _) = raw_client(stack.port).await;
    send_query(&mut raw, "COPY t FROM STDIN").await;
    wait_for(&mut raw, b'G').await;
    let mut rows = BytesMut::new();
    put_message(&mut rows, b'd', |body| body.put_slice(&b"1\n".repeat(4096)));
    // Fills every buffer on the way.
    while timeout(Duration::from_millis(500), raw.write_all(&rows)).await.is_ok() {}
    drop(raw);
    assert_eq!(one(&next, "SELECT count(*) FROM t").await.expect("gets in"), "0");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statement_timeout_ends_statements() {
    let stack = Stack::start(Limits::default()).await;
    let client = stack.connect("client").await;
    let is_late = |error: &tokio_postgres::Error| {
        let message = error.as_db_error().map(|error| error.message().to_owned());
        code(error) == "57014" && message.as_deref() == Some("canceling statement due to statement timeout")
    };
    // In the message itself, as `psql -c` sends it.
    let error =
        one(&client, "SET statement_timeout = '50ms'; SELECT pg_sleep(3600)").await.expect_err("late");
    assert!(is_late(&error), "{error}");
    // The interrupted message has set nothing: it was one transaction.
    assert_eq!(one(&client, "SHOW statement_timeout").await.expect("answers"), "0");
    client.batch_execute("SET statement_timeout = '50ms'").await.expect("sets");
    for _ in 0..2 {
        let error = one(&client, ENDLESS).await.expect_err("late");
        assert!(is_late(&error), "{error}");
        let error = client.query("SELECT pg_sleep($1)", &[&3600.0]).await.expect_err("late");
        assert!(is_late(&error), "{error}");
        assert_eq!(one(&client, "SHOW statement_timeout").await.expect("answers"), "50ms");
    }
    client.batch_execute("RESET statement_timeout").await.expect("resets");
    assert_eq!(one(&client, "SELECT pg_sleep(0.1)").await.expect("has time"), "");
    // A setting of a transaction ends with it.
    client.batch_execute("BEGIN; SET LOCAL statement_timeout = '50ms'").await.expect("begins");
    let error = one(&client, "SELECT pg_sleep(3600)").await.expect_err("late");
    assert!(is_late(&error), "{error}");
    client.batch_execute("ROLLBACK").await.expect("ends");
    assert_eq!(one(&client, "SELECT pg_sleep(0.1)").await.expect("has time"), "");
    // In the options of the connection.
    let url = format!("{}?options=-c%20statement_timeout=50", stack.postgres.url());
    let (limited, connection) = tokio_postgres::connect(&url, NoTls).await.expect("connects");
    tokio::spawn(connection);
    let error = one(&limited, "SELECT pg_sleep(3600)").await.expect_err("late");
    assert!(is_late(&error), "{error}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_session_that_cannot_be_restored_says_so() {
    let stack = Stack::start(Limits::default()).await;
    let (client, next) = (stack.connect("client").await, stack.connect("next").await);
    client.batch_execute("CREATE TEMP TABLE scratch (a int)").await.expect("creates");
    let error = canceled(&stack, &client, "SELECT pg_sleep(3600)").await;
    assert_eq!(code(&error), "57P01", "{error}");
    let message = error.as_db_error().expect("answered").message().to_owned();
    assert!(message.starts_with("canceling statement due to user request; "), "{message}");
    assert!(message.ends_with("has lost the temporary table scratch"), "{message}");
    assert_eq!(one(&next, "SELECT 1").await.expect("gets in"), "1");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_long_behind_an_idle_transaction() {
    let grace = Duration::from_millis(50);
    let stack = Stack::start(Limits { transaction_grace: grace, ..Limits::default() }).await;
    let (borrower, waiter) = (stack.connect("psql").await, stack.connect("worker").await);
    borrower.batch_execute("CREATE TABLE t (a int)").await.expect("creates");
    borrower.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.expect("begins");
    assert_eq!(one(&waiter, "SELECT count(*) FROM t").await.expect("gets in"), "0");
    let error = one(&borrower, "COMMIT").await.expect_err("was ended");
    assert!(error.is_closed() || code(&error) == "25P03", "{error:?}");

    // The setting of PostgreSQL holds even if nobody waits.
    let borrower = stack.connect("psql").await;
    borrower.batch_execute("SET idle_in_transaction_session_timeout = '20ms'; BEGIN").await.expect("begins");
    until("the connection ends", async || borrower.is_closed()).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_long_behind_a_copy_without_rows_or_an_answer_that_is_not_read() {
    let grace = Duration::from_millis(50);
    let stack = Stack::start(Limits { stall_grace: grace, ..Limits::default() }).await;
    let waiter = stack.connect("worker").await;
    waiter.batch_execute("CREATE TABLE t (a int)").await.expect("creates");
    let (mut copying, _) = raw_client(stack.port).await;
    send_query(&mut copying, "COPY t FROM STDIN").await;
    wait_for(&mut copying, b'G').await;
    assert_eq!(one(&waiter, "SELECT count(*) FROM t").await.expect("gets in"), "0");
    wait_for(&mut copying, b'E').await;

    let (mut lazy, _) = raw_client(stack.port).await;
    send_query(&mut lazy, "SELECT generate_series(1, 1000000000), repeat('x', 3000)").await;
    wait_for(&mut lazy, b'T').await;
    assert_eq!(one(&waiter, "SELECT count(*) FROM t").await.expect("gets in"), "0");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_client_gets_a_notice_about_the_borrower() {
    let limits = Limits { notice_after: Duration::from_millis(20), ..Limits::default() };
    let stack = Stack::start(limits).await;
    let borrower = stack.connect("month-end report").await;
    borrower.batch_execute("BEGIN").await.expect("begins");
    let (waiter, mut connection) =
        tokio_postgres::connect(stack.postgres.url(), NoTls).await.expect("connects");
    let (told, notice) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut told = Some(told);
        while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            if let (AsyncMessage::Notice(notice), Some(told)) = (message, told.take()) {
                let _ = told.send(notice.message().to_owned());
            }
        }
    });
    let (answer, ()) = futures::join!(one(&waiter, "SELECT 1"), async {
        let notice = timeout(LIMIT, notice).await.expect("in time").expect("a notice");
        assert!(
            notice.starts_with("waiting for the database: it is in use by \"month-end report\""),
            "{notice}"
        );
        borrower.batch_execute("COMMIT").await.expect("commits");
    });
    assert_eq!(answer.expect("gets in"), "1");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_statement_leaves_no_files() {
    let stack = Stack::start(Limits::default()).await;
    let client = stack.connect("client").await;
    let data = stack.folder.path().join("cluster/tmp/pglite/base/base");
    let bytes = || bytes_in(&data);
    client
        .batch_execute("CREATE TABLE kept AS SELECT i FROM generate_series(1, 1000) i")
        .await
        .expect("creates");
    let before = bytes();
    for sql in [
        "SELECT count(*) FROM (SELECT DISTINCT i, repeat('x', 100) FROM generate_series(1, 1000000000) i) d",
        "CREATE TABLE lost AS SELECT i, repeat('x', 100) FROM generate_series(1, 1000000000) i",
    ] {
        let (result, ()) = futures::join!(one(&client, sql), async {
            until("the statement fills files", async || bytes() > before + 8 * 1024 * 1024).await;
            client.cancel_token().cancel_query(NoTls).await.expect("asks");
        });
        assert_eq!(code(&result.expect_err("was canceled")), "57014");
        assert_eq!(one(&client, "SELECT count(*) FROM kept").await.expect("goes on"), "1000");
        assert!(bytes() < before + 1024 * 1024, "{sql} has left {} bytes", bytes() - before);
    }
    stack.stop().await;
}

/// Returns the number of bytes in all files under `folder`.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
            Ok(metadata) => metadata.len(),
            // The file was removed in the meantime.
            Err(_) => 0,
        })
        .sum()
}
