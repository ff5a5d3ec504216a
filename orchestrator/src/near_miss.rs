//! Reports keys that look as if they were meant for a definition but match none of its patterns.

use definition::trigger::NearMiss;

use crate::definitions::Definitions;
use crate::ports::Edges;
use crate::report::{self, Decision, Verdict};
use crate::setup::Setup;
use crate::{prepare, telling};

/// Publishes a notice for each definition that `key` was probably meant for: one notice a day and definition. Returns
/// the decision about the key, with the nearest pattern in its reason.
///
/// A key below which a pipeline writes its output or its logs is not a near miss of any definition.
pub(crate) async fn report<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    bucket: &str,
    key: &str,
    decision: Decision,
) -> anyhow::Result<Decision> {
    if decision.verdict != Verdict::Unmatched {
        return Ok(decision);
    }
    let mut decision = decision;
    for (name, near) in near_misses(setup, definitions, bucket, key) {
        decision.reason.push_str(&report::nearest(name, &near));
        let notice = report::near_miss(name, bucket, key, &near, setup.now());
        telling::once(edges, setup, name, notice).await?;
    }
    Ok(decision)
}

/// Adds the nearest patterns to the reason of a decision about a key that matches none.
pub(crate) fn explained(
    setup: &Setup,
    definitions: &Definitions,
    bucket: &str,
    key: &str,
    mut decision: Decision,
) -> Decision {
    if decision.verdict == Verdict::Unmatched {
        for (name, near) in near_misses(setup, definitions, bucket, key) {
            decision.reason.push_str(&report::nearest(name, &near));
        }
    }
    decision
}

/// Returns each definition that `key` was probably meant for, with its nearest pattern.
fn near_misses<'a>(
    setup: &Setup,
    definitions: &'a Definitions,
    bucket: &str,
    key: &str,
) -> Vec<(&'a str, NearMiss)> {
    let values = definitions.values().unwrap_or_default();
    let uri = format!("s3://{bucket}/{key}");
    let is_written = || {
        definitions.triggered().any(|(file, usable, trigger)| {
            let values: Vec<_> = values.iter().cloned().chain(prepare::unknown_values(trigger)).collect();
            let drop = prepare::DroppedSet::unknown(&file.name, bucket, &setup.config.topic_arn, &values);
            let prepared = prepare::with_values(&usable.definition, &drop);
            prepare::written_beginnings(&prepared).iter().any(|beginning| uri.starts_with(beginning))
        })
    };
    let near = definitions.triggered();
    let near = near.filter_map(|(file, _, trigger)| Some((file.name.as_str(), trigger.near_miss(key)?)));
    let near: Vec<_> = near.collect();
    if near.is_empty() || is_written() { Vec::new() } else { near }
}
