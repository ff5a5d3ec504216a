//! Checks types, references, required fields, and the values of fields.

use std::{collections::HashSet, sync::LazyLock};

use rustc_hash::FxHashMap;

use super::{
    DANGLING, INVALID, MISSING_FIELD, NOT_ALLOWED, READ_ONLY, UNKNOWN_FIELD,
    checked_definition::CheckedDefinition, problems::Problems,
};
use crate::{
    FieldValue, ObjectId, PipelineObject,
    expression::{self, Template, parse_time},
    inherit::{DEFAULT_ID, Key, Resolved},
    kind::{
        FieldSpec, Kind, RefTarget, ValueShape, field::SCHEDULE_TYPE, secret_reference::MY_PASSWORD_SECRET,
        value_check,
    },
    period::Period,
    schedule::ScheduleType,
};

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    for (object, kind) in checked.with_kinds() {
        stated(checked, object.stated, kind, problems);
    }
    let mut default_fields = DefaultFields::default();
    for (object, kind) in checked.typed() {
        known(checked, object, kind, problems);
        default_fields.check(checked, object, kind, problems);
        // A missing parent might have given the required fields.
        let has_parent = object.reference("parent").is_none_or(|parent| checked.object(parent).is_some());
        if has_parent {
            required(checked, object, kind, problems);
        }
        if kind.is_schedule() {
            schedule(checked, object, problems);
        }
    }
}

/// Checks the parts of an object's stated fields that do not depend on inheritance.
fn stated(
    checked: &CheckedDefinition<'_>,
    object: &PipelineObject,
    kind: Option<Kind>,
    problems: &mut Problems,
) {
    type_word(object, problems);
    for field in &object.fields {
        let key = field.key.as_str();
        if key.starts_with('@') {
            let message = format!("'{key}' is read-only: only the service can set it");
            problems.error(&object.id, Some(key), READ_ONLY, message);
        } else if kind.is_some_and(Kind::is_resource) && matches!(key, "runsOn" | "workerGroup") {
            let message = format!("'{key}' is not allowed on a resource: set it on the activities");
            problems.error(&object.id, Some(key), NOT_ALLOWED, message);
        } else {
            unknown(object, kind, key, problems);
        }
        if let FieldValue::Ref(target) = &field.value {
            if field.key.is_secret() {
                // The message about a dangling reference would show the target, which may be the secret
                // itself.
                problems.error(&object.id, Some(key), INVALID, value_check::not_text(key));
                continue;
            }
            dangling(checked, object, key, target, problems);
        }
    }
}

fn type_word(object: &PipelineObject, problems: &mut Problems) {
    for value in object.values("type") {
        let word = match value {
            FieldValue::String(word) => word,
            FieldValue::Ref(_) => {
                problems.error(&object.id, Some("type"), INVALID, value_check::not_text("type"));
                continue;
            }
        };
        // CloudFormation samples give the Default object the type `Default`.
        if Kind::named(word).is_none() && !(object.id == DEFAULT_ID && word == DEFAULT_ID) {
            let hint = problems.hints.hint(word, Kind::ALL.iter().map(|kind| kind.name()));
            problems.error(
                &object.id,
                Some("type"),
                "UNKNOWN_TYPE",
                format!("there is no type '{word}'{hint}"),
            );
        }
    }
}

fn dangling(
    checked: &CheckedDefinition<'_>,
    object: &PipelineObject,
    key: &str,
    target: &ObjectId,
    problems: &mut Problems,
) {
    if checked.object(target).is_none() && !target.as_str().is_empty() {
        let ids = checked.definition.objects.iter().map(|object| object.id.as_str());
        let hint = problems.hints.hint(target.as_str(), ids);
        let message = format!("'{key}' refers to '{target}', which does not exist{hint}");
        problems.error(&object.id, Some(key), DANGLING, message);
    }
}

/// Warns of a field that no table describes. The definition keeps such a field. Fields that a user invents
/// have names that begin with `my`, and cause no warning.
fn unknown(object: &PipelineObject, kind: Option<Kind>, key: &str, problems: &mut Problems) {
    let after_my = key.trim_start_matches('*').strip_prefix("my").and_then(|rest| rest.chars().next());
    if after_my.is_some_and(|c| c.is_ascii_uppercase() || c == '_') || key.is_empty() {
        return;
    }
    // An object without a type may pass the field on to an object of any type.
    let is_known = kind.map_or_else(|| is_field_of_any(key), |kind| kind.field(key).is_some());
    if is_known {
        return;
    }
    let kinds = kind.as_ref().map_or(Kind::ALL, std::slice::from_ref);
    let known = kinds.iter().flat_map(|kind| kind.fields()).map(|spec| spec.key);
    let hint = problems.hints.hint(key, known);
    let of = kind.map_or_else(|| "any type".to_owned(), |kind| format!("type '{}'", kind.name()));
    let message = format!("'{key}' is not a field of {of}{hint}; fields of your own begin with 'my'");
    problems.warning(&object.id, Some(key), UNKNOWN_FIELD, message);
}

fn is_field_of_any(key: &str) -> bool {
    static KEYS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| Kind::ALL.iter().flat_map(|kind| kind.fields()).map(|spec| spec.key).collect());
    KEYS.contains(key)
}

/// Checks each stated or inherited field that the type knows, except those from Default.
fn known<'a>(checked: &CheckedDefinition<'a>, object: &Resolved<'a>, kind: Kind, problems: &mut Problems) {
    for key in object.keys_without_default() {
        if let Some(spec) = kind.field(key.name.as_str()) {
            field(checked, object, key, spec, problems);
        }
    }
    problems.clear_position();
}

/// The fields of Default that are not checked yet, for each type that inherits them.
#[derive(Default)]
struct DefaultFields<'a> {
    left: FxHashMap<Kind, Vec<(&'a Key<'a>, &'static FieldSpec)>>,
}

impl<'a> DefaultFields<'a> {
    /// Checks each field of Default that `object` inherits and its type knows.
    fn check(
        &mut self,
        checked: &CheckedDefinition<'a>,
        object: &'a Resolved<'a>,
        kind: Kind,
        problems: &mut Problems,
    ) {
        let keys = object.implied_keys();
        if keys.is_empty() {
            return;
        }
        let known = || keys.iter().filter_map(|key| Some((key, kind.field(key.name.as_str())?))).collect();
        self.left.entry(kind).or_insert_with(known).retain(|(key, spec)| {
            if object.overrides(key.name.as_str()) {
                return true;
            }
            field(checked, object, key, spec, problems);
            // A text without expressions is the same in every object that inherits it.
            key.has_expression
        });
        problems.clear_position();
    }
}

fn field<'a>(
    checked: &CheckedDefinition<'a>,
    object: &Resolved<'a>,
    key: &Key<'a>,
    spec: &FieldSpec,
    problems: &mut Problems,
) {
    let (owner, stated, key) = (&key.owner.id, key, spec.key);
    let error = |problems: &mut Problems, message: String| {
        problems.error(owner, Some(key), INVALID, message);
    };
    if stated.count() > 1 && !spec.is_multi {
        problems.clear_position();
        error(problems, value_check::too_many(key, stated.count()));
    }
    for (number, value) in stated.values().enumerate() {
        problems.set_position(number, None);
        match (spec.shape, value) {
            (ValueShape::Ref(target), FieldValue::Ref(id)) => {
                if let Some(complaint) = reference(checked, key, target, id) {
                    error(problems, complaint);
                }
            }
            (ValueShape::Ref(_), FieldValue::String(text)) => {
                error(problems, format!("'{key}' must be a reference: write {{\"ref\": \"{text}\"}}"));
            }
            (_, FieldValue::Ref(_)) => error(problems, value_check::not_text(key)),
            (shape, FieldValue::String(text)) => {
                if let Some(complaint) = text_complaint(checked, object, key, shape, text) {
                    error(problems, complaint);
                }
            }
        }
    }
}

/// Returns a complaint if the object `id` is not of a type that the field accepts.
fn reference(checked: &CheckedDefinition<'_>, key: &str, target: RefTarget, id: &ObjectId) -> Option<String> {
    let found = checked.object(id)?;
    let kind = checked.kind(id);
    if target == RefTarget::Any || kind.is_some_and(|kind| target.accepts(kind)) {
        return None;
    }
    // An unknown type is reported separately.
    let found = match (kind, found.string("type")) {
        (Some(kind), _) => format!("'{}'", kind.name()),
        (None, Some(_)) => return None,
        (None, None) if *id == DEFAULT_ID => "'Default'".to_owned(),
        (None, None) => format!("none ('{id}' has no type)"),
    };
    // AWS's wording.
    Some(format!("'{key}' values must be of type {}. Found values of type {found}", target.describe()))
}

fn text_complaint<'a>(
    checked: &CheckedDefinition<'a>,
    object: &Resolved<'a>,
    key: &str,
    shape: ValueShape,
    text: &'a str,
) -> Option<String> {
    if shape == ValueShape::Text {
        return None;
    }
    if !expression::is_in(text) && shape != ValueShape::DateTime {
        return value_check::complaint(key, shape, text);
    }
    // A value that depends on a run is accepted. An expression that cannot be parsed is reported separately.
    let texts = checked.previewed(object, text)?;
    if shape == ValueShape::DateTime && is_bare_call(text) {
        return None;
    }
    texts.iter().find_map(|text| value_check::complaint(key, shape, text))
}

/// Returns whether the text is a call of `makeDate` without `#{}`. AWS's guide contains one.
fn is_bare_call(text: &str) -> bool {
    let is_call = text.starts_with("makeDate") && text.ends_with(')');
    is_call && Template::parse(&format!("#{{{text}}}")).is_ok()
}

fn required<'a>(checked: &CheckedDefinition<'a>, object: &Resolved<'a>, kind: Kind, problems: &mut Problems) {
    let has = |key: &str| object.has(key);
    // AWS asks for the password itself. The worker can also read it from the secret that the object names.
    let is_elsewhere = |key: &str| key == "*password" && has(MY_PASSWORD_SECRET);
    for spec in kind.required_fields().filter(|spec| !has(spec.key) && !is_elsewhere(spec.key)) {
        problems.error(
            object.id(),
            Some(spec.key),
            MISSING_FIELD,
            value_check::missing(spec.key, kind.name()),
        );
    }
    for choice in kind.one_of() {
        let quoted = || choice.keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
        let given = choice.keys.iter().filter(|key| has(key)).count();
        let first = choice.keys.first().copied();
        if given == 0 {
            let message = format!("one of {} is required on type '{}'", quoted(), kind.name());
            problems.error(object.id(), first, MISSING_FIELD, message);
        } else if given > 1 && choice.is_exclusive {
            let message = format!("only one of {} is allowed", quoted());
            problems.error(object.id(), first, "CONFLICTING_FIELDS", message);
        }
    }
    let is_on_demand = || {
        let texts = checked.previewed(object, object.string("scheduleType")?)?;
        Some(SCHEDULE_TYPE.parse(texts.first()?) == Ok(ScheduleType::OnDemand))
    };
    if kind.is_activity() && !has("schedule") && is_on_demand() != Some(true) {
        let message = "'schedule' is required unless 'scheduleType' is 'ondemand' (on the Default object)";
        problems.error(object.id(), Some("schedule"), MISSING_FIELD, message);
    }
}

fn schedule<'a>(checked: &CheckedDefinition<'a>, object: &Resolved<'a>, problems: &mut Problems) {
    let time = |key: &str| {
        let texts = checked.previewed(object, object.string(key)?)?;
        texts.first().and_then(|text| parse_time(text))
    };
    if let (Some(start), Some(end)) = (time("startDateTime"), time("endDateTime"))
        && end <= start
    {
        problems.error(
            object.id(),
            Some("endDateTime"),
            INVALID,
            "'endDateTime' must be after 'startDateTime'",
        );
    } else if let (Some(start), Some(end), Some(period)) =
        (time("startDateTime"), time("endDateTime"), object.string("period"))
        && let Some(period) =
            checked.previewed(object, period).and_then(|texts| Period::parse(texts.first()?).ok())
        && period.span().ok().and_then(|span| start.checked_add(span).ok()).is_some_and(|first| first > end)
    {
        let message =
            "'endDateTime' is before the end of the first period, so the schedule never starts a run";
        problems.warning(object.id(), Some("endDateTime"), "NEVER_FIRES", message);
    }
    if object.string("occurrences").is_some() && object.string("endDateTime").is_some() {
        let message = "only one of 'occurrences', 'endDateTime' is allowed";
        problems.error(object.id(), Some("occurrences"), "CONFLICTING_FIELDS", message);
    }
    for key in ["startDateTime", "endDateTime"] {
        if object.string(key).is_some_and(is_bare_call) {
            let message = format!("'{key}' should be a literal time, or the call should stand in #{{...}}");
            problems.warning(object.id(), Some(key), INVALID, message);
        }
    }
}
