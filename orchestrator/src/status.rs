//! Answers: what was decided, in words; and what would be, for those who ask.

use futures::future;
use jiff::Timestamp;

use crate::book::Entry;
use crate::handler::Handler;
use crate::ledger::State;
use crate::ports::Edges;
use crate::report::{Decision, Verdict};
use crate::sets::{Found, Set};
use crate::step::{self, Step};
use crate::turn::Ahead;

impl<E: Edges> Handler<E> {
    /// Returns what happened, or would happen, with a key; changes nothing.
    pub(crate) async fn status_of(&self, bucket: &str, key: &str) -> anyhow::Result<Vec<Decision>> {
        let definitions = self.definitions.load(&self.edges, &self.book.home).await?;
        let sets = match self.sets_of(&definitions, bucket, key) {
            Ok(sets) => sets,
            Err(decision) => return Ok(vec![*decision]),
        };
        let decisions = future::try_join_all(sets.iter().map(|set| self.status(set))).await?;
        Ok(decisions.into_iter().map(|decision| Decision { key: Some(key.to_owned()), ..decision }).collect())
    }

    async fn status(&self, set: &Set<'_>) -> anyhow::Result<Decision> {
        let reading = self.book.entry(&self.edges, set.definition(), &set.id);
        let (found, mut entry) = future::try_join(self.find(set), reading).await?;
        let content = match found {
            Found::Whole(content) => content,
            Found::Missing(keys) => return Ok(incomplete(set, keys, "these files have not arrived yet")),
        };
        let head = entry.ledger.head.as_ref().filter(|head| head.state == State::Activated);
        if let Some(id) = head.and_then(|head| head.pipeline_id.clone()) {
            let ending = self.ending(&id).await?;
            entry.ledger.settle_head(ending, self.now());
        }
        entry.ledger = entry.ledger.restored(&content.run_key);
        let decision = match step::decide(&entry.ledger, &content, &self.terms(set, true)) {
            Step::Duplicate(reason) => with_head(set.decision(Verdict::Duplicate, reason), &entry),
            Step::Incomplete(old) => {
                incomplete(set, old, "these files are not newer than those of the last run")
            }
            Step::Deferred(until) => deferred(set, until, &entry),
            Step::Queue | Step::Queued => queued(set, &entry),
            Step::Look(_) | Step::Restore => ready(set),
            Step::Claim => self.ready_or_behind(set, entry.ledger.next_generation()).await?,
            Step::TakeOver => {
                let generation = entry.ledger.head.as_ref().map_or(1, |head| head.generation);
                self.ready_or_behind(set, generation).await?
            }
        };
        Ok(decision)
    }

    async fn ready_or_behind(&self, set: &Set<'_>, generation: u32) -> anyhow::Result<Decision> {
        let ahead = self.look_ahead(set, generation).await?;
        Ok(ahead.map_or_else(|| ready(set), |ahead| behind(set, &ahead)))
    }
}

fn ready(set: &Set<'_>) -> Decision {
    set.decision(Verdict::Ready, "the set is whole and about to start")
}

/// Logs what became of a key.
pub(crate) fn log(decision: &Decision, key: &str) {
    let message = match decision.verdict {
        Verdict::Started => "started a run for a dropped file's set",
        Verdict::Duplicate => "a dropped file's set has its run already",
        Verdict::Incomplete => "a dropped file waits for the rest of its set",
        Verdict::Deferred => "a dropped file's set waits for another day",
        Verdict::Next | Verdict::Behind => "a dropped file's set comes after the run at work",
        Verdict::Unmatched => "a dropped file fits no pattern",
        Verdict::Ignored => "ignored a key",
        Verdict::Failed | Verdict::Ready => "looked at a dropped file's set",
    };
    tracing::info!(
        s3.key = key,
        definition = decision.definition,
        set = decision.set,
        pipeline.id = decision.pipeline_id,
        missing = (!decision.missing.is_empty()).then(|| decision.missing.join(", ")),
        reason = decision.reason,
        "{message}"
    );
}

pub(crate) fn ignored(key: Option<String>, reason: &str) -> Decision {
    Decision {
        definition: String::new(),
        set: None,
        key,
        verdict: Verdict::Ignored,
        pipeline_id: None,
        state: None,
        missing: Vec::new(),
        reason: reason.to_owned(),
    }
}

pub(crate) fn incomplete(set: &Set<'_>, missing: Vec<String>, reason: &str) -> Decision {
    Decision { missing, ..set.decision(Verdict::Incomplete, reason) }
}

pub(crate) fn deferred(set: &Set<'_>, until: Timestamp, entry: &Entry) -> Decision {
    let reason = format!("the cap of the day is reached; the set runs from {until} on");
    with_head(set.decision(Verdict::Deferred, reason), entry)
}

pub(crate) fn queued(set: &Set<'_>, entry: &Entry) -> Decision {
    let reason = "an earlier run of the set comes first; this content is next";
    let mut decision = set.decision(Verdict::Next, reason);
    decision.pipeline_id = entry.ledger.head.as_ref().and_then(|head| head.pipeline_id.clone());
    decision
}

/// The runs of a definition go one after another.
pub(crate) fn behind(set: &Set<'_>, ahead: &Ahead) -> Decision {
    let id = ahead.pipeline_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
    let definition = set.definition();
    let reason = format!("the run of {definition}/{}{id} is at work; this set comes after it", ahead.set);
    set.decision(Verdict::Behind, reason)
}

/// Adds what the ledger says of the head: its pipeline, its state, and why it failed.
pub(crate) fn with_head(mut decision: Decision, entry: &Entry) -> Decision {
    let Some(head) = &entry.ledger.head else { return decision };
    decision.pipeline_id.clone_from(&head.pipeline_id);
    decision.state = Some(head.state.as_str().to_owned());
    if let (State::Failed, Some(error)) = (head.state, &head.error) {
        decision.reason.push_str(&format!(" ({error})"));
    }
    decision
}
