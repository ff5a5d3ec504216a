//! `stream put`: sends the JSON lines of files to a stream.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};

use super::super::{Exit, output};
use super::door::{self, Answer};
use crate::local::stack::Endpoints;

pub(super) const HELP: &str = "\
Examples:
  downspout stream put user-events pipeline-definitions/tracking/samples/events.jsonl
  downspout stream generate user-events --count 1000 --print | downspout stream put user-events

Each line is one record. The records of a request are all taken or all refused; a refusal names the first line of the request, and \
the record in it. What was sent before it stays in the stream.

Exit codes: 0 every record is on the disk; 1 a record was refused, or the stack did not take it.";

/// The most records of one request.
const MOST_RECORDS: usize = 500;
/// The most bytes of one request, in which the last record may be longer than the rest.
const MOST_BYTES: usize = 1_000_000;
/// How often a request is sent again while the stack says that it cannot take it now.
const TRIES: u32 = 20;
/// The pause before a request is sent again.
const PAUSE: Duration = Duration::from_millis(500);

/// Arguments of `stream put`.
#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    name: String,
    /// Files of JSON lines; `-` or no file is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) async fn run(endpoints: &Endpoints, args: &PutArgs) -> anyhow::Result<Exit> {
    let standard_input = vec![PathBuf::from("-")];
    let files = if args.files.is_empty() { &standard_input } else { &args.files };
    let mut sent = 0;
    for path in files {
        let is_input = path.as_os_str() == "-";
        let name = if is_input { "standard input".to_owned() } else { path.display().to_string() };
        let reason = if is_input {
            put(endpoints, &args.name, BufReader::new(tokio::io::stdin()), &mut sent).await?
        } else {
            let file = tokio::fs::File::open(path).await.with_context(|| format!("opening {name}"))?;
            put(endpoints, &args.name, BufReader::new(file), &mut sent).await?
        };
        if let Some((line, reason)) = reason {
            output::complain!("downspout: {name}, from line {line}: {reason}");
            output::line(&format!("{} records sent before it", output::count(sent)))?;
            return Ok(Exit::Failed);
        }
    }
    let records = if sent == 1 { "record" } else { "records" };
    output::line(&format!("{} {records} sent", output::count(sent)))?;
    Ok(Exit::Done)
}

/// Sends all lines, and counts them in `sent`. Returns the first line of the request that was refused, with the reason.
async fn put(
    endpoints: &Endpoints,
    stream: &str,
    mut lines: impl AsyncBufRead + Unpin,
    sent: &mut u64,
) -> anyhow::Result<Option<(u64, String)>> {
    let mut first = 1;
    loop {
        let request = Request::read(&mut lines).await.context("reading the records")?;
        if request.lines == 0 {
            return Ok(None);
        }
        if request.records > 0 {
            if let Some(reason) = send(endpoints, stream, request.body).await? {
                return Ok(Some((first, reason)));
            }
            *sent += request.records;
        }
        first += request.lines;
    }
}

/// The lines of one request.
#[derive(Debug, Default)]
struct Request {
    body: Vec<u8>,
    /// How many lines were read, also blank ones.
    lines: u64,
    records: u64,
}

impl Request {
    async fn read(lines: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Self> {
        let mut request = Self::default();
        while request.body.len() < MOST_BYTES && request.records < MOST_RECORDS as u64 {
            let before = request.body.len();
            if lines.read_until(b'\n', &mut request.body).await? == 0 {
                break;
            }
            request.lines += 1;
            let is_blank = request.body[before..].iter().all(u8::is_ascii_whitespace);
            request.records += u64::from(!is_blank);
        }
        Ok(request)
    }
}

/// Sends a request until the stack has taken it. Returns the reason if it does not.
pub(super) async fn send(
    endpoints: &Endpoints,
    stream: &str,
    body: Vec<u8>,
) -> anyhow::Result<Option<String>> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match door::put(endpoints, stream, body.clone()).await? {
            Answer::Taken => return Ok(None),
            Answer::Refused(reason) => return Ok(Some(reason)),
            Answer::Later(reason) => last = reason,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Some(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_has_at_most_500_records_and_counts_blank_lines() {
        let text = format!("\n{}", "{\"a\": 1}\n".repeat(501));
        let mut lines = BufReader::new(text.as_bytes());
        let first = Request::read(&mut lines).await.expect("readable");
        assert_eq!((first.lines, first.records), (501, 500));
        let second = Request::read(&mut lines).await.expect("readable");
        assert_eq!((second.lines, second.records), (1, 1));
        assert_eq!(Request::read(&mut lines).await.expect("readable").lines, 0);
    }
}
