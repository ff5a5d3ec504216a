//! The active definition of a pipeline, prepared for its runs.

use std::sync::Arc;

use definition::Definition;
use engine::{ExpandError, Plan, Timetable};
use jiff::Timestamp;

/// The active definition of a pipeline, prepared for its runs.
#[derive(Clone, Debug)]
pub(crate) struct ActiveDefinition {
    pub(crate) plan: Arc<Plan>,
    /// `None` for a pipeline that runs on demand.
    pub(crate) timetable: Option<Arc<Timetable>>,
}

impl ActiveDefinition {
    /// Prepares the definition of a pipeline that was first activated at `first`.
    ///
    /// # Errors
    ///
    /// [`ExpandError`] if the `parent` fields cannot be resolved, or if the definition cannot have a timetable.
    pub(crate) fn of(definition: Definition, first: Timestamp) -> Result<Self, ExpandError> {
        let plan = Plan::of(definition)?;
        // The ids of instances contain times in whole seconds.
        let timetable = Timetable::of(&plan, engine::time::whole_seconds(first))?.map(Arc::new);
        Ok(Self { plan: Arc::new(plan), timetable })
    }

    /// Returns how many runs may be open at once.
    pub(crate) fn most_open(&self) -> usize {
        self.plan.max_active_instances(self.timetable.is_some())
    }
}
