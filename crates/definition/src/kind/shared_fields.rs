//! The fields that many types share, in groups.
//!
//! Every object has the first group. The other groups belong to everything that is executed, that has a
//! schedule, or that depends on other objects. Separate groups hold the fields that the service sets.

use super::{
    Group, Kind, RefTarget, ValueShape,
    field_type::{FailureAndRerunMode, ScheduleType},
    spec::{
        FieldChoice, FieldSpec, SharedFields, count, integer, period, spec, text, time, to, to_any, to_group,
        word,
    },
    typed_field::{Defaulted, Optional},
};
use crate::period::Period;

/// The shared fields of an activity or a data node.
pub(super) const WORK: &[SharedFields] =
    &[SYSTEM, RUNNABLE, SCHEDULABLE, ROUTED, DEPENDENT, RUNNABLE_RUNTIME, SCHEDULABLE_RUNTIME];
/// The shared fields of an activity that needs a cluster.
pub(super) const CLUSTER_WORK: &[SharedFields] =
    &[SYSTEM, RUNNABLE, SCHEDULABLE, ROUTED_TO_CLUSTER, DEPENDENT, RUNNABLE_RUNTIME, SCHEDULABLE_RUNTIME];
/// The shared fields of a resource. A resource has no `runsOn` and no `workerGroup`, because other objects
/// run on it.
pub(super) const RESOURCE: &[SharedFields] =
    &[SYSTEM, RUNNABLE, SCHEDULABLE, RUNNABLE_RUNTIME, SCHEDULABLE_RUNTIME];
/// The shared fields of a precondition. A precondition has no schedule, because it is executed with the
/// object that it guards.
pub(super) const PRECONDITION: &[SharedFields] = &[SYSTEM, RUNNABLE, RUNNABLE_RUNTIME];
/// The fields that an object without a type usually passes on to the objects that inherit from it.
pub(crate) const UNTYPED: &[SharedFields] = &[SYSTEM, RUNNABLE, SCHEDULABLE, ROUTED, DEPENDENT];
/// The shared fields of any other object.
pub(super) const PLAIN: &[SharedFields] = &[SYSTEM];

/// The choice of where a task is executed. If both fields are missing, the task would wait for ever. If both
/// are present, `workerGroup` is ignored.
pub(super) const RUNNER: FieldChoice = FieldChoice::at_least(&["runsOn", "workerGroup"]);

/// The fields of every object. The service sets those that begin with `@`.
const SYSTEM: SharedFields = SharedFields {
    title: "Fields of every object",
    fields: &[
        text("type", "The type of the object; it can be inherited from a parent."),
        to_any(
            "parent",
            "The object whose fields this one inherits; a field of the object itself takes precedence.",
        ),
        text("@error", "Error of an object that is not well formed.").runtime(),
        text("@pipelineId", "Id of the object's pipeline.").runtime(),
        word(
            "@sphere",
            &["COMPONENT", "INSTANCE", "ATTEMPT"],
            "Whether this is the object as defined, one instance of it, or one attempt of an instance.",
        )
        .runtime(),
        text("@version", "Version of the definition from which the object was made.").runtime(),
    ],
};

/// The fields of everything that is executed: activities, data nodes, resources and preconditions.
pub(super) const RUNNABLE: SharedFields = SharedFields {
    title: "Fields of everything that is executed",
    fields: &[
        text("attemptStatus", "Last status that the worker reported, in words."),
        ATTEMPT_TIMEOUT.spec(),
        FAILURE_AND_RERUN_MODE.spec(),
        LATE_AFTER_TIMEOUT.spec(),
        MAXIMUM_RETRIES.spec(),
        to_group(
            "onFail",
            Group::Action,
            "Actions that follow when the object failed and no retries are left.",
        )
        .multi(),
        to_group("onSuccess", Group::Action, "Actions that follow when the object finished.").multi(),
        to_group("onLateAction", Group::Action, "Actions that follow when the object is late.").multi(),
        REPORT_PROGRESS_TIMEOUT.spec(),
        RETRY_DELAY.spec(),
    ],
};

/// `attemptTimeout`.
pub const ATTEMPT_TIMEOUT: Optional<Period> = period(
    "attemptTimeout",
    "Maximum duration of an attempt, after which the attempt fails. Without it, there is no limit.",
)
.typed();
/// `failureAndRerunMode`.
pub const FAILURE_AND_RERUN_MODE: Defaulted<FailureAndRerunMode> = word(
    "failureAndRerunMode",
    FailureAndRerunMode::WORDS,
    "Whether a failure or rerun also reaches the objects that depend on this one (cascade).",
)
.typed()
.or("none");
/// `lateAfterTimeout`.
pub const LATE_AFTER_TIMEOUT: Optional<Period> = period(
    "lateAfterTimeout",
    "How long after its scheduled start an unfinished object is late; not used on demand.",
)
.typed();
/// `maximumRetries`. The documentation of AWS allows [`AWS_MOST_RETRIES`], but AWS takes more: its own samples have ten.
pub const MAXIMUM_RETRIES: Defaulted<u32> =
    integer("maximumRetries", 0, 1_000, "Number of retries after a failed attempt; AWS documents 5 at most.")
        .typed()
        .or("2");
/// The largest `maximumRetries` that AWS documents.
pub const AWS_MOST_RETRIES: u32 = 5;
/// `reportProgressTimeout`.
pub const REPORT_PROGRESS_TIMEOUT: Defaulted<Period> = period(
    "reportProgressTimeout",
    "Maximum time between progress reports of a worker; after it, the attempt is stalled and retried.",
)
.typed()
.or("15 minutes");
/// `retryDelay`.
pub const RETRY_DELAY: Defaulted<Period> =
    period("retryDelay", "Waiting time between two attempts; seconds are accepted, too.")
        .typed()
        .or("10 minutes");

/// The fields of everything that can have a schedule: activities, data nodes and resources.
pub(super) const SCHEDULABLE: SharedFields = SharedFields {
    title: "Fields of everything that is scheduled",
    fields: &[
        to_group(
            "schedule",
            Group::Schedule,
            "Schedule of the runs; an activity needs one unless it runs on demand.",
        ),
        SCHEDULE_TYPE.spec(),
        MAX_ACTIVE_INSTANCES.spec(),
        text("pipelineLogUri", "S3 prefix for logs, s3://bucket/prefix. Without it, no logs are stored."),
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
    "Maximum number of instances that run at the same time. Without it: 1 on demand, else 5.",
)
.typed();

const WORKER_GROUP: FieldSpec = text(
    "workerGroup",
    "Name of the group of task runners that do the work, case-sensitive; ignored with runsOn.",
);

/// The fields that say where an activity or a data node is executed.
pub(super) const ROUTED: SharedFields = SharedFields {
    title: "Where it is executed",
    fields: &[
        to_group("runsOn", Group::Resource, "The machine or cluster that is started for the work."),
        WORKER_GROUP,
    ],
};

/// The fields that say where an activity that needs a cluster is executed.
const ROUTED_TO_CLUSTER: SharedFields = SharedFields {
    title: "Which cluster executes it",
    fields: &[to("runsOn", &[Kind::EmrCluster], "The cluster that is started for the work."), WORKER_GROUP],
};

/// The fields that make an activity or a data node wait.
const DEPENDENT: SharedFields = SharedFields {
    title: "What it waits for",
    fields: &[
        spec("dependsOn", ValueShape::Ref(RefTarget::Runnable), "Objects that must finish first.").multi(),
        to_group("precondition", Group::Precondition, "Preconditions that must all hold first.").multi(),
    ],
};

const RUNNABLE_RUNTIME: SharedFields = SharedFields {
    title: "Set on everything that is executed",
    fields: &[
        to_any("@activeInstances", "The instances of the component that currently run.").multi().runtime(),
        time("@actualStartTime", "Start of the execution.").runtime(),
        time("@actualEndTime", "End of the execution.").runtime(),
        text("cancellationReason", "Reason for the cancellation.").runtime(),
        to_any("@cascadeFailedOn", "The failed objects because of which this one failed.").multi().runtime(),
        text("emrStepLog", "Location of the log of the cluster's step, on an attempt of cluster work.")
            .runtime(),
        text("hadoopJobLog", "Location of the logs of the Hadoop jobs, on an attempt of cluster work.")
            .runtime(),
        text("errorId", "Code for the kind of failure.").runtime(),
        text("errorMessage", "Description of the failure.").runtime(),
        text("errorStackTrace", "Stack trace of the failure.").runtime(),
        text("hostname", "Machine of the worker that took the attempt.").runtime(),
        time("reportProgressTime", "Time of the last progress report of the worker.").runtime(),
        time("@scheduledStartTime", "Start of the scheduled interval.").runtime(),
        time("@scheduledEndTime", "End of the scheduled interval.").runtime(),
        text("@status", "Status of the object, such as RUNNING or FINISHED.").runtime(),
        to_any("@waitingOn", "The objects for which this one still waits.").multi().runtime(),
        // AWS's tables lack these fields; real objects have them.
        to_any("@componentParent", "The component from which an instance or attempt was made.").runtime(),
        to_any("@instanceParent", "The instance to which an attempt belongs.").runtime(),
        to_any("@headAttempt", "The newest attempt of an instance.").runtime(),
        count("@attemptCount", "Number of attempts of an instance so far.").runtime(),
        count("@triesLeft", "Number of attempts that an instance still has.").runtime(),
        text("@logLocation", "S3 prefix of the logs of an attempt.").runtime(),
    ],
};

const SCHEDULABLE_RUNTIME: SharedFields = SharedFields {
    title: "Set on everything that is scheduled",
    fields: &[
        time("@finishedTime", "Time at which the object finished.").runtime(),
        text("@healthStatus", "Whether the last instance that ended was successful, on components.")
            .runtime(),
        text("@healthStatusFromInstanceId", "The instance from which the health status comes.").runtime(),
        time("@healthStatusUpdatedTime", "Time of the last change of the health status.").runtime(),
        time("@lastDeactivatedTime", "Time of the last deactivation of the object.").runtime(),
        time("@latestCompletedRunTime", "Scheduled time of the newest completed run.").runtime(),
        time("@latestRunTime", "Scheduled time of the newest run.").runtime(),
        time("@nextRunTime", "Scheduled time of the next run.").runtime(),
    ],
};
