//! `kill -9` of a worker at random moments of a load. The service hands the work out again, until a worker has done it.
//! Then the rows are exact, and the refused rows are kept once.
//!
//! There are 20 kills, or the number in `DOWNSPOUT_SOAK_KILLS`; with this variable the file has a million rows.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use e2e::until::until;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::World;
use super::stack::{BUCKET, Stack};

/// The variable with the number of kills.
const SOAK: &str = "DOWNSPOUT_SOAK_KILLS";
const KILLS: u32 = 20;
/// The kills of one load.
const KILLS_EACH: u32 = 4;
/// Every row whose number is one less than a multiple of this one is refused.
const EVERY: u64 = 25_000;

/// A service that hands out one task to every worker that polls, until the task has ended.
#[derive(Clone)]
struct Service {
    url: String,
    task: Arc<Mutex<Option<Value>>>,
    end: Arc<Mutex<Option<Value>>>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let service = Self { url, task: Arc::default(), end: Arc::default() };
        let router = Router::new().route("/", post(serve)).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        service
    }

    fn offer(&self, task: Value) {
        *self.end.lock().expect("no panic") = None;
        *self.task.lock().expect("no panic") = Some(task);
    }

    /// Waits until a worker has reported the end of the task.
    async fn ended(&self) -> Value {
        until("the task has ended", async || {
            self.end.lock().expect("no panic").clone().ok_or_else(|| "it has not".to_owned())
        })
        .await
    }
}

async fn serve(State(service): State<Service>, headers: HeaderMap, body: String) -> String {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answer = match target.rsplit('.').next().unwrap_or_default() {
        "PollForTask" => {
            let task = service.task.lock().expect("no panic").clone();
            match task {
                Some(task) => json!({"taskObject": task}),
                None => std::future::pending().await,
            }
        }
        "ReportTaskProgress" => json!({"canceled": false}),
        "ReportTaskRunnerHeartbeat" => json!({"terminate": false}),
        "SetTaskStatus" => {
            *service.task.lock().expect("no panic") = None;
            *service.end.lock().expect("no panic") = Some(serde_json::from_str(&body).expect("JSON"));
            json!({})
        }
        _ => json!({}),
    };
    answer.to_string()
}

fn object(id: &str, fields: &[(&str, &str)], references: &[(&str, &str)]) -> Value {
    let texts = fields.iter().map(|(key, text)| json!({"key": key, "stringValue": text}));
    let references = references.iter().map(|(key, id)| json!({"key": key, "refValue": id}));
    let fields: Vec<Value> = texts.chain(references).collect();
    json!({"id": id, "name": id, "fields": fields})
}

fn database(url: &str) -> Value {
    let fields = [
        ("type", "JdbcDatabase"),
        ("connectionString", url),
        ("jdbcDriverClass", "org.postgresql.Driver"),
        ("username", "postgres"),
        ("*password", "unused"),
    ];
    object("Db", &fields, &[])
}

/// Returns the task that puts the rows in place that the run of `table` has loaded.
fn publish_task(url: &str, table: &str) -> Value {
    let (instance, attempt) = (format!("@Put_{table}"), format!("@Put_{table}_Attempt=1"));
    let fields = [
        ("type", "SqlActivity"),
        ("@instanceParent", instance.as_str()),
        ("@scheduledStartTime", table),
        ("myPublish", "here"),
        ("script", "SELECT 1"),
    ];
    json!({"taskId": format!("task-put-{table}"), "pipelineId": "df-1", "attemptId": attempt, "objects": {
        attempt.as_str(): object(&attempt, &fields, &[("database", "Db")]),
        "Db": database(url),
    }})
}

/// Returns the task that loads the file into the table `table`. The worker knows the work again by its instance.
fn task(url: &str, table: &str, rejects: u64, publish: &str) -> Value {
    let (instance, attempt) = (format!("@Load_{table}"), format!("@Load_{table}_Attempt=1"));
    let (path, rejected) = (format!("s3://{BUCKET}/t.csv"), format!("s3://{BUCKET}/rejects/"));
    let limit = rejects.to_string();
    let copy = [
        ("type", "CopyActivity"),
        ("@instanceParent", instance.as_str()),
        ("myMaxRejects", &limit),
        ("myRejectsPath", &rejected),
        ("myPublish", publish),
        ("@scheduledStartTime", table),
    ];
    json!({"taskId": format!("task-{table}"), "pipelineId": "df-1", "attemptId": attempt, "objects": {
        attempt.as_str(): object(&attempt, &copy, &[("input", "In"), ("output", "Out")]),
        "In": object("In", &[("type", "S3DataNode"), ("filePath", &path)], &[("dataFormat", "Format")]),
        "Format": object("Format", &[("type", "CSV"), ("myHeader", "true")], &[]),
        "Out": object("Out", &[("type", "SqlDataNode"), ("table", table)], &[("database", "Db")]),
        "Db": database(url),
    }})
}

/// A worker process, killed when dropped.
struct Worker(Child);

impl Worker {
    fn start(service: &str, s3: &str, scratch: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_ec2-worker"))
            .args(["--worker-group", "wg", "--region", "us-east-1", "--concurrency", "1", "--scratch-dir"])
            .arg(scratch)
            .env("AWS_ENDPOINT_URL_DATA_PIPELINE", service)
            .env("AWS_ENDPOINT_URL_S3", s3)
            .env("AWS_ACCESS_KEY_ID", "AKIATEST")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("the program starts"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the number of kills and of rows.
fn size() -> (u32, u64) {
    match std::env::var(SOAK) {
        Ok(kills) => (kills.parse().unwrap_or_else(|_| panic!("{SOAK} is {kills}")), 1_000_000),
        Err(_) => (KILLS, 100_000),
    }
}

fn content(rows: u64) -> String {
    let mut content = "id,note\n".to_owned();
    for row in 0..rows {
        // Zero is in the table already.
        let id = if row % EVERY == EVERY - 1 { 0 } else { row + 1 };
        writeln!(content, "{id},the note of row {row}").expect("a text");
    }
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_is_exact_however_often_its_worker_is_killed() {
    let (kills, rows) = size();
    let world = World::new("CREATE TABLE model (id int PRIMARY KEY, note text)").await;
    let stack = Stack::without_worker().await;
    stack.put("t.csv", content(rows)).await;
    let service = Service::start().await;
    let scratch = stack.folder.path().join("scratch");
    let start = || Worker::start(&service.url, &stack.s3, &scratch);
    let mut random = StdRng::seed_from_u64(1);
    // The first load is not killed, and tells how long a load takes.
    let mut length = Duration::ZERO;
    for load in 0..=kills.div_ceil(KILLS_EACH) {
        let table = format!("t{load}");
        let create =
            format!("CREATE TABLE {table} (LIKE model INCLUDING ALL); INSERT INTO {table} VALUES (0)");
        world.client.batch_execute(&create).await.expect("a table");
        service.offer(task(&world.postgres.url(), &table, rows / EVERY, "each"));
        let mut moments = Vec::new();
        for _ in 0..if load == 0 { 0 } else { KILLS_EACH } {
            let worker = start();
            // Some moments come after the end of the work.
            let moment = length.mul_f64(random.random_range(0.0..1.1));
            moments.push(moment);
            tokio::time::sleep(moment).await;
            drop(worker);
        }
        let began = Instant::now();
        let worker = start();
        let end = service.ended().await;
        if load == 0 {
            length = began.elapsed();
        }
        drop(worker);
        assert_eq!(end["taskStatus"], "FINISHED", "load {load}, killed after {moments:?}: {end}");
        assert_exact(&world, &stack, &table, rows, &format!("load {load}, killed after {moments:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_put_in_place_once_however_often_a_worker_is_killed() {
    let (kills, rows) = size();
    let world = World::new("CREATE TABLE model (id int PRIMARY KEY, note text)").await;
    let stack = Stack::without_worker().await;
    stack.put("t.csv", content(rows)).await;
    let service = Service::start().await;
    let scratch = stack.folder.path().join("scratch");
    let mut random = StdRng::seed_from_u64(2);
    // The lengths of the load and of the publication, from those that are not killed.
    let mut lengths = [Duration::ZERO; 2];
    for round in 0..=kills.div_ceil(KILLS_EACH) {
        let table = format!("t{round}");
        let create =
            format!("CREATE TABLE {table} (LIKE model INCLUDING ALL); INSERT INTO {table} VALUES (0)");
        world.client.batch_execute(&create).await.expect("a table");
        let url = world.postgres.url();
        let tasks = [task(&url, &table, rows / EVERY, "together"), publish_task(&url, &table)];
        for (step, task) in tasks.into_iter().enumerate() {
            service.offer(task);
            let mut moments = Vec::new();
            for _ in 0..if round == 0 { 0 } else { KILLS_EACH / 2 } {
                let worker = Worker::start(&service.url, &stack.s3, &scratch);
                let moment = lengths[step].mul_f64(random.random_range(0.0..1.1));
                moments.push(moment);
                tokio::time::sleep(moment).await;
                drop(worker);
            }
            if step == 0 {
                let rows = world.rows(&format!("SELECT count(*) FROM {table}")).await;
                assert_eq!(rows, "1", "round {round}, killed after {moments:?}: nothing is in place yet");
            }
            let began = Instant::now();
            let worker = Worker::start(&service.url, &stack.s3, &scratch);
            let end = service.ended().await;
            if round == 0 {
                lengths[step] = began.elapsed();
            }
            drop(worker);
            assert_eq!(end["taskStatus"], "FINISHED", "round {round}, killed after {moments:?}: {end}");
        }
        assert_exact(&world, &stack, &table, rows, &format!("round {round}")).await;
    }
    let left = world.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'public\\_\\_%'").await;
    assert_eq!(left, "", "no next table is left");
}

async fn assert_exact(world: &World, stack: &Stack, table: &str, rows: u64, when: &str) {
    let refused = rows / EVERY;
    let sum: u64 = (0..rows).filter(|row| row % EVERY != EVERY - 1).map(|row| row + 1).sum();
    let query = format!(
        "SELECT count(*), count(DISTINCT id), sum(id), count(*) FILTER (WHERE note <> 'the note of row ' || id - 1) FROM {table}"
    );
    let count = rows - refused + 1;
    assert_eq!(world.rows(&query).await, format!("{count}|{count}|{sum}|0"), "{when}");
    let query = format!("SELECT count(*), count(DISTINCT line) FROM {table}_rejects");
    assert_eq!(world.rows(&query).await, format!("{refused}|{refused}"), "{when}");
    let query = format!("SELECT count(*) FROM downspout.ledger WHERE instance_id = '@Load_{table}'");
    assert_eq!(world.rows(&query).await, "1", "{when}");
    let file = stack.get(&format!("rejects/df-1/@Load_{table}.rejects.csv")).await;
    let lines = String::from_utf8_lossy(&file).lines().count() as u64;
    assert_eq!(lines, refused + 1, "{when}: a header and the refused rows");
}
