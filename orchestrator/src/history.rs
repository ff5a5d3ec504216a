//! Lists the runs of the past and the sets that wait, from the ledger. Changes nothing.

use std::collections::HashSet;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definitions::Definitions;
use crate::ledger::Head;
use crate::ports::{Depth, Edges, Listed};
use crate::report::{self, Decision, Verdict};
use crate::set_name::SetName;
use crate::sets_of::SetsOf;
use crate::setup::Setup;
use crate::{incomplete, queue, status, turn};

/// How many ledgers or sets are read at the same time.
const READ_AT_ONCE: usize = 16;

/// The runs of the past and the sets that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The newest runs, the oldest of them first.
    pub runs: Vec<PastRun>,
    /// The sets that wait, each with the reason. The set that starts first comes first. Those that wait for files come last, if
    /// they were asked for.
    pub waiting: Vec<Decision>,
    /// The paused definitions, each with the time of the pause.
    pub paused: Vec<(String, Timestamp)>,
    /// If the values of the home cannot be read, or if one definition was asked for and drops do not start it: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// A run of a set, as the ledger remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastRun {
    /// The definition's name.
    pub definition: String,
    /// The set's name within the definition, `day=2026-11-20`.
    pub set: String,
    /// The pipeline, which may be deleted.
    pub pipeline_id: Option<String>,
    /// `claimed`, `created`, `activated`, `finished`, `failed`, `deferred` or `superseded`.
    pub state: String,
    /// The time at which the run was activated.
    pub activated: Option<Timestamp>,
    /// The time at which the last instance of the run ended.
    pub ended: Option<Timestamp>,
    /// The rows that the run loaded; `None` if the run has not ended.
    pub rows_loaded: Option<u64>,
    /// The rows that the run refused.
    pub rows_rejected: Option<u64>,
    /// The reason why the run failed.
    pub error: Option<String>,
}

/// Returns at most `limit` runs, and at most `limit` waiting sets of each definition. `only` names one definition. The sets that
/// wait for files are included only if `with_incomplete` is true, because finding them lists the keys of the drop bucket.
pub(crate) async fn read<E: Edges>(
    edges: &E,
    setup: &Setup,
    only: Option<&str>,
    limit: usize,
    with_incomplete: bool,
) -> anyhow::Result<History> {
    let definitions = setup.definitions.load(edges, &setup.book.home).await?;
    let unknown = only.and_then(|only| definitions.why_not_triggered(only));
    let unknown = unknown.or(definitions
        .check_values()
        .err()
        .map(|error| format!("{error}; no set starts until it is corrected")));
    let mut history = History { unknown, ..History::default() };
    let mut ledgers: Vec<(SetName, Listed)> = Vec::new();
    for (file, ..) in definitions.triggered().filter(|(file, ..)| only.is_none_or(|only| only == file.name)) {
        let name = file.name.as_str();
        let folder = setup.book.folder(name);
        let listing = edges.list(&setup.book.home.bucket, &folder, Depth::Level).await;
        let listing = listing.with_context(|| format!("listing {folder}"))?.into_iter();
        ledgers.extend(listing.filter_map(|listed| Some((setup.book.set_of(name, &listed.key)?, listed))));
        history.waiting.extend(waiting(edges, setup, &definitions, name, limit).await?);
        if let (true, Some(sets)) = (with_incomplete, SetsOf::definition(&definitions, name).ok().flatten()) {
            let incomplete = incomplete::of_definition(edges, setup, &sets, name, limit).await?;
            let known: HashSet<_> = history.waiting.iter().map(key).collect();
            let new: Vec<_> =
                incomplete.into_iter().filter(|decision| !known.contains(&key(decision))).collect();
            history.waiting.extend(new);
        }
        let paused = turn::paused_since(edges, setup, name).await?;
        history.paused.extend(paused.map(|since| (name.to_owned(), since)));
    }
    // A ledger changes when its set runs, so the newest runs are in the ledgers that changed last.
    ledgers.sort_by_key(|(_, listed)| std::cmp::Reverse(listed.modified));
    ledgers.truncate(limit);
    let reads = ledgers.into_iter().map(|(name, _)| async move {
        // An unreadable ledger hides only its own set.
        setup.book.entry(edges, &name).await.ok().map(|entry| (name, entry.ledger))
    });
    let mut runs: Vec<(Timestamp, PastRun)> = Vec::new();
    let mut reads = stream::iter(reads).buffer_unordered(READ_AT_ONCE);
    while let Some(read) = reads.next().await {
        let Some((name, ledger)) = read else { continue };
        runs.extend(ledger.heads().map(|head| (head.claimed_at, past_run(&name, head))));
    }
    runs.sort_by_key(|(claimed_at, _)| std::cmp::Reverse(*claimed_at));
    runs.truncate(limit);
    history.runs = runs.into_iter().rev().map(|(_, run)| run).collect();
    Ok(history)
}

/// Returns the definition and the set of a decision.
fn key(decision: &Decision) -> (String, Option<String>) {
    (decision.definition.clone(), decision.set.clone())
}

fn past_run(name: &SetName, head: &Head) -> PastRun {
    let facts = head.facts.as_ref();
    PastRun {
        definition: name.definition.clone(),
        set: name.id.clone(),
        pipeline_id: head.pipeline_id.clone(),
        state: head.state.as_str().to_owned(),
        activated: head.activated_at,
        ended: facts.and_then(|facts| facts.ended),
        rows_loaded: facts.map(|facts| facts.rows_loaded),
        rows_rejected: facts.map(|facts| facts.rows_rejected),
        error: head.error.clone(),
    }
}

/// Returns why each of the first marked sets of a definition waits.
async fn waiting<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    name: &str,
    limit: usize,
) -> anyhow::Result<Vec<Decision>> {
    let Ok(Some(sets)) = SetsOf::definition(definitions, name) else { return Ok(Vec::new()) };
    let sets = &sets;
    let (mut marks, mut last) = (Vec::new(), None::<String>);
    loop {
        let page = queue::page(edges, &setup.book, name, last.as_deref()).await?;
        last = page.last;
        if last.is_none() || marks.len() >= limit {
            break;
        }
        marks.extend(page.marks);
    }
    marks.truncate(limit);
    let decisions = marks.into_iter().map(|mark| async move {
        let waiting = queue::read(edges, &setup.book, &mark).await?;
        let captured = waiting.and_then(|file| Some((sets.trigger().captures(&file.key)?, file.bucket)));
        let Some((captures, bucket)) = captured else { return anyhow::Ok(None) };
        let set = sets.set(&bucket, captures);
        // An unreadable set does not hide the others.
        let decision = status::of_set(edges, setup, &set).await;
        Ok(Some(decision.unwrap_or_else(|error| report::failed(&set.name, &error))))
    });
    let decisions: Vec<_> = stream::iter(decisions).buffered(READ_AT_ONCE).try_collect().await?;
    let mut waiting: Vec<Decision> = Vec::new();
    for decision in decisions.into_iter().flatten() {
        // A mark may outlive the reason of its set, and a set may have several marks.
        let waits = !matches!(decision.verdict, Verdict::Duplicate | Verdict::Started);
        if waits && waiting.iter().all(|other| other.set != decision.set) {
            waiting.push(decision);
        }
    }
    Ok(waiting)
}
