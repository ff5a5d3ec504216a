//! The object with the id `Default`: every object that names no other parent inherits its fields.

use super::{
    Slot,
    common::{ROUTED, RUNNABLE, SCHEDULABLE},
    spec::{DefaultSpec, boolean, period, spec, text, word},
};

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
        Slot::KeyPattern,
        "Key of a file that a run needs; {name} takes what has no slash, the same in every file of the set.",
    )
    .multi(),
    spec(
        "myMaxRunsPerDay",
        Slot::Integer { least: 1, most: i64::MAX },
        "Runs started in a UTC day at most; what is over waits for the next day. No limit without it.",
    ),
    word(
        "myStaleRuns",
        &["delete", "replace", "keep"],
        "Earlier pipelines of the definition: delete those that ended, replace also those at work, or keep all.",
    )
    .default("delete"),
    period(
        "myWaitFor",
        "How long after its first file an incomplete set gives a notice of what is missing. None without it.",
    ),
    boolean("myBackfill", "Whether sets that landed before the definition was first seen are loaded too.")
        .default("false"),
],
};
