//! The Lambda function: the binary `bootstrap` of the `provided` runtimes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::BehaviorVersion;
use lambda_runtime::{LambdaEvent, service_fn};
use orchestrator::{Clients, Config, Orchestrator};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// How much longer a claim is valid than an invocation may take.
const LEASE_MARGIN: Duration = Duration::from_secs(15);
/// The longest time limit that Lambda allows. The program assumes this limit if it does not know the function's own
/// limit.
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60);

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).init();
    let orchestrator = Orchestrator::new(config()?, clients().await).context("reading the configuration")?;
    let orchestrator = Arc::new(orchestrator);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let orchestrator = Arc::clone(&orchestrator);
        async move {
            let answer = orchestrator.handle(event.payload).await;
            // The log and the dead-letter queue get the whole chain of causes.
            answer.map_err(|error| lambda_runtime::Error::from(format!("{error:#}")))
        }
    }))
    .await
}

fn config() -> anyhow::Result<Config> {
    let stream =
        std::env::var("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_else(|_| std::process::id().to_string());
    Ok(Config {
        definitions_uri: required("DEFINITIONS_S3_URI", "s3://bucket/prefix of the definitions")?,
        drop_bucket: std::env::var("DROP_BUCKET").ok().filter(|bucket| !bucket.is_empty()),
        topic_arn: required("NOTIFY_TOPIC_ARN", "the ARN of the topic for notices")?,
        lease: invocation_limit()? + LEASE_MARGIN,
        holder: stream,
        now: Arc::new(jiff::Timestamp::now),
    })
}

fn required(name: &str, meaning: &str) -> anyhow::Result<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .with_context(|| format!("{name} is not set; it needs {meaning}"))
}

/// Reads the function's time limit from the environment variable `LAMBDA_TIMEOUT_SECS`. Lambda itself tells the limit
/// only with each invocation, which is too late for the configuration.
fn invocation_limit() -> anyhow::Result<Duration> {
    match std::env::var("LAMBDA_TIMEOUT_SECS") {
        Ok(text) => {
            let seconds =
                text.parse().with_context(|| format!("LAMBDA_TIMEOUT_SECS: `{text}` is not a number"))?;
            Ok(Duration::from_secs(seconds))
        }
        Err(_) => Ok(LONGEST_INVOCATION),
    }
}

async fn clients() -> Clients {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let is_set = |name: &str| std::env::var_os(name).is_some();
    // A configured endpoint may be an IP address, and the name of a bucket cannot come before an address.
    let path_style = is_set("AWS_ENDPOINT_URL_S3") || is_set("AWS_ENDPOINT_URL");
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style).build();
    Clients {
        s3: aws_sdk_s3::Client::from_conf(s3),
        datapipeline: aws_sdk_datapipeline::Client::new(&config),
        sns: aws_sdk_sns::Client::new(&config),
    }
}
