//! Kills a process with a database, and checks that the next start finds everything that was committed.
//!
//! The process is this test binary again, which then runs only [`the_process_that_is_killed`].

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::Client;

use super::{LIMIT, connect, one, serve};
use crate::local::postgres::Limits;

/// The variable with the folder to serve. The variable is set only in the process that is killed.
const FOLDER: &str = "DOWNSPOUT_TEST_KILLED_FOLDER";

/// How many times the process is killed while it works.
const KILLS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (_postgres, port, _shutdown) =
        serve(&PathBuf::from(folder), Limits::default()).await.expect("starts");
    println!("\nport {port}");
    std::future::pending().await
}

fn spawn(folder: &Path) -> Child {
    let module = module_path!().split_once("::").expect("within the crate").1;
    Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "--nocapture", &format!("{module}::the_process_that_is_killed")])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts itself")
}

fn kill(mut child: Child) {
    child.kill().expect("was running");
    child.wait().expect("was ours");
}

async fn client_of(child: &mut Child) -> Client {
    let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    let port = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("port ").and_then(|port| port.parse().ok()))
        .expect("the process says its port");
    connect(port, "survivor", "pass word").await.expect("gets in")
}

fn wait_for_path(path: &Path) {
    let deadline = Instant::now() + LIMIT;
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_while_it_creates_the_database_leaves_no_half_database() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for built in
        ["lock", "cluster.template/tmp/pglite/base/global", "cluster.new/tmp/pglite/base/base/1", "cluster"]
    {
        let child = spawn(folder.path());
        wait_for_path(&folder.path().join(built));
        kill(child);
    }
    let mut child = spawn(folder.path());
    let client = client_of(&mut child).await;
    assert_eq!(one(&client, "SELECT 1").await.expect("answers"), "1");
    assert!(!folder.path().join("cluster.template").exists(), "leftovers are removed");
    kill(child);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_work_keeps_every_committed_row_and_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut committed: i64 = 0;
    for round in 0..KILLS {
        let mut child = spawn(folder.path());
        let client = client_of(&mut child).await;
        client
            .batch_execute("CREATE TABLE IF NOT EXISTS t (a bigint PRIMARY KEY, b text)")
            .await
            .expect("creates");
        let counted =
            one(&client, "SELECT count(*) || ' ' || coalesce(max(a), 0) FROM t").await.expect("counts");
        assert_eq!(counted, format!("{committed} {committed}"), "after {round} kills");
        for _ in 0..(20 + 37 * round) {
            committed += 1;
            client
                .execute("INSERT INTO t VALUES ($1, repeat('x', 500))", &[&committed])
                .await
                .expect("inserts");
        }
        let sink = client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.expect("copies");
        let mut sink = std::pin::pin!(sink);
        for row in 0..(1000 * round) {
            sink.feed(Bytes::from(format!("{}\tlost\n", committed + 1 + row as i64))).await.expect("sends");
        }
        kill(child);
    }
}
