//! `dry-run`: says what the loads of a definition would do with local files, and changes nothing.

mod report;

use std::path::{Path, PathBuf};

use clap::Args;
use ec2_worker::by_hand::TableLoad;
use ec2_worker::database::Pool;

use super::definition_file::{self, Setting};
use super::local_files::{Plan, Purpose};
use super::{Exit, by_hand, output, running_stack, validate};
use report::Report;

const AFTER_HELP: &str = "\
Examples:
  downspout dry-run orders.json --with orders.csv
  downspout dry-run orders.json --with OrdersCsv=new.csv --set myDay=2026-01-31

Every CopyActivity from S3 to a table is tried with the local file that stands for its input. A file belongs to the input \
whose key ends with the same name; NODE=FILE names the S3DataNode. For a directoryPath, repeat NODE=FILE, or give a folder.

The loads run as a worker would run them, on the database of the definition, in a transaction that is undone: no table, no \
row, no ledger row and no file stays. Numbers that a sequence has given are not given again. While it runs, a dry run holds \
the locks of a load, and keeps two copies of the table in temporary tables to compare them. SQL and shell activities do not run.

Values come from the file, from the running stack if there is one, from a `values.json` beside the file, and from --set. A \
password that none of them has is taken from PGPASSWORD.

Exit codes: 0 every load would succeed, perhaps with refused rows that myMaxRejects allows; 1 a load would fail.";

/// Arguments of `dry-run`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DryRunArgs {
    /// Definition: a JSON file as the AWS CLI takes it
    definition: PathBuf,
    /// Local file in place of an input; may be repeated
    #[arg(long = "with", value_name = "[NODE=]FILE", required = true)]
    files: Vec<String>,
    /// Value of a parameter, instead of the file's own; may be repeated
    #[arg(long = "set", value_name = "myKey=value")]
    settings: Vec<Setting>,
    #[command(flatten)]
    databases: by_hand::Databases,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(data_dir: &Path, args: &DryRunArgs) -> anyhow::Result<Exit> {
    // A stack is not needed: it only knows values that the file may lack.
    let of_stack = match running_stack::reach(data_dir).await {
        Ok(endpoints) => by_hand::values_of(&endpoints).await,
        Err(_) => Vec::new(),
    };
    let file = definition_file::read_with(&args.definition, &args.settings, &of_stack)?;
    if file.diagnosis.errors().next().is_some() {
        output::complain!("{}", validate::describe(&file).trim_end());
        return Ok(Exit::Failed);
    }
    let scratch = tempfile::tempdir()?;
    let plan = Plan::of(
        &file.diagnosis.definition,
        &args.files,
        Purpose::Run,
        &args.databases.rds(),
        scratch.path(),
    )?;
    let loads: Vec<(&TableLoad, Vec<PathBuf>)> =
        plan.loads.iter().map(|(load, files)| (load, files.clone())).collect();
    let results = TableLoad::dry_run(&loads, &Pool::default()).await?;
    let reports =
        plan.loads.iter().zip(&results).map(|((load, files), result)| Report { load, files, result });
    let reports: Vec<Report<'_>> = reports.collect();
    match args.json {
        true => output::json(&reports.iter().map(Report::json).collect::<Vec<_>>())?,
        false => {
            let mut text: String = reports.iter().map(Report::text).collect();
            text.extend(plan.left_out.iter().map(|line| format!("{line}\n")));
            text.push_str("Nothing was changed: every transaction was undone.\n");
            output::print(&text)?;
        }
    }
    let fails = results.iter().any(|result| result.failure.is_some());
    Ok(if fails { Exit::Failed } else { Exit::Done })
}
