//! `stream tail`: prints the newest records, and follows the stream.

use clap::Args;
use http::Method;
use percent_encoding::utf8_percent_encode;
use stream_server::answers::{Tail, TailRecord};

use super::super::output::{self, Style};
use super::super::{Exit, running_stack};
use crate::local::stack::Endpoints;

pub(super) const HELP: &str = "\
Examples:
  downspout stream tail user-events
  downspout stream tail user-events --follow --data | jq .topic

Records are shown as they came. A record stays in the stream until it is delivered; delivered records lie in the raw bucket.";

/// The most records of one answer of the stack.
const PAGE: usize = 200;

/// Arguments of `stream tail`.
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    name: String,
    /// How many of the newest records to print first
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: usize,
    /// Go on with the records that come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Print the data alone, without times and keys
    #[arg(long)]
    data: bool,
}

pub(super) async fn run(endpoints: &Endpoints, args: &TailArgs) -> anyhow::Result<Exit> {
    let name = utf8_percent_encode(&args.name, sigv4::PATH);
    let mut path = format!("/streams/{name}/tail?last={}", args.last);
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let page: Tail = tokio::select! {
            page = running_stack::ask(endpoints, Method::GET, &path) => page?,
            _ = &mut stop => return Ok(Exit::Done),
        };
        for record in &page.records {
            output::line(&shown(record, args.data))?;
        }
        if !args.follow {
            return Ok(Exit::Done);
        }
        path = format!("/streams/{name}/tail?after={}&limit={PAGE}", page.next.unwrap_or_default());
    }
}

fn shown(record: &TailRecord, data_alone: bool) -> String {
    // A record may end in a line break of its own.
    let data = record.data.trim_end_matches(['\r', '\n']);
    if data_alone {
        return data.to_owned();
    }
    let time = record.arrival.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
    format!("{}  {}  {data}", output::paint(&time, Style::Dim), record.partition_key)
}
