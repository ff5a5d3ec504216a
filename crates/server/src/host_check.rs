//! Finds all work of a definition that neither the service nor its host can do, before anything starts.
//!
//! The service checks some preconditions itself. A host says what its workers cannot do: the workers of its resources,
//! and those that poll its own worker group, if it has one. The service does not know which task runners poll another
//! worker group, so this check accepts all work for such a group.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use definition::kind::Kind;
use definition::kind::field::FieldError;
use definition::preview::Preview;
use definition::validate::Problem;
use definition::{Definition, Field, FieldKey, FieldValue, ObjectId, PipelineObject, expression};
use engine::{Plan, Run};

use crate::driver::NO_DYNAMODB;
use crate::ec2_worker::EC2_WORKER_DOES;
use crate::error::ServiceError;
use crate::host::{Host, PlannedWork, Workers};

/// The remedy for work that `ec2-worker` can do, but without a host for its resource.
const ANOTHER_RUNNER: &str = "replace such a `runsOn` by a `workerGroup`, and start a task runner that polls it, such as \
    `ec2-worker --worker-group NAME`";
/// The remedy for work that no worker here can do.
const RUNNER_OF_YOUR_OWN: &str =
    "work that no worker here can do needs a task runner of your own, which polls a `workerGroup` of its own";

/// Work that neither the service nor its host can do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostProblem {
    object: ObjectId,
    field: FieldKey,
    /// The reason why neither of them can do the work.
    reason: String,
    /// The remedy, which several problems may have in common.
    remedy: Option<String>,
}

impl fmt::Display for HostProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object `{}`, field `{}`: {}", self.object, self.field, self.reason)
    }
}

/// Returns the work of a definition that makes a server with this host refuse the activation. The server is supposed to reach
/// DynamoDB.
///
/// Each message is the reason, and the remedy if there is one.
#[must_use]
pub fn host_problems(definition: &Definition, host: &dyn Host) -> Vec<Problem> {
    let Ok(plan) = Plan::of(definition.clone()) else { return Vec::new() };
    let found = check(&plan, Some(host), true).into_iter();
    found.map(|found| Problem { message: found.reason.clone() + &remedy(&found), ..warning(found) }).collect()
}

/// Returns the work of the plan that neither the service nor its host can do.
pub(crate) fn check(plan: &Plan, host: Option<&dyn Host>, has_dynamodb: bool) -> Vec<HostProblem> {
    let mut found = Vec::new();
    if !has_dynamodb {
        let checks = plan.objects().iter().filter(|object| asks_dynamodb(object));
        found.extend(checks.map(|object| HostProblem {
            object: object.id.clone(),
            field: "type".into(),
            reason: NO_DYNAMODB.to_owned(),
            remedy: None,
        }));
    }
    // Lazy, since only a host needs the evaluated objects.
    let objects = LazyCell::new(|| evaluated(plan));
    for engine::WorkerTask { object, guards, resource } in engine::worker_tasks(plan) {
        let supplied = match resource.and_then(|resource| Some((resource, Kind::of(resource)?))) {
            Some((resource, kind)) if !host.is_some_and(|host| host.supplies(kind)) => {
                // The problem of an activity covers its preconditions, which run where the activity runs.
                if !guards.and_then(Kind::of).is_some_and(Kind::is_activity) {
                    found.push(no_host(guards.unwrap_or(object), object, resource, kind));
                }
                continue;
            }
            supplied => supplied.map(|(_, kind)| Workers::OfResource(kind)),
        };
        let Some(host) = host else { continue };
        let guards = guards.and_then(|guarded| objects.get(&guarded.id));
        let Some(object) = objects.get(&object.id) else { continue };
        let group = || guards.unwrap_or(object).string("workerGroup").map(Workers::InGroup);
        let Some(by) = supplied.or_else(group) else { continue };
        let hindrances = host.hindrances(&PlannedWork { object, guards, by, objects: &objects });
        found.extend(hindrances.into_iter().map(|FieldError { object, field, reason }| HostProblem {
            object,
            field: field.into(),
            reason,
            remedy: Some(RUNNER_OF_YOUR_OWN.to_owned()),
        }));
    }
    // Several activities may have the same problem, such as one with a database that they share.
    let mut seen = BTreeSet::new();
    found.retain(|one| seen.insert(one.clone()));
    found
}

/// Returns the problem of a run that needs more machines at once than the host has places; `None` if the places suffice.
pub(crate) fn check_places(host: Option<&dyn Host>, run: &Run) -> Option<HostProblem> {
    let most = host?.places()?;
    let together = run.largest_party();
    if together.len() <= most {
        return None;
    }
    let mut components = together.iter().filter_map(|id| run.instance(id.as_str())).map(|it| &it.component);
    let object = components.next()?.clone();
    let others: BTreeSet<_> =
        components.filter(|other| **other != object).map(|id| format!("`{id}`")).collect();
    let others = others.into_iter().collect::<Vec<_>>().join(", ");
    let demand = match others.is_empty() {
        true => format!("the instances of `{object}` must run at the same time"),
        false => format!(
            "`{object}` and {others} must run at the same time, because work on each waits for work on another of them"
        ),
    };
    let needed = together.len();
    Some(HostProblem {
        object,
        field: "type".into(),
        reason: format!("{demand}; this needs {needed} places, and the host has {most}"),
        remedy: Some(format!("start `up` with `--resources {needed}`")),
    })
}

/// Returns the error that refuses an activation, with every problem and the remedies; `Ok` if there are no problems.
pub(crate) fn refuse(found: &[HostProblem]) -> Result<(), ServiceError> {
    if found.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = found.iter().map(ToString::to_string).collect();
    let remedies: BTreeSet<_> = found.iter().filter_map(|one| one.remedy.as_deref()).collect();
    let remedies: String = remedies.into_iter().map(|remedy| format!("; {remedy}")).collect();
    let text = format!("nobody here can do all work of the definition: [{}]{remedies}", list.join("; "));
    Err(ServiceError::InvalidRequest(text))
}

/// Returns the problem as a warning to the user who stores a definition.
pub(crate) fn warning(found: HostProblem) -> Problem {
    let remedy = remedy(&found);
    Problem {
        message: format!(
            "'{}': an activation here will be refused, since nobody here can do this work: {}{remedy}",
            found.field, found.reason
        ),
        object: found.object,
        field: Some(found.field),
        code: "NO_HOST",
        fatal: false,
        value: 0,
        offset: None,
    }
}

fn remedy(found: &HostProblem) -> String {
    found.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default()
}

fn asks_dynamodb(object: &PipelineObject) -> bool {
    matches!(Kind::of(object), Some(Kind::DynamoDBDataExists | Kind::DynamoDBTableExists))
}

fn no_host(
    owner: &PipelineObject,
    work: &PipelineObject,
    resource: &PipelineObject,
    kind: Kind,
) -> HostProblem {
    let is_ours = Kind::of(work).is_some_and(|kind| EC2_WORKER_DOES.contains(&kind));
    let reason = format!("`{}` is an {}", resource.id, kind.name());
    let (reason, remedy) = match is_ours {
        true => (format!("{reason}, and there is no host for it"), ANOTHER_RUNNER),
        false => {
            let of_type = work.type_name().unwrap_or_default();
            (format!("{reason}, and `ec2-worker` cannot do an {of_type}"), RUNNER_OF_YOUR_OWN)
        }
    };
    let remedy = Some(remedy.to_owned());
    HostProblem { object: owner.id.clone(), field: "runsOn".into(), reason, remedy }
}

/// Returns the objects of the plan by id. Expressions are evaluated as far as they do not depend on a run.
fn evaluated(plan: &Plan) -> HashMap<ObjectId, PipelineObject> {
    let preview = Preview::new(plan.objects(), plan.parameters(), None);
    plan.objects().iter().map(|object| (object.id.clone(), evaluated_object(&preview, object))).collect()
}

fn evaluated_object<'a>(preview: &Preview<'a>, object: &'a PipelineObject) -> PipelineObject {
    let evaluated = object.fields.iter().flat_map(|field| match &field.value {
        FieldValue::String(text) if !expression::is_verbatim(field.key.as_str()) => {
            let texts = preview.known(&object.id, text).into_iter();
            texts.map(|text| Field::string(field.key.clone(), text)).collect()
        }
        FieldValue::String(_) | FieldValue::Ref(_) => vec![field.clone()],
    });
    PipelineObject { id: object.id.clone(), name: object.name.clone(), fields: evaluated.collect() }
}
