//! The real `bootstrap` as Lambda runs it, under a Runtime API that repeats events and kills the function.

mod function;
mod package;

use std::{process::Command, time::Duration};

use e2e::{runtime_api::Answer, until::until};
use function::{BOOTSTRAP, Function};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn a_set_gets_one_run_and_every_line_of_the_log_is_json() {
    let mut function = Function::start(&[]).await;
    function.put_definition("orders", "in/{day}/a.csv").await;
    let key = "in/2026-01-01/a.csv";
    function.put(key).await;
    let event = function.event(key);
    let first = function.invoke(&event).await;
    assert_eq!(first["decisions"][0]["decision"], "started", "{first}");
    let again = function.invoke(&event).await;
    assert_eq!(again["decisions"][0]["decision"], "duplicate", "{again}");
    let nothing = function.invoke(&json!({"Service": "Amazon S3", "Event": "s3:TestEvent"})).await;
    assert_eq!(nothing["decisions"][0]["decision"], "ignored", "{nothing}");
    assert_eq!(function.pipelines().await, ["orders/day=2026-01-01"]);

    let log = function.process.last_output();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let metrics = |id: &str| {
        let line = lines.iter().find(|line| line["requestId"] == id && line.get("_aws").is_some());
        line.cloned().unwrap_or_else(|| panic!("no metrics of {id}:\n{log}"))
    };
    let started = metrics("request-1");
    assert_eq!((&started["RunsStarted"], &started["Duplicates"]), (&json!(1), &json!(0)), "{started}");
    assert!(started["EventToActivation"][0].as_u64().is_some_and(|wait| wait < 60_000), "{started}");
    assert_eq!(started["function"], "orders");
    assert_eq!(metrics("request-2")["Duplicates"], 1);
    let told = |line: &&Value| line["fields"]["message"] == "started a run for the set of a dropped file";
    let told = lines.iter().find(told).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(told["span"]["requestId"], "request-1", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_killed_with_repeated_events_starts_each_set_once() {
    // A claim of a killed function is valid for 16 seconds.
    let mut function = Function::start(&[("LAMBDA_TIMEOUT_SECS", "1")]).await;
    function.put_definition("orders", "in/{day}/a.csv").await;
    let keys = [1, 2, 3].map(|day| format!("in/2026-01-0{day}/a.csv"));
    for key in &keys {
        function.put(key).await;
        let event = function.event(key);
        // The first invocation is killed in the middle, and Lambda delivers the event again, twice.
        let id = function.api.send(&event);
        function.api.begun(&id).await;
        function.process.kill();
        function.process.start_again();
        let _ = function.api.send(&event);
        let _ = function.api.send(&event);
    }
    until("every set has its run", async || {
        let _ = function.invoke(&json!({"sweep": true})).await;
        let finished = function.finished().await;
        if finished.len() == keys.len() { Ok(()) } else { Err(format!("{finished:?}")) }
    })
    .await;
    for key in &keys {
        let answer = function.invoke(&function.event(key)).await;
        assert_eq!(answer["decisions"][0]["decision"], "duplicate", "{answer}");
    }
    assert_eq!(function.pipelines().await.len(), keys.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_whose_service_hangs_answers_before_it_is_killed() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", silent.local_addr().expect("the port just bound"));
    let mut function = Function::start(&[("AWS_ENDPOINT_URL_S3", &address)]).await;
    let event = function.event("in/2026-01-01/a.csv");
    let id = function.api.send_with_limit(&event, Duration::from_secs(2));
    let begun = std::time::Instant::now();
    let Answer::Error(error) = function.answer(&id).await else { panic!("it cannot succeed") };
    assert!(error["errorMessage"].as_str().is_some_and(|why| why.contains("time limit")), "{error}");
    // The machine may be slow, but the SDK alone would wait for a minute.
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_service_with_keys_of_its_own_gets_them() {
    let keys = [("DOWNSPOUT_ACCESS_KEY_ID", "unknown"), ("DOWNSPOUT_SECRET_ACCESS_KEY", "hush")];
    let mut function = Function::start(&keys).await;
    function.put_definition("orders", "in/{day}/a.csv").await;
    let key = "in/2026-01-01/a.csv";
    function.put(key).await;
    let id = function.api.send(&function.event(key));
    // S3 takes the keys of the environment, so the ledger was written. The service knows no such key as it was given.
    let Answer::Error(error) = function.answer(&id).await else { panic!("it cannot succeed") };
    let why = error["errorMessage"].as_str().unwrap_or_default();
    assert!(why.contains("creating the pipeline of orders/day=2026-01-01"), "{error}");
    assert!(why.contains("UnrecognizedClientException"), "{error}");
    let keys = [
        ("DOWNSPOUT_ACCESS_KEY_ID", function.up.endpoints.access_key_id.clone()),
        ("DOWNSPOUT_SECRET_ACCESS_KEY", function.up.endpoints.secret_access_key.clone()),
    ];
    function.restart_with(&keys);
    let answer = function.invoke(&function.event(key)).await;
    assert_eq!(answer["decisions"][0]["decision"], "started", "{answer}");
    assert!(!function.process.last_output().contains("hush"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_of_cargo_lambda_runs_the_function() {
    let mut function = Function::start(&[]).await;
    function.put_definition("orders", "in/{day}/a.csv").await;
    let key = "in/2026-01-01/a b+c/../a.csv";
    function.put(key).await;
    let emulator = function.move_to_cargo_lambda().await;
    let unmatched = emulator.invoke(&function.event(key));
    assert_eq!(unmatched["decisions"][0]["decision"], "unmatched", "{unmatched}");
    let key = "in/2026-01-01/a.csv";
    function.put(key).await;
    for decision in ["started", "duplicate"] {
        let answer = emulator.invoke(&function.event(key));
        assert_eq!(answer["decisions"][0]["decision"], decision, "{answer}");
    }
    let swept = emulator.invoke(&json!({"sweep": true}));
    assert_eq!(swept["failures"], json!([]), "{swept}");
}

/// Runs `bootstrap` with these variables alone. Returns its exit code, its output and its errors.
fn bootstrap(argument: Option<&str>, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(BOOTSTRAP);
    command.env_clear().envs(variables.iter().copied()).args(argument);
    let output = command.output().expect("starting bootstrap");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_check_prints_the_configuration_or_all_of_its_problems() {
    let good = [
        ("DEFINITIONS_S3_URI", "s3://definitions/of/it"),
        ("NOTIFY_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:notices"),
        ("AWS_REGION", "eu-central-1"),
        ("DROP_BUCKET", "drop"),
        ("LAMBDA_TIMEOUT_SECS", "60"),
        ("RUST_LOG", "info,orchestrator=debug"),
        ("AWS_ENDPOINT_URL", "https://aws.example.com"),
        ("AWS_ENDPOINT_URL_DATA_PIPELINE", "https://me:hush@pipelines.example.com"),
        ("DOWNSPOUT_ACCESS_KEY_ID", "the-key"),
        ("DOWNSPOUT_SECRET_ACCESS_KEY", "hush"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
    ];
    let (code, said, wrong) = bootstrap(Some("--check"), &good);
    assert_eq!((code, wrong.as_str()), (Some(0), ""));
    let expected = "definitions    s3://definitions/of/it
topic          arn:aws:sns:eu-central-1:123456789012:notices
drop bucket    drop
time limit     60 s
region         eu-central-1
log            info,orchestrator=debug
S3             https://aws.example.com/
Data Pipeline  https://me:***@pipelines.example.com/
SNS            https://aws.example.com/
with the key   the-key
";
    assert_eq!(said, expected);

    let bad = [("DEFINITIONS_S3_URI", "here"), ("AWS_ENDPOINT_URL_S3", "x"), ("AWS_ENDPOINT_URL_SNS", "y")];
    let named = [
        "DEFINITIONS_S3_URI: ",
        "NOTIFY_TOPIC_ARN: ",
        "AWS_REGION: ",
        "AWS_ENDPOINT_URL_S3: ",
        "AWS_ENDPOINT_URL_SNS: ",
    ];
    // The function itself stops with the same problems.
    for argument in [Some("--check"), None] {
        let (code, said, wrong) = bootstrap(argument, &bad);
        assert_eq!(code, Some(1));
        for name in named {
            assert!(format!("{said}{wrong}").contains(name), "{name}\n{said}{wrong}");
        }
    }
}

#[test]
fn the_help_names_every_variable_of_the_page() {
    let (code, help, _) = bootstrap(Some("--help"), &[]);
    assert_eq!(code, Some(0));
    let page = include_str!("../../docs/lambda.md");
    let documented = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: Vec<&str> = documented.map(|(name, _)| name).filter(|name| name.contains('_')).collect();
    let told = help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.contains(' '));
    let told: Vec<&str> = told.collect();
    assert!(told.len() > 9, "{help}");
    assert_eq!(documented, told, "docs/lambda.md names the variables in the order of the help");
    assert_eq!(bootstrap(Some("--no-such"), &[]).0, Some(2));
    let variables = [
        ("DEFINITIONS_S3_URI", "s3://definitions"),
        ("NOTIFY_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:notices"),
        ("AWS_REGION", "eu-central-1"),
    ];
    let (code, _, wrong) = bootstrap(None, &variables);
    assert!(code == Some(2) && wrong.contains("bootstrap --help"), "outside of Lambda: {wrong}");
}
