//! The sets that wait for files or have too many, found by the keys of the drop bucket. Changes nothing.
//!
//! A set without all of its files has no mark in the queue, and mostly no ledger. So the newest sets of the bucket are looked at,
//! except if the ledger says that nothing has to be done for a set.

use std::collections::{BTreeMap, HashSet};

use anyhow::Context as _;
use definition::trigger::Captures;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::ports::{Depth, Edges, Listed};
use crate::report::{self, Decision, Verdict};
use crate::sets_of::SetsOf;
use crate::setup::Setup;
use crate::{first_seen, status, sweep};

/// How many keys one listing reads.
const PAGE: usize = 1_000;
/// How many pages of keys are read for each prefix. The pages are those of a person's question, who can also name a key.
const PAGES: usize = 50;
/// How many sets are examined.
const MAX_SETS: usize = 1_000;
/// How many sets are examined at the same time.
const READ_AT_ONCE: usize = 16;

/// Returns the sets of a definition that wait for files, or that cannot start, at most `limit`, the newest first.
pub(crate) async fn of_definition<E: Edges>(
    edges: &E,
    setup: &Setup,
    sets: &SetsOf<'_>,
    name: &str,
    limit: usize,
) -> anyhow::Result<Vec<Decision>> {
    let Some(bucket) = setup.config.drop_bucket.as_deref() else { return Ok(Vec::new()) };
    let since = match sets.trigger().backfill {
        true => Timestamp::MIN,
        false => first_seen::known(edges, setup, name).await?.unwrap_or(sets.uploaded()),
    };
    let folder = setup.book.folder(name);
    let ledgers = edges.list(&setup.book.home.bucket, &folder, Depth::Level).await;
    let ledgers = ledgers.with_context(|| format!("listing {folder}"))?.into_iter();
    let with_ledger: HashSet<String> =
        ledgers.filter_map(|listed| Some(setup.book.set_of(name, &listed.key)?.id)).collect();
    let newest = newest_sets(edges, sets, bucket).await?;
    let looks = newest.into_iter().map(|(landed, captures, files)| {
        let has_ledger = with_ledger.contains(&captures.encoded());
        async move {
            let set = sets.set(bucket, captures);
            if landed < since && !has_ledger {
                return None;
            }
            if has_ledger
                && let Ok(entry) = setup.book.entry(edges, &set.name).await
                && sweep::needs_nothing_now(&entry.ledger, &files, set.trigger, setup.now())
            {
                return None;
            }
            // An unreadable set does not hide the others.
            let decision = status::of_set(edges, setup, &set).await;
            let decision = decision.unwrap_or_else(|error| report::failed(&set.name, &error));
            matches!(decision.verdict, Verdict::Incomplete | Verdict::Failed).then_some(decision)
        }
    });
    let looks = stream::iter(looks).buffered(READ_AT_ONCE);
    Ok(looks.filter_map(|found| async { found }).take(limit).collect().await)
}

/// Returns the sets whose files landed last, with the time of the newest file and the files that were listed.
async fn newest_sets<E: Edges>(
    edges: &E,
    sets: &SetsOf<'_>,
    bucket: &str,
) -> anyhow::Result<Vec<(Timestamp, Captures, Vec<Listed>)>> {
    let mut by_set: BTreeMap<Captures, Vec<Listed>> = BTreeMap::new();
    for prefix in sets.trigger().literal_prefixes() {
        let mut after: Option<String> = None;
        for _ in 0..PAGES {
            let page = edges.page(bucket, &prefix, after.as_deref(), PAGE).await;
            let page = page.with_context(|| format!("listing s3://{bucket}/{prefix}"))?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for file in page {
                if let Some(captures) = sets.trigger().captures(&file.key) {
                    by_set.entry(captures).or_default().push(file);
                }
            }
        }
    }
    let landed = |files: &[Listed]| files.iter().map(|file| file.modified).max().unwrap_or(Timestamp::MIN);
    let mut newest: Vec<_> =
        by_set.into_iter().map(|(captures, files)| (landed(&files), captures, files)).collect();
    newest.sort_by_key(|(landed, ..)| std::cmp::Reverse(*landed));
    newest.truncate(MAX_SETS);
    Ok(newest)
}
