//! `stream put`: sends the JSON lines of files to a stream.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use definition::counted::counted;
use flate2::bufread::MultiGzDecoder;

use super::super::{Exit, output};
use super::door::{self, Answer};
use crate::local::stack::Endpoints;

pub(super) const HELP: &str = "\
Examples:
  downspout stream put user-events pipeline-definitions/tracking/samples/events.jsonl
  downspout stream put user-events 2026-01-*.jsonl.gz
  downspout stream generate user-events --count 1000 --print | downspout stream put user-events

Each line is one record. A file, or standard input, may be packed with gzip. The records of a request, 500 at the most, are all taken or \
all refused; a refusal names the file and the line, and the lines of its request, which are not in the stream. What was sent before \
stays in the stream.

Exit codes: 0 every record is on the disk; 1 a record was refused, or the stack did not take it.";

/// The most records of one request.
const MOST_RECORDS: usize = 500;
/// The most bytes of one request, in which the last record may be longer than the rest.
const MOST_BYTES: usize = 1_000_000;
/// How often a request is sent again while the stack says that it cannot take it now.
const TRIES: u32 = 20;
/// The pause before a request is sent again.
const PAUSE: Duration = Duration::from_millis(500);
/// The first bytes of a file that gzip packed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Arguments of `stream put`.
#[derive(Debug, Args)]
pub(super) struct PutArgs {
    /// The stream
    #[arg(value_name = "STREAM")]
    name: String,
    /// Files of JSON lines, perhaps packed with gzip; `-` or no file is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// The lines of a file.
type Lines = Box<dyn BufRead + Send>;

pub(super) async fn run(endpoints: &Endpoints, args: &PutArgs) -> anyhow::Result<Exit> {
    let standard_input = vec![PathBuf::from("-")];
    let files = if args.files.is_empty() { &standard_input } else { &args.files };
    let mut sent = 0;
    for path in files {
        let is_input = path.as_os_str() == "-";
        let name = if is_input { "standard input".to_owned() } else { path.display().to_string() };
        let lines: Lines = if is_input {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::new(File::open(path).with_context(|| format!("opening {name}"))?))
        };
        if let Some(refused) = put(endpoints, &args.name, &name, lines, &mut sent).await? {
            output::complain!("downspout: {refused}");
            output::line(&format!("{} sent before it", counted(output::count(sent), "record")))?;
            return Ok(Exit::Failed);
        }
    }
    output::line(&format!("{} sent", counted(output::count(sent), "record")))?;
    Ok(Exit::Done)
}

/// Sends all lines of the file `name`, and counts the records in `sent`. Returns a sentence about the first request that was
/// refused.
async fn put(
    endpoints: &Endpoints,
    stream: &str,
    name: &str,
    lines: Lines,
    sent: &mut u64,
) -> anyhow::Result<Option<String>> {
    let reading = || format!("reading {name}");
    let mut lines = blocking(move || unpacked(lines)).await.with_context(reading)?;
    let mut first = 1;
    loop {
        let request;
        (lines, request) = blocking(move || {
            let request = Request::read(&mut lines)?;
            Ok((lines, request))
        })
        .await
        .with_context(|| format!("reading {name} from line {first} on"))?;
        if request.lines == 0 {
            return Ok(None);
        }
        let last = first + request.lines - 1;
        if request.records > 0 {
            let unsure = || format!("nobody knows whether the stream has lines {first} to {last} of {name}");
            match send(endpoints, stream, request.body, first).await.with_context(unsure)? {
                Sent::Taken(records) => *sent += records,
                Sent::Refused { line, reason } => {
                    let line = line.unwrap_or(first);
                    let rest = format!("lines {first} to {last} are not in the stream");
                    return Ok(Some(format!("{name}:{line}: {reason}; {rest}")));
                }
            }
        }
        first = last + 1;
    }
}

/// Runs work that reads files on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await??)
}

/// Returns the lines, unpacked if gzip has packed them.
fn unpacked(mut lines: Lines) -> io::Result<Lines> {
    let is_packed = lines.fill_buf()?.starts_with(&GZIP);
    Ok(if is_packed { Box::new(BufReader::new(MultiGzDecoder::new(lines))) } else { lines })
}

/// The lines of one request.
#[derive(Debug, Default)]
struct Request {
    body: Vec<u8>,
    /// How many lines were read, also blank ones.
    lines: u64,
    /// How many lines are not blank.
    records: u64,
}

impl Request {
    fn read(lines: &mut impl BufRead) -> io::Result<Self> {
        let mut request = Self::default();
        while request.body.len() < MOST_BYTES && request.records < MOST_RECORDS as u64 {
            let before = request.body.len();
            if lines.read_until(b'\n', &mut request.body)? == 0 {
                break;
            }
            request.lines += 1;
            let line = &request.body[before..];
            let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
            request.records += u64::from(!line.iter().all(u8::is_ascii_whitespace));
        }
        Ok(request)
    }
}

/// The outcome of a request.
pub(super) enum Sent {
    /// This number of records is on the disk.
    Taken(u64),
    /// No record of the request is on the disk.
    Refused {
        /// The line of the file in which the refused record begins.
        line: Option<u64>,
        reason: String,
    },
}

/// Sends a request until the stack has taken it, or refuses it, or could not take it for a while. The request begins with the line
/// `first` of its file.
pub(super) async fn send(
    endpoints: &Endpoints,
    stream: &str,
    body: Vec<u8>,
    first: u64,
) -> anyhow::Result<Sent> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match door::put(endpoints, stream, body.clone(), first).await? {
            Answer::Taken(records) => return Ok(Sent::Taken(records)),
            Answer::Refused { line, reason } => return Ok(Sent::Refused { line, reason }),
            Answer::Later(reason) => last = reason,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Sent::Refused { line: None, reason: last })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_request_has_at_most_500_records_and_counts_blank_lines() {
        let text = format!("\u{feff}\n{}", "{\"a\": 1}\n".repeat(501));
        let mut lines = text.as_bytes();
        let first = Request::read(&mut lines).expect("readable");
        assert_eq!((first.lines, first.records), (501, 500));
        let second = Request::read(&mut lines).expect("readable");
        assert_eq!((second.lines, second.records), (1, 1));
        assert_eq!(Request::read(&mut lines).expect("readable").lines, 0);
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    }

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        let mut lines = unpacked(Box::new(io::Cursor::new(bytes)))?;
        Ok(String::from_utf8(Request::read(&mut lines)?.body).expect("UTF-8"))
    }

    #[test]
    fn a_packed_file_is_read_to_its_end_and_a_truncated_file_is_an_error() {
        assert_eq!(read(b"{}\n".to_vec()).expect("readable"), "{}\n");
        let two = [packed("{\"a\":1}\n"), packed("{\"a\":2}\n")].concat();
        assert_eq!(read(two.clone()).expect("readable"), "{\"a\":1}\n{\"a\":2}\n");
        assert!(read(two[..two.len() - 3].to_vec()).is_err());
        assert!(read([&two[..], b"more"].concat()).is_err());
    }
}
