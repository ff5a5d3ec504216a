//! Handles a claimed run that could not start: publishes a notice, and writes the error into the ledger.

use anyhow::anyhow;

use crate::book::Entry;
use crate::claim;
use crate::ledger::HeadState;
use crate::ports::{Edges, PipelineError, Refusal};
use crate::report::{self, FailedStart, log};
use crate::sets::Set;
use crate::setup::Setup;
use crate::turn;

// The steps of a start that can fail. Notices and errors name them.

pub(crate) const CHECKING: &str = "checking the definition";
pub(crate) const CREATING: &str = "creating the pipeline";
pub(crate) const PUTTING: &str = "putting the pipeline definition";
pub(crate) const ACTIVATING: &str = "activating the pipeline";
const WRITING: &str = "writing the ledger";

/// The reason why a claimed run did not start.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The step that failed, as the beginning of the error message: `creating the pipeline`, for example.
    step: &'static str,
    error: anyhow::Error,
    kind: Kind,
}

/// The meaning of a failure for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Another try would fail in the same way, until somebody corrects the definition or the account.
    Final,
    /// A later try may succeed.
    Passing,
    /// The pipeline of the run does not exist any more. A later try may succeed with a new pipeline.
    PipelineGone,
    /// The ledger could not be written. The run may have started all the same; the next handler asks the service.
    Ledger,
}

impl Failure {
    /// Returns the failure of a call to the pipeline service.
    pub(crate) fn of_service(step: &'static str, error: PipelineError) -> Self {
        let kind = match error {
            PipelineError::Refused(_) => Kind::Final,
            PipelineError::Gone(_) => Kind::PipelineGone,
            PipelineError::Busy(_) | PipelineError::Unanswered(_) => Kind::Passing,
        };
        Self { step, error: error.into(), kind }
    }

    /// Returns the failure of a definition that validation or the service refuses.
    pub(crate) fn of_refusals(step: &'static str, refusals: &[Refusal]) -> Self {
        let lines: Vec<_> = refusals
            .iter()
            .map(|refusal| format!("object `{}`: {}", refusal.object, refusal.message))
            .collect();
        Self { step, error: anyhow!(lines.join("\n")), kind: Kind::Final }
    }

    /// Returns the failure of a read or a write of the ledger.
    pub(crate) fn of_ledger(error: anyhow::Error) -> Self {
        Self { step: WRITING, error, kind: Kind::Ledger }
    }

    /// Returns the failure of a start that took longer than its lease.
    pub(crate) fn too_late() -> Self {
        let error = anyhow!("the lease ended before the pipeline could be activated");
        Self { step: ACTIVATING, error, kind: Kind::Ledger }
    }

    /// Returns whether the service refused to create the pipeline.
    pub(crate) fn is_refused_creation(&self) -> bool {
        self.step == CREATING && self.kind == Kind::Final
    }
}

/// Publishes a notice about the failure, writes it into the ledger, and returns the error for the caller.
pub(crate) async fn record<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    claimed: &Entry,
    failure: Failure,
) -> anyhow::Error {
    let sent = publish(edges, setup, set, claimed, &failure).await;
    let now = setup.now();
    let text = format!("{}: {:#}", failure.step, failure.error);
    let written = claim::update(edges, setup, claimed, |ledger| {
        if let Some(id) = &sent {
            ledger.remember_notice(id);
        }
        let Some(head) = &mut ledger.head else { return };
        head.error = Some(text.clone());
        // The lease ends now, so that the next try does not have to wait for its end.
        head.lease_until = head.lease_until.min(now);
        match failure.kind {
            Kind::Final => head.state = HeadState::Failed,
            Kind::PipelineGone => head.pipeline_id = None,
            Kind::Passing | Kind::Ledger => {}
        }
    });
    if let Err(error) = written.await {
        log::failure_unrecorded(&error);
    }
    if let Some(head) = claimed.ledger.head.as_ref().filter(|_| failure.kind != Kind::Ledger)
        && let Err(error) = turn::give_back(edges, setup, set, &head.holder).await
    {
        log::turn_kept(&error);
    }
    failure.error.context(format!("{} of {}", failure.step, set.name))
}

/// Publishes the notice about a failure, unless the same notice was published before. Returns the id of the notice if
/// it was published now.
async fn publish<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    claimed: &Entry,
    failure: &Failure,
) -> Option<String> {
    let failed =
        FailedStart { step: failure.step, error: &failure.error, is_final: failure.kind == Kind::Final };
    let definition_uri = setup.book.home.definition_uri(&set.name.definition);
    let head = claimed.ledger.head.as_ref();
    let notice = report::not_started(&set.name, &set.bucket, head, &definition_uri, &failed);
    if failure.kind == Kind::Ledger || claimed.ledger.notices.contains(&notice.id) {
        return None;
    }
    match edges.publish(&notice).await {
        Ok(()) => Some(notice.id),
        Err(error) => {
            log::notice_unpublished(&error);
            None
        }
    }
}
