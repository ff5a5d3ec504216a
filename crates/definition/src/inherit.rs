//! `parent` and the `Default` object: what fields an object has in the end.
//!
//! Default applies at the root of a chain of parents. An own field beats an inherited one, and a
//! field with several values is replaced as a whole. `type` comes from explicit parents only.

use std::collections::HashMap;

use crate::{Definition, Field, ObjectId, PipelineObject};

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
pub fn resolve(definition: &Definition) -> Result<Vec<PipelineObject>, InheritError> {
    let by_id = by_id(definition);
    definition.objects.iter().map(|object| resolve_one(object, &by_id)).collect()
}

/// As [`resolve`], but an object with an unusable parent keeps its own fields and its error is collected.
pub(crate) fn resolve_leniently(definition: &Definition) -> (Vec<PipelineObject>, Vec<InheritError>) {
    let by_id = by_id(definition);
    let mut errors = Vec::new();
    let objects = definition.objects.iter().map(|object| {
        resolve_one(object, &by_id).unwrap_or_else(|error| {
            errors.push(error);
            object.clone()
        })
    });
    (objects.collect(), errors)
}

type ById<'a> = HashMap<&'a ObjectId, &'a PipelineObject>;

fn by_id(definition: &Definition) -> ById<'_> {
    definition.objects.iter().map(|object| (&object.id, object)).collect()
}

fn resolve_one(object: &PipelineObject, by_id: &ById<'_>) -> Result<PipelineObject, InheritError> {
    let mut resolved = object.clone();
    for ancestor in ancestors(object, by_id)? {
        let implied = ancestor.id == DEFAULT_ID;
        inherit(&mut resolved, ancestor, implied);
    }
    Ok(resolved)
}

/// The explicit parents from the nearest on, then Default.
fn ancestors<'a>(
    object: &'a PipelineObject,
    by_id: &ById<'a>,
) -> Result<Vec<&'a PipelineObject>, InheritError> {
    let mut met = vec![&object.id];
    let mut ancestors = Vec::new();
    let mut current = object;
    while let Some(id) = current.reference("parent") {
        let Some(parent) = by_id.get(id) else {
            return Err(InheritError::Missing { id: current.id.clone(), parent: id.clone() });
        };
        if met.contains(&id) {
            let by = met.into_iter().skip(1).chain([id]).cloned().collect();
            return Err(InheritError::Cycle { id: object.id.clone(), by });
        }
        met.push(id);
        ancestors.push(*parent);
        current = parent;
    }
    if let Some(default) = by_id.get(&ObjectId::from(DEFAULT_ID))
        && current.id != DEFAULT_ID
    {
        ancestors.push(default);
    }
    Ok(ancestors)
}

fn inherit(resolved: &mut PipelineObject, ancestor: &PipelineObject, implied: bool) {
    let lacking: Vec<Field> = ancestor
        .fields
        .iter()
        .filter(|field| is_inherited(field, implied) && resolved.values(field.key.as_str()).next().is_none())
        .cloned()
        .collect();
    resolved.fields.extend(lacking);
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
}
