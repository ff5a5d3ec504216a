//! `render`: prints a definition as it will run.

use std::path::PathBuf;

use clap::Args;
use definition::file;
use definition::render::render;
use definition::schedule::Interval;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::definition_file::{self, Setting};
use super::{Exit, output, validate};

const AFTER_HELP: &str = "\
Examples:
  downspout render pipeline-definitions/orders.json --set myDay=2026-01-31
  downspout render daily.json --at 2026-01-31T22:00:00

Values are filled in, inherited fields are written out, and expressions are evaluated. An expression that only a run can \
evaluate, such as #{node.errorMessage}, stays as it is, and so does every secret.";

/// Arguments of `render`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RenderArgs {
    /// Definition: a JSON file as the AWS CLI takes it
    file: PathBuf,
    /// Value of a parameter, instead of the file's own; may be repeated
    #[arg(long = "set", value_name = "myKey=value")]
    settings: Vec<Setting>,
    /// Scheduled start of the run, UTC [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime>,
    /// Scheduled end of the run, UTC [default: the start]
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime>,
}

pub(super) fn run(args: &RenderArgs) -> anyhow::Result<Exit> {
    let file = definition_file::read(&args.file, &args.settings)?;
    if file.diagnosis.errors().next().is_some() {
        output::complain!("{}", validate::describe(&file).trim_end());
        return Ok(Exit::Failed);
    }
    let utc = |time: DateTime| Ok::<_, anyhow::Error>(time.to_zoned(TimeZone::UTC)?.timestamp());
    let start = args.at.map_or_else(|| Ok(Timestamp::now()), utc)?;
    let end = args.until.map_or(Ok(start), utc)?;
    let rendered = render(&file.diagnosis.definition, &[], Some(Interval { start, end }));
    output::json(&file::to_json(&rendered))?;
    Ok(Exit::Done)
}
