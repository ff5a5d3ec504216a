//! Checks Downspout's own fields, the `my…` fields that our programs read.

use foldhash::HashSet;

use super::{INVALID, MISPLACED, UNKNOWN_FIELD, problems::Problems, subject::Subject};
use crate::{
    FieldValue, PipelineObject,
    inherit::{DEFAULT_ID, Resolved},
    kind::{
        FieldSpec, Kind,
        own_fields::{self, ReadIn},
        value_check,
    },
};

pub(super) fn check(subject: &Subject<'_>, problems: &mut Problems) {
    for (object, kind) in subject.with_kinds() {
        let stated = object.stated;
        let mut seen = HashSet::default();
        for field in stated.fields.iter().filter(|field| field.key.as_str().starts_with("my")) {
            let key = field.key.as_str();
            match own_fields::named(key) {
                None if seen.insert(key) => near_miss(stated, key, problems),
                None => {}
                Some((spec, read_in)) => {
                    if seen.insert(key) {
                        misplaced(stated, kind, key, &read_in, problems);
                        repeated(stated, spec, problems);
                    }
                    if let Some(complaint) = complaint(subject, object, spec, &field.value) {
                        problems.error(&stated.id, Some(key), INVALID, complaint);
                    }
                }
            }
        }
    }
}

/// Warns of a field that resembles one of our own. The user may define any `my…` field, but `myLoadmode` is
/// probably a mistake.
fn near_miss(object: &PipelineObject, key: &str, problems: &mut Problems) {
    // Compare only names with the same first letter after `my`: a misspelt first letter is rare, and this
    // comparison excludes most fields of users.
    let first = |key: &str| key.as_bytes().get(2).map(u8::to_ascii_lowercase);
    let own = own_fields::names().filter(|own| first(own) == first(key));
    if let Some(meant) = problems.hints.nearest(key, own) {
        let message = format!("'{key}' has no effect here (did you mean '{meant}'?)");
        problems.warning(&object.id, Some(key), UNKNOWN_FIELD, message);
    }
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
    subject: &Subject<'a>,
    object: &Resolved<'a>,
    spec: &FieldSpec,
    value: &'a FieldValue,
) -> Option<String> {
    let key = spec.key;
    let FieldValue::String(text) = value else {
        return Some(value_check::not_text(key));
    };
    let texts = subject.previewed(object, text)?;
    texts.iter().find_map(|text| value_check::complaint(key, spec.shape, text))
}
