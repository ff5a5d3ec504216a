//! The definition that is checked: objects with their inherited fields, found by id.

use std::rc::Rc;

use foldhash::HashSet;

use crate::{
    Definition, ObjectId,
    inherit::{Inheritance, Resolved},
    kind::Kind,
    parameters::Parameters,
    preview::{ParsedText, Preview},
};

pub(super) struct CheckedDefinition<'a> {
    pub(super) definition: &'a Definition,
    pub(super) parameters: &'a Parameters,
    inheritance: &'a Inheritance<'a>,
    kinds: Vec<Option<Kind>>,
    declared: HashSet<&'a str>,
    /// The parameters whose values contain expressions: the declared ones first.
    computed: Vec<&'a str>,
    preview: Preview<'a>,
}

impl<'a> CheckedDefinition<'a> {
    pub(super) fn new(
        definition: &'a Definition,
        inheritance: &'a Inheritance<'a>,
        parameters: &'a Parameters,
    ) -> Self {
        let preview = Preview::of(&inheritance.objects, parameters, None);
        let declared = definition.parameters.iter().map(|parameter| parameter.id.as_str()).collect();
        let kinds = inheritance.objects.iter().map(Resolved::kind).collect();
        let ids = definition.parameters.iter().map(|parameter| parameter.id.as_str());
        let mut seen = HashSet::default();
        let computed = ids
            .chain(definition.values.iter().map(|value| value.id.as_str()))
            .filter(|id| parameters.has_expressions(id) && seen.insert(*id))
            .collect();
        Self { definition, parameters, inheritance, kinds, declared, computed, preview }
    }

    /// Returns the objects with their inherited fields, and their indices by id.
    pub(super) fn inheritance(&self) -> &'a Inheritance<'a> {
        self.inheritance
    }

    /// Returns every object with its inherited fields, in the order of the definition.
    pub(super) fn objects(&self) -> &'a [Resolved<'a>] {
        &self.inheritance.objects
    }

    /// Returns the index of the object `id`.
    pub(super) fn index(&self, id: &ObjectId) -> Option<usize> {
        self.inheritance.indices.get(id.as_str()).copied()
    }

    /// Returns the object `id` with its inherited fields.
    pub(super) fn object(&self, id: &ObjectId) -> Option<&'a Resolved<'a>> {
        self.index(id).map(|index| &self.objects()[index])
    }

    /// Returns the type of the object `id`, if it has a known type.
    pub(super) fn kind(&self, id: &ObjectId) -> Option<Kind> {
        self.kind_at(self.index(id)?)
    }

    /// Returns the type of the object at `index`, if it has a known type.
    pub(super) fn kind_at(&self, index: usize) -> Option<Kind> {
        self.kinds[index]
    }

    /// Returns every object, with its type if it has a known type.
    pub(super) fn with_kinds(&self) -> impl Iterator<Item = (&'a Resolved<'a>, Option<Kind>)> {
        self.objects().iter().zip(self.kinds.iter().copied())
    }

    /// Returns every object with a known type, and the type.
    pub(super) fn typed(&self) -> impl Iterator<Item = (&'a Resolved<'a>, Kind)> {
        self.with_kinds().filter_map(|(object, kind)| Some((object, kind?)))
    }

    /// Returns whether `id` is a parameter. A parameter is declared, or has a value without a declaration.
    pub(super) fn is_parameter(&self, id: &str) -> bool {
        self.declared.contains(id) || !self.parameters.values(id).is_empty()
    }

    /// Returns the parameters whose values contain expressions.
    pub(super) fn computed_parameters(&self) -> &[&'a str] {
        &self.computed
    }

    /// Returns the value of `text` in `object`: one text, or every text of a list. Returns `None` if the
    /// value depends on a run.
    pub(super) fn previewed(&self, object: &Resolved<'_>, text: &'a str) -> Option<Vec<String>> {
        self.preview.text(object.id(), text)
    }

    /// Returns `text` after parsing.
    pub(super) fn read(&self, text: &'a str) -> Rc<ParsedText<'a>> {
        self.preview.read(text)
    }
}
