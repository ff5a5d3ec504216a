//! File sets: which ones a key belongs to, and what of their files is there.

use std::sync::Arc;

use anyhow::Context as _;
use definition::ParameterValue;
use definition::trigger::{Captures, StaleRuns, Trigger};
use futures::future;

use crate::definitions::{Definitions, Loaded, Watched};
use crate::handler::Handler;
use crate::ledger::{Content, DroppedFile};
use crate::ports::Edges;
use crate::prepare::{self, DroppedSet};
use crate::report::{Decision, Verdict};
use crate::status::ignored;
use crate::step::Terms;

/// A file set of a definition.
pub(crate) struct Set<'a> {
    pub file: &'a Arc<Loaded>,
    pub watched: &'a Watched,
    pub trigger: &'a Trigger,
    pub values: &'a [ParameterValue],
    pub bucket: String,
    pub captures: Captures,
    /// The captures as the ledger's and the pipelines' names have them.
    pub id: String,
}

impl Set<'_> {
    pub(crate) fn definition(&self) -> &str {
        &self.file.name
    }

    /// Returns whether `myStaleRuns` is `replace`.
    pub(crate) fn replaces(&self) -> bool {
        self.trigger.stale_runs == StaleRuns::Replace
    }

    pub(crate) fn decision(&self, verdict: Verdict, reason: impl Into<String>) -> Decision {
        Decision {
            definition: self.definition().to_owned(),
            set: Some(self.id.clone()),
            key: None,
            verdict,
            pipeline_id: None,
            state: None,
            missing: Vec::new(),
            reason: reason.into(),
        }
    }

    pub(crate) fn prepared(&self, files: &[DroppedFile], topic_arn: &str) -> definition::Definition {
        let drop = DroppedSet {
            definition_name: self.definition(),
            bucket: &self.bucket,
            captures: &self.captures,
            files,
            topic_arn,
            values: self.values,
        };
        prepare::prepared(&self.watched.definition, &drop)
    }
}

/// The files of a set as they are in the bucket.
pub(crate) enum Found {
    Whole(Content),
    Missing(Vec<String>),
}

impl<E: Edges> Handler<E> {
    /// Returns the sets that a key belongs to, or why it is none of anybody's.
    pub(crate) fn sets_of<'a>(
        &self,
        definitions: &'a Definitions,
        bucket: &str,
        key: &str,
    ) -> Result<Vec<Set<'a>>, Box<Decision>> {
        let home = &self.book.home;
        if bucket == home.bucket && key.starts_with(&home.prefix) {
            return Err(Box::new(ignored(Some(key.to_owned()), "it lies among the definitions")));
        }
        if self.config.drop_bucket.as_ref().is_some_and(|watched| watched != bucket) {
            let reason = format!("the bucket `{bucket}` is not the watched one");
            return Err(Box::new(ignored(Some(key.to_owned()), &reason)));
        }
        let values = definitions.values().unwrap_or_default();
        let sets: Vec<_> = definitions
            .triggered()
            .filter_map(|(file, watched, trigger)| {
                let captures = trigger.captures(key)?;
                let id = captures.encoded();
                Some(Set { file, watched, trigger, values, bucket: bucket.to_owned(), captures, id })
            })
            .collect();
        if sets.is_empty() {
            let mut reason = "it fits no `myDropFile` pattern of any definition".to_owned();
            for (file, why) in definitions.broken() {
                let first = why.lines().next().unwrap_or_default();
                reason.push_str(&format!("; {}.json cannot be used: {first}", file.name));
            }
            let decision = ignored(Some(key.to_owned()), &reason);
            return Err(Box::new(Decision { verdict: Verdict::Unmatched, ..decision }));
        }
        let uri = format!("s3://{bucket}/{key}");
        let is_own = |set: &Set<'_>| {
            let places = prepare::own_places(&set.prepared(&[], &self.config.topic_arn));
            places.iter().any(|place| lies_under(&uri, place))
        };
        let others: Vec<_> = sets.into_iter().filter(|set| !is_own(set)).collect();
        if others.is_empty() {
            let reason = "the definition whose pattern it fits writes its own output or logs there";
            return Err(Box::new(ignored(Some(key.to_owned()), reason)));
        }
        Ok(others)
    }

    /// Lists the files that the set needs.
    pub(crate) async fn find(&self, set: &Set<'_>) -> anyhow::Result<Found> {
        let keys = set.trigger.keys(&set.captures);
        let found = future::try_join_all(keys.iter().map(|key| self.edges.find(&set.bucket, key.as_str())));
        let found =
            found.await.with_context(|| format!("listing the files of {}/{}", set.definition(), set.id))?;
        let missing = keys.iter().zip(&found).filter(|(_, found)| found.is_none());
        let missing: Vec<_> = missing.map(|(key, _)| key.to_string()).collect();
        if !missing.is_empty() {
            return Ok(Found::Missing(missing));
        }
        let files = found.into_iter().flatten().map(|file| DroppedFile {
            key: file.key,
            etag: file.etag,
            modified: file.modified,
        });
        Ok(Found::Whole(Content::new(set.definition(), &set.id, files.collect())))
    }

    pub(crate) fn terms(&self, set: &Set<'_>, has_looked: bool) -> Terms {
        Terms {
            now: self.now(),
            replaces: set.replaces(),
            is_fixed: !set.trigger.has_captures(),
            cap: set.trigger.max_runs_per_day,
            has_looked,
        }
    }
}

fn lies_under(uri: &str, place: &str) -> bool {
    let folder = place.trim_end_matches('/');
    uri.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
