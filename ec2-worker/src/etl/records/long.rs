//! Passes over records that are too long, without keeping them in memory.

use memchr::memchr_iter;

use super::{KEPT, Record, Records};
use crate::etl::dialect::Form;
use crate::etl::position::Position;
use crate::etl::splitter::Step;
use crate::failure::Failure;

impl Records {
    /// Returns whether the next record, which is in the window with `len` bytes, is longer than the dialect allows without its
    /// end. The texts that are made of workbooks and of JSON have more bytes than the files.
    #[cold]
    pub(super) fn is_longer_than_allowed(&self, len: usize) -> bool {
        let record = &self.window[self.next..self.next + len];
        let text = record.strip_suffix(self.dialect.record_end.bytes()).unwrap_or(record);
        let text = if self.dialect.ends_by_line() { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        self.dialect.form == Form::Text && text.len() > self.dialect.longest_record
    }

    /// Passes over a record that is too long, without keeping it in memory. Its end is found field by
    /// field: the window keeps only the field that has not ended.
    pub(super) fn pass_long_record(&mut self) -> Result<Record, Failure> {
        let at = self.at;
        let kept = &self.window[self.next..];
        self.too_long = kept[..kept.len().min(KEPT)].to_vec();
        loop {
            match self.splitter.split(&self.window, self.next, self.is_last) {
                Step::Record { len, lines } => {
                    self.advance(len, lines);
                    return Ok(Record { bytes: self.next..self.next, at, is_too_long: true });
                }
                Step::QuoteOpen(open) => return Err(self.quote_open_from(at, open)),
                Step::NeedMore => {
                    self.cut_to_open_field();
                    self.is_last = !self.fill()?;
                }
            }
        }
    }

    /// Cuts the window down to the end of the field that has not ended. One byte in place of the part before keeps the
    /// rest inside or outside of quotes.
    fn cut_to_open_field(&mut self) {
        let (begin, cut, in_quotes) = self.splitter.open_field(&self.window);
        if cut <= begin + 1 {
            return;
        }
        let lines = memchr_iter(b'\n', &self.window[self.next..cut]).count() as u64;
        self.advance(cut - self.next, lines);
        self.next -= 1;
        self.at.offset -= 1;
        self.window[self.next] = self.dialect.quote.filter(|_| in_quotes).unwrap_or(self.ordinary_byte());
    }

    /// Returns a byte that has no meaning in the dialect.
    fn ordinary_byte(&self) -> u8 {
        let ends = [self.dialect.separator.as_slice(), self.dialect.record_end.bytes()].concat();
        let is_special = |byte: u8| {
            ends.contains(&byte) || [self.dialect.quote, self.dialect.escape].contains(&Some(byte))
        };
        (b'a'..=u8::MAX).find(|byte| !is_special(*byte)).unwrap_or(b'a')
    }

    fn quote_open_from(&self, at: Position, open: usize) -> Failure {
        if self.at == at {
            return self.quote_open(open);
        }
        let message = format!(
            "{}, line {}: in the record that begins here, a quote opens and is never closed; close it, double it if it \
             belongs to the text, or set `myQuote` to none if quotes have no meaning in the file",
            self.name, at.line
        );
        Failure::bad_input("OpenQuote", message)
    }
}
