//! Computes how far the run of a pipeline came, from the pipeline's state and its instances.

use std::collections::HashSet;

use definition::status::Status;

use crate::ledger::Progress;
use crate::ports::{InstanceStatus, PipelineError, Pipelines};

/// Asks the service for the progress of the pipeline `id`.
pub(crate) async fn of(pipelines: &impl Pipelines, id: &str) -> Result<Progress, PipelineError> {
    let described = pipelines.describe(&[id.to_owned()]).await?;
    match described.first() {
        Some(pipeline) => of_described(pipelines, id, &pipeline.state).await,
        None => Ok(Progress::Gone),
    }
}

/// Asks the service for the progress of the pipeline `id`, whose `@pipelineState` is known.
pub(crate) async fn of_described(
    pipelines: &impl Pipelines,
    id: &str,
    state: &str,
) -> Result<Progress, PipelineError> {
    if let Some(progress) = by_state(state) {
        return Ok(progress);
    }
    let has_failures = match pipelines.has_failures(id).await {
        Ok(has_failures) => has_failures,
        Err(PipelineError::Gone(_)) => return Ok(Progress::Gone),
        Err(error) => return Err(error),
    };
    // Most runs need only this call. The instances are read only if some of them failed and others may still change.
    let is_finished = state.eq_ignore_ascii_case("FINISHED");
    let all = if has_failures && !is_finished { pipelines.instances(id).await? } else { Vec::new() };
    Ok(by_instances(state, has_failures, &all))
}

/// Returns the progress that the state alone shows; `None` if the progress also depends on the instances.
pub(crate) fn by_state(state: &str) -> Option<Progress> {
    match state.to_ascii_uppercase().as_str() {
        "PENDING" => Some(Progress::NotStarted),
        "DELETING" => Some(Progress::Gone),
        // Nothing moves in a deactivated pipeline, and the person who deactivated it decides what happens next.
        "INACTIVE" => Some(Progress::Failed),
        _ => None,
    }
}

fn by_instances(state: &str, has_failures: bool, instances: &[InstanceStatus]) -> Progress {
    match (state.eq_ignore_ascii_case("FINISHED"), has_failures) {
        (true, false) => Progress::Finished,
        (true, true) => Progress::Failed,
        (false, true) if !can_move(instances) => Progress::Failed,
        (false, _) => Progress::AtWork,
    }
}

/// Returns whether any instance can still change by itself.
///
/// An instance that waits for a failed one waits for ever, unless the failure mode is `cascade`.
fn can_move(instances: &[InstanceStatus]) -> bool {
    let mut unmovable: HashSet<&str> =
        instances.iter().filter(|instance| is_final(instance)).map(|instance| instance.id.as_str()).collect();
    let finished: HashSet<&str> =
        instances.iter().filter(|it| it.status == "FINISHED").map(|it| it.id.as_str()).collect();
    // Each round finds at least one more unmovable instance, or is the last round.
    loop {
        let blocked = instances.iter().filter(|instance| {
            instance.status == "WAITING_ON_DEPENDENCIES"
                && instance
                    .needs
                    .iter()
                    .any(|need| unmovable.contains(need.as_str()) && !finished.contains(need.as_str()))
        });
        let before = unmovable.len();
        unmovable = unmovable.iter().copied().chain(blocked.map(|instance| instance.id.as_str())).collect();
        if unmovable.len() == before {
            return unmovable.len() < instances.len();
        }
    }
}

fn is_final(instance: &InstanceStatus) -> bool {
    instance.status.parse().is_ok_and(Status::is_final)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(id: &str, status: &str, needs: &[&str]) -> InstanceStatus {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        InstanceStatus { id: id.to_owned(), status: status.to_owned(), needs, error_id: None }
    }

    #[test]
    fn a_run_ends_when_nothing_in_it_can_move() {
        let failed = [
            instance("a", "FAILED", &[]),
            instance("b", "WAITING_ON_DEPENDENCIES", &["a"]),
            instance("c", "WAITING_ON_DEPENDENCIES", &["b"]),
            instance("d", "FINISHED", &[]),
        ];
        assert_eq!(by_instances("SCHEDULED", true, &failed), Progress::Failed);
        for status in ["RUNNING", "WAITING_FOR_RUNNER", "CREATING"] {
            let mut instances = failed.to_vec();
            instances.push(instance("e", status, &[]));
            assert_eq!(by_instances("SCHEDULED", true, &instances), Progress::AtWork, "{status}");
        }
        assert_eq!(by_instances("SCHEDULED", false, &[]), Progress::AtWork);
        assert_eq!(by_instances("FINISHED", false, &[]), Progress::Finished);
        assert_eq!(by_instances("FINISHED", true, &[]), Progress::Failed);
        let waits_on_a_finished_one = [
            instance("a", "FAILED", &[]),
            instance("d", "FINISHED", &[]),
            instance("x", "WAITING_ON_DEPENDENCIES", &["d"]),
        ];
        assert_eq!(by_instances("SCHEDULED", true, &waits_on_a_finished_one), Progress::AtWork);
    }
}
