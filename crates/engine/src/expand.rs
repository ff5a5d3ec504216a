//! Definition and activation become a run: one instance per activity, data node and resource, and per interval where it
//! has a schedule.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use definition::inherit::InheritError;
use definition::kind::field::{self, FailureAndRerunMode, FieldError};
use definition::kind::{Group, Kind};
use definition::preview::Preview;
use definition::schedule::Interval;
use definition::{ObjectId, PipelineObject};
use jiff::{SignedDuration, Timestamp};

use crate::header::Header;
use crate::ids::{InstanceId, PipelineId, RunId};
use crate::instance::{Instance, Role, Status};
use crate::plan::Plan;
use crate::round::Round;
use crate::run::Run;
use crate::step::Step;
use crate::time;
use crate::timetable::{Occurrence, Timetable, Upcoming};

/// Why a definition cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// An activity has nobody to do it.
    #[error(
        "object `{object}` has no `workerGroup`: name the group of the task runners that do it, or in `runsOn` the \
         resource that does"
    )]
    NoWorkerGroup {
        /// The object.
        object: ObjectId,
    },
    /// An object runs on a schedule and has none.
    #[error(
        "object `{object}` has no `schedule`: refer to a Schedule, or set `scheduleType` to `ondemand` on Default"
    )]
    NoSchedule {
        /// The object.
        object: ObjectId,
    },
    /// A field holds what it must not.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// Two instances would be called alike.
    #[error("two instances would have the id `{id}`: give `{object}` another id")]
    SameId {
        /// The component of one of them.
        object: ObjectId,
        /// The id.
        id: InstanceId,
    },
    /// Objects wait for each other in a circle.
    #[error("object `{object}` waits for itself, by `dependsOn`, `input` and `output`")]
    Cycle {
        /// One of them.
        object: ObjectId,
    },
    /// Objects cannot inherit as they say.
    #[error(transparent)]
    Inherit(#[from] InheritError),
}

/// What an activation is.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Its name.
    pub pipeline_name: String,
    /// The version of its definition.
    pub version: u32,
    /// When it was activated, or when the time of a scheduled run came.
    pub at: Timestamp,
    /// What it is for.
    pub occasion: Occasion,
    /// The components of which nothing starts: a user paused them.
    pub paused: BTreeSet<ObjectId>,
}

/// Why a run begins.
#[derive(Clone, Debug)]
pub enum Occasion {
    /// A user wants one.
    OnDemand {
        /// The scheduled start of the pipeline's newest run.
        latest: Option<Timestamp>,
    },
    /// Its time has come.
    Scheduled {
        /// The timetable of the definition.
        timetable: Arc<Timetable>,
        /// The run.
        upcoming: Upcoming,
        /// A later start was asked for: every instance is SKIPPED.
        is_skipped: bool,
    },
}

/// Makes the run of `activation`: instances waiting, ready or FINISHED already.
///
/// # Errors
///
/// [`ExpandError`] if the definition cannot be run here.
pub fn expand(plan: Arc<Plan>, activation: Activation) -> Result<(Run, Step), ExpandError> {
    check(&plan)?;
    let started = time::whole_millis(activation.at);
    let (scheduled, parts, is_skipped): (_, Vec<Part<'_>>, _) = match &activation.occasion {
        Occasion::OnDemand { latest } => {
            let scheduled = scheduled_start(started, *latest);
            // An interval without length: both ends are the activation.
            let interval = Interval { start: scheduled, end: scheduled };
            let used = needed_resources(&plan).into_iter().map(|needed| needed.resource).collect();
            let parts = plan.objects().iter().filter(|object| is_run(object, &used));
            let parts = parts.filter_map(|object| Part::of(object, interval, None)).collect();
            (scheduled, parts, false)
        }
        Occasion::Scheduled { timetable, upcoming, is_skipped } => {
            let occurrences = timetable.occurrences(upcoming).into_iter();
            let part =
                |it: Occurrence| Part::of(plan.object(it.component.as_str())?, it.interval, Some(it.release));
            (upcoming.start, occurrences.filter_map(part).collect(), *is_skipped)
        }
    };
    let preview = Preview::new(plan.objects(), plan.parameters(), None);
    let mut instances = instances(&plan, &parts, &preview, started, &activation.paused);
    acyclic(&instances)?;
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

/// Two activations within one second: the later run is given the next free second.
fn scheduled_start(started: Timestamp, latest: Option<Timestamp>) -> Timestamp {
    let second = time::whole_seconds(started);
    match latest {
        Some(latest) if latest >= second => time::later(latest, SignedDuration::from_secs(1)),
        Some(_) | None => second,
    }
}

/// Returns whether this engine can run `plan`.
///
/// # Errors
///
/// [`ExpandError`] names the first object and field that it cannot.
pub fn check(plan: &Plan) -> Result<(), ExpandError> {
    for object in plan.objects().iter().filter(|object| role(object).is_some()) {
        let preconditions = object.references("precondition").filter_map(|id| plan.object(id.as_str()));
        let kinds = preconditions.filter_map(Kind::of);
        let mut needs_worker = role(object) == Some(Role::Activity);
        for kind in kinds {
            needs_worker |= !kind.is_system_managed();
        }
        let has_worker = object.values("workerGroup").next().is_some() || resource(plan, object).is_some();
        if needs_worker && !has_worker {
            return Err(ExpandError::NoWorkerGroup { object: object.id.clone() });
        }
    }
    Ok(())
}

/// A field by which work asks for a resource.
pub(crate) struct RunsOn<'a> {
    /// The object whose `runsOn` it is.
    pub(crate) object: &'a ObjectId,
    /// The resource that the field names.
    pub(crate) resource: &'a ObjectId,
}

/// Returns who runs on which resource, in the order of the definition.
pub(crate) fn needed_resources(plan: &Plan) -> Vec<RunsOn<'_>> {
    let users = plan.objects().iter().filter(|object| is_worked_on(plan, object));
    let needed = users.filter_map(|object| {
        let resource = resource(plan, object)?;
        Some(RunsOn { object: &object.id, resource: &resource.id })
    });
    needed.collect()
}

/// Something that workers do: an activity, or a look at a precondition.
#[derive(Clone, Copy, Debug)]
pub struct WorkerTask<'a> {
    /// The activity or precondition.
    pub object: &'a PipelineObject,
    /// What the precondition guards, and runs where that does.
    pub guards: Option<&'a PipelineObject>,
    /// The resource that it runs on; without one, a worker group does it.
    pub resource: Option<&'a PipelineObject>,
}

/// Returns all that workers do, in the order of the definition.
#[must_use]
pub fn worker_tasks(plan: &Plan) -> Vec<WorkerTask<'_>> {
    let owners = plan.objects().iter().filter(|object| is_worked_on(plan, object));
    let work = owners.flat_map(|owner| {
        let resource = resource(plan, owner);
        let own = (role(owner) == Some(Role::Activity)).then_some(WorkerTask {
            object: owner,
            guards: None,
            resource,
        });
        let checks = owner.references("precondition").filter(|id| is_checked_by_workers(plan, id.as_str()));
        let checks = checks.filter_map(|id| plan.object(id.as_str()));
        own.into_iter().chain(checks.map(move |object| WorkerTask { object, guards: Some(owner), resource }))
    });
    work.collect()
}

/// Returns whether workers have to do with the object: an activity, or data with preconditions that they look at.
fn is_worked_on(plan: &Plan, object: &PipelineObject) -> bool {
    match role(object) {
        Some(Role::Activity) => true,
        Some(Role::DataNode) => {
            object.references("precondition").any(|id| is_checked_by_workers(plan, id.as_str()))
        }
        Some(Role::Precondition | Role::Resource) | None => false,
    }
}

fn is_checked_by_workers(plan: &Plan, precondition: &str) -> bool {
    let kind = plan.object(precondition).and_then(Kind::of);
    kind.is_some_and(|kind| !kind.is_system_managed())
}

/// Returns the resource that `object` runs on.
fn resource<'a>(plan: &'a Plan, object: &PipelineObject) -> Option<&'a PipelineObject> {
    let resource = plan.object(object.reference("runsOn")?.as_str())?;
    (role(resource) == Some(Role::Resource)).then_some(resource)
}

/// Returns whether there are instances of `object`: of a resource only where something runs on it.
pub(crate) fn is_run(object: &PipelineObject, used: &HashSet<&ObjectId>) -> bool {
    match role(object) {
        Some(Role::Resource) => used.contains(&object.id),
        Some(Role::Activity | Role::DataNode | Role::Precondition) => true,
        None => false,
    }
}

/// Returns what an instance of `object` is to a run; `None` if it has none.
pub(crate) fn role(object: &PipelineObject) -> Option<Role> {
    match Kind::of(object)?.group() {
        Group::Activity => Some(Role::Activity),
        Group::DataNode => Some(Role::DataNode),
        Group::Resource => Some(Role::Resource),
        Group::Precondition
        | Group::Database
        | Group::DataFormat
        | Group::Action
        | Group::Schedule
        | Group::Utility => None,
    }
}

/// An instance to be.
struct Part<'a> {
    object: &'a PipelineObject,
    role: Role,
    interval: Interval,
    release: Option<Timestamp>,
}

impl<'a> Part<'a> {
    fn of(object: &'a PipelineObject, interval: Interval, release: Option<Timestamp>) -> Option<Self> {
        Some(Self { object, role: role(object)?, interval, release })
    }

    fn id(&self) -> InstanceId {
        InstanceId::new(&self.object.id, self.interval.start)
    }

    fn length(&self) -> SignedDuration {
        self.interval.end.duration_since(self.interval.start)
    }

    /// Returns whether this is an instance that one of `other`'s interval has to do with: the one whose interval
    /// `other` begins in or, where this one's are the shorter, every one that begins in `other`'s.
    fn goes_with(&self, other: &Self) -> bool {
        let begins_in = |one: &Self, outer: &Self| {
            let Interval { start, end } = outer.interval;
            one.interval.start == start || (start..end).contains(&one.interval.start)
        };
        if self.length() < other.length() { begins_in(self, other) } else { begins_in(other, self) }
    }
}

/// Returns those of one component's parts, which are in order of time and do not overlap, that go with `other`.
fn going_with<'p, 'a>(parts: &'p [&'p Part<'a>], other: &Part<'_>) -> impl Iterator<Item = &'p Part<'a>> {
    let Interval { start, end } = other.interval;
    // The last that begins by then may last until then; those before it do not.
    let first = parts.partition_point(|part| part.interval.start <= start).saturating_sub(1);
    let near = parts[first..].iter().copied().take_while(move |part| {
        let begun = part.interval.start;
        begun <= start || begun < end
    });
    near.filter(|part| part.goes_with(other))
}

fn instances<'a>(
    plan: &'a Plan,
    parts: &[Part<'a>],
    preview: &Preview<'a>,
    started: Timestamp,
    paused: &BTreeSet<ObjectId>,
) -> Vec<Instance> {
    let mut by_component: HashMap<&ObjectId, Vec<&Part<'_>>> = HashMap::new();
    for part in parts {
        by_component.entry(&part.object.id).or_default().push(part);
    }
    let producers = producers(parts);
    let instance = |part: &Part<'a>| {
        let object = part.object;
        let inputs = object.references("input").filter(|_| part.role == Role::Activity);
        let produced_by = producers.get(&object.id).into_iter().flatten().copied();
        let mut seen = HashSet::new();
        let targets = object.references("dependsOn").chain(inputs).chain(produced_by);
        let depends_on = targets
            .filter(|target| seen.insert(*target))
            .filter_map(|target| by_component.get(target))
            .flat_map(|targets| going_with(targets, part))
            .map(Part::id)
            .collect();
        let mode = field::FAILURE_AND_RERUN_MODE.of(&preview.object(object));
        let resource = resource(plan, object).and_then(|resource| by_component.get(&resource.id));
        let runs_on = resource.and_then(|parts| going_with(parts, part).next());
        Instance {
            id: part.id(),
            component: object.id.clone(),
            sequence: 0,
            role: part.role,
            interval: Some(part.interval),
            release: part.release,
            late_at: None,
            is_paused: paused.contains(&object.id),
            is_withheld: false,
            guards: None,
            runs_on: runs_on.map(Part::id),
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
    let guarded = parts.iter().flat_map(|part| with_preconditions(plan, part.object, instance(part), paused));
    let numbered = guarded.enumerate().map(|(sequence, instance)| Instance { sequence, ..instance });
    numbered.collect()
}

/// Returns the instance and those of its preconditions, which look once all else that it waits for is there.
///
/// Those that workers look at run where their owner does; data itself runs nowhere.
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

/// Returns by data node the activities that write it.
fn producers<'a>(parts: &[Part<'a>]) -> HashMap<&'a ObjectId, Vec<&'a ObjectId>> {
    let mut producers: HashMap<_, Vec<_>> = HashMap::new();
    for part in parts.iter().filter(|part| part.role == Role::Activity) {
        for output in part.object.references("output") {
            let known = producers.entry(output).or_default();
            if known.last() != Some(&&part.object.id) {
                known.push(&part.object.id);
            }
        }
    }
    producers
}

fn acyclic(instances: &[Instance]) -> Result<(), ExpandError> {
    let index: HashMap<_, _> =
        instances.iter().enumerate().map(|(place, instance)| (&instance.id, place)).collect();
    if let Some(doubled) = instances.iter().enumerate().find(|(place, it)| index[&it.id] != *place) {
        return Err(ExpandError::SameId { object: doubled.1.component.clone(), id: doubled.1.id.clone() });
    }
    let mut open: Vec<usize> = instances.iter().map(|instance| instance.depends_on.len()).collect();
    let mut consumers = vec![Vec::new(); instances.len()];
    for (place, instance) in instances.iter().enumerate() {
        for dependency in instance.depends_on.iter().filter_map(|id| index.get(id)) {
            consumers[*dependency].push(place);
        }
    }
    let mut free: Vec<usize> = (0..open.len()).filter(|place| open[*place] == 0).collect();
    while let Some(place) = free.pop() {
        for consumer in &consumers[place] {
            open[*consumer] -= 1;
            if open[*consumer] == 0 {
                free.push(*consumer);
            }
        }
    }
    match open.iter().position(|open| *open > 0) {
        Some(place) => Err(ExpandError::Cycle { object: instances[place].component.clone() }),
        None => Ok(()),
    }
}
