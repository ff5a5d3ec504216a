//! Definition and activation become a run: one instance per activity, data node and resource, and per interval where it
//! has a schedule.

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
use crate::roles::{check, is_checked_by_workers, is_run, needed_resources, resource, role};
use crate::round::Round;
use crate::run::Run;
use crate::step::Step;
use crate::time;
use crate::timetable::{Occurrence, Timetable, Upcoming};

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
