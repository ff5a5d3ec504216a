//! `stream generate`: sends made-up records to a shipped stream.

use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::{Exit, output};
use super::put;
use super::records::Records;
use crate::local::stack::Endpoints;

pub(super) const HELP: &str = "\
Examples:
  downspout stream generate user-events --rate 50 --seed 123
  downspout stream generate user-utm --count 1000 --rate 0
  downspout stream generate user-data --count 3 --print

The same seed and rate always give the same records. Without --count, records are sent until Ctrl-C.";

/// How often records are sent.
const TICK: Duration = Duration::from_millis(100);
/// The most records of one request.
const MOST_RECORDS: usize = 500;

/// Arguments of `stream generate`.
#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// The stream: user-data, user-events or user-utm
    #[arg(value_name = "STREAM")]
    name: String,
    /// Records a second; 0 sends as fast as the stream takes them
    #[arg(long, value_name = "N", default_value_t = 10)]
    rate: u32,
    /// The seed of the records
    #[arg(long, value_name = "N", default_value_t = 123)]
    seed: u64,
    /// How many records
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    /// Print the records instead of sending them
    #[arg(long)]
    pub(super) print: bool,
}

impl GenerateArgs {
    fn records(&self) -> anyhow::Result<Records> {
        // The rate decides the times in the records; at full speed, a thousand of them share a second.
        let rate = if self.rate == 0 { 1_000.0 } else { f64::from(self.rate) };
        let records = Records::of(&self.name, self.seed, rate);
        let known = Records::names();
        records
            .ok_or_else(|| anyhow::anyhow!("there is no generator for `{}`; there are: {known}", self.name))
    }
}

/// Prints the records, and needs no stack.
pub(super) fn print(args: &GenerateArgs) -> anyhow::Result<Exit> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for record in args.records()?.take(args.count.unwrap_or(usize::MAX)) {
        match writeln!(out, "{record}") {
            // The reader has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
            written => written?,
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// Sends the records to the stack.
pub(super) async fn run(endpoints: &Endpoints, args: &GenerateArgs) -> anyhow::Result<Exit> {
    let mut records = args.records()?.take(args.count.unwrap_or(usize::MAX)).peekable();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (start, mut sent) = (Instant::now(), 0_u64);
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    while records.peek().is_some() {
        let due = if args.rate == 0 {
            MOST_RECORDS
        } else {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = &mut stop => break,
            }
            let until_now = (start.elapsed() + TICK).as_secs_f64() * f64::from(args.rate);
            (until_now as u64).saturating_sub(sent).min(MOST_RECORDS as u64) as usize
        };
        let lines: Vec<String> = records.by_ref().take(due).map(|record| format!("{record}\n")).collect();
        if lines.is_empty() {
            continue;
        }
        let outcome = tokio::select! {
            outcome = put::send(endpoints, &args.name, lines.concat().into_bytes(), sent + 1) => outcome?,
            _ = &mut stop => break,
        };
        if let put::Sent::Refused { reason, .. } = outcome {
            output::complain!("downspout: the stream {} did not take the records: {reason}", args.name);
            return Ok(Exit::Failed);
        }
        sent += lines.len() as u64;
    }
    output::line(&format!("{} records sent", output::count(sent)))?;
    Ok(Exit::Done)
}
