//! Components, instances and attempts as pipeline objects of the wire, with their runtime fields.

use std::collections::BTreeMap;

use definition::{Field, FieldValue, ObjectId, PipelineObject};

use crate::attempt::Attempt;
use crate::ids::AttemptId;
use crate::instance::{Ending, Instance};
use crate::needed_objects::needed;
use crate::plan::Plan;
use crate::run::Run;
use crate::runtime::{self, with_runtime};
use crate::scope::Context;

use crate::time::wire;
use crate::why::WHY;
pub use definition::MASK;

/// The form in which an object is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Expressions are replaced by their values, if they have one.
    pub evaluated: bool,
    /// Secret fields are shown in clear text, and not masked.
    pub secrets_clear: bool,
}

impl Run {
    /// Returns the instance or attempt `id` as an object.
    #[must_use]
    pub fn object(&self, id: &str, form: Form) -> Option<PipelineObject> {
        if let Some(instance) = self.instance(id) {
            return Some(self.instance_object(instance, form));
        }
        let attempt = self.attempt(&AttemptId::from(id))?;
        let instance = self.instance(attempt.instance.as_str())?;
        Some(self.attempt_object(instance, attempt, form))
    }

    fn instance_object(&self, instance: &Instance, form: Form) -> PipelineObject {
        let evaluation = Default::default();
        let context = Context::of_instance(self, instance, None, &evaluation);
        let fields = shown(&context, instance, form);
        let mut runtime = runtime::of_instance(self, instance);
        runtime.extend(self.why_it_waits(instance).map(|why| Field::string(WHY, why)));
        with_runtime(instance.id.object_id(), fields, runtime)
    }

    fn attempt_object(&self, instance: &Instance, attempt: &Attempt, form: Form) -> PipelineObject {
        let evaluation = Default::default();
        let context = Context::of_instance(self, instance, Some(attempt), &evaluation);
        let mut runtime = runtime::of_attempt(self, instance, attempt);
        runtime.extend(self.log_location(instance, attempt));
        with_runtime(attempt.id.object_id(), shown(&context, instance, form), runtime)
    }

    /// Returns `@logLocation`: `<pipelineLogUri>/<pipeline>/<component>/<instance>/<attempt>/`.
    fn log_location(&self, instance: &Instance, attempt: &Attempt) -> Option<Field> {
        let evaluation = Default::default();
        let context = Context::of_instance(self, instance, Some(attempt), &evaluation);
        let uri = self.plan().object(instance.component.as_str())?.string("pipelineLogUri")?;
        let uri = context.evaluate("pipelineLogUri", uri).ok()?.into_iter().next()?;
        let (uri, pipeline) = (uri.trim_end_matches('/'), &self.header().pipeline);
        let location = format!("{uri}/{pipeline}/{}/{}/{}/", instance.component, instance.id, attempt.id);
        Some(Field::string("@logLocation", location))
    }

    /// Returns the objects that `PollForTask` hands out for an attempt, by id: the attempt and the objects that its work needs.
    ///
    /// They are evaluated, with secrets in clear text.
    #[must_use]
    pub fn task_objects(&self, attempt: &AttemptId) -> BTreeMap<ObjectId, PipelineObject> {
        let found = self.attempt(attempt).and_then(|attempt| {
            let instance = self.instance(attempt.instance.as_str())?;
            Some((instance, attempt))
        });
        let Some((instance, attempt)) = found else { return BTreeMap::new() };
        let form = Form { evaluated: true, secrets_clear: true };
        let mut own = self.attempt_object(instance, attempt, form);
        // A rerun is new work and a retry is not, so a runner that remembers its work has to tell the two apart.
        own.fields.push(Field::string("@generation", attempt.generation.to_string()));
        // An attempt whose objects cannot be evaluated failed when it was made, so no runner can receive it.
        let needed = needed(self, instance).unwrap_or_default();
        std::iter::once(own).chain(needed).map(|object| (object.id.clone(), object)).collect()
    }

    /// Returns the attempt `id` at a resource as an object for the host: evaluated, with secrets in clear text. Returns
    /// `None` if there is no such attempt, or if it has no machine.
    #[must_use]
    pub fn machine_object(&self, id: &AttemptId) -> Option<PipelineObject> {
        let attempt = self.attempt(id).filter(|attempt| attempt.machine().is_some())?;
        let instance = self.instance(attempt.instance.as_str())?;
        Some(self.attempt_object(instance, attempt, Form { evaluated: true, secrets_clear: true }))
    }

    /// Evaluates `text` as if it stood in the object `id`, which may be a component, instance or attempt. Secrets are masked.
    ///
    /// # Errors
    ///
    /// A sentence that says why the text has no value.
    pub fn evaluate(&self, id: &str, text: &str) -> Result<String, String> {
        let evaluation = Default::default();
        let attempt = self.attempt(&AttemptId::from(id));
        let instance = match attempt {
            Some(attempt) => self.instance(attempt.instance.as_str()),
            None => self.instance(id),
        };
        let context = match (instance, self.plan().object(id)) {
            (Some(instance), _) => Context::of_instance(self, instance, attempt, &evaluation),
            (None, Some(component)) => Context::of_component(self, component, &evaluation),
            (None, None) => return Err(format!("there is no object `{id}`")),
        };
        context.masked(true).evaluate("expression", text).map(|texts| texts.join(","))
    }
}

/// Returns the fields that an instance or attempt has from the definition, without runtime fields, in the given form. A
/// text without a value stays as it was written.
fn shown(context: &Context<'_>, instance: &Instance, form: Form) -> Vec<Field> {
    let context = context.clone().masked(!form.secrets_clear);
    let mut fields = Vec::new();
    for field in context.raw_fields() {
        match &field.value {
            _ if field.key == "parent" => {}
            _ if field.key.is_secret() && !form.secrets_clear => fields.push(Field::string(field.key, MASK)),
            FieldValue::String(text)
                if form.evaluated && !definition::expression::is_verbatim(field.key.as_str()) =>
            {
                let texts = context.evaluate(field.key.as_str(), text).unwrap_or_else(|_| vec![text.clone()]);
                fields.extend(texts.into_iter().map(|text| Field::string(field.key.clone(), text)));
            }
            FieldValue::String(_) | FieldValue::Ref(_) => fields.push(field),
        }
    }
    // The parent of an instance is its component.
    fields.push(Field::reference("parent", instance.component.clone()));
    fields
}

/// Returns the component `id` as an object: the fields that it states in the definition, and its runtime fields.
///
/// `latest` is the pipeline's newest run. Without a run, expressions stay as they were written.
#[must_use]
pub fn component(plan: &Plan, id: &str, latest: Option<&Run>, form: Form) -> Option<PipelineObject> {
    let mut object = plan.definition().object(id)?.clone();
    let run = latest.filter(|_| form.evaluated);
    let evaluation = Default::default();
    let context = run
        .zip(plan.object(id))
        .map(|(run, resolved)| Context::of_component(run, resolved, &evaluation).masked(!form.secrets_clear));
    for field in &mut object.fields {
        if field.key.is_secret() && !form.secrets_clear {
            field.value = FieldValue::String(MASK.to_owned());
        } else if let (FieldValue::String(text), Some(context)) = (&field.value, &context) {
            // Runtime fields have no value here, so a text that uses them stays as it was written.
            if let Ok([value]) = context.evaluate(field.key.as_str(), text).as_deref() {
                field.value = FieldValue::String(value.clone());
            }
        }
    }
    object.fields.push(Field::string("@sphere", "COMPONENT"));
    if let Some(run) = latest {
        object.fields.extend(component_runtime(run, id));
    }
    Some(object)
}

/// Returns the runtime fields of a component, which come from the newest run.
fn component_runtime(run: &Run, id: &str) -> Vec<Field> {
    let header = run.header();
    let mut fields = vec![
        Field::string("@pipelineId", header.pipeline.as_str()),
        Field::string("@version", header.version.to_string()),
    ];
    let Some(instance) = run.instance_of_component(&ObjectId::from(id)) else { return fields };
    fields.push(Field::string("@latestRunTime", wire(header.scheduled)));
    if instance.is_live() {
        fields.push(Field::reference("@activeInstances", instance.id.object_id()));
    }
    let word = if instance.is_final() { "FINISHED" } else { "SCHEDULED" };
    fields.push(Field::string("@status", word));
    let health = instance.ending().and_then(|ending| match ending {
        Ending::Finished => Some("HEALTHY"),
        Ending::Failed | Ending::TimedOut | Ending::CascadeFailed { .. } | Ending::Canceled { .. } => {
            Some("ERROR")
        }
        Ending::Skipped => None,
    });
    if let (Some(health), Some(ended)) = (health, instance.ended) {
        fields.push(Field::string("@healthStatus", health));
        fields.push(Field::reference("@healthStatusFromInstanceId", instance.id.object_id()));
        fields.push(Field::string("@healthStatusUpdatedTime", wire(ended)));
    }
    fields
}
