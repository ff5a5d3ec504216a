//! The handshake of a new connection, in which the client proves that it knows the password. The embedded server takes no
//! part in the handshake.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::message::{
    ErrorReport, TransactionStatus, put_message, put_ready, put_text, take_message, take_text,
};
use super::scram::{MECHANISM, ScramError, Verifier};
use super::state::settings_of_options;

/// The longest startup packet, as PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`. A longer one belongs to another protocol.
const STARTUP_BYTES: usize = 10_000;

/// The longest password message, in bytes. No SCRAM message is longer.
const SCRAM_BYTES: usize = 4096;

/// The first number of a startup packet for protocol 3.0. The next constants are the numbers of other requests
/// (PostgreSQL manual, "Message Formats").
const PROTOCOL_3_0: u32 = 3 << 16;
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// The reason why the handshake failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("not a PostgreSQL client")]
    Garbage,
    #[error("{}", .0.message)]
    Refused(ErrorReport),
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

/// The purpose of a new connection.
pub(super) enum Opening {
    /// A client that must still prove that it knows the password.
    Client(Startup),
    /// A request to cancel the statement of the client with this process id and secret.
    Cancel { process: u32, secret: u32 },
}

/// The startup packet of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Startup {
    pub(super) user: String,
    pub(super) database: String,
    /// The session settings in the client's order, among them `application_name`.
    pub(super) settings: Vec<(String, String)>,
    /// The options of a newer protocol that the client asks for. `None` if it asks for protocol 3.0 without options.
    negotiate: Option<Vec<String>>,
}

impl Startup {
    /// Returns the value of the setting `name`, the last one if the client gave several. The case of `name` does not
    /// matter.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let mut found = self.settings.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.next_back().map(|(_, value)| value.as_str())
    }

    fn read(version: u32, mut body: &[u8]) -> Result<Self, HandshakeError> {
        let mut startup =
            Self { user: String::new(), database: String::new(), settings: Vec::new(), negotiate: None };
        let mut wanted = Vec::new();
        while body.first().is_some_and(|byte| *byte != 0) {
            let (Some(name), Some(value)) = (take_text(&mut body), take_text(&mut body)) else {
                return Err(HandshakeError::Garbage);
            };
            match name {
                "user" => value.clone_into(&mut startup.user),
                "database" => value.clone_into(&mut startup.database),
                "options" => startup.settings.extend(settings_of_options(value)),
                "replication" if matches!(value, "false" | "off" | "no" | "0") => {}
                "replication" => {
                    return refuse("0A000", "the embedded PostgreSQL does not support replication");
                }
                _ if name.starts_with("_pq_.") => wanted.push(name.to_owned()),
                _ => startup.settings.push((name.to_owned(), value.to_owned())),
            }
        }
        if startup.user.is_empty() {
            return refuse("28000", "no PostgreSQL user name specified in startup packet");
        }
        if startup.database.is_empty() {
            startup.database.clone_from(&startup.user);
        }
        startup.negotiate = (version != PROTOCOL_3_0 || !wanted.is_empty()).then_some(wanted);
        Ok(startup)
    }
}

/// A connection during its handshake, with the bytes that were read and not yet processed.
pub(super) struct NewConnection {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) inbox: BytesMut,
}

impl NewConnection {
    /// Creates the state for an accepted connection.
    pub(super) fn new(stream: TcpStream, address: SocketAddr) -> Self {
        Self { stream, address, inbox: BytesMut::new() }
    }

    /// Reads the purpose of the connection. Requests for encryption are declined.
    ///
    /// Fails if the connection breaks, if the client does not speak protocol 3, or if its startup packet is refused.
    pub(super) async fn opening(&mut self) -> Result<Opening, HandshakeError> {
        // A client may ask once for each of the two kinds of encryption before it states its purpose.
        for _ in 0..3 {
            let mut packet = self.startup_packet().await?;
            match packet.get_u32() {
                SSL_REQUEST | GSSENC_REQUEST => self.stream.write_all(b"N").await?,
                CANCEL_REQUEST if packet.len() == 8 => {
                    return Ok(Opening::Cancel { process: packet.get_u32(), secret: packet.get_u32() });
                }
                version if version >> 16 == 3 => {
                    return Ok(Opening::Client(Startup::read(version, &packet)?));
                }
                _ => return Err(HandshakeError::Garbage),
            }
        }
        Err(HandshakeError::Garbage)
    }

    async fn startup_packet(&mut self) -> Result<Bytes, HandshakeError> {
        self.fill(4).await?;
        let length = usize::try_from((&self.inbox[..4]).get_u32()).unwrap_or(usize::MAX);
        if !(8..=STARTUP_BYTES).contains(&length) {
            return Err(HandshakeError::Garbage);
        }
        self.fill(length).await?;
        let mut packet = self.inbox.split_to(length).freeze();
        packet.advance(4);
        Ok(packet)
    }

    async fn fill(&mut self, bytes: usize) -> Result<(), HandshakeError> {
        while self.inbox.len() < bytes {
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }

    /// Lets the client prove with SCRAM-SHA-256 that it knows the password.
    ///
    /// Fails if the password, the user or the database is wrong, or if the connection breaks.
    pub(super) async fn authenticate(
        &mut self,
        startup: &Startup,
        verifier: &Verifier,
    ) -> Result<(), HandshakeError> {
        let mut offer = BytesMut::new();
        if let Some(options) = &startup.negotiate {
            put_message(&mut offer, b'v', |body| {
                body.put_u32(0);
                body.put_u32(u32::try_from(options.len()).unwrap_or(0));
                options.iter().for_each(|option| put_text(body, option));
            });
        }
        put_authentication(&mut offer, 10, format!("{MECHANISM}\0\0").as_bytes());
        self.stream.write_all(&offer).await?;

        let mut initial = self.password_message().await?;
        let (mechanism, message) = initial_response(&mut initial).ok_or(HandshakeError::Garbage)?;
        if mechanism != MECHANISM {
            return refuse("28000", "only SCRAM-SHA-256 authentication is supported");
        }
        let (exchange, answer) = verifier.begin(message).map_err(refused)?;
        let mut challenge = BytesMut::new();
        put_authentication(&mut challenge, 11, answer.as_bytes());
        self.stream.write_all(&challenge).await?;

        let response = self.password_message().await?;
        let response = std::str::from_utf8(&response).map_err(|_| HandshakeError::Garbage)?;
        let proof = exchange.finish(response).map_err(refused)?;
        // The user is checked after the password, with the same error, so that a client without the password cannot find out
        // which users exist.
        if startup.user != "postgres" {
            return Err(refused(ScramError::WrongPassword));
        }
        if startup.database != "postgres" {
            let message =
                format!("database \"{}\" does not exist; the only one is \"postgres\"", startup.database);
            return refuse("3D000", message);
        }
        let mut accepted = BytesMut::new();
        put_authentication(&mut accepted, 12, proof.as_bytes());
        put_authentication(&mut accepted, 0, b"");
        self.stream.write_all(&accepted).await?;
        Ok(())
    }

    async fn password_message(&mut self) -> Result<Bytes, HandshakeError> {
        loop {
            match take_message(&mut self.inbox, SCRAM_BYTES) {
                Ok(Some(message)) if message[0] == b'p' => return Ok(message.slice(5..)),
                Ok(None) => self.fill(self.inbox.len() + 1).await?,
                Ok(Some(_)) | Err(_) => return Err(HandshakeError::Garbage),
            }
        }
    }

    /// Tells the client that the handshake succeeded, with the parameters of the server and the key for cancelling.
    pub(super) async fn welcome(
        &mut self,
        startup: &Startup,
        parameters: &[(String, String)],
        key: (u32, u32),
    ) -> io::Result<()> {
        let mut out = BytesMut::new();
        for (name, value) in parameters {
            put_message(&mut out, b'S', |body| {
                put_text(body, name);
                put_text(body, startup.setting(name).unwrap_or(value));
            });
        }
        put_message(&mut out, b'K', |body| {
            body.put_u32(key.0);
            body.put_u32(key.1);
        });
        put_ready(&mut out, TransactionStatus::Outside);
        self.stream.write_all(&out).await
    }

    /// Sends the client the reason of a refusal, and closes the connection.
    pub(super) async fn turn_away(&mut self, report: &ErrorReport) {
        let mut out = BytesMut::new();
        report.put(&mut out);
        // An error means that the client has left.
        let _ = self.stream.write_all(&out).await;
        let _ = self.stream.shutdown().await;
    }
}

fn put_authentication(out: &mut BytesMut, kind: u32, data: &[u8]) {
    put_message(out, b'R', |body| {
        body.put_u32(kind);
        body.put_slice(data);
    });
}

/// Splits a `SASLInitialResponse` into mechanism and message.
fn initial_response(body: &mut Bytes) -> Option<(&str, &str)> {
    let mut rest: &[u8] = body;
    let mechanism = take_text(&mut rest)?;
    if rest.len() < 4 {
        return None;
    }
    let length = usize::try_from(rest.get_i32()).ok()?;
    Some((mechanism, std::str::from_utf8(rest.get(..length)?).ok()?))
}

fn refuse<T>(code: &'static str, message: impl Into<String>) -> Result<T, HandshakeError> {
    Err(HandshakeError::Refused(ErrorReport::fatal(code, message)))
}

fn refused(error: ScramError) -> HandshakeError {
    HandshakeError::Refused(match error {
        ScramError::WrongPassword => ErrorReport::fatal("28P01", "password authentication failed"),
        ScramError::Malformed(_) => ErrorReport::fatal("08P01", error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_startup_is_read_with_its_settings() {
        let body = b"user\0postgres\0application_name\0psql\0options\0-c work_mem=8MB\0\0";
        let startup = Startup::read(PROTOCOL_3_0, body).expect("well formed");
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("postgres", "postgres"));
        assert_eq!(startup.setting("Application_Name"), Some("psql"));
        assert_eq!(startup.setting("work_mem"), Some("8MB"));
        assert_eq!(startup.negotiate, None);
    }

    #[test]
    fn a_newer_protocol_is_negotiated_down() {
        let startup = Startup::read(PROTOCOL_3_0 + 2, b"user\0postgres\0_pq_.x\0y\0\0").expect("well formed");
        assert_eq!(startup.negotiate, Some(vec!["_pq_.x".to_owned()]));
    }

    #[test]
    fn a_startup_without_an_end_is_garbage() {
        assert!(matches!(Startup::read(PROTOCOL_3_0, b"user\0postgres"), Err(HandshakeError::Garbage)));
    }
}
