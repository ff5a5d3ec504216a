//! Idle connections, more than the stack may have open, leave every endpoint of the stack answering.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use e2e::{definitions::Definitions, program::Up, until::until};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::PROGRAM;

/// The limit of open files of the stack. The limit of the endpoints follows from it.
const FILES: usize = 600;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_at_one_endpoint_leaves_the_others_answering() {
    let definitions = Definitions::uncapped();
    let folder = TempDir::new().expect("a temporary folder");
    let limited = folder.path().join("limited");
    fs::write(&limited, format!("#!/bin/bash\nulimit -n {FILES}\nexec '{PROGRAM}' \"$@\"\n"))
        .expect("a script");
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o755)).expect("an executable script");
    let up = Up::start(limited.to_str().expect("UTF-8"), &["--definitions", definitions.path()]).await;
    until("up says its limits", async || {
        let log = up.log();
        let says_it = log.contains("may open 600 files") && log.contains("up to 60 connections");
        says_it.then_some(()).ok_or(log)
    })
    .await;
    let endpoints = &up.endpoints;
    for crowded in [&endpoints.s3, &endpoints.datapipeline, &endpoints.sns, &endpoints.admin] {
        let address = crowded.strip_prefix("http://").expect("an address");
        let mut idle = Vec::new();
        for _ in 0..FILES {
            idle.push(TcpStream::connect(address).await.expect("the stack takes connections"));
        }
        endpoints.s3().list_buckets().send().await.expect("S3 answers");
        endpoints.datapipeline().list_pipelines().send().await.expect("Data Pipeline answers");
        endpoints.sns().list_topics().send().await.expect("SNS answers");
        let swept = up.downspout(&["sweep"]);
        assert!(swept.status.success(), "the admin endpoint answers: {swept:?}");
        let (client, connection) =
            tokio_postgres::connect(&endpoints.postgres, tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client.simple_query("SELECT 1").await.expect("PostgreSQL answers");
    }
    assert!(!up.log().contains("Too many open files"), "{}", up.log());
}

/// The idle connections of the crowd that comes without a limit for the stack; `DOWNSPOUT_SOAK_CROWD` sets another number.
const CROWD: usize = 1_500;
/// How long another endpoint may take to answer while the crowd is there.
const SOON: Duration = Duration::from_secs(1);
/// The files that this process needs beside the connections of the crowd.
const OWN_FILES: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_at_one_endpoint_does_not_slow_the_others_down() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let endpoints = &up.endpoints;
    let address = endpoints.s3.strip_prefix("http://").expect("an address");
    let mut idle = Vec::new();
    for _ in 0..crowd() {
        idle.push(TcpStream::connect(address).await.expect("the stack takes connections"));
    }
    // The first call of a client makes its connection, and other tests may take the processor.
    let (mut fastest, tries) = ([Duration::MAX; 3], 3);
    for _ in 0..tries {
        let begun = Instant::now();
        endpoints.datapipeline().list_pipelines().send().await.expect("Data Pipeline answers");
        fastest[0] = fastest[0].min(begun.elapsed());
        let begun = Instant::now();
        endpoints.sns().list_topics().send().await.expect("SNS answers");
        fastest[1] = fastest[1].min(begun.elapsed());
        let begun = Instant::now();
        up.database().await.simple_query("SELECT 1").await.expect("PostgreSQL answers");
        fastest[2] = fastest[2].min(begun.elapsed());
    }
    endpoints.s3().list_buckets().send().await.expect("S3 answers its own crowd");
    println!("{} idle connections: {fastest:?}", idle.len());
    assert!(fastest.iter().all(|time| *time < SOON), "{} idle connections: {fastest:?}", idle.len());
    assert!(!up.log().contains("Too many open files"), "{}", up.log());
}

/// Returns the size of the crowd, as far as the limit of open files allows it.
fn crowd() -> usize {
    let wanted = std::env::var("DOWNSPOUT_SOAK_CROWD").map_or(CROWD, |text| text.parse().expect("a number"));
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find(|line| line.starts_with("Max open files"));
    let files = files.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    files.map_or(wanted, |files| wanted.min(files.saturating_sub(OWN_FILES)))
}
