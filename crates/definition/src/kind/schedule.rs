//! Schedules: when runs begin.

use jiff::Timestamp;

use super::{
    Group, ValueShape,
    field_type::{SchedulePeriod, StartAt},
    shared_fields::PLAIN,
    spec::{FieldChoice, KindSpec, integer, spec, time, word},
    typed_field::Optional,
};

/// `period`.
pub const PERIOD: Optional<SchedulePeriod> =
    spec("period", ValueShape::SchedulePeriod, "Length of an interval.").required().typed();
/// `startDateTime`.
pub const START_DATE_TIME: Optional<Timestamp> =
    time("startDateTime", "Start of the first interval.").typed();
/// `startAt`.
pub const START_AT: Optional<StartAt> = word(
    "startAt",
    StartAt::WORDS,
    "Whether the first interval begins at the first activation, or one at each activation on demand.",
)
.typed();
/// `endDateTime`.
pub const END_DATE_TIME: Optional<Timestamp> =
    time("endDateTime", "End of the last interval. Without it: no end.").typed();
/// `occurrences`.
pub const OCCURRENCES: Optional<u64> =
    integer("occurrences", 1, i64::MAX, "Number of intervals; not together with endDateTime.").typed();

pub(super) static SCHEDULE: KindSpec = KindSpec {
    name: "Schedule",
    group: Group::Schedule,
    doc: "The intervals for which runs are made.",
    fields: &[
        PERIOD.spec(),
        START_DATE_TIME.spec(),
        START_AT.spec(),
        END_DATE_TIME.spec(),
        OCCURRENCES.spec(),
        time("@firstActivationTime", "Time of the first activation of the pipeline.").runtime(),
    ],
    includes: PLAIN,
    one_of: &[FieldChoice::exactly(&["startDateTime", "startAt"])],
    my_fields: &[],
};
