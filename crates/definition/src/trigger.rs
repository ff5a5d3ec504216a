//! The trigger of a definition: the files that start a run, as the `my…` fields of its `Default` object
//! describe them.
//!
//! A pattern such as `incoming/{day}/orders.csv` describes a file that the run needs. `{day}` is captured
//! from the key and has the same value in every file of a set. The orchestrator lists keys and starts runs;
//! this module only computes.

mod captures;
mod class;
mod clock;
mod date_form;
mod given;
mod matching;
mod near;
mod outputs;
mod overlap;
mod part;
mod pattern;
mod reading;
mod review;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::inherit::DEFAULT_ID;
use crate::kind::field::{self, FieldError, WaitFor};
use crate::kind::value_check;
use crate::{Definition, FieldValue, PipelineObject};

pub use crate::kind::field::{MatchMode, StaleRuns};
pub use captures::Captures;
pub use near::{NearMiss, Why};
pub use outputs::{Output, Overlap, outputs};
pub use pattern::{Pattern, Place};
pub use reading::Reading;
pub use review::Review;

use captures::parameter_id;
use part::Takes;
use pattern::Options;

/// The conditions under which drops start runs of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// `myDropFile`: one pattern for each file that the run needs.
    pub drop_files: Vec<Pattern>,
    /// `myDropFileOptional`: one pattern for each file that a run takes if it is there.
    pub optional_files: Vec<Pattern>,
    /// `myDropMarker`: the pattern of the file that says that all others are there. The run does not read it.
    pub marker: Option<Pattern>,
    /// `myMaxRunsPerDay`: how many runs may start in one day of the time zone.
    pub max_runs_per_day: Option<u32>,
    /// `myTimeZone`: where the days of the trigger begin.
    pub time_zone: TimeZone,
    /// `myStaleRuns`: the fate of earlier pipelines of the definition.
    pub stale_runs: StaleRuns,
    /// `myWaitFor`: when a set that is still incomplete causes a notice.
    pub wait_for: Option<WaitFor>,
    /// `myBackfill`: whether a set whose files arrived before the definition was first seen starts a run.
    pub backfill: bool,
    /// `myAllowEmpty`: whether an object without bytes is a file.
    pub allow_empty: bool,
    /// `mySettle`: changes of a set that follow each other within this time count as one.
    pub settle: Duration,
}

/// How a set needs the files of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without a file, the set is not whole.
    Required,
    /// A file is taken if it is there.
    Optional,
    /// A file, with or without bytes, must be there, and the run does not read it.
    Marker,
}

/// The key of an S3 object. It is a text, not a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Key(String);

impl S3Key {
    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for S3Key {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for S3Key {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for S3Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Trigger {
    /// Reads the trigger of `definition`. Returns `None` if drops never start the definition.
    ///
    /// # Errors
    ///
    /// [`FieldError`] for the first field of the trigger that cannot be read.
    pub fn of(definition: &Definition) -> Result<Option<Self>, FieldError> {
        let Some(default) = definition.object(DEFAULT_ID) else { return Ok(None) };
        let refused = |field| move |reason| FieldError { object: default.id.clone(), field, reason };
        let options = Options {
            ignores_case: field::MY_IGNORE_CASE.of(default)?,
            takes_packed: field::MY_COMPRESSED.of(default)?,
        };
        let read = |field| patterns(default, field, options).map_err(refused(field));
        let (drop_files, optional_files) = (read("myDropFile")?, read("myDropFileOptional")?);
        // The marker is a name that a program writes, and it is never packed.
        let markers = patterns(default, "myDropMarker", Options { takes_packed: false, ..options });
        let marker = markers.map_err(refused("myDropMarker"))?.into_iter().next();
        if drop_files.is_empty() {
            return match (optional_files.first(), &marker) {
                (None, None) => Ok(None),
                (Some(_), _) => Err(refused("myDropFileOptional")(WITHOUT_FILE.to_owned())),
                (None, Some(_)) => Err(refused("myDropMarker")(WITHOUT_FILE.to_owned())),
            };
        }
        let others = [("myDropFile", &drop_files), ("myDropFileOptional", &optional_files)];
        for (field, patterns) in others {
            same_names(&drop_files[0], patterns.iter()).map_err(refused(field))?;
        }
        same_names(&drop_files[0], marker.iter()).map_err(refused("myDropMarker"))?;
        let most = field::MY_MAX_RUNS_PER_DAY.of(default)?;
        Ok(Some(Self {
            drop_files,
            optional_files,
            marker,
            // No service starts more runs than `u32::MAX` in a day.
            max_runs_per_day: most.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
            time_zone: field::MY_TIME_ZONE.of(default)?,
            stale_runs: field::MY_STALE_RUNS.of(default)?,
            wait_for: field::MY_WAIT_FOR.of(default)?,
            backfill: field::MY_BACKFILL.of(default)?,
            allow_empty: field::MY_ALLOW_EMPTY.of(default)?,
            settle: field::MY_SETTLE.of(default)?.duration(),
        }))
    }

    /// Returns every pattern with the need for its files. The marker comes last.
    pub fn needs(&self) -> impl Iterator<Item = (&Pattern, Need)> {
        let required = self.drop_files.iter().map(|pattern| (pattern, Need::Required));
        let optional = self.optional_files.iter().map(|pattern| (pattern, Need::Optional));
        required.chain(optional).chain(self.marker.iter().map(|pattern| (pattern, Need::Marker)))
    }

    /// Returns every pattern.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.needs().map(|(pattern, _)| pattern)
    }

    /// Returns the patterns of the files that a run reads.
    pub fn data_patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.drop_files.iter().chain(&self.optional_files)
    }

    /// Returns the values that the first matching pattern captures from `key`.
    #[must_use]
    pub fn captures(&self, key: &str) -> Option<Captures> {
        self.patterns().find_map(|pattern| pattern.captures(key))
    }

    /// Returns the parameters that the captures give values to: `{day}` gives `myDay`.
    pub fn parameters(&self) -> impl Iterator<Item = String> {
        self.drop_files.first().into_iter().flat_map(Pattern::parameters)
    }

    /// Returns the literal beginnings of all patterns, sorted, without those that begin with another one.
    /// Listing them shows every file of every set once.
    #[must_use]
    pub fn literal_prefixes(&self) -> Vec<String> {
        let mut prefixes: Vec<String> = self.patterns().map(Pattern::literal_prefix).collect();
        prefixes.sort();
        prefixes.dedup_by(|later, earlier| later.starts_with(earlier.as_str()));
        prefixes
    }

    /// Returns the names in braces, sorted. Every pattern has the same names.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.drop_files.first().map(|pattern| pattern.names().into_keys().collect()).unwrap_or_default()
    }

    /// Returns whether the patterns capture values. Without captures, all drops belong to one set.
    #[must_use]
    pub fn has_captures(&self) -> bool {
        self.drop_files.iter().any(|pattern| !pattern.names().is_empty())
    }

    /// Returns the parameters whose values may have characters with a meaning in commands and queries: captures of a wide
    /// class, and `myDropKeys` if a key may have such characters.
    #[must_use]
    pub fn unsafe_parameters(&self) -> Vec<String> {
        let names = self.patterns().flat_map(Pattern::names);
        let mut unsafe_ids: Vec<String> =
            names.filter(|(_, takes)| !takes.is_safe()).map(|(name, _)| parameter_id(name)).collect();
        let has_free_text = self.data_patterns().any(Pattern::has_star);
        if has_free_text || !unsafe_ids.is_empty() {
            unsafe_ids.push("myDropKeys".to_owned());
        }
        unsafe_ids.sort();
        unsafe_ids.dedup();
        unsafe_ids
    }
}

/// The code of an output that a pattern of dropped files takes.
pub const OUTPUT_IS_DROP: &str = "OUTPUT_IS_DROP";

const WITHOUT_FILE: &str =
    "no drop starts the definition: it also needs `myDropFile`, the key of a file that a run needs";

fn patterns(default: &PipelineObject, field: &'static str, options: Options) -> Result<Vec<Pattern>, String> {
    let patterns = default.values(field).map(|value| match value {
        FieldValue::String(text) => Pattern::parse(text).map(|pattern| pattern.with(options)),
        FieldValue::Ref(_) => Err(value_check::not_text(field)),
    });
    patterns.collect()
}

/// Checks that all patterns have the names of the first one. A file without one of the names could belong to any set.
fn same_names<'a>(first: &Pattern, others: impl Iterator<Item = &'a Pattern>) -> Result<(), String> {
    let names = first.names();
    for other in others {
        same_in_itself(other)?;
        let of_other = other.names();
        if names.keys().ne(of_other.keys()) {
            return Err(format!(
                "`{}` and `{}` differ in their names in braces; every pattern needs the same ones. Write `*` for a part that \
                 differs from file to file, such as a time",
                first.as_str(),
                other.as_str()
            ));
        }
        let differs = |(name, takes): &(&&str, &&Takes)| {
            of_other.get(**name).is_some_and(|of_other| !takes.agrees_with(of_other))
        };
        if let Some((name, _)) = names.iter().find(differs) {
            return Err(format!(
                "`{{{name}}}` has other values in `{}` than in `{}`: write the same class in both, or a date with the same parts, \
                 such as `{{{name}:yyyyMMdd}}` and `{{{name}:yyyy-MM-dd}}`",
                other.as_str(),
                first.as_str()
            ));
        }
    }
    Ok(())
}

/// Checks that a name that stands twice in a pattern has values of one kind.
fn same_in_itself(pattern: &Pattern) -> Result<(), String> {
    let mut seen: BTreeMap<&str, &Takes> = BTreeMap::new();
    for (name, takes) in pattern.captures_in_order() {
        if !seen.entry(name).or_insert(takes).agrees_with(takes) {
            return Err(format!("`{}` has `{{{name}}}` twice, with different values", pattern.as_str()));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::period::Period;
    use crate::{Field, ParameterValue};

    fn definition(fields: &[(&str, &str)]) -> Definition {
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value)).collect();
        let default = PipelineObject { id: "Default".into(), name: "Default".to_owned(), fields };
        Definition { objects: vec![default], ..Definition::default() }
    }

    pub(in crate::trigger) fn trigger(patterns: &[&str]) -> Trigger {
        let fields: Vec<_> = patterns.iter().map(|pattern| ("myDropFile", *pattern)).collect();
        Trigger::of(&definition(&fields)).unwrap().unwrap()
    }

    fn refusal(fields: &[(&str, &str)]) -> String {
        Trigger::of(&definition(fields)).unwrap_err().to_string()
    }

    #[test]
    fn a_definition_without_patterns_is_never_triggered() {
        assert_eq!(Trigger::of(&definition(&[("myMaxRunsPerDay", "1")])), Ok(None));
        assert_eq!(Trigger::of(&Definition::default()), Ok(None));
    }

    #[test]
    fn a_name_is_captured_and_fills_its_parameter() {
        let trigger = trigger(&["incoming/{day}/orders.csv", "incoming/{day}/reviews.csv"]);
        let captures = trigger.captures("incoming/2026-11-20/reviews.csv").unwrap();
        let value = ParameterValue { id: "myDay".to_owned(), value: "2026-11-20".to_owned() };
        assert_eq!(captures.parameter_values(), [value]);
        assert_eq!(captures.encoded(), "day=2026-11-20");
        let keys: Vec<_> =
            trigger.patterns().map(|pattern| pattern.key(&captures).unwrap().to_string()).collect();
        assert_eq!(keys, ["incoming/2026-11-20/orders.csv", "incoming/2026-11-20/reviews.csv"]);
        assert_eq!(trigger.literal_prefixes(), ["incoming/"]);
    }

    #[test]
    fn errors_name_object_and_field() {
        let patterns = [
            ("incoming/{day/orders.csv", "a `{` without a `}`"),
            ("incoming/day}/orders.csv", "a `}` without a `{`"),
            ("incoming/{}/orders.csv", "a name begins with a letter"),
            ("incoming/{a}{b}.csv", "some text between them"),
            ("s3://bucket/{day}.csv", "without bucket name"),
            ("incoming/{a}*.csv", "some text between them"),
            ("incoming/{day:}.csv", "after the `:`"),
            ("incoming/{day:yyyy/MM}.csv", "a date in a key has no `/`"),
            ("incoming/{day:yyyyDD}.csv", "`d` is the day of the month"),
            ("incoming/{n:(a|b)}.csv", "has no meaning here"),
            ("incoming/{day}/", "write `incoming/{day}/*` for all files"),
        ];
        for (pattern, message) in patterns {
            let refusal = refusal(&[("myDropFile", pattern)]);
            assert!(refusal.starts_with("object `Default`, field `myDropFile`: "), "{refusal}");
            assert!(refusal.contains(message), "{refusal}");
        }
        for (field, value) in [
            ("myMaxRunsPerDay", "0"),
            ("myStaleRuns", "drop"),
            ("myWaitFor", "soon"),
            ("myBackfill", "yes"),
            ("myTimeZone", "Mars"),
        ] {
            let refusal = refusal(&[("myDropFile", "a/{day}.csv"), (field, value)]);
            assert!(refusal.contains(field) && refusal.contains(value), "{refusal}");
        }
    }

    #[test]
    fn patterns_of_one_set_have_the_same_names_with_the_same_values() {
        for (others, message) in [
            (&[("myDropFile", "fixed.csv")][..], "Write `*` for a part that differs"),
            (&[("myDropFileOptional", "{day}/{time}.csv")], "field `myDropFileOptional`: "),
            (&[("myDropMarker", "_SUCCESS")], "field `myDropMarker`: "),
            (&[("myDropFile", "{day:yyyyMMdd}.csv")], "`{day}` has other values"),
            (&[("myDropFile", "{day}/{day:yyyy}.csv")], "twice, with different values"),
        ] {
            let fields: Vec<_> = [("myDropFile", "{day}/a.csv")].iter().chain(others).copied().collect();
            let refusal = refusal(&fields);
            assert!(refusal.contains(message), "{refusal}");
        }
        let refusal = refusal(&[("myDropFileOptional", "a.csv")]);
        assert!(refusal.contains("also needs `myDropFile`"), "{refusal}");
        trigger(
            &["orders_{day:yyyyMMdd}.csv", "reviews-{day:yyyy-MM-dd}.csv", "{n:[0-9]+}_{day:dd.MM.yyyy}.csv"]
                [..2],
        );
    }

    #[test]
    fn only_wide_classes_and_stars_are_unsafe_in_commands() {
        let ids = |patterns: &[&str]| trigger(patterns).unsafe_parameters();
        assert_eq!(ids(&["in/{day}/{n:[0-9]+}_{on:yyyyMMdd}.csv"]), Vec::<String>::new());
        assert_eq!(ids(&["in/{day}/{name:[^/]+}.csv"]), ["myDropKeys", "myName"]);
        assert_eq!(ids(&["in/{day}/*.csv"]), ["myDropKeys"]);
    }

    #[test]
    fn every_field_is_read() {
        let fields = [
            ("myDropFile", "a.csv"),
            ("myMaxRunsPerDay", "3"),
            ("myTimeZone", "Europe/Berlin"),
            ("myStaleRuns", "Replace"),
            ("myWaitFor", "90 minutes"),
            ("myBackfill", "TRUE"),
            ("myDropFileOptional", "b.csv"),
            ("myDropMarker", "done"),
            ("myIgnoreCase", "true"),
            ("myCompressed", "true"),
            ("myAllowEmpty", "true"),
            ("mySettle", "1 minute"),
        ];
        let trigger = Trigger::of(&definition(&fields)).unwrap().unwrap();
        assert_eq!(trigger.max_runs_per_day, Some(3));
        assert_eq!(trigger.stale_runs, StaleRuns::Replace);
        assert_eq!(trigger.wait_for, Period::parse("90 minutes").ok().map(WaitFor::After));
        assert_eq!(trigger.time_zone.iana_name(), Some("Europe/Berlin"));
        assert!(trigger.backfill && !trigger.has_captures());
        assert_eq!(trigger.captures("a.csv").unwrap().encoded(), "all");
        assert!(trigger.captures("B.CSV.GZ").is_some() && trigger.captures("DONE").is_some());
        assert!(trigger.captures("done.gz").is_none() && trigger.allow_empty);
        assert_eq!(trigger.settle, Duration::from_secs(60));
        let needs: Vec<_> = trigger.needs().map(|(_, need)| need).collect();
        assert_eq!(needs, [Need::Required, Need::Optional, Need::Marker]);
    }
}
