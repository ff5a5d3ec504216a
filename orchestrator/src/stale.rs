//! Which pipelines are stale: pure functions of what the service shows and the ledger says.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::ledger::{Ending, Head, Ledger, State};
use crate::ports::{Description, InstanceStatus, PipelineName};

/// The tag by which our pipelines are known; a pipeline without it is nobody's business of ours.
pub(crate) const DEFINITION_TAG: &str = "downspout:definition";

/// Returns the name of the pipelines of a set.
pub(crate) fn pipeline_name(definition: &str, set: &str) -> String {
    format!("{definition}/{set}")
}

/// Returns the set in a pipeline's name, if it may be one of `definition`.
pub(crate) fn set_of<'a>(definition: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(definition)?.strip_prefix('/')
}

/// Returns the ids of the pipelines that are named like ones of `definition`.
pub(crate) fn named(definition: &str, listing: &[PipelineName]) -> Vec<String> {
    let ours = listing.iter().filter(|pipeline| set_of(definition, &pipeline.name).is_some());
    ours.map(|pipeline| pipeline.id.clone()).collect()
}

/// Returns whether the pipeline carries our tag for `definition`.
pub(crate) fn is_tagged(definition: &str, pipeline: &Description) -> bool {
    pipeline.tags.iter().any(|(key, value)| key == DEFINITION_TAG && value == definition)
}

/// Returns what a pipeline's state says alone; `None` when its instances must be asked.
pub(crate) fn ending_by_state(state: &str) -> Option<Ending> {
    match state.to_ascii_uppercase().as_str() {
        "PENDING" => Some(Ending::NotStarted),
        "DELETING" => Some(Ending::Gone),
        // Whoever deactivated it took it out of our hands; nothing in it moves.
        "INACTIVE" => Some(Ending::Failed),
        _ => None,
    }
}

/// Returns how a pipeline ended, by its state and its instances.
pub(crate) fn ending(state: &str, has_failures: bool, instances: &[InstanceStatus]) -> Ending {
    match (state.eq_ignore_ascii_case("FINISHED"), has_failures) {
        (true, false) => Ending::Finished,
        (true, true) => Ending::Failed,
        (false, true) if !can_move(instances) => Ending::Failed,
        (false, _) => Ending::AtWork,
    }
}

/// Returns whether any instance can still change by itself.
///
/// An instance that waits on a failed one waits for ever unless the mode is `cascade`.
fn can_move(instances: &[InstanceStatus]) -> bool {
    let mut stuck: HashSet<&str> =
        instances.iter().filter(|instance| is_final(instance)).map(|instance| instance.id.as_str()).collect();
    let finished: HashSet<&str> =
        instances.iter().filter(|it| it.status == "FINISHED").map(|it| it.id.as_str()).collect();
    // Each round finds at least one more instance stuck, or is the last.
    loop {
        let blocked = instances.iter().filter(|instance| {
            instance.status == "WAITING_ON_DEPENDENCIES"
                && instance
                    .needs
                    .iter()
                    .any(|need| stuck.contains(need.as_str()) && !finished.contains(need.as_str()))
        });
        let before = stuck.len();
        stuck = stuck.iter().copied().chain(blocked.map(|instance| instance.id.as_str())).collect();
        if stuck.len() == before {
            return stuck.len() < instances.len();
        }
    }
}

fn is_final(instance: &InstanceStatus) -> bool {
    matches!(
        instance.status.as_str(),
        "FINISHED" | "FAILED" | "CANCELED" | "CASCADE_FAILED" | "TIMEDOUT" | "SKIPPED"
    )
}

/// Decides whether the pipeline `id` is stale.
///
/// `ledger` is that of the pipeline's set, `ours` the pipeline of the claim that asks, `replaces` whether runs at
/// work go as well.
pub(crate) fn is_stale(
    id: &str,
    ending: Ending,
    ledger: &Ledger,
    ours: Option<&str>,
    replaces: bool,
    now: Timestamp,
) -> bool {
    if ours == Some(id) {
        return false;
    }
    let is_head = ledger.head.as_ref().is_some_and(|head| head.pipeline_id.as_deref() == Some(id));
    // Its holder has not yet written down how far it came.
    if is_head && ledger.head.as_ref().is_some_and(|head| head.is_leased(now)) {
        return false;
    }
    match ending {
        Ending::Gone => false,
        Ending::Finished => true,
        Ending::Failed => has_succeeded_since(id, ledger),
        Ending::AtWork => {
            replaces && !ledger.head.as_ref().is_some_and(|head| is_head && head.is_leased(now))
        }
        // A claim that is not settled may be just about to activate it, or be taken over. A head that started did so
        // since the pipeline was looked at: the ledger is read after that.
        Ending::NotStarted => ledger.head.as_ref().is_none_or(|head| match head.state {
            State::Claimed | State::Created => false,
            State::Activated | State::Finished | State::Failed => !is_head,
            State::Deferred | State::Superseded => true,
        }),
    }
}

/// A failed pipeline is what its owner looks at until the set's files got through.
fn has_succeeded_since(id: &str, ledger: &Ledger) -> bool {
    let is_this = |head: &&Head| head.pipeline_id.as_deref() == Some(id);
    let generation = ledger.heads().find(is_this).map_or(0, |head| head.generation);
    ledger.heads().any(|head| head.state == State::Finished && head.generation > generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(id: &str, status: &str, needs: &[&str]) -> InstanceStatus {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        InstanceStatus { id: id.to_owned(), status: status.to_owned(), needs }
    }

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

    #[test]
    fn a_run_ends_when_nothing_in_it_can_move() {
        let failed = [
            instance("a", "FAILED", &[]),
            instance("b", "WAITING_ON_DEPENDENCIES", &["a"]),
            instance("c", "WAITING_ON_DEPENDENCIES", &["b"]),
            instance("d", "FINISHED", &[]),
        ];
        assert_eq!(ending("SCHEDULED", true, &failed), Ending::Failed);
        for status in ["RUNNING", "WAITING_FOR_RUNNER", "CREATING"] {
            let mut instances = failed.to_vec();
            instances.push(instance("e", status, &[]));
            assert_eq!(ending("SCHEDULED", true, &instances), Ending::AtWork, "{status}");
        }
        assert_eq!(ending("SCHEDULED", false, &[]), Ending::AtWork);
        assert_eq!(ending("FINISHED", false, &[]), Ending::Finished);
        assert_eq!(ending("FINISHED", true, &[]), Ending::Failed);
        let waits_on_a_finished_one = [
            instance("a", "FAILED", &[]),
            instance("d", "FINISHED", &[]),
            instance("x", "WAITING_ON_DEPENDENCIES", &["d"]),
        ];
        assert_eq!(ending("SCHEDULED", true, &waits_on_a_finished_one), Ending::AtWork);
    }
}
