//! The connection of a client: its waiting bytes in both directions, and the state of its session.

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::lender::Loan;
use super::message::take_text;
use super::state::SessionState;

/// How many bytes are read at once, in either direction.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// The connection of a client that has proved its password.
pub(super) struct ClientLink {
    pub(super) stream: TcpStream,
    /// Bytes from the client that are not handled yet.
    pub(super) inbox: BytesMut,
    /// Bytes for the client that are not sent yet.
    pub(super) outbox: BytesMut,
    /// Whether the client has received a part of a message whose rest will never come.
    pub(super) is_in_message: bool,
    pub(super) state: SessionState,
    /// The client's `application_name`.
    pub(super) application: String,
}

impl ClientLink {
    /// Notes a parameter that the server reports.
    pub(super) fn note_parameter(&mut self, mut body: &[u8], loan: &Loan) {
        if take_text(&mut body) == Some("application_name")
            && let Some(application) = take_text(&mut body)
        {
            application.clone_into(&mut self.application);
            loan.is_called(application);
        }
    }
}
