//! Splits SQL into tokens by the lexical rules of PostgreSQL, so that code is not confused with strings and comments.

/// The byte order mark.
const MARK: char = '\u{feff}';

/// A piece of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An unquoted word.
    Word,
    /// `?`, a placeholder in JDBC.
    Placeholder,
    /// `??`: in JDBC, a question mark that is an operator and not a placeholder.
    Question,
    /// `;`.
    Semicolon,
    /// `(` or `[`.
    Open,
    /// `)` or `]`.
    Close,
    /// White space or a comment.
    Space,
    /// A string, a quoted name or dollar-quoted text. The value is `false` if the closing quote is missing.
    Quoted(bool),
    /// Anything else.
    Other,
}

/// Cuts SQL into tokens, each with its range of bytes in the text.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn token(&self) -> (Token, usize) {
        let rest = &self.text[self.at..];
        let bytes = rest.as_bytes();
        match bytes[0] {
            b'\'' => quoted(bytes, 0, b'\'', false),
            b'"' => quoted(bytes, 0, b'"', false),
            b'e' | b'E' if bytes.get(1) == Some(&b'\'') => quoted(bytes, 1, b'\'', true),
            b'$' => dollar(rest),
            b'-' if bytes.starts_with(b"--") => (Token::Space, rest.find(['\n', '\r']).unwrap_or(rest.len())),
            b'/' if bytes.starts_with(b"/*") => (Token::Space, comment(bytes)),
            b'?' if bytes.get(1) == Some(&b'?') => (Token::Question, 2),
            b'?' => (Token::Placeholder, 1),
            b';' => (Token::Semicolon, 1),
            b'(' | b'[' => (Token::Open, 1),
            b')' | b']' => (Token::Close, 1),
            first if first.is_ascii_whitespace() => {
                (Token::Space, bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count())
            }
            // Scripts that were put together from several files have a byte order mark before each of them.
            _ if rest.starts_with(MARK) => (Token::Space, MARK.len_utf8()),
            first if is_word(first) => {
                (Token::Word, bytes.iter().take_while(|byte| is_word(**byte) || **byte == b'$').count())
            }
            _ => (Token::Other, 1),
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = (Token, std::ops::Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.text.len() {
            return None;
        }
        let (token, length) = self.token();
        let start = self.at;
        self.at += length;
        Some((token, start..self.at))
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn quoted(bytes: &[u8], open: usize, quote: u8, backslash: bool) -> (Token, usize) {
    let mut at = open + 1;
    while let Some(byte) = bytes.get(at) {
        let doubled = *byte == quote && bytes.get(at + 1) == Some(&quote);
        if doubled || (backslash && *byte == b'\\') {
            at += 2;
        } else if *byte == quote {
            return (Token::Quoted(true), at + 1);
        } else {
            at += 1;
        }
    }
    (Token::Quoted(false), bytes.len())
}

fn dollar(rest: &str) -> (Token, usize) {
    let tag = rest[1..].bytes().take_while(|byte| is_word(*byte)).count();
    let legal = rest.as_bytes().get(1 + tag) == Some(&b'$') && !rest.as_bytes()[1].is_ascii_digit();
    if !legal {
        return (Token::Other, 1);
    }
    let mark = &rest[..tag + 2];
    match rest[mark.len()..].find(mark) {
        Some(end) => (Token::Quoted(true), mark.len() + end + mark.len()),
        None => (Token::Quoted(false), rest.len()),
    }
}

/// Returns the length in bytes of the comment between `/*` and `*/` at the start of `bytes`. Such comments nest in
/// PostgreSQL.
fn comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}
