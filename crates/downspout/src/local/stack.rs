//! Starts and connects the parts of a local stack in one process: the orchestrator, the service, S3, SNS, streams, the database
//! and the workers.
//!
//! This module makes no decisions. Everything that the parts must remember is in the data directory, so that a stack that was
//! killed at any moment starts again with all its data and at the same addresses.

mod admin;
mod config;
mod data_dir;
mod definitions;
mod definitions_bucket;
mod endpoints;
mod keys;
mod ports;
mod retention;
mod s3_event_queue;
mod servers;
mod shipped;
mod streams;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ec2_worker::RdsInstances;
use orchestrator::Orchestrator;
use stream_server::StreamServer;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lambda::{LambdaRunner, next_runs};
use super::postgres::Postgres;
use super::process_host::{COMMAND_UMASK, ProcessHost};
use super::s3::S3Store;
use crate::sdk_error::readable;

pub use admin::DeadLetter;
pub use config::{DefinitionSource, StackConfig};
pub use data_dir::{DataDir, DataDirError};
pub use endpoints::{Buckets, Endpoints, FILE_NAME};
pub(crate) use keys::new_credentials;
pub use ports::PortError;
pub use retention::{KEEP_LEDGERS, KEEP_MAILS, Keep};
pub use shipped::{SAMPLE_DAY, SAMPLES, Sample};
pub(crate) use streams::NO_SCHEMA;

/// The region of everything in the stack.
pub const REGION: &str = "us-east-1";
/// The account in the ARNs of the stack.
const ACCOUNT: &str = "000000000000";
/// The name of the topic for notices.
const TOPIC: &str = "downspout";
/// The worker group in the generated `values.json`.
pub(crate) const WORKER_GROUP: &str = "downspout";
/// The beginning of the host names of workers that start and end with a stack.
const OWN_WORKERS: &str = "downspout-up-";

/// How long the clients of the servers may take to stop, and how long the servers may take after them.
const STOP_LIMIT: Duration = Duration::from_millis(2_000);
/// How long a worker may take to stop. A task that is unfinished after this time is handed out again at the next start.
const WORKER_STOP_LIMIT: Duration = Duration::from_millis(1_500);
/// The time between two reports of progress. The reply to a report says whether the task was canceled, and a user of a
/// local stack should not wait a minute until a canceled task ends.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// How much longer the claim of a handler is valid than an invocation may take.
const LEASE_BEYOND_INVOCATION: Duration = Duration::from_secs(5);

/// A running stack. Dropping this value stops the stack at once, like a kill; [`Stack::stop`] lets open work finish
/// first.
pub struct Stack {
    endpoints: Endpoints,
    orchestrator: Arc<Orchestrator>,
    streams: StreamServer,
    resources: Arc<ProcessHost>,
    /// Stops the clients of the servers.
    clients_stop: CancellationToken,
    clients: TaskTracker,
    /// Stops the servers.
    servers_stop: CancellationToken,
    servers: JoinSet<anyhow::Result<()>>,
    postgres: Option<Postgres>,
    _data_dir: DataDir,
}

/// The listeners of a stack, one for each service.
struct Listeners {
    s3: TcpListener,
    datapipeline: TcpListener,
    sns: TcpListener,
    streams: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    async fn of(ports: &mut ports::Ports<'_>) -> Result<Self, PortError> {
        Ok(Self {
            s3: ports.listen("s3").await?,
            datapipeline: ports.listen("datapipeline").await?,
            sns: ports.listen("sns").await?,
            streams: ports.listen("streams").await?,
            admin: ports.listen("admin").await?,
        })
    }
}

impl Stack {
    /// Starts the whole stack on the data directory, and returns when every part answers.
    ///
    /// # Errors
    ///
    /// If the data directory or a port is in use, or if a part of the stack does not start. The parts that were started
    /// are then stopped.
    pub async fn start(config: StackConfig) -> anyhow::Result<Self> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let keys = keys::Keys::of(&data_dir)?;
        let mut ports = ports::Ports::of(&data_dir)?;
        let listeners = Listeners::of(&mut ports).await?;
        let servers_stop = CancellationToken::new();
        // If a later step fails, the guard stops the servers that were started.
        let guard = servers_stop.clone().drop_guard();
        let postgres_listener = match &config.database_url {
            Some(_) => None,
            None => Some(ports.listen("postgres").await?),
        };
        // The two slowest steps run at the same time.
        let (postgres, store) = tokio::join!(
            servers::start_postgres(&data_dir, postgres_listener, &config, &keys, &servers_stop),
            servers::open_store(&data_dir, &config),
        );
        let (postgres, store) = (postgres?, store?);
        let database_url = match (&config.database_url, &postgres) {
            (Some(url), _) => url.clone(),
            (None, Some(postgres)) => postgres.url().to_owned(),
            (None, None) => unreachable!("without a URL, the embedded database was started"),
        };
        let endpoints = servers::endpoints(&data_dir, &listeners, &keys, database_url)?;
        let mut servers = JoinSet::new();
        servers::serve_s3(&mut servers, &store, listeners.s3, &config, &endpoints, &servers_stop);
        let topic = servers::topic_config(&data_dir, &config, &endpoints);
        let topic_database = topic.database.clone();
        servers::serve_topic(&mut servers, listeners.sns, topic, &servers_stop);
        let scratch = data_dir.join("scratch");
        let mut environment = endpoints.environment();
        environment.extend(config.command_umask.map(|umask| (COMMAND_UMASK, format!("{umask:04o}"))));
        let rds = config.rds.clone();
        let resources =
            ProcessHost::new(config.resources, OWN_WORKERS, WORKER_GROUP, scratch, environment, rds)?;
        let (tell_end, ended) = mpsc::unbounded_channel();
        let pipelines =
            servers::pipelines_config(&data_dir, &config, &endpoints, Arc::clone(&resources), tell_end);
        servers::serve_pipelines(&mut servers, listeners.datapipeline, pipelines, &servers_stop);
        let streams = servers::open_streams(&data_dir, &config, &endpoints).await?;
        let mut stack = Self {
            orchestrator: Arc::new(servers::orchestrator(&config, &endpoints)?),
            streams,
            endpoints,
            resources,
            clients_stop: CancellationToken::new(),
            clients: TaskTracker::new(),
            servers_stop,
            servers,
            postgres,
            _data_dir: data_dir,
        };
        let admin = admin::AdminState {
            secret: keys.secret_access_key,
            hosts: servers::hosts(&config),
            orchestrator: Arc::clone(&stack.orchestrator),
            streams: stack.streams.clone(),
            store: store.clone(),
            topic: topic_database,
        };
        let (limits, stop) = (config.endpoint_limits(), stack.servers_stop.clone());
        stack.servers.spawn(async move {
            admin::serve(admin, listeners.admin, limits, stop).await;
            Ok(())
        });
        stack.start_clients(&config, store, ended, listeners.streams).await?;
        guard.disarm();
        Ok(stack)
    }

    /// Returns the addresses and keys of the stack.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Returns the handler of events. Tests call it as AWS may call it: twice, late, and several times at once.
    #[must_use]
    pub fn orchestrator(&self) -> &Arc<Orchestrator> {
        &self.orchestrator
    }

    /// Returns the names of the streams.
    pub async fn stream_names(&self) -> Vec<String> {
        self.streams.list().await.streams.into_iter().map(|stream| stream.name).collect()
    }

    /// Waits until a server of the stack ends by itself, and returns the reason. A server that ends by itself has failed.
    pub async fn broken(&mut self) -> anyhow::Error {
        first_end(&mut self.servers).await
    }

    /// Stops everything within five seconds. Unfinished work goes on at the next start.
    pub async fn stop(mut self) {
        self.clients_stop.cancel();
        self.clients.close();
        if tokio::time::timeout(STOP_LIMIT, self.clients.wait()).await.is_err() {
            tracing::info!("unfinished work was interrupted; it goes on at the next start");
        }
        self.servers_stop.cancel();
        let mut servers = std::mem::take(&mut self.servers);
        let postgres = self.postgres.take();
        let servers_end = async { while servers.join_next().await.is_some() {} };
        let postgres_ends = async {
            if let Some(postgres) = postgres {
                postgres.stopped().await;
            }
        };
        // Everything that was acknowledged is on the disk, so nothing is lost if the time limit interrupts this wait.
        let ended = async { tokio::join!(servers_end, postgres_ends) };
        if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
            tracing::info!("the stack was stopped before all requests had ended");
        }
    }

    /// Creates the topic, uploads the definitions, starts the clients of the servers (such as the Lambda runner and the workers),
    /// and writes the endpoints file.
    async fn start_clients(
        &mut self,
        config: &StackConfig,
        store: S3Store,
        ended: mpsc::UnboundedReceiver<String>,
        streams: TcpListener,
    ) -> anyhow::Result<()> {
        let setup = set_up(config, self.endpoints.clone(), self.streams.clone());
        let definitions = tokio::select! {
            done = setup => done?,
            error = first_end(&mut self.servers) => return Err(error),
        };
        // `set_up` has read the stream files, so the endpoint of streams may begin to answer. Earlier requests wait, because a
        // producer would not repeat a request whose answer is that the stream does not exist.
        servers::serve_streams(&mut self.servers, self.streams.clone(), streams, &self.servers_stop);
        let stop = &self.clients_stop;
        if let Some(folder) = &config.watch {
            let watch =
                watch::Watch::open(folder, &config.data_dir, &self.endpoints, Arc::clone(&config.now))?;
            self.clients.spawn(watch.run(stop.clone()));
        }
        let (sweep_now, limit) = (Arc::new(Notify::new()), config.lambda.invocation);
        self.clients.spawn(next_runs::follow(Arc::clone(&self.orchestrator), ended, limit, stop.clone()));
        let queue = Arc::new(s3_event_queue::S3EventQueue(store));
        self.clients.spawn(definitions.follow(Arc::clone(&sweep_now), stop.clone()));
        let alarms = streams::alarms::StreamAlarms {
            server: self.streams.clone(),
            topic: streams::Topic { sns: self.endpoints.sns(), arn: self.endpoints.topic_arn.clone() },
            reported: config.data_dir.join("streams").join("told-troubles.json"),
        };
        self.clients.spawn(alarms.follow(stop.clone()));
        let orchestrator = Arc::clone(&self.orchestrator);
        let (form, limits) = (config.events, config.lambda.clone());
        let runner = LambdaRunner::new(orchestrator, queue, sweep_now, form, limits, REGION, ACCOUNT);
        self.clients.spawn(runner.run(stop.clone()));
        let retention = retention::Retention {
            keep: config.keep.clone(),
            endpoints: self.endpoints.clone(),
            orchestrator: Arc::clone(&self.orchestrator),
            now: Arc::clone(&config.now),
        };
        self.clients.spawn(retention.run(stop.clone()));
        for number in 1..=config.workers {
            let scratch = config.data_dir.join("scratch");
            let rds = config.rds.clone();
            self.clients.spawn(work(
                number,
                scratch,
                rds,
                config.command_umask,
                self.endpoints.clone(),
                stop.clone(),
            ));
        }
        let (resources, stopped) = (Arc::clone(&self.resources), stop.clone());
        self.clients.spawn(async move {
            stopped.cancelled().await;
            resources.stop().await;
        });
        self.endpoints.write(&config.data_dir)?;
        Ok(())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.clients_stop.cancel();
        self.servers_stop.cancel();
    }
}

/// Waits until a server ends by itself, and returns the reason. A server that ends by itself has failed.
async fn first_end(servers: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Error {
    match servers.join_next().await {
        Some(Ok(Ok(()))) => anyhow::anyhow!("a server of the stack ended by itself"),
        Some(Ok(Err(error))) => error,
        Some(Err(panic)) => anyhow::Error::from(panic).context("a server of the stack panicked"),
        None => std::future::pending().await,
    }
}

/// Creates the topic and its subscriptions, and uploads the definitions.
async fn set_up(
    config: &StackConfig,
    endpoints: Endpoints,
    server: StreamServer,
) -> anyhow::Result<definitions::Definitions> {
    let sns = endpoints.sns();
    sns.create_topic().name(TOPIC).send().await.map_err(readable).context("creating the topic")?;
    for address in &config.notify {
        let call = sns.subscribe().topic_arn(&endpoints.topic_arn).protocol("email").endpoint(address);
        call.send().await.map_err(readable).with_context(|| format!("subscribing {address} to the topic"))?;
    }
    let topic = streams::Topic { sns, arn: endpoints.topic_arn.clone() };
    let reported = config.data_dir.join("streams").join("told.json");
    let streams = streams::StreamFiles { server, topic, reported };
    let mut definitions = definitions::Definitions::of(config, &endpoints, streams)?;
    definitions.upload().await?;
    Ok(definitions)
}

/// Runs a worker of the stack until `stop`.
async fn work(
    number: usize,
    scratch: std::path::PathBuf,
    rds: RdsInstances,
    umask: Option<u32>,
    endpoints: Endpoints,
    stop: CancellationToken,
) {
    let name = format!("{OWN_WORKERS}{number}");
    let config = ec2_worker::Config {
        hostname: name.clone(),
        runner_id: name.clone(),
        concurrency: 1,
        shutdown_limit: WORKER_STOP_LIMIT,
        progress_every: PROGRESS_EVERY,
        rds,
        command_environment: Some(
            endpoints.environment().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ),
        command_umask: umask,
        ..ec2_worker::Config::new(WORKER_GROUP, scratch)
    };
    let clients = ec2_worker::Clients {
        datapipeline: endpoints.datapipeline(),
        s3: endpoints.s3(),
        // The stack keeps no secrets. A definition that names one means one in AWS.
        secrets: ec2_worker::Secrets::from_env(),
    };
    if let Err(error) = ec2_worker::run(config, clients, stop).await {
        tracing::error!(worker.name = %name, error = %format!("{error:#}"), "a worker failed");
    }
}
