//! A JSON reader that remembers the position of every value and keeps repeated keys.
//!
//! Ordinary JSON readers keep only the last of two equal keys and forget positions. People write definition
//! files by hand, so messages must name positions, repeated keys, and the correction of common mistakes.

use std::borrow::Cow;

use super::position::Lines;

/// The maximum nesting, far deeper than in any definition. The limit keeps the recursion from overflowing the
/// stack.
const MAX_DEPTH: usize = 64;
/// The maximum number of characters that a message quotes.
const QUOTED: usize = 20;

/// A value, and the range of its bytes in the text.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// The offset of the first byte.
    pub start: usize,
    /// The offset behind the last byte.
    pub end: usize,
    /// The value.
    pub json: Json<'a>,
}

/// A JSON value. An object keeps its members in order, including repeated keys. Booleans and numbers keep no value:
/// a definition needs a string in their place, so only error messages mention them.
#[derive(Clone, Debug)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string, with its escapes replaced.
    String(Cow<'a, str>),
    /// The items of a list.
    Array(Vec<Node<'a>>),
    /// The members of an object.
    Object(Vec<Member<'a>>),
}

/// One member of an object, and the range of the bytes of its key in the text.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// The offset of the first byte of the key.
    pub start: usize,
    /// The offset behind the last byte of the key.
    pub end: usize,
    /// The key, with its escapes replaced.
    pub key: Cow<'a, str>,
    /// The value.
    pub value: Node<'a>,
}

impl Json<'_> {
    /// Returns the kind of the value, for messages.
    #[must_use]
    pub fn describe(&self) -> &'static str {
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

/// The reason why a text is not JSON, and the byte at which the error was found.
#[derive(Debug)]
pub struct SyntaxError {
    /// The offset of the byte.
    pub at: usize,
    /// The reason, and how to correct it.
    pub message: String,
}

/// Reads the whole `text`, which may begin with a byte order mark.
///
/// # Errors
///
/// The first place where the text is not JSON.
pub fn parse(text: &str) -> Result<Node<'_>, SyntaxError> {
    let begin = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader::new(text, begin);
    // These capacities are enough for most definitions, so the vectors do not have to grow.
    reader.members.reserve(32);
    reader.items.reserve(128);
    reader.skip_white();
    let node = reader.value(0)?;
    reader.skip_white();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.expected("the end of the file")),
    }
}

/// A position in a string of the file. The two fields differ, because an escape such as `\n` has more bytes in the
/// file than in the content of the string.
#[derive(Clone, Copy, Debug, Default)]
pub struct StringCursor {
    /// The byte offset in the content of the string, in which escapes are replaced.
    pub content: usize,
    /// The byte offset in the file.
    pub source: usize,
}

/// Returns the position of the byte `offset` of a string's content, or the end of the string if the content is shorter.
/// `text` is the whole file. The search begins at `from`, a position in the same string.
#[must_use]
pub fn advance(text: &str, from: StringCursor, offset: usize) -> StringCursor {
    let mut reader = Reader::new(text, from.source);
    let mut content = from.content;
    while content < offset {
        let length = match reader.peek() {
            None | Some(b'"') => break,
            Some(b'\\') => reader.escape().map_or(1, char::len_utf8),
            Some(_) => reader.next_char().map_or(1, char::len_utf8),
        };
        content += length;
    }
    StringCursor { content, source: reader.at }
}

/// The bytes that end a run of ordinary characters in a string.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut control = 0;
    while control < b' ' {
        table[control as usize] = true;
        control += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The members of all unfinished objects. The members of the outer objects come first.
    members: Vec<Member<'a>>,
    /// The items of all unfinished lists.
    items: Vec<Node<'a>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, members: Vec::new(), items: Vec::new() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next_char(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip_white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { at: self.at, message: message.into() }
    }

    /// Returns an error that names the expected text, the found text and, for a common mistake, the
    /// correction.
    fn expected(&self, what: &str) -> SyntaxError {
        let rest = self.rest();
        let Some(found) = rest.chars().next() else {
            return self.error(format!("expected {what}, found the end of the file"));
        };
        let word: String =
            rest.chars().take(QUOTED).take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let remedy = match found {
            '/' if rest.starts_with("//") || rest.starts_with("/*") => Some(COMMENT),
            '#' => Some(COMMENT),
            '\'' => Some("write text in double quotes, not in single quotes"),
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}' | '`' => {
                Some("write text in straight double quotes")
            }
            ',' => Some("there is a comma too many, or a value is missing before it"),
            _ if matches!(word.as_str(), "True" | "False" | "None" | "NaN") => Some(
                "write true, false or null in lower case, and in double quotes if it is a value of a field",
            ),
            _ if !word.is_empty() && !word.starts_with(|c: char| c.is_ascii_digit()) => {
                Some("write text in double quotes")
            }
            _ => None,
        };
        let written = if found.is_control() { found.escape_debug().to_string() } else { found.to_string() };
        let found = if word.is_empty() { written } else { word };
        let remedy = remedy.map(|remedy| format!(": {remedy}")).unwrap_or_default();
        self.error(format!("expected {what}, found `{found}`{remedy}"))
    }

    fn unclosed(&self, bracket: char, start: usize) -> SyntaxError {
        let opened = Lines::of(self.text).position(start);
        self.error(format!("the file ends, but the `{bracket}` at {opened} is not closed"))
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("lists and objects are nested deeper than {MAX_DEPTH} levels")));
        }
        let start = self.at;
        let json = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Json::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z') => self.word()?,
            _ => return Err(self.expected("a value")),
        };
        Ok(Node { start, end: self.at, json })
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, SyntaxError> {
        let opened = self.at;
        let first = self.members.len();
        self.at += 1;
        self.skip_white();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(Vec::new()));
        }
        loop {
            self.skip_white();
            match self.peek() {
                Some(b'"') => {}
                Some(b'}') => return Err(self.error("there is a comma before this `}`: remove it")),
                None => return Err(self.unclosed('{', opened)),
                _ => return Err(self.expected("a key in double quotes")),
            }
            let start = self.at;
            let key = self.string()?;
            let end = self.at;
            self.skip_white();
            if self.peek() != Some(b':') {
                return Err(self.expected("`:` after the key"));
            }
            self.at += 1;
            self.skip_white();
            let value = self.value(depth + 1).map_err(|error| match key.starts_with('*') && key != "*" {
                // A `*` marks the field of a secret. The message of the error may quote the secret, so this message replaces it.
                true => SyntaxError {
                    message: "the value of a secret must be text in double quotes".to_owned(),
                    ..error
                },
                false => error,
            })?;
            self.members.push(Member { start, end, key, value });
            self.skip_white();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Json::Object(self.members.drain(first..).collect()));
                }
                Some(b'"') => return Err(self.error("a comma is missing before this key")),
                None => return Err(self.unclosed('{', opened)),
                _ => return Err(self.expected("`,` or `}`")),
            };
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json<'a>, SyntaxError> {
        let opened = self.at;
        let first = self.items.len();
        self.at += 1;
        self.skip_white();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(Vec::new()));
        }
        loop {
            self.skip_white();
            match self.peek() {
                Some(b']') => return Err(self.error("there is a comma before this `]`: remove it")),
                None => return Err(self.unclosed('[', opened)),
                _ => {
                    let item = self.value(depth + 1)?;
                    self.items.push(item);
                }
            }
            self.skip_white();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(self.items.drain(first..).collect()));
                }
                Some(b'"' | b'{' | b'[') => return Err(self.error("a comma is missing before this item")),
                None => return Err(self.unclosed('[', opened)),
                _ => return Err(self.expected("`,` or `]`")),
            };
        }
    }

    /// Reads a string. A string without escapes is borrowed from the text.
    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        let opened = self.at;
        self.at += 1;
        let mut begin = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest.iter().position(|byte| SPECIAL[usize::from(*byte)]);
            self.at += plain.unwrap_or(rest.len());
            match self.peek() {
                None => {
                    return Err(SyntaxError { at: opened, message: "this string is not closed".to_owned() });
                }
                Some(b'"') => {
                    let tail = &self.text[begin..self.at];
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(tail),
                        Some(text) => Cow::Owned(text + tail),
                    });
                }
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(&self.text[begin..self.at]);
                    text.push(self.escape()?);
                    begin = self.at;
                }
                Some(b'\n' | b'\r') => return Err(self.broken_line(opened)),
                Some(control) => {
                    let written = char::from(control).escape_unicode();
                    return Err(self.error(format!(
                        "a string cannot contain the control character {written}: write it as an escape"
                    )));
                }
            }
        }
    }

    fn broken_line(&self, opened: usize) -> SyntaxError {
        let opened = Lines::of(self.text).position(opened);
        self.error(format!(
            "the line ends inside the string that begins at {opened}: write \\n for a line break, or close the string"
        ))
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let start = self.at;
        self.at += 1;
        match self.next_char() {
            Some(same @ ('"' | '\\' | '/')) => Ok(same),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => self.unicode(start),
            _ => Err(no_escape(start)),
        }
    }

    fn unicode(&mut self, start: usize) -> Result<char, SyntaxError> {
        let Some(high) = self.four_hex() else { return Err(no_escape(start)) };
        if let Some(plain) = char::from_u32(high) {
            return Ok(plain);
        }
        // `high` is half of a surrogate pair. It must be the first half, and the second half must follow.
        let low = if self.rest().starts_with("\\u") {
            self.at += 2;
            self.four_hex()
        } else {
            None
        };
        let pair = low.and_then(|low| {
            let valid = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
            valid.then(|| 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
        });
        pair.and_then(char::from_u32).ok_or_else(|| SyntaxError {
            at: start,
            message: "the string contains half of a surrogate pair".to_owned(),
        })
    }

    fn four_hex(&mut self) -> Option<u32> {
        let mut number = 0;
        for _ in 0..4 {
            number = number * 16 + char::from(self.peek()?).to_digit(16)?;
            self.at += 1;
        }
        Some(number)
    }

    fn number(&mut self) -> Result<Json<'a>, SyntaxError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        match self.text[start..self.at].parse::<f64>() {
            Ok(_) => Ok(Json::Number),
            Err(_) => Err(SyntaxError { at: start, message: "this is not a number".to_owned() }),
        }
    }

    fn word(&mut self) -> Result<Json<'a>, SyntaxError> {
        let rest = self.rest();
        for (word, json) in [("true", Json::Bool), ("false", Json::Bool), ("null", Json::Null)] {
            let after = rest.strip_prefix(word).map(|rest| rest.chars().next());
            if after.is_some_and(|after| !after.is_some_and(|c| c.is_alphanumeric() || c == '_')) {
                self.at += word.len();
                return Ok(json);
            }
        }
        Err(self.expected("a value"))
    }
}

fn no_escape(at: usize) -> SyntaxError {
    SyntaxError { at, message: "this is not an escape: write a backslash as \\\\".to_owned() }
}

const COMMENT: &str = "JSON has no comments; write remarks in a field such as \"myComment\"";
