//! `server`: serves the Data Pipeline API alone, for hosting. `up` runs the same service beside the rest.

mod ec2;
mod reload;
mod settings;
mod systemd;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use http_front::{Hosts, Limits, Tls};
use server::sigv4::Credentials;
use server::{AccessKey, Config, Keys};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use settings::{Checked, Settings};

use super::{Exit, output};
use crate::traces::Endpoint;

/// The number of endpoints that share the connections of the process. The one for metrics has few connections, so it is not counted.
const ENDPOINTS: u64 = 1;

const AFTER_HELP: &str = "\
The server speaks the AWS Data Pipeline API (2012-10-29). Any AWS tool can use it, if it has the server's address and \
signs with a key of the server:
  downspout keys add --file keys.json
  downspout server --keys keys.json --store sqlite:pipelines.db
  export AWS_ENDPOINT_URL_DATA_PIPELINE=http://127.0.0.1:4567
  aws datapipeline list-pipelines

Where a setting comes from: a flag, else the environment variable, else the file of --config, else the default. The file \
is TOML with the names of the flags, such as `metrics-listen = \"127.0.0.1:9464\"`. All problems of all settings are reported at \
once.

Task runners that poll a worker group do the work (ec2-worker --worker-group NAME). The server publishes the notices of \
SnsAlarm objects to Amazon SNS, or to AWS_ENDPOINT_URL_SNS; it checks preconditions on Amazon S3 and DynamoDB, or on \
AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_DYNAMODB.

GET /healthz and /readyz need no signature.";

/// The environment variables of the only key if there is no file of keys, the first that is set.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("DOWNSPOUT_ACCESS_KEY_ID", "DOWNSPOUT_SECRET_ACCESS_KEY"),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
];

/// Arguments of `server`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ServerArgs {
    /// File with settings, in TOML
    #[arg(long, value_name = "FILE", env = "DOWNSPOUT_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl ServerArgs {
    /// Returns the address to which traces go. The log needs it, and begins before the command. If settings cannot be used,
    /// the command reports them later, and the answer is `None`.
    pub(crate) fn otlp_endpoint(&self) -> Option<Endpoint> {
        let from_file = || settings::read(self.config.as_deref()?).ok()?.otlp_endpoint;
        self.settings.otlp_endpoint.clone().or_else(from_file)?.parse().ok()
    }
}

pub(super) async fn run(args: ServerArgs) -> anyhow::Result<Exit> {
    let settings = match &args.config {
        Some(file) => settings::read(file).map(|from_file| args.settings.or(from_file)),
        None => Ok(args.settings),
    };
    let checked = settings.and_then(|settings| settings.check());
    let checked = match checked {
        Ok(checked) => checked,
        Err(problems) => bail!("the settings of the server cannot be used:\n  {}", problems.join("\n  ")),
    };
    serve(checked).await?;
    Ok(Exit::Done)
}

async fn serve(checked: Checked) -> anyhow::Result<()> {
    let (keys, tls) = (Arc::new(keys(&checked)?), checked.tls.clone().map(Tls::read).transpose()?);
    let listener = listen(&checked.listen, "listen").await?;
    let metrics = match &checked.metrics_listen {
        Some(address) => Some(listen(address, "metrics-listen").await?),
        None => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    output::line(&format!("listening on {scheme}://{}", listener.local_addr()?))?;
    if let Some(metrics) = &metrics {
        output::line(&format!("metrics on http://{}/metrics", metrics.local_addr()?))?;
    }
    let shutdown = CancellationToken::new();
    let stop = super::up::asked_to_stop()?;
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            stop.await;
            shutdown.cancel();
        }
    });
    tokio::spawn(reload::keep_fresh(checked.keys.clone(), Arc::clone(&keys), tls.clone(), shutdown.clone()));
    let (started, is_started) = oneshot::channel();
    tokio::spawn(systemd::notify_systemd(is_started, shutdown.clone()));
    let config = config(checked, keys, tls, metrics, started).await;
    server::serve(config, listener, shutdown).await
}

async fn config(
    checked: Checked,
    keys: Arc<Keys>,
    tls: Option<Tls>,
    metrics: Option<TcpListener>,
    started: oneshot::Sender<()>,
) -> Config {
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let limits = match http_front::raise_file_limit() {
        Ok(files) => Limits::for_files(files, ENDPOINTS),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            Limits::default()
        }
    };
    Config {
        keys,
        tls,
        metrics,
        limits,
        region: checked.region,
        account_id: checked.account_id,
        keep_runs: checked.keep_runs,
        hosts: Hosts::with_names(checked.host_names),
        rate: checked.rate,
        logs_access: checked.logs_access,
        s3: Some(aws_sdk_s3::Client::new(&aws)),
        dynamodb: Some(aws_sdk_dynamodb::Client::new(&aws)),
        sns: checked.publishes.then(|| aws_sdk_sns::Client::new(&aws)),
        host: checked.ec2.map(|ec2| ec2.hosts(&aws)),
        started: Some(started),
        ..Config::without_keys(checked.store)
    }
}

/// Returns the keys of the file, or those of the environment if there is no file.
fn keys(checked: &Checked) -> anyhow::Result<Keys> {
    if let Some(file) = &checked.keys {
        return Ok(Keys::new(server::read_keys(file)?));
    }
    // The keys of the server itself for AWS may be others than those of its clients.
    let own = ENVIRONMENT.iter().find(|(id, _)| std::env::var_os(id).is_some());
    let Some((id, secret)) = own else {
        bail!(
            "no access key is known: make keys with `downspout keys add`, and name their file with --keys; or set \
             DOWNSPOUT_ACCESS_KEY_ID and DOWNSPOUT_SECRET_ACCESS_KEY"
        )
    };
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let credentials = Credentials { access_key_id: variable(id)?, secret_access_key: variable(secret)? };
    Ok(Keys::new([AccessKey::unlimited(credentials, &checked.account_id)]))
}

async fn listen(address: &str, flag: &str) -> anyhow::Result<TcpListener> {
    let hint = format!("choose another address with --{flag}");
    TcpListener::bind(address).await.with_context(|| format!("listening on {address}: {hint}"))
}
