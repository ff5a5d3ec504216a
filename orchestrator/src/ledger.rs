//! The ledger: one object per file set, the truth about its runs.
//!
//! Events come twice, late or never, and a Lambda dies anywhere. What holds is what stands here, and it changes by
//! conditional puts only. Everything in this module is a function of its arguments; who reads and puts is
//! [`crate::handler`].

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::report::digest;

/// Heads kept behind the head: more than a set has in a day (they hold the day's cap slots), and a bound on the
/// object's size.
const MAX_BEHIND: usize = 50;
/// Ids of notices kept; a set has a handful.
const MAX_NOTICES: usize = 50;

/// What stands about one file set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ledger {
    /// The bucket that the files were dropped into.
    pub bucket: String,
    /// The run that counts.
    #[serde(default)]
    pub head: Option<Head>,
    /// Content that came while the head was at work.
    #[serde(default)]
    pub next: Option<Next>,
    /// Earlier heads, newest first.
    #[serde(default)]
    pub behind: Vec<Head>,
    /// Ids of the notices sent about the set.
    #[serde(default)]
    pub notices: Vec<String>,
}

/// One run of the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    pub run_key: String,
    pub files: Vec<DroppedFile>,
    /// Counts the set's claims; with the run key it makes the pipeline's unique id.
    pub generation: u32,
    pub state: State,
    #[serde(default)]
    pub pipeline_id: Option<String>,
    /// Who claimed it.
    pub holder: String,
    /// Until when nobody else may go on with it.
    pub lease_until: Timestamp,
    pub claimed_at: Timestamp,
    #[serde(default)]
    pub activated_at: Option<Timestamp>,
    /// The key of the cap slot that it took.
    #[serde(default)]
    pub slot: Option<String>,
    #[serde(default)]
    pub deferred: Option<Deferral>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Somebody is at it; no pipeline is known yet.
    Claimed,
    /// Its pipeline exists.
    Created,
    /// Its pipeline is active.
    Activated,
    /// Its run ended well.
    Finished,
    /// It could not start, or its run ended badly.
    Failed,
    /// The day's cap was reached.
    Deferred,
    /// Other content took its place, or its files are gone.
    Superseded,
}

impl State {
    /// Returns the word that the ledger has for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Created => "created",
            Self::Activated => "activated",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Deferred => "deferred",
            Self::Superseded => "superseded",
        }
    }
}

/// Until when a set waits, and the cap that made it wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deferral {
    pub until: Timestamp,
    pub cap: u32,
}

/// Content that comes after the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Next {
    pub run_key: String,
    pub files: Vec<DroppedFile>,
    /// When it was first seen.
    pub since: Timestamp,
}

/// A file of a set as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DroppedFile {
    pub key: String,
    pub etag: String,
    pub modified: Timestamp,
}

/// A whole set as it is in the bucket now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub run_key: String,
    pub files: Vec<DroppedFile>,
}

impl Content {
    /// Returns the content with its run key: definition name, captured values, and each key with its ETag.
    pub(crate) fn new(definition: &str, set: &str, mut files: Vec<DroppedFile>) -> Self {
        files.sort_by(|one, other| one.key.cmp(&other.key));
        let mut parts = vec![definition, set];
        parts.extend(files.iter().flat_map(|file| [file.key.as_str(), file.etag.as_str()]));
        Self { run_key: digest(&parts), files }
    }
}

/// What a look at a pipeline says about its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Registered, never activated.
    NotStarted,
    AtWork,
    Finished,
    Failed,
    /// There is no such pipeline (any more).
    Gone,
}

/// A claim that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub holder: String,
    pub now: Timestamp,
    pub lease: Duration,
    pub slot: Option<String>,
}

impl Head {
    /// Returns the pipeline's idempotency token.
    pub(crate) fn unique_id(&self) -> String {
        format!("{}-{}", self.run_key, self.generation)
    }

    /// Returns whether somebody may be at work on starting it.
    pub(crate) fn is_leased(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Claimed | State::Created) && now < self.lease_until
    }

    /// Returns whether its pipeline was activated, or may have been by somebody who could not write it down.
    pub(crate) fn may_have_started(&self) -> bool {
        match self.state {
            State::Failed | State::Deferred => self.activated_at.is_some(),
            State::Claimed | State::Created | State::Activated | State::Finished | State::Superseded => {
                self.activated_at.is_some() || self.pipeline_id.is_some()
            }
        }
    }
}

impl Ledger {
    /// Returns all heads, the newest first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Head> {
        self.head.iter().chain(&self.behind)
    }

    /// Returns the newest head that ran or should have: what `newer than the last run` is measured by.
    pub(crate) fn last_run(&self) -> Option<&Head> {
        self.heads().find(|head| matches!(head.state, State::Activated | State::Finished | State::Failed))
    }

    /// Writes what a look at the head's pipeline showed.
    pub(crate) fn settle_head(&mut self, ending: Ending, now: Timestamp) {
        if let Some(head) = &mut self.head {
            settle(head, ending, now);
        }
    }

    /// Writes what a look at the pipeline `id` showed; returns whether that changed anything.
    pub(crate) fn settle_pipeline(&mut self, id: &str, ending: Ending, now: Timestamp) -> bool {
        let mut heads = self.head.iter_mut().chain(&mut self.behind);
        let Some(head) = heads.find(|head| head.pipeline_id.as_deref() == Some(id)) else { return false };
        let before = head.clone();
        settle(head, ending, now);
        *head != before
    }

    /// Notes that the run of the pipeline `id` was ended for a later one.
    pub(crate) fn supersede(&mut self, id: &str) {
        let mut heads = self.head.iter_mut().chain(&mut self.behind);
        if let Some(head) = heads.find(|head| head.pipeline_id.as_deref() == Some(id)) {
            head.state = State::Superseded;
        }
    }

    /// Returns the generation of the set's next claim.
    pub(crate) fn next_generation(&self) -> u32 {
        self.heads().map(|head| head.generation).max().unwrap_or(0) + 1
    }

    /// Returns the ledger with `content` claimed: a new head of the next generation.
    pub(crate) fn claimed(&self, content: &Content, claim: &Claim) -> Self {
        let head = Head {
            run_key: content.run_key.clone(),
            files: content.files.clone(),
            generation: self.next_generation(),
            state: State::Claimed,
            pipeline_id: None,
            holder: claim.holder.clone(),
            lease_until: after(claim.now, claim.lease),
            claimed_at: claim.now,
            activated_at: None,
            slot: claim.slot.clone(),
            deferred: None,
            error: None,
        };
        self.with_head(head)
    }

    /// Returns the ledger with the head's claim taken over: the same generation, so the same pipeline.
    pub(crate) fn taken_over(&self, claim: &Claim) -> Self {
        let mut ledger = self.clone();
        if let Some(head) = &mut ledger.head {
            head.holder.clone_from(&claim.holder);
            head.lease_until = after(claim.now, claim.lease);
            head.slot.clone_from(&claim.slot);
        }
        ledger
    }

    /// Returns the ledger with `content` put off. No pipeline was made for it, so its lease means nothing.
    pub(crate) fn deferred(&self, content: &Content, claim: &Claim, deferral: Deferral) -> Self {
        let mut ledger = self.claimed(content, claim);
        if let Some(head) = &mut ledger.head {
            head.state = State::Deferred;
            head.lease_until = claim.now;
            head.deferred = Some(deferral);
        }
        ledger
    }

    /// Returns the ledger with `content` noted as what comes after the head.
    pub(crate) fn with_next(&self, content: &Content, now: Timestamp) -> Self {
        let next = Next { run_key: content.run_key.clone(), files: content.files.clone(), since: now };
        Self { next: Some(next), ..self.clone() }
    }

    /// Returns where behind a head that never ran the last run stands, if it was one of this content.
    pub(crate) fn restorable(&self, run_key: &str) -> Option<usize> {
        let has_run = |head: &Head| head.activated_at.is_some();
        if self.head.as_ref().is_none_or(has_run) {
            return None;
        }
        let last = self.behind.iter().position(has_run)?;
        let run = &self.behind[last];
        let is_ended = matches!(run.state, State::Finished | State::Failed);
        (is_ended && run.run_key == run_key).then_some(last)
    }

    /// Returns the ledger with the last run as its head again; what came after it never ran and is superseded.
    pub(crate) fn restored(&self, run_key: &str) -> Self {
        let mut ledger = self.clone();
        if let Some(last) = self.restorable(run_key) {
            let run = ledger.behind.remove(last);
            if let Some(mut head) = ledger.head.replace(run) {
                head.state = State::Superseded;
                ledger.behind.insert(0, head);
            }
            ledger.next = None;
        }
        ledger
    }

    /// Remembers that a notice was sent.
    pub(crate) fn remember_notice(&mut self, id: &str) {
        self.notices.push(id.to_owned());
        let surplus = self.notices.len().saturating_sub(MAX_NOTICES);
        self.notices.drain(..surplus);
    }

    /// Returns whether a run that may have started holds `slot`, so that `run_key` cannot have it.
    ///
    /// The same content may go on with the slot of a claim that was given up or of runs that failed just before.
    pub(crate) fn slot_is_spent(&self, slot: &str, run_key: &str) -> bool {
        let is_resumed = |head: &&Head| {
            head.run_key == run_key && matches!(head.state, State::Claimed | State::Created | State::Failed)
        };
        let started = self.heads().filter(|head| head.may_have_started());
        started.skip_while(is_resumed).any(|head| head.slot.as_deref() == Some(slot))
    }

    fn with_head(&self, head: Head) -> Self {
        let mut ledger = self.clone();
        let run_key = head.run_key.clone();
        if let Some(mut earlier) = ledger.head.replace(head) {
            // A deferral of the same content is not a run of its own.
            let is_kept = earlier.state != State::Deferred || earlier.run_key != run_key;
            if !matches!(earlier.state, State::Finished | State::Failed) {
                earlier.state = State::Superseded;
            }
            if is_kept {
                ledger.behind.insert(0, earlier);
            }
        }
        ledger.behind.truncate(MAX_BEHIND);
        ledger.next = None;
        ledger
    }
}

/// A run whose end is written keeps it; one that was superseded while at work stays superseded.
fn settle(head: &mut Head, ending: Ending, now: Timestamp) {
    if !matches!(head.state, State::Claimed | State::Created | State::Activated) {
        return;
    }
    let was_activated = head.state == State::Activated;
    match ending {
        Ending::NotStarted => return,
        Ending::Gone if !was_activated => {
            head.pipeline_id = None;
            return;
        }
        Ending::AtWork => head.state = State::Activated,
        Ending::Finished => head.state = State::Finished,
        Ending::Failed => {
            head.state = State::Failed;
            head.error = Some("an object of the pipeline failed".to_owned());
        }
        Ending::Gone => {
            head.state = State::Failed;
            head.error = Some("its pipeline was deleted before its end was seen".to_owned());
        }
    }
    head.activated_at.get_or_insert(now);
}

/// Returns the time `wait` after `from`; the end of time when there is none.
pub(crate) fn after(from: Timestamp, wait: Duration) -> Timestamp {
    from.checked_add(wait).unwrap_or(Timestamp::MAX)
}
