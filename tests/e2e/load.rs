//! Mixed load on a hosted server for a while: task runners, customers and people who look, while others send nonsense, open
//! connections and say nothing, or send their requests byte by byte.
//!
//! Each run must end right, each call must be answered, and the memory of the server must not grow. The story prints the latency of
//! each operation, and the memory. It goes on for some seconds, or for the number of seconds in `DOWNSPOUT_SOAK_LOAD_SECS`.

mod crowd;
mod customers;
mod figures;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::config::retry::RetryConfig;
use aws_sdk_datapipeline::config::timeout::TimeoutConfig;
use aws_sdk_datapipeline::config::{BehaviorVersion, Credentials, Region};
use e2e::postgres::{NativePostgres, free_port};
use e2e::process::Process;
use e2e::until::until;
use figures::Figures;
use tempfile::TempDir;

use crate::PROGRAM;

/// How long the load goes on by default.
const USUAL_LENGTH: Duration = Duration::from_secs(10);
/// The environment variable with the length in seconds.
const SOAK: &str = "DOWNSPOUT_SOAK_LOAD_SECS";
const RUNNERS: usize = 50;
const CUSTOMERS: usize = 8;
const READERS: usize = 4;
const KEY: &str = "AKIALOAD";
const SECRET: &str = "secret/of+the/load";
/// The time limit of a call. A poll may wait for 90 seconds.
const CALL_WAIT: Duration = Duration::from_secs(120);

/// The state that all parts of the load share.
struct Load {
    endpoint: String,
    figures: Figures,
    /// Whether customers have stopped ordering.
    is_over: AtomicBool,
    runs: AtomicUsize,
}

impl Load {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn client(&self) -> Client {
        self.client_with(SECRET)
    }

    /// Returns a client with a connection of its own.
    fn client_with(&self, secret: &str) -> Client {
        let config = aws_sdk_datapipeline::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .credentials_provider(Credentials::new(KEY, secret, None, None, "load"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(CALL_WAIT).build())
            .build();
        Client::from_conf(config)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_server_stays_right_fast_and_small_under_mixed_load() {
    let length = length();
    let folder = TempDir::with_prefix("downspout-load-").expect("a temporary folder");
    let address = format!("127.0.0.1:{}", free_port());
    let mut server = server(folder.path(), &address);
    let endpoint = format!("http://{address}");
    let load = Arc::new(Load {
        endpoint,
        figures: Figures::default(),
        is_over: AtomicBool::new(false),
        runs: AtomicUsize::new(0),
    });
    let client = load.client();
    until("the server answers", async || {
        client.list_pipelines().send().await.map_err(|error| format!("{error:?}"))
    })
    .await;
    let runners: Vec<_> =
        (0..RUNNERS).map(|number| tokio::spawn(customers::run_tasks(Arc::clone(&load), number))).collect();
    let crowd = tokio::spawn(crowd::hang_around(Arc::clone(&load), address.clone()));
    let mut people: Vec<_> =
        (0..CUSTOMERS).map(|number| tokio::spawn(customers::order(Arc::clone(&load), number))).collect();
    people.extend((0..READERS).map(|_| tokio::spawn(customers::look(Arc::clone(&load)))));
    people.push(tokio::spawn(crowd::send_nonsense(Arc::clone(&load))));
    let memory = figures::watch(&load, &mut server, Instant::now() + length).await;
    load.is_over.store(true, Ordering::Relaxed);
    // A panic of any part is one of the story.
    for person in people {
        person.await.expect("every order and every look went well");
    }
    crowd.await.expect("the others were served in the middle of the crowd");
    runners.iter().for_each(tokio::task::JoinHandle::abort);
    server.must_run();
    let runs = load.runs.load(Ordering::Relaxed);
    println!("{runs} runs in {length:?} with {RUNNERS} task runners\n{}\n{memory}", load.figures);
    assert!(runs > 0, "no run ended");
    assert!(memory.is_flat(), "the memory of the server grows: {memory}");
    let log = server.last_output();
    assert!(!log.contains("panicked") && !log.contains("InternalServiceError"), "{log}");
}

/// Starts the hosted server with a store in PostgreSQL.
fn server(folder: &Path, address: &str) -> Process {
    let store = format!("{}?schema=load", NativePostgres::shared().url());
    let mut command = Command::new(PROGRAM);
    command
        .args(["server", "--listen", address, "--store", &store, "--region", "us-east-1", "--sns", "false"])
        .args(["--calls-per-second", "0", "--access-log", "false"])
        .env_clear()
        .env("DOWNSPOUT_ACCESS_KEY_ID", KEY)
        .env("DOWNSPOUT_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    Process::start("server", folder, command)
}

fn length() -> Duration {
    match std::env::var(SOAK) {
        Ok(seconds) => Duration::from_secs(seconds.parse().unwrap_or_else(|_| panic!("{SOAK} is {seconds}"))),
        Err(_) => USUAL_LENGTH,
    }
}
