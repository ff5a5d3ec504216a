//! The only session with the embedded server, which lasts as long as the server, and its reset between two clients.

use std::path::Path;
use std::thread;

use bytes::{Buf, BufMut, BytesMut};
use pglite_oxide::PgliteServer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::sync::oneshot;

use super::message::{MessageScanner, error_fields, put_message, put_query, put_sized, put_text, take_text};
use super::state::{INSPECTION, SessionState, inspection_row};

/// Why the embedded server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The server ended with this message.
    #[error("the embedded PostgreSQL does not start: {0}")]
    Server(String),
    /// The server runs, but refuses the session.
    #[error("the embedded PostgreSQL refuses the session: {0}")]
    Refused(String),
    /// The socket to the server failed.
    #[error("no connection to the embedded PostgreSQL")]
    Socket(#[from] std::io::Error),
}

/// The server is gone.
#[derive(Debug, thiserror::Error)]
#[error("the embedded PostgreSQL has ended its session")]
pub(super) struct Lost;

/// The embedded server and the connection to it.
///
/// The server listens on a socket in a folder that only this user can open. The server serves only its first
/// connection, which is this one, until the connection ends. The server runs on threads of its own.
pub(super) struct Session {
    stream: UnixStream,
    watch: MessageScanner,
    marker: String,
    parameters: Vec<(String, String)>,
    server: Option<(PgliteServer, TempDir)>,
    /// Whether a client has used the session since the last reset.
    used: bool,
}

impl Session {
    /// Starts the server on `root` and opens the session.
    pub(super) async fn start(root: &Path) -> Result<Self, StartError> {
        let socket_folder = tempfile::tempdir()?;
        let socket = socket_folder.path().join("server");
        let builder =
            PgliteServer::builder().path(root).username("postgres").database("postgres").unix(&socket);
        let server = on_own_thread(move || builder.start()).await;
        let server = server.ok_or_else(|| StartError::Server("its thread panicked".to_owned()))?;
        let server = server.map_err(|error| StartError::Server(format!("{error:#}")))?;
        let mut session = Self {
            stream: UnixStream::connect(&socket).await?,
            watch: MessageScanner::new(),
            marker: format!("{:032x}", rand::random::<u128>()),
            parameters: Vec::new(),
            server: Some((server, socket_folder)),
            used: false,
        };
        session.greet().await?;
        session.begin_streaming().await.map_err(|Lost| StartError::Refused(Lost.to_string()))?;
        Ok(session)
    }

    async fn greet(&mut self) -> Result<(), StartError> {
        let mut startup = BytesMut::new();
        put_sized(&mut startup, |body| {
            body.put_u32(3 << 16);
            for text in ["user", "postgres", "database", "postgres", "client_encoding", "UTF8", ""] {
                put_text(body, text);
            }
        });
        self.stream.write_all(&startup).await?;
        let (mut ready, mut refused) = (false, None);
        let mut bytes = [0; 4096];
        while !ready {
            let count = self.stream.read(&mut bytes).await?;
            self.watch.feed(&bytes[..count], |kind, mut body| match kind {
                b'S' => {
                    let name = take_text(&mut body).unwrap_or_default().to_owned();
                    self.parameters.push((name, take_text(&mut body).unwrap_or_default().to_owned()));
                }
                b'E' => refused = Some(error_fields(body).1),
                b'Z' => ready = true,
                _ => {}
            });
            if refused.is_some() || count == 0 {
                return Err(StartError::Refused(refused.unwrap_or_else(|| Lost.to_string())));
            }
        }
        Ok(())
    }

    /// Makes the server send its answers as they arise.
    ///
    /// Until the first COPY of a connection, the server collects each answer in memory. After that it streams.
    async fn begin_streaming(&mut self) -> Result<(), Lost> {
        let mut request = BytesMut::new();
        put_query(&mut request, "COPY (SELECT WHERE false) TO STDOUT");
        self.exchange(request, |_, _| {}).await
    }

    /// Returns the parameters that the server reported when the session began.
    pub(super) fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// Returns the two directions of the stream, and the scanner that must see everything that the server sends.
    pub(super) fn parts(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>, &mut MessageScanner) {
        self.used = true;
        let (read, write) = self.stream.split();
        (read, write, &mut self.watch)
    }

    /// Sends `request`, and passes every message of the answer to `seen`.
    ///
    /// A query for a random word follows the request, and its row marks the end. So the end is found whatever came before, even
    /// answers that an earlier borrower left unread.
    async fn exchange(&mut self, mut request: BytesMut, mut seen: impl FnMut(u8, &[u8])) -> Result<(), Lost> {
        let marker = self.marker.clone();
        put_query(&mut request, &format!("SELECT '{marker}'"));
        let mut marked = false;
        self.talk(request, |kind, body| {
            match kind {
                b'D' if body.ends_with(marker.as_bytes()) => marked = true,
                b'Z' if marked => return true,
                _ if marked => {}
                _ => seen(kind, body),
            }
            false
        })
        .await
    }

    /// Sends `request`, and reads messages until `is_last` returns true for a message.
    async fn talk(
        &mut self,
        mut request: BytesMut,
        mut is_last: impl FnMut(u8, &[u8]) -> bool,
    ) -> Result<(), Lost> {
        let (mut read, mut write) = self.stream.split();
        let mut bytes = vec![0; 16 * 1024];
        let mut ended = false;
        while !ended {
            tokio::select! {
                written = write.write_buf(&mut request), if request.has_remaining() => {
                    written.map_err(|_| Lost)?;
                }
                count = read.read(&mut bytes) => {
                    let count = count.map_err(|_| Lost)?;
                    if count == 0 {
                        return Err(Lost);
                    }
                    self.watch.feed(&bytes[..count], |kind, body| ended |= is_last(kind, body));
                }
            }
        }
        Ok(())
    }

    /// Saves the state of the borrower's session in `state`. Returns the part that cannot be restored, if any.
    pub(super) async fn inspect(&mut self, state: &mut SessionState) -> Result<Option<String>, Lost> {
        let mut request = BytesMut::new();
        put_query(&mut request, INSPECTION);
        let (mut rows, mut refused) = (Vec::new(), None);
        self.exchange(request, |kind, body| match kind {
            b'D' => rows.push(inspection_row(body)),
            b'E' => refused = Some(format!("state that cannot be read ({})", error_fields(body).1)),
            _ => {}
        })
        .await?;
        Ok(refused.or_else(|| state.inspected(&rows)))
    }

    /// Removes everything that the last borrower left, in whatever state the session is.
    pub(super) async fn reset(&mut self) -> Result<(), Lost> {
        if !self.used {
            return Ok(());
        }
        let mut request = BytesMut::new();
        // If the borrower left a COPY to the server open, CopyFail ends the COPY; otherwise the server would not run the
        // queries below. Outside a COPY, the server ignores CopyFail.
        put_message(&mut request, b'f', |body| put_text(body, "the client has left"));
        put_message(&mut request, b'S', |_| {});
        put_query(&mut request, "ROLLBACK");
        put_query(&mut request, "DISCARD ALL");
        self.exchange(request, |_, _| {}).await?;
        self.used = false;
        Ok(())
    }

    /// Restores `state`. The parameters that the server reports during this are written to `out` for the client.
    ///
    /// Returns the SQLSTATE and the message of the first error, or `None`. An error of the unnamed statement is ignored.
    pub(super) async fn restore(
        &mut self,
        state: &SessionState,
        out: &mut BytesMut,
    ) -> Result<Option<(String, String)>, Lost> {
        self.used = true;
        let mut request = BytesMut::new();
        state.put(&mut request);
        let mut refused = None;
        if !request.is_empty() {
            self.exchange(request, |kind, body| match kind {
                b'S' => put_message(out, b'S', |copy| copy.put_slice(body)),
                b'E' if refused.is_none() => refused = Some(error_fields(body)),
                _ => {}
            })
            .await?;
        }
        // The unnamed statement comes last, because any simple query would remove it.
        if let Some(parse) = state.unnamed() {
            self.talk(parse, |kind, _| kind == b'Z').await?;
        }
        Ok(refused)
    }

    /// Ends the session and the server, and waits for the server's thread.
    pub(super) async fn stop(&mut self) {
        // Each of these steps fails if the server is gone; then there is nothing to end.
        let _ = self.reset().await;
        let mut terminate = BytesMut::new();
        put_message(&mut terminate, b'X', |_| {});
        let _ = self.stream.write_all(&terminate).await;
        let _ = self.stream.shutdown().await;
        let Some((server, _socket_folder)) = self.server.take() else { return };
        match on_own_thread(move || server.shutdown()).await {
            Some(Ok(())) => tracing::debug!("the embedded PostgreSQL has stopped"),
            Some(Err(error)) => {
                tracing::warn!(error = format!("{error:#}"), "the embedded PostgreSQL ended with an error")
            }
            None => tracing::warn!("the thread of the embedded PostgreSQL panicked"),
        }
    }
}

#[cfg(test)]
impl Session {
    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Dropping the server waits for the server's thread, which may be running a long statement, so the drop
        // happens on a new thread. The drop also wakes the server's thread through the socket, so the folder of the socket
        // is dropped last.
        if let Some((server, socket_folder)) = self.server.take() {
            thread::spawn(move || {
                drop(server);
                drop(socket_folder);
            });
        }
    }
}

/// Runs blocking work on a new thread. Returns `None` if the work panics.
pub(super) async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = oneshot::channel();
    thread::spawn(move || {
        let _ = done.send(work());
    });
    result.await.ok()
}
