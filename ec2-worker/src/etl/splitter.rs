//! Cuts bytes into records and fields, without copying them.
//!
//! Quoting follows RFC 4180. Usually a line feed or a CRLF ends a record; line breaks inside quotes belong to the
//! field. A quote inside an unquoted field is an ordinary byte. This module gives no meaning to the fields.

use memchr::{memchr, memchr_iter, memchr2};

use super::dialect::Dialect;
use specials::Specials;

mod specials;

/// The range of a field in the input, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The index of the first byte.
    pub start: usize,
    /// The index after the last byte.
    pub end: usize,
    /// Whether the field is quoted. A quoted field is never NULL.
    pub quoted: bool,
    /// Whether the field contains doubled quotes or escapes, which [`Splitter::unescape`] takes out.
    pub escaped: bool,
}

/// The result of [`Splitter::split`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole record.
    Record {
        /// The number of bytes, including the record end.
        len: usize,
        /// The number of line feeds in the record.
        lines: u64,
    },
    /// The input ends within a record.
    NeedMore,
    /// The last input ends within a quoted field. This is the index of the opening quote.
    QuoteOpen(usize),
}

/// Cuts records out of a window of bytes.
#[derive(Debug)]
pub struct Splitter {
    separator: Vec<u8>,
    record_end: Vec<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
    /// The separator and the record end if each of them is one byte, as in nearly every file.
    single: Option<(u8, u8)>,
    /// Whether a carriage return before the record end belongs to it.
    takes_return: bool,
    /// Whether a record end is the end of a line.
    ends_line: bool,
    /// The bytes at which an unquoted field may end, and the escape.
    specials: Specials,
    /// The bytes from which an escape takes their meaning. An escape before another byte is ordinary itself.
    escapable: [bool; 256],
    fields: Vec<Span>,
    text_after_quote: Option<usize>,
    /// The start of the field that was read last.
    begin: usize,
}

/// The end of a field.
enum FieldEnd {
    /// A separator of this length follows.
    Separator(usize),
    /// A record end of this length follows.
    Record(usize),
    /// The input ends.
    Input,
}

impl Splitter {
    /// Returns a splitter for a dialect.
    #[must_use]
    pub fn new(dialect: &Dialect) -> Self {
        let record_end = dialect.record_end.bytes().to_vec();
        let specials = Specials::new([
            dialect.separator[0],
            record_end[0],
            dialect.escape.unwrap_or(dialect.separator[0]),
        ]);
        // Without quotes, an escape takes away the meaning of every byte, as AWS's CopyActivity reads it. With quotes,
        // programs such as Spark write a backslash before a letter as it is, and no program escapes a letter.
        let mut escapable = [dialect.quote.is_none(); 256];
        let firsts =
            [dialect.separator.first(), record_end.first(), dialect.escape.as_ref(), dialect.quote.as_ref()];
        for byte in firsts.into_iter().flatten().chain(b"\r\n") {
            escapable[usize::from(*byte)] = true;
        }
        Self {
            single: match (&dialect.separator[..], &record_end[..]) {
                ([separator], [end]) => Some((*separator, *end)),
                _ => None,
            },
            separator: dialect.separator.clone(),
            takes_return: record_end == b"\n",
            ends_line: record_end.contains(&b'\n') || record_end == b"\r",
            record_end,
            quote: dialect.quote,
            escape: dialect.escape,
            specials,
            escapable,
            fields: Vec::new(),
            text_after_quote: None,
            begin: 0,
        }
    }

    /// Returns the fields of the last record.
    #[must_use]
    #[inline]
    pub fn fields(&self) -> &[Span] {
        &self.fields
    }

    /// Returns the index of the first field that has text after its closing quote, among the fields of the last record.
    /// Returns `None` if there is no such field.
    #[must_use]
    #[inline]
    pub fn text_after_quote(&self) -> Option<usize> {
        self.text_after_quote
    }

    /// Finds the end of the record that begins at the index `start` of `input`, and keeps its fields for
    /// [`Splitter::fields`]. `last` means that no more input follows.
    ///
    /// After [`Step::NeedMore`] and [`Step::QuoteOpen`], the fields are those that end before the end of the input.
    #[inline]
    pub fn split(&mut self, input: &[u8], start: usize, last: bool) -> Step {
        self.fields.clear();
        self.text_after_quote = None;
        self.specials.begin(input, start);
        let mut at = start;
        let mut lines = 0;
        loop {
            self.begin = at;
            let is_quoted = self.quote.is_some() && input.get(at) == self.quote.as_ref();
            // A fast path for most fields: without a quote, in a dialect without an escape, and with a separator and a record end
            // of one byte each. `unquoted` would find the same.
            if !is_quoted
                && self.escape.is_none()
                && let Some((separator, _)) = self.single
            {
                let Some(end) = self.specials.next(input, at) else {
                    if !last {
                        return Step::NeedMore;
                    }
                    let stop = self.without_return(input, at, input.len());
                    self.fields.push(Span { start: at, end: stop, quoted: false, escaped: false });
                    return Step::Record { len: input.len() - start, lines };
                };
                let ends_record = input[end] != separator;
                let stop = if ends_record { self.without_return(input, at, end) } else { end };
                self.fields.push(Span { start: at, end: stop, quoted: false, escaped: false });
                at = end + 1;
                if ends_record {
                    return Step::Record { len: at - start, lines: lines + u64::from(self.ends_line) };
                }
                continue;
            }
            let found = if is_quoted {
                self.quoted(input, at, last, &mut lines)
            } else {
                self.unquoted(input, at, last, &mut lines)
            };
            match found {
                Err(step) => return step,
                Ok((end, FieldEnd::Separator(length))) => at = end + length,
                Ok((end, FieldEnd::Record(length))) => {
                    lines += u64::from(self.ends_line);
                    return Step::Record { len: end + length - start, lines };
                }
                Ok((end, FieldEnd::Input)) => return Step::Record { len: end - start, lines },
            }
        }
    }

    /// Replaces the contents of `out` by the text of a field, without its escapes and doubled quotes.
    pub fn unescape(&self, input: &[u8], span: Span, out: &mut Vec<u8>) {
        out.clear();
        let mut rest = &input[span.start..span.end];
        while let Some((first, tail)) = rest.split_first() {
            let escapes = |next: &u8| Some(*first) == self.escape && self.escapable[usize::from(*next)];
            let skips = tail.first().is_some_and(escapes)
                || (span.quoted && Some(*first) == self.quote && tail.first() == Some(first));
            match tail.split_first() {
                Some((second, tail)) if skips => {
                    out.push(*second);
                    rest = tail;
                }
                _ => {
                    out.push(*first);
                    rest = tail;
                }
            }
        }
    }

    /// Returns whether a field has a backslash before a letter that databases write for a control character, such as `\t` for a tab.
    /// [`Self::unescape`] leaves the letter.
    #[must_use]
    pub fn has_escaped_letter(&self, input: &[u8], span: Span) -> bool {
        if !span.escaped || self.escape != Some(b'\\') {
            return false;
        }
        let mut rest = &input[span.start..span.end];
        while let [first, second, tail @ ..] = rest {
            let is_pair = *first == b'\\' && self.escapable[usize::from(*second)];
            if is_pair && b"bfnrtv0".contains(second) {
                return true;
            }
            rest = if is_pair { tail } else { &rest[1..] };
        }
        false
    }

    /// Returns, after [`Step::NeedMore`], the start of the field that has not ended in `input`; the index from which on its
    /// bytes may belong together with the bytes that follow; and whether this index is inside quotes.
    #[must_use]
    pub fn open_field(&self, input: &[u8]) -> (usize, usize, bool) {
        let (cut, in_quotes) = self.rest_of(input, self.begin);
        (self.begin, cut, in_quotes)
    }

    fn rest_of(&self, input: &[u8], begin: usize) -> (usize, bool) {
        let mut at = begin;
        if self.quote.is_some() && input.get(begin) == self.quote.as_ref() {
            at += 1;
            loop {
                let is_special = |byte: &u8| Some(*byte) == self.quote || Some(*byte) == self.escape;
                let Some(run) = input[at..].iter().position(is_special) else { return (input.len(), true) };
                at += run;
                let next = input.get(at + 1);
                match next {
                    None => return (at, true),
                    Some(_) if Some(input[at]) == self.escape || next == self.quote.as_ref() => at += 2,
                    Some(_) => break,
                }
            }
            at += 1;
        }
        while let Some(run) = input[at..].iter().position(|byte| Some(*byte) == self.escape) {
            if at + run + 2 > input.len() {
                return (at + run, false);
            }
            at += run + 2;
        }
        let longest = self.separator.len().max(self.record_end.len());
        (at.max(input.len().saturating_sub(longest - 1)), false)
    }

    /// Returns what ends the field at the index `at`, where a special byte stands; `None` if the byte ends nothing.
    #[inline]
    fn end_at(&self, input: &[u8], at: usize, last: bool) -> Result<Option<FieldEnd>, Step> {
        if let Some((separator, end)) = self.single {
            let byte = input[at];
            return Ok(match byte {
                _ if byte == separator => Some(FieldEnd::Separator(1)),
                _ if byte == end => Some(FieldEnd::Record(1)),
                _ => None,
            });
        }
        let rest = &input[at..];
        for (bytes, is_record) in [(&self.separator, false), (&self.record_end, true)] {
            if bytes[0] != rest[0] {
                continue;
            }
            if rest.starts_with(bytes) {
                let length = bytes.len();
                return Ok(Some(if is_record {
                    FieldEnd::Record(length)
                } else {
                    FieldEnd::Separator(length)
                }));
            }
            if !last && bytes.starts_with(rest) {
                return Err(Step::NeedMore);
            }
        }
        Ok(None)
    }

    /// Returns the index of the next separator or record end from `at` on, and the index after the last escaped byte before
    /// it.
    #[inline]
    fn find_end(
        &mut self,
        input: &[u8],
        mut at: usize,
        last: bool,
    ) -> Result<(usize, FieldEnd, Option<usize>), Step> {
        let mut escaped = None;
        loop {
            let Some(found) = self.specials.next(input, at) else {
                return if last { Ok((input.len(), FieldEnd::Input, escaped)) } else { Err(Step::NeedMore) };
            };
            at = found;
            if Some(input[at]) == self.escape {
                if at + 1 >= input.len() && !last {
                    return Err(Step::NeedMore);
                }
                at = (at + 2).min(input.len());
                escaped = Some(at);
                continue;
            }
            match self.end_at(input, at, last)? {
                Some(end) => return Ok((at, end, escaped)),
                None => at += 1,
            }
        }
    }

    #[inline]
    fn unquoted(
        &mut self,
        input: &[u8],
        start: usize,
        last: bool,
        lines: &mut u64,
    ) -> Result<(usize, FieldEnd), Step> {
        let (end, what, escaped) = self.find_end(input, start, last)?;
        if escaped.is_some() {
            *lines += memchr_iter(b'\n', &input[start..end]).count() as u64;
        }
        // An escaped carriage return belongs to the field.
        let ends_record = !matches!(what, FieldEnd::Separator(_)) && escaped != Some(end);
        let stop = if ends_record { self.without_return(input, start, end) } else { end };
        self.fields.push(Span { start, end: stop, quoted: false, escaped: escaped.is_some() });
        Ok((end, what))
    }

    fn without_return(&self, input: &[u8], start: usize, end: usize) -> usize {
        let crlf = self.takes_return && end > start && input[end - 1] == b'\r';
        if crlf { end - 1 } else { end }
    }

    /// Reads the quoted field whose opening quote is at `open`. Returns the index of the separator or record end after the
    /// field, or the result of [`Splitter::split`] if the input ends too early.
    fn quoted(
        &mut self,
        input: &[u8],
        open: usize,
        last: bool,
        lines: &mut u64,
    ) -> Result<(usize, FieldEnd), Step> {
        let quote = input[open];
        let unfinished = if last { Step::QuoteOpen(open) } else { Step::NeedMore };
        let start = open + 1;
        let mut at = start;
        let mut escaped = false;
        let close = loop {
            let found = match self.escape {
                Some(escape) => memchr2(quote, escape, &input[at..]),
                None => memchr(quote, &input[at..]),
            };
            let index = at + found.ok_or(unfinished)?;
            let doubled = input.get(index + 1) == Some(&quote);
            if Some(input[index]) == self.escape || doubled {
                escaped = true;
                at = index + 2;
                if at > input.len() {
                    return Err(unfinished);
                }
            } else if index + 1 == input.len() && !last {
                return Err(Step::NeedMore);
            } else {
                break index;
            }
        };
        let after = close + 1;
        let (end, what, _) = self.find_end(input, after, last)?;
        *lines += memchr_iter(b'\n', &input[start..end]).count() as u64;
        self.fields.push(Span { start, end: close, quoted: true, escaped });
        let tail = &input[after..end];
        let only_return = tail == b"\r" && self.takes_return && !matches!(what, FieldEnd::Separator(_));
        if !tail.is_empty() && !only_return && self.text_after_quote.is_none() {
            self.text_after_quote = Some(self.fields.len() - 1);
        }
        Ok((end, what))
    }
}

#[cfg(test)]
mod tests;
