//! What may not change any more once a pipeline was activated.
//!
//! The rules are those of PutPipelineDefinition; breaking one is a validation error, not a refusal.

use std::collections::HashSet;

use definition::validate::Problem;
use definition::{Definition, Field, FieldValue, ObjectId, PipelineObject};

/// Finds the changes from `active` to `new` that an activated pipeline does not take.
pub(super) fn forbidden(active: &Definition, new: &Definition) -> Vec<Problem> {
    let mut problems = Vec::new();
    for before in &active.objects {
        match new.object(before.id.as_str()) {
            None => {
                problems.push(problem(before, None, "an object of an activated pipeline cannot be removed"))
            }
            Some(after) => changed(before, after, &mut problems),
        }
    }
    let old: HashSet<&ObjectId> = active.objects.iter().map(|object| &object.id).collect();
    for added in new.objects.iter().filter(|object| !old.contains(&object.id)) {
        for output in added.references("output").filter(|output| old.contains(output)) {
            let text =
                format!("'{output}' existed before activation and cannot be the output of a new object");
            problems.push(problem(added, Some("output"), &text));
        }
    }
    problems
}

fn changed(before: &PipelineObject, after: &PipelineObject, problems: &mut Vec<Problem>) {
    let references = |object: &PipelineObject| -> HashSet<Field> {
        object.fields.iter().filter(|field| matches!(field.value, FieldValue::Ref(_))).cloned().collect()
    };
    let (old, new) = (references(before), references(after));
    let mut keys: Vec<&str> = old.symmetric_difference(&new).map(|field| field.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let text = format!("the reference field '{key}' of an activated pipeline cannot be changed");
        problems.push(problem(before, Some(key), &text));
    }
    for key in ["period", "startDateTime", "startAt"] {
        if before.type_name() == Some("Schedule") && before.string(key) != after.string(key) {
            let text = format!("'{key}' of the schedule of an activated pipeline cannot be changed");
            problems.push(problem(before, Some(key), &text));
        }
    }
}

fn problem(object: &PipelineObject, field: Option<&str>, text: &str) -> Problem {
    Problem {
        object: object.id.clone(),
        field: field.map(Into::into),
        code: "INVALID_CHANGE",
        message: text.to_owned(),
        fatal: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(objects: &[(&str, Vec<Field>)]) -> Definition {
        let object = |(id, fields): &(&str, Vec<Field>)| PipelineObject {
            id: (*id).into(),
            name: (*id).to_owned(),
            fields: fields.clone(),
        };
        Definition { objects: objects.iter().map(object).collect(), ..Definition::default() }
    }

    #[test]
    fn text_may_change_and_references_may_not() {
        let active = definition(&[
            ("A", vec![Field::string("command", "a"), Field::reference("input", "In")]),
            ("In", vec![]),
            ("Gone", vec![]),
        ]);
        let new = definition(&[
            ("A", vec![Field::string("command", "b"), Field::reference("input", "Other")]),
            ("In", vec![]),
            ("New", vec![Field::reference("output", "In")]),
        ]);
        let found: Vec<_> =
            forbidden(&active, &new).into_iter().map(|found| found.object.to_string()).collect();
        assert_eq!(found, ["A", "Gone", "New"]);
        assert_eq!(forbidden(&active, &active), []);
    }
}
