//! When runs begin.

use super::{
    Group, Slot,
    common::PLAIN,
    spec::{KindSpec, OneOf, integer, spec, time, word},
};

pub(super) static SCHEDULE: KindSpec = KindSpec {
    name: "Schedule",
    group: Group::Schedule,
    doc: "The intervals that runs are made for.",
    fields: &[
        spec("period", Slot::SchedulePeriod, "How long an interval is.").required(),
        time("startDateTime", "When the first interval begins."),
        word(
            "startAt",
            &["FIRST_ACTIVATION_DATE_TIME", "ONDEMAND_ACTIVATION_TIME"],
            "Begins the first interval when the pipeline is first activated, or one at each activation on demand.",
        ),
        time("endDateTime", "When the last interval ends, after the start; without it there is no end."),
        integer("occurrences", 1, i64::MAX, "How many intervals there are; not together with endDateTime."),
        time("@firstActivationTime", "When the pipeline was first activated.").runtime(),
    ],
    includes: PLAIN,
    one_of: &[OneOf::exactly(&["startDateTime", "startAt"])],
    my_fields: &[],
};
