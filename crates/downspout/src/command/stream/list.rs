//! `stream ls` and `stream quarantine`.

use clap::Args;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::utf8_percent_encode;
use stream_server::answers::{Quarantine, StreamList, StreamSummary};

use super::super::output::{self, Style};
use super::super::{Exit, running_stack};
use crate::local::stack::Endpoints;

/// Arguments of `stream ls`.
#[derive(Debug, Args)]
pub(super) struct LsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `stream quarantine`.
#[derive(Debug, Args)]
pub(super) struct QuarantineArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    name: String,
    /// Largest number of records, the newest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn ls(endpoints: &Endpoints, args: &LsArgs) -> anyhow::Result<Exit> {
    let StreamList { streams } = running_stack::ask(endpoints, Method::GET, "/streams").await?;
    if args.json {
        output::json(&streams)?;
        return Ok(Exit::Done);
    }
    if streams.is_empty() {
        output::line(
            "there are no streams: the file pipeline-definitions/streams/NAME.json with `{}` in it makes one",
        )?;
        return Ok(Exit::Done);
    }
    let heading = ["stream", "records/s", "waiting", "bytes", "age", "delivered", "refused", "left out"];
    let now = Timestamp::now();
    output::print(&output::table(&heading, streams.iter().map(|stream| cells(stream, now)).collect()))?;
    for stream in &streams {
        for sentence in remarks(stream) {
            output::line(&format!("{}: {sentence}", stream.name))?;
        }
    }
    Ok(Exit::Done)
}

fn cells(stream: &StreamSummary, now: Timestamp) -> Vec<String> {
    let age = stream.oldest.map_or_else(String::new, |oldest| rounded(now.duration_since(oldest)));
    vec![
        stream.name.clone(),
        format!("{:.1}", stream.records_per_second),
        output::count(stream.waiting_records),
        output::count(stream.waiting_bytes),
        age,
        output::count(stream.delivered_lines),
        output::count(stream.quarantined),
        output::count(stream.left_out),
    ]
}

/// Returns the facts about a stream, beside its numbers, that need the attention of a person.
fn remarks(stream: &StreamSummary) -> Vec<String> {
    let hot = stream.hot_key.as_ref().map(|hot| {
        format!(
            "{:.0} % of its records have the partition key `{}`, so they all go to one shard",
            hot.share * 100.0,
            hot.key
        )
    });
    stream.why.clone().into_iter().chain(hot).collect()
}

/// Returns an age in its largest unit, such as `3 min`.
fn rounded(age: SignedDuration) -> String {
    match age.as_secs().max(0) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

pub(super) async fn quarantine(endpoints: &Endpoints, args: &QuarantineArgs) -> anyhow::Result<Exit> {
    let name = utf8_percent_encode(&args.name, sigv4::PATH);
    let path = format!("/streams/{name}/quarantine?limit={}", args.limit);
    let found: Quarantine = running_stack::ask(endpoints, Method::GET, &path).await?;
    if args.json {
        output::json(&found)?;
        return Ok(Exit::Done);
    }
    if found.records.is_empty() {
        output::line(&format!("the stream {} has refused no record", args.name))?;
        return Ok(Exit::Done);
    }
    for record in &found.records {
        let head = output::paint(&record.sequence_number, Style::Bold);
        output::line(&format!(
            "{head}  {}  {}: {}\n  in {}, by version {}",
            record.arrival.strftime("%Y-%m-%d %H:%M:%S"),
            record.error_code,
            record.error_message,
            record.object,
            record.version
        ))?;
    }
    let rest = found.total.saturating_sub(found.records.len() as u64);
    if rest > 0 {
        output::line(&format!("{} older ones: --limit shows more", output::count(rest)))?;
    }
    output::line(&format!(
        "After the definition is mended: downspout stream replay {} --quarantined --from TIME",
        args.name
    ))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_in_its_largest_unit() {
        let said = |seconds| rounded(SignedDuration::from_secs(seconds));
        assert_eq!(
            [said(-5), said(119), said(120), said(7_200), said(172_800)],
            ["0 s", "119 s", "2 min", "2 h", "2 days"]
        );
    }
}
