//! The timetable of a scheduled pipeline: when its runs begin, and which intervals each run holds.
//!
//! A run is for one interval of the longest period in the definition. It holds the instances of all shorter intervals that
//! begin in it, so that instances which depend on each other across periods are always in one run. Most definitions have one
//! schedule for all objects; each of their runs is one interval.

use std::collections::HashMap;

use definition::kind::field::FieldError;
use definition::kind::{Group, Kind, field};
use definition::period::Period;
use definition::preview::Preview;
use definition::schedule::{Interval, Schedule, ScheduleType};
use definition::{ObjectId, PipelineObject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::expand_error::ExpandError;
use crate::instance::Role;
use crate::plan::Plan;
use crate::roles::{has_instances, needed_resources, role};

/// The maximum number of instances in one run. A run is in memory as a whole while it goes on, and its first save is one
/// transaction.
const MAX_INSTANCES: u64 = 100_000;

/// The times at which the runs of a scheduled pipeline begin, with the intervals that each run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timetable {
    /// A run begins at this time, and at every multiple of `period` before and after it.
    anchor: Timestamp,
    period: Period,
    schedules: Vec<SharedSchedule>,
}

/// A schedule and schedule type, and the objects that have both.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SharedSchedule {
    schedule: Schedule,
    schedule_type: ScheduleType,
    /// The objects with their positions in the definition.
    components: Vec<(usize, ObjectId)>,
}

/// A run that has not begun yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upcoming {
    /// The scheduled start of the run. The id of the run is made from it.
    pub start: Timestamp,
    /// The end of the run. The run holds only intervals that begin before this time. The next run begins at this time or later.
    pub end: Timestamp,
    /// The time at which the first instance may start. The run is made at this time.
    pub due: Timestamp,
}

/// One interval of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Occurrence {
    pub(crate) component: ObjectId,
    pub(crate) interval: Interval,
    /// The time at which the instance may start.
    pub(crate) release: Timestamp,
}

impl Timetable {
    /// Returns the timetable of `plan`, or `None` if its runs begin on demand.
    ///
    /// `activated` is the time at which the pipeline was first activated.
    ///
    /// # Errors
    ///
    /// [`ExpandError`] if an object that needs a schedule has none, or has one that cannot be read.
    pub fn of(plan: &Plan, activated: Timestamp) -> Result<Option<Self>, ExpandError> {
        let objects = plan.objects();
        let preview = Preview::new(objects, plan.parameters(), None);
        let mut schedules: Vec<SharedSchedule> = Vec::new();
        let needed = needed_resources(plan);
        let used = needed.iter().map(|needed| needed.resource).collect();
        for (position, object) in
            objects.iter().enumerate().filter(|(_, object)| has_instances(object, &used))
        {
            let schedule_type = field::SCHEDULE_TYPE.of(&preview.object(object))?;
            if schedule_type == ScheduleType::OnDemand {
                return Ok(None);
            }
            let is_resource = role(object) == Some(Role::Resource);
            // A machine may be created at the start of its interval, so the schedule type of a resource counts as `cron`. A
            // resource without `schedule` uses that of the first object that runs on it.
            let schedule_type = if is_resource { ScheduleType::Cron } else { schedule_type };
            let user = needed.iter().find(|needed| *needed.resource == object.id);
            let user = user.filter(|_| is_resource && object.reference("schedule").is_none());
            let timed = user.and_then(|user| plan.object(user.object.as_str())).unwrap_or(object);
            let Some(schedule) = schedule_of(plan, &preview, timed, activated)? else { return Ok(None) };
            let known = schedules
                .iter_mut()
                .find(|shared| (shared.schedule, shared.schedule_type) == (schedule, schedule_type));
            let component = (position, object.id.clone());
            match known {
                Some(shared) => shared.components.push(component),
                None => {
                    schedules.push(SharedSchedule { schedule, schedule_type, components: vec![component] })
                }
            }
        }
        let longest = schedules.iter().map(|shared| shared.schedule).max_by_key(|it| it.period.duration());
        let Some(Schedule { first: anchor, period, .. }) = longest else { return Ok(None) };
        let timetable = Self { anchor, period, schedules };
        timetable.check(plan)?;
        Ok(Some(timetable))
    }

    /// Returns the start of the first interval, the end of the last one, and the longest period. The end is `None` if one of the
    /// schedules has no end or no interval.
    #[must_use]
    pub fn span(&self) -> (Timestamp, Option<Timestamp>, Period) {
        let first = self.schedules.iter().map(|shared| shared.schedule.first).min();
        let ends = self.schedules.iter().map(|shared| shared.schedule.end_of_last(shared.schedule_type));
        let end = ends.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
        (first.unwrap_or(self.anchor), end, self.period)
    }

    /// Returns the first run with an interval that begins at or after `made_until`. `made_until` is the end of the last run that was
    /// made so far; if it is `None`, the first run of all is returned.
    ///
    /// Returns `None` if no interval begins at or after that time. Intervals before `made_until` are in earlier runs.
    #[must_use]
    pub fn next(&self, made_until: Option<Timestamp>) -> Option<Upcoming> {
        let from = made_until.unwrap_or(Timestamp::MIN);
        let first = self.schedules.iter().filter_map(|shared| {
            let number = shared.schedule.number_from(from);
            Some(shared.schedule.interval(number, shared.schedule_type)?.start)
        });
        let cut = self.start_of(first.min()?);
        self.upcoming(cut.max(from), self.end_of(cut))
    }

    /// Returns `run` with only those of its intervals that begin before `until`, or `None` if there are none.
    #[must_use]
    pub fn before(&self, run: Upcoming, until: Timestamp) -> Option<Upcoming> {
        self.upcoming(run.start, run.end.min(until))
    }

    fn upcoming(&self, start: Timestamp, end: Timestamp) -> Option<Upcoming> {
        let first = self.schedules.iter().filter_map(|SharedSchedule { schedule, schedule_type, .. }| {
            let interval = schedule.interval(schedule.number_from(start), *schedule_type)?;
            (interval.start < end).then(|| schedule_type.release(interval))
        });
        Some(Upcoming { start, end, due: first.min()? })
    }

    /// Returns each interval of each component in a run, sorted by the start of the interval and then by the position of the component
    /// in the definition.
    pub(crate) fn occurrences(&self, run: &Upcoming) -> Vec<Occurrence> {
        let mut occurrences = Vec::new();
        for SharedSchedule { schedule, schedule_type, components } in &self.schedules {
            let first = schedule.number_from(run.start);
            let intervals = (first..).map_while(|number| schedule.interval(number, *schedule_type));
            for interval in intervals.take_while(|interval| interval.start < run.end) {
                let release = schedule_type.release(interval);
                let of_component = |(position, id): &(usize, ObjectId)| {
                    let occurrence = Occurrence { component: id.clone(), interval, release };
                    ((interval.start, *position), occurrence)
                };
                occurrences.extend(components.iter().map(of_component));
            }
        }
        occurrences.sort_by_key(|(order, _)| *order);
        occurrences.into_iter().map(|(_, occurrence)| occurrence).collect()
    }

    /// Refuses definitions that cannot be cut into runs.
    ///
    /// A definition is refused if one run would hold too many instances. It is also refused if one object refers to another, and
    /// the intervals of the two do not nest, because their instances would be in different runs.
    fn check(&self, plan: &Plan) -> Result<(), ExpandError> {
        let longest = self.period.duration().as_secs();
        let instances = self.schedules.iter().map(|shared| {
            let each = longest / shared.schedule.period.duration().as_secs().max(1);
            // Each precondition of an object is one more instance.
            let with_preconditions = |(_, id): &(usize, ObjectId)| {
                1 + plan.object(id.as_str()).map_or(0, |object| object.references("precondition").count())
            };
            each.saturating_mul(shared.components.iter().map(with_preconditions).sum::<usize>() as u64)
        });
        let instances = instances.fold(0, u64::saturating_add);
        let first = |shared: &SharedSchedule| shared.components.first().map(|(_, id)| id.clone());
        if instances > MAX_INSTANCES {
            let object = self.schedules.iter().find_map(first).unwrap_or_else(|| ObjectId::from(""));
            let reason = format!(
                "an interval of {} holds {instances} instances of this definition; at most {MAX_INSTANCES} fit into \
                 a run: use one definition for each period",
                self.period
            );
            return Err(FieldError { object, field: "schedule", reason }.into());
        }
        let leading = Schedule { first: self.anchor, period: self.period, occurrences: None, end: None };
        let schedule_of: HashMap<&ObjectId, &Schedule> = self
            .schedules
            .iter()
            .flat_map(|shared| shared.components.iter().map(move |(_, id)| (id, &shared.schedule)))
            .collect();
        for (id, own) in &schedule_of {
            let Some(object) = plan.object(id.as_str()) else { continue };
            for field in ["dependsOn", "input", "output", "runsOn"] {
                let other = object.references(field).find(|target| {
                    let other = schedule_of.get(target).copied().unwrap_or(own);
                    other != *own && !(nest(own, other) && nest(own, &leading) && nest(other, &leading))
                });
                if let Some(target) = other {
                    let reason = format!(
                        "refers to `{target}`, but the intervals of the two schedules do not nest: let the shorter schedule \
                         begin when an interval of the longer one begins"
                    );
                    return Err(FieldError { object: (*id).clone(), field, reason }.into());
                }
            }
        }
        Ok(())
    }

    /// Returns the start of the run that holds an interval beginning at `at`.
    fn start_of(&self, at: Timestamp) -> Timestamp {
        let count = self.period.count_until(self.anchor, at);
        let start = |count| self.period.nth_after(self.anchor, count).unwrap_or(at);
        if start(count) == at { at } else { start(count - 1) }
    }

    fn end_of(&self, start: Timestamp) -> Timestamp {
        let count = self.period.count_until(self.anchor, start);
        self.period.nth_after(self.anchor, count + 1).unwrap_or(Timestamp::MAX)
    }
}

/// Returns whether each interval of the longer schedule begins and ends together with intervals of the shorter one.
fn nest(one: &Schedule, other: &Schedule) -> bool {
    let is_longer = one.period.duration() >= other.period.duration();
    let (long, short) = if is_longer { (one, other) } else { (other, one) };
    let hits = |at: Timestamp| {
        let count = short.period.count_until(short.first, at);
        short.period.nth_after(short.first, count) == Some(at)
    };
    hits(long.first) && hits(long.period.after(long.first))
}

fn schedule_of<'a>(
    plan: &'a Plan,
    preview: &Preview<'a>,
    object: &PipelineObject,
    activated: Timestamp,
) -> Result<Option<Schedule>, ExpandError> {
    let missing = || ExpandError::NoSchedule { object: object.id.clone() };
    let id = object.reference("schedule").ok_or_else(missing)?;
    let schedule = plan.object(id.as_str()).filter(|it| kind_group(it) == Some(Group::Schedule));
    let schedule = schedule.ok_or_else(missing)?;
    Ok(Schedule::of(&preview.object(schedule), activated)?)
}

fn kind_group(object: &PipelineObject) -> Option<Group> {
    Kind::of(object).map(Kind::group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use definition::file;

    fn at(text: &str) -> Timestamp {
        crate::time::parse(text).unwrap()
    }

    fn timetable(objects: &str) -> Timetable {
        let plan = Plan::of(file::parse(&format!(r#"{{"objects": [{objects}]}}"#)).unwrap()).unwrap();
        Timetable::of(&plan, at("2030-01-31T22:00:00")).unwrap().unwrap()
    }

    fn starts(timetable: &Timetable) -> Vec<(String, String)> {
        let next = |before: &Upcoming| timetable.next(Some(before.end));
        std::iter::successors(timetable.next(None), next)
            .take(4)
            .map(|upcoming| (crate::time::wire(upcoming.start), crate::time::wire(upcoming.due)))
            .collect()
    }

    const HOURLY: &str = r#"{"id": "Hourly", "type": "Schedule", "period": "1 hour",
        "startDateTime": "2030-01-31T22:00:00", "occurrences": "2"}"#;

    fn shell(id: &str, schedule: &str, kind: &str) -> String {
        format!(
            r#"{{"id": "{id}", "type": "ShellCommandActivity", "command": "true", "workerGroup": "g",
                "schedule": {{"ref": "{schedule}"}}, "scheduleType": "{kind}"}}"#
        )
    }

    #[test]
    fn one_schedule_makes_a_run_of_each_interval_due_at_its_start_or_end() {
        let cron = timetable(&format!("{HOURLY}, {}", shell("A", "Hourly", "CRON")));
        let hours = ["2030-01-31T22:00:00", "2030-01-31T23:00:00", "2030-02-01T00:00:00"].map(str::to_owned);
        let [first, second, third] = hours;
        assert_eq!(starts(&cron), [(first.clone(), first.clone()), (second.clone(), second.clone())]);
        let series = timetable(&format!("{HOURLY}, {}", shell("A", "Hourly", "timeseries")));
        assert_eq!(starts(&series), [(first, second.clone()), (second, third)]);
    }

    #[test]
    fn a_run_holds_the_shorter_intervals_that_begin_in_it() {
        let daily = r#"{"id": "Daily", "type": "Schedule", "period": "1 day",
            "startDateTime": "2030-02-01T00:00:00", "occurrences": "1"}"#;
        let long = HOURLY.replace(r#""occurrences": "2""#, r#""endDateTime": "2030-02-02T02:00:00""#);
        let both = timetable(&format!(
            "{daily}, {long}, {}, {}",
            shell("A", "Hourly", "cron"),
            shell("B", "Daily", "cron")
        ));
        let runs = starts(&both);
        let days = ["2030-01-31T00:00:00", "2030-02-01T00:00:00", "2030-02-02T00:00:00"];
        assert_eq!(runs.iter().map(|(start, _)| start.as_str()).collect::<Vec<_>>(), days);
        let held = std::iter::successors(both.next(None), |before| both.next(Some(before.end)));
        let counts: Vec<_> = held.map(|run| both.occurrences(&run).len()).collect();
        assert_eq!(counts, [2, 25, 2], "before, within and after the only day of the daily one");
        assert_eq!(runs[0].1, "2030-01-31T22:00:00", "due with its first instance");
    }

    #[test]
    fn a_later_start_passes_over_intervals_that_began_before() {
        let cron = timetable(&format!("{HOURLY}, {}", shell("A", "Hourly", "cron")));
        let next = |text| cron.next(Some(at(text))).map(|upcoming| crate::time::wire(upcoming.start));
        assert_eq!(next("2030-01-31T21:00:00").as_deref(), Some("2030-01-31T22:00:00"));
        assert_eq!(next("2030-01-31T22:00:00").as_deref(), Some("2030-01-31T22:00:00"));
        assert_eq!(next("2030-01-31T22:00:01").as_deref(), Some("2030-01-31T23:00:00"));
        assert_eq!(next("2030-01-31T23:00:01"), None);
    }
}
