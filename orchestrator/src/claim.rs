//! From a step to a claim: the definition's turn, a slot of the day's cap, and the conditional put of the ledger.

use anyhow::Context as _;
use jiff::Timestamp;

use crate::book::Entry;
use crate::conditional::Conditional;
use crate::ledger::{Claim, Content, Deferral, Head, Ledger};
use crate::ports::Edges;
use crate::queue::Waiting;
use crate::sets::Set;
use crate::setup::Setup;
use crate::turn::{Ahead, TurnAnswer};
use crate::{caps, queue, report, slot_return, turn};

/// The number of tries to write the ledger of a claim. A try fails if another handler writes the ledger at the same
/// time.
const MAX_PUTS: usize = 8;

/// The two ways to claim a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimKind {
    /// Start a new run.
    New,
    /// Continue the start of the head, whose holder is gone.
    TakeOver,
}

impl ClaimKind {
    /// Returns the reason in the decision about a set whose run was started with this claim.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::New => "the set is whole",
            Self::TakeOver => "continued a start that another handler did not finish",
        }
    }

    /// Returns the generation of the claim.
    pub(crate) fn generation(self, ledger: &Ledger) -> u32 {
        match (self, &ledger.head) {
            (Self::TakeOver, Some(head)) => head.generation,
            (Self::TakeOver, None) | (Self::New, _) => ledger.next_generation(),
        }
    }
}

/// The result of trying to claim a set.
pub(crate) enum Claimed {
    /// The set belongs to this handler, until the lease ends.
    Ours(Entry),
    /// The run of another set comes first.
    QueuedBehind(Ahead),
    /// A person has paused the definition.
    Paused(Timestamp),
    /// The cap of the day is reached.
    OverCap { until: Timestamp, entry: Entry },
}

/// Claims a whole set, if it is the definition's turn and the cap allows another run today.
pub(crate) async fn claim<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    content: &Content,
    mut entry: Entry,
    kind: ClaimKind,
) -> anyhow::Result<Conditional<Claimed>> {
    let mut claim = setup.new_claim();
    match turn::take(edges, setup, set, kind.generation(&entry.ledger), &claim).await? {
        Conditional::Done(TurnAnswer::Taken) => {}
        Conditional::Done(TurnAnswer::QueuedBehind(ahead)) => {
            let noted = note_next(edges, setup, set, content, &entry).await?;
            return Ok(noted.map(|()| Claimed::QueuedBehind(ahead)));
        }
        Conditional::Done(TurnAnswer::Paused(since)) => {
            let noted = note_next(edges, setup, set, content, &entry).await?;
            return Ok(noted.map(|()| Claimed::Paused(since)));
        }
        Conditional::LedgerChanged => return Ok(Conditional::LedgerChanged),
    }
    let is_forced = match kind {
        ClaimKind::New => entry.ledger.is_forced(),
        ClaimKind::TakeOver => entry.ledger.head.as_ref().is_some_and(|head| head.forced),
    };
    if let Some(cap) = set.trigger.max_runs_per_day.filter(|_| !is_forced) {
        slot_return::note(edges, &mut entry.ledger, content, set.trigger.settle).await?;
        claim.slot = caps::take(edges, setup, set, cap, &content.run_key, &entry.ledger, claim.now).await?;
        if claim.slot.is_none() {
            return defer(edges, setup, set, content, &entry, &claim, cap).await;
        }
    }
    let ledger = match kind {
        ClaimKind::New => entry.ledger.claimed(content, &claim),
        ClaimKind::TakeOver => entry.ledger.taken_over(&claim),
    };
    let ledger = Ledger { bucket: set.bucket.clone(), ..ledger };
    let claimed = setup.book.put(edges, &entry, ledger).await?;
    if matches!(claimed, Conditional::Done(_)) {
        remove_marks(edges, setup, set, content, &entry.ledger).await;
    }
    Ok(claimed.map(Claimed::Ours))
}

/// Removes the marks of a set that has waited and was claimed now. `waited` is the ledger before the claim.
async fn remove_marks<E: Edges>(edges: &E, setup: &Setup, set: &Set<'_>, content: &Content, waited: &Ledger) {
    let next = waited.next.as_ref().map(|next| &next.files);
    if let Some(files) = next.or(waited.rerun.is_some().then_some(&content.files)) {
        queue::remove(edges, &setup.book, &set.name, queue::landed_at(files)).await;
    }
    if let Some(deferral) = waited.head.as_ref().and_then(|head| head.deferred.as_ref()) {
        queue::remove(edges, &setup.book, &set.name, deferral.until).await;
    }
}

/// Writes content that waits for the definition's turn into the queue and into the ledger.
async fn note_next<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    content: &Content,
    entry: &Entry,
) -> anyhow::Result<Conditional<()>> {
    let is_content = |run_key: &str| run_key == content.run_key;
    if entry.ledger.next.as_ref().is_some_and(|next| is_content(&next.run_key)) {
        return Ok(Conditional::Done(()));
    }
    queue::put_content(edges, &setup.book, &set.name, &set.bucket, content).await?;
    if entry.ledger.head.as_ref().is_some_and(|head| is_content(&head.run_key)) {
        return Ok(Conditional::Done(()));
    }
    let ledger = Ledger { bucket: set.bucket.clone(), ..entry.ledger.with_next(content, setup.now()) };
    Ok(setup.book.put(edges, entry, ledger).await?.map(|_| ()))
}

/// Defers a set to the next day, with one notice.
async fn defer<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    content: &Content,
    entry: &Entry,
    claim: &Claim,
    cap: u32,
) -> anyhow::Result<Conditional<Claimed>> {
    let until = set.trigger.day_end(claim.now);
    let mut ledger = entry.ledger.deferred(content, claim, Deferral { until, cap });
    ledger.bucket.clone_from(&set.bucket);
    let notice = report::deferral(&set.name, set.trigger, content, until, cap);
    // The notice is published first: after a crash between the two calls, two notices are better than none.
    if !ledger.notices.contains(&notice.id) {
        edges.publish(&notice).await.context("publishing a notice")?;
        ledger.remember_notice(&notice.id);
    }
    if let Some(file) = content.files.first() {
        let waiting = Waiting { bucket: set.bucket.clone(), key: file.key.clone() };
        queue::put(edges, &setup.book, &set.name, until, waiting).await?;
    }
    let put = setup.book.put(edges, entry, ledger).await?;
    Ok(put.map(|entry| Claimed::OverCap { until, entry }))
}

/// Changes the head of this handler's claim, and keeps the changes that other handlers have made to the ledger since.
///
/// Returns the new entry, and fails as [`update`] does.
pub(crate) async fn update_head<E: Edges>(
    edges: &E,
    setup: &Setup,
    claimed: &Entry,
    change: impl Fn(&mut Head),
) -> anyhow::Result<Entry> {
    let change = |ledger: &mut Ledger| {
        if let Some(head) = &mut ledger.head {
            change(head);
        }
    };
    update(edges, setup, claimed, change).await
}

/// Changes the ledger of this handler's claim, and keeps the changes that other handlers have made to it since.
///
/// Returns the new entry. Fails if another handler took over the claim, or if the ledger changed during each of
/// [`MAX_PUTS`] tries.
pub(crate) async fn update<E: Edges>(
    edges: &E,
    setup: &Setup,
    claimed: &Entry,
    change: impl Fn(&mut Ledger),
) -> anyhow::Result<Entry> {
    let mut entry = claimed.clone();
    for _ in 0..MAX_PUTS {
        if !is_same_claim(&entry, claimed) {
            anyhow::bail!("another handler took over the claim in {}", entry.key);
        }
        let mut ledger = entry.ledger.clone();
        change(&mut ledger);
        match setup.book.put(edges, &entry, ledger).await? {
            Conditional::Done(entry) => return Ok(entry),
            Conditional::LedgerChanged => entry = setup.book.again(edges, &entry).await?,
        }
    }
    anyhow::bail!("{} changed {MAX_PUTS} times while this handler wrote it", entry.key)
}

fn is_same_claim(entry: &Entry, claimed: &Entry) -> bool {
    let claim = |entry: &Entry| entry.ledger.head.as_ref().map(|head| (head.holder.clone(), head.generation));
    claim(entry) == claim(claimed)
}
