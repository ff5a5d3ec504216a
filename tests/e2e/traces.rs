//! The traces of `downspout server`: a collector in Python, which reads them with OpenTelemetry's own definition of the
//! protocol, while boto3 uses the server.

use std::path::Path;
use std::process::Command;

use crate::PROGRAM;

#[test]
fn a_collector_gets_a_span_for_each_request_and_step() {
    play("spans");
}

#[test]
fn a_server_works_while_its_collector_is_away() {
    play("away");
}

#[test]
fn a_server_stops_while_its_collector_does_not_answer() {
    play("silent");
}

#[test]
fn an_address_that_no_collector_can_have_is_reported_with_the_other_problems() {
    play("settings");
}

/// Plays a scene of `traces.py`.
fn play(scene: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/venv/bin/python");
    assert!(python.exists(), "Python with boto3 and opentelemetry-proto is missing: run `tests/setup`");
    let output = Command::new(python)
        .arg(tests.join("e2e/traces.py"))
        .args([scene, PROGRAM])
        .arg(folder.path())
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .expect("starting Python");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(said.trim(), "done", "{complained}\nThe server said:\n{log}");
    assert!(output.status.success(), "{complained}");
}
