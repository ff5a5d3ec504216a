//! Streams: records that come by HTTP, Kinesis or Firehose become files, rows and mails.

mod alarms;
mod commands;
mod killed;
mod producer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use e2e::{definitions::Definitions, program::Up, until::until};
use serde_json::Value;

use crate::PROGRAM;

/// The streams whose records the pipeline `tracking` loads, with their tables.
const TRACKED: [(&str, &str); 2] = [("user-events", "events"), ("user-utm", "utm")];

/// Returns the shipped definitions, whose streams deliver after a second instead of a minute or more.
fn quick() -> Definitions {
    let definitions = Definitions::shipped();
    for name in ["user-data", "user-events", "user-utm"] {
        edit_stream(&definitions, name, |stream| stream["bufferIntervalSeconds"] = 1.into());
    }
    definitions
}

/// Changes the file of a stream.
fn edit_stream(definitions: &Definitions, name: &str, edit: impl FnOnce(&mut Value)) {
    let file = format!("streams/{name}.json");
    let text = std::fs::read_to_string(Path::new(definitions.path()).join(&file)).expect("the stream file");
    let mut stream: Value = serde_json::from_str(&text).expect("JSON");
    edit(&mut stream);
    definitions.write(&file, &serde_json::to_string_pretty(&stream).expect("JSON"));
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `program` with the environment that `downspout env` gives, and returns its output.
async fn run(up: &Up, program: &str, arguments: &[&str]) -> String {
    let environment = up.downspout(&["env", "--json"]).stdout;
    let environment: std::collections::BTreeMap<String, String> =
        serde_json::from_slice(&environment).expect("the environment of the stack");
    let home = up.data_dir().join("..").join("home");
    std::fs::create_dir_all(&home).expect("a home for settings");
    let own = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{own}", workspace().join("target/venv/bin").display());
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).envs(environment).env("PATH", path).env("HOME", &home).current_dir(&home);
    command
        .env("NPM_FOLDER", workspace().join("target/npm"))
        .env_remove("AWS_PROFILE")
        .stdin(std::process::Stdio::null());
    let output =
        command.output().await.unwrap_or_else(|error| panic!("{program}: {error}: run `tests/setup`"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}\n{said}\n{complaints}\n{}", up.log());
    said
}

/// Runs a job of the folder `tests/e2e/streams`. Returns how many records it has put into `user-events` and
/// `user-utm`.
async fn job(up: &Up, program: &str, name: &str) -> [i64; 2] {
    let jobs = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/streams");
    let work = up.data_dir().join("..").join(name.replace('.', "-"));
    std::fs::create_dir_all(&work).expect("a folder for files");
    let script = jobs.join(name);
    let arguments = [script, work, jobs].map(|path| path.to_str().expect("UTF-8").to_owned());
    let said = run(up, program, &arguments.each_ref().map(String::as_str)).await;
    let counts: Vec<i64> = said.split_whitespace().map(|word| word.parse().expect("a count")).collect();
    counts.try_into().unwrap_or_else(|_| panic!("{said}"))
}

/// Returns the keys of a bucket that begin with `prefix`.
async fn keys(up: &Up, bucket: &str, prefix: &str) -> Vec<String> {
    let mut pages = up.s3().list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a list of keys");
        keys.extend(page.contents().iter().filter_map(|object| object.key()).map(str::to_owned));
    }
    keys
}

/// Returns the lines of all objects that begin with `prefix`, as JSON.
async fn lines(up: &Up, bucket: &str, prefix: &str) -> Vec<Value> {
    let mut lines = Vec::new();
    for key in keys(up, bucket, prefix).await {
        let object = up.s3().get_object().bucket(bucket).key(&key).send().await.expect("the object");
        let bytes = object.body.collect().await.expect("its bytes").to_vec();
        let mut text = String::new();
        let is_packed = key.ends_with(".gz");
        match is_packed {
            true => {
                std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text)
                    .map(drop)
                    .expect("gzip")
            }
            false => text = String::from_utf8(bytes).expect("UTF-8"),
        }
        lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")));
    }
    lines
}

/// Waits until the tables of the pipeline `tracking` have the `expected` numbers of rows, all different, and one mail has come
/// for each delivered file.
async fn loaded(up: &Up, expected: [i64; 2]) {
    until("the rows", async || {
        // The tables are made by the first run.
        let database = up.database().await;
        let mut found = Vec::new();
        for (_, table) in TRACKED {
            let sql = format!("SELECT count(*), count(DISTINCT request_id) FROM tracking.{table}");
            let row =
                database.query_one(&sql, &[]).await.map_err(|error| format!("{error}\n{}", up.log()))?;
            found.push((row.get::<_, i64>(0), row.get::<_, i64>(1)));
        }
        let wanted: Vec<(i64, i64)> = expected.iter().map(|count| (*count, *count)).collect();
        if found == wanted { Ok(()) } else { Err(format!("{found:?} instead of {wanted:?}")) }
    })
    .await;
    until("the mails", async || {
        let files = keys(up, &up.endpoints.buckets.drop, "tracking/").await;
        let mails: Vec<String> = up.mails().into_iter().map(|mail| mail.subject).collect();
        let told = mails.iter().filter(|subject| subject.starts_with("tracking.")).count();
        let rows: i64 = mails.iter().filter_map(|subject| rows_of(subject)).sum();
        let wanted: i64 = expected.iter().sum();
        match (told == files.len(), rows == wanted) {
            (true, true) => Ok(()),
            _ => Err(format!("{files:#?} {mails:#?}")),
        }
    })
    .await;
}

/// Returns the number of rows in the subject of a mail such as `tracking.events: 12 rows loaded, 0 refused`.
fn rows_of(subject: &str) -> Option<i64> {
    let (_, rest) = subject.strip_prefix("tracking.")?.split_once(": ")?;
    rest.split(' ').next()?.replace(',', "").parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_of_boto3_the_aws_cli_and_the_javascript_sdk_become_rows_and_mails() {
    let definitions = quick();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let (boto3, cli, javascript) = tokio::join!(
        job(&up, "python", "boto3_job.py"),
        job(&up, "bash", "aws_cli_job.sh"),
        job(&up, "node", "javascript_sdk_job.mjs"),
    );
    let sums = [0, 1].map(|index| boto3[index] + cli[index] + javascript[index]);
    loaded(&up, sums).await;
    let made = lines(&up, &up.endpoints.buckets.results, "made/").await;
    assert_eq!(made, [serde_json::json!({"a": 1})]);
    let all = BTreeSet::from_iter(lines(&up, &up.endpoints.buckets.raw, "").await.iter().map(|line| {
        line["sequenceNumber"].as_str().expect("a number").to_owned()
            + line["partitionKey"].as_str().unwrap_or_default()
    }));
    assert!(
        all.len() as i64 >= sums.iter().sum::<i64>(),
        "the records lie in the raw bucket as they came: {}",
        all.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_checks_bodies_and_fields_are_found_at_every_depth() {
    let definitions = quick();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/streams/user_data_job.py");
    let url = format!("{}/streams/user-data", up.endpoints.streams);
    let said = run(&up, "python", &[script.to_str().expect("UTF-8"), &url]).await;
    assert_eq!(said, "PASS\n".repeat(7));
    let delivered = until("the file", async || {
        let found = lines(&up, &up.endpoints.buckets.drop, "streams/user-data/").await;
        if found.len() == 12 { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await;
    let nested = serde_json::json!({"first_name": "Chidi", "last_name": "Abara", "zip_code": "01234"});
    assert_eq!(delivered[10], nested);
    let flat = serde_json::json!({"first_name": "Ada", "middle_name": "M.", "last_name": "Byrne", "zip_code": "02169"});
    assert_eq!(delivered[0], flat);
    assert_eq!(delivered[11]["first_name"], "In");
    assert!(!up.log().contains("Chidi"), "records are not in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_comes_back_by_one_command_after_its_schema_is_mended() {
    let definitions = quick();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let url = format!("{}/streams/user-utm", up.endpoints.streams);
    let key = format!("x-api-key: {}", up.endpoints.api_key);
    let incomplete = r#"{"request_id": "r-1", "source": "newsletter"}"#;
    let said = run(&up, "curl", &["--silent", "-H", &key, "--data", incomplete, &url]).await;
    assert_eq!(said, "JSON missing required keys");
    let good = r#"{"request_id": "r-2", "source": "newsletter", "medium": "email"}"#;
    for data in [incomplete, good] {
        let body = format!(r#"{{"Data": {data}, "PartitionKey": "k"}}"#);
        let record = format!("{url}/record");
        let said = run(&up, "curl", &["--silent", "-X", "PUT", "-H", &key, "--data", &body, &record]).await;
        assert!(said.contains("SequenceNumber"), "{said}");
    }
    until("one row", async || {
        count(&up, "utm").await.map_err(|error| error + &up.log()).and_then(|rows| is(rows, 1))
    })
    .await;
    let quarantine = up.downspout(&["stream", "quarantine", "user-utm"]);
    let shown = String::from_utf8(quarantine.stdout).expect("text");
    assert!(shown.contains("medium"), "{shown}");
    assert!(!shown.contains("newsletter"), "{shown}");

    let from = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let replay = ["stream", "replay", "user-utm", "--quarantined", "--from", &from.to_string()];
    let before = up.downspout(&replay);
    let said = String::from_utf8_lossy(&before.stdout).into_owned();
    assert!(said.contains("1 record refused again"), "{said}{}", String::from_utf8_lossy(&before.stderr));
    edit_stream(&definitions, "user-utm", |stream| {
        stream["schema"]["required"] = serde_json::json!(["request_id"])
    });
    let database = up.database().await;
    until("the table takes the record", async || {
        let changed = database.batch_execute("ALTER TABLE tracking.utm ALTER medium DROP NOT NULL").await;
        changed.map_err(|error| error.to_string())
    })
    .await;
    drop(database);
    until("the mended record", async || {
        let said = up.downspout(&replay);
        assert!(said.status.code().is_some_and(|code| code < 2), "{said:?}");
        count(&up, "utm").await.and_then(|rows| is(rows, 2))
    })
    .await;
    let objects = keys(&up, &up.endpoints.buckets.drop, "tracking/utm/").await;
    let again = up.downspout(&replay);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(
        keys(&up, &up.endpoints.buckets.drop, "tracking/utm/").await,
        objects,
        "a second time changes nothing"
    );
}

async fn count(up: &Up, table: &str) -> Result<i64, String> {
    let row = up.database().await.query_one(&format!("SELECT count(*) FROM tracking.{table}"), &[]).await;
    row.map(|row| row.get(0)).map_err(|error| error.to_string())
}

fn is(found: i64, expected: i64) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found} rows instead of {expected}")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_delivers_buffered_records_and_a_broken_file_leaves_the_version_before_in_force() {
    let definitions = Definitions::shipped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let sent = up.downspout(&["stream", "generate", "user-events", "--count", "30", "--rate", "0"]);
    assert!(sent.status.success(), "{sent:?}");
    let listed = String::from_utf8(up.downspout(&["stream", "ls"]).stdout).expect("text");
    assert!(listed.contains("user-events") && listed.contains("30"), "{listed}");
    let tail = String::from_utf8(up.downspout(&["stream", "tail", "user-events", "--last", "2"]).stdout)
        .expect("text");
    assert_eq!(tail.lines().count(), 2, "{tail}");

    definitions.write("streams/user-events.json", "{\"bufferIntervalSeconds\": \"soon\"}\n");
    let notice = until("the notice", async || {
        let mails = up.mails();
        mails
            .iter()
            .find(|mail| mail.subject.contains("user-events"))
            .cloned()
            .ok_or_else(|| format!("{mails:?}{}", up.log()))
    })
    .await;
    assert!(notice.body.contains("streams/user-events.json:1:"), "{}", notice.body);
    let sent =
        up.downspout(&["stream", "generate", "user-events", "--count", "5", "--rate", "0", "--seed", "9"]);
    assert!(sent.status.success(), "the version before is in force: {sent:?}");
    assert!(
        keys(&up, &up.endpoints.buckets.drop, "streams/").await.is_empty(),
        "the buffer is 5 MB and 300 s"
    );
    let flushed = up.downspout(&["stream", "flush", "user-events"]);
    assert!(flushed.status.success(), "{flushed:?}");
    until("the rows", async || count(&up, "events").await.and_then(|rows| is(rows, 35))).await;
    let about: Vec<_> = up.mails().into_iter().filter(|mail| mail.subject.contains("user-events")).collect();
    assert_eq!(about.len(), 1, "one notice: {about:#?}");
}
