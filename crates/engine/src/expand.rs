//! Expansion: makes a run from a definition and an activation.
//!
//! Each activity, data node and used resource becomes one instance, or one for each interval if it has a schedule. Each
//! instance also gets instances of its own for its preconditions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use definition::kind::field::{self, FailureAndRerunMode};
use definition::preview::Preview;
use definition::schedule::Interval;
use definition::{ObjectId, PipelineObject};
use jiff::{SignedDuration, Timestamp};

use crate::expand_error::ExpandError;
use crate::header::Header;
use crate::ids::{InstanceId, PipelineId, RunId};
use crate::instance::{Instance, Role, Status};
use crate::plan::Plan;
use crate::roles::{check, has_instances, is_checked_by_workers, needed_resources, resource, role};
use crate::round::Round;
use crate::run::Run;
use crate::step::Step;
use crate::time;
use crate::timetable::{Occurrence, Timetable, Upcoming};

/// An activation: the inputs of an expansion, except the definition.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The name of the pipeline.
    pub pipeline_name: String,
    /// The version of the definition.
    pub version: u32,
    /// The time at which the pipeline was activated, or the time of a scheduled run.
    pub at: Timestamp,
    /// The reason why the run begins.
    pub occasion: Occasion,
    /// The components that a user has paused: none of their instances starts.
    pub paused: BTreeSet<ObjectId>,
}

/// The reason why a run begins.
#[derive(Clone, Debug)]
pub enum Occasion {
    /// A user activated the pipeline.
    OnDemand {
        /// The scheduled start of the pipeline's newest run.
        latest: Option<Timestamp>,
    },
    /// The time of a scheduled run has come.
    Scheduled {
        /// The timetable of the definition.
        timetable: Arc<Timetable>,
        /// The run that begins.
        upcoming: Upcoming,
        /// Whether an activation with a later start passed over the run. Every instance is SKIPPED then.
        is_skipped: bool,
    },
}

/// Makes the run of `activation` and plays its first round, so that instances without dependencies are ready.
///
/// # Errors
///
/// [`ExpandError`] if the definition cannot be run.
pub fn expand(plan: Arc<Plan>, activation: Activation) -> Result<(Run, Step), ExpandError> {
    check(&plan)?;
    let started = time::whole_millis(activation.at);
    let (scheduled, drafts, is_skipped): (_, Vec<Draft<'_>>, _) = match &activation.occasion {
        Occasion::OnDemand { latest } => {
            let scheduled = scheduled_start(started, *latest);
            // On demand, the interval has no length: both ends are the time of the activation.
            let interval = Interval { start: scheduled, end: scheduled };
            let used = needed_resources(&plan).into_iter().map(|needed| needed.resource).collect();
            let drafts = plan.objects().iter().filter(|object| has_instances(object, &used));
            let drafts = drafts.filter_map(|object| Draft::of(object, interval, None)).collect();
            (scheduled, drafts, false)
        }
        Occasion::Scheduled { timetable, upcoming, is_skipped } => {
            let occurrences = timetable.occurrences(upcoming).into_iter();
            let draft = |it: Occurrence| {
                Draft::of(plan.object(it.component.as_str())?, it.interval, Some(it.release))
            };
            (upcoming.start, occurrences.filter_map(draft).collect(), *is_skipped)
        }
    };
    let preview = Preview::new(plan.objects(), plan.parameters(), None);
    let mut instances = instances(&plan, &drafts, &preview, started, &activation.paused);
    check_instances(&instances)?;
    if is_skipped {
        instances.iter_mut().for_each(|instance| instance.skip(started));
    }
    let header = Header {
        pipeline: activation.pipeline,
        id: RunId::at(scheduled),
        pipeline_name: activation.pipeline_name,
        version: activation.version,
        scheduled,
        started,
        ended: None,
        is_suspended: false,
        generation: 0,
        revision: 0,
    };
    let mut run = Run::assemble(header, plan, instances);
    let step = Round::new(&mut run, started).begin();
    Ok((run, step))
}

/// Returns the scheduled start of a run on demand: the whole second of `started`, or the second after `latest` if `latest` is
/// not earlier.
///
/// Run ids have whole seconds, and two activations may happen within one.
fn scheduled_start(started: Timestamp, latest: Option<Timestamp>) -> Timestamp {
    let second = time::whole_seconds(started);
    match latest {
        Some(latest) if latest >= second => time::later(latest, SignedDuration::from_secs(1)),
        Some(_) | None => second,
    }
}

/// An object and an interval, from which one instance is made.
struct Draft<'a> {
    object: &'a PipelineObject,
    role: Role,
    interval: Interval,
    release: Option<Timestamp>,
}

impl<'a> Draft<'a> {
    fn of(object: &'a PipelineObject, interval: Interval, release: Option<Timestamp>) -> Option<Self> {
        Some(Self { object, role: role(object)?, interval, release })
    }

    fn id(&self) -> InstanceId {
        InstanceId::new(&self.object.id, self.interval.start)
    }

    fn length(&self) -> SignedDuration {
        self.interval.end.duration_since(self.interval.start)
    }

    /// Returns whether an instance of `other` that refers to this object means this interval.
    ///
    /// The shorter of the two intervals has to begin within the longer one.
    fn overlaps(&self, other: &Self) -> bool {
        let begins_in = |one: &Self, outer: &Self| {
            let Interval { start, end } = outer.interval;
            one.interval.start == start || (start..end).contains(&one.interval.start)
        };
        if self.length() < other.length() { begins_in(self, other) } else { begins_in(other, self) }
    }
}

/// Returns the drafts of one component whose intervals an instance of `other` means when it refers to the component.
///
/// `drafts` are in order of time, and do not overlap each other.
fn overlapping<'p, 'a>(
    drafts: &'p [&'p Draft<'a>],
    other: &Draft<'_>,
) -> impl Iterator<Item = &'p Draft<'a>> {
    let Interval { start, end } = other.interval;
    // Of the drafts that begin at or before `start`, only the last can still go on at `start`.
    let first = drafts.partition_point(|draft| draft.interval.start <= start).saturating_sub(1);
    let near = drafts[first..].iter().copied().take_while(move |draft| {
        let begun = draft.interval.start;
        begun <= start || begun < end
    });
    near.filter(|draft| draft.overlaps(other))
}

/// Returns the instances of all drafts and of their preconditions, numbered in order of creation.
fn instances<'a>(
    plan: &'a Plan,
    drafts: &[Draft<'a>],
    preview: &Preview<'a>,
    started: Timestamp,
    paused: &BTreeSet<ObjectId>,
) -> Vec<Instance> {
    let mut by_component: HashMap<&ObjectId, Vec<&Draft<'_>>> = HashMap::new();
    for draft in drafts {
        by_component.entry(&draft.object.id).or_default().push(draft);
    }
    let producers = producers(drafts);
    let instance = |draft: &Draft<'a>| {
        let object = draft.object;
        let inputs = object.references("input").filter(|_| draft.role == Role::Activity);
        let produced_by = producers.get(&object.id).into_iter().flatten().copied();
        let mut seen = HashSet::new();
        let targets = object.references("dependsOn").chain(inputs).chain(produced_by);
        let depends_on = targets
            .filter(|target| seen.insert(*target))
            .filter_map(|target| by_component.get(target))
            .flat_map(|targets| overlapping(targets, draft))
            .map(Draft::id)
            .collect();
        let mode = field::FAILURE_AND_RERUN_MODE.of(&preview.object(object));
        let resource = resource(plan, object).and_then(|resource| by_component.get(&resource.id));
        let runs_on = resource.and_then(|drafts| overlapping(drafts, draft).next());
        Instance {
            id: draft.id(),
            component: object.id.clone(),
            sequence: 0,
            role: draft.role,
            interval: Some(draft.interval),
            release: draft.release,
            late_at: None,
            is_paused: paused.contains(&object.id),
            is_withheld: false,
            guards: None,
            runs_on: runs_on.map(Draft::id),
            status: Status::WaitingOnDependencies,
            depends_on,
            cascade: mode == Ok(FailureAndRerunMode::Cascade),
            generation: 0,
            started,
            ended: None,
            canceling: None,
            attempts: Vec::new(),
        }
    };
    let guarded =
        drafts.iter().flat_map(|draft| with_preconditions(plan, draft.object, instance(draft), paused));
    let numbered = guarded.enumerate().map(|(sequence, instance)| Instance { sequence, ..instance });
    numbered.collect()
}

/// Returns an instance and the instances of its preconditions.
///
/// The preconditions are checked after all other dependencies of the owner are FINISHED. Preconditions that task runners
/// check run on the owner's resource. A data node itself runs on no resource.
fn with_preconditions(
    plan: &Plan,
    object: &PipelineObject,
    mut owner: Instance,
    paused: &BTreeSet<ObjectId>,
) -> Vec<Instance> {
    let mut seen = HashSet::new();
    let preconditions = object.references("precondition").filter(|target| seen.insert(*target));
    let preconditions: Vec<_> = preconditions
        .map(|target| Instance {
            id: InstanceId::of_precondition(target, &owner.id),
            component: target.clone(),
            role: Role::Precondition,
            guards: Some(owner.id.clone()),
            runs_on: owner.runs_on.clone().filter(|_| is_checked_by_workers(plan, target.as_str())),
            is_paused: paused.contains(target),
            ..owner.clone()
        })
        .collect();
    if owner.role != Role::Activity {
        owner.runs_on = None;
    }
    owner.depends_on.extend(preconditions.iter().map(|precondition| precondition.id.clone()));
    std::iter::once(owner).chain(preconditions).collect()
}

/// Returns the activities that write each data node.
fn producers<'a>(drafts: &[Draft<'a>]) -> HashMap<&'a ObjectId, Vec<&'a ObjectId>> {
    let mut producers: HashMap<_, Vec<_>> = HashMap::new();
    for draft in drafts.iter().filter(|draft| draft.role == Role::Activity) {
        for output in draft.object.references("output") {
            let known = producers.entry(output).or_default();
            if known.last() != Some(&&draft.object.id) {
                known.push(&draft.object.id);
            }
        }
    }
    producers
}

/// Fails if two instances have the same id, or if instances depend on each other in a circle.
fn check_instances(instances: &[Instance]) -> Result<(), ExpandError> {
    let index: HashMap<_, _> =
        instances.iter().enumerate().map(|(position, instance)| (&instance.id, position)).collect();
    if let Some(duplicate) = instances.iter().enumerate().find(|(position, it)| index[&it.id] != *position) {
        return Err(ExpandError::SameId {
            object: duplicate.1.component.clone(),
            id: duplicate.1.id.clone(),
        });
    }
    let mut open: Vec<usize> = instances.iter().map(|instance| instance.depends_on.len()).collect();
    let mut consumers = vec![Vec::new(); instances.len()];
    for (position, instance) in instances.iter().enumerate() {
        for dependency in instance.depends_on.iter().filter_map(|id| index.get(id)) {
            consumers[*dependency].push(position);
        }
    }
    let mut free: Vec<usize> = (0..open.len()).filter(|position| open[*position] == 0).collect();
    while let Some(position) = free.pop() {
        for consumer in &consumers[position] {
            open[*consumer] -= 1;
            if open[*consumer] == 0 {
                free.push(*consumer);
            }
        }
    }
    match open.iter().position(|open| *open > 0) {
        Some(position) => Err(ExpandError::Cycle { object: instances[position].component.clone() }),
        None => Ok(()),
    }
}
