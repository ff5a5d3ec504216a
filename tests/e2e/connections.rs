//! Idle connections, more than the stack may have open, leave every endpoint of the stack answering.

use std::{fs, os::unix::fs::PermissionsExt};

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
