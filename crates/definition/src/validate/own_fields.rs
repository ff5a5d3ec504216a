//! Checks Downspout's own fields, the `my…` fields that our programs read.

use foldhash::HashSet;

use super::{INVALID, MISPLACED, UNKNOWN_FIELD, checked_definition::CheckedDefinition, problems::Problems};
use crate::{
    FieldValue, PipelineObject,
    inherit::{DEFAULT_ID, Resolved},
    kind::{
        FieldSpec, Kind,
        own_fields::{self, ReadIn},
        value_check,
    },
};

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    for (object, kind) in checked.with_kinds() {
        let stated = object.stated;
        let mut seen = HashSet::default();
        for field in stated.fields.iter().filter(|field| field.key.as_str().starts_with("my")) {
            let key = field.key.as_str();
            match own_fields::named(key) {
                None if seen.insert(key) && !checked.used_names().contains(key) => {
                    without_effect(stated, kind, key, problems);
                }
                None => {}
                Some((spec, read_in)) => {
                    if seen.insert(key) {
                        misplaced(stated, kind, key, &read_in, problems);
                        repeated(stated, spec, problems);
                    }
                    if let Some(complaint) = complaint(checked, object, spec, &field.value) {
                        problems.error(&stated.id, Some(key), INVALID, complaint);
                    }
                }
            }
        }
    }
}

/// Warns of a field that neither our programs nor an expression reads. The user may define any `my…` field, but `myLoadmode`
/// is probably a mistake.
fn without_effect(object: &PipelineObject, kind: Option<Kind>, key: &str, problems: &mut Problems) {
    let message = match problems.hints.nearest(key, own_fields::names()) {
        Some(meant) => format!("'{key}' has no effect here (did you mean '{meant}'?)"),
        // Objects that inherit from an object without a type may be for other programs.
        None if kind.is_some() || object.id == DEFAULT_ID => {
            format!("'{key}' has no effect here: no expression uses it, and Downspout has no such field")
        }
        None => return,
    };
    problems.warning(&object.id, Some(key), UNKNOWN_FIELD, message);
}

fn misplaced(
    object: &PipelineObject,
    kind: Option<Kind>,
    key: &str,
    read_in: &ReadIn,
    problems: &mut Problems,
) {
    let only = match (read_in, kind) {
        (ReadIn::Default, _) if object.id != DEFAULT_ID => "the Default object".to_owned(),
        (ReadIn::Kinds(kinds), Some(kind)) if !kinds.contains(&kind) => {
            kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
        }
        _ => return,
    };
    let message = format!("'{key}' has no effect here: it is only read on {only}");
    problems.warning(&object.id, Some(key), MISPLACED, message);
}

fn repeated(stated: &PipelineObject, spec: &FieldSpec, problems: &mut Problems) {
    let values = stated.values(spec.key).count();
    if values > 1 && !spec.is_multi {
        problems.error(&stated.id, Some(spec.key), INVALID, value_check::too_many(spec.key, values));
    }
}

fn complaint<'a>(
    checked: &CheckedDefinition<'a>,
    object: &Resolved<'a>,
    spec: &FieldSpec,
    value: &'a FieldValue,
) -> Option<String> {
    let key = spec.key;
    let FieldValue::String(text) = value else {
        return Some(value_check::not_text(key));
    };
    let texts = checked.previewed(object, text)?;
    texts.iter().find_map(|text| value_check::complaint(key, spec.shape, text))
}
