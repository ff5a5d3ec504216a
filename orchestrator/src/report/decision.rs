//! What was decided about a drop, as the answer of a handler and for people who ask.

use serde::{Deserialize, Serialize};

/// What became of a key or a set, for one definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The definition's name; empty when no definition has to do with the key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub definition: String,
    /// The set's name, `day=2026-11-20`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The key that raised the event; a sweep has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was decided.
    #[serde(rename = "decision")]
    pub verdict: Verdict,
    /// The pipeline that was started, or that had been started earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_id: Option<String>,
    /// The state of that earlier run in the ledger: `activated`, `finished`, `failed`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The keys that a whole set still lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// One sentence for people.
    pub reason: String,
}

/// The outcome of looking at a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A pipeline was activated for the set.
    Started,
    /// A run of the same content exists, or another handler is at it.
    Duplicate,
    /// Files of the set are missing.
    Incomplete,
    /// The day's cap is reached; the set runs another day.
    Deferred,
    /// An earlier run of the set is at work, or more changes may follow; this content comes next.
    Next,
    /// A run of another set of the definition is at work; this set comes after it.
    Behind,
    /// The key fits no pattern.
    Unmatched,
    /// The key is none that could start something.
    Ignored,
    /// The set could not be started; a notice says why.
    Failed,
    /// Nothing yet: the set is whole and would start (read-only answers alone say this).
    Ready,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// What was decided about each set that needed something.
    pub decisions: Vec<Decision>,
    /// Runs whose end was written into the ledger.
    pub ended: usize,
    /// Sets that could not be dealt with, one sentence each.
    pub failures: Vec<String>,
}
