//! Streams: puts beside kinesalite and moto, delivery beside the same work in Python, and the time from a put to its row.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e::definitions::Definitions;
use e2e::program::Up;
use serde_json::{Value, json};
use stream::encode::ObjectWriter;
use stream::file::{Compression, diagnose};
use stream::shard::{SequenceNumber, ShardId};
use stream::transform::Transformer;
use stream::{Record, RecordNumber, StreamName};
use tokio::runtime::Runtime;

use crate::caller::{Caller, Service};
use crate::endpoints::{Moto, Server, listens};
use crate::{Figure, PROGRAM, median};

pub(crate) const KINESIS: Service = Service { name: "kinesis", target: "Kinesis_20131202." };
pub(crate) const STREAM: &str = "bench";
/// The records of one PutRecords, and the bytes of each.
pub(crate) const RECORDS: usize = 500;
pub(crate) const BYTES: usize = 512;
/// How long each server takes puts.
const LONG: Duration = Duration::from_secs(5);
/// How often the time from a put to its row is measured.
const ROWS: usize = 15;
/// The records that are delivered, of 0.7 KB.
const DELIVERED: usize = 100_000;

/// A server of Kinesis.
struct Target<'a> {
    url: &'a str,
    up: &'a Up,
}

/// Measures puts, delivery, and the time from a put to its row.
pub(crate) fn figures(target: &Path, runtime: &Runtime) -> Result<Vec<Figure>> {
    let moto = Moto::start(target)?;
    let (kinesalite, _server) = kinesalite(target)?;
    let definitions = Definitions::shipped();
    // The records must not be delivered while their acceptance is measured: delivery has a figure of its own.
    definitions
        .write(&format!("streams/{STREAM}.json"), r#"{"bufferSizeMB": 128, "bufferIntervalSeconds": 900}"#);
    let at_once = fs::read_to_string(Path::new(definitions.path()).join("streams/user-utm.json"))?;
    let at_once = at_once.replace("\"bufferIntervalSeconds\": 300", "\"bufferIntervalSeconds\": 0");
    definitions.write("streams/user-utm.json", &at_once);
    let up = runtime.block_on(Up::start(PROGRAM, &["--definitions", definitions.path()]));
    let own = Target { url: &up.endpoints.streams, up: &up };
    let others =
        [("kinesalite", Target { url: &kinesalite, up: &up }), ("moto", Target { url: &moto.url, up: &up })];
    for (_, other) in &others {
        runtime.block_on(create(other))?;
    }
    let mut figures = Vec::new();
    for (name, clients, records) in [("put_records", 8, RECORDS), ("put_record", 64, 1)] {
        let rate = |server: &Target<'_>| runtime.block_on(puts(server, clients, records));
        let (mine, pause) = rate(&own)?;
        for (rival, other) in &others {
            let (theirs, _) = rate(other)?;
            let name = if *rival == "moto" { moto_name(name) } else { name };
            figures.push(Figure {
                name,
                value: mine,
                unit: "rec/s",
                rival: Some(rival),
                ratio: Some(mine / theirs),
            });
        }
        if records == 1 {
            figures.push(Figure::new("put_record_median", pause * 1_000.0, "ms"));
        }
    }
    figures.push(Figure::new("put_to_row_median", runtime.block_on(put_to_row(&up))?, "ms"));
    Ok(figures)
}

fn moto_name(name: &str) -> &'static str {
    if name == "put_records" { "put_records_moto" } else { "put_record_moto" }
}

/// Starts kinesalite, and returns its URL.
fn kinesalite(target: &Path) -> Result<(String, Server)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let program = target.join("npm-rivals/node_modules/.bin/kinesalite");
    let command = Command::new(&program)
        .args(["--port", &port.to_string(), "--createStreamMs", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let server = Server(command.with_context(|| format!("{}: run tests/setup rivals", program.display()))?);
    listens("kinesalite", port)?;
    Ok((format!("http://127.0.0.1:{port}"), server))
}

async fn create(server: &Target<'_>) -> Result<()> {
    let mut caller = Caller::connect_to(&server.up.endpoints, server.url, KINESIS).await?;
    caller.send("CreateStream", json!({"StreamName": STREAM, "ShardCount": 1}).to_string()).await?;
    let started = Instant::now();
    loop {
        let asked = json!({"StreamName": STREAM}).to_string();
        let described: Value = caller.call("DescribeStreamSummary", asked).await?;
        if described["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
            return Ok(());
        }
        ensure!(started.elapsed() < LONG, "the stream of {} is not made", server.url);
    }
}

/// Puts records over so many connections. Returns the records a second, and the median time of a call in seconds.
async fn puts(server: &Target<'_>, clients: usize, records: usize) -> Result<(f64, f64)> {
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let mut caller = Caller::connect_to(&server.up.endpoints, server.url, KINESIS).await?;
        tasks.spawn(async move {
            let mut times = Vec::new();
            while start.elapsed() < LONG {
                let (operation, body) = body(client, times.len(), records);
                let called = Instant::now();
                caller.send(operation, body).await?;
                times.push(called.elapsed().as_secs_f64());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(ended??);
    }
    let rate = (times.len() * records) as f64 / start.elapsed().as_secs_f64();
    Ok((rate, median(&mut times)))
}

pub(crate) fn body(client: usize, call: usize, records: usize) -> (&'static str, String) {
    let record = |number: usize| {
        let text = format!("{{\"client\": {client}, \"call\": {call}, \"number\": {number}, \"text\": \"");
        let data = BASE64_STANDARD.encode(format!("{text}{}\"}}", "x".repeat(BYTES - text.len() - 2)));
        format!("{{\"Data\": \"{data}\", \"PartitionKey\": \"{client}-{call}-{number}\"")
    };
    if records == 1 {
        return ("PutRecord", format!("{}, \"StreamName\": \"{STREAM}\"}}", record(0)));
    }
    let all: Vec<String> = (0..records).map(|number| record(number) + "}").collect();
    ("PutRecords", format!("{{\"StreamName\": \"{STREAM}\", \"Records\": [{}]}}", all.join(",")))
}

/// Measures how many records a second become lines of a packed file on one core, beside the same work in Python.
pub(crate) fn delivery(target: &Path) -> Result<Figure> {
    let folder = tempfile::tempdir()?;
    let records = folder.path().join("records.jsonl");
    let generated = Command::new(PROGRAM)
        .args(["stream", "generate", "user-events", "--print", "--count", &DELIVERED.to_string()])
        .output()?;
    ensure!(generated.status.success(), "{}", String::from_utf8_lossy(&generated.stderr));
    fs::write(&records, &generated.stdout)?;
    let file = e2e::definitions::shipped_folder().join("streams/user-events.json");
    let mine = deliver(&generated.stdout, &fs::read_to_string(&file)?)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/deliver.py");
    let python = target.join("rivals-of-streams/bin/python");
    let theirs = Command::new(&python).arg(script).args([&file, &records]).output();
    let theirs = theirs.with_context(|| format!("{}: run tests/setup rivals", python.display()))?;
    ensure!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
    let theirs: f64 = String::from_utf8_lossy(&theirs.stdout).trim().parse()?;
    let rival = Some("Python: json, jsonschema, gzip");
    Ok(Figure { name: "delivery", value: mine, unit: "rec/s", rival, ratio: Some(mine / theirs) })
}

/// Returns how many records a second are parsed, checked, written and packed.
fn deliver(lines: &[u8], definition: &str) -> Result<f64> {
    let name = StreamName::new("user-events")?;
    let none = |_: &str| Err("there is no file beside it".to_owned());
    let stream = diagnose(&name, definition, &none).stream.context("the shipped stream has errors")?;
    let (mut transformer, mut packed) = (Transformer::new(&stream), ObjectWriter::new(Compression::Gzip));
    let (mut text, mut records, mut bytes) = (Vec::new(), 0_u64, 0);
    let start = Instant::now();
    for data in lines.split(|byte| *byte == b'\n').filter(|data| !data.is_empty()) {
        let sequence = SequenceNumber { number: records, shard: ShardId(0) };
        let number = RecordNumber { sequence, place: None };
        let record = Record { number, partition_key: "k", arrival: jiff::Timestamp::UNIX_EPOCH, data };
        let made =
            transformer.lines(&record, &mut text).map_err(|refused| anyhow::anyhow!(refused.message))?;
        ensure!(made == 1, "a record is not one line");
        records += 1;
        if text.len() > 64 << 10 {
            packed.write(&text);
            text.clear();
            bytes += packed.take().len();
        }
    }
    packed.write(&text);
    bytes += packed.finish().len();
    let rate = records as f64 / start.elapsed().as_secs_f64();
    ensure!(bytes > 0, "nothing was packed");
    Ok(rate)
}

/// Returns the median time from a put to its row in the embedded PostgreSQL, with a buffer of 0 s.
async fn put_to_row(up: &Up) -> Result<f64> {
    let mut caller = Caller::connect_to(&up.endpoints, &up.endpoints.streams, KINESIS).await?;
    let mut times = Vec::new();
    for number in 0..=ROWS {
        let id = format!("bench-{number}");
        let visit = json!({"request_id": id, "source": "bench", "medium": "cpc"}).to_string();
        let put =
            json!({"StreamName": "user-utm", "PartitionKey": id, "Data": BASE64_STANDARD.encode(visit)});
        let start = Instant::now();
        caller.send("PutRecord", put.to_string()).await?;
        loop {
            ensure!(start.elapsed() < Duration::from_secs(60), "the row does not come: {}", up.log());
            let sql = "SELECT FROM tracking.utm WHERE request_id = $1";
            if up.database().await.query_opt(sql, &[&id]).await.is_ok_and(|row| row.is_some()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The first run makes the tables.
        if number > 0 {
            times.push(start.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    Ok(median(&mut times))
}
