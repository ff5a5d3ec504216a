//! Checks the alarms: each cause has one notice, and each notice has a cause. Causes follow from the changes of
//! instances and runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use definition::PipelineObject;
use engine::{Instance, Notice, NoticeId, Run, RunOutcome, Status};

/// The pipeline, the run, the topic and the text of a notice, by which the judge matches notices with causes. After a
/// rerun, another cause may lead to another notice with the same four texts.
type About = (String, String, String, String);

/// The causes of alarms, and the notices about them.
#[derive(Default)]
pub(super) struct Alarms {
    /// The number of causes that each need a notice.
    causes: BTreeMap<About, usize>,
    /// The ends of runs that were counted as causes.
    ends: BTreeSet<String>,
    /// The ids of the notices that the store has saved.
    owed: BTreeMap<About, BTreeSet<NoticeId>>,
    /// The same notices with their contents, which never change.
    saved: HashMap<NoticeId, Notice>,
    /// The ids of the notices that the topic has accepted.
    taken: BTreeSet<NoticeId>,
    /// The number of causes of each kind.
    kinds: BTreeMap<&'static str, u64>,
}

fn about(run: &Run, alarm: &PipelineObject, message: &str) -> About {
    let header = run.header();
    let topic = alarm.string("topicArn").unwrap_or_default();
    (header.pipeline.to_string(), header.id.to_string(), topic.to_owned(), message.to_owned())
}

fn of_notice(notice: &Notice) -> About {
    let texts = [notice.pipeline.as_str(), notice.run.as_str(), &notice.topic_arn, &notice.message];
    let [pipeline, run, topic, message] = texts.map(str::to_owned);
    (pipeline, run, topic, message)
}

/// Returns the alarms to which a field of the instance's component refers.
fn named<'a>(run: &'a Run, instance: &'a Instance, field: &'static str) -> Vec<&'a PipelineObject> {
    let id = instance.component.as_str();
    // When a precondition ends, the alarms of its owner fire too. So a precondition fires only the alarms that its own
    // fields name, and not those of Default.
    let own = instance.guards.as_ref().and_then(|_| run.plan().definition().object(id));
    let Some(component) = own.or_else(|| run.plan().object(id)) else { return Vec::new() };
    let targets = component.references(field).filter_map(|target| run.plan().object(target.as_str()));
    targets.filter(|target| target.type_name() == Some("SnsAlarm")).collect()
}

fn is_once(alarm: &PipelineObject) -> bool {
    alarm.string("myOncePerRun") == Some("true")
}

impl Alarms {
    /// Counts the causes of alarms in a change of a run.
    pub(super) fn follow(&mut self, before: Option<&Run>, after: &Run) {
        for instance in after.instances() {
            let old = before.and_then(|run| run.instance(instance.id.as_str()));
            let same_generation = old.filter(|old| old.generation == instance.generation);
            if let Some(field) = field_of_end(instance)
                && !same_generation.is_some_and(Instance::is_final)
            {
                self.cause(after, instance, field);
            }
            let was_due = same_generation.is_some_and(|old| old.late_at.is_some());
            if was_due && instance.late_at.is_none() {
                self.cause(after, instance, "onLateAction");
            }
        }
        let is_news = after.end() != before.and_then(Run::end);
        let is_passed_over = after.instances().iter().all(|it| it.wire_status() == Status::Skipped);
        if let Some(end) = after.end().filter(|_| is_news && !is_passed_over) {
            self.end(after, end.outcome, end.generation);
        }
    }

    fn cause(&mut self, run: &Run, instance: &Instance, field: &'static str) {
        let every_time = |alarm: &&PipelineObject| field == "onLateAction" || !is_once(alarm);
        for alarm in named(run, instance, field).into_iter().filter(every_time) {
            *self.kinds.entry(field).or_default() += 1;
            // The recipes give these alarms the text `#{node.name}`, which is the id of the instance.
            *self.causes.entry(about(run, alarm, instance.id.as_str())).or_default() += 1;
        }
    }

    fn end(&mut self, run: &Run, outcome: RunOutcome, generation: u32) {
        let field = if outcome == RunOutcome::Finished { "onSuccess" } else { "onFail" };
        let alarms = run.instances().iter().flat_map(|instance| named(run, instance, field));
        let ids: BTreeSet<_> = alarms.filter(|alarm| is_once(alarm)).map(|alarm| alarm.id.as_str()).collect();
        for alarm in ids.into_iter().filter_map(|id| run.plan().object(id)) {
            let about = about(run, alarm, alarm.string("message").unwrap_or_default());
            // After a rerun, the run has another generation, and the same end is another cause.
            if self.ends.insert(format!("{about:?} {outcome:?} {generation}")) {
                *self.kinds.entry(if field == "onFail" { "a bad end" } else { "a good end" }).or_default() +=
                    1;
                *self.causes.entry(about).or_default() += 1;
            }
        }
    }

    /// Records the notices that were saved together with their causes, and checks them against these causes.
    pub(super) fn owed(&mut self, notices: &[Notice]) -> Result<(), String> {
        for notice in notices {
            if let Some(known) = self.saved.get(&notice.id).filter(|known| *known != notice) {
                return Err(format!("notice {} has two contents: {known:?} and {notice:?}", notice.id));
            }
            self.saved.insert(notice.id.clone(), notice.clone());
            self.owed.entry(of_notice(notice)).or_default().insert(notice.id.clone());
        }
        self.balance()
    }

    /// Checks that there are as many notices as causes with the same pipeline, run, topic and text.
    fn balance(&self) -> Result<(), String> {
        let count = |about| self.owed.get(about).map_or(0, BTreeSet::len);
        if let Some((about, causes)) = self.causes.iter().find(|(about, causes)| count(about) != **causes) {
            return Err(format!("{causes} causes of {about:?} gave rise to {} notices", count(about)));
        }
        match self.owed.keys().find(|about| !self.causes.contains_key(about)) {
            Some(about) => Err(format!("a notice has no cause: {about:?}")),
            None => Ok(()),
        }
    }

    pub(super) fn taken(&mut self, notice: &Notice) -> Result<(), String> {
        self.taken.insert(notice.id.clone());
        match self.saved.get(&notice.id) {
            None => Err(format!("notice {} was published and never saved: {notice:?}", notice.id)),
            Some(saved) if saved != notice => {
                Err(format!("notice {} was published with another content", notice.id))
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn notice_removed(&self, id: &NoticeId) -> Result<(), String> {
        if self.taken.contains(id) {
            Ok(())
        } else {
            Err(format!("notice {id} was removed before the topic accepted it"))
        }
    }

    pub(super) fn kinds(&self) -> &BTreeMap<&'static str, u64> {
        &self.kinds
    }

    pub(super) fn close(&self) -> Result<(), String> {
        match self.saved.keys().find(|id| !self.taken.contains(*id)) {
            Some(id) => Err(format!("notice {id} was never published: {:?}", self.saved[id])),
            None => Ok(()),
        }
    }
}

/// Returns the field whose alarms report the end of an instance.
fn field_of_end(instance: &Instance) -> Option<&'static str> {
    let head = instance.newest_attempt().filter(|head| head.generation == instance.generation);
    let is_worked_off = head.is_some_and(|head| head.status == engine::attempt::Status::Finished);
    match instance.wire_status() {
        Status::Failed | Status::CascadeFailed => Some("onFail"),
        // If the operator marked the instance as finished, no work was done, and no notice is owed.
        Status::Finished if is_worked_off => Some("onSuccess"),
        _ => None,
    }
}
