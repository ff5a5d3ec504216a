//! `rejects`: lists, shows and exports the rows that loads refused, and loads them after they are mended.

mod file;
mod list;
mod retry;
mod selection;

use std::path::Path;

use clap::{Args, Subcommand};

use super::definition_file::Setting;
use super::{Exit, output, running_stack};
use file::Place;
use selection::Selection;

const AFTER_HELP: &str = "\
A row that does not fit its table is refused with its reason, and kept in the table <table>_rejects. The way back:
  downspout rejects list            (shows which runs refused rows, and why)
  downspout rejects export mend.csv --run df-0123456789ABCDEFGHIJ --activity LoadOrders
  (mend the column raw_line; remove the lines that should stay out)
  downspout rejects retry mend.csv --run df-0123456789ABCDEFGHIJ --activity LoadOrders

If a load failed because it refused too many rows, none of its rows are in the table. Mend the file itself then, and use \
`downspout rerun`.

The database is that of the definition, as the run had it. Its password comes from --set, from the `values.json` and the \
definition in the bucket for definitions, or else from PGPASSWORD. It is never printed.";
const EXPORT_HELP: &str = "\
Examples:
  downspout rejects export mend.csv --run df-0123456789ABCDEFGHIJ --activity LoadOrders
  downspout rejects export s3://downspout-results/mend.csv --table staging.orders
  downspout rejects export - --run df-0123456789ABCDEFGHIJ --activity LoadOrders | less

The file is a CSV with the columns file, line, byte_offset, column_name, reason, raw_line, loaded_at and pipeline_id. raw_line is \
the row as it was tried last, in the dialect of its file. In a spreadsheet, import the columns as text, so that it changes no value by \
itself, and save the file as CSV UTF-8.";
const RETRY_HELP: &str = "\
Examples:
  downspout rejects retry mend.csv --run df-0123456789ABCDEFGHIJ --activity LoadOrders

The rows of FILE are loaded as the run loaded its files: the same format, rules of values, table and mode. After `replace`, \
they are added to the rows of the run, if no later run has replaced them. After `upsert`, they are not loaded if a later run has \
loaded the table, or if the run itself has loaded a row with the same key, unless --over-newer is given.

One transaction loads the rows, marks them in <table>_rejects (retried_at) and writes a row into downspout.ledger. A row is \
loaded once: a second retry of it is refused, and then nothing of FILE is loaded. Rows that are refused again stay in \
<table>_rejects, with the new reason and the new text. The original text stays in the quarantine file of the run.

Mend only the column raw_line. FILE needs the columns file, line, byte_offset and raw_line; separators may be commas, \
semicolons or tabs. The original file must still be in S3, because the retry reads its header there.

Exit codes: 0 every row was loaded; 1 a row was refused again, or nothing could be loaded.";

/// Arguments of `rejects`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct RejectsArgs {
    #[command(subcommand)]
    command: RejectsCommand,
}

#[derive(Debug, Subcommand)]
enum RejectsCommand {
    /// List the refused rows by run, activity, table and file, with the most frequent reasons
    List(ListArgs),
    /// Show the refused rows: line, column, reason and text
    Show(ShowArgs),
    /// Write the refused rows into a CSV file, in which a person can mend them
    #[command(after_help = EXPORT_HELP)]
    Export(ExportArgs),
    /// Load mended rows, once
    #[command(after_help = RETRY_HELP)]
    Retry(RetryArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    selection: Selection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    selection: Selection,
    /// Largest number of rows
    #[arg(long, default_value_t = 100)]
    limit: i64,
    /// Show the rows that a retry has loaded too
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// File to write: a path, an `s3://bucket/key`, or `-` for standard output
    #[arg(value_name = "FILE")]
    to: Place,
    /// Replace FILE if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, Args)]
struct RetryArgs {
    /// Mended file: a path or an `s3://bucket/key`
    #[arg(value_name = "FILE")]
    from: Place,
    /// Id of the pipeline whose run refused the rows, `df-...`
    #[arg(long, value_name = "ID")]
    run: String,
    /// Activity that refused the rows, or one of its instances (`@Load_2026-...`)
    #[arg(long, value_name = "ID")]
    activity: String,
    /// Load the rows even if they may replace rows that stood below them in their file, or that a later run has upserted
    #[arg(long)]
    over_newer: bool,
    /// Value of a parameter, such as a password; may be repeated
    #[arg(long = "set", value_name = "myKey=value")]
    settings: Vec<Setting>,
    #[command(flatten)]
    databases: super::by_hand::Databases,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(data_dir: &Path, args: &RejectsArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    match &args.command {
        RejectsCommand::List(args) => list::list(&endpoints, &args.selection, args.json).await,
        RejectsCommand::Show(args) => list::show(&endpoints, args).await,
        RejectsCommand::Export(args) => export(&endpoints, args).await,
        RejectsCommand::Retry(args) => retry::run(&endpoints, args).await,
    }
}

async fn export(endpoints: &crate::local::stack::Endpoints, args: &ExportArgs) -> anyhow::Result<Exit> {
    args.selection.must_select("export")?;
    // A file that exists may be one that a person has mended.
    anyhow::ensure!(
        args.force || !args.to.exists(endpoints).await?,
        "{} exists: give another name, or --force to replace it",
        args.to
    );
    let sources = args.selection.sources(endpoints).await?;
    let mut rows = Vec::new();
    for source in &sources {
        rows.extend(source.rows(&args.selection, true, None).await?);
    }
    if rows.is_empty() {
        output::complain!("{}", args.selection.nothing());
        return Ok(Exit::NothingRan);
    }
    args.to.write(endpoints, &file::written(&rows)?).await?;
    if !args.to.is_standard_output() {
        let count = output::count(rows.len() as u64);
        output::line(&format!("{count} refused rows are in {}: mend the column raw_line", args.to))?;
    }
    Ok(Exit::Done)
}
