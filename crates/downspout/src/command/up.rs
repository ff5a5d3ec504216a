//! `up`: runs the whole stack on this machine until it is told to stop.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use definition::period::Period;
use ec2_worker::RdsInstance;
use tokio::signal::unix::{SignalKind, signal};

use super::output::{self, Style};
use super::{Exit, private_files};
use crate::local::lambda::EventForm;
use crate::local::stack::{DefinitionSource, Endpoints, KEEP_LEDGERS, KEEP_MAILS, Keep, Stack, StackConfig};
use crate::local::topic::{AllowedOrigin, SmtpConfig};

const AFTER_HELP: &str = "\
Examples:
  downspout up
  downspout up --definitions ./pipelines --watch ~/exports --notify me@example.com
  DOWNSPOUT_DATABASE_URL=postgres://me:secret@127.0.0.1/warehouse downspout up

All servers listen on 127.0.0.1 only, and require the access key that `downspout env` prints. The data directory keeps \
all state: after a stop or a kill, the next `up` continues every run where it was.

Set the password for --smtp-url in DOWNSPOUT_SMTP_PASSWORD. Set a database address that contains a password in \
DOWNSPOUT_DATABASE_URL, not with --database-url: every process of the machine can read command lines.";

/// The folder of definitions that `up` uses if the command line does not name one.
const USUAL_FOLDER: &str = "pipeline-definitions";
/// How long `up` waits for the user's database before it prints a warning.
const DATABASE_WAIT: Duration = Duration::from_secs(10);
/// The largest number of workers. Each worker keeps connections open and may run a command.
const MOST_WORKERS: usize = 256;
/// The largest number of resources. Each resource is a process.
const MOST_RESOURCES: usize = 64;

/// Arguments of `up`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct UpArgs {
    /// Folder of the definitions; changed files take effect at once [default: ./pipeline-definitions if it exists, else the
    /// shipped definitions]
    #[arg(long, value_name = "DIR")]
    definitions: Option<PathBuf>,
    /// PostgreSQL server to use instead of the embedded one
    #[arg(long, value_name = "URL", env = "DOWNSPOUT_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Mail server that mails are sent to as well as to the outbox: smtps://user@host or smtp://host
    #[arg(long, value_name = "URL", env = "DOWNSPOUT_SMTP_URL")]
    smtp_url: Option<String>,
    /// File with the password of the mail server
    #[arg(long, value_name = "FILE")]
    smtp_password_file: Option<PathBuf>,
    /// Sender of the mails
    #[arg(long, value_name = "ADDRESS", default_value = "Downspout <downspout@localhost>")]
    mail_from: String,
    /// Send mails to this address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    notify: Vec<String>,
    /// Address that SNS subscriptions with the protocol http or https may name, such as https://hooks.example.com; may be
    /// repeated. Others are refused
    #[arg(long, value_name = "ADDRESS")]
    notify_http: Vec<AllowedOrigin>,
    /// Folder whose files are uploaded to the drop bucket once they stop growing; folders inside it are ignored
    #[arg(long, value_name = "DIR")]
    watch: Option<PathBuf>,
    /// How S3 events reach the orchestrator; on AWS you choose between the same ways
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    events: EventForm,
    /// How many workers run tasks at the same time
    #[arg(long, value_name = "N", default_value_t = 4)]
    workers: usize,
    /// DynamoDB server for DynamoDBTableExists and DynamoDBDataExists, such as DynamoDB Local; requests are signed with the
    /// keys that `downspout env` prints
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_DYNAMODB")]
    dynamodb_url: Option<String>,
    /// How long runs are kept after their end, such as `30 days`; the newest run of each pipeline stays
    #[arg(long, value_name = "PERIOD", env = "DOWNSPOUT_KEEP_RUNS", default_value = server::KEEP_RUNS)]
    keep_runs: Period,
    /// How long mails stay in the outbox
    #[arg(long, value_name = "PERIOD", env = "DOWNSPOUT_KEEP_MAILS", default_value = KEEP_MAILS)]
    keep_mails: Period,
    /// How long the logs of runs stay
    #[arg(long, value_name = "PERIOD", env = "DOWNSPOUT_KEEP_LOGS", default_value = KEEP_MAILS)]
    keep_logs: Period,
    /// How long the ledger remembers the runs of files that are gone from the drop bucket, at least 3 days
    #[arg(long, value_name = "PERIOD", env = "DOWNSPOUT_KEEP_LEDGERS", default_value = KEEP_LEDGERS)]
    keep_ledgers: Period,
    /// Address of a PostgreSQL server that definitions name as an instance of RDS, by `rdsInstanceId`; may be repeated
    #[arg(long = "rds-instance", env = "RDS_INSTANCES", value_name = "ID=HOST:PORT", value_delimiter = ',')]
    rds_instances: Vec<RdsInstance>,
    /// How many resources (`runsOn` an Ec2Resource) exist at the same time, each a worker process; others wait
    #[arg(long, value_name = "N", default_value_t = 4)]
    resources: usize,
    #[command(flatten)]
    pub(super) log: LogArgs,
    /// Name by which clients reach this machine, beside localhost; may be repeated. Requests to other names are refused, so
    /// that no page in a browser can call the stack by a name that changes its address
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
}

/// The place and the form of the log.
#[derive(Clone, Debug, Default, Args)]
pub struct LogArgs {
    /// File to write the log to instead of standard error; each day begins a new file with the date at its end, and the last 14
    /// stay
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Form of the log
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object in each line
    Json,
}

pub(super) async fn run(data_dir: &Path, args: UpArgs) -> anyhow::Result<Exit> {
    // The signal handlers come first, so that a signal during the start also stops the stack.
    let stop = asked_to_stop()?;
    let config = StackConfig { command_umask: Some(private_files::ensure()?), ..config(data_dir, args)? };
    let definitions = describe(&config.definitions);
    let watch = config.watch.clone();
    let own_database = config.database_url.clone();
    let limits = described_limits(&config);
    let mut stop = std::pin::pin!(stop);
    let mut stack = tokio::select! {
        started = Stack::start(config) => started?,
        () = &mut stop => return Ok(Exit::Done),
    };
    let streams = stack.stream_names().await;
    output::print(&address_table(stack.endpoints(), &definitions, watch.as_deref(), &streams))?;
    output::line(&limits)?;
    let run = async {
        if let Some(url) = own_database
            && let Err(why) = reach(&url).await
        {
            // The stack goes on, because the database may still be starting.
            output::line(&format!(
                "The database cannot be used: {why}. Runs that need it will wait for it, and then fail."
            ))?;
        }
        Err::<(), anyhow::Error>(stack.broken().await)
    };
    let error = tokio::select! {
        () = &mut stop => None,
        error = run => error.err(),
    };
    stack.stop().await;
    error.map_or(Ok(Exit::Done), Err)
}

/// Connects to the user's database once. The error says why the database cannot be used.
async fn reach(url: &str) -> Result<(), String> {
    // The program at that address may not be a database, and may never answer.
    let checked = tokio::time::timeout(DATABASE_WAIT, ec2_worker::database::check(url)).await;
    checked.unwrap_or_else(|_| Err(format!("no answer within {} s", DATABASE_WAIT.as_secs())))
}

fn config(data_dir: &Path, args: UpArgs) -> anyhow::Result<StackConfig> {
    let definitions = match args.definitions {
        Some(folder) => {
            anyhow::ensure!(
                folder.is_dir(),
                "--definitions {}: this folder does not exist",
                folder.display()
            );
            DefinitionSource::Folder(folder)
        }
        None if Path::new(USUAL_FOLDER).is_dir() => DefinitionSource::Folder(USUAL_FOLDER.into()),
        None => DefinitionSource::Shipped,
    };
    if let Some(folder) = args.watch.as_ref().filter(|folder| !folder.is_dir()) {
        anyhow::bail!("--watch {}: this folder does not exist", folder.display());
    }
    let smtp = args.smtp_url.as_deref().map(|url| SmtpConfig::read(url, args.smtp_password_file.as_deref()));
    if let Err(error) = args.mail_from.parse::<lettre::message::Mailbox>() {
        anyhow::bail!("--mail-from {}: {error}; write it as `Name <name@example.com>`", args.mail_from);
    }
    let workers = 1..=MOST_WORKERS;
    anyhow::ensure!(
        workers.contains(&args.workers),
        "--workers {}: the number must be from 1 to {MOST_WORKERS}",
        args.workers
    );
    let resources = 1..=MOST_RESOURCES;
    anyhow::ensure!(
        resources.contains(&args.resources),
        "--resources {}: the number must be from 1 to {MOST_RESOURCES}",
        args.resources
    );
    Ok(StackConfig {
        definitions,
        database_url: args.database_url,
        smtp: smtp.transpose()?,
        mail_from: args.mail_from,
        notify: args.notify,
        notify_http: args.notify_http,
        watch: args.watch,
        events: args.events,
        workers: args.workers,
        keep_runs: args.keep_runs,
        keep: Keep { mails: args.keep_mails, logs: args.keep_logs, ledgers: args.keep_ledgers },
        dynamodb_url: args.dynamodb_url,
        rds: args.rds_instances.into(),
        resources: args.resources,
        host_names: args.host_name,
        files: open_files()?,
        ..StackConfig::new(data_dir)
    })
}

/// Returns a line that says how many files the process may open, and the consequence.
fn described_limits(config: &StackConfig) -> String {
    let connections = config.endpoint_limits().connections;
    let (files, connections) = (output::count(config.files), output::count(connections as u64));
    format!(
        "This process may open {files} files (ulimit -n), so each endpoint takes up to {connections} connections."
    )
}

/// Raises the limit of open files as far as the system allows, and returns the limit.
fn open_files() -> anyhow::Result<u64> {
    http_front::raise_file_limit().context("reading the limit of open files (ulimit -n)")
}

fn describe(definitions: &DefinitionSource) -> String {
    match definitions {
        DefinitionSource::Folder(folder) => {
            format!("{} (changed files take effect at once)", folder.display())
        }
        DefinitionSource::Shipped => "the shipped definitions".to_owned(),
    }
}

/// Returns a future that completes at the first SIGINT or SIGTERM. Fails if the handlers of the signals cannot be
/// installed.
pub(super) fn asked_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns the table of addresses and folders that `up` prints.
///
/// The password of the database is left out, because the table may end up in a log. `downspout env` prints it.
pub(super) fn address_table(
    endpoints: &Endpoints,
    definitions: &str,
    watch: Option<&Path>,
    streams: &[String],
) -> String {
    let buckets = &endpoints.buckets;
    let mut rows = vec![
        ("S3", endpoints.s3.clone()),
        ("Data Pipeline", endpoints.datapipeline.clone()),
        ("SNS", endpoints.sns.clone()),
        ("Kinesis, Firehose", endpoints.streams.clone()),
        ("PostgreSQL", without_password(&endpoints.postgres)),
        ("drop files into", format!("s3://{}/incoming/<day>/", buckets.drop)),
        ("definitions", definitions.to_owned()),
        ("results", format!("s3://{}", buckets.results)),
        ("logs", format!("s3://{}", buckets.logs)),
        ("mails", endpoints.outbox.display().to_string()),
    ];
    rows.extend(watch.map(|folder| ("watched folder", folder.display().to_string())));
    rows.extend(streams.iter().map(|name| ("stream", format!("{}/streams/{name}", endpoints.streams))));
    let rows = rows.into_iter().map(|(name, value)| vec![output::paint(name, Style::Bold), value]).collect();
    format!(
        "{}\n{}",
        output::table(&[], rows),
        "Ready. In another terminal: downspout drop --wait FILE...   or   eval \"$(downspout env)\"\n"
    )
}

fn without_password(url: &str) -> String {
    let Ok(mut url) = url::Url::parse(url) else { return "the address in --database-url".to_owned() };
    // A password in the query is left out, too. Only a URL without a host cannot have a password, so the error is ignored.
    url.set_query(None);
    if url.password().is_some() {
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}
