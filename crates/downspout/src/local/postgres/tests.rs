//! Tests of the database as its clients see it, through the front.

mod interrupted;
mod killed;
mod refused;
mod upkeep;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::SinkExt;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_postgres::{CancelToken, Client, NoTls, SimpleQueryMessage};
use tokio_util::sync::CancellationToken;

use super::message::put_message;
use super::{Limits, Postgres, PostgresError, ServerProgram};

/// The time limit of every wait. Nothing here takes that long unless it fails, but machines that run tests are busy.
const LIMIT: Duration = Duration::from_secs(90);

struct Stack {
    postgres: Postgres,
    port: u16,
    shutdown: CancellationToken,
    folder: TempDir,
}

impl Stack {
    async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (postgres, port, shutdown) = serve(folder.path(), limits).await.expect("the database starts");
        Self { postgres, port, shutdown, folder }
    }

    async fn connect(&self, name: &str) -> Client {
        connect(self.port, name, "pass word").await.expect("a client gets in")
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(LIMIT, self.postgres.stopped()).await.expect("the database stops");
    }
}

/// Returns this test binary, as a program that runs only [`the_server_process`].
fn server_program() -> ServerProgram {
    let module = module_path!().split_once("::").expect("within the crate").1;
    let test = format!("{module}::the_server_process");
    ServerProgram {
        program: std::env::current_exe().expect("this binary"),
        arguments: vec!["--exact".into(), "--nocapture".into(), test.into()],
    }
}

/// The process of the server. In a usual run of the tests, the arguments name no folder and no socket, and this does nothing.
#[test]
fn the_server_process() {
    let arguments: Vec<PathBuf> = std::env::args_os().map(PathBuf::from).collect();
    let [.., exact, _, _, folder, socket] = arguments.as_slice() else { return };
    if exact == Path::new("--exact") && folder.is_absolute() && socket.is_absolute() {
        std::process::exit(i32::from(!super::serve(folder, socket)));
    }
}

/// Waits until `check` returns true, and fails after [`LIMIT`].
async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !check().await {
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn serve(folder: &Path, limits: Limits) -> Result<(Postgres, u16, CancellationToken), PostgresError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let shutdown = CancellationToken::new();
    let postgres = Postgres::start_with(
        server_program(),
        folder,
        listener,
        "pass word".to_owned(),
        shutdown.clone(),
        limits,
    )
    .await?;
    Ok((postgres, port, shutdown))
}

async fn connect(port: u16, name: &str, password: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user("postgres")
        .password(password)
        .dbname("postgres")
        .application_name(name);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn one(client: &Client, sql: &str) -> Result<String, tokio_postgres::Error> {
    let rows = timeout(LIMIT, client.simple_query(sql)).await.expect("an answer in time")?;
    Ok(rows
        .into_iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .unwrap_or_default())
}

fn code(error: &tokio_postgres::Error) -> &str {
    error.code().map_or("none", |code| code.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_take_turns_and_keep_their_session() {
    let stack = Stack::start(Limits::default()).await;
    let (first, second) = (stack.connect("first").await, stack.connect("second").await);
    first
        .batch_execute("CREATE TABLE t (a int); SET work_mem = '8MB'; PREPARE p AS SELECT 7")
        .await
        .expect("sets up");
    first.batch_execute("DEALLOCATE p").await.expect("deallocates");
    let insert = first.prepare("INSERT INTO t VALUES ($1)").await.expect("prepares");
    let count = second.prepare("SELECT count(*) FROM t WHERE a > $1").await.expect("prepares");
    for turn in 0..20 {
        first.execute(&insert, &[&turn]).await.expect("inserts");
        let row = second.query_one(&count, &[&-1]).await.expect("counts");
        assert_eq!(row.get::<_, i64>(0), i64::from(turn) + 1);
    }
    assert_eq!(one(&first, "SHOW work_mem").await.expect("answers"), "8MB");
    assert_eq!(one(&second, "SHOW work_mem").await.expect("answers"), "4MB");
    assert_eq!(one(&second, "SHOW application_name").await.expect("answers"), "second");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_or_database_is_refused() {
    let stack = Stack::start(Limits::default()).await;
    let error = connect(stack.port, "intruder", "wrong").await.expect_err("a refusal");
    assert_eq!(code(&error), "28P01");
    let url = stack.postgres.url().trim_end_matches("/postgres").to_owned() + "/other";
    let error = tokio_postgres::connect(&url, NoTls).await.err().expect("a refusal");
    assert_eq!(code(&error), "3D000");
    let (client, connection) =
        tokio_postgres::connect(stack.postgres.url(), NoTls).await.expect("the URL is right");
    tokio::spawn(connection);
    assert_eq!(one(&client, "SELECT current_user").await.expect("answers"), "postgres");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waits_too_long_names_the_borrower() {
    let stack = Stack::start(Limits { queue_wait: Duration::from_millis(50), ..Limits::default() }).await;
    let (borrower, waiter) = (stack.connect("month-end report").await, stack.connect("worker").await);
    borrower.batch_execute("BEGIN").await.expect("begins");
    let error = one(&waiter, "SELECT 1").await.expect_err("waits in vain");
    assert_eq!(code(&error), "53300");
    let message = error.as_db_error().expect("from the front").message().to_owned();
    assert!(message.contains("\"month-end report\" at 127.0.0.1:"), "{message}");
    assert!(message.contains("idle in an open transaction"), "{message}");
    // A statement of the extended protocol is refused in the same way, and the connection stays usable.
    let error = waiter.query("SELECT $1::int", &[&1]).await.expect_err("waits in vain");
    assert_eq!(code(&error), "53300");
    borrower.batch_execute("COMMIT").await.expect("commits");
    // On a busy machine, the session may come free only after the wait of one statement.
    let answer = loop {
        match one(&waiter, "SELECT 1").await {
            Err(error) if code(&error) == "53300" => {}
            answer => break answer,
        }
    };
    assert_eq!(answer.expect("gets in"), "1");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_tables_are_given_up_with_a_word_after_a_grace() {
    let stack = Stack::start(Limits { stateful_grace: Duration::from_millis(20), ..Limits::default() }).await;
    let (borrower, waiter) = (stack.connect("psql").await, stack.connect("worker").await);
    borrower.batch_execute("CREATE TEMP TABLE scratch (a int)").await.expect("creates");
    assert_eq!(one(&waiter, "SELECT to_regclass('scratch') IS NULL").await.expect("gets in"), "t");
    let error = one(&borrower, "SELECT * FROM scratch").await.expect_err("was ended");
    assert!(error.is_closed() || code(&error) == "57P05", "{error:?}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_in_mid_copy_or_query_leaves_nothing_behind() {
    let stack = Stack::start(Limits::default()).await;
    let next = stack.connect("next").await;
    next.batch_execute("CREATE TABLE t (a int)").await.expect("creates");
    for _ in 0..3 {
        let (mut raw, _) = raw_client(stack.port).await;
        send_query(&mut raw, "BEGIN; INSERT INTO t VALUES (1); COPY t FROM STDIN").await;
        wait_for(&mut raw, b'G').await;
        let mut rows = BytesMut::new();
        put_message(&mut rows, b'd', |body| body.put_slice(b"2\n3\n"));
        rows.put_slice(b"d\0\0\x10\0half a message");
        raw.write_all(&rows).await.expect("sends");
        drop(raw);
        let (mut raw, _) = raw_client(stack.port).await;
        send_query(&mut raw, "BEGIN; SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i").await;
        wait_for(&mut raw, b'T').await;
        drop(raw);
        assert_eq!(one(&next, "SELECT count(*) FROM t").await.expect("gets in"), "0");
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_oversized_messages_harm_nobody() {
    let stack = Stack::start(Limits::default()).await;
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        &[0xff; 64],
        b"\x16\x03\x01\x02\x00",
        b"\0\0\0\x08\0\x03\0\0",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", stack.port)).await.expect("connects");
        stream.write_all(garbage).await.expect("sends");
        stream.shutdown().await.expect("sends");
        let mut answer = Vec::new();
        // The connection must end in some way.
        let _ = timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("is closed");
    }
    let (mut raw, _) = raw_client(stack.port).await;
    raw.write_all(b"Q\x7f\xff\xff\xffSELECT").await.expect("sends");
    wait_for(&mut raw, b'E').await;
    let (mut raw, _) = raw_client(stack.port).await;
    send_query(&mut raw, "SELECT 1").await;
    wait_for(&mut raw, b'Z').await;
    raw.write_all(b"\x01\x02\x03").await.expect("sends");
    wait_for(&mut raw, b'E').await;
    let client = stack.connect("next").await;
    assert_eq!(one(&client, "SELECT 1").await.expect("gets in"), "1");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_copies_and_pipelines_pass_through() {
    let stack = Stack::start(Limits::default()).await;
    let (client, other) = (stack.connect("client").await, stack.connect("other").await);
    client.batch_execute("CREATE TABLE t (a int)").await.expect("creates");
    for turn in 0..3 {
        let error = client.query("SELECT 1 / $1::int", &[&0]).await.expect_err("divides by zero");
        assert_eq!(code(&error), "22012");
        let sink = client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.expect("copies");
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from("1\n2\n")).await.expect("sends");
        sink.close().await.expect("copies");
        assert_eq!(one(&other, "SELECT count(*) FROM t").await.expect("counts"), format!("{}", 2 * turn + 2));
        let sink = client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.expect("copies");
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from("not a number\n")).await.expect("sends");
        let error = sink.close().await.expect_err("refuses");
        assert_eq!(code(&error), "22P02");
        let (one, two) = futures::join!(client.query_one("SELECT 1", &[]), client.query_one("SELECT 2", &[]));
        assert_eq!((one.expect("one").get::<_, i32>(0), two.expect("two").get::<_, i32>(0)), (1, 2));
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_server_is_started_again_with_all_that_was_committed() {
    let stack = Stack::start(Limits::default()).await;
    let breaker = stack.postgres.lender.breaker().await;
    let client = stack.connect("client").await;
    client.batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.expect("creates");
    client.batch_execute("BEGIN; INSERT INTO t VALUES (2)").await.expect("inserts");
    breaker.shutdown(std::net::Shutdown::Both).expect("was open");
    let error = one(&client, "SELECT 1").await.expect_err("the server has failed");
    assert!(error.is_closed() || code(&error) == "57P01", "{error:?}");
    let next = stack.connect("next").await;
    assert_eq!(one(&next, "SELECT count(*) FROM t").await.expect("gets in"), "1");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_survive_a_restart_and_a_lost_folder_is_reported() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (postgres, port, shutdown) = serve(folder.path(), Limits::default()).await.expect("starts");
    let error = serve(folder.path(), Limits::default()).await.err().expect("a second one is refused");
    assert!(error.to_string().contains("in use by another process: stop that process first"), "{error}");
    let client = connect(port, "client", "pass word").await.expect("gets in");
    client.batch_execute("CREATE TABLE t AS SELECT 1 a").await.expect("creates");
    shutdown.cancel();
    postgres.stopped().await;
    let (postgres, port, shutdown) = serve(folder.path(), Limits::default()).await.expect("starts again");
    let client = connect(port, "client", "pass word").await.expect("gets in");
    assert_eq!(one(&client, "SELECT a FROM t").await.expect("answers"), "1");
    shutdown.cancel();
    postgres.stopped().await;
    let control = folder.path().join("cluster/tmp/pglite/base/global/pg_control");
    std::fs::remove_file(control).expect("removes");
    let error = serve(folder.path(), Limits::default()).await.err().expect("is damaged");
    assert!(error.to_string().contains("damaged: global/pg_control is missing"), "{error}");
    std::fs::remove_dir_all(folder.path().join("cluster")).expect("removes");
    let error = serve(folder.path(), Limits::default()).await.err().expect("is lost");
    assert!(error.to_string().contains("was created earlier and is missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_statement_can_be_canceled() {
    let stack = Stack::start(Limits::default()).await;
    let (borrower, waiter) = (stack.connect("borrower").await, stack.connect("waiter").await);
    borrower.batch_execute("BEGIN").await.expect("begins");
    let token = waiter.cancel_token();
    let mut waiting = stack.postgres.lender.waiting();
    let (result, ()) = futures::join!(one(&waiter, "SELECT 1"), async {
        waiting.wait_for(|waiting| waiting.clients > 0).await.expect("the lender lives");
        token.cancel_query(NoTls).await.expect("asks");
    });
    assert_eq!(code(&result.expect_err("was canceled")), "57014");
    borrower.batch_execute("COMMIT").await.expect("commits");
    assert_eq!(one(&waiter, "SELECT 1").await.expect("gets in"), "1");
    stack.stop().await;
}

/// Returns a connection on which the test writes single bytes, and the token to cancel its statements.
async fn raw_client(port: u16) -> (TcpStream, CancelToken) {
    let mut config = tokio_postgres::Config::new();
    config.user("postgres").password("pass word").dbname("postgres");
    let (far, mut near) = tokio::io::duplex(4096);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
    // tokio-postgres makes the handshake. After that, the stream belongs to the test.
    let handshake = config.connect_raw(far, NoTls);
    let carry = async {
        let _ = tokio::io::copy_bidirectional(&mut near, &mut stream).await;
    };
    let (client, _) = tokio::select! {
        connected = handshake => connected.expect("shakes hands"),
        () = carry => panic!("the handshake was cut off"),
    };
    (stream, client.cancel_token())
}

async fn send_query(stream: &mut TcpStream, sql: &str) {
    let mut out = BytesMut::new();
    super::message::put_query(&mut out, sql);
    stream.write_all(&out).await.expect("sends");
}

/// Reads until a message of type `kind` has arrived.
async fn wait_for(stream: &mut TcpStream, kind: u8) {
    let mut watch = super::message::MessageScanner::new();
    let mut bytes = [0; 1024];
    let (mut found, deadline) = (false, Instant::now() + LIMIT);
    while !found {
        assert!(Instant::now() < deadline, "no message of type {}", char::from(kind));
        let count = timeout(LIMIT, stream.read(&mut bytes)).await.expect("in time").expect("reads");
        watch.feed(&bytes[..count], |seen, _| found |= seen == kind);
        assert!(found || count > 0, "closed before a message of type {}", char::from(kind));
    }
}
