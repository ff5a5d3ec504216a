//! `stream`: the actions that people take on streams by hand.

mod delivery;
mod door;
mod generate;
mod list;
mod put;
mod records;
mod tail;

use std::path::Path;

use clap::{Args, Subcommand};

use super::{Exit, running_stack};

const AFTER_HELP: &str = "\
A stream is one more way to drop files. Records that come by HTTP, Kinesis or Firehose are on the disk before they are answered, \
and become files in the drop bucket. `{}` in pipeline-definitions/streams/NAME.json is a whole stream.

Examples:
  downspout stream ls
  curl -H \"x-api-key: $DOWNSPOUT_API_KEY\" --data '{\"a\": 1}' \"$DOWNSPOUT_STREAMS_URL/streams/NAME\"
  downspout stream flush NAME";

/// Arguments of `stream`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct StreamArgs {
    #[command(subcommand)]
    command: StreamCommand,
}

#[derive(Debug, Subcommand)]
enum StreamCommand {
    /// List the streams: records a second, what waits and why, refused records, hot keys
    Ls(list::LsArgs),
    /// Send the JSON lines of files
    #[command(after_help = put::HELP)]
    Put(put::PutArgs),
    /// Print the newest records, and follow the stream
    #[command(after_help = tail::HELP)]
    Tail(tail::TailArgs),
    /// Deliver what waits now, and wait until it lies in the bucket
    Flush(delivery::FlushArgs),
    /// Run the definition of today over records that came before
    #[command(after_help = delivery::REPLAY_HELP)]
    Replay(delivery::ReplayArgs),
    /// Say which records the stream has refused, and why
    Quarantine(list::QuarantineArgs),
    /// Send made-up records to a shipped stream
    #[command(after_help = generate::HELP)]
    Generate(generate::GenerateArgs),
}

pub(super) async fn run(data_dir: &Path, args: &StreamArgs) -> anyhow::Result<Exit> {
    if let StreamCommand::Generate(args) = &args.command
        && args.print
    {
        return generate::print(args);
    }
    let endpoints = running_stack::reach(data_dir).await?;
    match &args.command {
        StreamCommand::Ls(args) => list::ls(&endpoints, args).await,
        StreamCommand::Put(args) => put::run(&endpoints, args).await,
        StreamCommand::Tail(args) => tail::run(&endpoints, args).await,
        StreamCommand::Flush(args) => delivery::flush(&endpoints, args).await,
        StreamCommand::Replay(args) => delivery::replay(&endpoints, args).await,
        StreamCommand::Quarantine(args) => list::quarantine(&endpoints, args).await,
        StreamCommand::Generate(args) => generate::run(&endpoints, args).await,
    }
}
