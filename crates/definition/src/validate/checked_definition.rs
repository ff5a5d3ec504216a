//! The definition that is checked: objects with their inherited fields, found by id.

use std::{cell::OnceCell, rc::Rc};

use foldhash::HashSet;

use crate::{
    Definition, ObjectId,
    expression::Name,
    inherit::{Inheritance, Resolved, Text},
    kind::Kind,
    parameters::Parameters,
    preview::{ParsedText, Preview},
};

pub(super) struct CheckedDefinition<'a> {
    pub(super) definition: &'a Definition,
    pub(super) parameters: &'a Parameters,
    inheritance: &'a Inheritance<'a>,
    declared: HashSet<&'a str>,
    /// The parameters whose values contain expressions: the declared ones first.
    computed: Vec<&'a str>,
    preview: Preview<'a>,
    stated: OnceCell<Vec<StatedText<'a>>>,
    used: OnceCell<UsedNames<'a>>,
}

/// A text with an expression, after parsing, and the object that states it.
pub(super) struct StatedText<'a> {
    pub(super) object: &'a ObjectId,
    pub(super) text: Text<'a>,
    pub(super) read: Rc<ParsedText<'a>>,
}

/// The names in expressions.
#[derive(Default)]
pub(super) struct UsedNames<'a> {
    /// The names of which each begins a path, such as `a` of `a.b`: fields of the object itself, and parameters.
    first: HashSet<Name<'a>>,
    /// The names that follow, which are fields of other objects.
    later: HashSet<Name<'a>>,
}

impl<'a> UsedNames<'a> {
    fn add_all(&mut self, text: &'a str, read: &ParsedText<'a>) {
        match &read.template {
            Ok(template) => template.each_path(&mut |path, _| {
                if let [first, later @ ..] = path {
                    self.first.insert(first.clone());
                    self.later.extend(later.iter().cloned());
                }
            }),
            // Every word of a text that cannot be parsed may be a name.
            Err(_) => self.first.extend(text.split(|c: char| !c.is_alphanumeric()).map(Name::from)),
        }
    }

    /// Returns whether an expression uses the field or the parameter `name`.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.first.contains(name) || self.later.contains(name)
    }

    /// Returns whether an expression uses a parameter `id`.
    pub(super) fn contains_parameter(&self, id: &str) -> bool {
        self.first.contains(id)
    }
}

impl<'a> CheckedDefinition<'a> {
    pub(super) fn new(
        definition: &'a Definition,
        inheritance: &'a Inheritance<'a>,
        parameters: &'a Parameters,
    ) -> Self {
        let preview = Preview::of(&inheritance.objects, parameters, None);
        let declared = definition.parameters.iter().map(|parameter| parameter.id.as_str()).collect();
        let ids = definition.parameters.iter().map(|parameter| parameter.id.as_str());
        let mut seen = HashSet::default();
        let computed = ids
            .chain(definition.values.iter().map(|value| value.id.as_str()))
            .filter(|id| parameters.has_expressions(id) && seen.insert(*id))
            .collect();
        Self {
            definition,
            parameters,
            inheritance,
            declared,
            computed,
            preview,
            stated: OnceCell::new(),
            used: OnceCell::new(),
        }
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
        self.object(id)?.kind()
    }

    /// Returns every object, with its type if it has a known type.
    pub(super) fn with_kinds(&self) -> impl Iterator<Item = (&'a Resolved<'a>, Option<Kind>)> {
        self.objects().iter().map(|object| (object, object.kind()))
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

    /// Returns every text with an expression that an object states, in the order of the objects.
    pub(super) fn stated_texts(&self) -> &[StatedText<'a>] {
        self.stated.get_or_init(|| {
            let texts = self.objects().iter().flat_map(|object| {
                object.stated_texts().map(|text| StatedText {
                    object: object.id(),
                    text,
                    read: self.read(text.text),
                })
            });
            texts.collect()
        })
    }

    /// Returns every name in every expression, of fields and of values.
    pub(super) fn used_names(&self) -> &UsedNames<'a> {
        self.used.get_or_init(|| {
            let mut used = UsedNames::default();
            for stated in self.stated_texts() {
                used.add_all(stated.text.text, &stated.read);
            }
            for text in self.computed.iter().flat_map(|id| self.parameters.values(id)) {
                used.add_all(text, &self.read(text));
            }
            used
        })
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
