//! Watches every change on the disk and every answer, and says which rule is broken.
//!
//! It believes nobody: runs are read back from the disk after each write, alarms are counted from what happened to
//! instances, and an answer is held against what is stored when it is given.

mod alarms;
mod answers;
mod runs;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use engine::{Attempt, InstanceId, Notice, NoticeId, PipelineId, PipelineState, Run, RunId, TaskId};
use store::Pipeline;

use super::world::World;
use alarms::Alarms;
pub(super) use answers::{Answer, answered, ask, is_made_up};

/// What the judge knows.
#[derive(Default)]
pub(super) struct Judge {
    runs: BTreeMap<PipelineId, BTreeMap<RunId, Run>>,
    deleted: BTreeSet<PipelineId>,
    alarms: Alarms,
    heard: Heard,
    pipelines: BTreeMap<PipelineId, Book>,
}

/// What was asked of the servers, as far as it allows anything.
#[derive(Default)]
struct Heard {
    /// What task runners said of a task.
    ends: HashMap<String, BTreeSet<String>>,
    /// Tasks that were handed out.
    handed: HashSet<String>,
    marked: HashSet<(PipelineId, InstanceId)>,
    reruns: HashSet<PipelineId>,
    /// How many lives of servers are over: what their own runners held is free.
    deaths: u64,
}

/// What was asked of one pipeline, and what was acknowledged.
#[derive(Default)]
struct Book {
    activations_heard: usize,
    activations_acknowledged: usize,
    /// Commands that began, and those of them that are not over.
    commands: u64,
    under_way: u64,
    /// Something was asked that may leave intervals out.
    is_disturbed: bool,
}

impl Judge {
    /// Returns the pipelines that are there.
    pub(super) fn pipelines(&self) -> Vec<PipelineId> {
        let all = self.runs.keys().chain(self.pipelines.keys()).collect::<BTreeSet<_>>();
        all.into_iter().filter(|id| !self.deleted.contains(*id)).cloned().collect()
    }

    /// Returns the runs of a pipeline as they are stored.
    pub(super) fn runs_of(&self, pipeline: &str) -> impl Iterator<Item = &Run> {
        self.runs.get(pipeline).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn server_died(&mut self) {
        self.heard.deaths += 1;
    }

    /// A pipeline is gone from the disk.
    pub(super) fn deleted(&mut self, id: &PipelineId) {
        self.deleted.insert(id.clone());
        self.runs.remove(id);
    }

    /// Returns whether the run was written before.
    pub(super) fn knows(&self, pipeline: &PipelineId, run: &RunId) -> bool {
        self.runs.get(pipeline).is_some_and(|runs| runs.contains_key(run))
    }

    /// A run was written: it stands on the disk as `after`.
    pub(super) fn saved(&mut self, world: &World, after: Run) -> Result<(), String> {
        let (id, run) = (&after.header().pipeline, &after.header().id);
        if self.deleted.contains(id) {
            return Err(format!("run {run} of {id} was saved after the pipeline was deleted"));
        }
        let before = self.runs.get(id).and_then(|runs| runs.get(run));
        runs::check(world, &self.heard, before, &after)?;
        self.alarms.follow(before, &after);
        self.runs.entry(id.clone()).or_default().insert(run.clone(), after);
        Ok(())
    }

    /// Notices were written: from now on somebody owes them.
    pub(super) fn owed(&mut self, notices: &[Notice]) -> Result<(), String> {
        self.alarms.owed(notices)
    }

    /// A topic took a notice.
    pub(super) fn taken(&mut self, notice: &Notice) -> Result<(), String> {
        self.alarms.taken(notice)
    }

    /// A notice is not owed any more.
    pub(super) fn forgotten(&self, id: &NoticeId) -> Result<(), String> {
        self.alarms.forgotten(id)
    }

    fn attempt(&self, task: &TaskId) -> Option<(&Run, &Attempt)> {
        self.runs_of(task.pipeline.as_str()).find_map(|run| Some((run, run.attempt(&task.attempt)?)))
    }

    /// Returns how many causes of alarms of each kind there were.
    pub(super) fn alarms(&self) -> &BTreeMap<&'static str, u64> {
        self.alarms.kinds()
    }

    /// Says what has not ended yet. What a deactivation left waits for an activation, which may be refused.
    pub(super) fn unfinished(&self) -> Option<String> {
        let runs = self.runs.values().flat_map(BTreeMap::values);
        let goes_on = |run: &&Run| run.end().is_none() && (run.is_active() || !run.header().is_suspended);
        let open = runs.filter(goes_on).map(|run| {
            let header = run.header();
            let instances = run.instances().iter().filter(|it| !it.is_final());
            let instances: Vec<_> = instances.map(|it| format!("{} is {}", it.id, it.word())).collect();
            format!("run {} of {}: {}", header.id, header.pipeline, instances.join(", "))
        });
        let open: Vec<_> = open.collect();
        (!open.is_empty()).then(|| open.join("; "))
    }

    /// Checks what must be true once everything is over.
    pub(super) fn close(&self) -> Result<(), String> {
        self.alarms.close()?;
        for (id, book) in self.pipelines.iter().filter(|(id, _)| !self.deleted.contains(*id)) {
            let runs: Vec<_> = self.runs_of(id.as_str()).collect();
            let Some(plan) = runs.first().map(|run| run.plan()) else {
                if book.activations_acknowledged > 0 && !book.is_disturbed {
                    return Err(format!("{id} was activated and has no run"));
                }
                continue;
            };
            let occurrences = plan.object("Often").and_then(|often| often.string("occurrences"));
            let Some(occurrences) = occurrences.and_then(|text| text.parse::<usize>().ok()) else {
                let (least, most) = (book.activations_acknowledged, book.activations_heard);
                if !(least..=most).contains(&runs.len()) {
                    let count = runs.len();
                    return Err(format!(
                        "{id} has {count} runs: {most} were asked for, {least} acknowledged"
                    ));
                }
                continue;
            };
            let first = runs.iter().flat_map(|run| run.instances());
            let first = first.filter(|it| it.component.as_str() == "A0").count();
            // Where all have one schedule; those of a longer one are fewer.
            let is_long = plan.object("Long").is_some();
            if !book.is_disturbed && !is_long && first != occurrences {
                return Err(format!("{id} has {occurrences} intervals, and {first} instances of A0"));
            }
        }
        Ok(())
    }
}

/// Checks that a run of the pipeline may have begun just now.
pub(super) fn may_begin(pipeline: Option<&Pipeline>) -> Result<(), String> {
    match pipeline.map(|pipeline| pipeline.state) {
        Some(PipelineState::Scheduled | PipelineState::Finished) => Ok(()),
        state => Err(format!("a run begins while its pipeline is {state:?}")),
    }
}
