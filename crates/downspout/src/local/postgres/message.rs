//! The messages of PostgreSQL (protocol 3.0), as far as the front must understand them.
//!
//! The module splits the bytes of a client into whole messages of limited length, finds the messages in the stream of a server
//! without delaying it, and builds the few messages that the front itself sends.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The length of a message's header in bytes: its type and its length. Only the first message of a client has no type.
const HEADER_BYTES: usize = 5;

/// How many bytes of each body a [`MessageScanner`] keeps. The bodies that the front reads are shorter.
const KEPT_BYTES: usize = 4096;

/// The reason why the bytes of a client are not messages of the protocol.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum FrameError {
    #[error("message type {0:#04x} is unknown")]
    UnknownType(u8),
    #[error("a message of type '{}' claims a length of {length} bytes; at most {limit} bytes are allowed", *.kind as char)]
    Length { kind: u8, length: i32, limit: usize },
}

/// Removes the first message from `inbox`, and returns it with its header. Returns `None` if the message is incomplete.
///
/// The errors are those of [`whole_message`].
pub(super) fn take_message(inbox: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, FrameError> {
    Ok(whole_message(inbox, limit)?.map(|length| inbox.split_to(length).freeze()))
}

/// Returns the length in bytes of the first message of `inbox`, with its header, or `None` if the message is incomplete.
///
/// Fails if the type is unknown, or if the message cannot have the stated length or is longer than `limit` bytes. The header
/// is checked before the body has arrived, so that invalid bytes are refused at once.
pub(super) fn whole_message(inbox: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(&kind) = inbox.first() else { return Ok(None) };
    if !b"QPBDECHSFXdcfp".contains(&kind) {
        return Err(FrameError::UnknownType(kind));
    }
    let Some(mut length) = inbox.get(1..HEADER_BYTES) else { return Ok(None) };
    let length = length.get_i32();
    let total = usize::try_from(length).unwrap_or(0) + 1;
    if length < 4 || total > limit {
        return Err(FrameError::Length { kind, length, limit });
    }
    Ok((inbox.len() >= total).then_some(total))
}

/// Finds the messages in the stream of a server, which arrives in pieces of any size.
///
/// The scanner keeps only the beginning of each body, so that a row of a gigabyte needs no memory.
pub(super) struct MessageScanner {
    header: [u8; HEADER_BYTES],
    header_have: usize,
    body_length: usize,
    body_left: usize,
    body: Vec<u8>,
}

impl MessageScanner {
    /// Returns a scanner for the beginning of a stream.
    pub(super) fn new() -> Self {
        Self { header: [0; HEADER_BYTES], header_have: 0, body_length: 0, body_left: 0, body: Vec::new() }
    }

    /// Returns how many bytes of a message that is not complete yet were read. Zero between two messages.
    pub(super) fn unfinished(&self) -> usize {
        match self.header_have {
            HEADER_BYTES => self.body_length + HEADER_BYTES - self.body_left,
            have => have,
        }
    }

    /// Reads the next bytes. For every message that ends in them, `seen` gets the type and the kept part of the body.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut seen: impl FnMut(u8, &[u8])) {
        loop {
            if self.header_have < HEADER_BYTES {
                let taken = bytes.len().min(HEADER_BYTES - self.header_have);
                self.header[self.header_have..self.header_have + taken].copy_from_slice(&bytes[..taken]);
                self.header_have += taken;
                bytes = &bytes[taken..];
                if self.header_have < HEADER_BYTES {
                    return;
                }
                self.body_length = (&self.header[1..]).get_u32().saturating_sub(4) as usize;
                self.body_left = self.body_length;
                self.body.clear();
            }
            let taken = bytes.len().min(self.body_left);
            let kept = taken.min(KEPT_BYTES - self.body.len());
            self.body.extend_from_slice(&bytes[..kept]);
            self.body_left -= taken;
            bytes = &bytes[taken..];
            if self.body_left > 0 {
                return;
            }
            self.header_have = 0;
            seen(self.header[0], &self.body);
        }
    }
}

/// The severity of an [`ErrorReport`], which says whether the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Notice,
    Error,
    Fatal,
}

/// An `ErrorResponse` or a `NoticeResponse` that the front itself sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ErrorReport {
    pub(super) severity: Severity,
    /// The SQLSTATE of the error.
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

impl ErrorReport {
    /// Returns an error that ends the connection.
    pub(super) fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, code, message: message.into(), hint: None }
    }

    /// Returns an error that ends only the statement.
    pub(super) fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), hint: None }
    }

    /// Returns a note that changes nothing.
    pub(super) fn notice(message: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, code: "00000", message: message.into(), hint: None }
    }

    /// Returns the error for a client that breaks the protocol.
    pub(super) fn violation(error: &FrameError) -> Self {
        Self::fatal("08P01", error.to_string())
    }

    /// Adds a hint that says what the user can do.
    pub(super) fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Writes the report as a message.
    pub(super) fn put(&self, out: &mut BytesMut) {
        let (kind, severity) = match self.severity {
            Severity::Notice => (b'N', "NOTICE"),
            Severity::Error => (b'E', "ERROR"),
            Severity::Fatal => (b'E', "FATAL"),
        };
        put_message(out, kind, |body| {
            for (field, text) in
                [(b'S', severity), (b'V', severity), (b'C', self.code), (b'M', self.message.as_str())]
            {
                body.put_u8(field);
                put_text(body, text);
            }
            if let Some(hint) = self.hint {
                body.put_u8(b'H');
                put_text(body, hint);
            }
            body.put_u8(0);
        });
    }
}

/// Writes a message of type `kind` whose body `fill` writes.
pub(super) fn put_message(out: &mut BytesMut, kind: u8, fill: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    put_sized(out, fill);
}

/// Writes a length, and the body that `fill` writes. The startup message has no other parts; all others begin with a type.
pub(super) fn put_sized(out: &mut BytesMut, fill: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    fill(out);
    let length = u32::try_from(out.len() - start).expect("the front's own messages are short");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Writes a text and the zero byte at its end. Zero bytes inside the text are left out.
pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

/// Writes a simple query.
pub(super) fn put_query(out: &mut BytesMut, sql: &str) {
    put_message(out, b'Q', |body| put_text(body, sql));
}

/// Writes a query in the extended protocol. `name` becomes its statement and its portal, and is free again after the query.
/// Unlike a simple query, this leaves the unnamed statement and the unnamed portal of the client alone.
pub(super) fn put_named_query(out: &mut BytesMut, name: &str, sql: &str) {
    put_message(out, b'P', |body| {
        put_text(body, name);
        put_text(body, sql);
        body.put_u16(0);
    });
    put_message(out, b'B', |body| {
        put_text(body, name);
        put_text(body, name);
        // No formats of parameters, no parameters, no formats of results.
        body.put_bytes(0, 6);
    });
    put_message(out, b'E', |body| {
        put_text(body, name);
        body.put_u32(0);
    });
    for kind in [b'P', b'S'] {
        put_message(out, b'C', |body| {
            body.put_u8(kind);
            put_text(body, name);
        });
    }
    put_message(out, b'S', |_| {});
}

/// The state of the transaction in a `ReadyForQuery`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionStatus {
    Outside,
    Failed,
}

/// Writes `ReadyForQuery`.
pub(super) fn put_ready(out: &mut BytesMut, status: TransactionStatus) {
    let status = match status {
        TransactionStatus::Outside => b'I',
        TransactionStatus::Failed => b'E',
    };
    put_message(out, b'Z', |body| body.put_u8(status));
}

/// Removes the text before the first zero byte from `body`, with that byte. Returns `None` if `body` has no zero byte or the
/// text is not UTF-8.
pub(super) fn take_text<'a>(body: &mut &'a [u8]) -> Option<&'a str> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(&body[..end]).ok()?;
    *body = &body[end + 1..];
    Some(text)
}

/// Returns the columns of a `DataRow`. NULL becomes an empty text.
pub(super) fn row_columns(mut body: &[u8]) -> Vec<String> {
    let mut columns = Vec::new();
    if body.len() < 2 {
        return columns;
    }
    for _ in 0..body.get_u16() {
        if body.len() < 4 {
            break;
        }
        let length = usize::try_from(body.get_i32()).unwrap_or(0).min(body.len());
        columns.push(String::from_utf8_lossy(&body[..length]).into_owned());
        body.advance(length);
    }
    columns
}

/// Returns the SQLSTATE and the message of an `ErrorResponse`. A missing field becomes an empty text.
pub(super) fn error_fields(mut body: &[u8]) -> (String, String) {
    let (mut code, mut message) = (String::new(), String::new());
    while body.first().is_some_and(|field| *field != 0) {
        let field = body.get_u8();
        let Some(text) = take_text(&mut body) else { break };
        match field {
            b'C' => code = text.to_owned(),
            b'M' => message = text.to_owned(),
            _ => {}
        }
    }
    (code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_when_its_last_byte_is_there() {
        let mut whole = BytesMut::new();
        put_query(&mut whole, "SELECT 1");
        let mut inbox = BytesMut::from(&whole[..whole.len() - 1]);
        assert_eq!(take_message(&mut inbox, 100), Ok(None));
        inbox.put_u8(0);
        assert_eq!(take_message(&mut inbox, 100), Ok(Some(whole.freeze())));
        assert!(inbox.is_empty());
    }

    #[test]
    fn a_length_over_the_limit_is_refused_from_its_header_alone() {
        let mut inbox = BytesMut::from(&b"Q\x7f\xff\xff\xff"[..]);
        assert!(matches!(take_message(&mut inbox, 1 << 20), Err(FrameError::Length { kind: b'Q', .. })));
        let mut inbox = BytesMut::from(&b"Q\xff\xff\xff\xff"[..]);
        assert!(take_message(&mut inbox, 1 << 20).is_err());
    }

    #[test]
    fn an_unknown_type_is_refused_from_its_first_byte() {
        assert_eq!(whole_message(b"z", 100), Err(FrameError::UnknownType(b'z')));
    }

    #[test]
    fn a_watch_sees_the_same_messages_however_the_stream_is_cut() {
        let mut stream = BytesMut::new();
        put_message(&mut stream, b'D', |body| body.put_slice(&[7; KEPT_BYTES + 50]));
        put_ready(&mut stream, TransactionStatus::Outside);
        put_message(&mut stream, b'c', |_| {});
        for piece in [1, 2, 3, 5, 7, 100, 4099, 4200] {
            let mut watch = MessageScanner::new();
            let mut seen = Vec::new();
            for bytes in stream.chunks(piece) {
                watch.feed(bytes, |kind, body| seen.push((kind, body.to_vec())));
            }
            assert_eq!(watch.unfinished(), 0);
            assert_eq!(seen, [(b'D', vec![7; KEPT_BYTES]), (b'Z', b"I".to_vec()), (b'c', vec![])]);
        }
    }

    #[test]
    fn a_watch_knows_how_much_of_a_message_it_has_read() {
        let mut stream = BytesMut::new();
        put_query(&mut stream, "SELECT 1");
        let mut watch = MessageScanner::new();
        for read in 1..stream.len() {
            watch.feed(&stream[read - 1..read], |_, _| {});
            assert_eq!(watch.unfinished(), read);
        }
    }
}
