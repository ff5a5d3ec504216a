//! From a key to the file sets that it belongs to.

use std::sync::Arc;

use definition::ParameterValue;
use definition::trigger::{Captures, MatchMode, StaleRuns, Trigger};
use jiff::Timestamp;

use crate::definitions::{Definitions, Loaded, UsableDefinition};
use crate::ledger::DroppedFile;
use crate::prepare::{self, DroppedSet, Prepared};
use crate::report::{self, Decision};
use crate::set_name::SetName;
use crate::setup::Setup;

/// A file set of a definition.
pub(crate) struct Set<'a> {
    pub name: SetName,
    pub trigger: &'a Trigger,
    pub bucket: String,
    /// The values captured from the keys. Their encoded form is the second part of the name.
    pub captures: Captures,
    /// The time at which the file of the definition was uploaded.
    pub uploaded: Timestamp,
    definition: &'a UsableDefinition,
    values: &'a [ParameterValue],
}

impl<'a> Set<'a> {
    /// Returns the set of a definition with these captured values.
    pub(crate) fn new(
        (file, definition, trigger): (&'a Arc<Loaded>, &'a UsableDefinition, &'a Trigger),
        values: &'a [ParameterValue],
        bucket: &str,
        captures: Captures,
    ) -> Self {
        let name = SetName { definition: file.name.clone(), id: captures.encoded() };
        Self {
            name,
            trigger,
            bucket: bucket.to_owned(),
            captures,
            uploaded: file.modified,
            definition,
            values,
        }
    }

    /// Returns whether `myStaleRuns` is `replace`.
    pub(crate) fn replaces(&self) -> bool {
        self.trigger.stale_runs == StaleRuns::Replace
    }

    /// Returns the definition with the parameter values of this set, and its inputs pinned to `files`.
    pub(crate) fn prepared(&self, files: &[DroppedFile], setup: &Setup) -> Prepared {
        let drop = DroppedSet { topic_arn: &setup.config.topic_arn, ..self.dropped(files) };
        prepare::prepared(&self.definition.definition, self.trigger, &drop, &setup.book)
    }

    /// Returns the locations in S3 to which the pipeline of this set writes.
    fn written_locations(&self, setup: &Setup) -> Vec<String> {
        let drop = DroppedSet { topic_arn: &setup.config.topic_arn, ..self.dropped(&[]) };
        prepare::written_locations(&prepare::with_values(&self.definition.definition, &drop))
    }

    /// Returns for each pattern of data which of the matching files the set takes.
    pub(crate) fn modes(&self) -> Vec<MatchMode> {
        let usual = vec![self.trigger.usual_mode(); self.trigger.data_patterns().count()];
        if !self.trigger.data_patterns().any(|pattern| pattern.key(&self.captures).is_none()) {
            return usual;
        }
        let valued = prepare::with_values(&self.definition.definition, &self.dropped(&[]));
        self.trigger.modes(&self.trigger.readings(&valued, Some(&self.bucket), &self.captures))
    }

    fn dropped<'b>(&'b self, files: &'b [DroppedFile]) -> DroppedSet<'b> {
        DroppedSet {
            definition_name: &self.name.definition,
            bucket: &self.bucket,
            captures: &self.captures,
            files,
            topic_arn: "",
            values: self.values,
        }
    }
}

/// Returns the sets that a key belongs to. The error is the decision about a key that belongs to none.
pub(crate) fn of_key<'a>(
    setup: &Setup,
    definitions: &'a Definitions,
    bucket: &str,
    key: &str,
) -> Result<Vec<Set<'a>>, Box<Decision>> {
    let ignored = |reason: &str| Err(Box::new(report::ignored(Some(key.to_owned()), reason)));
    let home = &setup.book.home;
    if bucket == home.bucket && key.starts_with(&home.prefix) {
        return ignored("the key lies among the definitions");
    }
    if setup.config.drop_bucket.as_ref().is_some_and(|watched| watched != bucket) {
        return ignored(&format!("`{bucket}` is not the watched bucket"));
    }
    let values = definitions.values().unwrap_or_default();
    let sets: Vec<_> = definitions
        .triggered()
        .filter_map(|triggered| Some(Set::new(triggered, values, bucket, triggered.2.captures(key)?)))
        .collect();
    if sets.is_empty() {
        return Err(Box::new(report::unmatched(key)));
    }
    let uri = format!("s3://{bucket}/{key}");
    let writes_there = |set: &Set<'_>| {
        let locations = set.written_locations(setup);
        locations.iter().any(|location| lies_under(&uri, location))
    };
    let sets: Vec<_> = sets.into_iter().filter(|set| !writes_there(set)).collect();
    if sets.is_empty() {
        return ignored("the definition whose pattern the key matches writes its own output or logs there");
    }
    Ok(sets)
}

fn lies_under(uri: &str, location: &str) -> bool {
    let folder = location.trim_end_matches('/');
    uri.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
