//! The program `server`: the Data Pipeline service alone, for hosting. `downspout up` runs the same service beside the
//! rest.

use anyhow::Context;
use clap::Parser;
use definition::period::Period;
use http_front::{Hosts, Limits};
use server::sigv4::Credentials;
use server::{Config, KEEP_RUNS, serve};
use store::Location;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Each call allocates and frees thousands of small pieces of memory, which mimalloc does faster than the default.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves the AWS Data Pipeline API (2012-10-29) and runs pipelines, on demand and on schedules.
///
/// Any AWS tool can use the server, if it has the server's address and signs with the same keys:
///
///   export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... AWS_REGION=us-east-1
///   server --listen 127.0.0.1:4567 --data pipelines.db &
///   export AWS_ENDPOINT_URL_DATA_PIPELINE=http://127.0.0.1:4567
///   aws datapipeline list-pipelines
///
/// DOWNSPOUT_ACCESS_KEY_ID and DOWNSPOUT_SECRET_ACCESS_KEY are the key of the clients where the server itself has other
/// credentials for AWS, such as the role of an EC2 machine.
///
/// The server stores pipelines, runs and notices in a file, or in PostgreSQL:
///
///   export DOWNSPOUT_DATA='postgres://me:secret@db.example.com/pipelines?sslmode=verify-full'
///
/// In PostgreSQL, the server uses the schema downspout_engine, or the one that `schema=NAME` in the URL
/// names. It creates the schema if there is none. Several servers may share a schema: clients and task
/// runners may call any of them, and if one server dies, the others take over its work within seconds.
/// A file belongs to one server at a time.
///
/// Task runners that poll a worker group do the work (`ec2-worker --worker-group NAME`). The server
/// publishes the notices of SnsAlarm objects to Amazon SNS, or to AWS_ENDPOINT_URL_SNS. It checks
/// S3KeyExists and S3PrefixNotEmpty on Amazon S3, or on AWS_ENDPOINT_URL_S3, and DynamoDBTableExists
/// and DynamoDBDataExists on Amazon DynamoDB, or on AWS_ENDPOINT_URL_DYNAMODB.
#[derive(Parser)]
#[command(name = "server", version, verbatim_doc_comment)]
struct Arguments {
    /// The address to listen on. Port 0 takes a free port. The server prints the address.
    #[arg(long, env = "DOWNSPOUT_LISTEN", default_value = "127.0.0.1:4567")]
    listen: String,
    /// Where to store pipelines, runs and notices: a file, as PATH or sqlite:PATH, which is created if there is none;
    /// or postgres://USER@HOST/DATABASE. Put a URL with a password into DOWNSPOUT_DATA: every process of the machine
    /// can read command lines.
    #[arg(
        long,
        value_name = "PATH or URL",
        env = "DOWNSPOUT_DATA",
        hide_env_values = true,
        default_value = "pipelines.db"
    )]
    data: String,
    /// The access key that clients sign with [default: AWS_ACCESS_KEY_ID]
    #[arg(long, env = "DOWNSPOUT_ACCESS_KEY_ID")]
    access_key_id: Option<String>,
    /// The region that clients sign for.
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// The account that owns the pipelines. DescribePipelines shows it.
    #[arg(long, env = "DOWNSPOUT_ACCOUNT_ID", default_value = "000000000000")]
    account_id: String,
    /// How long to keep runs after their end, with their instances and attempts. The newest run of each pipeline is
    /// kept for ever, and so is a run in which an instance waits for a rerun.
    #[arg(long, value_name = "PERIOD", env = "DOWNSPOUT_KEEP_RUNS", default_value = KEEP_RUNS)]
    keep_runs: Period,
    /// A name by which clients reach the server, such as db.example.com; may be repeated. Other names than localhost are
    /// refused, so that no page in a browser can call the server by a name that changes its address.
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
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
    let credentials = client_key(arguments.access_key_id)?;
    // clap must not parse the URL: its error messages quote the value, which may have a password.
    let mut config = Config::new(Location::parse(&arguments.data)?, credentials);
    config.region = arguments.region;
    config.account_id = arguments.account_id;
    config.keep_runs = arguments.keep_runs;
    config.hosts = Hosts::with_names(arguments.host_name);
    match http_front::raise_file_limit() {
        Ok(files) => config.limits = Limits::for_files(files),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
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

/// Returns the key that clients sign with. Every process of the machine can read command lines, so the secret is no option.
///
/// On a machine of AWS, the `AWS_` variables are not set: the machine's role signs the calls to SNS and S3, and the clients
/// have a key of their own.
fn client_key(access_key_id: Option<String>) -> anyhow::Result<Credentials> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let secret = variable("DOWNSPOUT_SECRET_ACCESS_KEY").or_else(|| variable("AWS_SECRET_ACCESS_KEY"));
    let missing = |name: &str| {
        format!(
            "DOWNSPOUT_{name} is not set, nor is AWS_{name}: the server needs it to check the signatures of clients"
        )
    };
    Ok(Credentials {
        access_key_id: access_key_id
            .or_else(|| variable("AWS_ACCESS_KEY_ID"))
            .with_context(|| missing("ACCESS_KEY_ID"))?,
        secret_access_key: secret.with_context(|| missing("SECRET_ACCESS_KEY"))?,
    })
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
