//! The machines as EC2 describes them.

use aws_sdk_ec2::types::{Instance, InstanceStateName, Tag};
use engine::{AttemptId, PipelineId};
use server::host::ResourceId;

use crate::launch::{ATTEMPT_TAG, PIPELINE_TAG, REST_TAG};

/// A machine of this engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// The resource that the machine was started for.
    pub(crate) id: ResourceId,
    pub(crate) place: Place,
    pub(crate) state: State,
    /// The reason why the machine ended, in the words of EC2. Empty while it lives.
    pub(crate) reason: String,
}

/// The place of a machine: its region and its id there, `i-…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) region: String,
    pub(crate) instance: String,
}

/// The state of a machine, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The machine starts.
    Pending,
    /// The machine runs.
    Running,
    /// The machine stops or has stopped. It does no work, and must be ended.
    Stopped,
    /// The machine is being ended, which nothing can undo.
    Ending,
    /// The machine is gone. EC2 describes it for about an hour.
    Ended,
}

impl State {
    /// Returns whether somebody has to end the machine.
    pub(crate) fn must_be_ended(self) -> bool {
        match self {
            Self::Pending | Self::Running | Self::Stopped => true,
            Self::Ending | Self::Ended => false,
        }
    }
}

/// Reads the description of a machine. Returns `None` if this host did not start the machine: then its tags name no attempt.
pub(crate) fn machine(instance: &Instance, region: &str) -> Option<Machine> {
    let state = match instance.state()?.name()? {
        InstanceStateName::Running => State::Running,
        InstanceStateName::Stopping | InstanceStateName::Stopped => State::Stopped,
        InstanceStateName::ShuttingDown => State::Ending,
        InstanceStateName::Terminated => State::Ended,
        // EC2 may get further states. The host does not act on a state that it does not know.
        _ => State::Pending,
    };
    let place = Place { region: region.to_owned(), instance: instance.instance_id()?.to_owned() };
    let reason = match state {
        State::Pending | State::Running => String::new(),
        State::Stopped | State::Ending | State::Ended => reason(instance),
    };
    Some(Machine { id: id_of_tags(instance.tags())?, place, state, reason })
}

/// Returns the resource that the tags of a machine name.
pub(crate) fn id_of_tags(tags: &[Tag]) -> Option<ResourceId> {
    let value = |key: &str| tags.iter().find(|tag| tag.key() == Some(key))?.value();
    let rest = value(REST_TAG).unwrap_or_default();
    let attempt = AttemptId::from(format!("{}{rest}", value(ATTEMPT_TAG)?));
    attempt.parts()?;
    Some(ResourceId { pipeline: PipelineId::from(value(PIPELINE_TAG)?), attempt })
}

fn reason(instance: &Instance) -> String {
    let state_reason = instance.state_reason();
    let code = state_reason.and_then(|reason| reason.code()).unwrap_or_default();
    let message = state_reason.and_then(|reason| reason.message()).unwrap_or_default();
    let message =
        if message.is_empty() { instance.state_transition_reason().unwrap_or_default() } else { message };
    let ours = match code {
        "Server.SpotInstanceTermination" | "Server.SpotInstanceShutdown" => "EC2 took the spot machine back",
        "Server.InsufficientInstanceCapacity" => "EC2 had no machine of this type left in the zone",
        "Client.InstanceInitiatedShutdown" => {
            "the machine shut itself down, because it could not install ec2-worker or because a command did so"
        }
        "Client.UserInitiatedShutdown" => "somebody ended the machine",
        _ => "EC2 ended the machine",
    };
    // The message often begins with the code.
    match (message.is_empty(), message.starts_with(code)) {
        (true, _) if code.is_empty() => ours.to_owned(),
        (true, _) => format!("{ours} ({code})"),
        (false, true) => format!("{ours} ({message})"),
        (false, false) => format!("{ours} ({code}: {message})"),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{InstanceState, StateReason};

    use super::*;

    fn instance(state: InstanceStateName, code: &str, message: &str) -> Instance {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        Instance::builder()
            .instance_id("i-1")
            .state(InstanceState::builder().name(state).build())
            .state_reason(StateReason::builder().code(code).message(message).build())
            .tags(tag(PIPELINE_TAG, "df-1"))
            .tags(tag(ATTEMPT_TAG, "@Box_2030-01-31T22:00:00_Attempt=1"))
            .build()
    }

    #[test]
    fn every_state_of_ec2_has_a_meaning() {
        for (state, meaning, must_be_ended) in [
            (InstanceStateName::Pending, State::Pending, true),
            (InstanceStateName::Running, State::Running, true),
            (InstanceStateName::Stopping, State::Stopped, true),
            (InstanceStateName::Stopped, State::Stopped, true),
            (InstanceStateName::ShuttingDown, State::Ending, false),
            (InstanceStateName::Terminated, State::Ended, false),
            (InstanceStateName::from("hibernating"), State::Pending, true),
        ] {
            let machine = machine(&instance(state, "", ""), "us-east-1").expect("is ours");
            assert_eq!((machine.state, machine.state.must_be_ended()), (meaning, must_be_ended));
        }
    }

    #[test]
    fn the_reason_says_what_happened_and_quotes_ec2() {
        let reason = |code, message| {
            let instance = instance(InstanceStateName::Terminated, code, message);
            machine(&instance, "us-east-1").expect("is ours").reason
        };
        let spot = "Server.SpotInstanceTermination: Instance terminated";
        assert_eq!(
            reason("Server.SpotInstanceTermination", spot),
            format!("EC2 took the spot machine back ({spot})")
        );
        assert_eq!(reason("Client.X", "no"), "EC2 ended the machine (Client.X: no)");
        assert_eq!(reason("", ""), "EC2 ended the machine");
        let running = instance(InstanceStateName::Running, "pending", "pending");
        assert_eq!(machine(&running, "us-east-1").expect("is ours").reason, "");
    }

    #[test]
    fn a_machine_without_our_tags_is_not_ours() {
        let stranger = Instance::builder()
            .instance_id("i-1")
            .state(InstanceState::builder().name(InstanceStateName::Running).build())
            .build();
        assert_eq!(machine(&stranger, "us-east-1"), None);
    }
}
