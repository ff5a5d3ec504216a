//! The values of a scanned text, as the checker of schemas reads them.
//!
//! The checker asks the tree of the scanner, so that no record is parsed a second time.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object};
use serde_json::{Number, Value};

use crate::json::{Children, Kind, Tree};

/// The representation of JSON by the nodes of a [`Tree`].
#[derive(Debug)]
pub(super) struct Scanned;

/// A value that is checked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instance<'t> {
    /// A value of a text.
    Value(Tree<'t>, usize),
    /// The name of a member, which the checker takes for a string if a schema has rules for names.
    Name(&'t str),
}

/// The members of an object, or the items of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'t> {
    tree: Tree<'t>,
    index: usize,
}

impl Json for Scanned {
    type Node<'a> = Instance<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    // A lookup compares the keys one by one.
    const KEYS_PER_LOOKUP: usize = 4;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Instance<'_>) -> T) -> T {
        f(Instance::Name(string))
    }
}

impl<'t> Instance<'t> {
    /// Returns the whole value of a text. Its numbers must fit into an `f64`, and its values must not be nested deeper than
    /// `serde_json` reads them, because the checker compares some of them as values of `serde_json`.
    pub(super) fn of(tree: Tree<'t>) -> Self {
        Self::Value(tree, 0)
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Value(tree, index) => tree.kind(*index),
            Self::Name(_) => Kind::Text,
        }
    }

    fn parts(&self, wanted: Kind) -> Option<Parts<'t>> {
        match *self {
            Self::Value(tree, index) if tree.kind(index) == wanted => Some(Parts { tree, index }),
            _ => None,
        }
    }
}

impl<'t> Node<'t, Scanned> for Instance<'t> {
    type Object = Parts<'t>;
    type Array = Parts<'t>;
    type Number = Number;

    fn as_object(&self) -> Option<Parts<'t>> {
        self.parts(Kind::Object)
    }

    fn as_array(&self) -> Option<Parts<'t>> {
        self.parts(Kind::List)
    }

    fn as_string(&self) -> Option<Cow<'t, str>> {
        match *self {
            Self::Value(tree, index) => (tree.kind(index) == Kind::Text).then(|| tree.content(index)),
            Self::Name(name) => Some(Cow::Borrowed(name)),
        }
    }

    fn as_number(&self) -> Option<Number> {
        match self {
            Self::Value(tree, index) if tree.kind(*index) == Kind::Number => tree.raw(*index).parse().ok(),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Value(tree, index) if tree.kind(*index) == Kind::Bool => Some(tree.raw(*index) == "true"),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    fn is_number(&self) -> bool {
        self.kind() == Kind::Number
    }

    fn json_type(&self) -> JsonType {
        match self.kind() {
            Kind::Null => JsonType::Null,
            Kind::Bool => JsonType::Boolean,
            Kind::Number => JsonType::Number,
            Kind::Text | Kind::Key => JsonType::String,
            Kind::List => JsonType::Array,
            Kind::Object => JsonType::Object,
        }
    }

    fn string_length_within(&self, min: u64, max: u64) -> Option<bool> {
        let text = self.as_string()?;
        // A character has one to four bytes, so most texts need not be counted.
        let (least, most) = (text.len().div_ceil(4) as u64, text.len() as u64);
        if min <= least && most <= max {
            return Some(true);
        }
        Some((min..=max).contains(&(text.chars().count() as u64)))
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self, expected) {
            (Self::Value(tree, index), Value::String(text)) => {
                tree.kind(*index) == Kind::Text && tree.is(*index, text)
            }
            (_, Value::Null) => self.is_null(),
            (_, Value::Bool(expected)) => self.as_boolean() == Some(*expected),
            _ => jsonschema::json::cmp::equal(&self.to_value(), expected),
        }
    }

    fn to_value(&self) -> Cow<'t, Value> {
        Cow::Owned(match self {
            // The text has been scanned, so it can be read.
            Self::Value(tree, index) => serde_json::from_str(tree.raw(*index)).unwrap_or_default(),
            Self::Name(name) => Value::String((*name).to_owned()),
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(match self {
            Self::Value(tree, index) => {
                NodeIdentity::tagged(tree.nodes().as_ptr().addr(), u32::try_from(*index).unwrap_or(u32::MAX))
            }
            Self::Name(name) => NodeIdentity::tagged(name.as_ptr().addr(), u32::MAX),
        })
    }
}

/// The names and values of an object.
#[derive(Clone, Debug)]
pub(super) struct MembersIter<'t> {
    tree: Tree<'t>,
    keys: Children<'t>,
}

impl<'t> Iterator for MembersIter<'t> {
    type Item = (Cow<'t, str>, Instance<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.keys.next()?;
        Some((self.tree.content(key), Instance::Value(self.tree, key + 1)))
    }
}

impl<'t> Object<'t, Scanned> for Parts<'t> {
    type Node = Instance<'t>;
    type MemberName = Cow<'t, str>;
    type MembersIter = MembersIter<'t>;

    fn len(&self) -> usize {
        self.tree.children(self.index).count()
    }

    fn get(&self, name: &String) -> Option<Instance<'t>> {
        let key = self.tree.children(self.index).find(|key| self.tree.is(*key, name))?;
        Some(Instance::Value(self.tree, key + 1))
    }

    fn members(&self) -> MembersIter<'t> {
        MembersIter { tree: self.tree, keys: self.tree.children(self.index) }
    }
}

/// The items of a list.
#[derive(Clone, Debug)]
pub(super) struct ElementsIter<'t> {
    tree: Tree<'t>,
    items: Children<'t>,
}

impl<'t> Iterator for ElementsIter<'t> {
    type Item = Instance<'t>;

    fn next(&mut self) -> Option<Instance<'t>> {
        Some(Instance::Value(self.tree, self.items.next()?))
    }
}

impl<'t> Array<'t, Scanned> for Parts<'t> {
    type Node = Instance<'t>;
    type ElementsIter = ElementsIter<'t>;

    fn len(&self) -> usize {
        self.tree.children(self.index).count()
    }

    fn elements(&self) -> ElementsIter<'t> {
        ElementsIter { tree: self.tree, items: self.tree.children(self.index) }
    }
}

#[cfg(test)]
mod tests {
    use jsonschema::json::conformance;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::json::Scanner;

    #[test]
    fn the_checker_reads_a_tree_as_it_needs() {
        let text = conformance::document().to_string();
        let mut scanner = Scanner::default();
        let (tree, _) = scanner.scan(&text, 0).unwrap();
        conformance::assert_conformance::<Scanned>(&Instance::of(tree));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a\"\\\\\u{e4}\u{1f600}\n]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map("[ab\"\u{e4}]{0,2}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Schemas that ask each way in which the checker reads a value.
    fn schemas() -> Vec<Value> {
        vec![
            json!({"type": "object", "required": ["a"], "additionalProperties": {"type": ["integer", "string", "null"]}}),
            json!({"properties": {"a": {"minLength": 2, "maxLength": 3}, "b": {"$ref": "#"}}, "maxProperties": 3}),
            json!({"propertyNames": {"maxLength": 1}, "patternProperties": {"^a": {"pattern": "\u{e4}"}}}),
            json!({"items": {"enum": [null, true, 1, 1.0, "a", [], {"a": 1}, -2]}, "uniqueItems": true, "minItems": 1}),
            json!({"anyOf": [{"minimum": -2, "multipleOf": 2}, {"exclusiveMaximum": 0.5}, {"const": {"a": [1]}}]}),
            json!({"unevaluatedProperties": false, "oneOf": [{"properties": {"a": true}}, {"contains": {"type": "boolean"}}]}),
            json!({"dependentRequired": {"a": ["b"]}, "not": {"type": "number"}}),
        ]
    }

    proptest! {
        #[test]
        fn a_tree_is_checked_as_the_value_of_its_text_is(value in values()) {
            let text = value.to_string();
            let mut scanner = Scanner::default();
            let (tree, _) = scanner.scan(&text, 0).unwrap();
            prop_assert_eq!(Instance::of(tree).to_value().into_owned(), value.clone());
            for schema in schemas() {
                let ours = jsonschema::options_for::<Scanned>().build(&schema).unwrap();
                let theirs = jsonschema::validator_for(&schema).unwrap();
                prop_assert_eq!(ours.is_valid(Instance::of(tree)), theirs.is_valid(&value), "{} {}", &schema, &text);
                let errors: Vec<_> = ours.iter_errors(Instance::of(tree)).map(|error| error.to_string()).collect();
                let expected: Vec<_> = theirs.iter_errors(&value).map(|error| error.to_string()).collect();
                prop_assert_eq!(errors, expected);
            }
        }
    }
}
