//! Batches: changes that are saved together, all of them or none.

use std::collections::BTreeMap;

use definition::status::Status;
use definition::{Definition, ObjectId};
use engine::{
    Attempt, Effect, Header, Instance, InstanceId, Notice, PipelineId, Run, RunId, Step, WorkerGroup,
};
use jiff::Timestamp;

use crate::pipeline::Pipeline;

/// The changes of one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) definitions: Vec<(PipelineId, DefinitionVersion, Definition)>,
    pub(crate) runs: Vec<RunChange>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) since: Option<(PipelineId, u64)>,
}

/// Names one of a pipeline's two definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefinitionVersion {
    /// The definition that was put last.
    Latest,
    /// The definition that new runs get.
    Active,
}

impl DefinitionVersion {
    /// Returns the version's word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Active => "active",
        }
    }
}

/// The changes of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunChange {
    pub(crate) header: Header,
    /// The time at which the run is to be woken.
    pub(crate) next_wake: Option<Timestamp>,
    /// Present if the run is new: its definition, and the dependencies of each instance.
    pub(crate) created: Option<(Definition, Vec<Vec<InstanceId>>)>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) attempts: Vec<AttemptChange>,
}

/// A changed attempt, with the values of its columns that come from its instance.
#[derive(Clone, Debug)]
pub(crate) struct AttemptChange {
    /// The instance's position in the order of creation.
    pub(crate) sequence: usize,
    pub(crate) component: ObjectId,
    pub(crate) scheduled: Timestamp,
    /// The worker group that may take the attempt, if the attempt is free.
    pub(crate) offered_to: Option<WorkerGroup>,
    pub(crate) attempt: Attempt,
}

impl Batch {
    /// Returns an empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Saves the batch only if the pipeline still has this [`crate::Store::revision`]: nobody has saved any part of the
    /// pipeline since.
    #[must_use]
    pub fn since(mut self, id: &PipelineId, revision: u64) -> Self {
        self.since = Some((id.clone(), revision));
        self
    }

    /// Saves the pipeline's present value; the pipeline must exist.
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

    /// Saves the changes that `step` made to the run, and the notices of the step.
    #[must_use]
    pub fn step(mut self, run: &Run, step: &Step) -> Self {
        if !step.is_empty() {
            self.push_run(run, step, None);
        }
        self
    }

    /// Returns the runs that the batch changes or adds.
    pub fn runs(&self) -> impl Iterator<Item = (&PipelineId, &RunId)> {
        self.runs.iter().map(|change| (&change.header.pipeline, &change.header.id))
    }

    /// Returns the statuses of the changed attempts that have ended.
    pub fn ended_attempts(&self) -> impl Iterator<Item = Status> {
        let attempts = self.runs.iter().flat_map(|change| &change.attempts);
        let ended = attempts.filter(|change| change.attempt.ended.is_some());
        ended.map(|change| change.attempt.status.wire_status())
    }

    /// Returns the notices that the batch adds.
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

    /// Returns the pipelines for which the batch saves something, in the order of their ids. Each comes with the
    /// revision that the pipeline must have; `None` if any revision will do.
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
