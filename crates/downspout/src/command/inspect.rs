//! `inspect`: shows the form, the columns and the types of data files, before anything is loaded.

mod print;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use ec2_worker::etl::inspect::report::Report;
use ec2_worker::etl::inspect::{self, Inspection, Progress};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Exit, output};
pub(super) use print::{header, percent};

const AFTER_HELP: &str = "\
Examples:
  downspout inspect orders.csv                     separator, encoding, columns with their types, suspicious rows
  downspout inspect export.xlsx --sheet Prices     a sheet of a workbook
  gunzip -c big.gz | downspout inspect -           standard input
  downspout inspect *.csv --json                   for programs

The whole file is read. It may be packed (gzip, Zstandard, bzip2, xz, zip of one file), in any encoding, and CSV, TSV, \
JSON lines, a JSON array of objects, or an Excel workbook (.xlsx). What a file is shows in its bytes; its name does not matter.

The table has a line for each column:
  type      the type that most values have
  fits      the share of the values that have it, without texts such as N/A that mean no value
  null      the share of fields that a load by `downspout new` takes for NULL
  distinct  the number of different values; a + says that there may be more

`downspout new NAME FILE` writes a pipeline that loads the file.

Exit codes: 0 the files were read, perhaps with suspicious rows; 1 a file cannot be read; 2 wrong usage.";

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct InspectArgs {
    /// Files to read; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name or number of the sheet of a workbook [default: the first]
    #[arg(long)]
    sheet: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &InspectArgs) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let mut reports = Vec::new();
    for path in &args.files {
        match of(path, args.sheet.as_deref()).await {
            Ok(inspection) => {
                let report = Report::of(&inspection);
                match args.json {
                    true => reports.push(report),
                    false => output::print(&print::report(&report))?,
                }
            }
            Err(error) => {
                output::complain!("downspout: {}", output::harmless(&format!("{error:#}")));
                exit = Exit::Failed;
            }
        }
    }
    if args.json {
        output::json(&reports)?;
    }
    Ok(exit)
}

/// Inspects one file, or standard input for `-`, with a progress bar on a terminal.
pub(super) async fn of(path: &Path, sheet: Option<&str>) -> anyhow::Result<Inspection> {
    if path.as_os_str() == "-" {
        let copy = tokio::task::spawn_blocking(copy_of_input).await??;
        return inspected(copy.path(), "standard input", sheet).await;
    }
    inspected(path, &path.display().to_string(), sheet).await
}

async fn inspected(path: &Path, name: &str, sheet: Option<&str>) -> anyhow::Result<Inspection> {
    let bar = bar(name);
    let watch = bar.clone();
    let progress: Progress = Arc::new(move |bytes, total| {
        watch.set_length(total);
        watch.set_position(bytes);
    });
    let inspection = inspect::inspect(path, name, sheet, progress).await;
    bar.finish_and_clear();
    Ok(inspection?)
}

/// Copies standard input to a file, because a file is read twice.
fn copy_of_input() -> anyhow::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new().context("making a temporary file for standard input")?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file).context("reading standard input")?;
    Ok(file)
}

fn bar(name: &str) -> ProgressBar {
    if !output::is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg}");
    let style = style.expect("the template is a constant");
    ProgressBar::new(0).with_style(style).with_message(name.to_owned())
}
