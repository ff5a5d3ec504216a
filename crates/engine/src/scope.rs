//! What expressions see: fields, runtime fields, parameters.

use crate::attempt::Limits;
use crate::event::TaskError;
use crate::ids::WorkerGroup;
use crate::run::Run;

/// What an attempt needs to be offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) group: WorkerGroup,
    pub(crate) limits: Limits,
}

impl Default for Setup {
    fn default() -> Self {
        Self { group: WorkerGroup::from(""), limits: Limits::default() }
    }
}

/// Evaluates every field of the instance at `place`, as a new attempt of it needs.
pub(crate) fn setup(run: &Run, place: usize) -> Result<Setup, TaskError> {
    let component = run.plan.object(run.instances[place].component.as_str());
    let group = component.and_then(|object| object.string("workerGroup")).unwrap_or_default();
    Ok(Setup { group: WorkerGroup::from(group), limits: Limits::default() })
}
