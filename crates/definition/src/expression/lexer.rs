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
            Some('}') => return Ok((words, offset)),
            Some('0'..='9') => lexer.number()?,
            Some(quote @ ('\'' | '"')) => Token::String(lexer.string(quote)?),
            Some(sign @ ('+' | '-' | '*' | '/' | '^' | '.' | ',' | '(' | ')')) => {
                lexer.next();
                Token::Sign(sign)
            }
            Some('@' | '_' | 'a'..='z' | 'A'..='Z') => lexer.name()?,
            Some(other) => {
                return Err(SyntaxError::new(
                    offset,
                    format!("`{}` means nothing here", other.escape_debug()),
                ));
            }
        };
        words.push(Word { offset, token });
    }
}

struct Lexer<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.offset += next.len_utf8();
        Some(next)
    }

    fn skip_white(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.offset += end;
        &rest[..end]
    }

    fn number(&mut self) -> Result<Token<'a>, SyntaxError> {
        let begin = self.offset;
        self.take(|c| c.is_ascii_digit());
        let mut after = self.rest().chars();
        let is_fraction = after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit());
        if is_fraction {
            self.next();
            self.take(|c| c.is_ascii_digit());
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
    fn string(&mut self, quote: char) -> Result<Cow<'a, str>, SyntaxError> {
        let begin = self.offset;
        self.next();
        let rest = self.rest();
        // Most have neither: they are a piece of the text.
        if let Some(end) = rest.find([quote, '\\'])
            && rest[end..].starts_with(quote)
            && !rest[end + 1..].starts_with(quote)
        {
            self.offset += end + 1;
            return Ok(Cow::Borrowed(&rest[..end]));
        }
        let mut string = String::new();
        loop {
            match self.next() {
                None => return Err(SyntaxError::new(begin, format!("this {quote} is never closed"))),
                Some('\\') => string.extend(self.next()),
                Some(c) if c == quote => {
                    if self.peek() != Some(quote) {
                        return Ok(Cow::Owned(string));
                    }
                    self.next();
                    string.push(quote);
                }
                Some(c) => string.push(c),
            }
        }
    }

    fn name(&mut self) -> Result<Token<'a>, SyntaxError> {
        let begin = self.offset;
        if self.peek() == Some('@') {
            self.next();
        }
        let ident = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        if ident.is_empty() || ident.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(SyntaxError::new(begin, "a name must follow the `@`"));
        }
        Ok(Token::Name(&self.text[begin..self.offset]))
    }
}
