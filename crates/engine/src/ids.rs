//! Ids of pipelines, runs, instances, attempts, tasks and runners.
//!
//! All of them are texts on the wire. Ids that the engine makes can be read back: an object id names its run, and a task id
//! names its attempt.

use std::fmt;
use std::ops::Range;

use definition::ObjectId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Returns the id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// The id of a pipeline, `df-...`.
    PipelineId
}
id! {
    /// The id of a run within its pipeline: its scheduled start, `2030-01-31T22:00:00`.
    RunId
}
id! {
    /// The id of an instance, `@<component>_<scheduled start>`.
    InstanceId
}
id! {
    /// The id of an attempt, `<instance>_Attempt=<n>`.
    AttemptId
}
id! {
    /// The id of a task runner: the host name that it gives when it polls.
    RunnerId
}
id! {
    /// The name that routes work to task runners. Names are compared exactly, and case counts.
    WorkerGroup
}
id! {
    /// The id of a notice. A notice keeps its id however often it is sent.
    NoticeId
}

impl WorkerGroup {
    /// Returns the group of work that the service does itself. No user's group has this name, because the wire refuses its
    /// first character.
    #[must_use]
    pub fn service() -> Self {
        Self("\u{1}service".to_owned())
    }

    /// Returns the group of work that runs on the resource instance `resource` of `pipeline`. Only the resource's own workers
    /// poll it, because no user chooses a name of this form by accident.
    #[must_use]
    pub fn of_resource(pipeline: &PipelineId, resource: &InstanceId) -> Self {
        Self(format!("{pipeline}/{resource}"))
    }
}

impl InstanceId {
    /// Returns the id of the instance of the precondition `component` that guards `owner`.
    #[must_use]
    pub fn of_precondition(component: &ObjectId, owner: &Self) -> Self {
        Self(format!("@{component}_{}", owner.0.trim_start_matches('@')))
    }
}

/// The number of characters of a scheduled start.
const START_LENGTH: usize = "2030-01-31T22:00:00".len();

impl RunId {
    /// Returns the id of the run that starts at `scheduled`.
    #[must_use]
    pub fn at(scheduled: Timestamp) -> Self {
        Self(time::wire(scheduled))
    }

    /// Returns the id of the run whose scheduled start is the start in the id `object` of an instance or attempt; `None` if the
    /// engine did not make `object`.
    ///
    /// The instance belongs to this run, unless its own run is for a longer interval and began earlier.
    #[must_use]
    pub fn of_object(object: &str) -> Option<Self> {
        let instance = match object.rsplit_once(ATTEMPT_MARK) {
            Some((instance, number)) if number.parse::<u32>().is_ok() => instance,
            Some(_) | None => object,
        };
        let rest = instance.strip_prefix('@')?;
        let start = rest.get(rest.len().checked_sub(START_LENGTH)?..)?;
        time::parse(start).map(|_| Self(start.to_owned()))
    }
}

/// The text between an instance's id and the number of an attempt at it.
const ATTEMPT_MARK: &str = "_Attempt=";

impl InstanceId {
    /// Returns the id of the instance of `component` whose interval begins at `start`.
    #[must_use]
    pub fn new(component: &ObjectId, start: Timestamp) -> Self {
        Self(format!("@{component}_{}", time::wire(start)))
    }

    /// Returns the start of the instance's interval; `None` if the engine did not make this id.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        time::parse(self.0.get(self.0.len().checked_sub(START_LENGTH)?..)?)
    }

    /// Returns the same text as an object id.
    #[must_use]
    pub fn object_id(&self) -> ObjectId {
        ObjectId::from(self.as_str())
    }
}

impl AttemptId {
    /// Returns the id of the attempt `number` (from 1) at `instance`.
    #[must_use]
    pub fn new(instance: &InstanceId, number: u32) -> Self {
        Self(format!("{instance}{ATTEMPT_MARK}{number}"))
    }

    /// Returns a range of texts, in byte order, that contains the ids of all attempts at `instance`.
    ///
    /// The range may contain other ids too, if the id of a component looks like the id of an attempt.
    #[must_use]
    pub fn around(instance: &InstanceId) -> Range<String> {
        let begin = format!("{instance}{ATTEMPT_MARK}");
        // A number follows the mark, and `:` is the character after `9`.
        Range { end: format!("{begin}:"), start: begin }
    }

    /// Returns the instance and the number of the attempt; `None` if the engine did not make this id.
    #[must_use]
    pub fn parts(&self) -> Option<(InstanceId, u32)> {
        let (instance, number) = self.0.rsplit_once(ATTEMPT_MARK)?;
        Some((InstanceId::from(instance), number.parse().ok()?))
    }

    /// Returns the same text as an object id.
    #[must_use]
    pub fn object_id(&self) -> ObjectId {
        ObjectId::from(self.as_str())
    }
}

/// The id of a task: one handout of an attempt to a runner.
///
/// An attempt that its runner did not acknowledge is handed out again under the next `handout`, so that reports of the
/// earlier runner no longer count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskId {
    /// The pipeline of the attempt.
    pub pipeline: PipelineId,
    /// The attempt.
    pub attempt: AttemptId,
    /// The number of this handout, from 1.
    pub handout: u32,
}

impl TaskId {
    /// Reads the id of a task from `text`; `None` if the engine never makes such a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pipeline, rest) = text.split_once('/')?;
        let (attempt, handout) = rest.rsplit_once('/')?;
        let attempt = AttemptId::from(attempt);
        attempt.parts()?;
        Some(Self { pipeline: PipelineId::from(pipeline), attempt, handout: handout.parse().ok()? })
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.pipeline, self.attempt, self.handout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_id_names_its_run() {
        let start = time::parse("2030-01-31T22:00:00").unwrap();
        let (run, instance) = (RunId::at(start), InstanceId::new(&ObjectId::from("Load_A/b"), start));
        assert_eq!(RunId::of_object(instance.as_str()), Some(run.clone()));
        assert_eq!((instance.start(), InstanceId::from("@").start()), (Some(start), None));
        let guard = InstanceId::of_precondition(&ObjectId::from("Ready"), &instance);
        assert_eq!(guard.as_str(), "@Ready_Load_A/b_2030-01-31T22:00:00");
        assert_eq!(guard.start(), Some(start));
        assert_eq!(RunId::of_object(AttemptId::new(&instance, 12).as_str()), Some(run));
        assert_eq!(RunId::of_object("Load"), None);
        assert_eq!(RunId::of_object("@Loäd_2030-01-31T22:00:0ä"), None);
    }

    #[test]
    fn the_ids_of_all_attempts_at_an_instance_lie_in_one_range() {
        let instance = InstanceId::from("@A_2030-01-31T22:00:00");
        let around = AttemptId::around(&instance);
        for number in [1, 9, 10, u32::MAX] {
            assert!(around.contains(&AttemptId::new(&instance, number).to_string()), "{number}");
        }
        let other = InstanceId::from("@A_2030-01-31T22:00:01");
        assert!(!around.contains(&AttemptId::new(&other, 1).to_string()));
        assert!(!around.contains(&instance.to_string()));
    }

    #[test]
    fn a_task_id_reads_back() {
        let instance = InstanceId::from("@a/b_2030-01-31T22:00:00");
        let task =
            TaskId { pipeline: PipelineId::from("df-1"), attempt: AttemptId::new(&instance, 2), handout: 3 };
        assert_eq!(TaskId::parse(&task.to_string()), Some(task));
        assert_eq!(TaskId::parse("nonsense"), None);
    }
}
