//! Components, instances and attempts as pipeline objects with their runtime fields.

use std::collections::BTreeMap;

use definition::{ObjectId, PipelineObject};

use crate::ids::AttemptId;
use crate::plan::Plan;
use crate::run::Run;

/// How an object is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Expressions are replaced by their values where they have one.
    pub evaluated: bool,
    /// Secret fields are shown; else a mask.
    pub secrets_clear: bool,
}

/// What stands for a secret that is not shown.
pub const MASK: &str = "********";

impl Run {
    /// Returns the instance or attempt `id` as an object.
    #[must_use]
    pub fn object(&self, id: &str, form: Form) -> Option<PipelineObject> {
        let _ = form;
        let instance = self.instance(id)?;
        Some(PipelineObject {
            id: instance.id.object_id(),
            name: instance.id.to_string(),
            fields: Vec::new(),
        })
    }

    /// Returns what `PollForTask` hands out for an attempt: its object and those that its work needs,
    /// by id, evaluated, secrets in clear.
    #[must_use]
    pub fn task_objects(&self, attempt: &AttemptId) -> BTreeMap<ObjectId, PipelineObject> {
        let _ = attempt;
        BTreeMap::new()
    }
}

/// Returns the component `id` of `plan` as an object; `latest` is the pipeline's newest run.
#[must_use]
pub fn component(plan: &Plan, id: &str, latest: Option<&Run>, form: Form) -> Option<PipelineObject> {
    let _ = (latest, form);
    plan.object(id).cloned()
}
