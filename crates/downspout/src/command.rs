//! The command line: one file for each command, or for some related commands.
//!
//! `up` and `demo` run a stack. `inspect`, `new`, `validate`, `render`, `graph`, `help-object` and `schema` need no stack, and
//! `dry-run` needs only a database. The other commands that users call are clients of a running stack.

mod bucket;
mod busy;
mod by_hand;
mod database_server;
mod dead_letters;
mod definition_file;
mod demo;
mod drop;
mod dry_run;
mod env;
mod excerpt;
pub mod exit;
mod follow;
mod graph;
mod help_object;
mod inspect;
mod keys;
mod local_files;
mod logs;
mod mails;
mod new;
mod output;
mod past;
mod pause_and_cancel;
mod private_files;
mod proof;
mod rejects;
mod render;
mod rerun;
mod resource_worker;
mod run_view;
mod running_stack;
mod runs;
mod server;
mod show;
mod stream;
mod sweep;
mod up;
mod validate;

use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser, Subcommand};

use crate::traces::Endpoint;

pub use exit::Exit;
pub use up::{LogArgs, LogFormat};

const AFTER_HELP: &str = "\
First steps:
  downspout demo                      see everything once: a drop, the tables, the mail
  downspout up                        start the stack, and keep it running
  downspout drop --wait *.csv         upload files, and follow their run to its end
  eval \"$(downspout env)\"             let the AWS CLI, boto3 and Terraform use the stack

Exit codes: 0 done; 1 the run or the command failed; 2 wrong usage; 3 nothing ran, because the set is incomplete, \
myMaxRunsPerDay is reached, or no pattern matches; 4 no stack is running.";

/// The data directory if the command line does not name one.
const DATA_DIR: &str = ".downspout";

/// Drop CSV files in a bucket; get your tables and an e-mail.
///
/// Downspout runs AWS Data Pipeline definitions when files arrive in a bucket. `downspout up` starts everything on this
/// machine: S3, the pipeline service, PostgreSQL, notifications with an outbox for mails, and workers.
#[derive(Debug, Parser)]
#[command(name = "downspout", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// Directory with the state of the stack; each directory has one stack [default: .downspout]
    #[arg(long, global = true, value_name = "DIR", env = "DOWNSPOUT_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Write more to the log on standard error; twice for debug messages (RUST_LOG sets a filter of its own)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// The command
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the whole stack, and keep it running
    Up(up::UpArgs),
    /// Print `export AWS_...` lines with which AWS tools use the stack
    Env(env::EnvArgs),
    /// Upload files to the drop bucket, and follow the run that they start
    Drop(drop::DropArgs),
    /// List the runs and their outcomes, and the sets that wait
    Runs(runs::RunsArgs),
    /// Show a run: times, rows, errors, and what each waiting object waits for
    Show(show::ShowArgs),
    /// Print the logs of a run
    Logs(logs::LogsArgs),
    /// Run a set of files again
    Rerun(rerun::RerunArgs),
    /// Run the sets of some days again
    Backfill(rerun::BackfillArgs),
    /// Let no run of a definition start
    Pause(pause_and_cancel::PauseArgs),
    /// Let the runs of a paused definition start again
    Resume(pause_and_cancel::PauseArgs),
    /// Cancel a run that is at work
    Cancel(pause_and_cancel::CancelArgs),
    /// List, show and export the rows that loads refused, and load them after they are mended
    Rejects(rejects::RejectsArgs),
    /// Say what the loads of a definition would do with local files, and change nothing
    DryRun(dry_run::DryRunArgs),
    /// Start everything that should run and has not started
    Sweep(sweep::SweepArgs),
    /// Say of every object that landed on a day which run took it, or why none did
    Proof(proof::ProofArgs),
    /// List, feed, follow, deliver and replay streams of records
    Stream(stream::StreamArgs),
    /// List the events that the orchestrator could not handle, or try them again
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Show what data files are: separator, encoding, columns with their types, suspicious rows
    Inspect(inspect::InspectArgs),
    /// Write a pipeline that loads files like these, with its tables
    New(new::NewArgs),
    /// Check definition files, and show each problem with its line and column
    Validate(validate::ValidateArgs),
    /// Print a definition as it will run, with values, inherited fields and expressions filled in
    Render(render::RenderArgs),
    /// Draw the run order of a definition, as SVG, DOT or Mermaid
    Graph(graph::GraphArgs),
    /// Explain an object type, or stream files: the fields, their values and their defaults
    HelpObject(help_object::HelpObjectArgs),
    /// Print the JSON Schema of definitions or stream files, with which editors complete and check them
    Schema(help_object::SchemaArgs),
    /// List the buckets, or the keys of one bucket
    Ls(bucket::LsArgs),
    /// Fetch an object from a bucket
    Get(bucket::GetArgs),
    /// Serve the Data Pipeline API alone, for hosting
    Server(Box<server::ServerArgs>),
    /// Add, list and revoke the access keys of a hosted server
    Keys(keys::KeysArgs),
    /// See everything once: start a stack, drop the sample files, show the tables and the mail
    Demo(demo::DemoArgs),
    /// Run the tasks of one resource, until the stack that started this worker ends
    #[command(hide = true)]
    ResourceWorker(resource_worker::ResourceWorkerArgs),
    /// Serve the embedded PostgreSQL, until the stack that started this process ends
    #[command(hide = true)]
    DatabaseServer(database_server::DatabaseServerArgs),
}

/// Runs the command.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let given = cli.data_dir.as_deref();
    let data_dir = given.unwrap_or(Path::new(DATA_DIR));
    let needs_a_stack = cli.command.needs_a_stack();
    let result = match cli.command {
        Command::Up(args) => up::run(data_dir, args).await,
        Command::Env(args) => env::run(data_dir, &args).await,
        Command::Drop(args) => drop::run(data_dir, &args).await,
        Command::Runs(args) => runs::run(data_dir, &args).await,
        Command::Show(args) => show::run(data_dir, &args).await,
        Command::Logs(args) => logs::run(data_dir, &args).await,
        Command::Rerun(args) => rerun::run(data_dir, &args).await,
        Command::Backfill(args) => rerun::backfill(data_dir, &args).await,
        Command::Pause(args) => pause_and_cancel::pause(data_dir, &args, true).await,
        Command::Resume(args) => pause_and_cancel::pause(data_dir, &args, false).await,
        Command::Cancel(args) => pause_and_cancel::cancel(data_dir, &args).await,
        Command::Rejects(args) => rejects::run(data_dir, &args).await,
        Command::DryRun(args) => dry_run::run(data_dir, &args).await,
        Command::Sweep(args) => sweep::run(data_dir, &args).await,
        Command::Proof(args) => proof::run(data_dir, &args).await,
        Command::Stream(args) => stream::run(data_dir, &args).await,
        Command::DeadLetters(args) => dead_letters::run(data_dir, &args).await,
        Command::Inspect(args) => inspect::run(&args).await,
        Command::New(args) => new::run(&args).await,
        Command::Validate(args) => validate::run(&args).await,
        Command::Render(args) => render::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::HelpObject(args) => help_object::run(&args),
        Command::Schema(args) => help_object::print_schema(&args),
        Command::Ls(args) => bucket::ls(data_dir, &args).await,
        Command::Get(args) => bucket::get(data_dir, &args).await,
        Command::Server(args) => server::run(*args).await,
        Command::Keys(args) => keys::run(args),
        Command::Demo(args) => demo::run(given, args).await,
        Command::ResourceWorker(args) => resource_worker::run(args).await,
        Command::DatabaseServer(args) => database_server::run(args).await,
    };
    if needs_a_stack { running_stack::explained(data_dir, result).await } else { result }
}

impl Command {
    /// Returns whether the command runs a stack in this process. The log of such a command is shown, because people
    /// want to see what the stack does.
    #[must_use]
    pub fn runs_a_stack(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Server(_))
    }

    /// Returns where the log of the command goes.
    #[must_use]
    pub fn log(&self) -> LogArgs {
        match self {
            Self::Up(args) => args.log.clone(),
            _ => LogArgs::default(),
        }
    }

    /// Returns the collector to which the command sends traces.
    pub(crate) fn otlp_endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Server(args) => args.otlp_endpoint(),
            _ => None,
        }
    }

    fn needs_a_stack(&self) -> bool {
        let is_hidden = matches!(self, Self::ResourceWorker(_) | Self::DatabaseServer(_));
        let is_pure = matches!(
            self,
            Self::Validate(_)
                | Self::Render(_)
                | Self::Graph(_)
                | Self::HelpObject(_)
                | Self::Schema(_)
                | Self::Inspect(_)
                | Self::New(_)
                | Self::Server(_)
                | Self::Keys(_)
        );
        !is_hidden && !is_pure && !matches!(self, Self::Up(_) | Self::Demo(_) | Self::DryRun(_))
    }
}
