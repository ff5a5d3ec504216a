//! A definition as the checks look at it: fields inherited, objects found by id.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::{
    Definition, ObjectId, PipelineObject,
    inherit::Inheritance,
    kind::Kind,
    parameters::Parameters,
    preview::{Parsed, Preview},
};

/// More fields than this are found by their hash.
const FEW_FIELDS: usize = 64;

pub(super) struct Subject<'a> {
    pub(super) definition: &'a Definition,
    pub(super) parameters: &'a Parameters,
    /// Every object with its inherited fields, in the definition's order.
    pub(super) resolved: &'a [PipelineObject],
    owners: &'a [Vec<usize>],
    kinds: Vec<Option<Kind>>,
    places: HashMap<&'a str, usize>,
    /// For each object, where the fields of each key begin; made when it is first asked.
    keys: Vec<OnceCell<HashMap<&'a str, usize>>>,
    declared: HashSet<&'a str>,
    preview: Preview<'a>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        definition: &'a Definition,
        inheritance: &'a Inheritance,
        parameters: &'a Parameters,
    ) -> Self {
        let places =
            definition.objects.iter().enumerate().map(|(at, object)| (object.id.as_str(), at)).collect();
        let Inheritance { objects: resolved, owners, .. } = inheritance;
        let preview = Preview::new(resolved, parameters, None);
        let keys = vec![OnceCell::new(); resolved.len()];
        let declared = definition.parameters.iter().map(|parameter| parameter.id.as_str()).collect();
        let kinds = resolved.iter().map(Kind::of).collect();
        Self { definition, parameters, resolved, owners, kinds, places, keys, declared, preview }
    }

    /// The object `id` with its inherited fields.
    pub(super) fn object(&self, id: &ObjectId) -> Option<&'a PipelineObject> {
        self.places.get(id.as_str()).map(|at| &self.resolved[*at])
    }

    /// The type of the object `id`, if it has a known one.
    pub(super) fn kind(&self, id: &ObjectId) -> Option<Kind> {
        self.kinds[*self.places.get(id.as_str())?]
    }

    /// Every object that has a known type, with it.
    pub(super) fn typed(&self) -> impl Iterator<Item = (&'a PipelineObject, Kind)> {
        self.resolved.iter().zip(&self.kinds).filter_map(|(object, kind)| Some((object, (*kind)?)))
    }

    /// The object as the definition states it.
    pub(super) fn stated(&self, id: &ObjectId) -> Option<&'a PipelineObject> {
        self.places.get(id.as_str()).map(|at| &self.definition.objects[*at])
    }

    /// Who states the field that `object` has: the object or one it inherits from.
    pub(super) fn owner<'b>(&'b self, object: &'b PipelineObject, key: &str) -> &'b ObjectId {
        let owner = self.place(object).and_then(|place| {
            let number = self.first_of_key(place, key)?;
            Some(&self.definition.objects[self.owners[place][number]].id)
        });
        owner.unwrap_or(&object.id)
    }

    /// Whether the object has the field `key`, its own or an inherited one.
    pub(super) fn has(&self, object: &PipelineObject, key: &str) -> bool {
        match self.place(object) {
            Some(place) => self.first_of_key(place, key).is_some(),
            None => object.values(key).next().is_some(),
        }
    }

    /// Whether `id` is a parameter: declared, or with a value all the same.
    pub(super) fn is_parameter(&self, id: &str) -> bool {
        self.declared.contains(id) || !self.parameters.values(id).is_empty()
    }

    /// The place of `object`; none when another one has its id too.
    fn place(&self, object: &PipelineObject) -> Option<usize> {
        let place = *self.places.get(object.id.as_str())?;
        std::ptr::eq(&raw const self.resolved[place], object).then_some(place)
    }

    fn first_of_key(&self, place: usize, key: &str) -> Option<usize> {
        let fields = &self.resolved[place].fields;
        if fields.len() <= FEW_FIELDS {
            return fields.iter().position(|field| field.key == key);
        }
        let keys = self.keys[place].get_or_init(|| {
            let mut keys = HashMap::with_capacity(fields.len());
            for (number, field) in fields.iter().enumerate() {
                keys.entry(field.key.as_str()).or_insert(number);
            }
            keys
        });
        keys.get(key).copied()
    }

    /// What `text` in `object` becomes, when that does not depend on a run: every value, if it is a list.
    pub(super) fn foreseen(&self, object: &PipelineObject, text: &'a str) -> Option<Vec<String>> {
        self.preview.text(&object.id, text)
    }

    /// Returns `text` taken apart.
    pub(super) fn template(&self, text: &'a str) -> Rc<Parsed<'a>> {
        self.preview.template(text)
    }
}
