//! Schedules: when runs begin.

use jiff::Timestamp;

use super::{
    Group, ValueShape,
    field_type::{SchedulePeriod, StartAt},
    shared_fields::PLAIN,
    spec::{KindSpec, OneOf, integer, spec, time, word},
    typed_field::Optional,
};

/// `period`.
pub const PERIOD: Optional<SchedulePeriod> =
    spec("period", ValueShape::SchedulePeriod, "How long an interval is.").required().typed();
/// `startDateTime`.
pub const START_DATE_TIME: Optional<Timestamp> =
    time("startDateTime", "When the first interval begins.").typed();
/// `startAt`.
pub const START_AT: Optional<StartAt> = word(
    "startAt",
    StartAt::WORDS,
    "Begins the first interval when the pipeline is first activated, or one at each activation on demand.",
)
.typed();
/// `endDateTime`.
pub const END_DATE_TIME: Optional<Timestamp> =
    time("endDateTime", "When the last interval ends, after the start; without it there is no end.").typed();
/// `occurrences`.
pub const OCCURRENCES: Optional<u64> =
    integer("occurrences", 1, i64::MAX, "How many intervals there are; not together with endDateTime.")
        .typed();

pub(super) static SCHEDULE: KindSpec = KindSpec {
    name: "Schedule",
    group: Group::Schedule,
    doc: "The intervals that runs are made for.",
    fields: &[
        PERIOD.spec(),
        START_DATE_TIME.spec(),
        START_AT.spec(),
        END_DATE_TIME.spec(),
        OCCURRENCES.spec(),
        time("@firstActivationTime", "When the pipeline was first activated.").runtime(),
    ],
    includes: PLAIN,
    one_of: &[OneOf::exactly(&["startDateTime", "startAt"])],
    my_fields: &[],
};
