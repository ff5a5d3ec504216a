//! Decides whether a run gives its slot of the day's cap back to later content of its set.
//!
//! A run counts for the cap because a day has only so many contents that are worth a run. The run of a file that was still
//! being written was worth none.

use std::time::Duration;

use anyhow::Context as _;

use crate::ledger::{Content, Head, HeadState, Ledger, after};
use crate::ports::{InstanceStatus, PipelineError, Pipelines};

/// The errors of `ec2-worker` about an input that was replaced while the run was at work, or that has no rows.
const OF_INPUT: [&str; 2] = ["BadInput:ObjectChanged", "BadInput:NoRows"];

/// Notes in the ledger that its head gives its slot back to `content`, if the head's run was of content that was not ready.
pub(crate) async fn note(
    pipelines: &impl Pipelines,
    ledger: &mut Ledger,
    content: &Content,
    settle: Duration,
) -> anyhow::Result<()> {
    note_change(ledger, content, settle);
    let Some(head) = &mut ledger.head else { return Ok(()) };
    let asks = head.state == HeadState::Failed && head.run_key != content.run_key && !head.returns_slot;
    let Some(id) = head.pipeline_id.as_ref().filter(|_| asks && head.slot.is_some()) else { return Ok(()) };
    // A failed pipeline stays until its set succeeds. If a person deleted it, the reason of the failure is unknown.
    match pipelines.instances(id).await {
        Ok(instances) => head.returns_slot = failed_of_input(&instances),
        Err(PipelineError::Gone(_) | PipelineError::Refused(_)) => {}
        // Without an answer, the set would lose its slot. Another try decides.
        Err(error) => return Err(error).context("asking why the earlier run failed"),
    }
    Ok(())
}

/// Notes in the ledger that its head gives its slot back, if the files changed to `content` within `settle` of the head's
/// claim.
pub(crate) fn note_change(ledger: &mut Ledger, content: &Content, settle: Duration) {
    if let Some(head) = &mut ledger.head
        && has_changed_within(head, content, settle)
    {
        head.returns_slot = true;
    }
}

fn has_changed_within(head: &Head, content: &Content, settle: Duration) -> bool {
    let newest = content.files.iter().map(|file| file.modified).max();
    head.run_key != content.run_key && newest.is_some_and(|newest| newest < after(head.claimed_at, settle))
}

/// Returns whether every failure was one of the input.
fn failed_of_input(instances: &[InstanceStatus]) -> bool {
    let mut errors =
        instances.iter().filter(|it| it.status == "FAILED").map(|it| it.error_id.as_deref()).peekable();
    errors.peek().is_some() && errors.all(|error| error.is_some_and(|error| OF_INPUT.contains(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_of_the_input_give_the_slot_back() {
        let instance = |status: &str, error: Option<&str>| InstanceStatus {
            id: "i".to_owned(),
            status: status.to_owned(),
            needs: Vec::new(),
            error_id: error.map(str::to_owned),
        };
        let changed = instance("FAILED", Some("BadInput:ObjectChanged"));
        let rest = [instance("CASCADE_FAILED", None), instance("FINISHED", None)];
        assert!(failed_of_input(&[std::slice::from_ref(&changed), &rest[..]].concat()));
        assert!(!failed_of_input(&rest));
        for other in [Some("BadInput:AllRejected"), None] {
            assert!(!failed_of_input(&[changed.clone(), instance("FAILED", other)]));
        }
    }
}
