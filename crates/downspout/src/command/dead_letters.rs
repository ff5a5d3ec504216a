//! `dead-letters`: the events that the orchestrator could not handle in three tries.

use std::path::Path;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::{Exit, output, running_stack};
use crate::local::stack::DeadLetter;

const AFTER_HELP: &str = "\
Examples:
  downspout dead-letters
  downspout dead-letters redrive        all of them, after the cause is fixed
  downspout dead-letters redrive 17     only this one";

/// Arguments of `dead-letters`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DeadLettersArgs {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the dead letters (the default)
    List,
    /// Let the orchestrator handle dead letters again
    Redrive {
        /// Only the dead letter with this number
        id: Option<i64>,
    },
}

/// The answer to `redrive`: how many dead letters now wait for the orchestrator again.
#[derive(Serialize, Deserialize)]
struct Redriven {
    redriven: usize,
}

pub(super) async fn run(data_dir: &Path, args: &DeadLettersArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    if let Some(Action::Redrive { id }) = args.action {
        let path = id.map_or_else(|| "/redrive".to_owned(), |id| format!("/redrive?id={id}"));
        let answer: Redriven = running_stack::ask(&endpoints, http::Method::POST, &path).await?;
        match args.json {
            true => output::json(&answer)?,
            false => output::line(&format!("{} events wait to be handled again", answer.redriven))?,
        }
        return Ok(Exit::Done);
    }
    let letters: Vec<DeadLetter> = running_stack::ask(&endpoints, http::Method::GET, "/dead-letters").await?;
    if args.json {
        output::json(&letters)?;
    } else if letters.is_empty() {
        output::line("no dead letters")?;
    } else {
        let row =
            |letter: &DeadLetter| vec![letter.id.to_string(), letter.what.clone(), letter.error.clone()];
        output::print(&output::table(&["id", "event", "why"], letters.iter().map(row).collect()))?;
    }
    Ok(Exit::Done)
}
