//! `proof`: says of every object that landed on a day which run took it, or why none did.

use std::path::Path;

use clap::Args;
use jiff::civil::Date;
use orchestrator::Proof;

use super::{Exit, output, running_stack};

const AFTER_HELP: &str = "\
The command compares the drop bucket with the ledger. An object that was replaced counts by its newest version.

Exit codes: 0 every object was taken by a run; 3 some were not, or only by runs that were replaced (`myStaleRuns`).";

/// Arguments of `proof`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ProofArgs {
    /// The day on which the objects landed, in UTC
    #[arg(long, value_name = "DAY")]
    day: Date,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(data_dir: &Path, args: &ProofArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let path = format!("/proof?{}", serde_urlencoded::to_string([("day", args.day.to_string())])?);
    let proofs: Vec<Proof> = running_stack::ask(&endpoints, http::Method::GET, &path).await?;
    if args.json {
        output::json(&proofs)?;
    } else if proofs.is_empty() {
        output::line(&format!("no object of the drop bucket landed on {}", args.day))?;
    } else {
        let heading = ["key", "landed", "outcome"];
        output::print(&output::table(&heading, proofs.iter().map(cells).collect()))?;
    }
    let is_taken = proofs.iter().all(|proof| proof.runs.iter().any(|run| run.state != "superseded"));
    Ok(if is_taken { Exit::Done } else { Exit::NothingRan })
}

fn cells(proof: &Proof) -> Vec<String> {
    let runs = proof.runs.iter().map(|run| {
        let id = run.pipeline_id.as_deref().unwrap_or("no pipeline");
        match &run.definition_now {
            None => format!("{} {} ({id})", run.set, run.state),
            Some(now) => {
                let definition = run.set.split('/').next().unwrap_or_default();
                format!(
                    "ran as {id} under the definition {definition}, which {now} ({} {})",
                    run.set, run.state
                )
            }
        }
    });
    let became: Vec<String> = runs.chain(proof.reasons.iter().cloned()).collect();
    vec![proof.key.clone(), format!("{:.0}", proof.landed), became.join("; ")]
}
