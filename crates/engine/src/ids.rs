//! Names of pipelines, runs, instances, attempts, tasks and runners.
//!
//! All of them are text on the wire. The forms that the engine makes itself can be read
//! back: an object id tells its run, and a task id tells its attempt.

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
            /// Returns the text as it is written.
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
    /// Id of a pipeline, `df-...`.
    PipelineId
}
id! {
    /// Id of a run within its pipeline: its scheduled start, `2030-01-31T22:00:00`.
    RunId
}
id! {
    /// Id of an instance, `@<component>_<scheduled start>`.
    InstanceId
}
id! {
    /// Id of an attempt, `<instance>_Attempt=<n>`.
    AttemptId
}
id! {
    /// Whoever polls: the host name that the runner gave.
    RunnerId
}
id! {
    /// The exact, case-sensitive routing word between work and task runners.
    WorkerGroup
}
id! {
    /// Id of a notice: the same notice has the same id, however often it is sent.
    NoticeId
}

impl WorkerGroup {
    /// Returns the group of the work that the service does itself. No user's group is called so: the wire takes no
    /// such character.
    #[must_use]
    pub fn service() -> Self {
        Self("\u{1}service".to_owned())
    }

    /// Returns the group of the work that runs on the instance `resource` of `pipeline`, which its own workers alone
    /// poll: nobody would name such a group by accident.
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

/// How many characters a scheduled start takes.
const START_LENGTH: usize = "2030-01-31T22:00:00".len();

impl RunId {
    /// Returns the id of the run that starts at `scheduled`.
    #[must_use]
    pub fn at(scheduled: Timestamp) -> Self {
        Self(time::wire(scheduled))
    }

    /// Returns the run that begins with the interval of the instance or attempt `object`: its own, unless its run is
    /// for a longer interval.
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

/// What stands between an instance's id and the number of its attempt.
const ATTEMPT_MARK: &str = "_Attempt=";

impl InstanceId {
    /// Returns the id of the instance of `component` whose interval begins at `start`.
    #[must_use]
    pub fn new(component: &ObjectId, start: Timestamp) -> Self {
        Self(format!("@{component}_{}", time::wire(start)))
    }

    /// Returns the start of its interval; `None` if the id is none that we made.
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

    /// Returns the range in which the ids of all attempts at `instance` are, as texts are ordered by their bytes. Where
    /// a component's id is made for it, there may be others.
    #[must_use]
    pub fn around(instance: &InstanceId) -> Range<String> {
        let begin = format!("{instance}{ATTEMPT_MARK}");
        // What follows is a number, and `:` is what follows `9`.
        Range { end: format!("{begin}:"), start: begin }
    }

    /// Returns the instance that this is an attempt at, and its number.
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

/// What a runner holds: one handing out of an attempt.
///
/// An attempt that nobody acknowledged is handed out again under the next `lease`, so that the
/// earlier holder's reports no longer count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskId {
    /// The attempt's pipeline.
    pub pipeline: PipelineId,
    /// The attempt.
    pub attempt: AttemptId,
    /// How often the attempt had been handed out by then, from 1.
    pub lease: u32,
}

impl TaskId {
    /// Returns the task whose text is `text`; `None` if we never made such a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pipeline, rest) = text.split_once('/')?;
        let (attempt, lease) = rest.rsplit_once('/')?;
        let attempt = AttemptId::from(attempt);
        attempt.parts()?;
        Some(Self { pipeline: PipelineId::from(pipeline), attempt, lease: lease.parse().ok()? })
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.pipeline, self.attempt, self.lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_id_tells_its_run() {
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
    fn the_attempts_at_an_instance_are_together() {
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
            TaskId { pipeline: PipelineId::from("df-1"), attempt: AttemptId::new(&instance, 2), lease: 3 };
        assert_eq!(TaskId::parse(&task.to_string()), Some(task));
        assert_eq!(TaskId::parse("nonsense"), None);
    }
}
