//! One step of bytes in one direction, between a client and the session.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

use super::client_link::READ_BYTES;

/// The end of a message that the server has begun is held back up to this size, so that an interrupted answer ends between two
/// messages.
const HELD_BYTES: usize = READ_BYTES;

/// How much is read ahead while the server takes nothing. More than the system buffers for a connection, so that the end of the
/// connection is found behind the buffered bytes.
const AHEAD_BYTES: usize = 32 * 1024 * 1024;

/// The result of one step in one direction.
pub(super) enum Moved {
    Read,
    Wrote,
    SourceClosed,
    SinkClosed,
    /// Nothing was moved for some time, because the sink takes nothing.
    Stuck,
}

impl Moved {
    fn of_read(count: io::Result<usize>) -> Self {
        if matches!(count, Ok(0) | Err(_)) { Self::SourceClosed } else { Self::Read }
    }

    fn of_write(written: io::Result<usize>) -> Self {
        if written.is_err() { Self::SinkClosed } else { Self::Wrote }
    }
}

/// Writes the bytes for the server; if there are none, reads from the client.
///
/// If the server takes no bytes for `patience`, the step is [`Moved::Stuck`]. With `reads_ahead`, the function then also reads from
/// the client while the server takes nothing: only so does it notice that the client has left.
pub(super) async fn inward(
    mut client: impl AsyncRead + Unpin,
    inbox: &mut BytesMut,
    mut server: impl AsyncWrite + Unpin,
    to_server: &mut BytesMut,
    reads_ahead: bool,
    patience: Duration,
) -> Moved {
    let reads = !to_server.has_remaining() || (reads_ahead && inbox.len() < AHEAD_BYTES);
    inbox.reserve(READ_BYTES);
    tokio::select! {
        biased;
        written = server.write_buf(to_server), if to_server.has_remaining() => Moved::of_write(written),
        count = client.read_buf(inbox), if reads => Moved::of_read(count),
        () = sleep(patience), if !reads => Moved::Stuck,
    }
}

/// Returns how many of the last bytes of the outbox are held back, if the last message in it has `unfinished` bytes.
pub(super) fn held_back(unfinished: usize, outbox: usize) -> usize {
    if unfinished <= HELD_BYTES { unfinished.min(outbox) } else { 0 }
}

/// Writes the first `ready` bytes for the client; if `ready` is zero, reads from the server.
pub(super) async fn outward(
    mut server: impl AsyncRead + Unpin,
    outbox: &mut BytesMut,
    ready: usize,
    mut client: impl AsyncWrite + Unpin,
) -> Moved {
    if ready > 0 {
        let written = client.write(&outbox[..ready]).await;
        if let Ok(count) = written {
            outbox.advance(count);
        }
        return Moved::of_write(written);
    }
    outbox.reserve(READ_BYTES);
    Moved::of_read(server.read_buf(outbox).await)
}
