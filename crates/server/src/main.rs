//! The Data Pipeline service alone, for hosting: what `downspout up` runs beside everything else.

use anyhow::Context;
use clap::Parser;
use definition::period::Period;
use server::sigv4::Credentials;
use server::{Config, KEEP_RUNS, serve};
use store::Location;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Small pieces of memory come and go by the thousand with each call.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves the AWS Data Pipeline API (2012-10-29) and runs pipelines, on demand and on schedules.
///
/// Any AWS tool talks to it once it knows where it is and signs with the same keys:
///
///   export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... AWS_REGION=us-east-1
///   server --listen 127.0.0.1:4567 --data pipelines.db &
///   export AWS_ENDPOINT_URL_DATA_PIPELINE=http://127.0.0.1:4567
///   aws datapipeline list-pipelines
///
/// Pipelines, runs and notices are kept in a file, or in PostgreSQL:
///
///   export DOWNSPOUT_DATA='postgres://me:secret@db.example.com/pipelines?sslmode=verify-full'
///
/// There they stand in the schema downspout_engine, or in the one that `schema=NAME` in the URL
/// names; it is made if it is not there. Several servers may share one: clients and task runners
/// speak to any of them, and what a server that died has left is taken up by the others within
/// seconds. A file belongs to one server at a time.
///
/// Work is done by task runners that poll a worker group (`ec2-worker --worker-group NAME`). Notices
/// of SnsAlarm objects are published to Amazon SNS, or to whatever AWS_ENDPOINT_URL_SNS names. S3KeyExists
/// and S3PrefixNotEmpty look at Amazon S3, or at AWS_ENDPOINT_URL_S3; DynamoDBTableExists and DynamoDBDataExists look at
/// Amazon DynamoDB, or at AWS_ENDPOINT_URL_DYNAMODB.
#[derive(Parser)]
#[command(name = "server", version, verbatim_doc_comment)]
struct Arguments {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, env = "DOWNSPOUT_LISTEN", default_value = "127.0.0.1:4567")]
    listen: String,
    /// What holds pipelines, runs and notices: a file, as PATH or sqlite:PATH, made if it is not there; or
    /// postgres://USER@HOST/DATABASE. Give a URL with a password in DOWNSPOUT_DATA: command lines can be read
    /// by every process of the machine.
    #[arg(
        long,
        value_name = "PATH or URL",
        env = "DOWNSPOUT_DATA",
        hide_env_values = true,
        default_value = "pipelines.db"
    )]
    data: String,
    /// The access key that clients sign with.
    #[arg(long, env = "AWS_ACCESS_KEY_ID")]
    access_key_id: String,
    /// The region that clients sign for.
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// The account that owns the pipelines, as DescribePipelines shows it.
    #[arg(long, env = "DOWNSPOUT_ACCOUNT_ID", default_value = "000000000000")]
    account_id: String,
    /// How long runs are kept after they ended, with their instances and attempts. The newest of each pipeline stays,
    /// and so does one that something waits in for a rerun.
    #[arg(long, value_name = "PERIOD", env = "DOWNSPOUT_KEEP_RUNS", default_value = KEEP_RUNS)]
    keep_runs: Period,
    /// Keep notices instead of publishing them.
    #[arg(long)]
    no_sns: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    // A secret on the command line would stand in every process list.
    let secret_access_key = std::env::var("AWS_SECRET_ACCESS_KEY")
        .context("AWS_SECRET_ACCESS_KEY is not set: clients sign with it, and the server checks by it")?;
    let credentials = Credentials { access_key_id: arguments.access_key_id, secret_access_key };
    // Not read by clap, whose messages quote what they refuse.
    let mut config = Config::new(Location::parse(&arguments.data)?, credentials);
    config.region = arguments.region;
    config.account_id = arguments.account_id;
    config.keep_runs = arguments.keep_runs;
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    config.s3 = Some(aws_sdk_s3::Client::new(&aws));
    config.dynamodb = Some(aws_sdk_dynamodb::Client::new(&aws));
    if !arguments.no_sns {
        config.sns = Some(aws_sdk_sns::Client::new(&aws));
    }
    let listener = TcpListener::bind(&arguments.listen).await.with_context(|| {
        format!("listening on {}: choose another address with --listen", arguments.listen)
    })?;
    println!("listening on http://{}", listener.local_addr()?);
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    serve(config, listener, shutdown).await
}

async fn stop_on_signal(shutdown: CancellationToken) {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate => {}
    }
    shutdown.cancel();
}
