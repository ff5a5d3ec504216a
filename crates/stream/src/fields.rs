//! The transform of a stream: a list of fields, each with its source in the record.
//!
//! The work is linear in the size of the record for each field. A field whose source is missing is absent from the
//! line, so that `required` of the schema can refuse the record.

use std::collections::HashSet;

use crate::Record;
use crate::json::{Kind, Tree, append_in_line};

/// The key that stands for all fields of an object.
const ALL: &str = "*";
/// The words for facts that the stream knows about a record.
pub(crate) const FACTS: [&str; 4] = ["@arrivalTimestamp", "@sequenceNumber", "@partitionKey", "@shardId"];

/// The fields of the lines of a stream, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    fields: Vec<Field>,
    /// The names of the fields. A field of this name replaces a field that `*` finds.
    names: HashSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    /// All fields of the object at the pointer.
    All(Pointer),
    Named {
        /// The name as JSON, with the colon behind it.
        key: Vec<u8>,
        source: Source,
    },
}

/// The source of the value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The value at a JSON Pointer.
    At(Pointer),
    /// The value of the first key with this name. The outermost ones come first, then the order of the text decides.
    AnyDepth(String),
    ArrivalTimestamp,
    SequenceNumber,
    PartitionKey,
    ShardId,
}

/// A JSON Pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<String>);

impl Pointer {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err("a JSON Pointer begins with `/`, or is empty and means the whole record".to_owned());
        };
        let unescaped = |token: &str| {
            let is_legal = token.split('~').skip(1).all(|behind| behind.starts_with(['0', '1']));
            is_legal.then(|| token.replace("~1", "/").replace("~0", "~"))
        };
        let tokens = rest.split('/').map(unescaped).collect::<Option<_>>();
        tokens.map(Self).ok_or_else(|| {
            "in a JSON Pointer, `~` is written `~0`, and a `/` in a name is written `~1`".to_owned()
        })
    }

    /// Returns the node at the pointer.
    fn find(&self, tree: &Tree<'_>) -> Option<usize> {
        self.0.iter().try_fold(0, |at, token| match tree.kind(at) {
            Kind::Object => tree.children(at).find(|key| tree.is(*key, token)).map(|key| key + 1),
            Kind::List => {
                let is_index = token == "0" || !token.starts_with(['0', '+']);
                let index = token.parse().ok().filter(|_| is_index)?;
                tree.children(at).nth(index)
            }
            _ => None,
        })
    }
}

impl Source {
    /// Reads the source of a field.
    ///
    /// # Errors
    ///
    /// The reason why the text is not a source, and how to correct it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("**/") {
            return match name {
                "" => Err("the name behind `**/` is missing".to_owned()),
                name if name.contains('/') => {
                    Err("`**/` takes one name: write a JSON Pointer such as `/a/b` for a path".to_owned())
                }
                name => Ok(Self::AnyDepth(name.to_owned())),
            };
        }
        match text {
            "@arrivalTimestamp" => Ok(Self::ArrivalTimestamp),
            "@sequenceNumber" => Ok(Self::SequenceNumber),
            "@partitionKey" => Ok(Self::PartitionKey),
            "@shardId" => Ok(Self::ShardId),
            text if text.starts_with('@') => {
                let near = definition::validate::nearest(text, FACTS.into_iter());
                let hint = near.map_or_else(String::new, |word| format!(" (did you mean `{word}`?)"));
                Err(format!("there is no `{text}`{hint}; a stream knows {}", listed(&FACTS)))
            }
            text => Pointer::read(text).map(Self::At).map_err(|reason| {
                let name = text.trim_start_matches('$').trim_start_matches('.');
                let is_name = !name.is_empty() && !name.contains(['/', '.', '~', '*', '[']);
                let hint = if is_name { format!(": write `/{name}` or `**/{name}`") } else { String::new() };
                format!("{reason}{hint}")
            }),
        }
    }
}

/// Returns words as a list for people.
pub(crate) fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [before @ .., last] => {
            let before: Vec<String> = before.iter().map(|word| format!("`{word}`")).collect();
            format!("{} and `{last}`", before.join(", "))
        }
    }
}

impl Fields {
    /// Returns the fields. `sources` are the names with the sources, in their order.
    ///
    /// # Errors
    ///
    /// For each source that cannot be read: its place in `sources`, and the reason.
    pub(crate) fn read(sources: &[(&str, &str)]) -> Result<Self, Vec<(usize, String)>> {
        let mut errors = Vec::new();
        let mut fields = Vec::new();
        for (place, (name, source)) in sources.iter().enumerate() {
            let field = if *name == ALL {
                let reason = "`*` takes the JSON Pointer of an object: \"\" is the whole record";
                Pointer::read(source).map(Field::All).map_err(|_| reason.to_owned())
            } else {
                let key = format!("{}:", serde_json::Value::from(*name)).into_bytes();
                Source::read(source).map(|source| Field::Named { key, source })
            };
            match field {
                Ok(field) => fields.push(field),
                Err(reason) => errors.push((place, reason)),
            }
        }
        let names = sources.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name != ALL).collect();
        if errors.is_empty() { Ok(Self { fields, names }) } else { Err(errors) }
    }

    /// Returns whether a line can have a field of this name.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        self.names.contains(name) || self.fields.iter().any(|field| matches!(field, Field::All(_)))
    }

    /// Appends the object with the fields of a JSON text of a record. `place` is the place of the text in the record,
    /// counted from 0.
    pub(crate) fn append(&self, tree: &Tree<'_>, record: &Record<'_>, place: usize, line: &mut Vec<u8>) {
        let start = line.len();
        line.push(b'{');
        let comma = |line: &mut Vec<u8>| {
            if line.len() > start + 1 {
                line.push(b',');
            }
        };
        for field in &self.fields {
            match field {
                Field::All(pointer) => {
                    let object = pointer.find(tree).filter(|at| tree.kind(*at) == Kind::Object);
                    let members = object.into_iter().flat_map(|object| tree.children(object));
                    for key in members.filter(|key| !self.names.contains(tree.content(*key).as_ref())) {
                        comma(line);
                        line.extend_from_slice(tree.raw(key).as_bytes());
                        line.push(b':');
                        append_in_line(tree.raw(key + 1), line);
                    }
                }
                Field::Named { key, source: Source::At(pointer) } => {
                    if let Some(at) = pointer.find(tree) {
                        comma(line);
                        line.extend_from_slice(key);
                        append_in_line(tree.raw(at), line);
                    }
                }
                Field::Named { key, source: Source::AnyDepth(name) } => {
                    if let Some(at) = any_depth(tree, name) {
                        comma(line);
                        line.extend_from_slice(key);
                        append_in_line(tree.raw(at), line);
                    }
                }
                Field::Named { key, source } => {
                    comma(line);
                    line.extend_from_slice(key);
                    append_fact(source, record, place, line);
                }
            }
        }
        line.push(b'}');
    }
}

/// Returns the value of the outermost key with a name. Of several at the same depth, the first one in the text is taken.
fn any_depth(tree: &Tree<'_>, name: &str) -> Option<usize> {
    let mut best: Option<(u8, usize)> = None;
    for (at, node) in tree.nodes().iter().enumerate() {
        let is_outer = best.is_none_or(|(depth, _)| node.depth < depth);
        if node.kind == Kind::Key && is_outer && tree.is(at, name) {
            best = Some((node.depth, at + 1));
            if node.depth == 1 {
                break;
            }
        }
    }
    best.map(|(_, at)| at)
}

/// Appends a fact about a record as a JSON string.
fn append_fact(fact: &Source, record: &Record<'_>, place: usize, line: &mut Vec<u8>) {
    use std::io::Write as _;
    // Writing to memory does not fail.
    let _ = match fact {
        Source::ArrivalTimestamp => write!(line, "\"{:.3}\"", record.arrival),
        // Several JSON texts of one record must not share a number: tables use it as a key.
        Source::SequenceNumber if place > 0 => write!(line, "\"{}.{place}\"", record.number),
        Source::SequenceNumber => write!(line, "\"{}\"", record.number),
        Source::ShardId => write!(line, "\"{}\"", record.number.sequence.shard),
        Source::PartitionKey => serde_json::to_writer(line, record.partition_key).map_err(Into::into),
        Source::At(_) | Source::AnyDepth(_) => Ok(()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Scanner;
    use crate::record::tests::record;

    fn line(fields: &[(&str, &str)], text: &str) -> String {
        let mut scanner = Scanner::default();
        let (tree, _) = scanner.scan(text, 0).unwrap();
        let mut line = Vec::new();
        Fields::read(fields).unwrap().append(&tree, &record(b""), 0, &mut line);
        serde_json::from_slice::<serde_json::Value>(&line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_pointer_finds_members_and_items() {
        let text = r#"{"a": {"b/c": [10, 1.50e1, {"~": 12345678901234567890123}]}, "": 0, "01": 1, "-": 2}"#;
        let found = |pointer: &str| line(&[("x", pointer)], text);
        assert_eq!(found("/a/b~1c/1"), r#"{"x":1.50e1}"#);
        assert_eq!(found("/a/b~1c/2/~0"), r#"{"x":12345678901234567890123}"#);
        assert_eq!(found("/"), r#"{"x":0}"#);
        assert_eq!(found("/-"), r#"{"x":2}"#);
        for missing in ["/b", "/a/b~1c/3", "/a/b~1c/01", "/a/b~1c/+1", "/a/b~1c/-", "/01/x"] {
            assert_eq!(found(missing), "{}", "{missing}");
        }
        assert_eq!(line(&[("x", "")], "{\"a\":\n1}"), r#"{"x":{"a":1}}"#);
    }

    #[test]
    fn a_name_at_any_depth_is_the_outermost_one_and_then_the_first() {
        let text = r#"{"wife": {"zip": 1, "city": "x"}, "home": {"city": "y"}, "zip": 2, "l": [{"deep": {"q": null}}]}"#;
        assert_eq!(
            line(&[("z", "**/zip"), ("c", "**/city"), ("q", "**/q"), ("n", "**/no")], text),
            r#"{"z":2,"c":"x","q":null}"#
        );
        assert_eq!(line(&[("x", "**/x")], r#"{"\u0078": "escaped"}"#), r#"{"x":"escaped"}"#);
    }

    #[test]
    fn named_fields_replace_those_that_the_star_finds() {
        let text = r#"{"id": 1, "n": {"a": [1, 2]}, "t": true}"#;
        assert_eq!(line(&[("*", ""), ("t", "/id")], text), r#"{"id":1,"n":{"a": [1, 2]},"t":1}"#);
        assert_eq!(line(&[("id", "/no"), ("*", "")], text), r#"{"n":{"a": [1, 2]},"t":true}"#);
        assert_eq!(line(&[("*", "/n")], text), r#"{"a":[1, 2]}"#);
        assert_eq!(line(&[("*", "/t")], text), "{}");
        assert_eq!(line(&[("\"", "/id")], text), r#"{"\"":1}"#);
    }

    #[test]
    fn facts_are_strings() {
        let facts =
            [("a", "@arrivalTimestamp"), ("s", "@sequenceNumber"), ("p", "@partitionKey"), ("h", "@shardId")];
        assert_eq!(
            line(&facts, "{}"),
            r#"{"a":"2026-01-05T10:20:30.123Z","s":"49039857307708443467467104868809893875799652253472653314","p":"key \"1\"","h":"shardId-000000000000"}"#
        );
        let mut scanner = Scanner::default();
        let (tree, _) = scanner.scan("{}", 0).unwrap();
        let mut second = Vec::new();
        Fields::read(&facts[1..2]).unwrap().append(&tree, &record(b""), 1, &mut second);
        assert_eq!(second, br#"{"s":"49039857307708443467467104868809893875799652253472653314.1"}"#);
    }

    #[test]
    fn sources_that_cannot_be_read_are_reported_with_a_remedy() {
        let error = |source: &str| Source::read(source).unwrap_err();
        assert!(error("name").ends_with("write `/name` or `**/name`"), "{}", error("name"));
        assert!(error("$.name").ends_with("write `/name` or `**/name`"));
        assert!(error("@arrivalTimstamp").contains("did you mean `@arrivalTimestamp`?"));
        assert!(error("**/a/b").contains("one name"));
        assert!(error("**/").contains("missing"));
        assert!(error("/a~b").contains("`~0`"));
        let errors = Fields::read(&[("a", "/a"), ("*", "**/x"), ("b", "b")]).unwrap_err();
        assert_eq!(errors.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1, 2]);
    }
}
