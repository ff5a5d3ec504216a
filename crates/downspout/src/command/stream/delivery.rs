//! `stream flush` and `stream replay`.

use clap::Args;
use http::Method;
use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use stream_server::answers::{Flushed, Replayed, StreamList};

use super::super::{Exit, output, running_stack};
use crate::local::stack::Endpoints;

pub(super) const REPLAY_HELP: &str = "\
Examples:
  downspout stream replay user-events --quarantined --from 2026-01-31T00:00:00Z
  downspout stream replay user-events --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z

Reads the records from the raw bucket, or with --quarantined from the quarantine, and runs the definition of today over them. The \
new files are dropped like every other, so the pipelines load them. Each file has the name of the object that it comes from, and of the \
version of the definition: the same replay again changes nothing. Without --quarantined, records that were delivered before are delivered \
again, by the new version.

Exit codes: 0 no record was refused again; 1 some were, and stay in quarantine.";

/// Arguments of `stream flush`.
#[derive(Debug, Args)]
pub(super) struct FlushArgs {
    /// The stream [default: all of them]
    #[arg(value_name = "STREAM")]
    name: Option<String>,
}

/// Arguments of `stream replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    name: String,
    /// The time of the first records, such as 2026-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Timestamp,
    /// The time after the last records [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Only the records that were refused
    #[arg(long)]
    quarantined: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn flush(endpoints: &Endpoints, args: &FlushArgs) -> anyhow::Result<Exit> {
    let names = match &args.name {
        Some(name) => vec![name.clone()],
        None => {
            let StreamList { streams } = running_stack::ask(endpoints, Method::GET, "/streams").await?;
            streams.into_iter().map(|stream| stream.name).collect()
        }
    };
    // A stream that cannot deliver must not keep the others waiting.
    let flushes = names.iter().map(|name| async move {
        let path = format!("/streams/{}/flush", utf8_percent_encode(name, sigv4::PATH));
        (name, running_stack::ask::<Flushed>(endpoints, Method::POST, &path).await)
    });
    let mut exit = Exit::Done;
    for (name, flushed) in futures::future::join_all(flushes).await {
        match flushed {
            Ok(flushed) => {
                output::line(&format!(
                    "{name}: {} delivered, refused or left out",
                    counted(flushed.records, "record")
                ))?;
                flushed.objects.iter().try_for_each(|object| output::line(&format!("  {object}")))?;
            }
            Err(error) => {
                output::complain!("downspout: {name}: {error:#}");
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

pub(super) async fn replay(endpoints: &Endpoints, args: &ReplayArgs) -> anyhow::Result<Exit> {
    let mut query = vec![("from", args.from.to_string()), ("quarantined", args.quarantined.to_string())];
    query.extend(args.to.map(|to| ("to", to.to_string())));
    let name = utf8_percent_encode(&args.name, sigv4::PATH);
    let path = format!("/streams/{name}/replay?{}", serde_urlencoded::to_string(query)?);
    let replayed: Replayed = running_stack::ask(endpoints, Method::POST, &path).await?;
    if args.json {
        output::json(&replayed)?;
    } else {
        output::print(&described(&replayed))?;
    }
    Ok(if replayed.refused == 0 { Exit::Done } else { Exit::Failed })
}

fn counted(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{} {what}s", output::count(number)),
    }
}

fn described(replayed: &Replayed) -> String {
    let mut text = format!(
        "{} of {} read: {} made, {} refused again",
        counted(replayed.records, "record"),
        counted(replayed.objects_read, "object"),
        counted(replayed.lines, "line"),
        counted(replayed.refused, "record"),
    );
    if replayed.already_there > 0 {
        let verb = if replayed.already_there == 1 { "was" } else { "were" };
        text.push_str(&format!("; {} {verb} there already", counted(replayed.already_there, "file")));
    }
    text.push('\n');
    text.extend(replayed.objects.iter().map(|object| format!("  {object}\n")));
    text
}
