//! Configures and starts the servers of a stack: S3, notifications, the pipeline service, the database.

use std::sync::Arc;

use anyhow::Context;
use http_front::Hosts;
use orchestrator::Orchestrator;
use server::host::Host;
use sigv4::{Credentials, Verifier};
use stream_server::{Homes, StreamServer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::config::StackConfig;
use super::data_dir::{self, DataDir};
use super::endpoints::{Buckets, Endpoints};
use super::keys::Keys;
use super::{ACCOUNT, LEASE_BEYOND_INVOCATION, Listeners, OWN_WORKERS, REGION, TOPIC};
use crate::local::postgres::{self, Postgres};
use crate::local::process_host::ProcessHost;
use crate::local::s3::{LocalS3, S3Store};
use crate::local::topic::{self, TopicConfig};

/// Starts the embedded database if there is a listener for it.
pub(super) async fn start_postgres(
    data_dir: &DataDir,
    listener: Option<TcpListener>,
    config: &StackConfig,
    keys: &Keys,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Postgres>> {
    let Some(listener) = listener else { return Ok(None) };
    let folder = data_dir.join("postgres");
    let usual = postgres::Limits::default();
    let limits =
        postgres::Limits { clients: usual.clients.min(config.endpoint_limits().connections), ..usual };
    let password = keys.postgres_password.clone();
    let started = Postgres::start(&folder, listener, password, stop.clone(), limits).await;
    let started = started
        .context("starting the embedded PostgreSQL (to use a server of your own, give --database-url)")?;
    // The files that come with PostgreSQL have modes of their own.
    let closed = tokio::task::spawn_blocking(move || data_dir::close_to_others(&folder)).await;
    closed.context("making the files of PostgreSQL private")??;
    Ok(Some(started))
}

pub(super) fn endpoints(
    data_dir: &DataDir,
    listeners: &Listeners,
    keys: &Keys,
    postgres: String,
) -> anyhow::Result<Endpoints> {
    let url = |listener: &TcpListener| -> anyhow::Result<String> {
        Ok(format!("http://{}", listener.local_addr()?))
    };
    Ok(Endpoints {
        region: REGION.to_owned(),
        access_key_id: keys.access_key_id.clone(),
        secret_access_key: keys.secret_access_key.clone(),
        s3: url(&listeners.s3)?,
        datapipeline: url(&listeners.datapipeline)?,
        sns: url(&listeners.sns)?,
        streams: url(&listeners.streams)?,
        api_key: keys.api_key.clone(),
        admin: url(&listeners.admin)?,
        postgres,
        buckets: Buckets::default(),
        topic_arn: format!("arn:aws:sns:{REGION}:{ACCOUNT}:{TOPIC}"),
        outbox: data_dir.join("outbox"),
        pid: std::process::id(),
    })
}

pub(super) async fn open_store(data_dir: &DataDir, config: &StackConfig) -> anyhow::Result<S3Store> {
    let (folder, now) = (data_dir.join("s3"), Arc::clone(&config.now));
    let store = tokio::task::spawn_blocking(move || S3Store::open_with_clock(folder, now)).await??;
    let buckets = Buckets::default();
    for bucket in buckets.all() {
        store.create_bucket(bucket).await?;
    }
    store.notify_bucket(&buckets.drop).await?;
    Ok(store)
}

fn credentials(endpoints: &Endpoints) -> Credentials {
    Credentials {
        access_key_id: endpoints.access_key_id.clone(),
        secret_access_key: endpoints.secret_access_key.clone(),
    }
}

pub(super) fn hosts(config: &StackConfig) -> Hosts {
    Hosts::with_names(config.host_names.iter().cloned())
}

pub(super) fn serve_s3(
    servers: &mut JoinSet<anyhow::Result<()>>,
    store: &S3Store,
    listener: TcpListener,
    config: &StackConfig,
    endpoints: &Endpoints,
    stop: &CancellationToken,
) {
    let server = LocalS3::new(store.clone(), credentials(endpoints), REGION);
    let server = server.account(ACCOUNT).open_to(hosts(config), config.endpoint_limits());
    let stop = stop.clone();
    servers.spawn(async move {
        server.serve(listener, stop).await;
        Ok(())
    });
}

/// Returns the configuration of the local SNS.
pub(super) fn topic_config(data_dir: &DataDir, config: &StackConfig, endpoints: &Endpoints) -> TopicConfig {
    TopicConfig {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        database: data_dir.join("topic.sqlite"),
        outbox: endpoints.outbox.clone(),
        mail_from: config.mail_from.clone(),
        smtp: config.smtp.clone(),
        web_origins: config.notify_http.clone(),
        now: Arc::clone(&config.now),
        verifier: Verifier::new(REGION, "sns", vec![credentials(endpoints)]),
        hosts: hosts(config),
        limits: config.endpoint_limits(),
    }
}

pub(super) fn serve_topic(
    servers: &mut JoinSet<anyhow::Result<()>>,
    listener: TcpListener,
    config: TopicConfig,
    stop: &CancellationToken,
) {
    let stop = stop.clone();
    servers.spawn(async move { topic::serve(config, listener, stop).await.context("running the local SNS") });
}

/// Opens the logs of the streams, and begins to deliver the records that wait in them.
pub(super) async fn open_streams(
    data_dir: &DataDir,
    config: &StackConfig,
    endpoints: &Endpoints,
) -> anyhow::Result<StreamServer> {
    let buckets = &endpoints.buckets;
    let homes = Homes { drop: buckets.drop.clone(), raw: buckets.raw.clone() };
    let config = stream_server::Config {
        region: REGION.to_owned(),
        account_id: ACCOUNT.to_owned(),
        hosts: hosts(config),
        limits: config.endpoint_limits(),
        now: Arc::clone(&config.now),
        ..stream_server::Config::new(
            data_dir.join("streams"),
            endpoints.s3(),
            homes,
            credentials(endpoints),
            endpoints.api_key.clone(),
        )
    };
    StreamServer::open(config).await.context("opening the streams")
}

pub(super) fn serve_streams(
    servers: &mut JoinSet<anyhow::Result<()>>,
    streams: StreamServer,
    listener: TcpListener,
    stop: &CancellationToken,
) {
    let stop = stop.clone();
    servers.spawn(async move {
        streams.run(listener, stop).await;
        Ok(())
    });
}

pub(super) fn pipelines_config(
    data_dir: &DataDir,
    config: &StackConfig,
    endpoints: &Endpoints,
    resources: Arc<ProcessHost>,
    tell_end: mpsc::UnboundedSender<String>,
) -> server::Config {
    server::Config {
        // The stack has one account.
        host: Some(Arc::new(move |_: &str| -> Arc<dyn Host> { resources.clone() })),
        s3: Some(endpoints.s3()),
        dynamodb: config.dynamodb_url.as_deref().map(|url| endpoints.dynamodb(url)),
        sns: Some(endpoints.sns()),
        own_runners: Some(OWN_WORKERS.to_owned()),
        keep_runs: config.keep_runs,
        hosts: hosts(config),
        limits: config.endpoint_limits(),
        now: Arc::clone(&config.now),
        clock_set: Arc::clone(&config.clock_set),
        // After the receiver has ended, the stack stops, and nothing has to be started.
        run_ended: Some(Arc::new(move |name: &str| drop(tell_end.send(name.to_owned())))),
        ..server::Config::new(data_dir.join("pipelines.sqlite"), credentials(endpoints))
    }
}

pub(super) fn serve_pipelines(
    servers: &mut JoinSet<anyhow::Result<()>>,
    listener: TcpListener,
    config: server::Config,
    stop: &CancellationToken,
) {
    let stop = stop.clone();
    servers.spawn(async move {
        server::serve(config, listener, stop).await.context("running the pipeline service")
    });
}

pub(super) fn orchestrator(config: &StackConfig, endpoints: &Endpoints) -> anyhow::Result<Orchestrator> {
    let clients = orchestrator::Clients {
        s3: endpoints.s3(),
        datapipeline: endpoints.datapipeline(),
        sns: endpoints.sns(),
    };
    let config = orchestrator::Config {
        definitions_uri: format!("s3://{}", endpoints.buckets.definitions),
        drop_bucket: Some(endpoints.buckets.drop.clone()),
        topic_arn: endpoints.topic_arn.clone(),
        lease: config.lambda.invocation + LEASE_BEYOND_INVOCATION,
        // The part after `#` differs in each process, which makes the claims of earlier processes invalid at once. Only one
        // process at a time uses the data directory, so those processes have ended.
        holder: format!("downspout-up#{}", uuid::Uuid::new_v4().simple()),
        now: Arc::clone(&config.now),
    };
    Orchestrator::new(config, clients).context("configuring the orchestrator")
}
