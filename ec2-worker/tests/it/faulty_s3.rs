//! A proxy before S3 that answers 503, and cuts bodies short.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The fault that the proxy makes in one answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The answer passes as it is.
    None,
    /// The answer is 503.
    Busy,
    /// The connection ends after this number of bytes of the body.
    CutAt(usize),
    /// The answer says that its body has only this number of bytes.
    ClaimsLength(usize),
    /// The answer is 200 with a beginning of the samples, as if the server ignored the range.
    NoRange,
}

/// A running proxy.
pub(crate) struct FaultyS3 {
    /// The URL of the endpoint.
    pub(crate) url: String,
    faults: Arc<Mutex<Faults>>,
}

struct Faults {
    next: VecDeque<Fault>,
    last: Fault,
    gets: usize,
}

impl FaultyS3 {
    /// Starts a proxy before the S3 at the URL `s3`. The first GET requests have the faults `next`, the others `last`.
    pub(crate) async fn start(s3: &str, next: impl IntoIterator<Item = Fault>, last: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let faults = Arc::new(Mutex::new(Faults { next: next.into_iter().collect(), last, gets: 0 }));
        let (known, s3) = (faults.clone(), s3.trim_start_matches("http://").to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (s3, faults) = (s3.clone(), known.clone());
                tokio::spawn(async move { exchange(client, &s3, &faults).await });
            }
        });
        Self { url, faults }
    }

    /// Returns the number of GET requests.
    pub(crate) fn gets(&self) -> usize {
        self.faults.lock().expect("no panic").gets
    }
}

/// Carries one request and its answer, and closes the connection.
async fn exchange(mut client: TcpStream, s3: &str, faults: &Mutex<Faults>) -> std::io::Result<()> {
    let head = head(&mut client).await?;
    let fault = if head.starts_with("GET ") { next(faults) } else { Fault::None };
    let made = match fault {
        Fault::Busy => {
            Some(("503 Slow Down", "<Error><Code>SlowDown</Code><Message>Slower</Message></Error>"))
        }
        Fault::NoRange => Some(("200 OK", "id,note\n0,the note of row 0\n")),
        _ => None,
    };
    if let Some((status, body)) = made {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}");
        return client.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await;
    }
    let mut server = TcpStream::connect(s3).await?;
    let lines = head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let request = format!("{}\r\nconnection: close\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n"));
    server.write_all(request.as_bytes()).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::select! {
        // The client keeps its side open, so this ends only if the client hangs up.
        result = tokio::io::copy(&mut from_client, &mut to_server) => result.map(drop),
        result = async {
            let answer = self::head(&mut from_server).await?;
            let (answer, limit) = match fault {
                Fault::ClaimsLength(limit) => (shortened(&answer, limit), limit),
                Fault::CutAt(limit) => (answer, limit),
                _ => (answer, usize::MAX),
            };
            to_client.write_all(answer.as_bytes()).await?;
            let mut body = from_server.take(limit as u64);
            tokio::io::copy(&mut body, &mut to_client).await?;
            Ok(())
        } => result,
    }
}

fn next(faults: &Mutex<Faults>) -> Fault {
    let mut faults = faults.lock().expect("no panic");
    faults.gets += 1;
    let last = faults.last;
    faults.next.pop_front().unwrap_or(last)
}

/// Reads a head with the blank line after it.
async fn head(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn shortened(head: &str, length: usize) -> String {
    let lines = head.trim_end().lines().map(|line| match line.to_ascii_lowercase() {
        line if line.starts_with("content-length:") => format!("content-length: {length}"),
        // The client would notice the missing bytes by the checksum, so the header gets another name.
        line if line.starts_with("x-amz-checksum") => "x-other: 1".to_owned(),
        _ => line.to_owned(),
    });
    format!("{}\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n"))
}
