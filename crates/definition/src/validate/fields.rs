//! Types, references, required fields, and what every field holds.

use super::{findings::Findings, nearest, slots, subject::Subject};
use crate::{
    FieldValue, ObjectId, PipelineObject,
    expression::{Template, parse_time},
    inherit::DEFAULT_ID,
    kind::{FieldSpec, Kind, Slot, Target},
};

const INVALID: &str = "INVALID_FIELD_VALUE";

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    for object in &subject.definition.objects {
        stated(subject, object, findings);
    }
    for (object, kind) in subject.typed() {
        for spec in kind.fields() {
            field(subject, object, spec, findings);
        }
        required(object, kind, findings);
        if kind.is_schedule() {
            schedule(subject, object, findings);
        }
    }
}

/// What can be said of an object's own fields without knowing whom it inherits from.
fn stated(subject: &Subject<'_>, object: &PipelineObject, findings: &mut Findings) {
    type_word(object, findings);
    let kind = subject.object(&object.id).and_then(Kind::of);
    for field in &object.fields {
        let key = field.key.as_str();
        if key.starts_with('@') {
            let message = format!("'{key}' is read-only: the service sets it, a definition cannot");
            findings.error(&object.id, Some(key), "READ_ONLY_FIELD", message);
        } else if kind.is_some_and(Kind::is_resource) && matches!(key, "runsOn" | "workerGroup") {
            let message = format!("'{key}' is not allowed on a resource: leave it to the activities");
            findings.error(&object.id, Some(key), "FIELD_NOT_ALLOWED", message);
        } else {
            unknown(object, kind, key, findings);
        }
        if let FieldValue::Ref(target) = &field.value {
            dangling(subject, object, key, target, findings);
        }
    }
}

fn type_word(object: &PipelineObject, findings: &mut Findings) {
    for value in object.values("type") {
        let word = match value {
            FieldValue::String(word) => word,
            FieldValue::Ref(_) => {
                findings.error(&object.id, Some("type"), INVALID, "'type' must be text, not a reference");
                continue;
            }
        };
        // CloudFormation samples write the type of Default.
        if Kind::named(word).is_none() && !(object.id == DEFAULT_ID && word == DEFAULT_ID) {
            let hint = nearest::hint(word, Kind::ALL.iter().map(|kind| kind.name()));
            findings.error(
                &object.id,
                Some("type"),
                "UNKNOWN_TYPE",
                format!("there is no type '{word}'{hint}"),
            );
        }
    }
}

fn dangling(
    subject: &Subject<'_>,
    object: &PipelineObject,
    key: &str,
    target: &ObjectId,
    findings: &mut Findings,
) {
    if subject.object(target).is_none() && !target.as_str().is_empty() {
        let ids = subject.definition.objects.iter().map(|object| object.id.as_str());
        let hint = nearest::hint(target.as_str(), ids);
        let message = format!("'{key}' refers to '{target}', which the definition lacks{hint}");
        findings.error(&object.id, Some(key), "DANGLING_REFERENCE", message);
    }
}

/// User fields are free; any other field that no table knows is kept but deserves a look.
fn unknown(object: &PipelineObject, kind: Option<Kind>, key: &str, findings: &mut Findings) {
    let after_my = key.trim_start_matches('*').strip_prefix("my").and_then(|rest| rest.chars().next());
    if after_my.is_some_and(|c| c.is_ascii_uppercase() || c == '_') || key.is_empty() {
        return;
    }
    let known: Vec<&str> = match kind {
        Some(kind) => kind.fields().map(|spec| spec.key).collect(),
        // Without a type the heirs decide: any field of any type may be meant.
        None => Kind::ALL.iter().flat_map(|kind| kind.fields()).map(|spec| spec.key).collect(),
    };
    if known.contains(&key) {
        return;
    }
    let hint = nearest::hint(key, known.into_iter());
    let of = kind.map_or_else(|| "any type".to_owned(), |kind| format!("type '{}'", kind.name()));
    let message = format!("'{key}' is not a field of {of}{hint}; fields of your own begin with 'my'");
    findings.warning(&object.id, Some(key), "UNKNOWN_FIELD", message);
}

fn field(subject: &Subject<'_>, object: &PipelineObject, spec: &FieldSpec, findings: &mut Findings) {
    let key = spec.key;
    let owner = subject.owner(object, key);
    let values: Vec<_> = object.values(key).collect();
    if values.len() > 1 && !spec.is_multi {
        let message = format!("'{key}' takes one value. Found {}", values.len());
        findings.error(owner, Some(key), INVALID, message);
    }
    for value in values {
        match (spec.slot, value) {
            (Slot::Ref(target), FieldValue::Ref(id)) => reference(subject, owner, key, target, id, findings),
            (Slot::Ref(_), FieldValue::String(text)) => {
                let message = format!("'{key}' must be a reference: write {{\"ref\": \"{text}\"}}");
                findings.error(owner, Some(key), INVALID, message);
            }
            (_, FieldValue::Ref(_)) => {
                findings.error(owner, Some(key), INVALID, format!("'{key}' must be text, not a reference"));
            }
            (slot, FieldValue::String(text)) => {
                if let Some(complaint) = text_complaint(subject, object, key, slot, text) {
                    findings.error(owner, Some(key), INVALID, complaint);
                }
            }
        }
    }
}

fn reference(
    subject: &Subject<'_>,
    owner: &ObjectId,
    key: &str,
    target: Target,
    id: &ObjectId,
    findings: &mut Findings,
) {
    let Some(found) = subject.object(id) else { return };
    let kind = Kind::of(found);
    if target == Target::Any || kind.is_some_and(|kind| target.accepts(kind)) {
        return;
    }
    // An object with an unknown type has its own error.
    let found = match (kind, found.type_name()) {
        (Some(kind), _) => format!("'{}'", kind.name()),
        (None, Some(_)) => return,
        (None, None) if *id == DEFAULT_ID => "'Default'".to_owned(),
        (None, None) => format!("none ('{id}' has no type)"),
    };
    // The wording of the service.
    let message =
        format!("'{key}' values must be of type {}. Found values of type {found}", target.describe());
    findings.error(owner, Some(key), INVALID, message);
}

fn text_complaint(
    subject: &Subject<'_>,
    object: &PipelineObject,
    key: &str,
    slot: Slot,
    text: &str,
) -> Option<String> {
    // What cannot be told before a run is let pass; a broken expression has its own error.
    let texts = subject.foreseen(object, text)?;
    if slot == Slot::DateTime && is_bare_call(text) {
        return None;
    }
    texts.iter().find_map(|text| slots::complaint(key, slot, text))
}

/// The guide writes `makeDate(2011,5,24)` without `#{}` once.
fn is_bare_call(text: &str) -> bool {
    let is_call = text.starts_with("makeDate") && text.ends_with(')');
    is_call && Template::parse(&format!("#{{{text}}}")).is_ok()
}

fn required(object: &PipelineObject, kind: Kind, findings: &mut Findings) {
    let has = |key: &str| object.values(key).next().is_some();
    for spec in kind.fields().filter(|spec| spec.is_required && !has(spec.key)) {
        let message = format!("'{}' is required on type '{}'", spec.key, kind.name());
        findings.error(&object.id, Some(spec.key), "MISSING_FIELD", message);
    }
    for choice in kind.one_of() {
        let quoted: Vec<_> = choice.keys.iter().map(|key| format!("'{key}'")).collect();
        let given = choice.keys.iter().filter(|key| has(key)).count();
        let first = choice.keys.first().copied();
        if given == 0 {
            let message = format!("one of {} is required on type '{}'", quoted.join(", "), kind.name());
            findings.error(&object.id, first, "MISSING_FIELD", message);
        } else if given > 1 && choice.is_exclusive {
            let message = format!("only one of {} may be given", quoted.join(", "));
            findings.error(&object.id, first, "CONFLICTING_FIELDS", message);
        }
    }
    let on_demand = object.string("scheduleType").is_some_and(|word| word.eq_ignore_ascii_case("ondemand"));
    if kind.is_activity() && !on_demand && !has("schedule") {
        let message = "'schedule' is required unless 'scheduleType' is 'ondemand' (on the Default object)";
        findings.error(&object.id, Some("schedule"), "MISSING_FIELD", message);
    }
}

fn schedule(subject: &Subject<'_>, object: &PipelineObject, findings: &mut Findings) {
    let time = |key: &str| {
        let texts = subject.foreseen(object, object.string(key)?)?;
        texts.first().and_then(|text| parse_time(text))
    };
    if let (Some(start), Some(end)) = (time("startDateTime"), time("endDateTime"))
        && end <= start
    {
        findings.error(
            &object.id,
            Some("endDateTime"),
            INVALID,
            "'endDateTime' must be after 'startDateTime'",
        );
    }
    if object.string("occurrences").is_some() && object.string("endDateTime").is_some() {
        let message = "only one of 'occurrences', 'endDateTime' may be given";
        findings.error(&object.id, Some("occurrences"), "CONFLICTING_FIELDS", message);
    }
    for key in ["startDateTime", "endDateTime"] {
        if object.string(key).is_some_and(is_bare_call) {
            let message = format!("'{key}' should be a literal, or the call in #{{...}}");
            findings.warning(&object.id, Some(key), INVALID, message);
        }
    }
}
