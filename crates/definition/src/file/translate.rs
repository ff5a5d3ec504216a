//! Translates JSON to the API form by the rules of the AWS CLI. All errors are reported at once.

mod api;

use std::fmt::Display;

use foldhash::HashSet;

use super::json::{Json, Member, Node};
use super::{Unread, last, value_node};
use crate::{
    Definition, Field, FieldKey, FieldValue, ObjectId, ParameterAttribute, ParameterObject, ParameterValue,
    PipelineObject,
};

/// The largest number of members of an object whose keys are compared one by one to find repeated keys. For more members, a
/// hash set is faster.
const FEW_KEYS: usize = 16;

/// Translates the elements of a file, and collects errors.
#[derive(Debug, Default)]
pub(super) struct Translator {
    /// The errors: the byte offset of the wrong part, the offset after its last byte, and the message.
    pub(super) errors: Vec<(usize, usize, String)>,
    /// The parts of the file that are left out of the definition because of the errors.
    pub(super) unread: Unread,
    /// The keys of fields so far. Fields with the same name share one allocated key.
    keys: HashSet<FieldKey>,
}

impl Translator {
    /// Returns the definition in the file whose outermost value is `root`. Elements with errors are left out.
    pub(super) fn definition(&mut self, root: &Node<'_>) -> Definition {
        let Some(members) = self.members(root, "a definition file") else { return Definition::default() };
        let mut definition = Definition::default();
        match last(members, "objects") {
            Some(node) => {
                let elements = self.items(node, "`objects`", r#"[{"id": "Default"}]"#);
                self.unread.is_without_objects = !matches!(node.json, Json::Array(_));
                definition.objects.reserve(elements.len());
                definition.objects.extend(elements.iter().filter_map(|node| self.pipeline_object(node)));
                self.unread.has_unread_objects = definition.objects.len() < elements.len();
            }
            None => {
                self.unread.is_without_objects = true;
                let almost = members.iter().find(|member| member.key.eq_ignore_ascii_case("objects"));
                let hint = almost.map(|member| format!(": write it in place of `{}`", member.key));
                let message = format!(
                    "the definition has no `objects`, the list of its objects{}",
                    hint.unwrap_or_default()
                );
                let (start, end) = almost.map_or((root.start, root.start + 1), |it| (it.start, it.end));
                self.errors.push((start, end, message));
            }
        }
        if let Some(node) = last(members, "parameters") {
            let elements = self.items(node, "`parameters`", r#"[{"id": "myDay", "type": "String"}]"#);
            definition.parameters = elements.iter().filter_map(|node| self.parameter_object(node)).collect();
            let is_list = matches!(node.json, Json::Array(_));
            self.unread.has_unread_parameters = !is_list || definition.parameters.len() < elements.len();
        }
        if let Some(node) = last(members, "values") {
            definition.values = self.parameter_values(node, "`values`");
        } else if let Some(Node { json: Json::Array(items), .. }) = value_node(members) {
            definition.values = items.iter().filter_map(|item| api::value(self, item)).collect();
            self.unread.has_unread_values |= definition.values.len() < items.len();
        } else if let Some(node) = value_node(members) {
            definition.values = self.parameter_values(node, "`parameterValues`");
        }
        definition
    }

    /// Returns the parameter values in `node`: an object with one member for each parameter. `what` names the node in
    /// messages.
    pub(super) fn parameter_values(&mut self, node: &Node<'_>, what: &str) -> Vec<ParameterValue> {
        // To the AWS CLI, an empty list means that there are no values.
        if matches!(&node.json, Json::Array(items) if items.is_empty()) {
            return Vec::new();
        }
        if !matches!(node.json, Json::Object(_)) {
            self.unread.has_unread_values = true;
            let found = node.json.describe();
            let example = r#"{"myDay": "2026-01-31"}"#;
            self.error(
                node,
                format!("{what} must be an object, found {found}: write the values as {example}"),
            );
            return Vec::new();
        }
        let mut values = Vec::new();
        for member in self.members(node, what).unwrap_or_default() {
            for item in items(&member.value) {
                let what = format_args!("the value of parameter `{}`", member.key);
                match self.text(item, what) {
                    Some(value) => {
                        values.push(ParameterValue { id: member.key.to_string(), value: value.to_owned() });
                    }
                    None => self.unread.has_unread_values = true,
                }
            }
        }
        values
    }

    fn pipeline_object(&mut self, node: &Node<'_>) -> Option<PipelineObject> {
        const WHAT: &str = "an element of `objects`";
        let members = self.members(node, WHAT)?;
        let id = self.id(node, members, WHAT)?;
        let name = match last(members, "name") {
            // A name that is not a string is an error, and the id takes its place.
            Some(name) => self.text(name, "`name`").unwrap_or(id),
            None => id,
        };
        let (id, name) = (ObjectId::from(id), name.to_owned());
        if let Some(items) = api::fields(members) {
            let mut fields = Vec::with_capacity(items.len());
            for item in items {
                match api::field(self, item) {
                    Some(field) => fields.push(field),
                    None => self.unread.fields.extend(api::key_of(item)),
                }
            }
            return Some(PipelineObject { id, name, fields });
        }
        let mut fields = Vec::with_capacity(members.len());
        for member in sorted(members, &["id", "name"]) {
            for value in items(&member.value) {
                match self.field_value(value, &member.key) {
                    Some(value) => fields.push(Field { key: self.key(&member.key), value }),
                    None => _ = self.unread.fields.insert(member.key.to_string()),
                }
            }
        }
        Some(PipelineObject { id, name, fields })
    }

    /// Returns the value of the field `key`, or `None` after adding an error.
    fn field_value(&mut self, node: &Node<'_>, key: &str) -> Option<FieldValue> {
        if let Json::Object(members) = &node.json {
            if let [member] = members.as_slice()
                && member.key == "ref"
            {
                return self.text(&member.value, "`ref`").map(|target| FieldValue::Ref(target.into()));
            }
            let message =
                format!("the object in field `{key}` must be of the form {{\"ref\": \"ObjectId\"}}");
            self.error(node, message);
            return None;
        }
        self.text(node, format_args!("field `{key}`")).map(|text| FieldValue::String(text.to_owned()))
    }

    fn parameter_object(&mut self, node: &Node<'_>) -> Option<ParameterObject> {
        const WHAT: &str = "an element of `parameters`";
        let members = self.members(node, WHAT)?;
        let id = self.id(node, members, WHAT)?.to_owned();
        if let Some(items) = api::attributes(members) {
            let attributes = items.iter().filter_map(|item| api::attribute(self, item)).collect();
            return Some(ParameterObject { id, attributes });
        }
        let mut attributes = Vec::new();
        for member in sorted(members, &["id"]) {
            for value in items(&member.value) {
                let what = format_args!("attribute `{}` of parameter `{id}`", member.key);
                match self.text(value, what) {
                    Some(value) => {
                        let key = member.key.to_string();
                        attributes.push(ParameterAttribute { key, value: value.to_owned() });
                    }
                    None => self.unread.has_unread_values = true,
                }
            }
        }
        Some(ParameterObject { id, attributes })
    }

    /// Returns the members of an object, or `None` after adding an error if the node is not an object. Adds
    /// an error for each repeated key. `what` names the node in messages.
    pub(super) fn members<'n, 'a>(&mut self, node: &'n Node<'a>, what: &str) -> Option<&'n [Member<'a>]> {
        let Json::Object(members) = &node.json else {
            self.error(node, format!("{what} must be an object, found {}", node.json.describe()));
            return None;
        };
        let mut seen = HashSet::default();
        for (number, member) in members.iter().enumerate() {
            let is_again = match members.len() {
                0..=FEW_KEYS => members[..number].iter().any(|earlier| earlier.key == member.key),
                _ => !seen.insert(member.key.as_ref()),
            };
            if is_again {
                let message = format!(
                    "the key `{}` appears more than once, and the AWS CLI silently keeps the last one: remove \
                     one, or write one list",
                    member.key
                );
                self.errors.push((member.start, member.end, message));
            }
        }
        Some(members)
    }

    /// Returns the items of a list, or no items after adding an error if the node is not a list. `what` names the node in
    /// the message, and `example` is a correct list.
    fn items<'n, 'a>(&mut self, node: &'n Node<'a>, what: &str, example: &str) -> &'n [Node<'a>] {
        if let Json::Array(items) = &node.json {
            return items;
        }
        let found = node.json.describe();
        self.error(node, format!("{what} must be a list, found {found}: write it as {example}"));
        &[]
    }

    /// Returns the `id` of an element, or `None` after adding an error.
    fn id<'n>(&mut self, node: &Node<'_>, members: &'n [Member<'_>], what: &str) -> Option<&'n str> {
        match last(members, "id") {
            Some(id) => self.text(id, "`id`"),
            None => {
                self.errors.push((node.start, node.start + 1, format!("{what} has no `id`")));
                None
            }
        }
    }

    /// Returns `text` as a key that shares its text with equal keys.
    pub(super) fn key(&mut self, text: &str) -> FieldKey {
        if let Some(same) = self.keys.get(text) {
            return same.clone();
        }
        let new = FieldKey::from(text);
        self.keys.insert(new.clone());
        new
    }

    /// Returns the text of a string, or `None` after adding an error. `what` names the node in the message.
    pub(super) fn text<'n>(&mut self, node: &'n Node<'_>, what: impl Display) -> Option<&'n str> {
        match &node.json {
            Json::String(text) => return Some(text),
            quoteless @ (Json::Number | Json::Bool) => {
                let found = quoteless.describe();
                self.error(node, format!("{what} must be a string, found {found}: put it in double quotes"));
            }
            Json::Null => {
                self.error(
                    node,
                    format!("{what} must be a string, found null: give it a text, or remove it"),
                );
            }
            Json::Array(_) => {
                self.error(
                    node,
                    format!("{what} must be a string, found a list: write each text without brackets"),
                );
            }
            other => self.error(node, format!("{what} must be a string, found {}", other.describe())),
        }
        None
    }

    /// Adds an error about `node`.
    pub(super) fn error(&mut self, node: &Node<'_>, message: String) {
        self.errors.push((node.start, node.end, message));
    }
}

/// Returns the members whose keys are not in `leave`, sorted by key, as the CLI sorts them. If a key is
/// repeated, only its last member is returned, as in the CLI.
fn sorted<'n, 'a>(members: &'n [Member<'a>], leave: &[&str]) -> Vec<&'n Member<'a>> {
    let mut stay: Vec<_> = members.iter().filter(|member| !leave.contains(&member.key.as_ref())).collect();
    stay.sort_by(|a, b| a.key.cmp(&b.key));
    // The sort is stable, so the later of two equal neighbours is also the later one in the file.
    stay.dedup_by(|later, earlier| {
        let is_same = later.key == earlier.key;
        if is_same {
            *earlier = *later;
        }
        is_same
    });
    stay
}

/// Returns the items of a list. A value that is not a list is returned as the only item.
fn items<'n, 'a>(node: &'n Node<'a>) -> &'n [Node<'a>] {
    match &node.json {
        Json::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}
