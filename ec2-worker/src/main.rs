//! The program `ec2-worker`: the worker on a machine of its own.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use definition::kind::field;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use ec2_worker::database::{self, Pool};
use ec2_worker::etl::date::Pattern;
use ec2_worker::etl::dialect::Dialect;
use ec2_worker::etl::load::{self, Load};
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::etl::transform::RowsOf;
use ec2_worker::etl::value_rules::ValueRules;
use ec2_worker::ledger::WorkKey;
use ec2_worker::progress::Progress;
use ec2_worker::{Clients, Config, RdsInstance};

/// A task runner for AWS Data Pipeline.
///
/// The worker polls a Data Pipeline service for the tasks of its worker groups, does them, reports progress, and
/// uploads logs to the `pipelineLogUri` of each pipeline. It does CopyActivity, SqlActivity and ShellCommandActivity,
/// and checks the preconditions Exists and ShellCommandPrecondition.
///
/// Endpoints, region and credentials come from the environment, as for every AWS tool: AWS_ENDPOINT_URL_DATA_PIPELINE,
/// AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_ACCESS_KEY_ID and so on. Where the AWS credentials are not those of the Data Pipeline
/// service, DOWNSPOUT_ACCESS_KEY_ID and DOWNSPOUT_SECRET_ACCESS_KEY are the key of the service.
///
/// On SIGTERM or SIGINT the worker takes no new task, finishes the running tasks, and ends.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    worker: Worker,
}

#[derive(Debug, Args)]
struct Worker {
    /// Worker group to poll, as in `workerGroup` of the definition; repeat the option for more groups
    #[arg(
        long = "worker-group",
        alias = "workerGroup",
        env = "WORKER_GROUP",
        required = true,
        value_delimiter = ','
    )]
    worker_groups: Vec<String>,
    /// Largest number of tasks at the same time
    #[arg(long, env = "WORKER_CONCURRENCY", default_value_t = 4)]
    concurrency: usize,
    /// AWS region [default: from the environment]
    #[arg(long, env = "AWS_REGION")]
    region: Option<String>,
    /// Id of the worker in its heartbeats [default: host name and process id]
    #[arg(long, alias = "taskrunnerId", env = "WORKER_RUNNER_ID")]
    runner_id: Option<String>,
    /// Name of this host, which attempts show [default: $HOSTNAME, or the content of /etc/hostname]
    #[arg(long)]
    hostname: Option<String>,
    /// Folder for working directories [default: a folder in the temporary directory]
    #[arg(long, env = "WORKER_SCRATCH_DIR")]
    scratch_dir: Option<PathBuf>,
    /// Seconds that running tasks get to finish after SIGTERM
    #[arg(long, default_value_t = 30)]
    shutdown_limit: u64,
    /// Address of an instance of RDS, which an RdsDatabase names by `rdsInstanceId`, as ID=HOST:PORT; may be repeated
    #[arg(long = "rds-instance", env = "RDS_INSTANCES", value_name = "ID=HOST:PORT", value_delimiter = ',')]
    rds_instances: Vec<RdsInstance>,
    /// Write logs as JSON
    #[arg(long)]
    json_logs: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load one local CSV file into a table as a CopyActivity would
    #[command(hide = true)]
    Load(LoadFile),
}

#[derive(Debug, Args)]
struct LoadFile {
    /// URL of the database, as jdbc:postgresql://… or postgres://…
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Password, if the URL does not contain it
    #[arg(long, env = "PGPASSWORD", hide = true, hide_env_values = true)]
    password: Option<String>,
    /// Table, as schema.table
    #[arg(long)]
    table: String,
    /// append, replace or upsert
    #[arg(long, default_value = "append")]
    mode: String,
    /// Largest number of refused rows, as a count or as a share such as 1%
    #[arg(long, default_value = "0")]
    max_rejects: String,
    /// Pattern of dates that are not ISO 8601; may repeat
    #[arg(long)]
    date_format: Vec<String>,
    /// Whether to refuse the columns of the file that the table lacks (strict), to leave them out (ignore-extra), or to
    /// add them to the table (add-missing)
    #[arg(long, default_value = "strict")]
    on_columns: String,
    /// Allow the mode `replace` to change rows of other tables
    #[arg(long)]
    cascade: bool,
    /// The file has no header
    #[arg(long)]
    no_header: bool,
    /// The file
    file: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Load(file)) => {
            start_logs(false);
            load_file(file).await
        }
        None => {
            start_logs(arguments.worker.json_logs);
            work(arguments.worker).await
        }
    }
}

fn start_logs(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { logs.json().init() } else { logs.init() }
}

async fn work(arguments: Worker) -> anyhow::Result<()> {
    let hostname = arguments.hostname.unwrap_or_else(hostname);
    let own = std::process::id();
    let config = Config {
        worker_groups: arguments.worker_groups,
        runner_id: arguments.runner_id.unwrap_or_else(|| format!("{hostname}-{own}")),
        hostname,
        concurrency: arguments.concurrency,
        scratch_dir: arguments
            .scratch_dir
            .unwrap_or_else(|| std::env::temp_dir().join(format!("ec2-worker-{own}"))),
        shutdown_limit: Duration::from_secs(arguments.shutdown_limit),
        rds: arguments.rds_instances.into(),
        ..Config::new("", "")
    };
    let clients = Clients::from_env(arguments.region).await?;
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone()));
    tracing::info!(worker.groups = ?config.worker_groups, worker.hostname = config.hostname, "worker begins");
    ec2_worker::run(config, clients, shutdown).await
}

async fn cancel_on_signal(shutdown: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("finishing the running tasks, then ending");
    shutdown.cancel();
}

fn hostname() -> String {
    let file = || std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned());
    std::env::var("HOSTNAME").ok().or_else(file).unwrap_or_else(|| "localhost".to_owned())
}

async fn load_file(arguments: LoadFile) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("creating a scratch folder")?;
    let target = database::parse(&arguments.database_url, None, arguments.password.as_deref(), None, &[])
        .map_err(|problem| anyhow::anyhow!("--database-url {problem}"))?;
    let dates = arguments.date_format.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>();
    let dates = dates.map_err(anyhow::Error::msg)?;
    let problem = |option: &'static str| move |reason: String| anyhow::anyhow!("{option}: {reason}");
    let mode = field::MY_LOAD_MODE.parse(&arguments.mode).map_err(problem("--mode"))?;
    let limit = field::MY_MAX_REJECTS.parse(&arguments.max_rejects).map_err(problem("--max-rejects"))?;
    let on_columns = field::MY_ON_COLUMNS.parse(&arguments.on_columns).map_err(problem("--on-columns"))?;
    // Every call is new work, because a local file has no version for the ledger.
    let now = jiff::Timestamp::now().as_microsecond();
    let load = Load {
        key: WorkKey { pipeline: "local".to_owned(), instance: format!("load-{now}"), generation: 0 },
        target,
        schema: None,
        table: arguments.table,
        create: None,
        insert: None,
        sources: vec![Source { origin: Origin::File(arguments.file), gzip: false }],
        dialect: Dialect { header: !arguments.no_header, ..Dialect::default() },
        rows_of: RowsOf::File,
        declared: Vec::new(),
        rules: ValueRules { dates, ..ValueRules::default() },
        mode,
        on_columns,
        cascade: arguments.cascade,
        together: None,
        expect: load::Expectations::default(),
        limit,
        quarantine: None,
        scratch: scratch.path().to_owned(),
        patience: Duration::from_secs(10),
    };
    let progress = Progress::default();
    let result = load::load(&load, &Pool::default(), &progress).await;
    for (key, value) in progress.fields() {
        println!("{key}: {value}");
    }
    result.map_err(|failure| anyhow::anyhow!("{}: {failure}", failure.id))
}
