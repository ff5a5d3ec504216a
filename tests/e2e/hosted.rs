//! The hosted server, `downspout server`: boto3 and the AWS CLI use it over TLS with the keys of several accounts, and
//! Prometheus' own parser reads its numbers.

use std::path::Path;
use std::process::Command;

use crate::PROGRAM;

#[test]
fn a_hosted_server_serves_accounts_with_keys_and_certificates_that_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/venv/bin/python");
    assert!(python.exists(), "Python with boto3 is missing: run `tests/setup`");
    let output = Command::new(python)
        .arg(tests.join("e2e/hosted.py"))
        .arg(PROGRAM)
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
