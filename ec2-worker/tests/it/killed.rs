//! A worker that is killed, and the next one.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use e2e::until::until;

/// A worker process, killed when dropped. It finds no service, and goes on polling.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(scratch: &Path) -> Worker {
    let child = Command::new(env!("CARGO_BIN_EXE_ec2-worker"))
        .args(["--worker-group", "wg", "--region", "us-east-1", "--scratch-dir"])
        .arg(scratch)
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_ACCESS_KEY_ID", "AKIATEST")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Worker(child.expect("the program starts"))
}

fn folders(scratch: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scratch).into_iter().flatten().filter_map(Result::ok);
    let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    folders.collect()
}

async fn folder_of_new_worker(scratch: &Path, known: &[PathBuf]) -> PathBuf {
    until("the worker has a folder", async || {
        let new =
            folders(scratch).into_iter().find(|path| !known.contains(path) && path.join(".lives").exists());
        new.ok_or_else(|| format!("{:?}", folders(scratch)))
    })
    .await
}

#[tokio::test]
async fn the_next_worker_deletes_the_folder_of_a_killed_worker_and_of_no_other() {
    let scratch = tempfile::tempdir().expect("a folder");
    let scratch = scratch.path();
    let killed = start(scratch);
    let left = folder_of_new_worker(scratch, &[]).await;
    let living = start(scratch);
    let kept = folder_of_new_worker(scratch, std::slice::from_ref(&left)).await;
    assert!(left.exists(), "both workers live");
    drop(killed);
    std::fs::write(left.join("spool"), "rows").expect("written");
    let _next = start(scratch);
    folder_of_new_worker(scratch, &[left.clone(), kept.clone()]).await;
    assert!(!left.exists() && kept.exists());
    drop(living);
}
