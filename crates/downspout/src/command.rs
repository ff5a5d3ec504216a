//! The command line: one file per command. All but `up` and `demo` are AWS SDK clients of a running stack.

mod bucket;
mod dead_letters;
mod definition_file;
mod demo;
mod drop;
mod env;
mod excerpt;
pub mod exit;
mod follow;
mod graph;
mod help_object;
mod logs;
mod output;
mod render;
mod rerun;
mod resource_worker;
mod run_view;
mod running_stack;
mod runs;
mod show;
mod sweep;
mod up;
mod validate;

use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser, Subcommand};

pub use exit::Exit;

const AFTER_HELP: &str = "\
First steps:
  downspout demo                      see it all once: a drop, the tables, the mail
  downspout up                        bring the stack up, and leave it running
  downspout drop --wait *.csv         drop files and follow their run to its end
  eval \"$(downspout env)\"             make the AWS CLI, boto3 and Terraform talk to the stack

Exit codes: 0 done; 1 the run failed, or the command could not do it; 2 wrong usage;
3 nothing ran (set incomplete, over its cap, or no pattern fits); 4 no stack is running.";

/// The data directory where none is named.
const DATA_DIR: &str = ".downspout";

/// Drop CSVs in a bucket; get your tables and an e-mail.
///
/// Downspout runs AWS Data Pipeline definitions, started by files that land in a bucket. `downspout up` brings
/// all of it up on this machine: S3, the pipeline service, Postgres, notifications with an outbox, and workers.
#[derive(Debug, Parser)]
#[command(name = "downspout", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct Cli {
    /// Where the stack keeps all it has; one stack per directory [default: .downspout]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Say more on stderr; twice for very much more (RUST_LOG says exactly what)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring everything up and stay
    Up(up::UpArgs),
    /// Print `export AWS_...` lines, so that any AWS tool talks to the stack
    Env(env::EnvArgs),
    /// Upload files to the drop bucket, and follow the run they start
    Drop(drop::DropArgs),
    /// List pipelines and how their runs went
    Runs(runs::RunsArgs),
    /// Show a run: what happened when, rows, errors, and what waits for what
    Show(show::ShowArgs),
    /// Print the logs of a run
    Logs(logs::LogsArgs),
    /// Run the files of a failed run once more
    Rerun(rerun::RerunArgs),
    /// Start now whatever should run and does not
    Sweep(sweep::SweepArgs),
    /// List events that could not be handled, or hand them out again
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Check definition files, with line and column of every problem
    Validate(validate::ValidateArgs),
    /// Print a definition as it will run: values, inheritance and expressions worked out
    Render(render::RenderArgs),
    /// Draw a definition's run order, as SVG, DOT or Mermaid
    Graph(graph::GraphArgs),
    /// Explain an object type: its fields, what they hold, their defaults
    HelpObject(help_object::HelpObjectArgs),
    /// Print the JSON Schema of definitions, with which an editor completes and checks
    Schema(help_object::SchemaArgs),
    /// List buckets, or the keys of one
    Ls(bucket::LsArgs),
    /// Fetch an object of a bucket
    Get(bucket::GetArgs),
    /// See it all once: bring a stack up, drop the sample files, show tables and mail
    Demo(demo::DemoArgs),
    /// Do the tasks of one resource, as long as the stack that started it
    #[command(hide = true)]
    ResourceWorker(resource_worker::ResourceWorkerArgs),
}

/// Carries out the command.
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
        Command::Sweep(args) => sweep::run(data_dir, &args).await,
        Command::DeadLetters(args) => dead_letters::run(data_dir, &args).await,
        Command::Validate(args) => validate::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::HelpObject(args) => help_object::run(&args),
        Command::Schema(_) => help_object::print_schema(),
        Command::Ls(args) => bucket::ls(data_dir, &args).await,
        Command::Get(args) => bucket::get(data_dir, &args).await,
        Command::Demo(args) => demo::run(given, args).await,
        Command::ResourceWorker(args) => resource_worker::run(args).await,
    };
    if needs_a_stack { running_stack::explained(data_dir, result).await } else { result }
}

impl Command {
    /// Returns whether the command runs a stack in this process, whose log people want to see.
    #[must_use]
    pub fn runs_a_stack(&self) -> bool {
        matches!(self, Self::Up(_))
    }

    fn needs_a_stack(&self) -> bool {
        let is_pure = matches!(
            self,
            Self::Validate(_) | Self::Render(_) | Self::Graph(_) | Self::HelpObject(_) | Self::Schema(_)
        );
        !is_pure && !matches!(self, Self::Up(_) | Self::Demo(_) | Self::ResourceWorker(_))
    }
}
