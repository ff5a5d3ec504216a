//! The way from an event to an activated pipeline, step by step.
//!
//! What is decided, is decided by [`step::decide`] and [`crate::stale`]; this module reads, asks, puts and goes on.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};
use futures::future;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::book::{Book, Entry};
use crate::caps;
use crate::definitions::{Cache, Definitions, Home};
use crate::event::{self, Event, Item, Message};
use crate::ledger::{Claim, Content, Deferral, Ending};
use crate::ports::{Condition, Edges, PipelineError, Put};
use crate::report::{Decision, Verdict};
use crate::sets::{Found, Set};
use crate::status::{behind, deferred, ignored, incomplete, log, queued, with_head};
use crate::step::{self, Step};
use crate::turn::{Ahead, Asked};
use crate::{Config, Now, stale};

/// Times that a set is looked at again because somebody else changed its ledger.
const MAX_ROUNDS: usize = 8;

/// Handles events and sweeps for one set of definitions.
pub(crate) struct Handler<E> {
    pub(crate) edges: E,
    pub(crate) book: Book,
    pub(crate) config: Config,
    pub(crate) definitions: Cache,
    first_seen: Mutex<HashMap<String, Timestamp>>,
    /// Ids of notices about definitions that are known to be sent.
    pub(crate) told: Mutex<HashSet<String>>,
    claims: AtomicU64,
}

impl<E: Edges> Handler<E> {
    pub(crate) fn new(config: Config, home: Home, edges: E) -> Self {
        Self {
            edges,
            book: Book::new(home, &config.holder),
            config,
            definitions: Cache::default(),
            first_seen: Mutex::default(),
            told: Mutex::default(),
            claims: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let now: &Now = &self.config.now;
        // Whole milliseconds, as everything that is stored.
        Timestamp::from_millisecond(now().as_millisecond()).unwrap_or_default()
    }

    /// Handles one event; the answer says what was decided about each key.
    pub(crate) async fn handle(&self, event: &Value) -> anyhow::Result<Value> {
        let messages = match event::parse(event) {
            Event::Sweep => return Ok(serde_json::to_value(self.sweep().await?)?),
            Event::Messages(messages) => messages,
        };
        let definitions = self.load_definitions().await?;
        let (mut decisions, mut failed, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for message in messages {
            if let Err(error) = self.message(&definitions, &message, &mut decisions).await {
                tracing::error!(error = format!("{error:#}"), "a drop could not be dealt with");
                match message.id {
                    Some(id) => failed.push(json!({"itemIdentifier": id})),
                    None => errors.push(error),
                }
            }
        }
        match errors.into_iter().next() {
            Some(error) => Err(error),
            // SQS delivers the messages named here again, and no others.
            None => Ok(json!({"decisions": decisions, "batchItemFailures": failed})),
        }
    }

    /// Reads the definitions; tells about broken ones, which stop only themselves.
    pub(crate) async fn load_definitions(&self) -> anyhow::Result<Definitions> {
        let definitions = self.definitions.load(&self.edges, &self.book.home).await?;
        for (file, why) in definitions.broken() {
            // What lands while it is broken counts once it is mended.
            if let Err(error) = self.first_seen(&file.name).await {
                tracing::error!(
                    definition = file.name,
                    error = format!("{error:#}"),
                    "its first sight is not known"
                );
            }
            self.tell_broken(file, why).await?;
        }
        Ok(definitions)
    }

    /// Deals with every record, also after one that fails; the first error is the message's.
    async fn message(
        &self,
        definitions: &Definitions,
        message: &Message,
        decisions: &mut Vec<Decision>,
    ) -> anyhow::Result<()> {
        let mut result = Ok(());
        for item in &message.items {
            match item {
                Item::Ignored { key, reason } => {
                    let decision = ignored(key.clone(), reason);
                    log(&decision, key.as_deref().unwrap_or_default());
                    decisions.push(decision);
                }
                Item::Arrival { bucket, key } => {
                    let arrived = self.arrived(definitions, bucket, key, decisions).await;
                    result = result.and(arrived);
                }
            }
        }
        result
    }

    async fn arrived(
        &self,
        definitions: &Definitions,
        bucket: &str,
        key: &str,
        decisions: &mut Vec<Decision>,
    ) -> anyhow::Result<()> {
        let sets = match self.sets_of(definitions, bucket, key) {
            Ok(sets) => sets,
            Err(decision) => {
                log(&decision, key);
                decisions.push(*decision);
                return Ok(());
            }
        };
        if let Err(why) = definitions.values() {
            bail!("values.json cannot be used: {why}");
        }
        let considered = future::join_all(sets.iter().map(|set| async move {
            // The first sight only matters to sweeps; it is written along the way.
            let (decision, seen) = future::join(self.consider(set), self.first_seen(set.definition())).await;
            decision.and_then(|decision| seen.map(|_| decision))
        }));
        let mut result = Ok(());
        for decision in considered.await {
            match decision {
                Ok(decision) => {
                    log(&decision, key);
                    decisions.push(Decision { key: Some(key.to_owned()), ..decision });
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// Decides about a set and does what was decided.
    pub(crate) async fn consider(&self, set: &Set<'_>) -> anyhow::Result<Decision> {
        for _ in 0..MAX_ROUNDS {
            let reading = self.book.entry(&self.edges, set.definition(), &set.id);
            let (found, entry) = future::try_join(self.find(set), reading).await?;
            let content = match found {
                Found::Whole(content) => content,
                Found::Missing(keys) => return Ok(incomplete(set, keys, "these files have not arrived yet")),
            };
            if let Some(decision) = self.bring_on(set, &content, entry).await? {
                return Ok(decision);
            }
        }
        bail!(
            "the ledger of {}/{} changed {MAX_ROUNDS} times while it was looked at",
            set.definition(),
            set.id
        )
    }

    /// Takes the next step for a whole set; `None` when somebody else changed the ledger first.
    pub(crate) async fn bring_on(
        &self,
        set: &Set<'_>,
        content: &Content,
        mut entry: Entry,
    ) -> anyhow::Result<Option<Decision>> {
        let mut has_looked = false;
        loop {
            let terms = self.terms(set, has_looked);
            match step::decide(&entry.ledger, content, &terms) {
                Step::Look(id) => {
                    let ending = self.ending(&id).await.context("looking at the earlier pipeline")?;
                    entry.ledger.settle_head(ending, terms.now);
                    has_looked = true;
                }
                Step::Duplicate(reason) => {
                    if has_looked {
                        let ledger = entry.ledger.clone();
                        self.book.put(&self.edges, &entry, ledger).await?;
                    }
                    return Ok(Some(with_head(set.decision(Verdict::Duplicate, reason), &entry)));
                }
                Step::Incomplete(old) => {
                    return Ok(Some(incomplete(
                        set,
                        old,
                        "these files are not newer than those of the last run",
                    )));
                }
                Step::Deferred(until) => return Ok(Some(deferred(set, until, &entry))),
                Step::Queued => return Ok(Some(queued(set, &entry))),
                Step::Queue => {
                    let ledger = entry.ledger.with_next(content, terms.now);
                    let put = self.book.put(&self.edges, &entry, ledger).await?;
                    return Ok(put.map(|entry| queued(set, &entry)));
                }
                Step::Restore => {
                    let ledger = entry.ledger.restored(&content.run_key);
                    self.book.put(&self.edges, &entry, ledger).await?;
                    return Ok(None);
                }
                Step::Claim => return self.claim(set, content, entry, false).await,
                Step::TakeOver => return self.claim(set, content, entry, true).await,
            }
        }
    }

    /// Takes the definition's turn, a cap slot, and the claim; then starts the run.
    async fn claim(
        &self,
        set: &Set<'_>,
        content: &Content,
        entry: Entry,
        takes_over: bool,
    ) -> anyhow::Result<Option<Decision>> {
        let number = self.claims.fetch_add(1, Ordering::Relaxed);
        let holder = format!("{}/{number}", self.config.holder);
        let mut claim = Claim { holder, now: self.now(), lease: self.config.lease, slot: None };
        let generation = match &entry.ledger.head {
            Some(head) if takes_over => head.generation,
            Some(_) | None => entry.ledger.next_generation(),
        };
        match self.take_turn(set, generation, &claim).await? {
            Asked::Taken => {}
            Asked::Behind(ahead) => return self.stand_behind(set, content, entry, &ahead).await,
            Asked::Changed => return Ok(None),
        }
        if let Some(cap) = set.trigger.max_runs_per_day {
            let owner = caps::Owner { set: set.id.clone(), run_key: content.run_key.clone() };
            let definition = set.definition();
            claim.slot =
                caps::take(&self.book, &self.edges, definition, cap, &owner, &entry.ledger, claim.now)
                    .await?;
            if claim.slot.is_none() {
                return self.defer(set, content, entry, &claim, cap).await;
            }
        }
        let mut ledger =
            if takes_over { entry.ledger.taken_over(&claim) } else { entry.ledger.claimed(content, &claim) };
        ledger.bucket.clone_from(&set.bucket);
        let Some(entry) = self.book.put(&self.edges, &entry, ledger).await? else { return Ok(None) };
        let entry = self.run(set, entry).await?;
        let reason = if takes_over { "went on with a start that was given up" } else { "the set is whole" };
        Ok(Some(with_head(set.decision(Verdict::Started, reason), &entry)))
    }

    /// Notes content that waits for the definition's turn, so that sweeps know of it.
    async fn stand_behind(
        &self,
        set: &Set<'_>,
        content: &Content,
        entry: Entry,
        ahead: &Ahead,
    ) -> anyhow::Result<Option<Decision>> {
        let is_noted = entry.ledger.head.as_ref().is_some_and(|head| head.run_key == content.run_key)
            || entry.ledger.next.as_ref().is_some_and(|next| next.run_key == content.run_key);
        if !is_noted {
            let mut ledger = entry.ledger.with_next(content, self.now());
            ledger.bucket.clone_from(&set.bucket);
            if self.book.put(&self.edges, &entry, ledger).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(behind(set, ahead)))
    }

    async fn defer(
        &self,
        set: &Set<'_>,
        content: &Content,
        entry: Entry,
        claim: &Claim,
        cap: u32,
    ) -> anyhow::Result<Option<Decision>> {
        let until = caps::next_day(claim.now);
        let mut ledger = entry.ledger.deferred(content, claim, Deferral { until, cap });
        let notice = self.deferral_notice(set, until, cap);
        ledger.bucket.clone_from(&set.bucket);
        // Told first: told twice after a crash is better than never.
        if !ledger.notices.contains(&notice.id) {
            self.edges.publish(&notice).await.context("publishing a notice")?;
            ledger.remember_notice(&notice.id);
        }
        let put = self.book.put(&self.edges, &entry, ledger).await?;
        Ok(put.map(|entry| deferred(set, until, &entry)))
    }

    /// Looks how the run of a pipeline stands.
    pub(crate) async fn ending(&self, id: &str) -> Result<Ending, PipelineError> {
        let described = self.edges.describe(&[id.to_owned()]).await?;
        match described.first() {
            Some(pipeline) => self.ending_of(id, &pipeline.state).await,
            None => Ok(Ending::Gone),
        }
    }

    pub(crate) async fn ending_of(&self, id: &str, state: &str) -> Result<Ending, PipelineError> {
        if let Some(ending) = stale::ending_by_state(state) {
            return Ok(ending);
        }
        let has_failures = match self.edges.has_failures(id).await {
            Ok(has_failures) => has_failures,
            Err(PipelineError::Gone(_)) => return Ok(Ending::Gone),
            Err(error) => return Err(error),
        };
        let is_finished = state.eq_ignore_ascii_case("FINISHED");
        let all = if has_failures && !is_finished { self.edges.instances(id).await? } else { Vec::new() };
        Ok(stale::ending(state, has_failures, &all))
    }

    /// Returns when the definition was first seen, and writes it down if that is now.
    pub(crate) async fn first_seen(&self, definition: &str) -> anyhow::Result<Timestamp> {
        let known = self.first_seen.lock().unwrap_or_else(PoisonError::into_inner).get(definition).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let key = format!("{}_first-seen.json", self.book.folder(definition));
        let bucket = &self.book.home.bucket;
        let now = self.now();
        let body = json!({"at": now}).to_string();
        let put = self.edges.put(bucket, &key, body, Condition::Absent).await;
        let at = match put.with_context(|| format!("writing {key}"))? {
            Put::Stored(_) => now,
            Put::Conflict => {
                let stored = self.edges.get(bucket, &key).await.with_context(|| format!("reading {key}"))?;
                let text = stored.map(|stored| stored.body).unwrap_or_default();
                let value: Value = serde_json::from_slice(&text).with_context(|| format!("reading {key}"))?;
                let at = value["at"].as_str().with_context(|| format!("{key} lacks `at`"))?;
                at.parse().with_context(|| format!("reading `at` of {key}"))?
            }
        };
        self.first_seen.lock().unwrap_or_else(PoisonError::into_inner).insert(definition.to_owned(), at);
        Ok(at)
    }
}
