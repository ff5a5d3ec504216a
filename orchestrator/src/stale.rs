//! Decides which pipelines are stale, from the answers of the service and the ledger. All functions are pure.

use jiff::Timestamp;

use crate::ledger::{Head, HeadState, Ledger, Progress};
use crate::ports::{Description, PipelineName};

/// The tag that marks the orchestrator's own pipelines. A pipeline without it is never touched.
pub(crate) const DEFINITION_TAG: &str = "downspout:definition";

/// Returns the set in a pipeline's name, if the name is one of `definition`.
pub(crate) fn set_of<'a>(definition: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(definition)?.strip_prefix('/')
}

/// Returns the ids of the pipelines whose names are names of `definition`.
pub(crate) fn named(definition: &str, listing: &[PipelineName]) -> Vec<String> {
    let ours = listing.iter().filter(|pipeline| set_of(definition, &pipeline.name).is_some());
    ours.map(|pipeline| pipeline.id.clone()).collect()
}

/// Returns whether the pipeline has our tag for `definition`.
pub(crate) fn is_tagged(definition: &str, pipeline: &Description) -> bool {
    pipeline.tags.iter().any(|(key, value)| key == DEFINITION_TAG && value == definition)
}

/// Decides whether the pipeline `id` is stale.
///
/// `ledger` is the ledger of the pipeline's set. `ours` is the pipeline of the claim that asks. With `replaces`, runs
/// at work are stale too.
pub(crate) fn is_stale(
    id: &str,
    progress: Progress,
    ledger: &Ledger,
    ours: Option<&str>,
    replaces: bool,
    now: Timestamp,
) -> bool {
    if ours == Some(id) {
        return false;
    }
    let is_head = ledger.head.as_ref().is_some_and(|head| head.pipeline_id.as_deref() == Some(id));
    // The holder of the lease is starting this pipeline.
    if is_head && ledger.head.as_ref().is_some_and(|head| head.is_leased(now)) {
        return false;
    }
    match progress {
        Progress::Gone => false,
        Progress::Finished => true,
        Progress::Failed => has_succeeded_since(id, ledger),
        Progress::AtWork => replaces,
        // While the head is claimed or created, a handler may activate its pipeline or take the claim over. If the head
        // of this pipeline is activated or has ended, the answer of the service is out of date: the service is asked
        // before the ledger is read.
        Progress::NotStarted => ledger.head.as_ref().is_none_or(|head| match head.state {
            HeadState::Claimed | HeadState::Created => false,
            HeadState::Activated | HeadState::Finished | HeadState::Failed => !is_head,
            HeadState::Deferred | HeadState::Superseded => true,
        }),
    }
}

/// Returns whether a later run of the set finished. As long as no later run finished, people may need the failed
/// pipeline to find the cause.
fn has_succeeded_since(id: &str, ledger: &Ledger) -> bool {
    let is_this = |head: &&Head| head.pipeline_id.as_deref() == Some(id);
    let generation = ledger.heads().find(is_this).map_or(0, |head| head.generation);
    ledger.heads().any(|head| head.state == HeadState::Finished && head.generation > generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_under_the_definition_count() {
        assert_eq!(set_of("orders", "orders/day=1"), Some("day=1"));
        assert_eq!(set_of("orders", "orders-eu/day=1"), None);
        let other = Description {
            id: "df-1".to_owned(),
            name: "orders/day=1".to_owned(),
            state: "FINISHED".to_owned(),
            tags: vec![(DEFINITION_TAG.to_owned(), "other".to_owned())],
        };
        assert!(!is_tagged("orders", &other) && is_tagged("other", &other));
    }
}
