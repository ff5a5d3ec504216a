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

/// Reads the expression that begins at `begin`, behind its `#{`; returns its words and where its `}` stands.
pub(super) fn words(text: &str, begin: usize) -> Result<(Vec<Word<'_>>, usize), SyntaxError> {
    let mut lexer = Lexer { text, offset: begin };
    // As many as a call with two arguments has: most expressions are that long.
    let mut words = Vec::with_capacity(8);
    loop {
        lexer.skip_white();
        let offset = lexer.offset;
        let token = match lexer.peek() {
            None => {
                return Err(SyntaxError::new(begin.saturating_sub(2), "this `#{` is never closed by `}`"));
            }
            Some(b'}') => return Ok((words, offset)),
            Some(b'0'..=b'9') => lexer.number()?,
            Some(quote @ (b'\'' | b'"')) => Token::String(lexer.string(quote)?),
            Some(sign @ (b'+' | b'-' | b'*' | b'/' | b'^' | b'.' | b',' | b'(' | b')')) => {
                lexer.offset += 1;
                Token::Sign(char::from(sign))
            }
            Some(b'@' | b'_' | b'a'..=b'z' | b'A'..=b'Z') => lexer.name()?,
            Some(_) => {
                let other: String = lexer.rest().chars().take(1).flat_map(char::escape_debug).collect();
                return Err(SyntaxError::new(offset, format!("`{other}` means nothing here")));
            }
        };
        words.push(Word { offset, token });
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

struct Lexer<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Lexer<'a> {
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
