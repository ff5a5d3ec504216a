//! Reads JSON texts of records: strictly, without recursion, and without changing a digit.
//!
//! A scan gives the places of all values in the text, so that parts of a record are copied as they stand. `serde_json`
//! has no reader that keeps both the places of values and all digits of numbers.

mod scalars;

use std::borrow::Cow;
use std::collections::HashSet;

use crate::fault::Fault;
use scalars::{number, string};

/// How deep lists and objects of a record may be nested.
pub(crate) const MAX_DEPTH: usize = 128;
/// The byte order mark.
const MARK: char = '\u{feff}';
/// Up to this number, keys of an object are compared pair by pair.
const FEW_KEYS: usize = 16;

/// The kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
    /// The key of a member. The next node is its value.
    Key,
}

impl Kind {
    /// Returns the kind for messages.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text | Self::Key => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// A value or a key of the text. Nodes are in the order of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Whether a string has escapes.
    is_escaped: bool,
    /// The number of lists and objects around the node.
    pub(crate) depth: u8,
    start: u32,
    end: u32,
    /// The index of the node behind this one and all that is in it.
    next: u32,
}

/// Scans JSON texts. It keeps its memory from text to text.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    nodes: Vec<Node>,
    /// The lists and objects that are not closed yet.
    open: Vec<u32>,
}

/// The values of a text that was scanned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree<'t> {
    text: &'t str,
    nodes: &'t [Node],
}

/// Returns the place of the first byte from `at` on that is not white space.
pub(crate) fn skip_white(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Returns the place of the first byte from `at` on that is neither white space nor a byte order mark. Such a mark stands at
/// the beginning of many files, and within files that were joined; between JSON texts it means nothing.
pub(crate) fn skip_between(text: &str, mut at: usize) -> usize {
    loop {
        at = skip_white(text, at);
        match text[at..].strip_prefix(MARK) {
            Some(_) => at += MARK.len_utf8(),
            None => return at,
        }
    }
}

impl Scanner {
    /// Scans the value that begins at or behind `at`. Returns its values, and the place behind it.
    pub(crate) fn scan<'t>(&'t mut self, text: &'t str, at: usize) -> Result<(Tree<'t>, usize), Fault> {
        let end = self.value(text, at)?;
        Ok((Tree { text, nodes: &self.nodes }, end))
    }

    fn value(&mut self, text: &str, mut at: usize) -> Result<usize, Fault> {
        if u32::try_from(text.len()).is_err() {
            return Err(Fault { at: 0, why: "the text has more than 4 GiB" });
        }
        self.nodes.clear();
        self.open.clear();
        let bytes = text.as_bytes();
        loop {
            at = skip_white(text, at);
            let bracket = bytes.get(at).copied().filter(|byte| matches!(byte, b'{' | b'['));
            match bracket {
                Some(bracket) => {
                    if self.open.len() == MAX_DEPTH {
                        return Err(Fault { at, why: "lists and objects are nested deeper than 128 levels" });
                    }
                    let kind = if bracket == b'{' { Kind::Object } else { Kind::List };
                    self.push(kind, at, at + 1, false);
                    self.open.push(small(self.nodes.len() - 1));
                    at = skip_white(text, at + 1);
                    let is_empty = bytes.get(at) == Some(&closing(kind));
                    if !is_empty {
                        at = self.key(text, at, kind)?;
                        continue;
                    }
                    at = self.close(text, at)?;
                }
                None => at = self.scalar(text, at)?,
            }
            // A value is complete. Values that end with it are closed.
            loop {
                let Some(parent) = self.open.last() else { return Ok(at) };
                let kind = self.nodes[*parent as usize].kind;
                at = skip_white(text, at);
                match bytes.get(at) {
                    Some(b',') => {
                        at = self.key(text, skip_white(text, at + 1), kind)?;
                        break;
                    }
                    Some(byte) if *byte == closing(kind) => at = self.close(text, at)?,
                    None => return Err(Fault { at, why: "the text ends in a list or an object" }),
                    Some(_) => return Err(Fault { at, why: "a comma or a closing bracket is missing" }),
                }
            }
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize, is_escaped: bool) {
        // The depth is MAX_DEPTH at the most.
        let depth = u8::try_from(self.open.len()).unwrap_or(u8::MAX);
        let next = small(self.nodes.len() + 1);
        self.nodes.push(Node { kind, is_escaped, depth, start: small(start), end: small(end), next });
    }

    /// Closes the last list or object at its bracket.
    fn close(&mut self, text: &str, at: usize) -> Result<usize, Fault> {
        let Some(index) = self.open.pop() else { return Ok(at + 1) };
        let next = small(self.nodes.len());
        let node = &mut self.nodes[index as usize];
        (node.end, node.next) = (small(at + 1), next);
        if node.kind == Kind::Object {
            Tree { text, nodes: &self.nodes }.check_keys(index as usize)?;
        }
        Ok(at + 1)
    }

    /// Reads the key before a value in an object. In a list, there is none.
    fn key(&mut self, text: &str, at: usize, parent: Kind) -> Result<usize, Fault> {
        if parent == Kind::List {
            return Ok(at);
        }
        if text.as_bytes().get(at) != Some(&b'"') {
            return Err(Fault { at, why: "a key in double quotes is missing" });
        }
        let (end, is_escaped) = string(text.as_bytes(), at)?;
        self.push(Kind::Key, at, end, is_escaped);
        let at = skip_white(text, end);
        match text.as_bytes().get(at) {
            Some(b':') => Ok(at + 1),
            _ => Err(Fault { at, why: "a colon behind the key is missing" }),
        }
    }

    fn scalar(&mut self, text: &str, at: usize) -> Result<usize, Fault> {
        let bytes = text.as_bytes();
        let rest = &bytes[at.min(bytes.len())..];
        let word = |word: &str, kind| rest.starts_with(word.as_bytes()).then_some((kind, at + word.len()));
        let (kind, end, is_escaped) = match rest.first() {
            Some(b'"') => {
                let (end, is_escaped) = string(bytes, at)?;
                (Kind::Text, end, is_escaped)
            }
            Some(b'-' | b'0'..=b'9') => (Kind::Number, number(bytes, at)?, false),
            None => return Err(Fault { at, why: "the text ends where a value must be" }),
            Some(_) => {
                let found =
                    word("true", Kind::Bool).or(word("false", Kind::Bool)).or(word("null", Kind::Null));
                let Some((kind, end)) = found else { return Err(Fault { at, why: "a value is missing" }) };
                (kind, end, false)
            }
        };
        self.push(kind, at, end, is_escaped);
        Ok(end)
    }
}

/// Places and indexes fit, because longer texts are refused.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn closing(kind: Kind) -> u8 {
    if kind == Kind::Object { b'}' } else { b']' }
}

/// The items of a list, or the keys of an object.
#[derive(Clone, Debug)]
pub(crate) struct Children<'t> {
    nodes: &'t [Node],
    at: usize,
    end: usize,
    kind: Kind,
}

impl Iterator for Children<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let child = Some(self.at).filter(|at| *at < self.end)?;
        let value = if self.kind == Kind::Object { child + 1 } else { child };
        self.at = self.nodes[value].next as usize;
        Some(child)
    }
}

impl<'t> Tree<'t> {
    /// Returns all nodes. The first one is the whole value.
    pub(crate) fn nodes(&self) -> &'t [Node] {
        self.nodes
    }

    /// Returns the kind of a node.
    pub(crate) fn kind(&self, index: usize) -> Kind {
        self.nodes[index].kind
    }

    /// Returns a node as it stands in the text.
    pub(crate) fn raw(&self, index: usize) -> &'t str {
        let node = &self.nodes[index];
        &self.text[node.start as usize..node.end as usize]
    }

    /// Returns the content of a string or a key.
    pub(crate) fn content(&self, index: usize) -> Cow<'t, str> {
        let raw = self.raw(index);
        if self.nodes[index].is_escaped {
            // The escapes have been checked.
            return serde_json::from_str::<String>(raw).map(Cow::Owned).unwrap_or_default();
        }
        Cow::Borrowed(&raw[1..raw.len() - 1])
    }

    /// Returns whether the content of a string or a key is `text`.
    pub(crate) fn is(&self, index: usize, text: &str) -> bool {
        match self.nodes[index].is_escaped {
            true => self.content(index) == text,
            false => {
                let raw = self.raw(index);
                raw.len() == text.len() + 2 && &raw[1..raw.len() - 1] == text
            }
        }
    }

    /// Returns the items of a list, or the keys of an object: each value is behind its key.
    pub(crate) fn children(&self, index: usize) -> Children<'t> {
        let node = &self.nodes[index];
        Children { nodes: self.nodes, at: index + 1, end: node.next as usize, kind: node.kind }
    }

    /// Refuses an object that has a key twice: readers differ in which of the values they take.
    fn check_keys(&self, object: usize) -> Result<(), Fault> {
        let twice =
            |key: usize| Fault { at: self.nodes[key].start as usize, why: "the object has this key twice" };
        let keys = self.children(object);
        let mut few: [usize; FEW_KEYS] = [0; FEW_KEYS];
        let mut seen: Option<HashSet<Cow<'t, str>>> = None;
        for (count, key) in keys.enumerate() {
            if let Some(seen) = &mut seen {
                if !seen.insert(self.content(key)) {
                    return Err(twice(key));
                }
            } else if few[..count].iter().any(|other| self.is_same(*other, key)) {
                return Err(twice(key));
            } else if count < FEW_KEYS {
                few[count] = key;
            } else {
                let before = few[..count].iter().map(|other| self.content(*other));
                seen = Some(before.chain([self.content(key)]).collect());
            }
        }
        Ok(())
    }

    fn is_same(&self, one: usize, other: usize) -> bool {
        match self.nodes[one].is_escaped || self.nodes[other].is_escaped {
            true => self.content(one) == self.content(other),
            false => self.raw(one) == self.raw(other),
        }
    }
}

/// Appends JSON to a line. White space that breaks the line is left out, and with it all other white space.
pub(crate) fn append_in_line(json: &str, line: &mut Vec<u8>) {
    if !json.bytes().any(|byte| matches!(byte, b'\n' | b'\r')) {
        line.extend_from_slice(json.as_bytes());
        return;
    }
    let (mut is_in_string, mut is_behind_backslash) = (false, false);
    for byte in json.bytes() {
        if is_in_string {
            is_in_string = byte != b'"' || is_behind_backslash;
            is_behind_backslash = byte == b'\\' && !is_behind_backslash;
        } else if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            continue;
        } else {
            is_in_string = byte == b'"';
        }
        line.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(text: &str) -> Result<usize, Fault> {
        Scanner::default().scan(text, 0).map(|(_, end)| end)
    }

    #[test]
    fn the_place_of_every_value_is_known() {
        let text = r#" {"a": [1.50, {"b": "x\"y"}], "c": null} {"#;
        let mut scanner = Scanner::default();
        let (tree, end) = scanner.scan(text, 0).unwrap();
        assert_eq!(&text[..end], r#" {"a": [1.50, {"b": "x\"y"}], "c": null}"#);
        let keys: Vec<_> = tree.children(0).map(|key| tree.raw(key + 1)).collect();
        assert_eq!(keys, [r#"[1.50, {"b": "x\"y"}]"#, "null"]);
        assert_eq!(tree.content(6), "x\"y");
        assert_eq!(
            tree.nodes().iter().map(|node| node.depth).collect::<Vec<_>>(),
            [0, 1, 1, 2, 2, 3, 3, 1, 1]
        );
    }

    #[test]
    fn what_is_not_json_is_refused_at_its_place() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            (r#"{"a" 1}"#, 5),
            ("{a:1}", 1),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("01", 1),
            ("1.", 2),
            ("-", 1),
            ("1e+", 3),
            ("nul", 0),
            ("\"a\nb\"", 2),
            ("\"\u{1f}\"", 1),
            (r#""\x""#, 1),
            (r#""\ud800x""#, 1),
            (r#""\u12g4""#, 1),
            (r#"{"a":1,"b":2,"\u0061":3}"#, 13),
        ] {
            assert_eq!(scan(text).unwrap_err().at, at, "{text}");
        }
        let keys: Vec<String> = (0..40).map(|n| format!("\"k{}\":1", n % 39)).collect();
        assert!(scan(&format!("{{{}}}", keys.join(","))).unwrap_err().why.contains("twice"));
        assert!(scan(&format!("{{{}}}", keys[..39].join(","))).is_ok());
        let fault = Fault { at: 7, why: "x" };
        assert_eq!(fault.describe("{\n  \u{e4}{".as_bytes()), "line 2, column 5: x");
    }

    #[test]
    fn a_surrogate_pair_is_one_character() {
        let mut scanner = Scanner::default();
        let (tree, end) = scanner.scan(r#""\ud83d\ude00x""#, 0).unwrap();
        assert_eq!((tree.content(0).as_ref(), end), ("\u{1f600}x", 15));
        assert!(scan(r#""\ud83d\ud83d""#).is_err() && scan(r#""\ude00""#).is_err());
    }

    #[test]
    fn the_depth_is_bounded() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(scan(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(scan(&nested(MAX_DEPTH + 1)).unwrap_err().at, MAX_DEPTH);
        assert!(scan(&"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn json_in_a_line_has_no_line_break_and_keeps_its_strings() {
        let line = |json| {
            let mut line = Vec::new();
            append_in_line(json, &mut line);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(line("{\"a\": 1}"), "{\"a\": 1}");
        assert_eq!(
            line("{\r\n\t\"a b\\\\\": \" x\\\" \",\n \"c\": [1, 2]}"),
            "{\"a b\\\\\":\" x\\\" \",\"c\":[1,2]}"
        );
    }

    proptest! {
        #[test]
        fn the_scanner_takes_what_serde_json_takes(text in "[\\[\\]{}:,\"\\\\ua-f0-9.eE+ \\n-]{0,24}|(\\{\"[ab]\":([0-9.e-]{1,5}|\"[a-z\\\\nu0]{0,6}\"|\\[[0-9,]{0,5}\\])\\}){1,2}") {
            let ours = scan(&text).ok();
            let mut theirs = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
            let theirs = matches!(theirs.next(), Some(Ok(_))).then(|| theirs.byte_offset());
            // serde_json takes a key twice, and does not take a number behind a number.
            match (ours, theirs) {
                (None, Some(_)) => prop_assert!(scan(&text).unwrap_err().why.contains("twice")),
                (Some(end), None) => prop_assert!(text[..end].parse::<f64>().is_ok() || text[..end].contains('e') || !text[end..].is_empty()),
                (ours, theirs) => prop_assert_eq!(ours, theirs),
            }
        }
    }
}
