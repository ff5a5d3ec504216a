//! Unpacks gzip, Zstandard, bzip2, xz, and zip archives of one file.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::CrcReader;
use flate2::bufread::{DeflateDecoder, GzDecoder};

use super::foreign;

/// A file that has at most this many bytes when unpacked is never refused as too large.
const HARMLESS: u64 = 256 * 1024 * 1024;
/// The largest factor by which a larger file may grow when it is unpacked. Real tables grow by much less.
const GROWTH: u64 = 200;
/// The largest window of a Zstandard file, as a power of two: 128 MB, which is also the default limit of the program
/// `zstd`.
const ZSTD_WINDOW_LOG: u32 = 27;
/// The largest memory for an xz file, in KiB. `xz -9` needs 64 MB.
const XZ_MEMORY: u32 = 256 * 1024;

/// The ways in which a file may be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// A zip archive, of one file unless it is only copied.
    Zip,
}

/// The number of bytes by which a packing is recognised.
pub const SIGNATURE: u64 = 10;

impl Packing {
    /// Recognises the packing of a file by its first bytes. No text begins like this.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        const BZIP2_BLOCK: &[u8] = b"\x31\x41\x59\x26\x53\x59";
        const BZIP2_END: &[u8] = b"\x17\x72\x45\x38\x50\x90";
        let bzip2 = head.starts_with(b"BZh")
            && head.get(4..10).is_some_and(|block| block == BZIP2_BLOCK || block == BZIP2_END);
        // A Zstandard file may begin with a skippable frame.
        let skippable = head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18];
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ if skippable => Some(Self::Zstd),
            _ if bzip2 => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(Self::Zip),
            _ => None,
        }
    }

    /// Returns the name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zip => "zip",
        }
    }

    /// Says what to do if a file asks for more memory than the worker gives.
    fn explained(self, error: io::Error) -> io::Error {
        let is_of_dictionary = error.to_string().to_ascii_lowercase().contains("dictionary");
        if self == Self::Zstd && is_of_dictionary {
            return io::Error::other(
                "the Zstandard file was packed with a dictionary, which the worker does not have; pack it without a dictionary",
            );
        }
        let is_of_memory = error.to_string().to_ascii_lowercase().contains("memory");
        let remedy = match self {
            Self::Zstd => "a window of at most 128 MB (without `--long` or `--ultra`)",
            Self::Xz => "a smaller dictionary (`xz -9` at most)",
            _ => return error,
        };
        if is_of_memory {
            return io::Error::other(format!(
                "the {} file needs too much memory to unpack; pack it again with {remedy}",
                self.name()
            ));
        }
        error
    }

    pub(super) fn is_zip(self) -> bool {
        self == Self::Zip
    }
}

/// Returns the unpacked bytes of `packed`. `count` is the number of packed bytes that were read so far.
///
/// # Errors
///
/// If the head of the file is damaged, or a zip archive does not contain exactly one file.
pub(super) fn reader(
    packing: Packing,
    packed: Box<dyn BufRead + Send>,
    count: Arc<AtomicU64>,
    scratch: &Path,
) -> io::Result<Box<dyn Read + Send>> {
    let inner = unguarded(packing, packed, scratch)?;
    Ok(Box::new(Guarded { packing, inner, count, unpacked: 0 }))
}

/// Returns the unpacked bytes of `packed`, without a limit for their number. A zip archive is first copied to the folder `scratch`.
///
/// # Errors
///
/// The errors of [`reader`].
pub(crate) fn unguarded(
    packing: Packing,
    packed: Box<dyn BufRead + Send>,
    scratch: &Path,
) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        Packing::Gzip => Box::new(Gzip::Between(packed)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(packed)),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_MEMORY)),
        Packing::Zip => zipped(packed, scratch)?,
    })
}

/// Unpacks `packed` to its end, and so checks that it is whole. Of a zip archive, each file is unpacked, apart from those that are
/// encrypted or packed in an unusual way.
///
/// # Errors
///
/// If the file is damaged or cut off.
pub(crate) fn check(packing: Packing, packed: Box<dyn BufRead + Send>, scratch: &Path) -> io::Result<()> {
    if packing != Packing::Zip {
        let mut unpacked = unguarded(packing, packed, scratch)?;
        return io::copy(&mut unpacked, &mut io::sink()).map(drop).map_err(|error| packing.explained(error));
    }
    let copy = temporary_copy(packed, scratch)?;
    let mut archive = archive(&copy)?;
    for index in 0..archive.len() {
        let entry = Entry::of(&mut archive, index)?;
        if !entry.is_encrypted && entry.is_usual() {
            io::copy(&mut entry.open(&copy)?, &mut io::sink())?;
        }
    }
    Ok(())
}

/// Fails if a file grows too much when it is unpacked, as a file does that was made to exhaust its reader.
struct Guarded {
    packing: Packing,
    inner: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
    unpacked: u64,
}

impl Read for Guarded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).map_err(|error| self.packing.explained(error))?;
        self.unpacked += read as u64;
        let packed = self.count.load(Ordering::Relaxed);
        if self.unpacked > HARMLESS && self.unpacked / GROWTH > packed {
            return Err(too_large());
        }
        Ok(read)
    }
}

/// Reads gzip with any number of members. Zeros may follow each member, because tapes and some tools add them.
enum Gzip {
    /// Before a member, or at the end.
    Between(Box<dyn BufRead + Send>),
    Member(Box<GzDecoder<Box<dyn BufRead + Send>>>),
    Ended,
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(self, Self::Ended) {
                Self::Ended => return Ok(0),
                Self::Between(mut packed) => match skip_zeros(&mut packed)? {
                    None => return Ok(0),
                    Some(0x1f) => *self = Self::Member(Box::new(GzDecoder::new(packed))),
                    Some(_) => {
                        let what = "bytes that are not gzip follow the gzip data; the file is damaged, or is not \
                                    gzip after all";
                        return Err(io::Error::other(what));
                    }
                },
                Self::Member(mut decoder) => match decoder.read(buffer)? {
                    0 => *self = Self::Between(decoder.into_inner()),
                    count => {
                        *self = Self::Member(decoder);
                        return Ok(count);
                    }
                },
            }
        }
    }
}

/// Skips zeros. Returns the next byte without reading it, or `None` at the end.
fn skip_zeros(packed: &mut dyn BufRead) -> io::Result<Option<u8>> {
    loop {
        let bytes = packed.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let found = bytes.get(zeros).copied();
        packed.consume(zeros);
        if found.is_some() {
            return Ok(found);
        }
    }
}

/// Returns the bytes of the only file of a zip archive. The directory of an archive is at its end, so the archive is
/// first copied to the folder `scratch`.
fn zipped(packed: Box<dyn BufRead + Send>, scratch: &Path) -> io::Result<Box<dyn Read + Send>> {
    let copy = temporary_copy(packed, scratch)?;
    let mut archive = archive(&copy)?;
    if let Some(what) = foreign::of_archive(|name| archive.index_for_name(name).is_some()) {
        return Err(io::Error::other(what));
    }
    if archive.index_for_name("xl/workbook.xml").is_some() {
        return Err(io::Error::other(
            "the file is an Excel workbook; set `myDialect` of its data format to xlsx",
        ));
    }
    if archive.has_duplicate_names() {
        return Err(io::Error::other(
            "the zip archive holds several files with the same name; drop one file in each archive",
        ));
    }
    let mut found = Vec::new();
    let mut first = None;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(io::Error::other)?;
        first = first.into_iter().chain([entry.header_start()]).min();
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.is_file() && !is_hidden(&name) {
            found.push((index, name));
        }
    }
    // The directory at the end does not list the files of an archive that stands before.
    if let Some(before) = first.filter(|first| *first > 0) {
        return Err(io::Error::other(format!(
            "the zip archive begins after {before} other bytes, such as another archive that was joined with it; drop each archive \
             on its own"
        )));
    }
    let [(index, name)] = &found[..] else {
        let names: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).take(5).collect();
        let what = match names[..] {
            [] => "the zip archive contains no file".to_owned(),
            _ => format!(
                "the zip archive contains {} files ({}); drop one file in each archive",
                found.len(),
                names.join(", ")
            ),
        };
        return Err(io::Error::other(what));
    };
    let entry = Entry::of(&mut archive, *index)?;
    if entry.is_encrypted {
        return Err(io::Error::other(format!(
            "{name} in the zip archive is encrypted; drop it without a password"
        )));
    }
    if !entry.is_usual() {
        return Err(io::Error::other(format!(
            "{name} in the zip archive is packed by {}; use deflate",
            entry.method
        )));
    }
    entry.open(&copy)
}

/// Reads the directory of a zip archive.
fn archive(file: &File) -> io::Result<zip::ZipArchive<File>> {
    zip::ZipArchive::new(file.try_clone()?).map_err(|error| {
        io::Error::other(format!(
            "the zip archive has no directory that can be read ({error}); it is not whole, so drop it again"
        ))
    })
}

/// A file in a zip archive.
struct Entry {
    method: zip::CompressionMethod,
    is_encrypted: bool,
    /// The offset of its first byte in the archive.
    start: u64,
    /// The number of its packed bytes.
    size: u64,
    crc: u32,
}

impl Entry {
    fn of(archive: &mut zip::ZipArchive<File>, index: usize) -> io::Result<Self> {
        let entry = archive.by_index_raw(index).map_err(io::Error::other)?;
        let start = entry.data_start().ok_or_else(|| io::Error::other("the zip archive is damaged"))?;
        Ok(Self {
            method: entry.compression(),
            is_encrypted: entry.encrypted(),
            start,
            size: entry.compressed_size(),
            crc: entry.crc32(),
        })
    }

    /// Returns whether the file is packed in a way that is read here.
    fn is_usual(&self) -> bool {
        matches!(self.method, zip::CompressionMethod::Stored | zip::CompressionMethod::Deflated)
    }

    /// Returns the unpacked bytes. The last read fails if their checksum is wrong.
    fn open(&self, archive: &File) -> io::Result<Box<dyn Read + Send>> {
        let mut file = archive.try_clone()?;
        file.seek(SeekFrom::Start(self.start))?;
        let bytes = io::BufReader::new(file.take(self.size));
        let inner: Box<dyn Read + Send> = match self.method {
            zip::CompressionMethod::Stored => Box::new(bytes),
            _ => Box::new(DeflateDecoder::new(bytes)),
        };
        Ok(Box::new(Checked { inner: CrcReader::new(inner), crc: self.crc }))
    }
}

/// Returns whether a file of an archive is hidden, or one that a file manager adds to archives.
fn is_hidden(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    name.starts_with("__MACOSX/") || last.starts_with('.') || last == "Thumbs.db" || last == "desktop.ini"
}

/// Returns what a zip archive is, if it is a document that the worker does not read.
pub(super) fn foreign_archive(file: &File) -> io::Result<Option<&'static str>> {
    let Ok(archive) = zip::ZipArchive::new(file.try_clone()?) else { return Ok(None) };
    Ok(foreign::of_archive(|name| archive.index_for_name(name).is_some()))
}

/// Refuses a zip archive, such as a workbook, whose files would be too large when unpacked.
pub(super) fn check_growth(file: &File) -> io::Result<()> {
    let packed = file.metadata()?.len();
    let mut archive = zip::ZipArchive::new(file.try_clone()?).map_err(io::Error::other)?;
    let mut unpacked = 0_u64;
    for index in 0..archive.len() {
        let size = archive.by_index_raw(index).map_err(io::Error::other)?.size();
        unpacked = unpacked.saturating_add(size);
    }
    if unpacked > HARMLESS && unpacked / GROWTH > packed {
        return Err(too_large());
    }
    Ok(())
}

fn too_large() -> io::Error {
    io::Error::other(format!(
        "the file is more than {GROWTH} times as large when it is unpacked; unpack it, and drop the text itself if it is \
         right"
    ))
}

/// Copies everything to a file without a name in `scratch`, and returns the file.
pub(super) fn temporary_copy(mut bytes: Box<dyn BufRead + Send>, scratch: &Path) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(scratch)?;
    io::copy(&mut bytes, &mut file)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Reads a file of a zip archive, and compares its checksum at its end.
struct Checked {
    inner: CrcReader<Box<dyn Read + Send>>,
    crc: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.inner.crc().sum() != self.crc {
            return Err(io::Error::other(
                "the checksum in the zip archive is another one; the file is damaged",
            ));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_needs_a_dictionary_is_reported() {
        let samples: Vec<String> =
            (0..500).map(|id| format!("{id},Kettle {id},Rome,2025-10-{:02}\n", id % 28 + 1)).collect();
        let dictionary = zstd::dict::from_samples(&samples, 4_000).expect("a dictionary");
        let mut compressor = zstd::bulk::Compressor::with_dictionary(3, &dictionary).expect("a compressor");
        let packed = compressor.compress(samples.concat().as_bytes()).expect("packed");
        let count = Arc::new(AtomicU64::new(packed.len() as u64));
        let bytes = Box::new(io::Cursor::new(packed));
        let reader = reader(Packing::Zstd, bytes, count, &std::env::temp_dir());
        let error = reader
            .and_then(|mut reader| reader.read_to_end(&mut Vec::new()))
            .expect_err("it lacks its dictionary");
        assert!(error.to_string().contains("was packed with a dictionary"), "{error}");
    }
}
