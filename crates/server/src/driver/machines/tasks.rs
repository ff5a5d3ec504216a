//! The reconciliations under way, each in a task of its own.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{self, JoinSet};

use super::queue::Next;
use crate::driver::Driver;
use crate::host::{Host, ResourceId};

/// The reconciliations under way.
#[derive(Default)]
pub(super) struct Tasks {
    tasks: JoinSet<Next>,
    of: HashMap<task::Id, ResourceId>,
}

impl Tasks {
    /// Returns how many reconciliations are under way.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Begins to reconcile a machine.
    pub(super) fn begin(&mut self, driver: Arc<Driver>, host: Arc<dyn Host>, id: ResourceId) {
        let of = id.clone();
        let task = self.tasks.spawn(async move {
            let reconciled = driver.reconcile(&*host, &id).await;
            reconciled.unwrap_or_else(|error| {
                tracing::warn!(resource.id = %id, "a machine cannot be reconciled, trying again: {error:#}");
                Next::Retry
            })
        });
        self.of.insert(task.id(), of);
    }

    /// Waits until a reconciliation has ended; for ever if none is under way.
    pub(super) async fn one_ended(&mut self) -> (ResourceId, Next) {
        loop {
            let (task, next) = match self.tasks.join_next_with_id().await {
                Some(Ok(ended)) => ended,
                Some(Err(panic)) => {
                    tracing::error!("reconciling a machine panicked, trying again: {panic}");
                    (panic.id(), Next::Retry)
                }
                None => std::future::pending().await,
            };
            if let Some(id) = self.of.remove(&task) {
                return (id, next);
            }
        }
    }
}
