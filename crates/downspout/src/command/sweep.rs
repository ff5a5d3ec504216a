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
    if text.is_empty() {
        text.push_str("nothing to do: every complete set has its run");
        text.push_str(if report.older > 0 { ", except older ones\n" } else { "\n" });
    }
    let command = report.older_rerun.as_deref().unwrap_or("downspout rerun");
    match report.older {
        0 => {}
        1 => text.push_str(&format!(
            "1 set was dropped before its definition was uploaded, so it does not start: `{command}` runs it if all of its files are there, or set `myBackfill`\n"
        )),
        number => text.push_str(&format!(
            "{number} sets were dropped before their definitions were uploaded, so they do not start: `{command}` runs the last of \
             them; `downspout backfill` runs those of some days, and `myBackfill` all\n"
        )),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_that_are_older_than_their_definition_are_counted_with_the_remedy() {
        assert_eq!(describe(&SweepReport::default()), "nothing to do: every complete set has its run\n");
        let command = Some("downspout rerun pre day=d1".to_owned());
        let said = describe(&SweepReport { older: 1, older_rerun: command, ..SweepReport::default() });
        assert_eq!(
            said,
            "nothing to do: every complete set has its run, except older ones\n1 set was dropped before its definition was \
             uploaded, so it does not start: `downspout rerun pre day=d1` runs it if all of its files are \
             there, or set `myBackfill`\n"
        );
    }
}
