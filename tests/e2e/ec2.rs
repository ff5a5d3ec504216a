//! Machines of EC2 for resources: the hosted server starts them at a stand-in for EC2, their user data installs the worker in a
//! namespace, and the worker does the work with the key of its machine.

use std::path::Path;
use std::process::Command;

use crate::PROGRAM;

const WORKER: &str = env!("CARGO_BIN_EXE_worker-under-test");

#[test]
fn a_hosted_server_starts_and_ends_machines_of_ec2_through_crashes_and_spot_interruptions() {
    let folder = tempfile::tempdir().expect("a folder");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/venv/bin/python");
    assert!(python.exists(), "Python with boto3 is missing: run `tests/setup`");
    let output = Command::new(python)
        .arg(tests.join("e2e/ec2.py"))
        .args([PROGRAM, WORKER])
        .arg(tests.join("../crates/ec2-host/src/tests/ec2_stand_in.py"))
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
