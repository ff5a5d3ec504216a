//! From an event to an activated pipeline, in eight steps.
//!
//! 1. Load the definitions.
//! 2. Find the files of the set. If some are missing, stop.
//! 3. Read the ledger and decide the next step.
//! 4. Take the definition's turn and a slot of the day's cap.
//! 5. Claim the set in the ledger.
//! 6. Remove stale pipelines.
//! 7. Create the pipeline, put its definition, and activate it.
//! 8. Write the result into the ledger, and publish a notice about a failure.
//!
//! This module only connects the stages. Each stage is a function in a module of its own.

use anyhow::bail;
use futures::future;
use serde_json::{Value, json};

use crate::book::Entry;
use crate::claim::{ClaimKind, Claimed};
use crate::conditional::Conditional;
use crate::content::Found;
use crate::definitions::Definitions;
use crate::event::{Arrival, Item, Message};
use crate::guard::{Guard, OutOfTime};
use crate::ledger::{Content, DroppedFile, Ledger, Next};
use crate::metrics::Metrics;
use crate::ports::Edges;
use crate::report::{self, Decision, log};
use crate::sets::Set;
use crate::setup::Setup;
use crate::step::{Decided, Step};
use crate::{claim, content, first_seen, loading, near_miss, queue, sets, slot_return, start, step, telling};

/// The number of tries to advance a set. A try starts again if another handler changes the ledger of the set.
const MAX_ROUNDS: usize = 8;

/// The answer to an event, and the counts of its effects.
pub struct Handled {
    /// The answer for the caller; an error if the event is to be delivered again as a whole.
    pub answer: anyhow::Result<Value>,
    /// The numbers.
    pub metrics: Metrics,
}

/// The decisions about keys, and the first error, if any.
#[derive(Default)]
struct Outcome {
    decisions: Vec<Decision>,
    error: Option<anyhow::Error>,
    metrics: Metrics,
}

impl Outcome {
    fn decided(decision: Decision, key: &str) -> Self {
        log::decision(&decision, key);
        Self { decisions: vec![decision], ..Self::default() }
    }

    fn failed(error: anyhow::Error) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    fn add(&mut self, other: Self) {
        self.decisions.extend(other.decisions);
        self.error = self.error.take().or(other.error);
        self.metrics.add(other.metrics);
    }
}

/// Handles the messages of one event, with the decision about each of their keys in the answer.
///
/// The error of one message does not stop the others. The answer names the messages that failed, and SQS delivers these
/// messages again. If the definitions cannot be loaded, or if an event that is not a batch of SQS fails, the answer is an
/// error.
pub(crate) async fn handle<E: Edges>(
    edges: &E,
    setup: &Setup,
    messages: &[Message],
    guard: Guard,
) -> Handled {
    let (mut decisions, mut failed, mut first_error) = (Vec::new(), Vec::new(), None);
    let (mut errors, mut metrics) = (serde_json::Map::new(), Metrics::default());
    // Step 1.
    let definitions = guard.within(setup.now(), loading::definitions(edges, setup)).await;
    let definitions = match definitions.map_err(anyhow::Error::from).and_then(|loaded| loaded) {
        Ok(definitions) => definitions,
        Err(error) => {
            metrics.failures += 1;
            return Handled { answer: Err(error), metrics };
        }
    };
    for message in messages {
        let work = handle_message(edges, setup, &definitions, message, guard);
        let handled = guard.within(setup.now(), work).await;
        let handled = handled.unwrap_or_else(|late| Outcome::failed(late.into()));
        decisions.extend(handled.decisions);
        metrics.add(handled.metrics);
        let Some(error) = handled.error else { continue };
        metrics.failures += 1;
        log::message_failed(&error);
        match &message.id {
            Some(id) => {
                failed.push(json!({"itemIdentifier": id}));
                errors.insert(id.clone(), format!("{error:#}").into());
            }
            None => first_error = first_error.or(Some(error)),
        }
    }
    let answer = match first_error {
        Some(error) => Err(error),
        None => Ok(json!({"decisions": decisions, "batchItemFailures": failed, "errors": errors})),
    };
    Handled { answer, metrics }
}

/// Handles every item of a message, even after an item has failed. Begins nothing when the time limit is near.
async fn handle_message<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    message: &Message,
    guard: Guard,
) -> Outcome {
    let mut handled = Outcome::default();
    for item in &message.items {
        handled.add(match item {
            Item::Ignored { key, reason } => {
                Outcome::decided(report::ignored(key.clone(), reason), key.as_deref().unwrap_or_default())
            }
            Item::Arrival(_) if guard.is_late(setup.now()) => Outcome::failed(OutOfTime.into()),
            Item::Arrival(arrival) => {
                let mut arrived = Box::pin(handle_arrival(edges, setup, definitions, arrival)).await;
                for decision in &arrived.decisions {
                    arrived.metrics.count(decision, arrival.at, setup.now());
                }
                arrived
            }
        });
    }
    handled
}

/// Advances each set that an object belongs to, and returns one decision for each set.
async fn handle_arrival<E: Edges>(
    edges: &E,
    setup: &Setup,
    definitions: &Definitions,
    arrival: &Arrival,
) -> Outcome {
    let Arrival { bucket, key, at, .. } = arrival;
    let sets = match sets::of_key(setup, definitions, bucket, key) {
        Ok(sets) => sets,
        Err(decision) => {
            let landed = at.unwrap_or_else(|| setup.now());
            let reported =
                near_miss::report(edges, setup, definitions, (bucket, key), landed, *decision).await;
            return reported.map_or_else(Outcome::failed, |decision| Outcome::decided(decision, key));
        }
    };
    if let Err(error) = definitions.check_values() {
        return Outcome::failed(error);
    }
    let results = future::join_all(sets.iter().map(|set| async move {
        // Only sweeps need the time of the first sight. The time is stored while the set advances, so that the handler
        // does not take longer.
        let first_seen = first_seen::of(edges, setup, &set.name.definition, set.uploaded);
        let advanced = advance(edges, setup, set, Cause::Arrival(arrival));
        let (decision, seen) = future::join(Box::pin(advanced), first_seen).await;
        decision.and_then(|decision| seen.map(|_| decision))
    }));
    let mut handled = Outcome::default();
    for result in results.await {
        handled.add(match result {
            Ok(decision) => Outcome::decided(Decision { key: Some(key.to_owned()), ..decision }, key),
            Err(error) => Outcome::failed(error),
        });
    }
    handled
}

/// The cause for which a set is advanced.
#[derive(Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// The event about one object. Where the ledger and the files with a known key show the answer, the other files of the set are not
    /// listed. Without that, each event of a marked set with thousands of files would list thousands of files.
    Arrival(&'a Arrival),
    /// A sweep, the end of another run, or a person. All files of the set are looked for.
    Look,
}

/// Advances a set through steps 2 to 8, as far as possible at this moment.
///
/// The futures of the steps are boxed, because one inside the other they would not fit on the stack of a thread.
pub(crate) async fn advance<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    cause: Cause<'_>,
) -> anyhow::Result<Decision> {
    for _ in 0..MAX_ROUNDS {
        // Step 2. The ledger for step 3 is read at the same time.
        let reading = setup.book.entry(edges, &set.name);
        let (found, entry) = match cause {
            Cause::Arrival(arrival) if content::may_spare_lists(set) => {
                let looking = content::find_without_list(edges, set, &arrival.key);
                let (found, entry) = future::try_join(looking, reading).await?;
                if let Some(reason) = step::already_read(&entry.ledger, set.trigger, arrival) {
                    return Ok(report::duplicate(&set.name, reason, &entry.ledger));
                }
                match found {
                    Some(found) => (found, entry),
                    None => (content::find(edges, set).await?, entry),
                }
            }
            Cause::Arrival(_) | Cause::Look => future::try_join(content::find(edges, set), reading).await?,
        };
        let content = match found {
            Found::Whole(content) => content,
            Found::Overtaken { marker, newer } => {
                return Ok(report::overtaken(&set.name, marker, &newer));
            }
            Found::Missing(keys) => return Ok(report::incomplete(&set.name, set.trigger, keys)),
            Found::TooMany(files) => return too_many(edges, setup, set, &files).await,
        };
        match Box::pin(advance_whole(edges, setup, set, &content, entry)).await? {
            Conditional::Done(decision) => return Ok(decision),
            Conditional::LedgerChanged => {}
        }
    }
    bail!("the ledger of {} changed {MAX_ROUNDS} times while this handler worked on the set", set.name)
}

/// Publishes one notice about a set in which several files match where `myMatch` allows one.
pub(crate) async fn too_many<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    files: &[DroppedFile],
) -> anyhow::Result<Decision> {
    let notice = report::too_many_files(&set.name, &set.bucket, files);
    telling::once(edges, setup, &set.name.definition, notice).await?;
    Ok(report::too_many(&set.name, files))
}

/// Advances a whole set through steps 3 to 8.
pub(crate) async fn advance_whole<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    content: &Content,
    entry: Entry,
) -> anyhow::Result<Conditional<Decision>> {
    // Step 3.
    let Decided { step, entry, is_settled } = step::next(edges, setup, set, content, entry).await?;
    let (name, book) = (&set.name, &setup.book);
    let has_gone = |next: &Next| next.run_key != content.run_key;
    let next_has_gone = entry.ledger.next.as_ref().is_some_and(has_gone);
    if (is_settled || next_has_gone) && matches!(step, Step::Duplicate(_) | Step::NotNewer(_)) {
        // Stores the progress, so that no handler has to ask the service again, and forgets content that waited and is not in
        // the bucket any more. A conflict does no harm, because the next handler can do the same.
        let next = entry.ledger.next.clone().filter(|next| !has_gone(next));
        let _ = book.put(edges, &entry, Ledger { next, ..entry.ledger.clone() }).await?;
    }
    Ok(match step {
        Step::Duplicate(reason) => Conditional::Done(report::duplicate(name, reason, &entry.ledger)),
        Step::NotNewer(old) => Conditional::Done(report::not_newer(name, old)),
        Step::Deferred(until) => {
            Conditional::Done(report::deferred(name, &set.captures, set.trigger, until, &entry.ledger))
        }
        Step::Queued => Conditional::Done(report::next(name, &entry.ledger)),
        Step::Queue => {
            queue::put_content(edges, &setup.book, name, &set.bucket, content).await?;
            let mut ledger = entry.ledger.with_next(content, setup.now());
            slot_return::note_change(&mut ledger, content, set.trigger.settle);
            book.put(edges, &entry, ledger).await?.map(|entry| report::next(name, &entry.ledger))
        }
        Step::Restore => {
            let ledger = entry.ledger.restored(&content.run_key);
            let _ = book.put(edges, &entry, ledger).await?;
            // The ledger was changed, by this handler or by another one. The next step depends on the new ledger.
            Conditional::LedgerChanged
        }
        Step::Claim => Box::pin(claim_and_start(edges, setup, set, content, entry, ClaimKind::New)).await?,
        Step::TakeOver => {
            Box::pin(claim_and_start(edges, setup, set, content, entry, ClaimKind::TakeOver)).await?
        }
    })
}

/// Advances a whole set through steps 4 to 8.
async fn claim_and_start<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    content: &Content,
    entry: Entry,
    kind: ClaimKind,
) -> anyhow::Result<Conditional<Decision>> {
    // Steps 4 and 5.
    let claimed = match Box::pin(claim::claim(edges, setup, set, content, entry, kind)).await? {
        Conditional::Done(claimed) => claimed,
        Conditional::LedgerChanged => return Ok(Conditional::LedgerChanged),
    };
    Ok(Conditional::Done(match claimed {
        Claimed::Ours(entry) => {
            // Steps 6 to 8.
            let started = Box::pin(start::start(edges, setup, set, entry)).await?;
            report::started(&set.name, kind.reason(), &started.ledger)
        }
        Claimed::QueuedBehind(ahead) => {
            report::queued_behind(&set.name, &ahead.set, ahead.pipeline_id.as_deref())
        }
        Claimed::Paused(since) => report::paused(&set.name, since),
        Claimed::OverCap { until, entry } => {
            report::deferred(&set.name, &set.captures, set.trigger, until, &entry.ledger)
        }
    }))
}
