//! Alarms (`SnsAlarm`): makes the notices of a final instance, a late instance, and a run that ended.
//!
//! AWS fires an alarm for each object. With `myOncePerRun` the alarm fires once, when the run has ended. A text of an alarm
//! that cannot be evaluated is sent as it was written: an error in an alarm fails no instance.

use std::collections::HashSet;

use definition::kind::{Kind, field};
use definition::{ObjectId, PipelineObject, subject};
use sha2::{Digest, Sha256};

use crate::effect::Notice;
use crate::header::RunOutcome;
use crate::ids::NoticeId;
use crate::instance::{Ending, Instance};
use crate::instance_index::InstanceIndex;
use crate::late::LATE;
use crate::run::Run;
use crate::scope::{Context, Node};
use crate::summary;

/// Returns the notices that are due because the instance at `at` became final.
pub(crate) fn of_instance(run: &Run, at: InstanceIndex) -> Vec<Notice> {
    let instance = &run[at];
    let reaction = match instance.ending() {
        Some(Ending::Finished) => "onSuccess",
        Some(Ending::Failed | Ending::TimedOut | Ending::CascadeFailed { .. }) => "onFail",
        // A user who canceled an instance needs no notice of the cancellation.
        Some(Ending::Canceled { .. } | Ending::Skipped) | None => return Vec::new(),
    };
    let about = format!("{}#{}", instance.id, instance.generation);
    alarms(run, instance, reaction)
        .filter(|alarm| !once_per_run(run, alarm))
        .map(|alarm| notice(run, alarm, Node::Instance(instance), reaction, &about))
        .collect()
}

/// Returns the notices that are due because the run ended.
pub(crate) fn of_run(run: &Run, outcome: RunOutcome) -> Vec<Notice> {
    let reaction = match outcome {
        RunOutcome::Finished => "onSuccess",
        RunOutcome::Failed | RunOutcome::Canceled => "onFail",
        RunOutcome::Skipped => return Vec::new(),
    };
    let mut seen: HashSet<&ObjectId> = HashSet::new();
    let alarms: Vec<_> = run
        .instances()
        .iter()
        .flat_map(|instance| alarms(run, instance, reaction))
        .filter(|alarm| seen.insert(&alarm.id) && once_per_run(run, alarm))
        .collect();
    if alarms.is_empty() {
        return Vec::new();
    }
    let summary = summary::of(run, outcome);
    let about = format!("{}#{}", outcome.wire_status(), run.header().generation);
    alarms.into_iter().map(|alarm| notice(run, alarm, Node::Run(&summary), reaction, &about)).collect()
}

/// Returns the notices that are due because the instance at `at` is late.
pub(crate) fn of_late(run: &Run, at: InstanceIndex) -> Vec<Notice> {
    let instance = &run[at];
    let about = format!("{}#{}", instance.id, instance.generation);
    alarms(run, instance, LATE)
        .map(|alarm| notice(run, alarm, Node::Instance(instance), LATE, &about))
        .collect()
}

/// Returns the alarms that the field `reaction` (`onSuccess`, `onFail`, `onLateAction`) of an instance names.
fn alarms<'a>(
    run: &'a Run,
    instance: &'a Instance,
    reaction: &'static str,
) -> impl Iterator<Item = &'a PipelineObject> {
    // When a precondition ends, the alarms of its owner fire too. So a precondition fires only the alarms that its own fields
    // name, and not those that it inherits from Default.
    let component = match instance.guards {
        Some(_) => run.plan().stated_by(instance.component.as_str(), reaction),
        None => run.plan().object(instance.component.as_str()),
    };
    let targets = component.into_iter().flat_map(move |component| component.references(reaction));
    // The field can also name a `Terminate` action, which sends no notice; `crate::late` carries it out.
    targets
        .filter_map(|target| run.plan().object(target.as_str()))
        .filter(|object| Kind::of(object) == Some(Kind::SnsAlarm))
}

fn once_per_run(run: &Run, alarm: &PipelineObject) -> bool {
    let evaluation = Default::default();
    let context = Context::of_component(run, alarm, &evaluation);
    field::MY_ONCE_PER_RUN.of(&context.reading(alarm)) == Ok(true)
}

/// Returns the notice of one alarm. `about` distinguishes the notice from the alarm's other notices in the same run.
fn notice(run: &Run, alarm: &PipelineObject, node: Node<'_>, reaction: &str, about: &str) -> Notice {
    let evaluation = Default::default();
    // Anybody may read a mail, so secrets stay hidden in it.
    let context = Context::of_component(run, alarm, &evaluation).masked(true).with_node(node);
    let text = |key: &str| {
        let written = alarm.string(key).unwrap_or_default();
        context.evaluate(key, written).map_or_else(|_| written.to_owned(), |texts| texts.join(", "))
    };
    let header = run.header();
    let hashed = format!("{}\n{}\n{}\n{reaction}\n{about}", header.pipeline, header.id, alarm.id);
    Notice {
        id: NoticeId::from(digest(&hashed)),
        pipeline: header.pipeline.clone(),
        run: header.id.clone(),
        topic_arn: text("topicArn"),
        // SNS refuses an empty subject.
        subject: subject::of(&text("subject")).or_else(|| subject::of(alarm.id.as_str())).unwrap_or_default(),
        message: text("message"),
    }
}

fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..16])
}
