//! `up`: the whole stack on this machine, until it is told to stop.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use definition::period::Period;
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use super::output::{self, Style};
use crate::local::stack::{DefinitionSource, Endpoints, Stack, StackConfig};
use crate::local::topic::SmtpConfig;

const AFTER_HELP: &str = "\
Examples:
  downspout up
  downspout up --definitions ./pipelines --watch ~/exports --notify me@example.com
  DOWNSPOUT_DATABASE_URL=postgres://me:secret@127.0.0.1/warehouse downspout up

Everything listens on 127.0.0.1 alone, and asks for the access key that `downspout env` prints. The data directory
keeps all state: stop it, kill it, and start it again; runs go on where they were.

DOWNSPOUT_SMTP_PASSWORD holds the password for --smtp-url. An address with a password is better given in
DOWNSPOUT_DATABASE_URL than with --database-url: command lines can be read by every process of the machine.";

/// Where `up` looks for definitions by itself.
const USUAL_FOLDER: &str = "pipeline-definitions";
/// How long `up` waits for the user's database to answer before it says so.
const DATABASE_WAIT: Duration = Duration::from_secs(10);
/// Each keeps connections open and may run a command.
const MOST_WORKERS: usize = 256;
/// Each is a process.
const MOST_RESOURCES: usize = 64;

/// Arguments of `up`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct UpArgs {
    /// Folder of the definitions, followed as it changes [default: ./pipeline-definitions if there is one, else the
    /// shipped ones]
    #[arg(long, value_name = "DIR")]
    definitions: Option<PathBuf>,
    /// A PostgreSQL of your own instead of the embedded one
    #[arg(long, value_name = "URL", env = "DOWNSPOUT_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A mail server to send mails to, besides the outbox: smtps://user@host or smtp://host
    #[arg(long, value_name = "URL", env = "DOWNSPOUT_SMTP_URL")]
    smtp_url: Option<String>,
    /// File with the mail server's password
    #[arg(long, value_name = "FILE")]
    smtp_password_file: Option<PathBuf>,
    /// Sender of the mails
    #[arg(long, value_name = "ADDRESS", default_value = "Downspout <downspout@localhost>")]
    mail_from: String,
    /// Send mails to this address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    notify: Vec<String>,
    /// Upload files that are put here to the drop bucket, once they have stopped growing; folders in it are left alone
    #[arg(long, value_name = "DIR")]
    watch: Option<PathBuf>,
    /// How many workers do tasks at the same time
    #[arg(long, value_name = "N", default_value_t = 4)]
    workers: usize,
    /// A DynamoDB for DynamoDBTableExists and DynamoDBDataExists to look at, such as DynamoDB Local; requests are signed
    /// with the keys that `downspout env` prints
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL_DYNAMODB")]
    dynamodb_url: Option<String>,
    /// How long runs are kept after they ended, such as `30 days`; the newest of each pipeline stays
    #[arg(long, value_name = "PERIOD", env = "DOWNSPOUT_KEEP_RUNS", default_value = server::KEEP_RUNS)]
    keep_runs: Period,
    /// How many resources (runsOn an Ec2Resource) are there at the same time, each a worker process; others wait
    #[arg(long, value_name = "N", default_value_t = 4)]
    resources: usize,
}

pub(super) async fn run(data_dir: &Path, args: UpArgs) -> anyhow::Result<Exit> {
    // Before anything is started: a signal that comes while starting counts as well.
    let stop = asked_to_stop()?;
    let config = config(data_dir, args)?;
    let definitions = describe(&config.definitions);
    let watch = config.watch.clone();
    let own_database = config.database_url.clone();
    let mut stop = std::pin::pin!(stop);
    let mut stack = tokio::select! {
        started = Stack::start(config) => started?,
        () = &mut stop => return Ok(Exit::Done),
    };
    let is_own = own_database.is_some();
    output::print(&what_is_where(stack.endpoints(), &definitions, watch.as_deref(), is_own))?;
    let run = async {
        if let Some(url) = own_database
            && let Err(why) = reach(&url).await
        {
            // No reason to stay down: it may be on its way up as well.
            output::line(&format!("Runs that need PostgreSQL will wait, then fail: {why}."))?;
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

/// Connects to the user's database once.
async fn reach(url: &str) -> Result<(), String> {
    // What listens there may be no database, and say nothing.
    let checked = tokio::time::timeout(DATABASE_WAIT, ec2_worker::database::check(url)).await;
    checked.unwrap_or_else(|_| Err(format!("no answer within {} s", DATABASE_WAIT.as_secs())))
}

fn config(data_dir: &Path, args: UpArgs) -> anyhow::Result<StackConfig> {
    let definitions = match args.definitions {
        Some(folder) => {
            anyhow::ensure!(folder.is_dir(), "--definitions {}: there is no such folder", folder.display());
            DefinitionSource::Folder(folder)
        }
        None if Path::new(USUAL_FOLDER).is_dir() => DefinitionSource::Folder(USUAL_FOLDER.into()),
        None => DefinitionSource::Shipped,
    };
    let smtp = args.smtp_url.as_deref().map(|url| SmtpConfig::read(url, args.smtp_password_file.as_deref()));
    if let Err(error) = args.mail_from.parse::<lettre::message::Mailbox>() {
        anyhow::bail!("--mail-from {}: {error}; write it as `Name <name@example.com>`", args.mail_from);
    }
    let workers = 1..=MOST_WORKERS;
    anyhow::ensure!(workers.contains(&args.workers), "--workers {}: give 1 to {MOST_WORKERS}", args.workers);
    let resources = 1..=MOST_RESOURCES;
    anyhow::ensure!(
        resources.contains(&args.resources),
        "--resources {}: give 1 to {MOST_RESOURCES}",
        args.resources
    );
    Ok(StackConfig {
        definitions,
        database_url: args.database_url,
        smtp: smtp.transpose()?,
        mail_from: args.mail_from,
        notify: args.notify,
        watch: args.watch,
        workers: args.workers,
        keep_runs: args.keep_runs,
        dynamodb_url: args.dynamodb_url,
        resources: args.resources,
        ..StackConfig::new(data_dir)
    })
}

fn describe(definitions: &DefinitionSource) -> String {
    match definitions {
        DefinitionSource::Folder(folder) => format!("{} (followed as it changes)", folder.display()),
        DefinitionSource::Shipped => "the shipped ones, in the program itself".to_owned(),
    }
}

/// Completes when the process is asked to stop.
fn asked_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns the table of what is where.
///
/// The password of the user's own database is not shown: this may be read in a log.
pub(super) fn what_is_where(
    endpoints: &Endpoints,
    definitions: &str,
    watch: Option<&Path>,
    own_database: bool,
) -> String {
    let buckets = &endpoints.buckets;
    let mut rows = vec![
        ("S3", endpoints.s3.clone()),
        ("Data Pipeline", endpoints.datapipeline.clone()),
        ("SNS", endpoints.sns.clone()),
        (
            "PostgreSQL",
            if own_database { without_password(&endpoints.postgres) } else { endpoints.postgres.clone() },
        ),
        ("drop files into", format!("s3://{}/incoming/<day>/", buckets.drop)),
        ("definitions", definitions.to_owned()),
        ("results", format!("s3://{}", buckets.results)),
        ("logs", format!("s3://{}", buckets.logs)),
        ("mails", endpoints.outbox.display().to_string()),
    ];
    rows.extend(watch.map(|folder| ("watched folder", folder.display().to_string())));
    let rows = rows.into_iter().map(|(name, place)| vec![output::paint(name, Style::Bold), place]).collect();
    format!(
        "{}\n{}",
        output::table(&[], rows),
        "Ready. In another terminal: downspout drop --wait FILE...   or   eval \"$(downspout env)\"\n"
    )
}

fn without_password(url: &str) -> String {
    let Ok(mut url) = url::Url::parse(url) else { return "as --database-url says".to_owned() };
    // A password in the query is not shown either; only a URL without a host refuses, and it has none.
    url.set_query(None);
    if url.password().is_some() {
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}
