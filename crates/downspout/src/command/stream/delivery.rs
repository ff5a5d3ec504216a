//! `stream flush` and `stream replay`.

use clap::Args;
use http::Method;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use percent_encoding::utf8_percent_encode;
use stream_server::answers::{Flushed, Replayed, StreamList};

use super::super::{Exit, output, running_stack};
use crate::local::stack::Endpoints;

pub(super) const REPLAY_HELP: &str = "\
Examples:
  downspout stream replay user-events --quarantined --from 2026-01-31
  downspout stream replay user-events --from 2026-01-01 --to 2026-02-01
  downspout stream replay user-events --from 2026-01-31T08:00:00+01:00 --to 2026-01-31T08:30:00+01:00

Reads the records from the raw bucket, or with --quarantined from the quarantine, and runs the definition of today over them. The \
new files are dropped like every other, so the pipelines load them. Each file has the name of the object that it comes from, and of the \
version of the definition: the same replay again changes nothing. Without --quarantined, records that were delivered before are delivered \
again, by the new version.

Every object with a record from --from on and before --to is replayed, with all its records: an object holds those of a few minutes.

Exit codes: 0 no record was refused; 1 some were, and stay where they are: in quarantine, or in the raw bucket; 2 wrong usage.";

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
    /// The time of the first records, such as 2026-01-31T00:00:00Z; a date means its start in UTC
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Timestamp,
    /// The time after the last records; a date means its start in UTC [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
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

/// Reads a time of the command line.
fn time(text: &str) -> Result<Timestamp, String> {
    let date = || text.parse::<Date>().ok().filter(|_| !text.contains(['T', 't', ' ', ':']));
    if let Some(date) = date() {
        return date
            .to_zoned(TimeZone::UTC)
            .map(|start| start.timestamp())
            .map_err(|error| error.to_string());
    }
    text.parse().map_err(|_| match text.parse::<DateTime>() {
        Ok(time) => {
            format!("the time zone is missing: write {time}Z for UTC, or an offset such as {time}+01:00")
        }
        Err(_) => {
            "write a time such as 2026-01-31T08:00:00Z, or a date such as 2026-01-31 for its start in UTC"
                .to_owned()
        }
    })
}

pub(super) async fn replay(endpoints: &Endpoints, args: &ReplayArgs) -> anyhow::Result<Exit> {
    if let Some(to) = args.to.filter(|to| *to <= args.from) {
        output::complain!(
            "downspout: nothing is from {} on and before {to}: --to must be later than --from",
            args.from
        );
        return Ok(Exit::Usage);
    }
    let mut query = vec![("from", args.from.to_string()), ("quarantined", args.quarantined.to_string())];
    query.extend(args.to.map(|to| ("to", to.to_string())));
    let name = utf8_percent_encode(&args.name, sigv4::PATH);
    let path = format!("/streams/{name}/replay?{}", serde_urlencoded::to_string(query)?);
    let replayed: Replayed = running_stack::ask(endpoints, Method::POST, &path).await?;
    if args.json {
        output::json(&replayed)?;
    } else {
        output::print(&described(&replayed, args.quarantined))?;
    }
    Ok(if replayed.refused == 0 { Exit::Done } else { Exit::Failed })
}

fn counted(number: u64, what: &str) -> String {
    definition::counted::counted(output::count(number), what)
}

fn described(replayed: &Replayed, is_quarantined: bool) -> String {
    let is_repeated = replayed.lines == 0 && replayed.lines_already_there > 0;
    let mut text = format!(
        "{} of {} read: {}, {} refused{}",
        counted(replayed.records, "record"),
        counted(replayed.objects_read, "object"),
        if is_repeated {
            "nothing new".to_owned()
        } else {
            format!("{} made", counted(replayed.lines, "line"))
        },
        counted(replayed.refused, "record"),
        if is_quarantined { " again" } else { "" },
    );
    if replayed.already_there > 0 {
        text.push_str(&format!(
            "; {} in {} from an earlier replay",
            counted(replayed.lines_already_there, "line"),
            counted(replayed.already_there, "file")
        ));
    }
    text.push('\n');
    text.extend(replayed.objects.iter().map(|object| format!("  {object}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_a_date_and_needs_its_zone() {
        let read = |text: &str| time(text).map(|time| time.to_string());
        assert_eq!(read("2026-01-31"), Ok("2026-01-31T00:00:00Z".to_owned()));
        assert_eq!(read("2026-01-31T08:00:00+01:00"), Ok("2026-01-31T07:00:00Z".to_owned()));
        assert_eq!(
            read("2026-01-31T08:00"),
            Err("the time zone is missing: write 2026-01-31T08:00:00Z for UTC, or an offset such as 2026-01-31T08:00:00+01:00"
                .to_owned())
        );
        for text in ["yesterday", "2026-02-30", "31.01.2026", ""] {
            assert!(read(text).unwrap_err().contains("a date such as 2026-01-31"), "{text}");
        }
    }

    #[test]
    fn a_replay_says_what_is_new_and_what_an_earlier_one_made() {
        let first = Replayed {
            objects_read: 1,
            records: 3,
            lines: 3,
            objects: vec!["s3://drop/x.json".to_owned()],
            ..Replayed::default()
        };
        assert_eq!(
            described(&first, false),
            "3 records of 1 object read: 3 lines made, 0 records refused\n  s3://drop/x.json\n"
        );
        let again =
            Replayed { lines: 0, objects: Vec::new(), already_there: 1, lines_already_there: 3, ..first };
        assert_eq!(
            described(&again, false),
            "3 records of 1 object read: nothing new, 0 records refused; 3 lines in 1 file from an earlier replay\n"
        );
        let refused = Replayed { objects_read: 1, records: 1, refused: 1, ..Replayed::default() };
        assert_eq!(
            described(&refused, true),
            "1 record of 1 object read: 0 lines made, 1 record refused again\n"
        );
    }
}
