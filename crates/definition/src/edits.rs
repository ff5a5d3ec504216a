//! Finds the edits that are not allowed after a pipeline has been activated.
//!
//! An activated pipeline has instances. After a forbidden edit, the instances would refer to missing objects, wait for the
//! wrong objects, or have intervals that the schedule no longer has.

use std::collections::HashSet;

use crate::{Definition, Field, FieldKey, FieldValue, ObjectId, PipelineObject, validate::Problem};

const CODE: &str = "EDIT_NOT_ALLOWED";

/// The fields of a schedule that set when runs begin.
const TIMING: &[(&str, &str)] = &[
    ("period", "the period of a schedule"),
    ("startDateTime", "the start of a schedule"),
    ("startAt", "the start of a schedule"),
];

/// The fields of a schedule that set when runs end. These fields may change even after the last run has
/// ended.
const ENDS: &[&str] = &["endDateTime", "occurrences"];

/// Returns whether `new` differs from `active` at most in its values and in the ends of its schedules. An edit of this kind
/// lets a FINISHED pipeline continue.
#[must_use]
pub fn only_move_the_end(active: &Definition, new: &Definition) -> bool {
    fn rest(object: &PipelineObject) -> impl Iterator<Item = &Field> {
        let is_schedule = object.type_name() == Some("Schedule");
        object.fields.iter().filter(move |field| !(is_schedule && ENDS.contains(&field.key.as_str())))
    }
    let is_same = |before: &PipelineObject| {
        let after = new.object(before.id.as_str());
        after.is_some_and(|after| before.name == after.name && rest(before).eq(rest(after)))
    };
    active.parameters == new.parameters
        && active.objects.len() == new.objects.len()
        && active.objects.iter().all(is_same)
}

/// Returns a problem for each edit that is not allowed. `active` is the activated definition, and `new` is to replace it.
#[must_use]
pub fn check(active: &Definition, new: &Definition) -> Vec<Problem> {
    let mut problems = Vec::new();
    for before in &active.objects {
        match new.object(before.id.as_str()) {
            None => {
                let message = format!(
                    "the object '{}' cannot be removed, because the pipeline was activated",
                    before.id
                );
                problems.push(problem(&before.id, None, message));
            }
            Some(after) => {
                timing(before, after, &mut problems);
                references(before, after, &mut problems);
            }
        }
    }
    for added in new.objects.iter().filter(|object| active.object(object.id.as_str()).is_none()) {
        for target in added.references("output").filter(|target| active.object(target.as_str()).is_some()) {
            let message = format!(
                "'output' of a new object cannot refer to '{target}', which was in the pipeline before"
            );
            problems.push(problem(&added.id, Some("output"), message));
        }
    }
    problems
}

fn problem(object: &ObjectId, field: Option<&str>, message: String) -> Problem {
    Problem {
        object: object.clone(),
        field: field.map(FieldKey::from),
        code: CODE,
        message,
        fatal: false,
        value: 0,
        offset: None,
    }
}

fn timing(before: &PipelineObject, after: &PipelineObject, problems: &mut Vec<Problem>) {
    for (key, what) in TIMING.iter().filter(|_| before.type_name() == Some("Schedule")) {
        if before.string(key) != after.string(key) {
            let message = format!("'{key}' cannot be changed: {what} is fixed after the first activation");
            problems.push(problem(&before.id, Some(key), message));
        }
    }
}

fn references(before: &PipelineObject, after: &PipelineObject, problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for field in before.fields.iter().chain(&after.fields) {
        let key = field.key.as_str();
        let is_ref = matches!(field.value, FieldValue::Ref(_));
        if is_ref && seen.insert(key) && !before.references(key).eq(after.references(key)) {
            let message = format!(
                "the reference '{key}' cannot be added, removed or changed, because the pipeline was activated"
            );
            problems.push(problem(&before.id, Some(key), message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    const ACTIVE: &str = r#"
        {"id": "S", "type": "Schedule", "period": "1 day", "startDateTime": "2030-01-01T00:00:00"},
        {"id": "A", "command": "x", "output": {"ref": "N"}}, {"id": "N"}"#;

    fn edited(objects: &str) -> Vec<String> {
        let read = |objects: &str| file::parse(&format!(r#"{{"objects": [{objects}]}}"#)).unwrap();
        let problems = check(&read(ACTIVE), &read(objects));
        problems
            .iter()
            .map(|it| format!("{}.{}", it.object, it.field.as_ref().map_or("-", FieldKey::as_str)))
            .collect()
    }

    #[test]
    fn texts_may_change_and_objects_may_be_added() {
        let objects =
            ACTIVE.replace(r#""x""#, r#""y""#) + r#", {"id": "B", "output": {"ref": "M"}}, {"id": "M"}"#;
        assert_eq!(edited(&objects), Vec::<String>::new());
    }

    #[test]
    fn no_object_may_be_removed() {
        assert_eq!(edited(&ACTIVE.replace(r#", {"id": "N"}"#, "")), ["N.-"]);
    }

    #[test]
    fn the_period_and_the_start_are_fixed() {
        let objects = ACTIVE.replace("1 day", "2 days").replace("2030", "2031");
        assert_eq!(edited(&objects), ["S.period", "S.startDateTime"]);
    }

    #[test]
    fn an_edit_of_only_the_end_of_a_schedule_is_recognised() {
        let read = |objects: &str| file::parse(&format!(r#"{{"objects": [{objects}]}}"#)).unwrap();
        let moves = |new: &str| only_move_the_end(&read(ACTIVE), &read(new));
        let later = ACTIVE.replace(r#""1 day","#, r#""1 day", "occurrences": "3","#);
        assert!(moves(&later) && moves(ACTIVE));
        assert!(!moves(&later.replace(r#""x""#, r#""y""#)));
        assert!(!moves(&later.replace("1 day", "2 days")));
        assert!(!moves(&format!(r#"{later}, {{"id": "B"}}"#)));
        // The end of a schedule is a field of the schedule. The same key in another object is an ordinary field.
        assert!(!moves(&ACTIVE.replace(r#""x""#, r#""x", "occurrences": "3""#)));
    }

    #[test]
    fn references_are_fixed() {
        assert_eq!(edited(&ACTIVE.replace(r#"{"ref": "N"}"#, r#"{"ref": "A"}"#)), ["A.output"]);
        assert_eq!(edited(&ACTIVE.replace(r#", "output": {"ref": "N"}"#, "")), ["A.output"]);
        assert_eq!(
            edited(&ACTIVE.replace(r#"{"id": "N"}"#, r#"{"id": "N", "my_f": {"ref": "A"}}"#)),
            ["N.my_f"]
        );
    }

    #[test]
    fn a_new_object_may_not_write_to_an_old_object() {
        assert_eq!(edited(&format!(r#"{ACTIVE}, {{"id": "B", "output": {{"ref": "N"}}}}"#)), ["B.output"]);
    }
}
