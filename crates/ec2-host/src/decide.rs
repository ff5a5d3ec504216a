//! Decides what to do about the machine of one resource: to start it, to end it, or to wait.
//!
//! EC2 may show a machine some seconds after it has started it. The host remembers the machines that it started, and the
//! attempt remembers the machine that was reported to it. A machine that is expected and not shown is waited for, and counts
//! as gone after [`PATIENCE`].

use jiff::{SignedDuration, Timestamp};

use crate::view::{Machine, Place, State};

/// How long a machine that EC2 does not show is waited for.
pub(crate) const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// The state in which the service wants the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    /// The machine must exist.
    Present {
        /// The id of the machine that was reported to the attempt, `i-…`.
        reported: Option<&'a str>,
    },
    /// The machine must end.
    Ended,
}

/// The facts that a host remembers of the machine of a resource until the host ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The machine that EC2 said it started.
    pub(crate) started: Option<Place>,
    /// EC2 said that a machine was started earlier, by another request, but not which one.
    pub(crate) was_started_before: bool,
    /// Since when a machine is expected that EC2 does not show.
    pub(crate) missing_since: Option<Timestamp>,
}

/// The decision about one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Start a machine.
    Start,
    /// End these machines, then give the answer.
    Answer {
        /// The machines to end.
        end: Vec<Place>,
        /// The answer to the service.
        answer: Answer,
    },
}

/// The answer to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The machine starts; EC2 may not show it yet.
    Starting(Option<Place>),
    /// The machine runs.
    Running(Place),
    /// There is no machine, and none will be made. The value is the reason.
    Gone(String),
    /// The machine must end, and has not ended yet.
    NotGone,
    /// The machine must end, and has ended.
    Ended,
}

/// Decides about the machine of one resource. `seen` are the machines of the resource that EC2 shows; `memory` changes along.
pub(crate) fn decide(wanted: Wanted<'_>, seen: &[Machine], memory: &mut Memory, now: Timestamp) -> Decision {
    match wanted {
        Wanted::Present { reported } => present(reported, seen, memory, now),
        Wanted::Ended => ended(seen, memory, now),
    }
}

fn present(reported: Option<&str>, seen: &[Machine], memory: &mut Memory, now: Timestamp) -> Decision {
    let started = memory.started.as_ref().map(|place| place.instance.clone());
    let expected = reported.map(str::to_owned).or(started);
    let of_run = |machine: &&Machine| expected.as_ref().is_none_or(|id| machine.place.instance == *id);
    // There is one machine at most. If somebody copied the tags to another machine, the first one counts.
    let lives = |machine: &&Machine| matches!(machine.state, State::Pending | State::Running);
    let mut ours: Vec<_> = seen.iter().filter(of_run).collect();
    ours.sort_by_key(|machine| (!lives(machine), &machine.place));
    let Some(ours) = ours.first() else {
        if expected.is_none() && !memory.was_started_before {
            return Decision::Start;
        }
        let answer = match is_missing(memory, now) {
            true => Answer::Gone("EC2 does not know the machine any more".to_owned()),
            false => Answer::Starting(None),
        };
        return Decision::Answer { end: to_end(seen.iter()), answer };
    };
    memory.missing_since = None;
    let answer = match ours.state {
        State::Pending => Answer::Starting(Some(ours.place.clone())),
        State::Running => Answer::Running(ours.place.clone()),
        State::Stopped | State::Ending | State::Ended => Answer::Gone(ours.reason.clone()),
    };
    let others = seen.iter().filter(|machine| machine.place != ours.place || !lives(machine));
    Decision::Answer { end: to_end(others), answer }
}

fn ended(seen: &[Machine], memory: &mut Memory, now: Timestamp) -> Decision {
    let mut end = to_end(seen.iter());
    if seen.iter().any(|machine| machine.state != State::Ended) {
        return Decision::Answer { end, answer: Answer::NotGone };
    }
    // The machine that this host started is ended even if EC2 does not show it yet.
    let unseen = memory.started.clone().filter(|place| seen.iter().all(|machine| machine.place != *place));
    let is_expected = unseen.is_some() || (memory.was_started_before && seen.is_empty());
    end.extend(unseen);
    match is_expected && !is_missing(memory, now) {
        true => Decision::Answer { end, answer: Answer::NotGone },
        false => Decision::Answer { end: Vec::new(), answer: Answer::Ended },
    }
}

fn to_end<'a>(machines: impl Iterator<Item = &'a Machine>) -> Vec<Place> {
    machines.filter(|machine| machine.state.must_be_ended()).map(|machine| machine.place.clone()).collect()
}

/// Returns whether an expected machine has been missing for too long. The first call starts the count of the time.
fn is_missing(memory: &mut Memory, now: Timestamp) -> bool {
    let since = *memory.missing_since.get_or_insert(now);
    now.duration_since(since) >= PATIENCE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::resource;

    fn place(instance: &str) -> Place {
        Place { region: "us-east-1".to_owned(), instance: instance.to_owned() }
    }

    fn machine(instance: &str, state: State) -> Machine {
        let id = resource("Box", 1, &[]).id;
        Machine { id, place: place(instance), state, reason: "its reason".to_owned() }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).expect("is a time")
    }

    fn wanted(reported: Option<&str>, seen: &[Machine], memory: &mut Memory, minute: i64) -> Decision {
        decide(Wanted::Present { reported }, seen, memory, at(minute))
    }

    fn answer(answer: Answer) -> Decision {
        Decision::Answer { end: Vec::new(), answer }
    }

    #[test]
    fn a_machine_is_started_once_and_waited_for_until_ec2_shows_it() {
        let mut memory = Memory::default();
        assert_eq!(wanted(None, &[], &mut memory, 0), Decision::Start);
        memory.started = Some(place("i-1"));
        assert_eq!(wanted(None, &[], &mut memory, 0), answer(Answer::Starting(None)));
        let pending = [machine("i-1", State::Pending)];
        assert_eq!(wanted(None, &pending, &mut memory, 1), answer(Answer::Starting(Some(place("i-1")))));
        let running = [machine("i-1", State::Running)];
        assert_eq!(wanted(Some("i-1"), &running, &mut memory, 2), answer(Answer::Running(place("i-1"))));
    }

    #[test]
    fn a_machine_that_vanishes_is_gone_after_the_patience_and_never_started_again() {
        let mut memory = Memory::default();
        assert_eq!(wanted(Some("i-1"), &[], &mut memory, 0), answer(Answer::Starting(None)));
        assert_eq!(wanted(Some("i-1"), &[], &mut memory, 2), answer(Answer::Starting(None)));
        let running = [machine("i-1", State::Running)];
        assert_eq!(wanted(Some("i-1"), &running, &mut memory, 2), answer(Answer::Running(place("i-1"))));
        assert_eq!(wanted(Some("i-1"), &[], &mut memory, 3), answer(Answer::Starting(None)));
        let gone = answer(Answer::Gone("EC2 does not know the machine any more".to_owned()));
        assert_eq!(wanted(Some("i-1"), &[], &mut memory, 6), gone);
        let mut unknown = Memory { was_started_before: true, ..Memory::default() };
        assert_eq!(wanted(None, &[], &mut unknown, 0), answer(Answer::Starting(None)));
        assert_eq!(wanted(None, &[], &mut unknown, 3), gone);
    }

    #[test]
    fn a_machine_that_ended_is_gone_with_its_reason_and_one_that_stopped_is_ended() {
        for state in [State::Ending, State::Ended] {
            let seen = [machine("i-1", state)];
            let gone = answer(Answer::Gone("its reason".to_owned()));
            assert_eq!(wanted(None, &seen, &mut Memory::default(), 0), gone);
        }
        let stopped = [machine("i-1", State::Stopped)];
        let gone = Answer::Gone("its reason".to_owned());
        let expected = Decision::Answer { end: vec![place("i-1")], answer: gone };
        assert_eq!(wanted(Some("i-1"), &stopped, &mut Memory::default(), 0), expected);
    }

    #[test]
    fn of_two_machines_of_one_resource_the_second_is_ended() {
        let seen = [machine("i-2", State::Running), machine("i-1", State::Running)];
        let kept = |instance, ended| Decision::Answer {
            end: vec![place(ended)],
            answer: Answer::Running(place(instance)),
        };
        assert_eq!(wanted(None, &seen, &mut Memory::default(), 0), kept("i-1", "i-2"));
        assert_eq!(wanted(Some("i-2"), &seen, &mut Memory::default(), 0), kept("i-2", "i-1"));
    }

    #[test]
    fn a_machine_is_ended_until_ec2_shows_its_end() {
        let end =
            |seen: &[Machine], memory: &mut Memory, minute| decide(Wanted::Ended, seen, memory, at(minute));
        let mut memory = Memory::default();
        let asked = Decision::Answer { end: vec![place("i-1")], answer: Answer::NotGone };
        assert_eq!(end(&[machine("i-1", State::Running)], &mut memory, 0), asked);
        assert_eq!(end(&[machine("i-1", State::Ending)], &mut memory, 1), answer(Answer::NotGone));
        assert_eq!(end(&[machine("i-1", State::Ended)], &mut memory, 2), answer(Answer::Ended));
        assert_eq!(end(&[], &mut memory, 2), answer(Answer::Ended));
        let mut started = Memory { started: Some(place("i-1")), ..Memory::default() };
        assert_eq!(end(&[], &mut started, 0), asked, "EC2 does not show it yet");
        assert_eq!(end(&[], &mut started, 3), answer(Answer::Ended));
        started.missing_since = None;
        assert_eq!(end(&[machine("i-1", State::Ended)], &mut started, 0), answer(Answer::Ended));
    }
}
