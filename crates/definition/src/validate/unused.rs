//! What is declared and does nothing.

use std::collections::{HashMap, HashSet};

use super::{findings::Findings, subject::Subject};
use crate::{FieldValue, ObjectId, PipelineObject, expression, inherit::DEFAULT_ID, kind::Kind};

const CODE: &str = "UNUSED";

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    parameters(subject, findings);
    objects(subject, findings);
}

fn parameters(subject: &Subject<'_>, findings: &mut Findings) {
    let used = names(subject);
    for parameter in &subject.definition.parameters {
        let id = parameter.id.as_str();
        if !used.contains(id) {
            let message = format!(
                "no field uses the parameter '{id}': write #{{{id}}} where it is meant, or take it away"
            );
            findings.warning(&ObjectId::from(id), Some("id"), CODE, message);
        }
    }
}

/// The names that any expression reads.
fn names(subject: &Subject<'_>) -> HashSet<String> {
    let mut names = HashSet::new();
    for field in subject.definition.objects.iter().flat_map(|object| &object.fields) {
        let FieldValue::String(text) = &field.value else { continue };
        if !expression::is_in(text) {
            continue;
        }
        if let Ok(template) = subject.template(text).as_ref() {
            names.extend(
                template.names().into_iter().filter_map(|path| path.first()).map(ToString::to_string),
            );
        }
    }
    names
}

/// Whatever no activity leads to is not part of a run.
fn objects(subject: &Subject<'_>, findings: &mut Findings) {
    let by_id: HashMap<&str, &PipelineObject> =
        subject.resolved.iter().map(|object| (object.id.as_str(), object)).collect();
    let is_root =
        |object: &&PipelineObject| object.id == DEFAULT_ID || Kind::of(object).is_some_and(Kind::is_activity);
    let mut open: Vec<&PipelineObject> = subject.resolved.iter().filter(is_root).collect();
    // Without any work, this is not what is wrong.
    if !open.iter().any(|object| object.id != DEFAULT_ID) {
        return;
    }
    let mut met: HashSet<&str> = open.iter().map(|object| object.id.as_str()).collect();
    while let Some(object) = open.pop() {
        for field in &object.fields {
            let FieldValue::Ref(target) = &field.value else { continue };
            if let Some(next) = by_id.get(target.as_str())
                && met.insert(next.id.as_str())
            {
                open.push(next);
            }
        }
    }
    for object in subject.resolved.iter().filter(|object| !met.contains(object.id.as_str())) {
        let id = &object.id;
        let message =
            format!("nothing that runs refers to '{id}', so it does nothing: refer to it, or take it away");
        findings.warning(id, None, CODE, message);
    }
}
