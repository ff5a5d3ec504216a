//! Reports keys that look as if they were meant for a definition but match none of its patterns.

use std::collections::BTreeSet;

use definition::trigger::{NearMiss, Trigger};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::definitions::Definitions;
use crate::ports::{Edges, Listed};
use crate::report::{self, Decision, Verdict};
use crate::setup::Setup;
use crate::{prepare, sets, telling};

/// How old a key may be for a sweep to report it. A sweep must not send notices about the unmatched keys of years.
const REPORTED_AGE: SignedDuration = SignedDuration::from_hours(48);

/// Publishes a notice for each definition that `key` was probably meant for: one notice a day and definition, where the day is
/// that of `landed`. Returns the decision about the key, with the nearest pattern in its reason.
///
/// A key below which a pipeline writes its output or its logs is not a near miss of any definition.
pub(crate) async fn report<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    (bucket, key): (&str, &str),
    landed: Timestamp,
    decision: Decision,
) -> anyhow::Result<Decision> {
    if decision.verdict != Verdict::Unmatched {
        return Ok(decision);
    }
    let near = near_misses(setup, definitions, bucket, key);
    let decision = with_reasons(definitions, &near, decision);
    for (name, near) in near {
        let notice = report::near_miss(name, bucket, key, &near, landed);
        telling::once(edges, setup, name, notice).await?;
    }
    Ok(decision)
}

/// Publishes the notices about listed keys whose events were lost. `files` are keys that do not match `trigger`, the trigger of the
/// definition `name`. Keys that landed before `since`, or more than two days ago, are not reported.
pub(crate) async fn report_listed<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    (name, trigger): (&str, &Trigger),
    bucket: &str,
    files: &[Listed],
    since: Timestamp,
) -> anyhow::Result<()> {
    let since = since.max(setup.now() - REPORTED_AGE);
    let recent = files.iter().filter(|file| file.modified >= since);
    let near: Vec<_> =
        recent.filter_map(|file| trigger.near_miss(&file.key).map(|near| (file, near))).collect();
    if near.is_empty() {
        return Ok(());
    }
    let written = written_beginnings(setup, definitions, bucket);
    let mut days = BTreeSet::new();
    for (Listed { key, modified, .. }, near) in near {
        let is_unmatched = || {
            let sets = sets::of_key(setup, definitions, bucket, key);
            sets.is_err_and(|decision| decision.verdict == Verdict::Unmatched)
        };
        let is_nearest = nearest(definitions, key).iter().any(|(nearest, _)| *nearest == name);
        let day = modified.to_zoned(TimeZone::UTC).date();
        if !is_nearest || is_written(&written, bucket, key) || !is_unmatched() || !days.insert(day) {
            continue;
        }
        let notice = report::near_miss(name, bucket, key, &near, *modified);
        telling::once(edges, setup, name, notice).await?;
    }
    Ok(())
}

/// Adds the nearest patterns, and the definitions that cannot be used, to the reason of a decision about a key that matches none.
pub(crate) fn explained(
    setup: &Setup,
    definitions: &Definitions,
    bucket: &str,
    key: &str,
    decision: Decision,
) -> Decision {
    if decision.verdict != Verdict::Unmatched {
        return decision;
    }
    with_reasons(definitions, &near_misses(setup, definitions, bucket, key), decision)
}

/// Adds the nearest patterns to a reason first, because they concern the key, and then the definitions that cannot be used.
fn with_reasons(definitions: &Definitions, near: &[(&str, NearMiss)], mut decision: Decision) -> Decision {
    for (name, near) in near {
        decision.reason.push_str(&report::nearest(name, near));
    }
    let broken: Vec<_> = definitions.broken().map(|(file, why)| (file.name.as_str(), why)).collect();
    decision.reason.push_str(&report::unusable(&broken));
    decision
}

/// Returns the definitions that `key` was probably meant for, with their nearest patterns. A key below which a pipeline writes was
/// meant for none.
fn near_misses<'a>(
    setup: &Setup,
    definitions: &'a Definitions,
    bucket: &str,
    key: &str,
) -> Vec<(&'a str, NearMiss)> {
    let near = nearest(definitions, key);
    if near.is_empty() || is_written(&written_beginnings(setup, definitions, bucket), bucket, key) {
        return Vec::new();
    }
    near
}

/// Returns the definitions whose patterns are nearest to `key`. A definition with a larger difference is not among them, because one
/// file must not use up the notice that another definition has for a day.
fn nearest<'a>(definitions: &'a Definitions, key: &str) -> Vec<(&'a str, NearMiss)> {
    let near = definitions.triggered();
    let near = near.filter_map(|(file, _, trigger)| Some((file.name.as_str(), trigger.near_miss(key)?)));
    let mut near: Vec<_> = near.collect();
    let smallest = near.iter().map(|(_, near)| near.why.rank()).min();
    near.retain(|(_, near)| Some(near.why.rank()) == smallest);
    near
}

/// Returns the beginnings of the URIs to which the pipelines of the definitions write.
fn written_beginnings(setup: &Setup, definitions: &Definitions, bucket: &str) -> Vec<String> {
    let values = definitions.values().unwrap_or_default();
    let triggered = definitions.triggered();
    let beginnings = triggered.flat_map(|(file, usable, trigger)| {
        let values: Vec<_> = values.iter().cloned().chain(prepare::unknown_values(trigger)).collect();
        let drop = prepare::DroppedSet::unknown(&file.name, bucket, &setup.config.topic_arn, &values);
        prepare::written_beginnings(&prepare::with_values(&usable.definition, &drop))
    });
    beginnings.collect()
}

fn is_written(beginnings: &[String], bucket: &str, key: &str) -> bool {
    let uri = format!("s3://{bucket}/{key}");
    beginnings.iter().any(|beginning| uri.starts_with(beginning))
}
