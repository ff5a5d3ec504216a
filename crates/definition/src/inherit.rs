//! `parent` and the `Default` object: what fields an object has in the end.
//!
//! Default applies at the root of a chain of parents. An own field beats an inherited one, and a
//! field with several values is replaced as a whole. `type` comes from explicit parents only.

use std::ops::Range;

use foldhash::{HashMap, HashSet};

use crate::expression;
use crate::kind::Kind;
use crate::{Definition, Field, FieldKey, FieldValue, ObjectId, PipelineObject};

/// Id of the object whose fields every object inherits.
pub const DEFAULT_ID: &str = "Default";

/// Why the fields of an object cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InheritError {
    /// Parents that lead back to the object.
    #[error("the parents of object `{id}` go round in a circle: {}", chain(.by))]
    Cycle {
        /// The object that the cycle was met from.
        id: ObjectId,
        /// The parents in order, up to the repeated one.
        by: Vec<ObjectId>,
    },
    /// A parent that does not exist.
    #[error("object `{id}` has the parent `{parent}`, which the definition lacks")]
    Missing {
        /// The object.
        id: ObjectId,
        /// Its parent.
        parent: ObjectId,
    },
}

fn chain(by: &[ObjectId]) -> String {
    by.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

/// Returns every object with its inherited fields merged in, in the definition's order.
///
/// # Errors
///
/// The first parent that does not exist, or the first circle of parents.
pub fn resolve(definition: &Definition) -> Result<Vec<PipelineObject>, InheritError> {
    let Inheritance { objects, errors, .. } = Inheritance::of(definition);
    match errors.into_iter().next() {
        None => Ok(objects.iter().map(Resolved::to_object).collect()),
        Some(error) => Err(error),
    }
}

/// Inherited fields allowed for each object on average, and bytes of inherited fields in all, many times what AWS's
/// limits let anybody need: what comes in may be made to grow without bound.
const MOST_INHERITED: usize = 100;
const MOST_INHERITED_BYTES: usize = 8_000_000;
/// More keys than this are looked up by their hash.
const FEW_KEYS: usize = 32;

/// An object with its inherited fields, all of which stay where the definition states them.
#[derive(Clone, Debug)]
pub(crate) struct Resolved<'a> {
    /// The object without what it inherits.
    pub(crate) stated: &'a PipelineObject,
    /// Its own fields in their order, then the inherited ones.
    fields: Vec<Stated<'a>>,
    /// The values of each key in turn.
    values: Vec<&'a FieldValue>,
    /// By name.
    keys: Vec<Key<'a>>,
}

/// A field as an object states it.
#[derive(Clone, Copy, Debug)]
struct Stated<'a> {
    field: &'a Field,
    owner: &'a PipelineObject,
    /// Known from the start: many may inherit a long text.
    has_expression: bool,
}

/// One key of an object with all its values.
#[derive(Clone, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) name: &'a FieldKey,
    /// Who states it: the object or one it inherits from.
    pub(crate) owner: &'a PipelineObject,
    /// Whether any of its values is to be evaluated.
    pub(crate) has_expression: bool,
    first_reference: Option<&'a ObjectId>,
    values: Range<usize>,
}

/// A text with an expression in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) key: &'a str,
    /// Which of the key's values it is.
    pub(crate) number: usize,
    pub(crate) text: &'a str,
    pub(crate) owner: &'a PipelineObject,
}

impl<'a> Resolved<'a> {
    /// Returns an object that inherits nothing.
    pub(crate) fn of(object: &'a PipelineObject) -> Self {
        Self::new(object, stated_by(object).collect())
    }

    fn new(stated: &'a PipelineObject, fields: Vec<Stated<'a>>) -> Self {
        let mut sorted = fields.clone();
        // Stable: the values of a key stay in their order.
        sorted.sort_by(|a, b| a.field.key.cmp(&b.field.key));
        let values: Vec<_> = sorted.iter().map(|stated| &stated.field.value).collect();
        let mut keys = Vec::with_capacity(sorted.len());
        let mut begin = 0;
        for same in sorted.chunk_by(|a, b| a.field.key == b.field.key) {
            let Stated { field, owner, .. } = same[0];
            let has_expression = same.iter().any(|stated| stated.has_expression);
            let first_reference = same.iter().find_map(|stated| stated.field.value.as_reference());
            let values = begin..begin + same.len();
            begin = values.end;
            keys.push(Key { name: &field.key, owner, has_expression, first_reference, values });
        }
        Self { stated, fields, values, keys }
    }

    pub(crate) fn id(&self) -> &'a ObjectId {
        &self.stated.id
    }

    /// The type, if it is a known one.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.string("type").and_then(Kind::named)
    }

    /// Every field: its own ones in their order, then the inherited ones.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().map(|stated| stated.field)
    }

    /// Every text with an expression that is to be evaluated: the object's own ones in their order, then the inherited
    /// ones.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Text<'a>> {
        // The values of a key follow each other.
        let same_key = self.fields.chunk_by(|a, b| a.field.key == b.field.key);
        let numbered = same_key.flat_map(|values| values.iter().enumerate());
        numbered.filter(|(_, stated)| stated.has_expression).filter_map(|(number, stated)| {
            let text = stated.field.value.as_string()?;
            Some(Text { key: stated.field.key.as_str(), number, text, owner: stated.owner })
        })
    }

    /// Every key, by name.
    pub(crate) fn keys(&self) -> &[Key<'a>] {
        &self.keys
    }

    /// The number of a key among the keys.
    pub(crate) fn number(&self, key: &str) -> Option<usize> {
        self.keys.binary_search_by(|other| other.name.as_str().cmp(key)).ok()
    }

    pub(crate) fn key(&self, name: &str) -> Option<&Key<'a>> {
        self.number(name).map(|number| &self.keys[number])
    }

    /// Every value of one of the keys.
    pub(crate) fn values_of(&self, key: &Key<'a>) -> &[&'a FieldValue] {
        &self.values[key.values.clone()]
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.number(key).is_some()
    }

    /// Who states the field: the object or one it inherits from.
    pub(crate) fn owner(&self, key: &str) -> &'a PipelineObject {
        self.key(key).map_or(self.stated, |key| key.owner)
    }

    /// Every value of `key`, in order.
    pub(crate) fn values(&self, key: &str) -> &[&'a FieldValue] {
        self.key(key).map_or(&[], |key| self.values_of(key))
    }

    /// The first string value of `key`.
    pub(crate) fn string(&self, key: &str) -> Option<&'a str> {
        self.values(key).iter().find_map(|value| value.as_string())
    }

    /// The first reference of `key`.
    pub(crate) fn reference(&self, key: &str) -> Option<&'a ObjectId> {
        self.key(key)?.first_reference
    }

    /// Every reference of `key`, in order.
    pub(crate) fn references(&self, key: &str) -> impl Iterator<Item = &'a ObjectId> {
        self.values(key).iter().filter_map(|value| value.as_reference())
    }

    pub(crate) fn to_object(&self) -> PipelineObject {
        let PipelineObject { id, name, .. } = self.stated;
        PipelineObject { id: id.clone(), name: name.clone(), fields: self.fields().cloned().collect() }
    }
}

/// The objects of a definition with their inherited fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inheritance<'a> {
    /// In the definition's order; one with an unusable parent has its own fields and those of Default.
    pub(crate) objects: Vec<Resolved<'a>>,
    /// The places of the objects among them; of two with one id, the later one.
    pub(crate) places: HashMap<&'a str, usize>,
    /// Each missing parent, and each circle once.
    pub(crate) errors: Vec<InheritError>,
}

impl<'a> Inheritance<'a> {
    /// Resolves every object once, parents first: time grows with the fields, however long the chains are.
    pub(crate) fn of(definition: &'a Definition) -> Self {
        let mut resolver = Resolver::new(definition);
        for place in 0..definition.objects.len() {
            resolver.resolve_chain(place);
        }
        let Resolver { resolved, places, errors, .. } = resolver;
        Self { objects: resolved.into_iter().flatten().collect(), places, errors }
    }
}

struct Resolver<'a> {
    definition: &'a Definition,
    places: HashMap<&'a str, usize>,
    resolved: Vec<Option<Resolved<'a>>>,
    /// Whether an object was met on a chain; until that is resolved, it is on the chain.
    is_met: Vec<bool>,
    /// What Default states; it inherits from nobody, and may not be resolved yet.
    default: Vec<Stated<'a>>,
    errors: Vec<InheritError>,
    left: Allowance,
}

impl<'a> Resolver<'a> {
    fn new(definition: &'a Definition) -> Self {
        let objects = &definition.objects;
        let places: HashMap<_, _> =
            objects.iter().enumerate().map(|(place, object)| (object.id.as_str(), place)).collect();
        let default = places.get(DEFAULT_ID).map(|place| stated_by(&objects[*place]).collect());
        Self {
            definition,
            places,
            resolved: vec![None; objects.len()],
            is_met: vec![false; objects.len()],
            default: default.unwrap_or_default(),
            errors: Vec::new(),
            left: Allowance { fields: 10_000 + MOST_INHERITED * objects.len(), bytes: MOST_INHERITED_BYTES },
        }
    }

    /// Resolves an object after all its parents that are not resolved yet.
    fn resolve_chain(&mut self, place: usize) {
        let mut chain = Vec::new();
        let mut next = Some(place);
        // An object on a circle, from which none of the chain can inherit.
        let mut is_circular = false;
        while let Some(place) = next.filter(|place| self.resolved[*place].is_none()) {
            if std::mem::replace(&mut self.is_met[place], true) {
                self.circle(&chain, place);
                is_circular = true;
                break;
            }
            chain.push(place);
            next = self.parent(place);
        }
        while let Some(place) = chain.pop() {
            let parent = self.parent(place).filter(|_| !is_circular);
            self.resolve_one(place, parent);
        }
    }

    fn parent(&self, place: usize) -> Option<usize> {
        let parent = self.definition.objects[place].reference("parent")?;
        self.places.get(parent.as_str()).copied()
    }

    fn circle(&mut self, chain: &[usize], again: usize) {
        let objects = &self.definition.objects;
        let begin = chain.iter().position(|place| *place == again).unwrap_or_default();
        let by = chain[begin..].iter().skip(1).chain([&again]);
        let by = by.map(|place| objects[*place].id.clone()).collect();
        self.errors.push(InheritError::Cycle { id: objects[again].id.clone(), by });
    }

    fn resolve_one(&mut self, place: usize, parent: Option<usize>) {
        let object = &self.definition.objects[place];
        if let (Some(id), None) = (object.reference("parent"), self.parent(place)) {
            self.errors.push(InheritError::Missing { id: object.id.clone(), parent: id.clone() });
        }
        let is_default = self.places.get(DEFAULT_ID) == Some(&place);
        let (from, is_implied): (&[Stated<'_>], bool) =
            match parent.and_then(|parent| self.resolved[parent].as_ref()) {
                Some(parent) => (&parent.fields, false),
                None if is_default => (&[], true),
                None => (&self.default, true),
            };
        let own: Vec<&str> = object.fields.iter().map(|field| field.key.as_str()).collect();
        let own = Keys::of(&own);
        let mut fields = Vec::with_capacity(object.fields.len() + from.len());
        fields.extend(stated_by(object));
        fields.extend(from.iter().filter(|Stated { field, .. }| {
            is_inherited(field, is_implied) && !own.has(field.key.as_str()) && self.left.take(field)
        }));
        self.resolved[place] = Some(Resolved::new(object, fields));
    }
}

fn stated_by(owner: &PipelineObject) -> impl Iterator<Item = Stated<'_>> {
    owner.fields.iter().map(move |field| {
        let is_evaluated = |text| expression::is_in(text) && !expression::is_verbatim(field.key.as_str());
        Stated { field, owner, has_expression: field.value.as_string().is_some_and(is_evaluated) }
    })
}

/// How many fields may still be inherited, and how many bytes of them.
struct Allowance {
    fields: usize,
    bytes: usize,
}

impl Allowance {
    fn take(&mut self, field: &Field) -> bool {
        let bytes = length(field);
        let is_enough = self.fields > 0 && self.bytes >= bytes;
        if is_enough {
            self.fields -= 1;
            self.bytes -= bytes;
        }
        is_enough
    }
}

/// The keys of an object's own fields.
enum Keys<'k> {
    Few(&'k [&'k str]),
    Many(HashSet<&'k str>),
}

impl<'k> Keys<'k> {
    fn of(keys: &'k [&'k str]) -> Self {
        if keys.len() <= FEW_KEYS { Self::Few(keys) } else { Self::Many(keys.iter().copied().collect()) }
    }

    fn has(&self, key: &str) -> bool {
        match self {
            Self::Few(keys) => keys.contains(&key),
            Self::Many(keys) => keys.contains(key),
        }
    }
}

fn length(field: &Field) -> usize {
    field.key.as_str().len() + field.value.as_str().len()
}

fn is_inherited(field: &Field, implied: bool) -> bool {
    match field.key.as_str() {
        "id" | "name" | "parent" => false,
        "type" => !implied,
        key => !key.starts_with('@'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    fn resolved(objects: &str) -> Result<Vec<PipelineObject>, InheritError> {
        resolve(&file::parse(&format!(r#"{{"objects": {objects}}}"#)).unwrap())
    }

    fn object(objects: &str, id: &str) -> PipelineObject {
        resolved(objects).unwrap().into_iter().find(|object| object.id == id).unwrap()
    }

    #[test]
    fn default_applies_at_the_root_of_the_chain() {
        let objects = r#"[
            {"id": "Default", "x": "default", "y": "default", "z": "default"},
            {"id": "Child", "parent": {"ref": "Parent"}, "x": "child"},
            {"id": "Parent", "parent": {"ref": "Root"}, "x": "parent", "y": "parent"},
            {"id": "Root", "y": "root"}]"#;
        let child = object(objects, "Child");
        let texts = ["x", "y", "z"].map(|key| child.string(key));
        assert_eq!(texts, [Some("child"), Some("parent"), Some("default")]);
    }

    #[test]
    fn a_field_with_several_values_is_replaced_as_a_whole() {
        let objects = r#"[{"id": "Default", "x": ["1", "2"], "y": ["3", "4"]}, {"id": "A", "x": "own"}]"#;
        let a = object(objects, "A");
        assert_eq!(a.strings("x").collect::<Vec<_>>(), ["own"]);
        assert_eq!(a.strings("y").collect::<Vec<_>>(), ["3", "4"]);
    }

    #[test]
    fn a_type_comes_from_explicit_parents_only() {
        let objects = r#"[{"id": "Default", "type": "Default"}, {"id": "P", "type": "CSV", "@status": "x"},
            {"id": "A", "parent": {"ref": "P"}}, {"id": "B"}]"#;
        let a = object(objects, "A");
        assert_eq!(a.type_name(), Some("CSV"));
        assert_eq!(a.string("@status"), None);
        assert_eq!(a.name, "A");
        assert_eq!(object(objects, "B").type_name(), None);
    }

    #[test]
    fn a_circle_of_parents_is_an_error_that_shows_it() {
        let objects = r#"[{"id": "A", "parent": {"ref": "B"}}, {"id": "B", "parent": {"ref": "A"}}]"#;
        let error = resolved(objects).unwrap_err().to_string();
        assert_eq!(error, "the parents of object `A` go round in a circle: `B`, `A`");
        assert!(resolved(r#"[{"id": "Default", "parent": {"ref": "Default"}}]"#).is_err());
    }

    #[test]
    fn a_parent_that_does_not_exist_is_an_error() {
        let error = resolved(r#"[{"id": "A", "parent": {"ref": "B"}}]"#).unwrap_err().to_string();
        assert_eq!(error, "object `A` has the parent `B`, which the definition lacks");
    }

    #[test]
    fn a_field_has_the_object_that_states_it_as_its_owner() {
        let text = r#"{"objects": [{"id": "Default", "z": "1"}, {"id": "Child", "parent": {"ref": "Parent"}, "x": "1"},
            {"id": "Parent", "y": "1"}]}"#;
        let definition = file::parse(text).unwrap();
        let child = &Inheritance::of(&definition).objects[1];
        let owned = child.fields().map(|field| {
            let key = field.key.as_str();
            (key, child.owner(key).id.as_str())
        });
        let expected = [("parent", "Child"), ("x", "Child"), ("y", "Parent"), ("z", "Default")];
        assert_eq!(owned.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn long_chains_and_rings_are_resolved_without_recursion() {
        let object = |n: usize, parent: usize| {
            format!(r#"{{"id": "O{n}", "parent": {{"ref": "O{parent}"}}, "f{n}": "x"}}"#)
        };
        let chain: Vec<_> = (0..20_000).map(|n| object(n, n + 1)).collect();
        let text = format!(r#"{{"objects": [{}]}}"#, chain.join(","));
        let definition = file::parse(&text).unwrap();
        let inheritance = Inheritance::of(&definition);
        assert_eq!((inheritance.objects.len(), inheritance.errors.len()), (20_000, 1));
        let ring: Vec<_> = (0..20_000).map(|n| object(n, (n + 1) % 20_000)).collect();
        let text = format!(r#"{{"objects": [{}]}}"#, ring.join(","));
        assert_eq!(Inheritance::of(&file::parse(&text).unwrap()).errors.len(), 1);
    }
}
