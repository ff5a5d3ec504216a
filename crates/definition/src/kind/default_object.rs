//! The fields of the object with the id `Default`. Every object gets them as implied fields, directly or through its `parent`.
//!
//! The own fields below concern the whole definition and are read in Default only.

use jiff::tz::TimeZone;

use super::{
    ValueShape,
    field_type::{StaleRuns, WaitFor},
    shared_fields::{ROUTED, RUNNABLE, SCHEDULABLE},
    spec::{DefaultSpec, boolean, integer, period, spec, text, word},
    typed_field::{Defaulted, Optional},
};
use crate::period::Period;

pub(super) static DEFAULT: DefaultSpec = DefaultSpec {
    doc: "The object with the id Default; every object that names no other parent inherits its fields.",
    fields: &[
        text("role", "IAM role that the service uses, for every object that needs one."),
        text("resourceRole", "IAM role of machines and clusters."),
        text("region", "Region of resources, databases and tables, such as us-east-1."),
    ],
    includes: &[SCHEDULABLE, RUNNABLE, ROUTED],
    my_fields: &[
    spec(
        "myDropFile",
        ValueShape::KeyPattern,
        "Key of a file that a run needs. {name} takes a text that is equal in all files of a set, {day:yyyyMMdd} a \
         date, {n:[0-9]+} a text of these characters, and * any text. None of them takes a slash.",
    )
    .multi(),
    spec(
        "myDropFileOptional",
        ValueShape::KeyPattern,
        "Key of a further file. A run also reads it if it is in the bucket when the last file of myDropFile arrives.",
    )
    .multi(),
    spec(
        "myDropMarker",
        ValueShape::KeyPattern,
        "Key of a file that is dropped last, such as incoming/{day}/_SUCCESS: no run starts without it, and no run \
         reads it.",
    ),
    MY_IGNORE_CASE.spec(),
    MY_COMPRESSED.spec(),
    MY_ALLOW_EMPTY.spec(),
    MY_SETTLE.spec(),
    MY_MAX_RUNS_PER_DAY.spec(),
    MY_TIME_ZONE.spec(),
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
    "Maximum number of runs that start in a day of myTimeZone; further runs wait for the next day. Without it, \
     there is no limit.",
)
.typed();
/// `myTimeZone`.
pub const MY_TIME_ZONE: Defaulted<TimeZone> = spec(
    "myTimeZone",
    ValueShape::TimeZone,
    "Time zone of the days of myMaxRunsPerDay and of the time in myWaitFor, such as Europe/Berlin.",
)
.typed()
.or("UTC");
/// `myStaleRuns`.
pub const MY_STALE_RUNS: Defaulted<StaleRuns> = word(
    "myStaleRuns",
    StaleRuns::WORDS,
    "What happens to earlier pipelines of the definition when a run starts: delete removes those that have ended, \
     replace removes also those that still run, keep removes none.",
)
.typed()
.or("delete");
/// `myWaitFor`.
pub const MY_WAIT_FOR: Optional<WaitFor> = spec(
    "myWaitFor",
    ValueShape::WaitFor,
    "Time after which an incomplete set causes a notice about missing files: a period after the first file of the \
     set, or a time on the day of that file in myTimeZone. Without it, there is no notice.",
)
.typed();
/// `myBackfill`.
pub const MY_BACKFILL: Defaulted<bool> =
    boolean("myBackfill", "Whether to load also the sets that arrived before the definition was uploaded.")
        .typed()
        .or("false");
/// `myIgnoreCase`.
pub const MY_IGNORE_CASE: Defaulted<bool> = boolean(
    "myIgnoreCase",
    "Whether upper and lower case are equal in the names of dropped files. The names of folders are still \
     case-sensitive.",
)
.typed()
.or("false");
/// `myCompressed`.
pub const MY_COMPRESSED: Defaulted<bool> =
    boolean("myCompressed", "Whether NAME.gz and NAME.zst are taken in place of a dropped file NAME.")
        .typed()
        .or("false");
/// `myAllowEmpty`.
pub const MY_ALLOW_EMPTY: Defaulted<bool> = boolean(
    "myAllowEmpty",
    "Whether an object without bytes is a dropped file. Many programs create an empty object first and fill it later, \
     so the default is false.",
)
.typed()
.or("false");
/// `mySettle`.
pub const MY_SETTLE: Defaulted<Period> = period(
    "mySettle",
    "Time within which changes of a set count as one change. A set starts at once when it is complete for the first \
     time; only later changes wait.",
)
.typed()
.or("10 seconds");
