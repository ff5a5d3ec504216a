//! JSON that remembers where every value stands and keeps repeated keys.
//!
//! Ordinary JSON readers keep the last of two equal keys and forget positions;
//! definition files are written by hand, so we need both.

use std::fmt;

/// Deeper nesting than any definition has; keeps recursion within the stack.
const MAX_DEPTH: usize = 64;

/// A place in a text, both counted from one; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from one.
    pub line: usize,
    /// Column in characters, from one.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) json: Json,
}

/// A JSON value; an object keeps its members in order, repeated keys included.
#[derive(Clone, Debug)]
pub(super) enum Json {
    Null,
    Bool,
    Number,
    String(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

/// One member of an object; `at` is where its key begins.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) at: Position,
    pub(super) key: String,
    pub(super) value: Node,
}

impl Json {
    /// Returns what the value is, for messages.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Why a text is not JSON.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) at: Position,
    pub(super) message: String,
}

/// Reads the whole of `text`, which may begin with a byte order mark.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text, at: Position { line: 1, column: 1 } };
    reader.skip_white();
    let node = reader.value(0)?;
    reader.skip_white();
    match reader.peek() {
        None => Ok(node),
        Some(found) => Err(reader.error(format!("expected the end of the file, found `{found}`"))),
    }
}

struct Reader<'a> {
    rest: &'a str,
    at: Position,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.rest = &self.rest[next.len_utf8()..];
        if next == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(next)
    }

    fn skip_white(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { at: self.at, message: message.into() }
    }

    fn expected(&self, what: &str) -> SyntaxError {
        match self.peek() {
            Some(found) => self.error(format!("expected {what}, found `{}`", found.escape_debug())),
            None => self.error(format!("expected {what}, found the end of the file")),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let at = self.at;
        let json = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"') => Json::String(self.string()?),
            Some('-' | '0'..='9') => self.number()?,
            Some('a'..='z') => self.word()?,
            _ => return Err(self.expected("a value")),
        };
        Ok(Node { at, json })
    }

    fn object(&mut self, depth: usize) -> Result<Json, SyntaxError> {
        let mut members = Vec::new();
        self.next();
        self.skip_white();
        if self.peek() == Some('}') {
            self.next();
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_white();
            if self.peek() != Some('"') {
                return Err(self.expected("a key in double quotes"));
            }
            let at = self.at;
            let key = self.string()?;
            self.skip_white();
            if self.peek() != Some(':') {
                return Err(self.expected("`:` after the key"));
            }
            self.next();
            self.skip_white();
            let value = self.value(depth + 1)?;
            members.push(Member { at, key, value });
            self.skip_white();
            match self.peek() {
                Some(',') => self.next(),
                Some('}') => {
                    self.next();
                    return Ok(Json::Object(members));
                }
                _ => return Err(self.expected("`,` or `}`")),
            };
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, SyntaxError> {
        let mut items = Vec::new();
        self.next();
        self.skip_white();
        if self.peek() == Some(']') {
            self.next();
            return Ok(Json::Array(items));
        }
        loop {
            self.skip_white();
            items.push(self.value(depth + 1)?);
            self.skip_white();
            match self.peek() {
                Some(',') => self.next(),
                Some(']') => {
                    self.next();
                    return Ok(Json::Array(items));
                }
                _ => return Err(self.expected("`,` or `]`")),
            };
        }
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        let opened = self.at;
        self.next();
        let mut text = String::new();
        loop {
            match self.peek() {
                None => {
                    return Err(SyntaxError {
                        at: opened,
                        message: "this string is never closed".to_owned(),
                    });
                }
                Some('"') => {
                    self.next();
                    return Ok(text);
                }
                Some('\\') => text.push(self.escape()?),
                Some(control) if control < ' ' => {
                    let written = control.escape_debug();
                    return Err(self.error(format!("a string cannot hold a raw `{written}`: escape it")));
                }
                Some(other) => {
                    text.push(other);
                    self.next();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let begun = self.error("unknown escape in a string");
        self.next();
        match self.next() {
            Some(same @ ('"' | '\\' | '/')) => Ok(same),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => self.unicode(begun),
            _ => Err(begun),
        }
    }

    fn unicode(&mut self, begun: SyntaxError) -> Result<char, SyntaxError> {
        let Some(high) = self.four_hex() else { return Err(begun) };
        if let Some(plain) = char::from_u32(high) {
            return Ok(plain);
        }
        // A surrogate: the other half must follow.
        let low = if self.rest.starts_with("\\u") {
            self.next();
            self.next();
            self.four_hex()
        } else {
            None
        };
        let pair = low.and_then(|low| {
            let valid = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
            valid.then(|| 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
        });
        pair.and_then(char::from_u32)
            .ok_or(SyntaxError { message: "half of a surrogate pair in a string".to_owned(), ..begun })
    }

    fn four_hex(&mut self) -> Option<u32> {
        let mut number = 0;
        for _ in 0..4 {
            number = number * 16 + self.peek()?.to_digit(16)?;
            self.next();
        }
        Some(number)
    }

    fn number(&mut self) -> Result<Json, SyntaxError> {
        let mut text = String::new();
        let begun = self.error("not a number");
        while let Some(part @ ('-' | '+' | '.' | 'e' | 'E' | '0'..='9')) = self.peek() {
            text.push(part);
            self.next();
        }
        if text.parse::<f64>().is_err() {
            return Err(begun);
        }
        Ok(Json::Number)
    }

    fn word(&mut self) -> Result<Json, SyntaxError> {
        for (word, json) in [("true", Json::Bool), ("false", Json::Bool), ("null", Json::Null)] {
            if self.rest.starts_with(word) {
                for _ in 0..word.len() {
                    self.next();
                }
                return Ok(json);
            }
        }
        Err(self.expected("a value"))
    }
}
