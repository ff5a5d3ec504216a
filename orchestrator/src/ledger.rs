//! The ledger: one object per file set, which records the facts about the runs of the set.
//!
//! Events come twice, late or never, and a Lambda may die at any point. So handlers rely only on the ledger, and change
//! it only by conditional puts. Every function of this module depends on its arguments alone; `book.rs` reads and
//! writes.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::digest;
use crate::set_name::SetName;

/// How many earlier heads a ledger keeps.
///
/// The number must be larger than the number of runs that a set has in one day, because the earlier heads own the day's
/// cap slots. The limit bounds the object's size.
const MAX_EARLIER: usize = 50;
/// How many ids of notices a ledger keeps. A set has a handful.
const MAX_NOTICES: usize = 50;

/// The ledger of one file set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ledger {
    /// The bucket into which the files were dropped.
    pub bucket: String,
    /// The newest run.
    #[serde(default)]
    pub head: Option<Head>,
    /// Content that waits: for the head, for more changes of the set, or for the definition's turn.
    #[serde(default)]
    pub next: Option<Next>,
    /// Earlier heads, newest first.
    #[serde(default, rename = "behind")]
    pub earlier: Vec<Head>,
    /// Ids of the notices that were sent about the set.
    #[serde(default)]
    pub notices: Vec<String>,
    /// A person asked for another run of the same files. The next claim fulfils the wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<Rerun>,
}

/// The wish of a person that files run again although they ran already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rerun {
    pub at: Timestamp,
    /// Whether the run starts although the day's cap is reached.
    pub force: bool,
}

/// One run of the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    pub run_key: String,
    pub files: Vec<DroppedFile>,
    /// The number of the claim among the claims of the set. With the run key it makes the pipeline's unique id.
    pub generation: u32,
    pub state: HeadState,
    #[serde(default)]
    pub pipeline_id: Option<String>,
    /// The handler that made the claim.
    pub holder: String,
    /// Before this time, no other handler may continue the start of the run.
    pub lease_until: Timestamp,
    pub claimed_at: Timestamp,
    #[serde(default)]
    pub activated_at: Option<Timestamp>,
    /// The key of the cap slot that the run took.
    #[serde(default)]
    pub slot: Option<String>,
    #[serde(default)]
    pub deferred: Option<Deferral>,
    /// The reason why the run failed.
    #[serde(default)]
    pub error: Option<String>,
    /// Whether later content of the set may use the run's cap slot again, because the files were not ready.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub returns_slot: bool,
    /// Whether a person started the run past the day's cap.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// The facts about the run, once the run has ended. They stay when the run's pipeline is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
}

/// The facts about a run that has ended, from its instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    pub rows_loaded: u64,
    pub rows_rejected: u64,
    /// The time at which the last instance ended.
    #[serde(default)]
    pub ended: Option<Timestamp>,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HeadState {
    /// A handler is starting the run; no pipeline is known yet.
    Claimed,
    /// The run's pipeline exists.
    Created,
    /// The run's pipeline is active.
    Activated,
    /// Every instance of the run finished.
    Finished,
    /// The run could not start, one of its instances failed, or its pipeline was deactivated or deleted before the end.
    Failed,
    /// The day's cap was reached.
    Deferred,
    /// Other content replaced this content, or the files are gone.
    Superseded,
}

impl HeadState {
    /// Returns the word for the state in the stored ledger.
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

/// The time until which a set is put off, and the cap that put it off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deferral {
    pub until: Timestamp,
    pub cap: u32,
}

impl Deferral {
    /// Returns whether the deferral holds at `now` under a cap and for a day that ends at `day_end`. After a change of the cap
    /// or of the time zone, the set may start at once.
    pub(crate) fn holds(&self, now: Timestamp, cap: Option<u32>, day_end: Timestamp) -> bool {
        now < self.until && Some(self.cap) == cap && self.until == day_end
    }
}

/// Content that becomes the next head. If the set has no head yet, the content waits for the definition's turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Next {
    pub run_key: String,
    pub files: Vec<DroppedFile>,
    /// The time at which a handler first saw this content.
    pub since: Timestamp,
}

/// A file of a set, as a handler saw it in the bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DroppedFile {
    pub key: String,
    pub etag: String,
    pub modified: Timestamp,
    /// Whether the file may be as old as in the last run, although the other files must be newer: the file is optional, or it is
    /// one of several and another of them is newer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_spare: bool,
}

/// All files of a whole set, and the run key: a digest of the set's name and these files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub run_key: String,
    pub files: Vec<DroppedFile>,
}

impl Content {
    /// Returns the content with its run key: a digest of the set's name and of each key with its ETag.
    pub(crate) fn new(name: &SetName, mut files: Vec<DroppedFile>) -> Self {
        files.sort_by(|one, other| one.key.cmp(&other.key));
        let mut parts = vec![name.definition.as_str(), name.id.as_str()];
        parts.extend(files.iter().flat_map(|file| [file.key.as_str(), file.etag.as_str()]));
        Self { run_key: digest(&parts), files }
    }
}

/// How far the run of a pipeline came, according to the pipeline service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The pipeline is registered and was never activated.
    NotStarted,
    /// The run can still change by itself.
    AtWork,
    /// Every instance finished.
    Finished,
    /// An instance failed, and no other instance can still change by itself; or the pipeline was deactivated.
    Failed,
    /// The pipeline was deleted, or never existed.
    Gone,
}

/// A claim that a handler wants to make.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub holder: String,
    pub now: Timestamp,
    pub lease: Duration,
    pub slot: Option<String>,
}

impl Head {
    /// Returns the unique id of the run's pipeline, which makes CreatePipeline idempotent.
    pub(crate) fn unique_id(&self) -> String {
        format!("{}-{}", self.run_key, self.generation)
    }

    /// Returns whether a handler may be starting the run at this moment.
    pub(crate) fn is_leased(&self, now: Timestamp) -> bool {
        matches!(self.state, HeadState::Claimed | HeadState::Created) && now < self.lease_until
    }

    /// Returns whether the run's pipeline was activated, or may have been by a handler that died before noting so.
    pub(crate) fn may_have_started(&self) -> bool {
        match self.state {
            HeadState::Failed | HeadState::Deferred => self.activated_at.is_some(),
            HeadState::Claimed
            | HeadState::Created
            | HeadState::Activated
            | HeadState::Finished
            | HeadState::Superseded => self.activated_at.is_some() || self.pipeline_id.is_some(),
        }
    }
}

impl Ledger {
    /// Returns all heads, newest first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Head> {
        self.head.iter().chain(&self.earlier)
    }

    /// Returns the newest head whose run was activated, finished or failed; failed includes runs that could not start.
    ///
    /// A rule that needs files newer than those of the last run compares them with the files of this head.
    pub(crate) fn last_run(&self) -> Option<&Head> {
        let counts = |state| matches!(state, HeadState::Activated | HeadState::Finished | HeadState::Failed);
        self.heads().find(|head| counts(head.state))
    }

    /// Writes the progress of the head's pipeline into the head.
    pub(crate) fn settle_head(&mut self, progress: Progress, now: Timestamp) {
        if let Some(head) = &mut self.head {
            settle(head, progress, now);
        }
    }

    /// Writes the progress of the pipeline `id` into its head.
    pub(crate) fn settle_pipeline(&mut self, id: &str, progress: Progress, now: Timestamp) {
        if let Some(head) = self.head_of(id) {
            settle(head, progress, now);
        }
    }

    /// Notes that the run of the pipeline `id` was ended to make room for a later one.
    pub(crate) fn supersede(&mut self, id: &str) {
        if let Some(head) = self.head_of(id) {
            head.state = HeadState::Superseded;
        }
    }

    fn head_of(&mut self, pipeline_id: &str) -> Option<&mut Head> {
        let mut heads = self.head.iter_mut().chain(&mut self.earlier);
        heads.find(|head| head.pipeline_id.as_deref() == Some(pipeline_id))
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
            state: HeadState::Claimed,
            pipeline_id: None,
            holder: claim.holder.clone(),
            lease_until: after(claim.now, claim.lease),
            claimed_at: claim.now,
            activated_at: None,
            slot: claim.slot.clone(),
            deferred: None,
            error: None,
            returns_slot: false,
            forced: self.is_forced(),
            facts: None,
        };
        self.with_head(head)
    }

    /// Returns whether a person wishes a run past the day's cap.
    pub(crate) fn is_forced(&self) -> bool {
        self.rerun.is_some_and(|rerun| rerun.force)
    }

    /// Returns the ledger with the head's claim taken over: the generation stays, and with it the pipeline.
    pub(crate) fn taken_over(&self, claim: &Claim) -> Self {
        let mut ledger = self.clone();
        if let Some(head) = &mut ledger.head {
            head.holder.clone_from(&claim.holder);
            head.lease_until = after(claim.now, claim.lease);
            head.slot.clone_from(&claim.slot);
        }
        ledger
    }

    /// Returns the ledger with `content` put off. Nothing was created for the content, so the lease ends at once.
    pub(crate) fn deferred(&self, content: &Content, claim: &Claim, deferral: Deferral) -> Self {
        let mut ledger = self.claimed(content, claim);
        if let Some(head) = &mut ledger.head {
            head.state = HeadState::Deferred;
            head.lease_until = claim.now;
            head.deferred = Some(deferral);
        }
        ledger
    }

    /// Returns the ledger with `content` noted as the content that becomes the next head.
    pub(crate) fn with_next(&self, content: &Content, now: Timestamp) -> Self {
        let next = Next { run_key: content.run_key.clone(), files: content.files.clone(), since: now };
        Self { next: Some(next), ..self.clone() }
    }

    /// Returns the position of the last run among the earlier heads, if that run can become the head again.
    ///
    /// The run can become the head again if it had the content `run_key`, has ended, and no later head was ever activated.
    pub(crate) fn restorable(&self, run_key: &str) -> Option<usize> {
        let has_run = |head: &Head| head.activated_at.is_some();
        if self.head.as_ref().is_none_or(has_run) {
            return None;
        }
        let last = self.earlier.iter().position(has_run)?;
        let run = &self.earlier[last];
        let has_ended = matches!(run.state, HeadState::Finished | HeadState::Failed);
        (has_ended && run.run_key == run_key).then_some(last)
    }

    /// Returns the ledger with the last run as its head again; the later content never ran and is superseded.
    ///
    /// Returns an unchanged copy if [`Ledger::restorable`] finds no such run.
    pub(crate) fn restored(&self, run_key: &str) -> Self {
        let mut ledger = self.clone();
        if let Some(last) = self.restorable(run_key) {
            let run = ledger.earlier.remove(last);
            if let Some(mut head) = ledger.head.replace(run) {
                head.state = HeadState::Superseded;
                ledger.earlier.insert(0, head);
            }
            ledger.next = None;
        }
        ledger
    }

    /// Notes that a notice was sent.
    pub(crate) fn remember_notice(&mut self, id: &str) {
        self.notices.push(id.to_owned());
        let surplus = self.notices.len().saturating_sub(MAX_NOTICES);
        self.notices.drain(..surplus);
    }

    /// Returns whether a run that may have started owns `slot`, so that `run_key` cannot have it.
    ///
    /// Content may use the slot of its own earlier heads again, if their starts were not completed, and no other content has
    /// had a head since. A run that started and failed has used its slot: the cap counts the runs that start.
    pub(crate) fn slot_is_spent(&self, slot: &str, run_key: &str) -> bool {
        let is_resumed = |head: &&Head| {
            let may_resume = matches!(head.state, HeadState::Claimed | HeadState::Created);
            head.run_key == run_key && may_resume
        };
        let started = self.heads().filter(|head| head.may_have_started() && !head.returns_slot);
        started.skip_while(is_resumed).any(|head| head.slot.as_deref() == Some(slot))
    }

    fn with_head(&self, head: Head) -> Self {
        let mut ledger = self.clone();
        let run_key = head.run_key.clone();
        if let Some(mut earlier) = ledger.head.replace(head) {
            // A deferral of the same content is not a run of its own.
            let is_kept = earlier.state != HeadState::Deferred || earlier.run_key != run_key;
            if !matches!(earlier.state, HeadState::Finished | HeadState::Failed) {
                earlier.state = HeadState::Superseded;
            }
            if is_kept {
                ledger.earlier.insert(0, earlier);
            }
        }
        ledger.earlier.truncate(MAX_EARLIER);
        ledger.next = None;
        ledger.rerun = None;
        ledger
    }
}

/// Writes the progress into a head that is claimed, created or activated. Any other head stays as it is.
///
/// If the pipeline is gone and the head is not activated, removes the pipeline's id from the head.
fn settle(head: &mut Head, progress: Progress, now: Timestamp) {
    let may_go_on =
        head.state == HeadState::Failed && matches!(progress, Progress::Finished | Progress::AtWork);
    if may_go_on {
        // A person let the failed run go on, so what was noted of its end counts no more.
        (head.error, head.facts) = (None, None);
    } else if !matches!(head.state, HeadState::Claimed | HeadState::Created | HeadState::Activated) {
        return;
    }
    let was_activated = head.state == HeadState::Activated;
    match progress {
        Progress::NotStarted => return,
        Progress::Gone if !was_activated => {
            head.pipeline_id = None;
            return;
        }
        Progress::AtWork => head.state = HeadState::Activated,
        Progress::Finished => head.state = HeadState::Finished,
        Progress::Failed => {
            head.state = HeadState::Failed;
            head.error = Some("an object of the pipeline failed".to_owned());
        }
        Progress::Gone => {
            head.state = HeadState::Failed;
            head.error = Some("the pipeline was deleted before the end of its run was known".to_owned());
        }
    }
    head.activated_at.get_or_insert(now);
}

/// Returns the time `wait` after `from`, or [`Timestamp::MAX`] if that time would be later.
pub(crate) fn after(from: Timestamp, wait: Duration) -> Timestamp {
    from.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ledger as earlier versions wrote it, with every field.
    const STORED: &str = r#"{
  "bucket": "drop",
  "head": {
    "runKey": "k2",
    "files": [{"key": "in/1/a.csv", "etag": "e2", "modified": "2026-11-20T08:00:00Z"}],
    "generation": 2,
    "state": "deferred",
    "pipelineId": null,
    "holder": "h/1",
    "leaseUntil": "2026-11-20T08:00:01Z",
    "claimedAt": "2026-11-20T08:00:01Z",
    "activatedAt": null,
    "slot": null,
    "deferred": {"until": "2026-11-21T00:00:00Z", "cap": 1},
    "error": null
  },
  "next": {"runKey": "k3", "files": [], "since": "2026-11-20T08:00:02Z"},
  "behind": [{
    "runKey": "k1",
    "files": [],
    "generation": 1,
    "state": "failed",
    "pipelineId": "df-1",
    "holder": "h/0",
    "leaseUntil": "2026-11-20T07:00:01Z",
    "claimedAt": "2026-11-20T07:00:00Z",
    "activatedAt": "2026-11-20T07:00:00.5Z",
    "slot": "caps/orders/2026-11-20/1.json",
    "deferred": null,
    "error": "an object of the pipeline failed"
  }],
  "notices": ["n1"]
}"#;

    #[test]
    fn the_stored_form_of_a_ledger_stays() {
        let ledger: Ledger = serde_json::from_str(STORED).unwrap();
        assert_eq!(ledger.earlier.len(), 1);
        let stored: serde_json::Value = serde_json::from_str(STORED).unwrap();
        assert_eq!(serde_json::to_value(&ledger).unwrap(), stored);
    }
}
