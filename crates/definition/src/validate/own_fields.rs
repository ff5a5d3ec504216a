//! Our own `my` fields, which AWS lets pass and our programs read.

use foldhash::HashSet;

use super::{INVALID, MISPLACED, UNKNOWN_FIELD, findings::Findings, subject::Subject};
use crate::{
    FieldValue, PipelineObject,
    inherit::{DEFAULT_ID, Resolved},
    kind::{
        FieldSpec, Kind,
        own_fields::{self, ReadIn},
        value_check,
    },
};

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    for (object, kind) in subject.with_kinds() {
        let stated = object.stated;
        let mut met = HashSet::default();
        for field in stated.fields.iter().filter(|field| field.key.as_str().starts_with("my")) {
            let key = field.key.as_str();
            match own_fields::named(key) {
                None if met.insert(key) => near_miss(stated, key, findings),
                None => {}
                Some((spec, read_in)) => {
                    if met.insert(key) {
                        misplaced(stated, kind, key, &read_in, findings);
                        repeated(stated, spec, findings);
                    }
                    if let Some(complaint) = complaint(subject, object, spec, &field.value) {
                        findings.error(&stated.id, Some(key), INVALID, complaint);
                    }
                }
            }
        }
    }
}

/// User fields are free, but `myLoadmode` was hardly meant as one.
fn near_miss(object: &PipelineObject, key: &str, findings: &mut Findings) {
    // Nobody misspells the first letter behind `my`, and most fields of people's own end here.
    let first = |key: &str| key.as_bytes().get(2).map(u8::to_ascii_lowercase);
    let own = own_fields::names().filter(|own| first(own) == first(key));
    if let Some(meant) = findings.hints.nearest(key, own) {
        let message = format!("'{key}' means nothing here (did you mean '{meant}'?)");
        findings.warning(&object.id, Some(key), UNKNOWN_FIELD, message);
    }
}

fn misplaced(
    object: &PipelineObject,
    kind: Option<Kind>,
    key: &str,
    read_in: &ReadIn,
    findings: &mut Findings,
) {
    let only = match (read_in, kind) {
        (ReadIn::Default, _) if object.id != DEFAULT_ID => "the Default object".to_owned(),
        (ReadIn::Kinds(kinds), Some(kind)) if !kinds.contains(&kind) => {
            kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
        }
        _ => return,
    };
    let message = format!("'{key}' has no effect here: it is read on {only} only");
    findings.warning(&object.id, Some(key), MISPLACED, message);
}

fn repeated(stated: &PipelineObject, spec: &FieldSpec, findings: &mut Findings) {
    let values = stated.values(spec.key).count();
    if values > 1 && !spec.is_multi {
        findings.error(&stated.id, Some(spec.key), INVALID, value_check::too_many(spec.key, values));
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
