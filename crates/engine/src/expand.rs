//! Definition and activation become a run: one instance per activity and data node.
//!
//! On-demand pipelines only, yet: a periodic schedule is refused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use definition::inherit::{DEFAULT_ID, InheritError};
use definition::kind::{Group, Kind};
use definition::{ObjectId, PipelineObject};
use jiff::{SignedDuration, Timestamp};

use crate::ids::{InstanceId, PipelineId, RunId};
use crate::instance::{Instance, Role, Status};
use crate::plan::Plan;
use crate::round::Round;
use crate::run::{Header, Run, Step};
use crate::time;

/// Why a definition cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// An object asks for something that this engine does not do yet.
    #[error("object `{object}`: field `{field}` is not run by this engine yet: {hint}")]
    Unsupported {
        /// The object.
        object: ObjectId,
        /// Its field.
        field: String,
        /// What to write instead.
        hint: String,
    },
    /// An activity has nobody to do it.
    #[error("object `{object}` has no `workerGroup`: name the group of the task runners that do it")]
    NoWorkerGroup {
        /// The object.
        object: ObjectId,
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
    /// When it was activated.
    pub at: Timestamp,
    /// The scheduled start of the pipeline's newest run.
    pub latest: Option<Timestamp>,
}

/// Makes the run of `activation`: instances waiting, ready or FINISHED already.
///
/// # Errors
///
/// [`ExpandError`] if the definition cannot be run here.
pub fn expand(plan: Arc<Plan>, activation: Activation) -> Result<(Run, Step), ExpandError> {
    check(&plan)?;
    let started = time::whole_millis(activation.at);
    let scheduled = scheduled_start(started, activation.latest);
    let id = RunId::at(scheduled);
    let instances = instances(&plan, &id, started);
    acyclic(&instances)?;
    let header = Header {
        pipeline: activation.pipeline,
        id,
        pipeline_name: activation.pipeline_name,
        version: activation.version,
        scheduled,
        started,
        ended: None,
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
    on_demand(plan)?;
    for object in plan.objects().filter(|object| role(object).is_some()) {
        for (field, hint) in UNSUPPORTED {
            if object.values(field).next().is_some() {
                let (object, field, hint) = (object.id.clone(), (*field).to_owned(), (*hint).to_owned());
                return Err(ExpandError::Unsupported { object, field, hint });
            }
        }
        if role(object) == Some(Role::Activity) && object.values("workerGroup").next().is_none() {
            return Err(ExpandError::NoWorkerGroup { object: object.id.clone() });
        }
    }
    Ok(())
}

/// Only on-demand runs, yet: `scheduleType` on Default, or a Schedule in the explicit form.
fn on_demand(plan: &Plan) -> Result<(), ExpandError> {
    let is = |object: &PipelineObject, key: &str, word: &str| {
        object.string(key).is_some_and(|value| value.eq_ignore_ascii_case(word))
    };
    let declared = plan.object(DEFAULT_ID).is_some_and(|default| is(default, "scheduleType", "ondemand"));
    let schedules = plan.objects().filter(|object| Kind::of(object) == Some(Kind::Schedule));
    let mut periodic = schedules.filter(|schedule| !is(schedule, "period", "ONDEMAND_PERIOD"));
    match (declared, periodic.next()) {
        (true, _) => Ok(()),
        (false, Some(schedule)) => Err(ExpandError::Unsupported {
            object: schedule.id.clone(),
            field: "period".to_owned(),
            hint: "only on-demand runs are; set `scheduleType` to `ondemand` on the Default object"
                .to_owned(),
        }),
        (false, None) if plan.objects().any(|object| Kind::of(object) == Some(Kind::Schedule)) => Ok(()),
        (false, None) => Err(ExpandError::Unsupported {
            object: ObjectId::from(DEFAULT_ID),
            field: "scheduleType".to_owned(),
            hint: "only on-demand runs are; set it to `ondemand` on the Default object".to_owned(),
        }),
    }
}

const UNSUPPORTED: &[(&str, &str)] = &[
    ("runsOn", "name a `workerGroup` and start a worker for it"),
    ("precondition", "leave it out, or check in a ShellCommandActivity that others depend on"),
];

/// Returns what an instance of `object` is to a run; `None` if it has none.
pub(crate) fn role(object: &PipelineObject) -> Option<Role> {
    match Kind::of(object)?.group() {
        Group::Activity => Some(Role::Activity),
        Group::DataNode => Some(Role::DataNode),
        Group::Resource
        | Group::Precondition
        | Group::Database
        | Group::DataFormat
        | Group::Action
        | Group::Schedule
        | Group::Utility => None,
    }
}

fn instances(plan: &Plan, run: &RunId, started: Timestamp) -> Vec<Instance> {
    let parts: Vec<_> = plan.objects().filter_map(|object| Some((object, role(object)?))).collect();
    let present: HashSet<&ObjectId> = parts.iter().map(|(object, _)| &object.id).collect();
    let producers = producers(&parts);
    let instance = |(sequence, (object, role)): (usize, &(&PipelineObject, Role))| {
        let inputs = object.references("input").filter(|_| *role == Role::Activity);
        let produced_by = producers.get(&object.id).into_iter().flatten().copied();
        let mut seen = HashSet::new();
        let depends_on = object
            .references("dependsOn")
            .chain(inputs)
            .chain(produced_by)
            .filter(|target| present.contains(target) && seen.insert(*target))
            .map(|target| InstanceId::new(target, run))
            .collect();
        Instance {
            id: InstanceId::new(&object.id, run),
            component: object.id.clone(),
            sequence,
            role: *role,
            status: Status::WaitingOnDependencies,
            depends_on,
            cascade: object
                .string("failureAndRerunMode")
                .is_some_and(|mode| mode.eq_ignore_ascii_case("cascade")),
            generation: 0,
            started,
            ended: None,
            canceling: None,
            attempts: Vec::new(),
        }
    };
    parts.iter().enumerate().map(instance).collect()
}

/// Returns by data node the activities that write it.
fn producers<'a>(parts: &[(&'a PipelineObject, Role)]) -> HashMap<&'a ObjectId, Vec<&'a ObjectId>> {
    let mut producers: HashMap<_, Vec<_>> = HashMap::new();
    for (object, role) in parts {
        for output in object.references("output").filter(|_| *role == Role::Activity) {
            producers.entry(output).or_default().push(&object.id);
        }
    }
    producers
}

fn acyclic(instances: &[Instance]) -> Result<(), ExpandError> {
    let index: HashMap<_, _> =
        instances.iter().enumerate().map(|(place, instance)| (&instance.id, place)).collect();
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
