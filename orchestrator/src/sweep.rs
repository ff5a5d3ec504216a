//! The sweep: advances the sets whose events were lost.
//!
//! First, the sweep does for each definition the work of the end of a run: it writes the outcome of the run, and starts the set
//! that waits longest. Then it reads a part of the drop bucket, and advances each set that may need work. S3 lists only by
//! name, so nothing shows which keys are new. The sweep therefore goes round the keys, a limited number each time, and
//! the ledger keeps the key after which the next sweep continues. So the cost of a sweep does not depend on how many keys there are.

mod cursor;

use std::collections::BTreeMap;

use anyhow::Context as _;
use definition::trigger::{Captures, Trigger};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::book::Entry;
use crate::definitions::Definitions;
use crate::handler::{Cause, advance};
use crate::ledger::{HeadState, Ledger};
use crate::next_run::add_failure;
use crate::ports::{Edges, Listed, Storage};
use crate::report::{self, Decision, SweepReport, Verdict};
use crate::sets::Set;
use crate::sets_of::SetsOf;
use crate::setup::Setup;
use crate::{first_seen, give_up, gone, loading, near_miss, next_run, outcome};

/// How many ledgers are read at the same time.
const READ_AT_ONCE: usize = 16;
/// How many keys one listing reads.
const PAGE: usize = 1_000;
/// How many pages of keys a sweep reads for each definition.
const PAGES: usize = 2;

/// How much of the drop bucket a sweep reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// A limited number of keys of each definition, after those of the last sweep.
    Part,
    /// Every key.
    Whole,
}

/// Sweeps every definition.
pub(crate) async fn sweep<E: Edges>(
    edges: &E,
    setup: &Setup,
    coverage: Coverage,
) -> anyhow::Result<SweepReport> {
    let definitions = loading::definitions(edges, setup).await?;
    let mut report = SweepReport::default();
    if let Err(error) = gone::report_removed(edges, setup, &definitions).await {
        add_failure(&mut report, "removed definitions", &error);
    }
    for file in &definitions.files {
        if let Err(error) =
            Box::pin(sweep_definition(edges, setup, &definitions, &file.name, coverage, &mut report)).await
        {
            add_failure(&mut report, &file.name, &error);
        }
    }
    Ok(report)
}

async fn sweep_definition<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    name: &str,
    coverage: Coverage,
    report: &mut SweepReport,
) -> anyhow::Result<()> {
    let Some(sets) = SetsOf::definition(definitions, name)? else { return Ok(()) };
    Box::pin(next_run::start_into(edges, setup, definitions, name, report)).await?;
    let Some(bucket) = setup.config.drop_bucket.as_deref() else { return Ok(()) };
    let first_seen = match sets.trigger().backfill {
        true => Timestamp::MIN,
        false => first_seen::of(edges, setup, name, sets.uploaded()).await?,
    };
    let cursor = cursor::read(edges, &setup.book, name).await?;
    let mut after = cursor.after.clone().filter(|_| coverage == Coverage::Part);
    let mut pages = 0;
    loop {
        let (files, next) = keys_after(edges, bucket, &sets, after.as_deref()).await?;
        let trigger = sets.trigger();
        let (matched, others): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| trigger.captures(&file.key).is_some());
        Box::pin(sweep_files(edges, setup, &sets, bucket, matched, first_seen, report)).await?;
        let found = (name, trigger);
        let told =
            near_miss::report_listed(edges, setup, definitions, found, bucket, &others, first_seen).await;
        if let Err(error) = told {
            add_failure(report, name, &error);
        }
        after = next;
        pages += 1;
        if after.is_none() || (coverage == Coverage::Part && pages >= PAGES) {
            break;
        }
    }
    cursor::write(edges, &setup.book, name, cursor, after).await
}

/// Lists one page of keys after the key `after`, below the prefixes of the patterns. Also returns the last key of the page; `None`
/// if no key comes after the page.
async fn keys_after(
    storage: &impl Storage,
    bucket: &str,
    sets: &SetsOf<'_>,
    after: Option<&str>,
) -> anyhow::Result<(Vec<Listed>, Option<String>)> {
    let mut files: Vec<Listed> = Vec::new();
    // The prefixes are sorted, and none begins with another one. So all keys below a prefix come before those of the next.
    for prefix in sets.trigger().literal_prefixes() {
        let is_past = after.is_some_and(|after| after > prefix.as_str() && !after.starts_with(&prefix));
        if is_past {
            continue;
        }
        let wanted = PAGE - files.len();
        let page = storage.page(bucket, &prefix, after, wanted).await;
        files.extend(page.with_context(|| format!("listing s3://{bucket}/{prefix}"))?);
        if files.len() >= PAGE {
            let last = files.last().map(|file| file.key.clone());
            return Ok((files, last));
        }
    }
    Ok((files, None))
}

/// Advances the sets of some listed files, the oldest set first.
async fn sweep_files<E: Edges>(
    edges: &E,
    setup: &Setup,
    sets: &SetsOf<'_>,
    bucket: &str,
    files: Vec<Listed>,
    first_seen: Timestamp,
    report: &mut SweepReport,
) -> anyhow::Result<()> {
    let mut by_set: BTreeMap<Captures, Vec<Listed>> = BTreeMap::new();
    for file in files {
        if let Some(captures) = sets.trigger().captures(&file.key) {
            by_set.entry(captures).or_default().push(file);
        }
    }
    let found = by_set.into_iter().map(|(captures, files)| async {
        let set = sets.set(bucket, captures);
        // An unreadable ledger stops only its own set.
        let entry = setup.book.entry(edges, &set.name).await;
        anyhow::Ok((set, files, entry))
    });
    let mut found: Vec<_> = stream::iter(found).buffered(READ_AT_ONCE).try_collect().await?;
    found.sort_by_key(|(_, files, _)| landed_at(files));
    for (set, files, entry) in found {
        let name = set.name.to_string();
        let swept = match entry {
            Ok(entry) => Box::pin(sweep_set(edges, setup, &set, &files, entry, first_seen, report)).await,
            Err(error) => Err(error),
        };
        match swept {
            Ok(Some(decision)) if decision.verdict != Verdict::Duplicate => report.decisions.push(decision),
            Ok(_) => {}
            Err(error) => add_failure(report, &name, &error),
        }
    }
    Ok(())
}

fn landed_at(files: &[Listed]) -> Option<Timestamp> {
    files.iter().map(|file| file.modified).max()
}

/// Advances one set if it may need work, and sends the notice about missing files if it is due. `files` are some files of the set.
///
/// Skips a set if its ledger says that nothing has to be done now, or if the set has no ledger and its files are older than the
/// definition.
async fn sweep_set<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    files: &[Listed],
    mut entry: Entry,
    first_seen: Timestamp,
    report: &mut SweepReport,
) -> anyhow::Result<Option<Decision>> {
    // Files that arrived before the first sight of the definition were not dropped for it.
    let is_older = landed_at(files).is_none_or(|landed| landed < first_seen);
    if is_older && !entry.exists() {
        report.older += 1;
        report.older_rerun = Some(report::rerun_command(&set.name.definition, &set.captures));
        return Ok(None);
    }
    if needs_nothing_now(&entry.ledger, files, set.trigger, setup.now()) {
        return Ok(None);
    }
    report.ended += usize::from(outcome::write(edges, setup, &mut entry).await?);
    let decision = Box::pin(advance(edges, setup, set, Cause::Look)).await?;
    let first = files.iter().map(|file| file.modified).min();
    match (decision.verdict, first) {
        (Verdict::Incomplete, Some(first)) => {
            let entry = setup.book.again(edges, &entry).await?;
            let entry = give_up::of(edges, setup, entry).await?;
            report_missing(edges, setup, set, &entry, first, decision).await.map(Some)
        }
        _ => Ok(Some(decision)),
    }
}

/// Returns whether the ledger says that nothing has to be done for these files now, because they ran or their day has not come.
pub(crate) fn needs_nothing_now(
    ledger: &Ledger,
    files: &[Listed],
    trigger: &Trigger,
    now: Timestamp,
) -> bool {
    let all = |known: &[crate::ledger::DroppedFile], may_be_newer: bool| {
        files.iter().all(|file| {
            let known = known.iter().find(|known| known.key == file.key && known.etag == file.etag);
            known.is_some_and(|known| may_be_newer || file.modified <= known.modified)
        })
    };
    // A race between two handlers can remove the mark of a waiting set. So the sweep advances such sets, too.
    if ledger.rerun.is_some() || ledger.next.is_some() {
        return false;
    }
    let Some(head) = &ledger.head else { return false };
    match head.state {
        HeadState::Finished => all(&head.files, true),
        // After a failure, the same files run again if a user put them into the bucket again: their time is newer then.
        HeadState::Failed | HeadState::Superseded => all(&head.files, false),
        HeadState::Deferred => {
            let (cap, day_end) = (trigger.max_runs_per_day, trigger.day_end(now));
            let waits = |deferral: &crate::ledger::Deferral| deferral.holds(now, cap, day_end);
            head.deferred.as_ref().is_some_and(waits) && all(&head.files, true)
        }
        HeadState::Claimed | HeadState::Created | HeadState::Activated => false,
    }
}

/// Publishes one notice about the missing files of a set, once the time of `myWaitFor` has come.
async fn report_missing<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    entry: &Entry,
    first: Timestamp,
    decision: Decision,
) -> anyhow::Result<Decision> {
    let is_late = set.trigger.waits_until(&set.captures, first).is_some_and(|until| setup.now() >= until);
    let notice = report::missing_files(&set.name, set.trigger, &set.bucket, first, &decision);
    if is_late && entry.ledger.head.is_none() && !entry.ledger.notices.contains(&notice.id) {
        edges.publish(&notice).await.context("publishing a notice")?;
        let mut ledger = entry.ledger.clone();
        ledger.bucket.clone_from(&set.bucket);
        ledger.remember_notice(&notice.id);
        // After a conflict the next sweep sends the notice again, with the same id.
        let _ = setup.book.put(edges, entry, ledger).await?;
    }
    Ok(decision)
}
