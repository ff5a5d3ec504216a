//! Runs a set again because a person wishes so, however its earlier runs ended.
//!
//! The wish is noted in the ledger of the set before anything starts, so that it survives a crash and may wait for the runs
//! before it. The versions of the files are pinned again when the run starts.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow, bail};
use definition::trigger::Captures;
use futures::future;
use jiff::civil::Date;

use crate::conditional::Conditional;
use crate::content::{self, Found};
use crate::definitions::Definitions;
use crate::handler::{Cause, advance, too_many};
use crate::ledger::{HeadState, Ledger, Rerun};
use crate::ports::{Depth, Edges};
use crate::report::{self, Decision, Verdict};
use crate::sets::Set;
use crate::sets_of::SetsOf;
use crate::setup::Setup;
use crate::{loading, outcome, queue, turn};

/// The number of tries to note the wish. A try fails if another handler changes the ledger of the set at the same time.
const MAX_PUTS: usize = 8;

/// Runs the set of `definition` with these captured values again. With `force`, the run starts although the day's cap is
/// reached.
pub(crate) async fn rerun<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
    values: &BTreeMap<String, String>,
    force: bool,
) -> anyhow::Result<Decision> {
    let definitions = loading::definitions(edges, setup).await?;
    let sets = sets_of(&definitions, definition)?;
    let captures = sets.trigger().given(values);
    let captures = captures.map_err(|why| anyhow!("the values of a set of {definition}: {why}"))?;
    let bucket = setup.config.drop_bucket.as_deref().context("no drop bucket is configured")?;
    let set = sets.set(bucket, captures);
    rerun_set(edges, setup, &set, force).await
}

/// Runs every set of `definition` whose files are in the bucket and whose day lies from `from` to `to` again, or for the first
/// time. A captured value that is a date is the day of its set.
pub(crate) async fn backfill<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
    (from, to): (Date, Date),
    force: bool,
) -> anyhow::Result<Vec<Decision>> {
    let definitions = loading::definitions(edges, setup).await?;
    let sets = sets_of(&definitions, definition)?;
    let bucket = setup.config.drop_bucket.as_deref().context("no drop bucket is configured")?;
    let mut of_days: BTreeMap<Date, BTreeSet<Captures>> = BTreeMap::new();
    for prefix in sets.trigger().literal_prefixes() {
        let listing = edges.list(bucket, &prefix, Depth::All).await;
        for listed in listing.with_context(|| format!("listing s3://{bucket}/{prefix}"))? {
            let Some(captures) = sets.trigger().captures(&listed.key) else { continue };
            let day = captures.iter().find_map(|(_, value)| value.parse::<Date>().ok());
            if let Some(day) = day.filter(|day| (from..=to).contains(day)) {
                of_days.entry(day).or_default().insert(captures);
            }
        }
    }
    let mut decisions = Vec::new();
    for captures in of_days.into_values().flatten() {
        let set = sets.set(bucket, captures);
        decisions.push(match rerun_set(edges, setup, &set, force).await {
            Ok(decision) => decision,
            // A set that cannot start does not stop the others.
            Err(error) => report::failed(&set.name, &error),
        });
    }
    Ok(decisions)
}

fn sets_of<'a>(definitions: &'a Definitions, definition: &str) -> anyhow::Result<SetsOf<'a>> {
    if let Some(why) = definitions.why_not_triggered(definition) {
        bail!("{why}");
    }
    SetsOf::definition(definitions, definition)?.with_context(|| format!("{definition} has no sets"))
}

async fn rerun_set<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    force: bool,
) -> anyhow::Result<Decision> {
    match note(edges, setup, set, force).await? {
        Noted::Refused(decision) => Ok(decision),
        Noted::Wished(key) => {
            let decision = Box::pin(advance(edges, setup, set, Cause::Look)).await?;
            if matches!(decision.verdict, Verdict::Duplicate | Verdict::Incomplete) {
                withdraw(edges, setup, set).await?;
            }
            // The end of the run before it starts nothing before the definition is resumed.
            let waits = matches!(decision.verdict, Verdict::Next | Verdict::QueuedBehind);
            let since = match waits {
                true => turn::paused_since(edges, setup, &set.name.definition).await?,
                false => None,
            };
            let decision = since.map_or(decision, |since| report::paused(&set.name, since));
            // With one of its keys, the caller can ask about the set later.
            Ok(Decision { key, ..decision })
        }
    }
}

/// Removes a wish that was refused, so that no later run of the set fulfils it.
async fn withdraw<E: Edges>(edges: &E, setup: &Setup, set: &Set<'_>) -> anyhow::Result<()> {
    for _ in 0..MAX_PUTS {
        let entry = setup.book.entry(edges, &set.name).await?;
        if entry.ledger.rerun.is_none() {
            return Ok(());
        }
        let ledger = Ledger { rerun: None, ..entry.ledger.clone() };
        if let Conditional::Done(_) = setup.book.put(edges, &entry, ledger).await? {
            return Ok(());
        }
    }
    bail!("the ledger of {} changed {MAX_PUTS} times while the wish was removed: try again", set.name)
}

/// The result of the attempt to note a wish.
enum Noted {
    /// The wish is in the ledger. The value is the key of one of the files.
    Wished(Option<String>),
    /// The set cannot run now.
    Refused(Decision),
}

/// Notes the wish in the ledger of the set.
async fn note<E: Edges>(edges: &E, setup: &Setup, set: &Set<'_>, force: bool) -> anyhow::Result<Noted> {
    for _ in 0..MAX_PUTS {
        let reading = setup.book.entry(edges, &set.name);
        let (found, mut entry) = future::try_join(content::find(edges, set), reading).await?;
        let content = match found {
            Found::Whole(content) => content,
            Found::Missing(keys) => {
                return Ok(Noted::Refused(report::incomplete(&set.name, set.trigger, keys)));
            }
            Found::Overtaken { marker, newer } => {
                return Ok(Noted::Refused(report::overtaken(&set.name, marker, &newer)));
            }
            Found::TooMany(files) => {
                return too_many(edges, setup, set, &files).await.map(Noted::Refused);
            }
        };
        outcome::write(edges, setup, &mut entry).await?;
        let head = entry.ledger.head.as_ref();
        let is_at_work = head.is_some_and(|head| {
            matches!(head.state, HeadState::Claimed | HeadState::Created | HeadState::Activated)
        });
        if is_at_work {
            let decision = report::duplicate(&set.name, "a run of this set is at work", &entry.ledger);
            return Ok(Noted::Refused(decision));
        }
        queue::put_content(edges, &setup.book, &set.name, &set.bucket, &content).await?;
        let rerun = Some(Rerun { at: setup.now(), force });
        let ledger = Ledger { bucket: set.bucket.clone(), rerun, ..entry.ledger.clone() };
        if let Conditional::Done(_) = setup.book.put(edges, &entry, ledger).await? {
            return Ok(Noted::Wished(content.files.first().map(|file| file.key.clone())));
        }
    }
    bail!("the ledger of {} changed {MAX_PUTS} times while the wish was noted: try again", set.name)
}
