//! The objects that a runner gets along with a task, because the task's fields refer to them.

use std::collections::HashSet;

use definition::{Field, FieldValue, ObjectId, PipelineObject};

use crate::instance::Instance;
use crate::run::Run;
use crate::runtime::{self, with_runtime};
use crate::scope::Context;

/// Returns the objects that work at `instance` needs besides its own object, evaluated and with secrets in clear text.
///
/// Fields such as `input` and `database` lead to these objects, directly or through other objects. Fields that only order or
/// place the work, such as `dependsOn` and `runsOn`, and fields that name actions do not count. Data nodes are shown as
/// instances; databases and data formats have no instances and are shown as components.
///
/// # Errors
///
/// If a field of one of the objects cannot be evaluated. The error is the reason.
pub(crate) fn needed(run: &Run, instance: &Instance) -> Result<Vec<PipelineObject>, String> {
    let mut seen: HashSet<&ObjectId> = HashSet::from([&instance.component]);
    let mut open: Vec<&ObjectId> = vec![&instance.component];
    // A precondition also needs the object that it guards.
    let node = instance.guards.as_ref().and_then(|id| run.instance(id.as_str()));
    open.extend(node.map(|node| &node.component).filter(|id| seen.insert(id)));
    let mut objects = Vec::new();
    while let Some(id) = open.pop() {
        let Some(component) = run.plan().object(id.as_str()) else { continue };
        for field in component.fields.iter().filter(|field| is_needed(field.key.as_str())) {
            let FieldValue::Ref(target) = &field.value else { continue };
            if seen.insert(target) {
                open.push(target);
            }
        }
        if id != &instance.component {
            objects.push(evaluated(run, component, instance)?);
        }
    }
    Ok(objects)
}

fn is_needed(key: &str) -> bool {
    let reaction = matches!(key, "onSuccess" | "onFail" | "onLateAction");
    let order = matches!(key, "schedule" | "parent" | "dependsOn" | "precondition" | "runsOn");
    !(reaction || order || key.starts_with('@'))
}

fn evaluated(run: &Run, component: &PipelineObject, other: &Instance) -> Result<PipelineObject, String> {
    let evaluation = Default::default();
    match run.counterpart(&component.id, Some(other)) {
        Some(instance) => {
            let context = Context::of_instance(run, instance, None, &evaluation);
            let mut fields = context.fields()?;
            fields.retain(|field| field.key != "parent");
            fields.push(Field::reference("parent", component.id.clone()));
            Ok(with_runtime(instance.id.object_id(), fields, runtime::of_instance(run, instance)))
        }
        None => {
            let fields = Context::of_component(run, component, &evaluation).fields()?;
            Ok(PipelineObject { id: component.id.clone(), name: component.name.clone(), fields })
        }
    }
}
