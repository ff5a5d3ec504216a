//! The trigger of a definition: the files that start a run, as the `my…` fields of its `Default` object
//! describe them.
//!
//! A pattern such as `incoming/{day}/orders.csv` describes a file that the run needs. `{day}` is captured
//! from the key and has the same value in every file of a set. The orchestrator lists keys and starts runs;
//! this module only computes.

mod pattern;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::inherit::DEFAULT_ID;
use crate::kind::field::{self, FieldError};
use crate::kind::value_check;
use crate::period::Period;
use crate::{Definition, FieldValue, ParameterValue, PipelineObject};

pub use crate::kind::field::StaleRuns;
pub use pattern::Pattern;

/// The maximum length of a set's name in bytes. S3 keys have at most 1,024 bytes, so a longer name is cut and
/// ends with a hash of the whole name.
const MAX_ENCODED: usize = 160;
/// The characters of a value that are escaped in the name of a set.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// When and how drops start runs of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// `myDropFile`: one pattern for each file that the run needs.
    pub drop_files: Vec<Pattern>,
    /// `myMaxRunsPerDay`: how many runs may start in one UTC day.
    pub max_runs_per_day: Option<u32>,
    /// `myStaleRuns`: what happens to earlier pipelines of the definition.
    pub stale_runs: StaleRuns,
    /// `myWaitFor`: how long after the first file of an incomplete set a notice is sent.
    pub wait_for: Option<Period>,
    /// `myBackfill`: whether a set whose files arrived before the definition was first seen starts a run.
    pub backfill: bool,
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
        let drop_files = drop_files(default).map_err(|reason| FieldError {
            object: default.id.clone(),
            field: "myDropFile",
            reason,
        })?;
        if drop_files.is_empty() {
            return Ok(None);
        }
        let most = field::MY_MAX_RUNS_PER_DAY.of(default)?;
        Ok(Some(Self {
            drop_files,
            // No service starts more runs than `u32::MAX` in a day.
            max_runs_per_day: most.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
            stale_runs: field::MY_STALE_RUNS.of(default)?,
            wait_for: field::MY_WAIT_FOR.of(default)?,
            backfill: field::MY_BACKFILL.of(default)?,
        }))
    }

    /// Returns the values that the first matching pattern captures from `key`.
    #[must_use]
    pub fn captures(&self, key: &str) -> Option<Captures> {
        self.drop_files.iter().find_map(|pattern| pattern.captures(key))
    }

    /// Returns the keys of the set with these captures, one for each pattern, sorted.
    #[must_use]
    pub fn keys(&self, captures: &Captures) -> Vec<S3Key> {
        let keys: BTreeSet<S3Key> =
            self.drop_files.iter().filter_map(|pattern| pattern.key(captures)).collect();
        keys.into_iter().collect()
    }

    /// Returns the longest prefix that all keys of the set share. One listing of this prefix shows the whole
    /// set.
    #[must_use]
    pub fn listing_prefix(&self, captures: &Captures) -> String {
        let keys = self.keys(captures);
        let mut common = keys.first().map(|key| key.as_str().to_owned()).unwrap_or_default();
        for key in &keys {
            let shared = common.chars().zip(key.as_str().chars()).take_while(|(a, b)| a == b);
            let length: usize = shared.map(|(a, _)| a.len_utf8()).sum();
            common.truncate(length);
        }
        common
    }

    /// Returns the literal beginnings of all patterns, sorted, without those that begin with another one.
    /// Listing them shows every file of every set once.
    #[must_use]
    pub fn literal_prefixes(&self) -> Vec<String> {
        let mut prefixes: Vec<String> = self.drop_files.iter().map(Pattern::literal_prefix).collect();
        prefixes.sort();
        prefixes.dedup_by(|later, earlier| later.starts_with(earlier.as_str()));
        prefixes
    }

    /// Returns whether the patterns capture values. Without captures, all drops belong to one set.
    #[must_use]
    pub fn has_captures(&self) -> bool {
        self.drop_files.iter().any(|pattern| !pattern.names().is_empty())
    }
}

/// The captured values of a set, by name. All keys of the set have the same values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Captures(BTreeMap<String, String>);

impl Captures {
    /// Returns the value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the parameter values that the captures give: `{day}` gives `myDay`.
    #[must_use]
    pub fn parameter_values(&self) -> Vec<ParameterValue> {
        self.iter()
            .map(|(name, value)| ParameterValue { id: parameter_id(name), value: value.to_owned() })
            .collect()
    }

    /// Returns the name of the set, such as `day=2026-11-20`, or `all` without captures.
    ///
    /// Equal captures give equal names, and different captures give different names. The name is safe in keys
    /// and in pipeline names, whatever the values contain, and never begins with `_`.
    #[must_use]
    pub fn encoded(&self) -> String {
        if self.0.is_empty() {
            return "all".to_owned();
        }
        let pairs: Vec<String> = self
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED)))
            .collect();
        let whole = pairs.join(",");
        if whole.len() <= MAX_ENCODED {
            return whole;
        }
        // `~` is escaped in values, so a cut name never equals a complete name.
        format!("{}~{}", &whole[..MAX_ENCODED - 65], hex::encode(Sha256::digest(&whole)))
    }
}

impl fmt::Display for Captures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encoded())
    }
}

/// Returns the parameter that `{name}` gives a value to: `myName`.
fn parameter_id(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().fold("my".to_owned(), |id, letter| format!("{id}{letter}")) + letters.as_str()
}

fn drop_files(default: &PipelineObject) -> Result<Vec<Pattern>, String> {
    let patterns = default.values("myDropFile").map(|value| match value {
        FieldValue::String(text) => Pattern::parse(text),
        FieldValue::Ref(_) => Err(value_check::not_text("myDropFile")),
    });
    let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
    same_names(&patterns)?;
    Ok(patterns)
}

/// Checks that all patterns have the same names. A file without one of the names could belong to any set.
fn same_names(patterns: &[Pattern]) -> Result<(), String> {
    let Some((first, others)) = patterns.split_first() else { return Ok(()) };
    match others.iter().find(|other| other.names() != first.names()) {
        None => Ok(()),
        Some(other) => Err(format!(
            "`{}` and `{}` differ in their names in braces; every pattern needs the same ones",
            first.as_str(),
            other.as_str()
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Field;

    fn definition(fields: &[(&str, &str)]) -> Definition {
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value)).collect();
        let default = PipelineObject { id: "Default".into(), name: "Default".to_owned(), fields };
        Definition { objects: vec![default], ..Definition::default() }
    }

    fn trigger(patterns: &[&str]) -> Trigger {
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
        assert_eq!(trigger.listing_prefix(&captures), "incoming/2026-11-20/");
        let keys: Vec<_> = trigger.keys(&captures).iter().map(S3Key::to_string).collect();
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
            ("incoming/orders_*.csv", "`*` is no wildcard here; write a name in braces"),
        ];
        for (pattern, message) in patterns {
            let refusal = refusal(&[("myDropFile", pattern)]);
            assert!(refusal.starts_with("object `Default`, field `myDropFile`: "), "{refusal}");
            assert!(refusal.contains(message), "{refusal}");
        }
        for (field, value) in
            [("myMaxRunsPerDay", "0"), ("myStaleRuns", "drop"), ("myWaitFor", "soon"), ("myBackfill", "yes")]
        {
            let refusal = refusal(&[("myDropFile", "a/{day}.csv"), (field, value)]);
            assert!(refusal.contains(field) && refusal.contains(value), "{refusal}");
        }
    }

    #[test]
    fn patterns_of_one_set_have_the_same_names() {
        let refusal = refusal(&[("myDropFile", "{day}/a.csv"), ("myDropFile", "fixed.csv")]);
        assert!(refusal.contains("differ in their names"), "{refusal}");
    }

    #[test]
    fn every_field_is_read() {
        let fields = [
            ("myDropFile", "a.csv"),
            ("myMaxRunsPerDay", "3"),
            ("myStaleRuns", "Replace"),
            ("myWaitFor", "90 minutes"),
            ("myBackfill", "TRUE"),
        ];
        let trigger = Trigger::of(&definition(&fields)).unwrap().unwrap();
        assert_eq!(trigger.max_runs_per_day, Some(3));
        assert_eq!(trigger.stale_runs, StaleRuns::Replace);
        assert_eq!(trigger.wait_for, Period::parse("90 minutes").ok());
        assert!(trigger.backfill && !trigger.has_captures());
        assert_eq!(trigger.captures("a.csv").unwrap().encoded(), "all");
    }

    #[test]
    fn a_long_value_is_cut_and_stays_unique() {
        let pattern = Pattern::parse("{a}/x").unwrap();
        let of = |letter: &str| {
            let key = format!("{}{letter}/x", "ü".repeat(400));
            pattern.captures(&key).unwrap().encoded()
        };
        assert!(of("a").len() <= MAX_ENCODED && of("a") != of("b"));
    }

    proptest! {
        #[test]
        fn different_values_have_different_safe_names(one in "[^/]{1,80}", other in "[^/]{1,80}") {
            let pattern = Pattern::parse("{a}/x").unwrap();
            let name = |value: &str| pattern.captures(&format!("{value}/x")).unwrap().encoded();
            prop_assert_eq!(name(&one) == name(&other), one == other);
            prop_assert!(name(&one).bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'));
        }
    }
}
