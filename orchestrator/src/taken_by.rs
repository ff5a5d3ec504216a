//! A run that took an object, as a proof names it.

use serde::{Deserialize, Serialize};

/// A run that took an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenBy {
    /// The definition and the captured values, `orders/day=2026-11-20`.
    pub set: String,
    /// The pipeline, which may be deleted.
    pub pipeline_id: Option<String>,
    /// The state of the run in the ledger.
    pub state: String,
    /// What became of the definition, such as `is gone`, if the key does not belong to this set of it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition_now: Option<String>,
}
