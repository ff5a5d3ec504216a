//! Unpacks the bytes of a file, or passes them on as they are, so that they can be written with another packing. Also checks that
//! a packed file is whole.
//!
//! The bytes are read without [`Input::begin`], which would make text of them.

use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::sync::PoisonError;

use tokio::sync::mpsc;

use super::input::{self, FailureSlot, Input, Packing};
use crate::failure::Failure;
use crate::panics;

/// The size of a piece of output in bytes.
const PIECE: usize = 256 * 1024;
/// The largest number of pieces that wait for the upload.
const PIECES: usize = 4;

/// Sends the bytes of `input` from a thread of its own. With `packing`, the input has this packing, and the unpacked bytes are sent.
/// Without it, the bytes are sent as they are.
///
/// `input` is the content of the file named `file`, which was just opened. `scratch` is the folder for files that must be copied
/// first, such as zip archives.
///
/// The last piece is followed by an empty piece. If the channel closes without an empty piece, the pieces so far are not
/// the whole output. A failure comes in place of the remaining pieces.
#[must_use]
pub fn start(
    input: Input,
    file: String,
    packing: Option<Packing>,
    scratch: PathBuf,
) -> mpsc::Receiver<Result<Vec<u8>, Failure>> {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let done = panics::caught("unpacking the file", || {
            let (raw, failure) = Raw::new(input);
            let Some(packing) = packing else {
                let mut raw = raw;
                let sent = send(&mut raw, &sender);
                return sent.map_err(|error| {
                    broken(&failure).unwrap_or_else(|| Failure::scratch("reading", &error))
                });
            };
            let sent = input::unguarded(packing, raw.buffered(), &scratch)
                .and_then(|mut unpacked| send(&mut unpacked, &sender));
            sent.map_err(|error| broken(&failure).unwrap_or_else(|| not_unpacked(&file, packing, &error)))
        });
        // The receiver is gone only if the upload failed. The upload reports its failure itself.
        drop(sender.blocking_send(done.map(|()| Vec::new())));
    });
    receiver
}

/// Unpacks all of `input`, the content of the file named `file`, to check that the file is complete. The input was just opened.
///
/// # Errors
///
/// If the file is damaged or cut off, or its download breaks off.
pub async fn check(input: Input, file: String, packing: Packing, scratch: PathBuf) -> Result<(), Failure> {
    let work = move || {
        panics::caught("unpacking the file", || {
            let (raw, failure) = Raw::new(input);
            let checked = input::check(packing, raw.buffered(), &scratch);
            checked.map_err(|error| broken(&failure).unwrap_or_else(|| not_unpacked(&file, packing, &error)))
        })
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| panics::of_thread("unpacking the file", error))?
}

/// Takes the failure of a download, if it has failed.
fn broken(failure: &FailureSlot) -> Option<Failure> {
    failure.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn not_unpacked(file: &str, packing: Packing, error: &io::Error) -> Failure {
    let what = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends too early; it is not whole".to_owned(),
        _ => error.to_string(),
    };
    let id = if packing == Packing::Gzip { "NotGzip" } else { "Unreadable" };
    Failure::bad_input(id, format!("{file}: {what}"))
}

fn send(from: &mut dyn Read, sender: &mpsc::Sender<Result<Vec<u8>, Failure>>) -> io::Result<()> {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        from.take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() || sender.blocking_send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
}

/// The bytes of an input, as a blocking reader.
struct Raw {
    input: Input,
    window: Vec<u8>,
    next: usize,
    /// The failure of the download. A decoder passes on only an `io::Error`, which would lose the failure.
    failure: FailureSlot,
}

impl Raw {
    fn new(input: Input) -> (Self, FailureSlot) {
        let failure = FailureSlot::default();
        (Self { input, window: Vec::new(), next: 0, failure: failure.clone() }, failure)
    }

    fn buffered(self) -> Box<dyn BufRead + Send> {
        Box::new(io::BufReader::with_capacity(PIECE, self))
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.next == self.window.len() {
            self.window.clear();
            self.next = 0;
            if let Err(failure) = self.input.fill(&mut self.window) {
                let error = io::Error::other(failure.message.clone());
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                return Err(error);
            }
        }
        let count = buffer.len().min(self.window.len() - self.next);
        buffer[..count].copy_from_slice(&self.window[self.next..self.next + count]);
        self.next += count;
        Ok(count)
    }
}
