//! A definition's turn: the runs of one definition start one after another, whatever set they belong to.
//!
//! The runs of one definition write the same tables, and two at a time would mix their rows. So a handler takes the
//! definition's turn before it claims a set. The turn is one object that changes by conditional puts only. The object
//! names one claim by its set and generation. The ledger of that set says whether the run of the claim is over; the
//! turn only says until when the claim may still be made.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::book::Entry;
use crate::conditional::Conditional;
use crate::ledger::{Claim, Head, HeadState, Progress, after};
use crate::ports::{Condition, Edges, Put};
use crate::queue::{self, Waiting};
use crate::report::log;
use crate::set_name::SetName;
use crate::sets::Set;
use crate::setup::Setup;
use crate::{outcome, progress};

/// The number of tries to pause or resume a definition. A try fails if a handler takes the turn at the same time.
const MAX_PUTS: usize = 8;

/// The stored turn: the claim that holds the turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Turn {
    set: String,
    generation: u32,
    holder: String,
    /// Before this time, the claim may still be made.
    lease_until: Timestamp,
    /// Since when a person has paused the definition. Nobody takes the turn of a paused definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused: Option<Timestamp>,
}

/// The answer to a claim that asks for the turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TurnAnswer {
    /// The turn belongs to the claim.
    Taken,
    /// The claim has to wait for this run.
    QueuedBehind(Ahead),
    /// The claim has to wait until a person resumes the definition, which was paused at this time.
    Paused(Timestamp),
}

/// The run that a set is queued behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub set: SetName,
    pub pipeline_id: Option<String>,
}

/// Takes the turn for the claim of `generation`, unless the turn belongs to another claim whose run is not over.
///
/// If another handler takes the turn first, the result is `LedgerChanged`, because that handler may have claimed the
/// same set.
pub(crate) async fn take<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    generation: u32,
    claim: &Claim,
) -> anyhow::Result<Conditional<TurnAnswer>> {
    let key = key(setup, &set.name.definition);
    let turn = Turn {
        set: set.name.id.clone(),
        generation,
        holder: claim.holder.clone(),
        lease_until: after(claim.now, claim.lease),
        paused: None,
    };
    let condition = match read(edges, setup, &key).await? {
        None => Condition::Absent,
        Some((Turn { paused: Some(since), .. }, _)) => {
            return Ok(Conditional::Done(TurnAnswer::Paused(since)));
        }
        Some((other, etag)) => match run_ahead(edges, setup, set, generation, &other).await? {
            RunBefore::Ahead(ahead) => return Ok(Conditional::Done(TurnAnswer::QueuedBehind(ahead))),
            RunBefore::Own => Condition::Unchanged(etag),
            RunBefore::Over(owner, entry) => {
                // The claim itself writes the ledger of its own set.
                if owner != set.name {
                    leave(edges, setup, &owner, *entry, other.generation).await?;
                }
                Condition::Unchanged(etag)
            }
        },
    };
    Ok(match write(edges, setup, &key, &turn, condition).await? {
        Put::Stored(_) => Conditional::Done(TurnAnswer::Taken),
        Put::Conflict => Conditional::LedgerChanged,
    })
}

/// Returns the run that a claim of `generation` would have to wait for; `None` if the claim may start now. Only reads.
pub(crate) async fn ahead<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    generation: u32,
) -> anyhow::Result<Option<Ahead>> {
    let Some((turn, _)) = read(edges, setup, &key(setup, &set.name.definition)).await? else {
        return Ok(None);
    };
    Ok(match run_ahead(edges, setup, set, generation, &turn).await? {
        RunBefore::Ahead(ahead) => Some(ahead),
        RunBefore::Own | RunBefore::Over(..) => None,
    })
}

/// Returns since when the definition is paused, or `None` if it is not.
pub(crate) async fn paused_since<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
) -> anyhow::Result<Option<Timestamp>> {
    let turn = read(edges, setup, &key(setup, definition)).await?;
    Ok(turn.and_then(|(turn, _)| turn.paused))
}

/// Pauses or resumes a definition. Afterwards, no run of a paused definition starts; a run that has started goes on.
///
/// The mark is a part of the turn, so that a handler that takes the turn at the same moment either comes first or sees it.
pub(crate) async fn set_paused<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
    is_paused: bool,
) -> anyhow::Result<()> {
    let key = key(setup, definition);
    for _ in 0..MAX_PUTS {
        let read = read(edges, setup, &key).await?;
        let (turn, condition) = match read {
            Some((turn, etag)) => (turn, Condition::Unchanged(etag)),
            None => (Turn::default(), Condition::Absent),
        };
        let paused = is_paused.then(|| turn.paused.unwrap_or_else(|| setup.now()));
        if let Put::Stored(_) = write(edges, setup, &key, &Turn { paused, ..turn }, condition).await? {
            return Ok(());
        }
    }
    anyhow::bail!("{key} changed {MAX_PUTS} times while it was written: try again")
}

/// Returns the set whose claim had the definition's turn last.
pub(crate) async fn owner<E: Edges>(
    edges: &E,
    setup: &Setup,
    definition: &str,
) -> anyhow::Result<Option<SetName>> {
    let turn = read(edges, setup, &key(setup, definition)).await?;
    let owner = turn.map(|(turn, _)| turn.set).filter(|set| !set.is_empty());
    Ok(owner.map(|id| SetName { definition: definition.to_owned(), id }))
}

/// Gives back the turn of a claim that started nothing, so that other sets need not wait for the end of its lease. Does
/// nothing if the turn does not belong to `holder`.
pub(crate) async fn give_back<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    holder: &str,
) -> anyhow::Result<()> {
    let key = key(setup, &set.name.definition);
    let Some((turn, etag)) = read(edges, setup, &key).await?.filter(|(turn, _)| turn.holder == holder) else {
        return Ok(());
    };
    let turn = Turn { lease_until: setup.now(), ..turn };
    // After a conflict, the turn belongs to another claim already.
    write(edges, setup, &key, &turn, Condition::Unchanged(etag)).await.map(drop)
}

fn key(setup: &Setup, definition: &str) -> String {
    format!("{}_turn.json", setup.book.folder(definition))
}

async fn read<E: Edges>(edges: &E, setup: &Setup, key: &str) -> anyhow::Result<Option<(Turn, String)>> {
    let stored = edges.get(&setup.book.home.bucket, key).await;
    let Some(stored) = stored.with_context(|| format!("reading {key}"))? else { return Ok(None) };
    let turn = serde_json::from_slice(&stored.body).unwrap_or_else(|error| {
        // An unreadable turn counts as free. A run may then start too early, but this does less harm than a definition that
        // never runs again.
        log::unreadable_turn(key, &error);
        Turn::default()
    });
    Ok(Some((turn, stored.etag)))
}

async fn write<E: Edges>(
    edges: &E,
    setup: &Setup,
    key: &str,
    turn: &Turn,
    condition: Condition,
) -> anyhow::Result<Put> {
    let body = serde_json::to_string(turn).context("writing a turn")?;
    let put = edges.put(&setup.book.home.bucket, key, body, condition).await;
    put.with_context(|| format!("writing {key}"))
}

/// The run of the turn's claim, as another claim finds it.
enum RunBefore {
    /// The turn belongs to the same claim.
    Own,
    /// The claim has to wait for this run.
    Ahead(Ahead),
    /// The run is over, or was never started. The entry is that of the run's set.
    Over(SetName, Box<Entry>),
}

/// Returns the run of the turn's claim, if the turn belongs to another claim and the run of that claim is not over.
async fn run_ahead<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    generation: u32,
    turn: &Turn,
) -> anyhow::Result<RunBefore> {
    if turn.set == set.name.id && turn.generation == generation {
        return Ok(RunBefore::Own);
    }
    let now = setup.now();
    let owner = SetName { definition: set.name.definition.clone(), id: turn.set.clone() };
    let entry = setup.book.entry(edges, &owner).await?;
    let may_be_claimed = now < turn.lease_until && !setup.book.is_gone(&turn.holder);
    let Some(head) = entry.ledger.heads().find(|head| head.generation == turn.generation) else {
        return Ok(match may_be_claimed {
            true => RunBefore::Ahead(Ahead { set: owner, pipeline_id: None }),
            false => RunBefore::Over(owner, Box::new(entry)),
        });
    };
    let may_start = matches!(head.state, HeadState::Claimed | HeadState::Created);
    let is_starting = may_start && (may_be_claimed || head.is_leased(now));
    Ok(match is_starting || is_at_work(edges, setup, set, head, now).await? {
        true => RunBefore::Ahead(Ahead { set: owner, pipeline_id: head.pipeline_id.clone() }),
        false => RunBefore::Over(owner, Box::new(entry)),
    })
}

/// Leaves the run of the turn's claim behind, before another claim takes the turn. After that, nothing names the run any
/// more, so its outcome is written, or its set gets a mark if its start was never completed.
async fn leave<E: Edges>(
    edges: &E,
    setup: &Setup,
    owner: &SetName,
    mut entry: Entry,
    generation: u32,
) -> anyhow::Result<()> {
    let Some(head) = entry.ledger.head.as_ref().filter(|head| head.generation == generation) else {
        return Ok(());
    };
    match (head.state, head.files.first()) {
        (HeadState::Claimed | HeadState::Created, Some(file)) => {
            let waiting = Waiting { bucket: entry.ledger.bucket.clone(), key: file.key.clone() };
            queue::put(edges, &setup.book, owner, queue::landed_at(&head.files), waiting).await
        }
        (HeadState::Activated, _) => outcome::write(edges, setup, &mut entry).await.map(drop),
        _ => Ok(()),
    }
}

/// Returns whether the run of `head` is at work and `set` has to wait for its end.
async fn is_at_work<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    head: &Head,
    now: Timestamp,
) -> anyhow::Result<bool> {
    // The service is also asked about a failed run, because a user may have rerun it by hand.
    let is_over = matches!(head.state, HeadState::Finished | HeadState::Deferred);
    let Some(id) = head.pipeline_id.as_ref().filter(|_| !is_over) else { return Ok(false) };
    Ok(match progress::of(edges, id).await.context("asking for the progress of the run before")? {
        // Under `replace`, the run at work is removed before the new run starts.
        Progress::AtWork => !set.replaces(),
        // The service may show an activation late. If it does not show the activation before the lease ends, there was no
        // activation.
        Progress::NotStarted => head.activated_at.is_some_and(|at| now < after(at, setup.config.lease)),
        Progress::Finished | Progress::Failed | Progress::Gone => false,
    })
}
