//! Makes the objects of a cut: opens the records, applies the definition, and writes lines into files of their own.
//!
//! The work holds one row of the log in memory at a time, whatever the size of the cut.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use stream::encode::{ObjectWriter, quarantine_line, raw_line};
use stream::file::Compression;
use stream::shard::{SequenceNumber, ShardId};
use stream::transform::Transformer;
use stream::{Record, RecordNumber, Stream, kpl};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use crate::log::{Counts, Cut, Frames, Log, LogError};

/// Lines go to the encoder in pieces of at least this many bytes.
const LINES_AT_ONCE: usize = 64 << 10;

/// The objects of a cut. An object without lines is absent.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) raw: Option<Spool>,
    pub(crate) quarantine: Option<Spool>,
    pub(crate) data: Option<Spool>,
    pub(crate) counts: Counts,
}

/// The reason why objects cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error("reading the data file of the stream failed")]
    Log(#[from] LogError),
    #[error("writing into the folder {} failed", folder.display())]
    Spool {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cut {number} has {found} records in the data file, and {expected} were accepted")]
    Count { number: u64, found: u64, expected: u64 },
    #[error("the server is stopping")]
    Stopped,
    #[error("making the objects panicked; the log of the server shows where")]
    Panic,
}

/// The content of an object, in a file.
#[derive(Debug)]
pub(crate) struct Spool {
    file: NamedTempFile,
    pub(crate) is_gzip: bool,
}

impl Spool {
    /// Returns the file.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// Writes the lines of one object into a file. The file is created with the first line.
pub(crate) struct Lines {
    compression: Compression,
    buffer: Vec<u8>,
    open: Option<(ObjectWriter, NamedTempFile)>,
}

impl Lines {
    pub(crate) fn new(compression: Compression) -> Self {
        Self { compression, buffer: Vec::new(), open: None }
    }

    /// Returns the buffer to which the caller appends whole lines.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes the buffer to the file if it is long enough.
    pub(crate) fn advance(&mut self, folder: &Path) -> io::Result<()> {
        if self.buffer.len() < LINES_AT_ONCE { Ok(()) } else { self.write(folder) }
    }

    fn write(&mut self, folder: &Path) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let (encoder, file) = match &mut self.open {
            Some(open) => open,
            None => {
                let file = NamedTempFile::new_in(folder)?;
                self.open.insert((ObjectWriter::new(self.compression), file))
            }
        };
        encoder.write(&self.buffer);
        self.buffer.clear();
        file.write_all(&encoder.take())
    }

    /// Returns the whole content, or `None` if there was no line.
    pub(crate) fn finish(mut self, folder: &Path) -> io::Result<Option<Spool>> {
        self.write(folder)?;
        let Some((encoder, mut file)) = self.open else { return Ok(None) };
        file.write_all(&encoder.finish())?;
        let inner: &mut File = file.as_file_mut();
        inner.flush()?;
        inner.seek(SeekFrom::Start(0))?;
        Ok(Some(Spool { file, is_gzip: self.compression == Compression::Gzip }))
    }
}

/// Turns records into the lines of the data and quarantine objects.
pub(crate) struct Sorter<'s> {
    transformer: Transformer<'s>,
    version: u32,
    /// The time in quarantine lines. It is that of the cut, so that a repeated delivery gives the same bytes.
    ended: Timestamp,
    data: Lines,
    quarantine: Lines,
    counts: Counts,
}

impl<'s> Sorter<'s> {
    pub(crate) fn new(stream: &'s Stream, version: u32, ended: Timestamp) -> Self {
        Self {
            transformer: Transformer::new(stream),
            version,
            ended,
            data: Lines::new(stream.compression),
            quarantine: Lines::new(Compression::Gzip),
            counts: Counts::default(),
        }
    }

    /// Sorts a record, which may be an aggregate of several.
    pub(crate) fn sort(&mut self, record: Record<'_>, folder: &Path) -> io::Result<()> {
        // A record that comes from an aggregate, as replays read it, is not an aggregate again.
        let is_opened = record.number.place.is_some();
        let (one, several) = if is_opened { (Some(record), None) } else { (None, Some(kpl::open(record))) };
        for record in one.into_iter().chain(several.into_iter().flatten()) {
            self.counts.opened += 1;
            match self.transformer.lines(&record, self.data.buffer()) {
                Ok(0) => self.counts.left_out += 1,
                Ok(lines) => {
                    self.counts.delivered += 1;
                    self.counts.lines += lines as u64;
                }
                Err(refusal) => {
                    self.counts.quarantined += 1;
                    let buffer = self.quarantine.buffer();
                    quarantine_line(&record, &refusal, self.version, self.ended, buffer);
                }
            }
        }
        self.data.advance(folder)?;
        self.quarantine.advance(folder)
    }

    /// Returns the objects. The lines in `raw` become the raw object.
    pub(crate) fn finish(self, raw: Option<Lines>, folder: &Path) -> io::Result<Made> {
        Ok(Made {
            raw: raw.map(|raw| raw.finish(folder)).transpose()?.flatten(),
            quarantine: self.quarantine.finish(folder)?,
            data: self.data.finish(folder)?,
            counts: self.counts,
        })
    }
}

/// Makes the objects of a cut.
pub(super) fn make(
    log: &Log,
    cut: &Cut,
    stream: &Stream,
    with_raw: bool,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<Made, MakeError> {
    let spooling = |source| MakeError::Spool { folder: folder.to_owned(), source };
    let version = u32::try_from(cut.version).unwrap_or(u32::MAX);
    let mut sorter = Sorter::new(stream, version, cut.decided_at);
    let mut raw = Lines::new(Compression::Gzip);
    let (mut at, mut found) = (cut.after_row, 0);
    while let Some(row) = log.row_after(at, cut.last_row)? {
        if stop.is_cancelled() {
            return Err(MakeError::Stopped);
        }
        at = row.first;
        for frame in Frames::new(row.first, &row.body) {
            let frame = frame?;
            found += 1;
            let sequence = SequenceNumber { number: frame.number, shard: ShardId(row.shard) };
            let record = Record {
                number: RecordNumber { sequence, place: None },
                partition_key: frame.key,
                arrival: frame.arrived,
                data: frame.data,
            };
            if with_raw {
                raw_line(&record, raw.buffer());
                raw.advance(folder).map_err(spooling)?;
            }
            sorter.sort(record, folder).map_err(spooling)?;
        }
    }
    if found != cut.amount.records {
        return Err(MakeError::Count { number: cut.number, found, expected: cut.amount.records });
    }
    sorter.finish(Some(raw), folder).map_err(spooling)
}
