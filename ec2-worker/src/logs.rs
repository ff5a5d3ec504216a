//! Uploads the logs of an attempt to `pipelineLogUri`, packed with gzip.

use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::activity::{STDERR, STDOUT};
use crate::failure::Failure;
use crate::panics;
use crate::progress::Progress;
use crate::regular_file;
use crate::storage::{S3Uri, Storage, Upload};

/// How many bytes of a log are packed and sent at a time. The output of a command may be larger than the memory.
const PIECE: usize = 1024 * 1024;

/// Uploads the log of `progress` to `at` as `Activity.log.gz`, and the output of a command if `folder` has any.
///
/// If a log cannot be written, the task does not fail; the worker logs a warning.
pub(crate) async fn upload(storage: &Storage, at: &S3Uri, folder: &Path, progress: &Progress) {
    let activity = io::Cursor::new(progress.log_text().into_bytes());
    warn_of("Activity.log.gz", send(storage, at.child("Activity.log.gz"), activity).await);
    for file in [STDOUT, STDERR] {
        if let Ok((text, _)) = regular_file::open(&folder.join(file)) {
            let name = format!("{file}.gz");
            warn_of(&name, send(storage, at.child(&name), BufReader::new(text)).await);
        }
    }
}

fn warn_of(log: &str, sent: Result<(), Failure>) {
    if let Err(failure) = sent {
        tracing::warn!(log.name = log, error = %failure, "a log could not be uploaded");
    }
}

async fn send<R: Read + Send + 'static>(storage: &Storage, at: S3Uri, text: R) -> Result<(), Failure> {
    let mut upload = Upload::new(storage.clone(), at);
    let mut packing = Packing { text, packer: GzEncoder::new(Vec::new(), Compression::fast()) };
    loop {
        // Reading a file blocks, and packing needs the processor for long, so neither may run on an async thread.
        let packed = tokio::task::spawn_blocking(move || packing.piece()).await;
        let packed = packed.map_err(|error| panics::of_thread("packing a log", error))?;
        let (piece, rest) = packed.map_err(|error| Failure::scratch("packing a log", &error))?;
        upload.write(&piece).await?;
        match rest {
            Some(rest) => packing = rest,
            None => return upload.finish().await,
        }
    }
}

/// A log that is partly packed.
struct Packing<R> {
    text: R,
    packer: GzEncoder<Vec<u8>>,
}

impl<R: Read> Packing<R> {
    /// Packs the next piece. Returns its bytes, and the rest of the log unless this piece was the last.
    fn piece(mut self) -> io::Result<(Vec<u8>, Option<Self>)> {
        let count = io::copy(&mut self.text.by_ref().take(PIECE as u64), &mut self.packer)?;
        if count < PIECE as u64 {
            return Ok((self.packer.finish()?, None));
        }
        Ok((std::mem::take(self.packer.get_mut()), Some(self)))
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn pieces_unpack_to_the_whole() {
        let text: Vec<u8> = (0..PIECE * 2 + 7).map(|number| (number % 251) as u8).collect();
        let packer = GzEncoder::new(Vec::new(), Compression::fast());
        let mut packing = Packing { text: io::Cursor::new(text.clone()), packer };
        let mut packed = Vec::new();
        loop {
            let (piece, rest) = packing.piece().expect("memory does not fail");
            packed.extend(piece);
            match rest {
                Some(rest) => packing = rest,
                None => break,
            }
        }
        let mut unpacked = Vec::new();
        GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).expect("it is whole");
        assert!(unpacked == text);
    }
}
