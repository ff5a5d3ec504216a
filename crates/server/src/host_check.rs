//! What of a definition nobody here can do, all of it, before anything starts.
//!
//! The service looks at some preconditions itself; a host supplies workers for resources, and says what they cannot do.
//! Who polls a worker group of a user's own is not known: work for it is never found here.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use definition::kind::Kind;
use definition::kind::field::FieldError;
use definition::preview::Preview;
use definition::validate::Problem;
use definition::{Field, FieldKey, FieldValue, ObjectId, PipelineObject, expression};
use engine::{Plan, Run};

use crate::driver::NO_DYNAMODB;
use crate::ec2_worker::EC2_WORKER_DOES;
use crate::error::ServiceError;
use crate::host::{Host, Work, Workers};

/// What to do about work that `ec2-worker` does, where there is no host for its resource.
const ANOTHER_RUNNER: &str = "in place of such a `runsOn` write a `workerGroup`, and start a task runner that polls it, \
    such as `ec2-worker --worker-group NAME`";
/// What to do about work that no worker here can do.
const RUNNER_OF_YOUR_OWN: &str =
    "what no worker here can do takes a task runner of your own, which polls a `workerGroup` of its own";

/// Something that nobody here can do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unhosted {
    object: ObjectId,
    field: FieldKey,
    /// What there is nobody for.
    what: String,
    /// What to do about it, which many may have in common.
    advice: Option<String>,
}

impl fmt::Display for Unhosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object `{}`, field `{}`: {}", self.object, self.field, self.what)
    }
}

/// Returns what of the plan there is nobody for.
pub(crate) fn of(plan: &Plan, host: Option<&dyn Host>, has_dynamodb: bool) -> Vec<Unhosted> {
    let mut found = Vec::new();
    if !has_dynamodb {
        let looks = plan.objects().iter().filter(|object| asks_dynamodb(object));
        found.extend(looks.map(|object| Unhosted {
            object: object.id.clone(),
            field: "type".into(),
            what: NO_DYNAMODB.to_owned(),
            advice: None,
        }));
    }
    // Only a host asks for them.
    let objects = LazyCell::new(|| foreseen(plan));
    for engine::WorkerTask { object, guards, resource } in engine::worker_tasks(plan) {
        let supplied = match resource.and_then(|resource| Some((resource, Kind::of(resource)?))) {
            Some((resource, kind)) if !host.is_some_and(|host| host.supplies(kind)) => {
                // An activity speaks for its preconditions, which are where it is.
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
        let hindrances = host.hindrances(&Work { object, guards, by, objects: &objects });
        found.extend(hindrances.into_iter().map(|FieldError { object, field, reason }| Unhosted {
            object,
            field: field.into(),
            what: reason,
            advice: Some(RUNNER_OF_YOUR_OWN.to_owned()),
        }));
    }
    // Many may use one database.
    let mut seen = BTreeSet::new();
    found.retain(|one| seen.insert(one.clone()));
    found
}

/// Returns what says that the run needs more resources at once than there are places for.
pub(crate) fn without_places(host: Option<&dyn Host>, run: &Run) -> Option<Unhosted> {
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
    let beside =
        if others.is_empty() { others } else { format!(" with {others}, whose work waits for each other's") };
    let needed = together.len();
    Some(Unhosted {
        object,
        field: "type".into(),
        what: format!("it has to be there at the same time{beside}: {needed} places, and there are {most}"),
        advice: Some(format!("start `up` with `--resources {needed}`")),
    })
}

/// Refuses an activation with all that was found, each by object and field, and what to do.
pub(crate) fn refuse(found: &[Unhosted]) -> Result<(), ServiceError> {
    if found.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = found.iter().map(ToString::to_string).collect();
    let advice: BTreeSet<_> = found.iter().filter_map(|one| one.advice.as_deref()).collect();
    let advice: String = advice.into_iter().map(|advice| format!("; {advice}")).collect();
    let text = format!("this service has no host for all of the definition: [{}]{advice}", list.join("; "));
    Err(ServiceError::InvalidRequest(text))
}

/// Returns the same as a warning, for who stores a definition.
pub(crate) fn warning(found: Unhosted) -> Problem {
    let advice = found.advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
    Problem {
        message: format!(
            "'{}': an activation here is refused, as there is no host: {}{advice}",
            found.field, found.what
        ),
        object: found.object,
        field: Some(found.field),
        code: "NO_HOST",
        fatal: false,
        value: 0,
        offset: None,
    }
}

fn asks_dynamodb(object: &PipelineObject) -> bool {
    matches!(Kind::of(object), Some(Kind::DynamoDBDataExists | Kind::DynamoDBTableExists))
}

fn no_host(owner: &PipelineObject, work: &PipelineObject, resource: &PipelineObject, kind: Kind) -> Unhosted {
    let is_ours = Kind::of(work).is_some_and(|kind| EC2_WORKER_DOES.contains(&kind));
    let what = format!("`{}` is an {}", resource.id, kind.name());
    let (what, advice) = match is_ours {
        true => (what, ANOTHER_RUNNER),
        false => {
            let of_type = work.type_name().unwrap_or_default();
            (format!("{what}, and {of_type} is nothing that `ec2-worker` does"), RUNNER_OF_YOUR_OWN)
        }
    };
    Unhosted { object: owner.id.clone(), field: "runsOn".into(), what, advice: Some(advice.to_owned()) }
}

/// The objects of the plan, evaluated as far as that is known before anything runs.
fn foreseen(plan: &Plan) -> HashMap<ObjectId, PipelineObject> {
    let preview = Preview::new(plan.objects(), plan.parameters(), None);
    plan.objects().iter().map(|object| (object.id.clone(), known(&preview, object))).collect()
}

fn known<'a>(preview: &Preview<'a>, object: &'a PipelineObject) -> PipelineObject {
    let evaluated = object.fields.iter().flat_map(|field| match &field.value {
        FieldValue::String(text) if !expression::is_verbatim(field.key.as_str()) => {
            let texts = preview.known(&object.id, text).into_iter();
            texts.map(|text| Field::string(field.key.clone(), text)).collect()
        }
        FieldValue::String(_) | FieldValue::Ref(_) => vec![field.clone()],
    });
    PipelineObject { id: object.id.clone(), name: object.name.clone(), fields: evaluated.collect() }
}
