//! An object with all its fields: the stated ones, those of its parents, and those of Default.

use std::cmp::Ordering;
use std::rc::Rc;

use super::{is_inherited, length};
use crate::expression;
use crate::kind::Kind;
use crate::{Field, FieldKey, FieldValue, ObjectId, PipelineObject};

/// With more keys than this, a key is found by binary search. With fewer keys, comparing all of them is
/// faster.
const FEW_KEYS: usize = 32;

/// An object with its inherited fields. All fields are borrowed from the definition.
#[derive(Clone, Debug)]
pub(crate) struct Resolved<'a> {
    /// The object as the definition states it.
    pub(crate) stated: &'a PipelineObject,
    /// The fields inherited from parents: the nearest parent first.
    pub(super) inherited: Vec<Stated<'a>>,
    /// The stated keys and those of the parents.
    keys: SortedKeys<'a>,
    /// The type, if it is a known type.
    kind: Option<Kind>,
    /// The fields inherited from Default. A field is used only if none of `keys` has the same name.
    pub(super) implied: Option<Rc<Implied<'a>>>,
}

/// The fields that every object without a parent inherits from Default.
#[derive(Debug)]
pub(super) struct Implied<'a> {
    pub(super) fields: Vec<Stated<'a>>,
    keys: SortedKeys<'a>,
    pub(super) bytes: usize,
}

/// A field, and the object that states it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated<'a> {
    pub(super) field: &'a Field,
    owner: &'a PipelineObject,
}

/// One key of an object with all its values.
#[derive(Clone, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) name: &'a FieldKey,
    /// The object that states the key.
    pub(crate) owner: &'a PipelineObject,
    /// Whether any of the values contains an expression.
    pub(crate) has_expression: bool,
    first_reference: Option<&'a ObjectId>,
    first: &'a FieldValue,
    /// The values after the first.
    more: Vec<&'a FieldValue>,
}

/// A text that contains an expression.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) key: &'a str,
    /// The index of the text among the values of the key.
    pub(crate) index: usize,
    pub(crate) text: &'a str,
    pub(crate) owner: &'a PipelineObject,
}

impl<'a> Key<'a> {
    /// Returns every value, in order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &'a FieldValue> {
        std::iter::once(self.first).chain(self.more.iter().copied())
    }

    /// Returns the number of values.
    pub(crate) fn count(&self) -> usize {
        1 + self.more.len()
    }

    /// Returns every value that contains an expression, in order.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Text<'a>> {
        let Self { name, owner, has_expression, .. } = *self;
        let values = self.values().enumerate().filter(move |_| has_expression);
        values.filter_map(move |(index, value)| {
            let text = value.as_string().filter(|text| expression::is_in(text))?;
            Some(Text { key: name.as_str(), index, text, owner })
        })
    }

    fn of(Stated { field, owner }: Stated<'a>) -> Self {
        let Field { key: name, value } = field;
        let has_expression = is_evaluated(field);
        let first_reference = value.as_reference();
        Self { name, owner, has_expression, first_reference, first: value, more: Vec::new() }
    }

    fn append(&mut self, later: &Self) {
        self.has_expression |= later.has_expression;
        self.first_reference = self.first_reference.or(later.first_reference);
        self.more.extend(later.values());
    }
}

fn is_evaluated(field: &Field) -> bool {
    let text = field.value.as_string().filter(|text| expression::is_in(text));
    text.is_some() && !expression::is_verbatim(field.key.as_str())
}

/// Keys sorted by name.
#[derive(Clone, Debug)]
struct SortedKeys<'a> {
    all: Vec<Key<'a>>,
    /// The [`bit_of`] each name. Most searches are for keys that an object lacks, and end here.
    bits: u64,
}

impl<'a> SortedKeys<'a> {
    fn of(fields: impl ExactSizeIterator<Item = Stated<'a>>) -> Self {
        let mut keys: Vec<Key<'a>> = Vec::with_capacity(fields.len());
        let mut bits = 0;
        for key in fields.map(Key::of) {
            match keys.last_mut() {
                // The values of a key are usually adjacent.
                Some(last) if last.name == key.name => last.append(&key),
                _ => {
                    bits |= bit_of(key.name.as_str());
                    keys.push(key);
                }
            }
        }
        let is_before = |one: &Key<'_>, other: &Key<'_>| one.name < other.name;
        // The fields of a file are sorted by key already.
        if !keys.is_sorted_by(is_before) {
            // The sort is stable, so the values of a key keep their order.
            keys.sort_by(|one, other| one.name.cmp(other.name));
            keys.dedup_by(|later, earlier| {
                let is_same = later.name == earlier.name;
                if is_same {
                    earlier.append(later);
                }
                is_same
            });
        }
        Self { all: keys, bits }
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        if self.bits & bit_of(name) == 0 {
            return None;
        }
        if self.all.len() <= FEW_KEYS {
            return self.all.iter().position(|key| *key.name == *name);
        }
        self.all.binary_search_by(|key| key.name.as_str().cmp(name)).ok()
    }
}

/// Returns one of 64 bits, chosen by the length, the first and the last letter of `name`.
fn bit_of(name: &str) -> u64 {
    let letter = |byte: Option<&u8>| u64::from(byte.copied().unwrap_or_default());
    let (first, last) = (letter(name.as_bytes().first()), letter(name.as_bytes().last()));
    1 << ((name.len() as u64 + 3 * first + 5 * last) % 64)
}

/// Merges two sequences of keys that are sorted by name. If both contain a key, the key in `one` is returned.
pub(crate) fn merged<'r, 'a: 'r>(
    one: impl Iterator<Item = &'r Key<'a>>,
    other: impl Iterator<Item = &'r Key<'a>>,
) -> impl Iterator<Item = &'r Key<'a>> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let (Some(first), Some(second)) = (one.peek(), other.peek()) else {
            return one.next().or_else(|| other.next());
        };
        match first.name.cmp(second.name) {
            Ordering::Less => one.next(),
            Ordering::Equal => {
                other.next();
                one.next()
            }
            Ordering::Greater => other.next(),
        }
    })
}

impl<'a> Resolved<'a> {
    /// Returns an object that inherits nothing.
    pub(crate) fn of(object: &'a PipelineObject) -> Self {
        Self::new(object, Vec::new(), None)
    }

    pub(super) fn new(
        stated: &'a PipelineObject,
        inherited: Vec<Stated<'a>>,
        implied: Option<Rc<Implied<'a>>>,
    ) -> Self {
        let keys = match inherited.as_slice() {
            [] => SortedKeys::of(stated_by(stated)),
            inherited => {
                let all: Vec<_> = stated_by(stated).chain(inherited.iter().copied()).collect();
                SortedKeys::of(all.into_iter())
            }
        };
        // Default gives no type.
        let types = keys.index_of("type").and_then(|at| keys.all.get(at));
        let word = types.and_then(|types| types.values().find_map(FieldValue::as_string));
        Self { stated, inherited, keys, kind: word.and_then(Kind::named), implied }
    }

    pub(crate) fn id(&self) -> &'a ObjectId {
        &self.stated.id
    }

    /// Returns the type of the object, if it is a known type.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Returns every field: the stated ones in their order, then the inherited ones.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a Field> {
        let implied = self.implied.iter().flat_map(|implied| &implied.fields).map(|stated| stated.field);
        let implied = implied.filter(|field| !self.overrides(field.key.as_str()));
        let inherited = self.inherited.iter().map(|stated| stated.field);
        self.stated.fields.iter().chain(inherited).chain(implied)
    }

    /// Returns every text with an expression: those of the object and its parents first, then those of
    /// Default.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Text<'a>> {
        let implied = self.implied_keys().iter().filter(|key| key.has_expression);
        let implied = implied.filter(|key| !self.overrides(key.name.as_str()));
        self.keys.all.iter().chain(implied).flat_map(Key::texts)
    }

    /// Returns every stated text with an expression.
    pub(crate) fn stated_texts(&self) -> impl Iterator<Item = Text<'a>> {
        self.keys.all.iter().filter(|key| std::ptr::eq(key.owner, self.stated)).flat_map(Key::texts)
    }

    /// Returns every object that a field refers to.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &'a ObjectId> {
        let implied = self.implied_keys().iter().filter(|key| key.first_reference.is_some());
        let implied = implied.filter(|key| !self.overrides(key.name.as_str()));
        self.keys.all.iter().chain(implied).flat_map(Key::values).filter_map(FieldValue::as_reference)
    }

    /// Returns the keys of the object and its parents, sorted by name.
    pub(crate) fn keys_without_default(&self) -> &[Key<'a>] {
        &self.keys.all
    }

    /// Returns the keys of Default, sorted by name. These keys are the same for all objects; the object may
    /// override some of them.
    pub(crate) fn implied_keys(&self) -> &[Key<'a>] {
        self.implied.as_ref().map_or(&[], |implied| &implied.keys.all)
    }

    /// Returns whether the object or a parent has the key. In that case the key of Default is ignored.
    pub(crate) fn overrides(&self, key: &str) -> bool {
        self.keys.index_of(key).is_some()
    }

    /// Returns the index of a key, for [`key_at`](Self::key_at), or `None` if the object has no such key.
    pub(crate) fn index(&self, key: &str) -> Option<usize> {
        let implied = || Some(self.keys.all.len() + self.implied.as_ref()?.keys.index_of(key)?);
        self.keys.index_of(key).or_else(implied)
    }

    pub(crate) fn key_at(&self, index: usize) -> &Key<'a> {
        let implied = || &self.implied_keys()[index - self.keys.all.len()];
        self.keys.all.get(index).unwrap_or_else(implied)
    }

    pub(crate) fn key(&self, name: &str) -> Option<&Key<'a>> {
        self.index(name).map(|index| self.key_at(index))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.index(key).is_some()
    }

    /// Returns the object that states the field `key`, or the object itself if it has no such field.
    pub(crate) fn owner(&self, key: &str) -> &'a PipelineObject {
        self.key(key).map_or(self.stated, |key| key.owner)
    }

    /// Returns every value of `key`, in order.
    fn values(&self, key: &str) -> impl Iterator<Item = &'a FieldValue> {
        self.key(key).into_iter().flat_map(Key::values)
    }

    /// Returns the first string value of `key`.
    pub(crate) fn string(&self, key: &str) -> Option<&'a str> {
        self.values(key).find_map(FieldValue::as_string)
    }

    /// Returns the first reference of `key`.
    pub(crate) fn reference(&self, key: &str) -> Option<&'a ObjectId> {
        self.key(key)?.first_reference
    }

    /// Returns every reference of `key`, in order.
    pub(crate) fn references(&self, key: &str) -> impl Iterator<Item = &'a ObjectId> {
        self.values(key).filter_map(FieldValue::as_reference)
    }

    pub(crate) fn to_object(&self) -> PipelineObject {
        let PipelineObject { id, name, .. } = self.stated;
        PipelineObject { id: id.clone(), name: name.clone(), fields: self.fields().cloned().collect() }
    }
}

pub(super) fn implied_by(default: &PipelineObject) -> Implied<'_> {
    let is_implied = |field: &Field| is_inherited(field) && field.key != "type";
    let fields: Vec<_> = stated_by(default).filter(|stated| is_implied(stated.field)).collect();
    let bytes = fields.iter().map(|stated| length(stated.field)).sum();
    Implied { keys: SortedKeys::of(fields.iter().copied()), fields, bytes }
}

pub(super) fn stated_by(owner: &PipelineObject) -> impl ExactSizeIterator<Item = Stated<'_>> {
    owner.fields.iter().map(move |field| Stated { field, owner })
}
