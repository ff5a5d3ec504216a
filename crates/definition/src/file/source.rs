//! The text of a definition file after parsing: its definition, and the position of every part.

use std::cell::Cell;
use std::collections::HashMap;

use super::json::{self, Json, Member, Node};
use super::position::{Lines, Span};
use super::{FileError, Unread, last, translate, value_node};
use crate::Definition;

/// The text of a definition file, parsed as JSON.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    text: &'a str,
    lines: Lines<'a>,
    root: Node<'a>,
}

/// A part of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The name of the field.
    Key,
    /// The value with this index.
    Value(usize),
    /// A byte in the text of a value: the index of the value, and the byte offset.
    Text(usize, usize),
}

impl<'a> Source<'a> {
    /// Parses the JSON.
    ///
    /// # Errors
    ///
    /// An error at the position where the text is no longer JSON. For a common mistake, the message says how
    /// to correct it.
    pub fn read(text: &'a str) -> Result<Self, FileError> {
        let lines = Lines::of(text);
        match json::parse(text) {
            Ok(root) => Ok(Self { text, lines, root }),
            Err(error) => {
                let span = lines.span(error.at, error.at + 1);
                Err(FileError { span, message: format!("not JSON: {}", error.message) })
            }
        }
    }

    /// Returns the definition, and every error of the translation.
    ///
    /// If there are errors, the definition holds the readable part of the file, so that validation can report
    /// more.
    #[must_use]
    pub fn translate(&self) -> (Definition, Vec<FileError>) {
        let (definition, errors, _) = self.translate_and_note();
        (definition, errors)
    }

    /// Returns the definition, every error of the translation, and the parts that are left out because of the errors.
    pub(crate) fn translate_and_note(&self) -> (Definition, Vec<FileError>, Unread) {
        let mut translator = translate::Translator::default();
        let definition = translator.definition(&self.root);
        let translate::Translator { errors, unread, .. } = translator;
        let errors = errors.into_iter().map(|(start, end, message)| self.error(start, end, message));
        (definition, errors.collect(), unread)
    }

    /// Returns remarks about parts of the file that Downspout accepts and other programs refuse.
    #[must_use]
    pub fn remarks(&self) -> Vec<FileError> {
        let mark = self.text.starts_with('\u{feff}').then(|| {
            let message =
                "the file begins with a byte order mark, which the AWS CLI refuses: save it as UTF-8 without the mark";
            self.error(0, 0, message.to_owned())
        });
        mark.into_iter().collect()
    }

    /// Returns the index of positions.
    #[must_use]
    pub fn index(&self) -> SourceIndex<'_> {
        let mut index = SourceIndex {
            source: self,
            ids: HashMap::new(),
            fields: HashMap::new(),
            values: HashMap::new(),
            last_text: Cell::new((0, json::StringCursor::default())),
        };
        let Json::Object(members) = &self.root.json else { return index };
        for part in ["objects", "parameters"] {
            let Some(Node { json: Json::Array(elements), .. }) = last(members, part) else { continue };
            elements.iter().for_each(|element| index.add(element));
        }
        match value_node(members).map(|node| &node.json) {
            Some(Json::Object(values)) => {
                index.values.extend(values.iter().map(|member| (member.key.as_ref(), &member.value)));
            }
            Some(Json::Array(values)) => {
                index.values.extend(values.iter().filter_map(|value| Some((id_of(value)?.0, value))));
            }
            _ => {}
        }
        index
    }

    pub(super) fn root(&self) -> &Node<'a> {
        &self.root
    }

    pub(super) fn error(&self, start: usize, end: usize, message: String) -> FileError {
        FileError { span: self.lines.span(start, end), message }
    }
}

/// Finds the position of objects, fields, parameters and values in a file.
#[derive(Debug)]
pub struct SourceIndex<'s> {
    source: &'s Source<'s>,
    /// The nodes of the ids of objects and parameters. An id that the file repeats, which is an error, has a
    /// node for each time.
    ids: HashMap<&'s str, Vec<&'s Node<'s>>>,
    /// The fields by id and name. If an id appears twice, the first element with the field is used.
    fields: HashMap<(&'s str, &'s str), FieldNode<'s>>,
    values: HashMap<&'s str, &'s Node<'s>>,
    /// The byte offset of the string that was searched last, and the cursor at which the search ended. The
    /// next search goes on from there, because positions in a string are usually requested in order.
    last_text: Cell<(usize, json::StringCursor)>,
}

/// The node that states a field.
#[derive(Clone, Copy, Debug)]
enum FieldNode<'s> {
    Member(&'s Member<'s>),
    /// An item of `"fields": [{"key": ...}]`.
    InApiForm(&'s Node<'s>),
}

impl<'s> SourceIndex<'s> {
    fn add(&mut self, element: &'s Node<'s>) {
        let (Some((id, node)), Json::Object(members)) = (id_of(element), &element.json) else { return };
        self.ids.entry(id).or_default().push(node);
        for member in members {
            self.fields.entry((id, &member.key)).or_insert(FieldNode::Member(member));
        }
        if let Some(Node { json: Json::Array(items), .. }) = last(members, "fields") {
            for item in items {
                if let Some(key) = text_of(item, "key") {
                    self.fields.entry((id, key.0)).or_insert(FieldNode::InApiForm(item));
                }
            }
        }
    }

    /// Returns the position of a part of an object's field, or `None` if the file contains no such id.
    ///
    /// If the object lacks the field, returns the position of the object's id. The `id` can also be that of a
    /// parameter: then the position is that of its declaration or, without a declaration, of its value. For a
    /// field in the API form, returns the position of the whole item, whatever `part` is.
    #[must_use]
    pub fn find(&self, id: &str, field: Option<&str>, part: Part) -> Option<Span> {
        let Some(ids) = self.ids.get(id) else { return self.value(id) };
        let node = field.and_then(|field| self.fields.get(&(id, field)));
        node.map(|node| self.part(node, part)).or_else(|| ids.first().map(|id| self.span(id)))
    }

    /// Returns the position at which an id appears for the second time.
    #[must_use]
    pub fn again(&self, id: &str) -> Option<Span> {
        self.ids.get(id)?.get(1).map(|id| self.span(id))
    }

    /// Returns the position at which the file gives the parameter `id` its value.
    #[must_use]
    pub fn value(&self, id: &str) -> Option<Span> {
        self.values.get(id).map(|node| self.span(node))
    }

    fn span(&self, node: &Node<'_>) -> Span {
        self.source.lines.span(node.start, node.end)
    }

    fn part(&self, node: &FieldNode<'_>, part: Part) -> Span {
        let member = match node {
            FieldNode::Member(member) => member,
            FieldNode::InApiForm(item) => return self.span(item),
        };
        let lines = &self.source.lines;
        match part {
            Part::Key => lines.span(member.start, member.end),
            Part::Value(number) => self.span(nth(&member.value, number)),
            Part::Text(number, offset) => {
                let at = self.text_offset(nth(&member.value, number), offset);
                lines.span(at, at + 1)
            }
        }
    }

    /// Returns the byte of the file that corresponds to the byte `offset` of a string's content.
    fn text_offset(&self, node: &Node<'_>, offset: usize) -> usize {
        let (start, cursor) = self.last_text.get();
        let from = if start == node.start && cursor.content <= offset {
            cursor
        } else {
            json::StringCursor { content: 0, source: node.start + 1 }
        };
        let cursor = json::advance(self.source.text, from, offset);
        self.last_text.set((node.start, cursor));
        cursor.source
    }
}

fn nth<'n, 'a>(node: &'n Node<'a>, number: usize) -> &'n Node<'a> {
    match &node.json {
        Json::Array(items) => items.get(number).unwrap_or(node),
        _ => node,
    }
}

/// Returns the id of an element, and its node.
fn id_of<'n>(node: &'n Node<'n>) -> Option<(&'n str, &'n Node<'n>)> {
    text_of(node, "id")
}

fn text_of<'n>(node: &'n Node<'n>, key: &str) -> Option<(&'n str, &'n Node<'n>)> {
    let Json::Object(members) = &node.json else { return None };
    let node = last(members, key)?;
    match &node.json {
        Json::String(text) => Some((text, node)),
        _ => None,
    }
}
