//! The judge: checks every change on the disk and every answer against the rules.
//!
//! The judge trusts no server. It reads runs back from the disk after each write, counts alarms from the changes of
//! instances, and compares each answer with the disk.

mod alarms;
mod answers;
mod runs;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use engine::{Attempt, InstanceId, Notice, NoticeId, PipelineId, PipelineState, Run, RunId, TaskId};
use store::Pipeline;

use super::World;
use alarms::Alarms;
pub(in crate::simulation) use answers::{Answer, answered, ask, is_made_up};

/// The state of the judge.
#[derive(Default)]
pub(in crate::simulation) struct Judge {
    runs: BTreeMap<PipelineId, BTreeMap<RunId, Run>>,
    deleted: BTreeSet<PipelineId>,
    alarms: Alarms,
    requests: Requests,
    pipelines: BTreeMap<PipelineId, PipelineRecord>,
}

/// The requests of task runners and operators and the acts of servers that allow a change of a run.
#[derive(Default)]
struct Requests {
    /// The ends that task runners reported, by task.
    ends: HashMap<String, BTreeSet<String>>,
    /// The tasks that were handed out.
    handed: HashSet<String>,
    /// The instances that an operator marked as finished.
    marked: HashSet<(PipelineId, InstanceId)>,
    /// The pipelines in which an operator reran an instance.
    reruns: HashSet<PipelineId>,
    /// The number of lives of servers that have ended: the attempts of their own runners may be free.
    deaths: u64,
}

/// The counts of the requests for one pipeline, as far as the judge needs them.
#[derive(Default)]
struct PipelineRecord {
    activations_received: usize,
    activations_acknowledged: usize,
    /// The number of commands that began.
    commands: u64,
    /// The number of commands that began and have not ended.
    under_way: u64,
    /// Whether a request may have had the effect that some intervals have no instances.
    is_disturbed: bool,
}

impl Judge {
    /// Returns the pipelines that exist.
    pub(in crate::simulation) fn pipelines(&self) -> Vec<PipelineId> {
        let all = self.runs.keys().chain(self.pipelines.keys()).collect::<BTreeSet<_>>();
        all.into_iter().filter(|id| !self.deleted.contains(*id)).cloned().collect()
    }

    /// Returns the runs of a pipeline as they are stored.
    pub(in crate::simulation) fn runs_of(&self, pipeline: &str) -> impl Iterator<Item = &Run> {
        self.runs.get(pipeline).into_iter().flat_map(BTreeMap::values)
    }

    pub(in crate::simulation) fn server_died(&mut self) {
        self.requests.deaths += 1;
    }

    /// Notes that a pipeline was deleted from the disk.
    pub(in crate::simulation) fn deleted(&mut self, id: &PipelineId) {
        self.deleted.insert(id.clone());
        self.runs.remove(id);
    }

    /// Returns whether the run was saved before.
    pub(in crate::simulation) fn knows(&self, pipeline: &PipelineId, run: &RunId) -> bool {
        self.runs.get(pipeline).is_some_and(|runs| runs.contains_key(run))
    }

    /// Checks a run that was saved: the disk now holds `after`.
    pub(in crate::simulation) fn saved(&mut self, world: &World, after: Run) -> Result<(), String> {
        let (id, run) = (&after.header().pipeline, &after.header().id);
        if self.deleted.contains(id) {
            return Err(format!("run {run} of {id} was saved after the pipeline was deleted"));
        }
        let before = self.runs.get(id).and_then(|runs| runs.get(run));
        runs::check(world, &self.requests, before, &after)?;
        self.alarms.follow(before, &after);
        self.runs.entry(id.clone()).or_default().insert(run.clone(), after);
        Ok(())
    }

    /// Checks notices that were saved: from now on, they must be published.
    pub(in crate::simulation) fn owed(&mut self, notices: &[Notice]) -> Result<(), String> {
        self.alarms.owed(notices)
    }

    /// Checks a notice that the topic accepted.
    pub(in crate::simulation) fn taken(&mut self, notice: &Notice) -> Result<(), String> {
        self.alarms.taken(notice)
    }

    /// Checks that a notice may be removed from the store.
    pub(in crate::simulation) fn notice_removed(&self, id: &NoticeId) -> Result<(), String> {
        self.alarms.notice_removed(id)
    }

    fn attempt(&self, task: &TaskId) -> Option<(&Run, &Attempt)> {
        self.runs_of(task.pipeline.as_str()).find_map(|run| Some((run, run.attempt(&task.attempt)?)))
    }

    /// Returns the number of causes of alarms of each kind.
    pub(in crate::simulation) fn alarms(&self) -> &BTreeMap<&'static str, u64> {
        self.alarms.kinds()
    }

    /// Returns a text that names the runs that have not ended yet; `None` if there are none. A suspended run without
    /// active instances does not count, because it waits for an activation, which may be refused.
    pub(in crate::simulation) fn unfinished(&self) -> Option<String> {
        let runs = self.runs.values().flat_map(BTreeMap::values);
        let goes_on = |run: &&Run| run.end().is_none() && (run.is_active() || !run.header().is_suspended);
        let open = runs.filter(goes_on).map(|run| {
            let header = run.header();
            let instances = run.instances().iter().filter(|it| !it.is_final());
            let instances: Vec<_> =
                instances.map(|it| format!("{} is {}", it.id, it.wire_status())).collect();
            format!("run {} of {}: {}", header.id, header.pipeline, instances.join(", "))
        });
        let open: Vec<_> = open.collect();
        (!open.is_empty()).then(|| open.join("; "))
    }

    /// Checks the rules for the end of a simulation.
    pub(in crate::simulation) fn close(&self) -> Result<(), String> {
        self.alarms.close()?;
        for (id, record) in self.pipelines.iter().filter(|(id, _)| !self.deleted.contains(*id)) {
            let runs: Vec<_> = self.runs_of(id.as_str()).collect();
            let Some(plan) = runs.first().map(|run| run.plan()) else {
                if record.activations_acknowledged > 0 && !record.is_disturbed {
                    return Err(format!("{id} was activated and has no run"));
                }
                continue;
            };
            let occurrences = plan.object("Often").and_then(|often| often.string("occurrences"));
            let Some(occurrences) = occurrences.and_then(|text| text.parse::<usize>().ok()) else {
                let (least, most) = (record.activations_acknowledged, record.activations_received);
                if !(least..=most).contains(&runs.len()) {
                    let count = runs.len();
                    return Err(format!(
                        "{id} has {count} runs: {most} activations were received, {least} acknowledged"
                    ));
                }
                continue;
            };
            let first = runs.iter().flat_map(|run| run.instances());
            let first = first.filter(|it| it.component.as_str() == "A0").count();
            // With two schedules, there are fewer intervals of the longer one.
            let is_long = plan.object("Long").is_some();
            if !record.is_disturbed && !is_long && first != occurrences {
                return Err(format!("{id} has {occurrences} intervals, and {first} instances of A0"));
            }
        }
        Ok(())
    }
}

/// Checks that a run of the pipeline was allowed to begin just now.
pub(in crate::simulation) fn may_begin(pipeline: Option<&Pipeline>) -> Result<(), String> {
    match pipeline.map(|pipeline| pipeline.state) {
        Some(PipelineState::Scheduled | PipelineState::Finished) => Ok(()),
        state => Err(format!("a run begins while its pipeline is {state:?}")),
    }
}
