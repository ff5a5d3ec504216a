//! Loads while PostgreSQL stops, connections break, and S3 is busy: the rows are exact, or the load leaves nothing.

use std::fmt::Write as _;
use std::time::Duration;

use definition::kind::field::{Limit, LoadMode};
use e2e::until::until;
use ec2_worker::database;
use ec2_worker::etl::load::Load;
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::failure::Failure;
use ec2_worker::storage::{ObjectRef, S3Uri, Storage};

use super::World;
use super::faulty_s3::{Fault, FaultyS3};
use super::proxy::{Cut, Proxy};
use super::stack::{BUCKET, Stack, clients};

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, note text)";
const ROWS: u64 = 60_000;
/// The rows that the database refuses, because their key is taken.
const REFUSED: u64 = 3;

fn content() -> String {
    let mut content = "id,note\n".to_owned();
    for row in 0..ROWS {
        let id = if row % 20_000 == 19_999 { 0 } else { row };
        writeln!(content, "{id},the note of row {row}").expect("a text");
    }
    content
}

/// Checks that the table holds every row of the file once, that the refused rows are kept once, and that the work is in
/// the ledger once.
async fn assert_exact(world: &World, told: &str) {
    assert!(told.starts_with(&format!("rowsLoaded={}, rowsRejected={REFUSED}", ROWS - REFUSED)), "{told}");
    let sum: u64 = (0..ROWS).filter(|row| row % 20_000 != 19_999).sum();
    let query = "SELECT count(*), count(DISTINCT id), sum(id), count(*) FILTER (WHERE note <> 'the note of row ' || id)";
    let count = ROWS - REFUSED;
    assert_eq!(world.rows(&format!("{query} FROM t")).await, format!("{count}|{count}|{sum}|0"));
    let refused = world.rows("SELECT line FROM t_rejects ORDER BY line").await;
    assert_eq!(refused, "20001 40001 60001");
    assert_eq!(world.rows("SELECT count(*) FROM downspout.ledger").await, "1");
}

/// Checks that a failed load has left nothing.
async fn assert_nothing(world: &World) {
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "0");
    assert_eq!(world.rows("SELECT to_regclass('t_rejects')").await, "NULL");
    let ledger = world.rows("SELECT to_regclass('downspout.ledger')").await;
    if ledger != "NULL" {
        assert_eq!(world.rows("SELECT count(*) FROM downspout.ledger").await, "0");
    }
}

fn load(world: &World, url: &str) -> Load {
    let mut load = world.load("t", &world.file(content()));
    load.target = database::parse(url, None, None, None, &[]).expect("a URL");
    load.limit = Limit::Count(REFUSED);
    load
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_survives_connections_that_break_at_any_point() {
    let world = World::new(TABLE).await;
    let cuts = [
        Cut::AnswerTo("COMMIT"), // of the ledger's schema
        Cut::AnswerTo("SAVEPOINT batch"),
        Cut::RowBytes(10),
        Cut::RowBytes(900_000),
        Cut::AnswerTo("ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch"),
        Cut::RowBytes(2_500_000),
    ];
    let proxy = Proxy::start(world.postgres.port(), cuts).await;
    let told = world.run(&load(&world, &proxy.url())).await.expect("it goes on");
    assert_exact(&world, &told).await;
    assert!(told.contains("the connection to the database broke"), "{told}");
    assert_eq!(proxy.cut_connections(), cuts.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_not_loaded_twice_if_the_answer_to_the_commit_is_lost() {
    let world = World::new(TABLE).await;
    let proxy = Proxy::start(world.postgres.port(), [Cut::AnswerTo("COMMIT"), Cut::AnswerTo("COMMIT")]).await;
    let told = world.run(&load(&world, &proxy.url())).await.expect("it goes on");
    assert_exact(&world, &told).await;
    assert!(told.contains("loaded by an earlier attempt"), "{told}");
    assert_eq!(proxy.cut_connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_and_a_statement_survive_broken_connections_too() {
    let world = World::new(TABLE).await;
    world.client.batch_execute("INSERT INTO t VALUES (1, 'old')").await.expect("a row");
    let small: String = (0..3_000).map(|id| format!("{id},note {id}\n")).collect();
    let file = world.file(format!("id,note\n{small}"));
    let proxy = Proxy::start(
        world.postgres.port(),
        [Cut::AnswerTo("COMMIT"), Cut::RowBytes(20_000), Cut::RowBytes(50_000)],
    )
    .await;
    let mut upsert = world.load("t", &file);
    upsert.target = database::parse(&proxy.url(), None, None, None, &[]).expect("a URL");
    upsert.mode = LoadMode::Upsert;
    world.run(&upsert).await.expect("it goes on");
    let sums = "SELECT count(*), sum(id), count(*) FILTER (WHERE note = 'note ' || id) FROM t";
    assert_eq!(world.rows(sums).await, "3000|4498500|3000");
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    let proxy = Proxy::start(
        world.postgres.port(),
        [Cut::AnswerTo("RELEASE SAVEPOINT batch"), Cut::AnswerTo("COMMIT"), Cut::AnswerTo("ROLLBACK")],
    )
    .await;
    let mut statement = world.load("t", &world.file(format!("id,note\n{small}")));
    statement.target = database::parse(&proxy.url(), None, None, None, &[]).expect("a URL");
    statement.insert = Some("INSERT INTO t (id, note) VALUES (?, ?)".to_owned());
    let told = world.run(&statement).await.expect("it goes on");
    assert!(told.contains("loaded by an earlier attempt"), "{told}");
    assert_eq!(world.rows(sums).await, "3000|4498500|3000");
    assert_eq!(world.rows("SELECT count(*) FROM downspout.ledger").await, "2");
}

/// Makes the load wait at a row in the middle of the file, until `open` is called or the server stops.
const GATE: &str = "
    CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
    CREATE TRIGGER gate BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 30000) EXECUTE FUNCTION wait_at_gate();
    SELECT pg_advisory_lock(4711)";
const WAITS: &str = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";

/// Runs a load, and stops the server while the load copies a row in the middle.
async fn stopped(world: &World, patience: Duration, comes_back: bool) -> Result<String, Failure> {
    world.client.batch_execute(GATE).await.expect("a gate");
    let mut load = load(world, &world.postgres.url());
    load.patience = patience;
    let stop = async {
        until("the load waits at the gate", async || {
            let found = world.client.query(WAITS, &[]).await.map_err(|error| error.to_string())?;
            if found.is_empty() { Err("nobody waits".to_owned()) } else { Ok(()) }
        })
        .await;
        tokio::task::block_in_place(|| {
            world.postgres.down();
            if comes_back {
                world.postgres.up();
            }
        });
    };
    tokio::join!(world.run(&load), stop).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_goes_on_after_the_server_was_stopped_and_started_in_the_middle() {
    let mut world = World::new(TABLE).await;
    let told = stopped(&world, Duration::from_secs(60), true).await.expect("it goes on");
    world.client = super::connect(&world.postgres.url()).await;
    assert_exact(&world, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_whose_server_stays_away_says_so_and_leaves_nothing() {
    let mut world = World::new(TABLE).await;
    let failure = stopped(&world, Duration::from_millis(500), false).await.expect_err("nobody answers");
    assert_eq!(failure.id, "Database:Unavailable");
    assert!(failure.message.contains("connecting to 127.0.0.1"), "{failure}");
    world.postgres.up();
    world.client = super::connect(&world.postgres.url()).await;
    assert_nothing(&world).await;
}

/// Loads the file from S3 behind a proxy with faults. Returns the number of GET requests too.
async fn load_from(
    world: &World,
    faults: impl IntoIterator<Item = Fault>,
    last: Fault,
) -> (Result<String, Failure>, usize) {
    let stack = Stack::without_worker().await;
    stack.put("t.csv", content()).await;
    let proxy = FaultyS3::start(&stack.s3, faults, last).await;
    let storage = Storage::new(clients("http://127.0.0.1:9", &proxy.url).s3);
    let at = S3Uri { bucket: BUCKET.to_owned(), key: "t.csv".to_owned() };
    let object: ObjectRef = storage.pin(&at, None).await.expect("it is there");
    let mut load = load(world, &world.postgres.url());
    load.sources = vec![Source { origin: Origin::Object(storage, object), gzip: false }];
    let told = world.run(&load).await;
    (told, proxy.gets())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_exact_if_s3_is_busy_and_cuts_bodies_short() {
    let world = World::new(TABLE).await;
    let faults = [
        Fault::Busy,
        Fault::CutAt(300_001),
        Fault::Busy,
        Fault::ClaimsLength(77_777),
        Fault::CutAt(0),
        Fault::CutAt(500_000),
        Fault::None,
        Fault::CutAt(100),
        Fault::Busy,
    ];
    let (told, gets) = load_from(&world, faults, Fault::None).await;
    assert_exact(&world, &told.expect("it goes on")).await;
    assert!(gets > faults.len(), "{gets} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_s3_never_gives_whole_is_reported_and_leaves_nothing() {
    for (fault, last, id, part) in [
        (Fault::CutAt(100_000), Fault::CutAt(0), "S3:ConnectionLost", "broke off at byte 100000"),
        (
            Fault::ClaimsLength(100_000),
            Fault::ClaimsLength(0),
            "S3:ConnectionLost",
            "broke off at byte 100000",
        ),
        (Fault::CutAt(100_000), Fault::NoRange, "S3:RangeIgnored", "asked for the bytes from 100000 on"),
    ] {
        let world = World::new(TABLE).await;
        let (told, _) = load_from(&world, [fault], last).await;
        let failure = told.expect_err("a part is missing");
        assert_eq!(failure.id, id, "{fault:?}: {failure}");
        assert!(
            failure.message.contains("/t.csv: ") && failure.message.contains(part),
            "{fault:?}: {failure}"
        );
        assert_nothing(&world).await;
    }
}
