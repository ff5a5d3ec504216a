//! The sweep: advances every set without an event.
//!
//! The sweep starts whole sets without a run, and next or deferred content that may start now. The sweep also continues
//! claims whose holder is gone, and writes the outcomes of runs that have ended into the ledger. Each set goes through
//! the same stages as after an event, the oldest set first.

use std::collections::BTreeMap;

use anyhow::Context as _;
use definition::trigger::{Captures, Trigger};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::book::Entry;
use crate::content::{self, Found};
use crate::definitions::Definitions;
use crate::handler::{advance, advance_whole, too_many};
use crate::ledger::HeadState;
use crate::next_run::add_failure;
use crate::ports::{Depth, Edges, Listed, Storage};
use crate::raced::Raced;
use crate::report::{self, Decision, SweepReport, Verdict};
use crate::set_name::SetName;
use crate::sets::Set;
use crate::sets_of::captures_of;
use crate::setup::Setup;
use crate::{first_seen, loading, next_run, outcome};

/// How many ledgers are read at the same time.
const READ_AT_ONCE: usize = 16;

/// A set as the sweep found it, in the bucket or in the ledger.
struct Candidate<'a> {
    set: Set<'a>,
    /// The files of the set that are in the bucket.
    files: Vec<Listed>,
    entry: Entry,
}

impl Candidate<'_> {
    /// Returns when the newest file of the set arrived.
    fn landed_at(&self) -> Option<Timestamp> {
        self.files.iter().map(|file| file.modified).max()
    }
}

/// Advances every set of every definition once.
pub(crate) async fn sweep<E: Edges>(edges: &E, setup: &Setup) -> anyhow::Result<SweepReport> {
    let definitions = loading::definitions(edges, setup).await?;
    let mut report = SweepReport::default();
    for file in &definitions.files {
        if let Err(error) = sweep_definition(edges, setup, &definitions, &file.name, &mut report).await {
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
    report: &mut SweepReport,
) -> anyhow::Result<()> {
    let first_seen = match definitions.triggered().find(|(file, ..)| file.name == name) {
        Some((_, _, trigger)) if trigger.backfill => Timestamp::MIN,
        Some(_) => first_seen::of(edges, setup, name).await?,
        None => return Ok(()),
    };
    next_run::start_into(edges, setup, definitions, name, report).await?;
    let mut candidates = candidates(edges, setup, definitions, name).await?;
    candidates.retain(|candidate| {
        // Files that arrived before the first sight of the definition were not dropped for it.
        candidate.entry.exists() || candidate.landed_at().is_some_and(|landed| landed >= first_seen)
    });
    candidates.sort_by_key(Candidate::landed_at);
    let mut is_taken = false;
    for candidate in candidates {
        let set = candidate.set.name.to_string();
        match sweep_set(edges, setup, candidate, is_taken, report).await {
            Ok(Some(decision)) if decision.verdict != Verdict::Duplicate => {
                // A set that is queued behind another comes before every younger set.
                is_taken |= matches!(decision.verdict, Verdict::QueuedBehind | Verdict::Paused);
                report.decisions.push(decision);
            }
            Ok(Some(_) | None) => {}
            Err(error) => add_failure(report, &set, &error),
        }
    }
    Ok(())
}

/// Lists the dropped files and the ledgers of a definition, and joins them by set.
async fn candidates<'a, E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &'a Definitions,
    definition: &str,
) -> anyhow::Result<Vec<Candidate<'a>>> {
    let Some(triggered) = definitions.triggered().find(|(file, ..)| file.name == definition) else {
        return Ok(Vec::new());
    };
    let trigger = triggered.2;
    let values = match definitions.values() {
        Ok(values) => values,
        Err(why) => anyhow::bail!("values.json cannot be used: {why}"),
    };
    let mut candidates: BTreeMap<String, Candidate<'a>> = BTreeMap::new();
    if let Some(bucket) = &setup.config.drop_bucket {
        for (captures, files) in dropped(edges, bucket, trigger).await? {
            let set = Set::new(triggered, values, bucket, captures);
            let entry = setup.book.absent(&set.name);
            candidates.insert(set.name.id.clone(), Candidate { set, files, entry });
        }
    }
    for (name, entry) in entries(edges, setup, definition).await? {
        if let Some(candidate) = candidates.get_mut(&name.id) {
            candidate.entry = entry;
            continue;
        }
        // The files are gone, or the bucket is not known. The ledger knows the keys.
        let Some(captures) = captures_of(&entry.ledger, trigger) else { continue };
        let set = Set::new(triggered, values, &entry.ledger.bucket, captures);
        candidates.insert(name.id, Candidate { set, files: Vec::new(), entry });
    }
    Ok(candidates.into_values().collect())
}

/// Lists the files in the bucket that match a pattern of the trigger, by the values captured from their keys.
async fn dropped(
    storage: &impl Storage,
    bucket: &str,
    trigger: &Trigger,
) -> anyhow::Result<BTreeMap<Captures, Vec<Listed>>> {
    let mut sets: BTreeMap<Captures, Vec<Listed>> = BTreeMap::new();
    for prefix in trigger.literal_prefixes() {
        let listing = storage.list(bucket, &prefix, Depth::All).await;
        for listed in listing.with_context(|| format!("listing s3://{bucket}/{prefix}"))? {
            if let Some(captures) = trigger.captures(&listed.key) {
                sets.entry(captures).or_default().push(listed);
            }
        }
    }
    Ok(sets)
}

/// Reads every ledger of a definition.
async fn entries<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
) -> anyhow::Result<Vec<(SetName, Entry)>> {
    let book = &setup.book;
    let folder = book.folder(definition);
    let listing = edges.list(&book.home.bucket, &folder, Depth::Level).await;
    let listing = listing.with_context(|| format!("listing {folder}"))?;
    let named =
        listing.into_iter().filter_map(|listed| Some((book.set_of(definition, &listed.key)?, listed)));
    let entries = named.map(|(name, listed)| async move {
        let entry = book.listed(edges, &listed).await?;
        anyhow::Ok((name, entry))
    });
    stream::iter(entries).buffer_unordered(READ_AT_ONCE).try_collect().await
}

/// Advances one set. With `is_taken`, an older set of the definition waits for the turn, so this set cannot start.
async fn sweep_set<E: Edges>(
    edges: &E,
    setup: &Setup,
    mut candidate: Candidate<'_>,
    is_taken: bool,
    report: &mut SweepReport,
) -> anyhow::Result<Option<Decision>> {
    report.ended += usize::from(outcome::write(edges, setup, &mut candidate.entry).await?);
    let Candidate { set, files, entry } = candidate;
    let missing = match content::choose_among(&set, &files) {
        Found::Whole(_) if is_taken => return Ok(None),
        Found::Whole(content) => {
            return Ok(Some(match advance_whole(edges, setup, &set, &content, entry).await? {
                Raced::Done(decision) => decision,
                Raced::LedgerChanged => advance(edges, setup, &set).await?,
            }));
        }
        Found::TooMany(files) => return too_many(edges, setup, &set, &files).await.map(Some),
        Found::Missing(missing) => missing,
    };
    // Without a drop bucket, no listing showed the files, and only the handler's own search can find them.
    if setup.config.drop_bucket.is_none() && files.is_empty() {
        return advance(edges, setup, &set).await.map(Some);
    }
    let entry = give_up(edges, setup, entry).await?;
    match files.iter().map(|file| file.modified).min() {
        Some(first) => tell_missing(edges, setup, &set, &entry, first, missing).await.map(Some),
        None => Ok(None),
    }
}

/// Changes the ledger of a set whose files are gone, because no run can start from them: removes the next content, and marks
/// the head as superseded if the head is deferred, or is a claim that has lost its holder and has no pipeline.
async fn give_up<E: Edges>(edges: &E, setup: &Setup, entry: Entry) -> anyhow::Result<Entry> {
    let mut ledger = entry.ledger.clone();
    ledger.next = None;
    if let Some(head) = &mut ledger.head {
        let has_no_holder =
            matches!(head.state, HeadState::Claimed | HeadState::Created) && !head.is_leased(setup.now());
        if head.state == HeadState::Deferred || (has_no_holder && head.pipeline_id.is_none()) {
            head.state = HeadState::Superseded;
        }
    }
    if ledger == entry.ledger {
        return Ok(entry);
    }
    match setup.book.put(edges, &entry, ledger).await? {
        Raced::Done(written) => Ok(written),
        Raced::LedgerChanged => setup.book.again(edges, &entry).await,
    }
}

/// Publishes one notice about the missing files of a set, once `myWaitFor` has passed since its first file arrived.
async fn tell_missing<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    entry: &Entry,
    first: Timestamp,
    missing: Vec<String>,
) -> anyhow::Result<Decision> {
    let is_late = set.trigger.wait_for.is_some_and(|wait_for| setup.now() >= wait_for.after(first));
    let notice = report::missing_files(&set.name, &set.bucket, first, &missing);
    if is_late && entry.ledger.head.is_none() && !entry.ledger.notices.contains(&notice.id) {
        edges.publish(&notice).await.context("publishing a notice")?;
        let mut ledger = entry.ledger.clone();
        ledger.bucket.clone_from(&set.bucket);
        ledger.remember_notice(&notice.id);
        // After a conflict the next sweep sends the notice again, with the same id.
        let _ = setup.book.put(edges, entry, ledger).await?;
    }
    Ok(report::incomplete(&set.name, missing))
}
