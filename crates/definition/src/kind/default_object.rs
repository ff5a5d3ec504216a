//! The object with the id `Default`: every object that names no other parent inherits its fields.

use super::{
    ValueShape,
    field_type::StaleRuns,
    shared_fields::{ROUTED, RUNNABLE, SCHEDULABLE},
    spec::{DefaultSpec, boolean, integer, period, spec, text, word},
    typed_field::{Defaulted, Optional},
};
use crate::period::Period;

pub(super) static DEFAULT: DefaultSpec = DefaultSpec {
    doc: "The object with the id Default; every object that names no other parent inherits its fields.",
    fields: &[
        text("role", "IAM role with which the service acts, for every object that needs one."),
        text("resourceRole", "IAM role that machines and clusters have themselves."),
        text("region", "Region of resources, databases and tables, such as us-east-1."),
    ],
    includes: &[SCHEDULABLE, RUNNABLE, ROUTED],
    my_fields: &[
    spec(
        "myDropFile",
        ValueShape::KeyPattern,
        "Key of a file that a run needs; {name} takes what has no slash, the same in every file of the set.",
    )
    .multi(),
    MY_MAX_RUNS_PER_DAY.spec(),
    MY_STALE_RUNS.spec(),
    MY_WAIT_FOR.spec(),
    MY_BACKFILL.spec(),
],
};

/// `myMaxRunsPerDay`.
pub const MY_MAX_RUNS_PER_DAY: Optional<u64> = integer(
    "myMaxRunsPerDay",
    1,
    i64::MAX,
    "Runs started in a UTC day at most; what is over waits for the next day. No limit without it.",
)
.typed();
/// `myStaleRuns`.
pub const MY_STALE_RUNS: Defaulted<StaleRuns> = word(
    "myStaleRuns",
    StaleRuns::WORDS,
    "Earlier pipelines of the definition: delete those that ended, replace also those at work, or keep all.",
)
.typed()
.or("delete");
/// `myWaitFor`.
pub const MY_WAIT_FOR: Optional<Period> = period(
    "myWaitFor",
    "How long after its first file an incomplete set gives a notice of what is missing. None without it.",
)
.typed();
/// `myBackfill`.
pub const MY_BACKFILL: Defaulted<bool> =
    boolean("myBackfill", "Whether sets that landed before the definition was first seen are loaded too.")
        .typed()
        .or("false");
