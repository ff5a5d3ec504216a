//! What is saved together: all of it, or nothing.

use std::collections::BTreeMap;

use definition::{Definition, ObjectId};
use engine::{
    Attempt, Effect, Header, Instance, InstanceId, Notice, PipelineId, Run, RunId, Step, WorkerGroup,
};
use jiff::Timestamp;

use crate::pipeline::Pipeline;

/// Changes for one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) definitions: Vec<(PipelineId, DefinitionVersion, Definition)>,
    pub(crate) runs: Vec<RunChange>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) since: Option<(PipelineId, u64)>,
}

/// Which of a pipeline's two definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefinitionVersion {
    /// The one that was put last.
    Latest,
    /// The one that runs.
    Active,
}

impl DefinitionVersion {
    /// Returns the word of the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Active => "active",
        }
    }
}

/// What changed of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunChange {
    pub(crate) header: Header,
    /// When the run wants to be woken.
    pub(crate) next_wake: Option<Timestamp>,
    /// Present when the run is new: its definition, and by instance what it depends on.
    pub(crate) created: Option<(Definition, Vec<Vec<InstanceId>>)>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) attempts: Vec<AttemptChange>,
}

/// An attempt that changed, and what its columns tell of its instance.
#[derive(Clone, Debug)]
pub(crate) struct AttemptChange {
    /// The instance's place in the order of creation.
    pub(crate) sequence: usize,
    pub(crate) component: ObjectId,
    pub(crate) scheduled: Timestamp,
    /// Who may take it, if it is free.
    pub(crate) offered_to: Option<WorkerGroup>,
    pub(crate) attempt: Attempt,
}

impl Batch {
    /// Returns an empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Saves only if nobody has saved anything of the pipeline since [`crate::Store::revision`] was `revision`.
    #[must_use]
    pub fn since(mut self, id: &PipelineId, revision: u64) -> Self {
        self.since = Some((id.clone(), revision));
        self
    }

    /// Saves the pipeline as it is now; it must exist.
    #[must_use]
    pub fn pipeline(mut self, pipeline: &Pipeline) -> Self {
        self.pipelines.push(pipeline.clone());
        self
    }

    /// Saves a definition of the pipeline.
    #[must_use]
    pub fn definition(
        mut self,
        id: &PipelineId,
        version: DefinitionVersion,
        definition: &Definition,
    ) -> Self {
        self.definitions.push((id.clone(), version, definition.clone()));
        self
    }

    /// Saves a run that was just expanded, with the notices of its first step.
    #[must_use]
    pub fn new_run(mut self, run: &Run, step: &Step) -> Self {
        let depends_on = run.instances().iter().map(|instance| instance.depends_on.clone()).collect();
        let created = Some((run.plan().definition().clone(), depends_on));
        self.push_run(run, step, created);
        self
    }

    /// Saves what `step` changed of the run, with its notices.
    #[must_use]
    pub fn step(mut self, run: &Run, step: &Step) -> Self {
        if !step.is_empty() {
            self.push_run(run, step, None);
        }
        self
    }

    /// Returns the runs that it changes or adds.
    pub fn runs(&self) -> impl Iterator<Item = (&PipelineId, &RunId)> {
        self.runs.iter().map(|change| (&change.header.pipeline, &change.header.id))
    }

    /// Returns the notices that it adds.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    fn push_run(&mut self, run: &Run, step: &Step, created: Option<(Definition, Vec<Vec<InstanceId>>)>) {
        let changed = |(instance, attempt): (&Instance, &Attempt)| AttemptChange {
            sequence: instance.sequence,
            component: instance.component.clone(),
            scheduled: run.interval(instance).start,
            offered_to: run.offered_to(instance, attempt).cloned(),
            attempt: attempt.clone(),
        };
        self.runs.push(RunChange {
            header: run.header().clone(),
            next_wake: run.next_wake(),
            created,
            instances: run.changed_instances(step).map(Instance::bare).collect(),
            attempts: run.changed_attempts(step).map(changed).collect(),
        });
        self.notices.extend(step.effects.iter().filter_map(|effect| match effect {
            Effect::Publish(notice) => Some(notice.clone()),
            Effect::Offer { .. } | Effect::Resource { .. } | Effect::Ended(_) => None,
        }));
    }

    /// The pipelines of which something is saved, in their order, and the revision that each must have.
    pub(crate) fn touched(&self) -> BTreeMap<&PipelineId, Option<u64>> {
        let pipelines = self.pipelines.iter().map(|pipeline| &pipeline.id);
        let definitions = self.definitions.iter().map(|(id, _, _)| id);
        let runs = self.runs.iter().map(|change| &change.header.pipeline);
        let must_have =
            |id: &PipelineId| self.since.as_ref().filter(|(of, _)| of == id).map(|(_, known)| *known);
        let known = self.since.iter().map(|(id, _)| id);
        pipelines.chain(definitions).chain(runs).chain(known).map(|id| (id, must_have(id))).collect()
    }
}
