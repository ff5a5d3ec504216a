//! The fields that many types share, in groups.
//!
//! Every object has the first group. The other groups belong to everything that is executed, that has a
//! schedule, or that depends on other objects. Separate groups hold the fields that the service sets.

use super::{
    Group, Kind, RefTarget, ValueShape,
    field_type::{FailureAndRerunMode, ScheduleType},
    spec::{
        FieldGroup, FieldSpec, OneOf, count, integer, period, spec, text, time, to, to_any, to_group, word,
    },
    typed_field::{Defaulted, Optional},
};
use crate::period::Period;

/// The shared fields of an activity or a data node.
pub(super) const WORK: &[FieldGroup] =
    &[SYSTEM, RUNNABLE, SCHEDULABLE, ROUTED, DEPENDENT, RUNNABLE_RUNTIME, SCHEDULABLE_RUNTIME];
/// The shared fields of an activity that needs a cluster.
pub(super) const CLUSTER_WORK: &[FieldGroup] =
    &[SYSTEM, RUNNABLE, SCHEDULABLE, ROUTED_TO_CLUSTER, DEPENDENT, RUNNABLE_RUNTIME, SCHEDULABLE_RUNTIME];
/// The shared fields of a resource. A resource has no `runsOn` and no `workerGroup`, because other objects
/// run on it.
pub(super) const RESOURCE: &[FieldGroup] =
    &[SYSTEM, RUNNABLE, SCHEDULABLE, RUNNABLE_RUNTIME, SCHEDULABLE_RUNTIME];
/// The shared fields of a precondition. It has no schedule, because it is executed with the object that it
/// guards.
pub(super) const PRECONDITION: &[FieldGroup] = &[SYSTEM, RUNNABLE, RUNNABLE_RUNTIME];
/// The fields that an object without a type usually passes on to the objects that inherit from it.
pub(crate) const UNTYPED: &[FieldGroup] = &[SYSTEM, RUNNABLE, SCHEDULABLE, ROUTED, DEPENDENT];
/// The shared fields of any other object.
pub(super) const PLAIN: &[FieldGroup] = &[SYSTEM];

/// A task without `runsOn` and `workerGroup` would wait for ever. With both fields, `workerGroup` is ignored.
pub(super) const RUNNER: OneOf = OneOf::at_least(&["runsOn", "workerGroup"]);

/// The fields of every object. The service sets those that begin with `@`.
const SYSTEM: FieldGroup = FieldGroup {
    title: "Of every object",
    fields: &[
        text("type", "The type of the object; a parent can hand it down."),
        to_any("parent", "The object whose fields this one inherits; an own field beats an inherited one."),
        text("@error", "What is wrong with an object that is not well formed.").runtime(),
        text("@pipelineId", "Id of the pipeline that the object belongs to.").runtime(),
        word(
            "@sphere",
            &["COMPONENT", "INSTANCE", "ATTEMPT"],
            "Whether this is the object as defined, one run of it, or one try of that run.",
        )
        .runtime(),
        text("@version", "Version of the definition that the object was made from.").runtime(),
    ],
};

/// The fields of everything that is executed: activities, data nodes, resources and preconditions.
pub(super) const RUNNABLE: FieldGroup = FieldGroup {
    title: "Of everything that is executed",
    fields: &[
        text("attemptStatus", "Status in words, as the worker reported it last."),
        ATTEMPT_TIMEOUT.spec(),
        FAILURE_AND_RERUN_MODE.spec(),
        LATE_AFTER_TIMEOUT.spec(),
        MAXIMUM_RETRIES.spec(),
        to_group("onFail", Group::Action, "Actions taken when the object has failed for good.").multi(),
        to_group("onSuccess", Group::Action, "Actions taken when the object has finished.").multi(),
        to_group("onLateAction", Group::Action, "Actions taken when the object is late.").multi(),
        REPORT_PROGRESS_TIMEOUT.spec(),
        RETRY_DELAY.spec(),
    ],
};

/// `attemptTimeout`.
pub const ATTEMPT_TIMEOUT: Optional<Period> =
    period("attemptTimeout", "How long one try may take from its start; then it fails. No limit without it.")
        .typed();
/// `failureAndRerunMode`.
pub const FAILURE_AND_RERUN_MODE: Defaulted<FailureAndRerunMode> = word(
    "failureAndRerunMode",
    FailureAndRerunMode::WORDS,
    "With cascade, a failure or rerun reaches the objects that depend on this one.",
)
.typed()
.or("none");
/// `lateAfterTimeout`.
pub const LATE_AFTER_TIMEOUT: Optional<Period> = period(
    "lateAfterTimeout",
    "How long after its scheduled start an unfinished object counts as late; not used on demand.",
)
.typed();
/// `maximumRetries`. AWS allows five at most.
pub const MAXIMUM_RETRIES: Defaulted<u32> =
    integer("maximumRetries", 0, 5, "How many more tries follow a failed one.").typed().or("2");
/// `reportProgressTimeout`.
pub const REPORT_PROGRESS_TIMEOUT: Defaulted<Period> = period(
    "reportProgressTimeout",
    "How long a worker may stay silent before its try counts as stalled and is repeated.",
)
.typed()
.or("15 minutes");
/// `retryDelay`.
pub const RETRY_DELAY: Defaulted<Period> =
    period("retryDelay", "How long to wait between two tries; seconds are taken too.")
        .typed()
        .or("10 minutes");

/// The fields of everything that can have a schedule: activities, data nodes and resources.
pub(super) const SCHEDULABLE: FieldGroup = FieldGroup {
    title: "Of everything that is scheduled",
    fields: &[
        to_group(
            "schedule",
            Group::Schedule,
            "When runs begin; an activity needs one unless it runs on demand.",
        ),
        SCHEDULE_TYPE.spec(),
        MAX_ACTIVE_INSTANCES.spec(),
        text(
            "pipelineLogUri",
            "S3 prefix that logs are written under, s3://bucket/prefix. No logs without it.",
        ),
    ],
};

/// `scheduleType`.
pub const SCHEDULE_TYPE: Defaulted<ScheduleType> = word(
    "scheduleType",
    ScheduleType::WORDS,
    "Whether a run begins at the start (cron) or the end (timeseries) of its interval, or when the pipeline is \
     activated (ondemand, on the Default object only).",
)
.typed()
.or("timeseries");
/// `maxActiveInstances`.
pub const MAX_ACTIVE_INSTANCES: Optional<usize> = integer(
    "maxActiveInstances",
    1,
    5,
    "How many instances of the object may be at work at once; without it 1 on demand, else 5.",
)
.typed();

const WORKER_GROUP: FieldSpec = text(
    "workerGroup",
    "Word that names the task runners to do the work, exact in its case; unused with runsOn.",
);

/// The fields that say where an activity or a data node is executed.
pub(super) const ROUTED: FieldGroup = FieldGroup {
    title: "Where it is executed",
    fields: &[
        to_group("runsOn", Group::Resource, "The machine or cluster that is started to do the work."),
        WORKER_GROUP,
    ],
};

/// The same for activities that need a cluster.
const ROUTED_TO_CLUSTER: FieldGroup = FieldGroup {
    title: "Which cluster executes it",
    fields: &[to("runsOn", &[Kind::EmrCluster], "The cluster that is started to do the work."), WORKER_GROUP],
};

/// The fields that make an activity or a data node wait.
const DEPENDENT: FieldGroup = FieldGroup {
    title: "What it waits for",
    fields: &[
        spec("dependsOn", ValueShape::Ref(RefTarget::Runnable), "Objects that must have finished first.")
            .multi(),
        to_group("precondition", Group::Precondition, "Conditions that must all hold first.").multi(),
    ],
};

const RUNNABLE_RUNTIME: FieldGroup = FieldGroup {
    title: "Set on everything that is executed",
    fields: &[
        to_any("@activeInstances", "The instances of the component that are at work.").multi().runtime(),
        time("@actualStartTime", "When the execution began.").runtime(),
        time("@actualEndTime", "When the execution ended.").runtime(),
        text("cancellationReason", "Why the object was canceled.").runtime(),
        to_any("@cascadeFailedOn", "The objects whose failure this one shares.").multi().runtime(),
        text("emrStepLog", "Where the log of the cluster's step lies, on a try of cluster work.").runtime(),
        text("hadoopJobLog", "Where the logs of the Hadoop jobs lie, on a try of cluster work.").runtime(),
        text("errorId", "Word for the kind of failure.").runtime(),
        text("errorMessage", "What went wrong, in words.").runtime(),
        text("errorStackTrace", "Where in a program it went wrong.").runtime(),
        text("hostname", "Machine of the worker that took the try.").runtime(),
        time("reportProgressTime", "When the worker reported progress last.").runtime(),
        time("@scheduledStartTime", "Start of the scheduled interval.").runtime(),
        time("@scheduledEndTime", "End of the scheduled interval.").runtime(),
        text("@status", "Where the object stands, such as RUNNING or FINISHED.").runtime(),
        to_any("@waitingOn", "The objects that this one still waits for.").multi().runtime(),
        // AWS's tables lack these fields; real objects have them.
        to_any("@componentParent", "The component that an instance or attempt was made from.").runtime(),
        to_any("@instanceParent", "The instance that an attempt is a try of.").runtime(),
        to_any("@headAttempt", "The newest attempt of an instance.").runtime(),
        count("@attemptCount", "How many tries an instance has had.").runtime(),
        count("@triesLeft", "How many tries an instance still has.").runtime(),
        text("@logLocation", "S3 prefix of the logs of an attempt.").runtime(),
    ],
};

const SCHEDULABLE_RUNTIME: FieldGroup = FieldGroup {
    title: "Set on everything that is scheduled",
    fields: &[
        time("@finishedTime", "When the object finished.").runtime(),
        text("@healthStatus", "Whether the newest instance to end did well, on components.").runtime(),
        text("@healthStatusFromInstanceId", "The instance that the health was told from.").runtime(),
        time("@healthStatusUpdatedTime", "When the health last changed.").runtime(),
        time("@lastDeactivatedTime", "When the object was last deactivated.").runtime(),
        time("@latestCompletedRunTime", "When the newest run to be completed was scheduled.").runtime(),
        time("@latestRunTime", "When the newest run was scheduled.").runtime(),
        time("@nextRunTime", "When the next run is scheduled.").runtime(),
    ],
};
