//! Counts the lines and the characters of a text while it is read, so that a message can say where an error is.

use std::io::{self, BufRead, Read};

/// A text, and the place of its next byte.
pub(super) struct Text {
    inner: Box<dyn BufRead + Send>,
    /// Whether lines and characters are counted.
    counts: bool,
    /// The number of lines that have ended.
    lines: u64,
    /// The number of characters of the present line that were read.
    characters: u64,
}

impl Text {
    pub(super) fn new(inner: Box<dyn BufRead + Send>) -> Self {
        Self { inner, counts: true, lines: 0, characters: 0 }
    }

    /// Stops counting, because the reader knows the lines itself.
    pub(super) fn stop_counting(&mut self) {
        self.counts = false;
    }

    /// Skips blanks, and at the start of the text byte order marks. Returns the next byte without reading it.
    pub(super) fn next_letter(&mut self, is_start: bool) -> io::Result<Option<u8>> {
        loop {
            let Some(first) = self.fill_buf()?.first().copied() else { return Ok(None) };
            let is_mark = is_start && matches!(first, 0xef | 0xbb | 0xbf);
            if !matches!(first, b' ' | b'\t' | b'\n' | b'\r') && !is_mark {
                return Ok(Some(first));
            }
            self.consume(1);
            if is_mark {
                self.characters = 0;
            }
        }
    }

    /// Returns the line of the next byte, counted from 1.
    pub(super) fn line(&self) -> u64 {
        self.lines + 1
    }

    /// Returns the place of the next byte for people.
    pub(super) fn next_place(&self) -> String {
        format!("line {}, column {}", self.line(), self.column())
    }

    /// Returns the column of the next byte, counted from 1.
    pub(super) fn column(&self) -> u64 {
        self.characters + 1
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.fill_buf()?;
        let count = buffer.len().min(bytes.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if self.counts && count > 0 {
            // These bytes are in the buffer already, so nothing is read here.
            let bytes = self.inner.fill_buf().unwrap_or_default();
            let bytes = &bytes[..count.min(bytes.len())];
            let last_line = match memchr::memrchr(b'\n', bytes) {
                Some(end) => {
                    self.lines += memchr::memchr_iter(b'\n', &bytes[..=end]).count() as u64;
                    self.characters = 0;
                    &bytes[end + 1..]
                }
                None => bytes,
            };
            self.characters += characters(last_line);
        }
        self.inner.consume(count);
    }
}

/// Reads an object, and keeps its bytes for a message about it.
pub(super) struct Kept<R> {
    pub(super) inner: R,
    pub(super) bytes: Vec<u8>,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

/// Returns the number of characters that begin in a text.
pub(super) fn characters(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}
