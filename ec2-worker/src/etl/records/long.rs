//! Passes over records that are too long, without keeping them in memory.

use memchr::{memchr_iter, memmem};

use super::{KEPT, Record, Records};
use crate::etl::position::Position;
use crate::etl::splitter::Step;
use crate::failure::Failure;

impl Records {
    /// Passes over a record that is too long, without keeping it in memory. Its end is found field by field: what is in
    /// the window is cut down to the field that has not ended.
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

    /// Cuts the window down to the end of the field that has not ended, with its opening quote.
    fn cut_to_open_field(&mut self) {
        let begin = self.open_field();
        let is_quoted = self.dialect.quote.is_some_and(|quote| self.window.get(begin) == Some(&quote));
        // Quotes and escapes at the end belong together with what follows.
        let is_tied = |byte: &u8| Some(*byte) == self.dialect.quote || Some(*byte) == self.dialect.escape;
        let tied = self.window[begin..].iter().rev().take_while(|byte| is_tied(byte)).count();
        let ends = self.dialect.separator.len().max(self.dialect.record_end.bytes().len());
        let keep = tied.max(ends) + 1;
        let cut = self.window.len().saturating_sub(keep);
        if cut <= begin + 1 {
            return;
        }
        let lines = memchr_iter(b'\n', &self.window[self.next..cut]).count() as u64;
        self.advance(cut - self.next, lines);
        // The byte before the rest says whether the field is quoted; another byte there would begin a new field.
        self.next -= 1;
        self.at.offset -= 1;
        self.window[self.next] = self.dialect.quote.filter(|_| is_quoted).unwrap_or(b'x');
    }

    /// Returns the index of the first byte of the field that has not ended, after the splitter needed more.
    fn open_field(&self) -> usize {
        match self.splitter.fields().last() {
            None => self.next,
            Some(span) => {
                let end = span.end + usize::from(span.quoted);
                memmem::find(&self.window[end..], &self.dialect.separator)
                    .map_or(end, |index| end + index + self.dialect.separator.len())
            }
        }
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
