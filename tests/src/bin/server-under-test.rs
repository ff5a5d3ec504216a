//! The pipeline service with a fast clock: `server-under-test ADDRESS STORE CLOCK`.
//!
//! Stories kill the process, so it has no other way to end.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use e2e::clock::FastClock;
use server::{Config, serve, sigv4::Credentials};
use store::Location;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often the service is told to read its clock again. Its timers use the wall clock, which is slower.
const CLOCK_PERIOD: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, store, clock] = arguments.as_slice() else {
        anyhow::bail!("usage: server-under-test ADDRESS STORE CLOCK")
    };
    let clock: FastClock = clock.parse()?;
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let credentials = Credentials {
        access_key_id: variable("AWS_ACCESS_KEY_ID")?,
        secret_access_key: variable("AWS_SECRET_ACCESS_KEY")?,
    };
    let mut config = Config::new(Location::parse(store)?, credentials);
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    config.sns = Some(aws_sdk_sns::Client::new(&aws));
    config.now = Arc::new(move || clock.now());
    let clock_set = Arc::clone(&config.clock_set);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(CLOCK_PERIOD).await;
            clock_set.notify_one();
        }
    });
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    serve(config, listener, CancellationToken::new()).await
}
