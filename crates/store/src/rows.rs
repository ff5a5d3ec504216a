//! The rows of a run, which are the same in every database, and how a run is made from them.

use std::collections::HashMap;
use std::sync::Arc;

use definition::Definition;
use engine::{Attempt, Instance, InstanceId, Plan, Run, RunId};

use crate::StoreError;
use crate::column::read as json;

/// The bodies of a run's rows, all read at the same moment.
pub(crate) struct RunRows {
    pub(crate) id: RunId,
    pub(crate) header: String,
    pub(crate) definition: String,
    /// The instances in the order of the run.
    pub(crate) instances: Vec<InstanceRow>,
    /// The attempts; those of one instance come in the order of their numbers.
    pub(crate) attempts: Vec<String>,
}

pub(crate) struct InstanceRow {
    pub(crate) body: String,
    pub(crate) depends_on: String,
}

impl RunRows {
    /// Makes the run. This takes far longer than fetching the rows, so the caller should not keep a connection meanwhile.
    pub(crate) fn into_run(self) -> Result<Run, StoreError> {
        let definition: Definition = json("a run's definition", &self.definition)?;
        let plan = Plan::of(definition).map_err(|source| StoreError::Plan { run: self.id, source })?;
        let mut attempts: HashMap<InstanceId, Vec<Attempt>> = HashMap::new();
        for body in &self.attempts {
            let attempt: Attempt = json("an attempt", body)?;
            attempts.entry(attempt.instance.clone()).or_default().push(attempt);
        }
        let read = |row: &InstanceRow| {
            let mut instance: Instance = json("an instance", &row.body)?;
            instance.depends_on = json("dependencies", &row.depends_on)?;
            instance.attempts = attempts.remove(&instance.id).unwrap_or_default();
            Ok(instance)
        };
        let instances = self.instances.iter().map(read).collect::<Result<_, StoreError>>()?;
        Ok(Run::assemble(json("a run", &self.header)?, Arc::new(plan), instances))
    }
}
