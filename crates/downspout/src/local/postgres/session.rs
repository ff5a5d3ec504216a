//! The only session with the embedded server, which lasts as long as the server, and its reset between two clients.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::cluster::data_of;
use super::leftover_files;
use super::message::{
    MessageScanner, error_fields, put_message, put_named_query, put_query, put_sized, put_text, row_columns,
    take_text,
};
use super::server_process::{ServerProcess, ServerProgram, StartError};
use super::state::{INSPECTION, SessionState};
use super::timeouts::Timeouts;

/// The query for the files that belong to tables and indexes, and for the folder of these files.
const OWNED_FILES: &str = "
SELECT 'folder', oid::text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
UNION ALL SELECT 'file', pg_catalog.pg_relation_filenode(oid)::text FROM pg_catalog.pg_class
  WHERE pg_catalog.pg_relation_filenode(oid) IS NOT NULL";

/// The server is gone.
#[derive(Debug, thiserror::Error)]
#[error("the embedded PostgreSQL has ended its session")]
pub(super) struct Lost;

/// The embedded server and the connection to it.
///
/// The server serves only its first connection, which is this one, until the connection ends.
pub(super) struct Session {
    stream: UnixStream,
    watch: MessageScanner,
    marker: String,
    parameters: Vec<(String, String)>,
    /// The time limits of a session that has set none.
    timeouts: Timeouts,
    server: ServerProcess,
    /// Whether a client has used the session since the last reset.
    used: bool,
    /// Whether the server has lost its counts of dead rows, because an earlier one was killed.
    has_lost_counts: bool,
}

impl Session {
    /// Starts the server on the database in `data_dir` and opens the session.
    pub(super) async fn start(program: &ServerProgram, data_dir: &Path) -> Result<Self, StartError> {
        let server = ServerProcess::start(program, data_dir).await?;
        let stream = UnixStream::connect(server.socket()).await.map_err(StartError::io("connect to"))?;
        let mut session = Self {
            stream,
            watch: MessageScanner::new(),
            marker: format!("{:032x}", rand::random::<u128>()),
            parameters: Vec::new(),
            timeouts: Timeouts::default(),
            server,
            used: false,
            has_lost_counts: false,
        };
        session.greet().await?;
        let refused = |Lost| StartError::Refused(Lost.to_string());
        session.begin_streaming().await.map_err(refused)?;
        session.timeouts = session.read_timeouts().await.map_err(refused)?.unwrap_or_default();
        session.empty_unowned_files(data_dir).await.map_err(refused)?;
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
        self.stream.write_all(&startup).await.map_err(StartError::io("greet"))?;
        let (mut ready, mut refused) = (false, None);
        let mut bytes = [0; 4096];
        while !ready {
            let count = self.stream.read(&mut bytes).await.map_err(StartError::io("greet"))?;
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

    /// Empties the files that a killed server left and that belong to no table.
    async fn empty_unowned_files(&mut self, data_dir: &Path) -> Result<(), Lost> {
        let rows = self.rows(OWNED_FILES).await?.unwrap_or_default();
        let (mut folder, mut owned, mut is_whole) = (None, HashSet::new(), true);
        for row in &rows {
            match row.as_slice() {
                [kind, value] if kind == "folder" => folder = Some(value),
                [_, value] => is_whole &= value.parse().map(|number| owned.insert(number)).is_ok(),
                _ => is_whole = false,
            }
        }
        let Some(folder) = folder.filter(|_| is_whole) else {
            tracing::warn!(
                "the files that an interrupted statement may have left stay, because the server does not list its own"
            );
            return Ok(());
        };
        let folder = data_of(data_dir).join("base").join(folder);
        let emptied =
            tokio::task::spawn_blocking(move || leftover_files::empty_unowned(&folder, &owned)).await;
        match emptied {
            Ok(Ok(0)) => {}
            Ok(Ok(bytes)) => {
                tracing::info!("removed {bytes} bytes that an interrupted statement had left in the database")
            }
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "the files that an interrupted statement left stay for now")
            }
            Err(error) => {
                tracing::warn!(error = %error, "the files that an interrupted statement left stay for now")
            }
        }
        Ok(())
    }

    /// Returns the parameters that the server reported when the session began.
    pub(super) fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// Returns the time limits of a session that has set none.
    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Asks the server for the time limits of the session. Returns `None` if the server refuses to say, because the transaction
    /// has failed.
    ///
    /// The server must have answered everything.
    pub(super) async fn read_timeouts(&mut self) -> Result<Option<Timeouts>, Lost> {
        let mut request = BytesMut::new();
        put_named_query(&mut request, &self.marker, Timeouts::QUERY);
        let mut found = None;
        // A failed transaction refuses the query that marks the end of an exchange, too.
        self.talk(request, |kind, body| {
            if kind == b'D' {
                found = Some(Timeouts::of_row(&row_columns(body)));
            }
            kind == b'Z'
        })
        .await?;
        Ok(found)
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

    /// Runs one statement, and returns its rows, or the SQLSTATE and the message of its error.
    pub(super) async fn rows(
        &mut self,
        sql: &str,
    ) -> Result<Result<Vec<Vec<String>>, (String, String)>, Lost> {
        let mut request = BytesMut::new();
        put_query(&mut request, sql);
        let (mut rows, mut refused) = (Vec::new(), None);
        self.exchange(request, |kind, body| match kind {
            b'D' => rows.push(row_columns(body)),
            b'E' => refused = Some(error_fields(body)),
            _ => {}
        })
        .await?;
        Ok(refused.map_or(Ok(rows), Err))
    }

    /// Saves the state of the borrower's session in `state`. Returns the part that cannot be restored, if any.
    pub(super) async fn inspect(&mut self, state: &mut SessionState) -> Result<Option<String>, Lost> {
        match self.rows(INSPECTION).await? {
            Ok(rows) => Ok(state.inspected(&rows)),
            Err((_, message)) => Ok(Some(format!("state that cannot be read ({message})"))),
        }
    }

    /// Returns whether the server has lost its counts of dead rows.
    pub(super) fn has_lost_counts(&self) -> bool {
        self.has_lost_counts
    }

    /// Notes that an earlier server was killed, so that this one has no counts of dead rows.
    pub(super) fn note_lost_counts(&mut self) {
        self.has_lost_counts = true;
    }

    /// Notes that the counts of dead rows are right again.
    pub(super) fn note_counts(&mut self) {
        self.has_lost_counts = false;
    }

    /// Removes everything that the last borrower left, in whatever state the session is. Fails if the server is gone, or if the
    /// last statement of the borrower runs for longer than `limit`.
    pub(super) async fn reset(&mut self, limit: Duration) -> Result<(), Lost> {
        timeout(limit, self.reset_in_time()).await.unwrap_or(Err(Lost))
    }

    async fn reset_in_time(&mut self) -> Result<(), Lost> {
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
        if state.transaction_has_failed() {
            self.fail_a_transaction().await?;
        } else if let Some(parse) = state.unnamed() {
            // The unnamed statement comes last, because any simple query would remove it.
            self.prepare_unnamed(parse).await?;
        }
        Ok(refused)
    }

    /// Sends `parse`, the messages of [`SessionState::unnamed`], and ignores an error of the statement.
    pub(super) async fn prepare_unnamed(&mut self, parse: BytesMut) -> Result<(), Lost> {
        self.talk(parse, |kind, _| kind == b'Z').await
    }

    /// Begins a transaction, and makes it fail.
    async fn fail_a_transaction(&mut self) -> Result<(), Lost> {
        let mut request = BytesMut::new();
        put_query(&mut request, "BEGIN");
        put_query(&mut request, "SELECT 1 / 0");
        self.talk(request, |kind, body| kind == b'Z' && body == b"E").await
    }

    /// Ends the session and the server, and waits for the end of the server's process. A statement that runs for longer than
    /// `limit` is interrupted by killing the server.
    pub(super) async fn stop(mut self, limit: Duration) {
        if self.reset(limit).await.is_err() {
            return self.kill().await;
        }
        let mut terminate = BytesMut::new();
        put_message(&mut terminate, b'X', |_| {});
        // Each of these steps fails if the server is gone; then there is nothing to end.
        let _ = self.stream.write_all(&terminate).await;
        let _ = self.stream.shutdown().await;
        self.server.stop().await;
    }

    /// Kills the server, and waits for the end of its process. Everything that was not committed is lost.
    pub(super) async fn kill(self) {
        self.server.kill().await;
    }
}

#[cfg(test)]
impl Session {
    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }
}
