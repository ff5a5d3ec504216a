//! The instances of a run by component and time: finds the instance that a reference means.
//!
//! A field of an instance refers to a component, and means that component's instance for the matching interval. This
//! instance is needed for every evaluated reference, and a run may hold many intervals. So the instance is found in a
//! sorted list and not by a search through all instances.

use std::collections::HashMap;

use definition::ObjectId;
use definition::schedule::Interval;
use jiff::{SignedDuration, Timestamp};

use crate::header::Header;
use crate::ids::InstanceId;
use crate::instance::Instance;
use crate::instance_index::InstanceIndex;
use crate::run::Run;

/// The instances of a run by component. It never changes.
#[derive(Debug, Default)]
pub(super) struct ByComponent {
    components: HashMap<ObjectId, InTime>,
    /// Whether the interval of every instance begins with the run. Then the id of an instance follows from its component.
    is_uniform: bool,
}

/// The instances of one component.
#[derive(Debug, Default)]
struct InTime {
    /// The start and position of each instance, in order of time.
    starts: Vec<(Timestamp, InstanceIndex)>,
    /// The length of the longest interval. The lengths can differ, because months differ, and because a precondition has
    /// the intervals of all its owners.
    longest: SignedDuration,
}

impl ByComponent {
    pub(super) fn of(header: &Header, instances: &[Instance]) -> Self {
        let mut components: HashMap<ObjectId, InTime> = HashMap::new();
        for (position, instance) in instances.iter().enumerate() {
            let Interval { start, end } = instance.interval_in(header);
            let in_time = match components.get_mut(&instance.component) {
                Some(known) => known,
                None => components.entry(instance.component.clone()).or_default(),
            };
            in_time.starts.push((start, InstanceIndex::new(position)));
            in_time.longest = in_time.longest.max(end.duration_since(start));
        }
        components.values_mut().for_each(|in_time| in_time.starts.sort_unstable());
        let starts_with_run = |instance: &Instance| instance.interval_in(header).start == header.scheduled;
        Self { components, is_uniform: instances.iter().all(starts_with_run) }
    }
}

impl Run {
    /// Returns the newest instance of `component` in this run.
    #[must_use]
    pub fn instance_of_component(&self, component: &ObjectId) -> Option<&Instance> {
        if self.index.by_component().is_uniform {
            return self.instance(InstanceId::new(component, self.header.scheduled).as_str());
        }
        let (_, at) = self.index.by_component().components.get(component)?.starts.last()?;
        Some(&self[*at])
    }

    /// Returns the instance of `component` for the interval of `other`.
    ///
    /// The counterpart is the instance whose interval contains the interval of `other`. If `component` has the shorter
    /// intervals, the counterpart is the newest instance that begins within the interval of `other`. Without `other`, the
    /// counterpart is the newest instance.
    pub(crate) fn counterpart(&self, component: &ObjectId, other: Option<&Instance>) -> Option<&Instance> {
        let Some(other) = other.filter(|_| !self.index.by_component().is_uniform) else {
            return self.instance_of_component(component);
        };
        let InTime { starts, longest } = self.index.by_component().components.get(component)?;
        let Interval { start, end } = self.interval(other);
        let before = |at: Timestamp| starts.partition_point(|(start, _)| *start < at);
        let by_start = starts.partition_point(|(begun, _)| *begun <= start);
        let within = before(start)..before(end);
        let instance = |(_, at): &(Timestamp, InstanceIndex)| &self[*at];
        // An interval that began earlier ends before `end`, because no interval is longer than `longest`.
        let may_hold = |(begun, _): &&(Timestamp, InstanceIndex)| end.duration_since(*begun) <= *longest;
        let around = starts[..by_start].iter().rev().take_while(may_hold).map(instance);
        let mut around = around.filter(|instance| end <= self.interval(instance).end);
        around.next().or_else(|| starts.get(within)?.last().map(instance))
    }

    /// Returns the id of the counterpart, or the component's own id if there is no counterpart.
    pub(crate) fn instance_of(&self, component: &ObjectId, other: Option<&Instance>) -> ObjectId {
        self.counterpart(component, other)
            .map_or_else(|| component.clone(), |instance| instance.id.object_id())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::expand::{Activation, Occasion, expand};
    use crate::plan::Plan;
    use crate::timetable::Timetable;

    /// A run of hours, half hours and three hours that depend on each other, each guarded by a precondition.
    fn nested() -> Run {
        let schedule = |id: &str, period: &str| {
            format!(
                r#"{{"id": "{id}", "type": "Schedule", "period": "{period}", "startDateTime": "2030-01-31T22:00:00",
                    "endDateTime": "2030-02-01T04:00:00"}}"#
            )
        };
        let shell = |id: &str, period: &str, needs: &str| {
            format!(
                r#"{{"id": "{id}", "type": "ShellCommandActivity", "command": "true", "schedule": {{"ref": "{period}"}},
                    "dependsOn": {{"ref": "{needs}"}}, "precondition": {{"ref": "Asked"}}}}"#
            )
        };
        let objects = [
            r#"{"id": "Default", "scheduleType": "cron", "workerGroup": "g"}"#.to_owned(),
            r#"{"id": "Asked", "type": "ShellCommandPrecondition", "command": "true"}"#.to_owned(),
            schedule("Short", "30 minutes"),
            schedule("Hourly", "1 hour"),
            schedule("Long", "3 hours"),
            shell("Half", "Short", "Whole"),
            shell("Hour", "Hourly", "Half"),
            shell("Sum", "Long", "Hour"),
            shell("Whole", "Long", "Whole").replace(r#""dependsOn": {"ref": "Whole"}, "#, ""),
        ];
        let definition =
            definition::file::parse(&format!(r#"{{"objects": [{}]}}"#, objects.join(", "))).unwrap();
        let plan = Arc::new(Plan::of(definition).unwrap());
        let at = crate::time::parse("2030-02-01T04:00:00").unwrap();
        let timetable = Arc::new(Timetable::of(&plan, at).unwrap().unwrap());
        let upcoming = timetable.next(None).unwrap();
        let occasion = Occasion::Scheduled { timetable, upcoming, is_skipped: false };
        let activation = Activation {
            pipeline: "df-1".into(),
            pipeline_name: "p".to_owned(),
            version: 1,
            at,
            occasion,
            paused: Default::default(),
        };
        expand(plan, activation).unwrap().0
    }

    #[test]
    fn the_search_by_time_finds_the_same_instance_as_a_search_through_all() {
        let run = nested();
        assert_eq!(run.instances().len(), 2 * (6 + 3 + 2));
        let by_searching = |component: &ObjectId, other: &Instance| {
            let Interval { start, end } = run.interval(other);
            let of_component = || run.instances().iter().filter(|it| it.component == *component);
            let holds = |it: &&Instance| run.interval(it).start <= start && end <= run.interval(it).end;
            let begins_in = |it: &&Instance| (start..end).contains(&run.interval(it).start);
            of_component().rfind(holds).or_else(|| of_component().rfind(begins_in))
        };
        for other in run.instances() {
            for component in ["Half", "Hour", "Sum", "Whole", "Asked", "Nobody"].map(ObjectId::from) {
                let found = run.counterpart(&component, Some(other)).map(|it| &it.id);
                assert_eq!(
                    found,
                    by_searching(&component, other).map(|it| &it.id),
                    "{component} of {}",
                    other.id
                );
            }
        }
        let newest = run.instance_of_component(&"Half".into()).map(|it| it.id.to_string());
        assert_eq!(newest.as_deref(), Some("@Half_2030-02-01T00:30:00"));
    }

    #[test]
    fn an_instance_depends_on_every_interval_that_overlaps_its_own() {
        let run = nested();
        let needs = |id: &str| {
            let activities =
                run.instance(id).unwrap().depends_on.iter().filter(|id| !id.as_str().contains("Asked"));
            activities.map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(needs("@Half_2030-01-31T22:30:00"), ["@Whole_2030-01-31T22:00:00"]);
        assert_eq!(
            needs("@Hour_2030-01-31T23:00:00"),
            ["@Half_2030-01-31T23:00:00", "@Half_2030-01-31T23:30:00"]
        );
        let hours = ["22:00:00", "23:00:00"].map(|hour| format!("@Hour_2030-01-31T{hour}"));
        let [first, second] = hours;
        assert_eq!(
            needs("@Sum_2030-01-31T22:00:00"),
            [first, second, "@Hour_2030-02-01T00:00:00".to_owned()]
        );
    }
}
