//! Finds the work of a definition that Downspout cannot do, as the activation in `up` does.

use anyhow::{Result, bail};
use async_trait::async_trait;
use definition::kind::Kind;
use definition::kind::field::FieldError;
use definition::validate::Problem;
use definition::{Definition, ParameterValue};
use ec2_worker::RdsInstances;
use server::host::{Host, MachineState, PlannedWork, Resource, ResourceId, Workers};
use server::host_problems;

use crate::local::process_host::{self, SUPPLIED};
use crate::local::stack::WORKER_GROUP;

/// The parameter with the worker group of `up`. `up` sets its value.
const GROUP_PARAMETER: &str = "myWorkerGroup";

/// The work of a definition that Downspout cannot do.
pub(super) struct Unrunnable {
    /// Work that makes `up` refuse the activation.
    pub(super) refused: Vec<Problem>,
    /// Work that `up` leaves to task runners that it does not know. `ec2-worker` cannot do it.
    pub(super) left_to_others: Vec<Problem>,
}

/// Returns the work of `definition` that Downspout cannot do, if its workers know these instances of RDS.
pub(super) fn unrunnable(definition: &Definition, rds: &RdsInstances) -> Unrunnable {
    let mut definition = definition.clone();
    let is_set = definition.values.iter().any(|value| value.id == GROUP_PARAMETER);
    if !is_set {
        let value = WORKER_GROUP.to_owned();
        definition.values.push(ParameterValue { id: GROUP_PARAMETER.to_owned(), value });
    }
    let said = |what: &str, problem: Problem| Problem {
        message: format!(
            "'{}': {what}: {}",
            problem.field.as_ref().map_or("", |key| key.as_str()),
            problem.message
        ),
        ..problem
    };
    let refused = host_problems(&definition, &Foreseen { group: Some(WORKER_GROUP), rds: rds.clone() });
    let all = host_problems(&definition, &Foreseen { group: None, rds: rds.clone() });
    let others = all.into_iter().filter(|problem| !refused.contains(problem));
    let left_to_others = others.map(|problem| said("`ec2-worker` cannot do this work", problem)).collect();
    let refusal = "an activation here will be refused, since nobody here can do this work";
    let refused = refused.into_iter().map(|problem| said(refusal, problem)).collect();
    Unrunnable { refused, left_to_others }
}

/// The host of `up`, as far as a definition can be checked without starting anything.
struct Foreseen {
    /// The worker group whose workers are `ec2-worker`, or `None` if those of every group are.
    group: Option<&'static str>,
    rds: RdsInstances,
}

#[async_trait]
impl Host for Foreseen {
    fn supplies(&self, kind: Kind) -> bool {
        kind == SUPPLIED
    }

    fn hindrances(&self, work: &PlannedWork<'_>) -> Vec<FieldError> {
        let is_ours = match work.by {
            Workers::OfResource(kind) => self.supplies(kind),
            Workers::InGroup(group) => self.group.is_none_or(|own| group == own),
        };
        if is_ours { process_host::hindrances(work, &self.rds) } else { Vec::new() }
    }

    async fn create(&self, _resource: &Resource) -> Result<MachineState> {
        bail!("nothing is started to check a definition")
    }

    async fn terminate(&self, _id: &ResourceId) -> Result<bool> {
        Ok(true)
    }

    async fn existing(&self) -> Result<Vec<ResourceId>> {
        Ok(Vec::new())
    }

    async fn changed(&self) {}
}
