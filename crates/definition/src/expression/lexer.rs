//! Splits an expression into words, from the text after `#{` to the first `}` outside quotes.

use std::borrow::Cow;

use super::SyntaxError;

/// The kind and content of a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Integer(i64),
    Double(f64),
    String(Cow<'a, str>),
    /// A name, with its `@` if it has one. The parser decides whether a `*` before it marks a secret or
    /// multiplies.
    Name(&'a str),
    /// `+ - * / ^ . , ( )`
    Sign(char),
}

/// A word, and its byte offset in the whole text.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    pub(super) offset: usize,
    pub(super) token: Token<'a>,
}

/// Reads the words of one expression one by one.
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// The byte offset after the `#{` of the expression.
    begin: usize,
    /// The byte offset up to which the text has been read.
    offset: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, begin: usize) -> Self {
        Self { text, begin, offset: begin }
    }

    /// Returns the byte offset up to which the text has been read. After [`Self::word`] has returned `None`, this
    /// is the offset of the `}`.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Reads the next word. Returns `None` at the `}`.
    pub(super) fn word(&mut self) -> Result<Option<Word<'a>>, SyntaxError> {
        self.skip_white();
        let offset = self.offset;
        let token = match self.peek() {
            None => {
                let opened = self.begin.saturating_sub(2);
                return Err(SyntaxError::new(opened, "this `#{` is not closed by `}`"));
            }
            Some(b'}') => return Ok(None),
            Some(b'0'..=b'9') => self.number()?,
            Some(quote @ (b'\'' | b'"')) => Token::String(self.string(quote)?),
            Some(sign @ (b'+' | b'-' | b'*' | b'/' | b'^' | b'.' | b',' | b'(' | b')')) => {
                self.offset += 1;
                Token::Sign(char::from(sign))
            }
            Some(b'@' | b'_' | b'a'..=b'z' | b'A'..=b'Z') => self.name()?,
            Some(_) => {
                let other: String = self.rest().chars().take(1).flat_map(char::escape_debug).collect();
                return Err(SyntaxError::new(offset, format!("`{other}` has no meaning here")));
            }
        };
        Ok(Some(Word { offset, token }))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn next_char(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.offset += next.len_utf8();
        Some(next)
    }

    fn skip_white(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t'..=b'\r' => self.offset += 1,
                ..=b'\x7f' => return,
                _ if self.rest().starts_with(char::is_whitespace) => _ = self.next_char(),
                _ => return,
            }
        }
    }

    /// Takes all bytes up to the first one that does not belong. `belongs` must accept only ASCII bytes, because
    /// the text cannot be cut inside a longer character.
    fn take(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !belongs(byte)).unwrap_or(rest.len());
        self.offset += end;
        &rest[..end]
    }

    fn number(&mut self) -> Result<Token<'a>, SyntaxError> {
        let begin = self.offset;
        self.take(|byte| byte.is_ascii_digit());
        let is_fraction = matches!(self.rest().as_bytes(), [b'.', b'0'..=b'9', ..]);
        if is_fraction {
            self.offset += 1;
            self.take(|byte| byte.is_ascii_digit());
        }
        let written = &self.text[begin..self.offset];
        let token = if is_fraction {
            written.parse().ok().map(Token::Double)
        } else {
            written.parse().ok().map(Token::Integer)
        };
        token.ok_or_else(|| SyntaxError::new(begin, "this number is too large"))
    }

    /// Reads a string in single or double quotes; AWS uses both. A backslash escapes the next character, and
    /// a doubled quote is one quote. So a date pattern can contain quoted letters: `'YYYY-MM-dd''T''HH'`
    /// is the pattern `YYYY-MM-dd'T'HH`.
    fn string(&mut self, quote: u8) -> Result<Cow<'a, str>, SyntaxError> {
        let begin = self.offset;
        self.offset += 1;
        let rest = self.rest();
        // Most strings contain no escape and no doubled quote, so they can be borrowed from the text.
        if let Some(end) = rest.bytes().position(|byte| byte == quote || byte == b'\\')
            && rest.as_bytes()[end] == quote
            && rest.as_bytes().get(end + 1) != Some(&quote)
        {
            self.offset += end + 1;
            return Ok(Cow::Borrowed(&rest[..end]));
        }
        let quote = char::from(quote);
        let mut string = String::new();
        loop {
            match self.next_char() {
                None => return Err(SyntaxError::new(begin, format!("this {quote} is not closed"))),
                Some('\\') => string.extend(self.next_char()),
                Some(c) if c == quote => {
                    if !self.rest().starts_with(quote) {
                        return Ok(Cow::Owned(string));
                    }
                    self.offset += 1;
                    string.push(quote);
                }
                Some(c) => string.push(c),
            }
        }
    }

    fn name(&mut self) -> Result<Token<'a>, SyntaxError> {
        let begin = self.offset;
        if self.peek() == Some(b'@') {
            self.offset += 1;
        }
        let ident = self.take(|byte| IN_NAMES[usize::from(byte)]);
        if ident.as_bytes().first().is_none_or(u8::is_ascii_digit) {
            return Err(SyntaxError::new(begin, "a name must follow the `@`"));
        }
        Ok(Token::Name(&self.text[begin..self.offset]))
    }
}

/// The bytes that names consist of. A table is faster than comparisons for each byte.
const IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    table
};
