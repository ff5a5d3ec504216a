//! Makes UTF-8 text of the bytes of a file: unpacks them, decodes them, and turns workbooks and JSON into CSV.
//!
//! Packing and byte order marks are recognised by the first bytes, whatever the definition says. All of this
//! blocks, so it belongs on a thread for blocking work.

use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::dialect::{Dialect, Form};
use crate::failure::Failure;
use decode::Charset;

pub mod bad_bytes;
mod csv_text;
mod decode;
pub mod foreign;
mod json;
mod number_format;
mod pieces;
mod serial;
mod unpack;
mod workbook;

pub(crate) use csv_text::push_text;
use pieces::Pieces;
pub use unpack::{Packing, SIGNATURE};
pub(crate) use unpack::{check, unguarded};

/// The largest number of bytes that one fill of a window adds.
const FILL: usize = 256 * 1024;
/// The number of bytes by which packing, encoding and files that are not text are recognised.
const HEAD: usize = 512;

/// An open file, as text. Reading blocks, so it belongs on a thread for blocking work.
pub struct Input {
    /// The name for messages.
    name: String,
    stream: Stream,
    /// Whether the definition says that the bytes are gzipped.
    gzip: bool,
    /// The number of bytes of text to leave out at the start.
    skip: u64,
    /// The number of bytes of text to read after that.
    left: u64,
    /// The failure of the download, which the decoders above it cannot carry.
    failure: FailureSlot,
    /// Whether the bytes were UTF-8, although they were decoded as another encoding. It is known at the end.
    is_utf8: Arc<AtomicBool>,
}

/// Holds the failure of a download while it passes through decoders as an [`io::Error`].
pub(super) type FailureSlot = Arc<Mutex<Option<Failure>>>;

enum Stream {
    /// Bytes whose packing and encoding are not known yet.
    Raw(Pieces),
    /// Bytes that are the text.
    Plain(Pieces),
    /// Text that is made from the bytes.
    Made(Box<dyn Read + Send>),
}

/// The findings about a file before its text is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Whether the text is the file itself, byte by byte.
    pub is_plain: bool,
    /// How the file is packed, for people.
    pub packing: Option<&'static str>,
    /// The encoding, if the text had to be decoded.
    pub encoding: Option<&'static str>,
    /// Sentences for the user about the packing and the encoding.
    pub notes: Vec<String>,
    /// The number formats of a workbook that this program cannot apply, each with the index of its column.
    pub formats: Vec<(usize, String)>,
}

impl Input {
    /// Returns an input of the bytes that come from `receiver`. An empty piece means the end of the file.
    #[must_use]
    pub fn new(name: String, receiver: mpsc::Receiver<Result<Bytes, Failure>>, gzip: bool) -> Self {
        let failure = FailureSlot::default();
        let pieces = Pieces::new(receiver, failure.clone());
        let is_utf8 = Arc::default();
        Self { name, stream: Stream::Raw(pieces), gzip, skip: 0, left: u64::MAX, failure, is_utf8 }
    }

    /// Returns an input of bytes that are the text.
    #[must_use]
    pub fn plain(name: String, receiver: mpsc::Receiver<Result<Bytes, Failure>>) -> Self {
        let mut input = Self::new(name, receiver, false);
        if let Stream::Raw(pieces) = input.stream {
            input.stream = Stream::Plain(pieces);
        }
        input
    }

    /// Restricts the text to the offsets from `from` to before `to`.
    #[must_use]
    pub fn range(mut self, from: u64, to: u64) -> Self {
        (self.skip, self.left) = (from, to.saturating_sub(from));
        self
    }

    /// Recognises how the file is packed and encoded, and prepares its text. This comes before the first
    /// [`Self::fill`]. An input that is plain stays as it is.
    ///
    /// # Errors
    ///
    /// If the download breaks off, or the file cannot be unpacked, decoded or converted.
    pub fn begin(&mut self, dialect: &Dialect, scratch: &Path) -> Result<Opened, Failure> {
        let raw = std::mem::replace(&mut self.stream, Stream::Made(Box::new(io::empty())));
        let Stream::Raw(mut pieces) = raw else {
            self.stream = raw;
            return Ok(Opened { is_plain: true, ..Opened::default() });
        };
        let mut opened = Opened::default();
        let head = pieces.peek(HEAD)?.to_vec();
        let is_workbook = dialect.form == Form::Workbook;
        let packing = unpack::Packing::of(&head).filter(|packing| !(is_workbook && packing.is_zip()));
        if self.gzip && packing.is_none() && !is_workbook {
            let what = match head[..] {
                [] => "declared as gzip (`compression`), but it ends too early: it is empty",
                _ => "declared as gzip (`compression`), but it is not packed; drop the field `compression`",
            };
            return Err(self.unreadable("NotGzip", what));
        }
        let Some(packing) = packing else {
            self.check_head(&head)?;
            let charset = Charset::of(&head, dialect.encoding);
            opened.is_plain = charset == Charset::Utf8 && dialect.form == Form::Text;
            self.stream = if opened.is_plain {
                opened.notes.extend(charset.note(dialect.encoding));
                Stream::Plain(pieces)
            } else {
                self.made(Box::new(pieces), &head, dialect, scratch, &mut opened)?
            };
            return Ok(opened);
        };
        opened.packing = Some(packing.name());
        let count = pieces.count();
        let reader = unpack::reader(packing, Box::new(pieces), count, scratch);
        let mut unpacked = io::BufReader::with_capacity(FILL, reader.map_err(|error| self.io(&error))?);
        let mut head = Vec::new();
        (&mut unpacked).take(HEAD as u64).read_to_end(&mut head).map_err(|error| self.io(&error))?;
        self.check_head(&head)?;
        if let Some(inner) = unpack::Packing::of(&head).filter(|inner| !(is_workbook && inner.is_zip())) {
            let (inner, outer) = (inner.name(), packing.name());
            let what = format!(
                "the file is packed twice: it is {inner} inside {outer}; unpack it once, and drop it again"
            );
            return Err(self.unreadable("Unreadable", &what));
        }
        let whole = Box::new(io::Cursor::new(head.clone()).chain(unpacked));
        self.stream = self.made(whole, &head, dialect, scratch, &mut opened)?;
        Ok(opened)
    }

    /// Refuses a file that is not text.
    fn check_head(&self, head: &[u8]) -> Result<(), Failure> {
        foreign::of_head(head).map_or(Ok(()), |what| Err(self.unreadable("Unreadable", what)))
    }

    /// Makes text of unpacked bytes that begin with `head`.
    fn made(
        &self,
        bytes: Box<dyn BufRead + Send>,
        head: &[u8],
        dialect: &Dialect,
        scratch: &Path,
        opened: &mut Opened,
    ) -> Result<Stream, Failure> {
        let problem = |error: io::Error| self.io(&error);
        if dialect.form == Form::Workbook {
            let made = workbook::csv(bytes, dialect, scratch, opened).map_err(problem)?;
            return Ok(Stream::Made(Box::new(made)));
        }
        let charset = Charset::of(head, dialect.encoding);
        opened.encoding = charset.name();
        opened.notes.extend(charset.note(dialect.encoding));
        let text: Box<dyn BufRead + Send> = match charset {
            Charset::Utf8 => bytes,
            charset => {
                let decoder = decode::Decoder::new(bytes, &charset, Arc::clone(&self.is_utf8));
                Box::new(io::BufReader::with_capacity(FILL, decoder))
            }
        };
        Ok(match dialect.form {
            Form::Json => {
                let encoding = opened.encoding.unwrap_or("UTF-8");
                let made = json::csv(text, dialect, encoding).map_err(problem)?;
                opened.notes.extend(made.notes());
                Stream::Made(Box::new(made))
            }
            _ => Stream::Made(text),
        })
    }

    /// Appends some bytes of text to `window` and returns how many. 0 means the end.
    ///
    /// # Errors
    ///
    /// If the download breaks off, or the file cannot be unpacked or converted.
    pub fn fill(&mut self, window: &mut Vec<u8>) -> Result<usize, Failure> {
        while self.skip > 0 {
            let mut thrown_away = [0; 8192];
            let limit = thrown_away.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            match self.read(&mut thrown_away[..limit])? {
                0 => return Ok(0),
                count => self.skip -= count as u64,
            }
        }
        if self.left == 0 {
            return Ok(0);
        }
        let before = window.len();
        let limit = FILL.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if let Stream::Plain(pieces) = &mut self.stream {
            let piece = pieces.next(limit)?;
            window.extend_from_slice(&piece);
        } else {
            window.resize(before + limit, 0);
            let mut buffer = std::mem::take(window);
            let count = self.read(&mut buffer[before..]);
            *window = buffer;
            window.truncate(before + *count.as_ref().unwrap_or(&0));
            count?;
        }
        let count = window.len() - before;
        self.left -= count as u64;
        Ok(count)
    }

    /// Returns, at the end of a file, whether its bytes are UTF-8 with letters beyond ASCII, although they were decoded as another
    /// encoding.
    pub fn is_utf8_after_all(&self) -> bool {
        self.is_utf8.load(Ordering::Relaxed)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let read = match &mut self.stream {
            Stream::Raw(pieces) | Stream::Plain(pieces) => pieces.read(buffer),
            Stream::Made(reader) => reader.read(buffer),
        };
        read.map_err(|error| self.io(&error))
    }

    /// Returns the failure of the download behind `error`, or else says that the file cannot be read.
    fn io(&self, error: &io::Error) -> Failure {
        let broken = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the file ends too early; it is not whole".to_owned(),
            _ => error.to_string(),
        };
        let id = if self.gzip { "NotGzip" } else { "Unreadable" };
        broken.unwrap_or_else(|| self.unreadable(id, &what))
    }

    fn unreadable(&self, id: &str, what: &str) -> Failure {
        Failure::bad_input(id, format!("{}: {what}", self.name))
    }
}

impl Opened {
    /// Returns sentences about number formats that a workbook has in columns for which `is_text` holds.
    #[must_use]
    pub fn format_notes(&self, is_text: impl Fn(usize) -> bool) -> Vec<String> {
        let formats = self.formats.iter().filter(|(column, _)| is_text(*column));
        let note = |(column, format): &(usize, String)| {
            format!(
                "column {}: the number format `{format}` is not shown in a text; its numbers are loaded as they are stored",
                workbook::letters(*column)
            )
        };
        formats.map(note).collect()
    }
}

#[cfg(test)]
impl Input {
    /// Returns an input of these pieces, in memory.
    pub(super) fn of_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (sender, receiver) = mpsc::channel(1 << 16);
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()).chain([&b""[..]]) {
            assert!(sender.try_send(Ok(Bytes::copy_from_slice(piece))).is_ok(), "the channel has room");
        }
        Self::new("pieces".to_owned(), receiver, false)
    }
}
