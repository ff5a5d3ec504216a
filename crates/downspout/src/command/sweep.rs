//! `sweep`: starts everything that should run and has not started.

use std::path::Path;

use clap::Args;
use orchestrator::SweepReport;

use super::{Exit, output, running_stack};

const AFTER_HELP: &str = "\
The stack sweeps when it starts and once a minute; this command sweeps at once. A sweep starts complete sets whose events \
were lost and sets that were put off until today, and finishes everything that a crash left half done.";

/// Arguments of `sweep`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct SweepArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(data_dir: &Path, args: &SweepArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let report: SweepReport = running_stack::ask(&endpoints, http::Method::POST, "/sweep").await?;
    if args.json {
        output::json(&report)?;
    } else {
        output::print(&describe(&report))?;
    }
    Ok(if report.failures.is_empty() { Exit::Done } else { Exit::Failed })
}

fn describe(report: &SweepReport) -> String {
    let mut text = String::new();
    for decision in &report.decisions {
        let set = decision.set.as_deref().map(|set| format!("/{set}")).unwrap_or_default();
        text.push_str(&format!("{}{set}: {}\n", decision.definition, decision.reason));
    }
    if report.ended > 0 {
        text.push_str(&format!("the end of {} runs was written into the ledger\n", report.ended));
    }
    for failure in &report.failures {
        text.push_str(&format!("failed: {failure}\n"));
    }
    if text.is_empty() { "nothing to do: every complete set has its run\n".to_owned() } else { text }
}
