//! Definitions that the ledger knows and that are gone or have changed: the runs that they had, and the sets that will not start.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use anyhow::Context as _;
use definition::trigger::Trigger;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::book::Entry;
use crate::definitions::Definitions;
use crate::ledger::{HeadState, Ledger};
use crate::ports::{Depth, Edges};
use crate::set_name::SetName;
use crate::setup::Setup;
use crate::taken_by::TakenBy;
use crate::{queue, report, telling};

/// How many ledgers are read at the same time.
const READ_AT_ONCE: usize = 16;

/// The runs of each version of an object, by key and ETag.
pub(crate) type RunsByObject = HashMap<(String, String), Vec<TakenBy>>;

/// Returns the runs of all ledgers that changed since `since`, whatever patterns the definitions have now.
pub(crate) async fn runs_since<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    since: Timestamp,
) -> anyhow::Result<RunsByObject> {
    let mut found = RunsByObject::new();
    for definition in known_to_ledger(edges, setup).await? {
        let folder = setup.book.folder(&definition);
        let listing = edges.list(&setup.book.home.bucket, &folder, Depth::Level).await;
        let listing = listing.with_context(|| format!("listing {folder}"))?.into_iter();
        let changed = listing.filter(|listed| listed.modified >= since);
        let sets = changed.filter_map(|listed| setup.book.set_of(&definition, &listed.key));
        let reads = sets.map(|set| async move {
            // An unreadable ledger hides only its own set.
            setup.book.entry(edges, &set).await.ok().map(|entry| (set, entry))
        });
        let mut reads = stream::iter(reads).buffered(READ_AT_ONCE);
        while let Some(read) = reads.next().await {
            if let Some((set, entry)) = read {
                add_runs(&mut found, &set, &entry, definitions);
            }
        }
    }
    Ok(found)
}

fn add_runs(found: &mut RunsByObject, set: &SetName, entry: &Entry, definitions: &Definitions) {
    let name = &set.definition;
    let trigger = definitions.triggered().find(|(file, ..)| file.name == *name).map(|(.., trigger)| trigger);
    let without_trigger = now_of(definitions, name);
    let definition_now = |key: &str| match trigger.map(|trigger| trigger.captures(key)) {
        None => Some(without_trigger),
        Some(None) => Some(NO_MORE),
        Some(Some(captures)) => {
            (captures.encoded() != set.id).then_some("takes the key into another set now")
        }
    };
    for head in entry.ledger.heads().filter(|head| head.activated_at.is_some()) {
        for file in &head.files {
            found.entry((file.key.clone(), file.etag.clone())).or_default().push(TakenBy {
                set: set.to_string(),
                pipeline_id: head.pipeline_id.clone(),
                state: head.state.as_str().to_owned(),
                definition_now: definition_now(&file.key).map(str::to_owned),
            });
        }
    }
}

/// What became of a definition none of whose patterns takes a key any more.
const NO_MORE: &str = "takes the key no more";

/// Returns what became of a definition that has no pattern now.
fn now_of(definitions: &Definitions, name: &str) -> &'static str {
    let is_broken = definitions.broken().any(|(file, _)| file.name == name);
    match definitions.files.iter().any(|file| file.name == name) {
        true if is_broken => "cannot be used now",
        true => NO_MORE,
        false => "is gone",
    }
}

/// Returns the names of the definitions that have a folder in the ledger.
async fn known_to_ledger<E: Edges>(edges: &E, setup: &Setup) -> anyhow::Result<Vec<String>> {
    let bucket = &setup.book.home.bucket;
    let ledger = setup.book.home.key("ledger/");
    let (mut names, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = edges.page(bucket, &ledger, after.as_deref(), 1).await;
        let page = page.with_context(|| format!("listing {ledger}"))?;
        let Some(first) = page.first() else { return Ok(names) };
        let rest = first.key.strip_prefix(&ledger).and_then(|rest| rest.split_once('/'));
        after = Some(match rest {
            Some((name, _)) => {
                names.push(name.to_owned());
                // The character after the slash: no key of the folder is larger.
                format!("{ledger}{name}0")
            }
            None => first.key.clone(),
        });
    }
}

/// Publishes one notice for each definition that was removed, or got other patterns, while sets of it waited for their turn.
///
/// The ledger is only looked at if the definitions are other ones than at the last call of this process.
pub(crate) async fn report_removed<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
) -> anyhow::Result<()> {
    let files: BTreeMap<String, String> =
        definitions.files.iter().map(|file| (file.name.clone(), file.etag.clone())).collect();
    let seen = setup.seen_definitions.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if seen.as_ref() == Some(&files) {
        return Ok(());
    }
    for name in known_to_ledger(edges, setup).await? {
        let etag = files.get(&name);
        if etag.is_some() && seen.as_ref().and_then(|seen| seen.get(&name)) == etag {
            continue;
        }
        // The sets of a definition that cannot be used start after its correction.
        if definitions.broken().any(|(file, _)| file.name == name) {
            continue;
        }
        let triggered = definitions.triggered().find(|(file, ..)| file.name == name);
        let trigger = triggered.map(|(.., trigger)| trigger);
        let waiting = waiting_sets(edges, setup, &name, trigger).await?;
        if !waiting.is_empty() {
            let notice = match etag {
                None => report::removed(&name, &waiting),
                Some(etag) => report::other_patterns(&name, etag, &waiting),
            };
            telling::once(edges, setup, &name, notice).await?;
        }
    }
    *setup.seen_definitions.lock().unwrap_or_else(PoisonError::into_inner) = Some(files);
    Ok(())
}

/// Returns the names of the sets of a definition that wait for their turn, up to the first one that `trigger` starts.
async fn waiting_sets<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
    trigger: Option<&Trigger>,
) -> anyhow::Result<Vec<String>> {
    let mut waiting: Vec<String> = Vec::new();
    let mut after = None;
    loop {
        let page = queue::page(edges, &setup.book, definition, after.as_deref()).await?;
        for mark in page.marks {
            // An unreadable ledger hides only its own set.
            let Ok(entry) = setup.book.entry(edges, &mark.set).await else { continue };
            if !waits(&entry.ledger) {
                continue;
            }
            // The sets that came later wait under the present patterns. A queue may be long.
            if trigger.is_some_and(|trigger| takes_any(trigger, &entry.ledger, &mark.set.id)) {
                return Ok(waiting);
            }
            if !waiting.contains(&mark.set.id) {
                waiting.push(mark.set.id);
            }
        }
        if page.last.is_none() {
            return Ok(waiting);
        }
        after = page.last;
    }
}

/// Returns whether the trigger takes a file of the waiting set `id`. Such a set starts, or it is listed with the files that it misses.
fn takes_any(trigger: &Trigger, ledger: &Ledger, id: &str) -> bool {
    let next = ledger.next.iter().flat_map(|next| &next.files);
    let head = ledger.head.iter().flat_map(|head| &head.files);
    let is_taken = |key: &str| trigger.captures(key).is_some_and(|captures| captures.encoded() == id);
    next.chain(head).any(|file| is_taken(&file.key))
}

/// Returns whether a set waits for its turn. A mark of the queue may outlive that.
fn waits(ledger: &Ledger) -> bool {
    let is_deferred = ledger.head.as_ref().is_some_and(|head| head.state == HeadState::Deferred);
    is_deferred || ledger.next.is_some() || ledger.rerun.is_some()
}
