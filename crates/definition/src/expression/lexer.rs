//! The words of an expression, from behind `#{` up to the first `}` outside quotes.

use std::borrow::Cow;

use super::SyntaxError;

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Integer(i64),
    Double(f64),
    String(Cow<'a, str>),
    /// A name with its `@`, if it has one. The `*` of a secret is told from "times" by the parser.
    Name(&'a str),
    /// `+ - * / ^ . , ( )`
    Sign(char),
}

/// A word and its byte offset in the whole text.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    pub(super) offset: usize,
    pub(super) token: Token<'a>,
}

/// Reads the words of one expression, each when it is asked for.
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Where the expression begins, behind its `#{`.
    begin: usize,
    /// How far it is read.
    offset: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, begin: usize) -> Self {
        Self { text, begin, offset: begin }
    }

    /// The byte at which the next word begins; behind the last one, where the `}` stands.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Reads the next word; none is left before the `}`.
    pub(super) fn word(&mut self) -> Result<Option<Word<'a>>, SyntaxError> {
        self.skip_white();
        let offset = self.offset;
        let token = match self.peek() {
            None => {
                let opened = self.begin.saturating_sub(2);
                return Err(SyntaxError::new(opened, "this `#{` is never closed by `}`"));
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
                return Err(SyntaxError::new(offset, format!("`{other}` means nothing here")));
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

    /// The bytes that belong together, all of them ASCII.
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

    /// Both quotes are used by AWS; a backslash escapes what follows, and a doubled quote is one quote, so that
    /// `'YYYY-MM-dd''T''HH'` reaches the date pattern as it is meant.
    fn string(&mut self, quote: u8) -> Result<Cow<'a, str>, SyntaxError> {
        let begin = self.offset;
        self.offset += 1;
        let rest = self.rest();
        // Most have neither: they are a piece of the text.
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
                None => return Err(SyntaxError::new(begin, format!("this {quote} is never closed"))),
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

/// The bytes of names: looked up, because a text is looked at byte by byte.
const IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    table
};
