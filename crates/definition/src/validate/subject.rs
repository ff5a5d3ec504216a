//! A definition as the checks look at it: fields inherited, objects found by id.

use std::collections::HashMap;

use super::findings::Findings;
use crate::{
    Definition, ObjectId, PipelineObject,
    expression::{Evaluated, Scope, Value, evaluate},
    inherit::{self, DEFAULT_ID, InheritError},
    kind::Kind,
    parameters::Parameters,
};

pub(super) struct Subject<'a> {
    pub(super) definition: &'a Definition,
    pub(super) parameters: Parameters,
    /// Every object with its inherited fields, in the definition's order.
    pub(super) resolved: Vec<PipelineObject>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(definition: &'a Definition, findings: &mut Findings) -> Self {
        let (resolved, errors) = inherit::resolve_leniently(definition);
        for error in errors {
            // A missing parent is a dangling reference; who merely inherits from a circle is not to blame.
            if let InheritError::Cycle { id, by } = &error
                && by.last() == Some(id)
            {
                findings.error(id, Some("parent"), "INHERITANCE_CYCLE", error.to_string());
            }
        }
        let places =
            definition.objects.iter().enumerate().map(|(at, object)| (object.id.as_str(), at)).collect();
        Self { definition, parameters: Parameters::of(definition), resolved, places }
    }

    /// The object `id` with its inherited fields.
    pub(super) fn object(&self, id: &ObjectId) -> Option<&PipelineObject> {
        self.places.get(id.as_str()).map(|at| &self.resolved[*at])
    }

    /// Every object that has a known type, with it.
    pub(super) fn typed(&self) -> impl Iterator<Item = (&PipelineObject, Kind)> {
        self.resolved.iter().filter_map(|object| Kind::of(object).map(|kind| (object, kind)))
    }

    /// The object as the definition states it.
    pub(super) fn stated(&self, id: &ObjectId) -> Option<&'a PipelineObject> {
        self.places.get(id.as_str()).map(|at| &self.definition.objects[*at])
    }

    /// Who states the field that `object` has: the object or one it inherits from.
    pub(super) fn owner<'b>(&'b self, object: &'b PipelineObject, key: &str) -> &'b ObjectId {
        let mut current = self.stated(&object.id);
        for _ in 0..self.resolved.len() {
            let Some(stated) = current else { break };
            if stated.values(key).next().is_some() {
                return &stated.id;
            }
            current = match stated.reference("parent") {
                Some(parent) => self.stated(parent),
                None => self.stated(&ObjectId::from(DEFAULT_ID)).filter(|default| default.id != stated.id),
            };
        }
        &object.id
    }

    /// What `text` in `object` becomes, when that does not depend on a run: every value, if it is a list.
    pub(super) fn foreseen(&self, object: &PipelineObject, text: &str) -> Option<Vec<String>> {
        match evaluate(text, &Foresight { subject: self, object }).ok()? {
            Evaluated::One(text) => Some(vec![text]),
            Evaluated::Many(texts) => Some(texts),
        }
    }
}

/// What is known of names before anything runs.
struct Foresight<'a> {
    subject: &'a Subject<'a>,
    object: &'a PipelineObject,
}

impl Scope for Foresight<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        // Secrets are not foreseen: what is foreseen may be shown in a message.
        if name.starts_with('*') || self.object.strings(name).any(|text| text.contains("#{")) {
            return None;
        }
        Value::of_field(self.object, name).or_else(|| self.subject.parameters.to_value(name))
    }

    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>> {
        // A parent is the component when something runs, not the parent of the definition.
        let target = self.object.reference(name).filter(|_| name != "parent")?;
        let object = self.subject.object(target)?;
        Some(Box::new(Foresight { subject: self.subject, object }))
    }
}
