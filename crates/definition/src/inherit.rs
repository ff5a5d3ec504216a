//! Inheritance by `parent` and from the `Default` object: the fields that an object has in the end.
//!
//! A stated field of the object takes precedence over an inherited field. A field with several values is
//! replaced as a whole. Default has the lowest precedence: the last parent of a chain inherits from Default.
//! `type` is inherited from parents but not from Default.

mod resolved;

use std::rc::Rc;

use foldhash::{HashMap, HashSet};

use crate::{Definition, Field, ObjectId, PipelineObject};
use resolved::{Implied, Stated, implied_by, stated_by};

pub use crate::object::DEFAULT_ID;
pub(crate) use resolved::{Key, Resolved, Text, merged};

/// The reason why the fields of an object cannot be determined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InheritError {
    /// The parents lead back to the object.
    #[error("the parents of object `{id}` form a cycle: {}", chain(.by))]
    Cycle {
        /// The object at which the search entered the cycle.
        id: ObjectId,
        /// The parents in order, up to the repeated one.
        by: Vec<ObjectId>,
    },
    /// The parent does not exist.
    #[error("object `{id}` has the parent `{parent}`, which does not exist")]
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

/// Returns every object with its inherited fields, in the order of the definition.
///
/// # Errors
///
/// The first parent that does not exist, or the first cycle of parents.
pub fn resolve(definition: &Definition) -> Result<Vec<PipelineObject>, InheritError> {
    let Inheritance { objects, errors, .. } = Inheritance::of(definition);
    match errors.into_iter().next() {
        None => Ok(objects.iter().map(Resolved::to_object).collect()),
        Some(error) => Err(error),
    }
}

/// The number of inherited fields that each object adds to the allowance of its definition. The objects share
/// the allowance, which begins at 10,000 fields. Fields beyond the allowance are not inherited.
///
/// Without limits on inheritance, a small hostile file could use all memory. Ordinary definitions stay far
/// below the limit of fields and the limit of bytes.
const MAX_INHERITED: usize = 100;
/// The largest total size of all inherited fields, in bytes.
const MAX_INHERITED_BYTES: usize = 8_000_000;
/// An object with more keys than this gets a hash set of its keys. With fewer keys, comparing all of them is
/// faster.
const FEW_KEYS: usize = 32;
/// The objects of a definition with their inherited fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inheritance<'a> {
    /// The objects in the order of the definition. An object that is in a cycle of parents, or whose parent does
    /// not exist, has only its stated fields and those of Default.
    pub(crate) objects: Vec<Resolved<'a>>,
    /// The index of each object by its id. If an id appears twice, the last object is used.
    pub(crate) indices: HashMap<&'a str, usize>,
    /// The missing parents and the cycles of parents, each of them once.
    pub(crate) errors: Vec<InheritError>,
    /// Whether objects lack fields that they would inherit, because the allowance of the definition was used up.
    pub(crate) is_cut: bool,
}

impl<'a> Inheritance<'a> {
    /// Resolves every object once, parents first. The time grows with the number of fields, however long the
    /// chains are.
    pub(crate) fn of(definition: &'a Definition) -> Self {
        let mut resolver = Resolver::new(definition);
        for index in 0..definition.objects.len() {
            resolver.resolve_chain(index);
        }
        let Resolver { resolved, indices, errors, left, .. } = resolver;
        Self { objects: resolved.into_iter().flatten().collect(), indices, errors, is_cut: left.is_used_up }
    }
}

struct Resolver<'a> {
    definition: &'a Definition,
    indices: HashMap<&'a str, usize>,
    resolved: Vec<Option<Resolved<'a>>>,
    /// Whether the search has met an object. If the object is not resolved yet, it is on the current chain.
    is_met: Vec<bool>,
    /// The index of Default, which inherits from no object.
    default: Option<usize>,
    implied: Option<Rc<Implied<'a>>>,
    errors: Vec<InheritError>,
    left: Allowance,
    /// Objects whose parents must be resolved first.
    chain: Vec<usize>,
}

impl<'a> Resolver<'a> {
    fn new(definition: &'a Definition) -> Self {
        let objects = &definition.objects;
        let indices: HashMap<_, _> =
            objects.iter().enumerate().map(|(index, object)| (object.id.as_str(), index)).collect();
        let default = indices.get(DEFAULT_ID).copied();
        Self {
            definition,
            indices,
            resolved: vec![None; objects.len()],
            is_met: vec![false; objects.len()],
            default,
            implied: default.map(|index| Rc::new(implied_by(&objects[index]))),
            errors: Vec::new(),
            chain: Vec::new(),
            left: Allowance {
                fields: 10_000 + MAX_INHERITED * objects.len(),
                bytes: MAX_INHERITED_BYTES,
                is_used_up: false,
            },
        }
    }

    /// Resolves an object after all its unresolved parents.
    fn resolve_chain(&mut self, index: usize) {
        let mut next = Some(index);
        // Whether the chain ends in a cycle. Then no object of the chain inherits from its parent.
        let mut is_circular = false;
        while let Some(index) = next.filter(|index| self.resolved[*index].is_none()) {
            if std::mem::replace(&mut self.is_met[index], true) {
                self.report_cycle(index);
                is_circular = true;
                break;
            }
            self.chain.push(index);
            next = self.parent(index);
        }
        while let Some(index) = self.chain.pop() {
            let parent = self.parent(index).filter(|_| !is_circular);
            self.resolve_one(index, parent);
        }
    }

    fn parent(&self, index: usize) -> Option<usize> {
        let parent = self.definition.objects[index].reference("parent")?;
        self.indices.get(parent.as_str()).copied()
    }

    fn report_cycle(&mut self, again: usize) {
        let objects = &self.definition.objects;
        let begin = self.chain.iter().position(|index| *index == again).unwrap_or_default();
        let by = self.chain[begin..].iter().skip(1).chain([&again]);
        let by = by.map(|index| objects[*index].id.clone()).collect();
        self.errors.push(InheritError::Cycle { id: objects[again].id.clone(), by });
    }

    fn resolve_one(&mut self, index: usize, parent: Option<usize>) {
        let object = &self.definition.objects[index];
        if let (Some(id), None) = (object.reference("parent"), self.parent(index)) {
            self.errors.push(InheritError::Missing { id: object.id.clone(), parent: id.clone() });
        }
        let left = &mut self.left;
        let (inherited, implied) = match parent.and_then(|parent| self.resolved[parent].as_ref()) {
            Some(parent) => (handed_down(parent, object, left), &parent.implied),
            None if self.default == Some(index) => (Vec::new(), &None),
            None => (Vec::new(), &self.implied),
        };
        let implied = implied.as_ref().filter(|implied| left.take(implied.fields.len(), implied.bytes));
        self.resolved[index] = Some(Resolved::new(object, inherited, implied.cloned()));
    }
}

/// Returns the fields that `object` inherits from `parent`.
fn handed_down<'a>(parent: &Resolved<'a>, object: &PipelineObject, left: &mut Allowance) -> Vec<Stated<'a>> {
    let own: Vec<&str> = object.fields.iter().map(|field| field.key.as_str()).collect();
    let own = Keys::of(&own);
    let fields = stated_by(parent.stated).chain(parent.inherited.iter().copied());
    let fields = fields.filter(|Stated { field, .. }| {
        is_inherited(field) && !own.has(field.key.as_str()) && left.take(1, length(field))
    });
    fields.collect()
}

/// The number and size of the fields that can still be inherited.
struct Allowance {
    fields: usize,
    bytes: usize,
    /// Whether a field could not be inherited.
    is_used_up: bool,
}

impl Allowance {
    fn take(&mut self, fields: usize, bytes: usize) -> bool {
        let is_enough = self.fields >= fields && self.bytes >= bytes;
        if is_enough {
            self.fields -= fields;
            self.bytes -= bytes;
        } else {
            self.is_used_up = true;
        }
        is_enough
    }
}

/// The keys of an object's stated fields.
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

fn is_inherited(field: &Field) -> bool {
    let key = field.key.as_str();
    !matches!(key, "id" | "name" | "parent") && !key.starts_with('@')
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
    fn a_cycle_of_parents_is_an_error_that_shows_the_cycle() {
        let objects = r#"[{"id": "A", "parent": {"ref": "B"}}, {"id": "B", "parent": {"ref": "A"}}]"#;
        let error = resolved(objects).unwrap_err().to_string();
        assert_eq!(error, "the parents of object `A` form a cycle: `B`, `A`");
        assert!(resolved(r#"[{"id": "Default", "parent": {"ref": "Default"}}]"#).is_err());
    }

    #[test]
    fn a_parent_that_does_not_exist_is_an_error() {
        let error = resolved(r#"[{"id": "A", "parent": {"ref": "B"}}]"#).unwrap_err().to_string();
        assert_eq!(error, "object `A` has the parent `B`, which does not exist");
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
