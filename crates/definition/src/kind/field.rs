//! The fields that programs read, each with the type of its value.
//!
//! `field::MAXIMUM_RETRIES.of(&object)` reads a field. Validation, help and the JSON Schema use the same
//! constant as a row of a table.

pub use super::actions::MY_ONCE_PER_RUN;
pub use super::activities::{MY_CASCADE, MY_LOAD_MODE, MY_MAX_REJECTS, MY_ON_COLUMNS, MY_PUBLISH, STAGE};
pub use super::data_formats::{
    MY_DIALECT, MY_HEADER, MY_MAX_RECORD_BYTES, MY_SKIP_BLANK, MY_SKIP_FOOTER, MY_SKIP_LINES,
};
pub use super::data_nodes::{COMPRESSION, MY_MATCH};
pub use super::default_object::{
    MY_ALLOW_EMPTY, MY_BACKFILL, MY_COMPRESSED, MY_IGNORE_CASE, MY_MAX_RUNS_PER_DAY, MY_SETTLE,
    MY_STALE_RUNS, MY_TIME_ZONE, MY_WAIT_FOR,
};
pub use super::field_type::{
    Compression, FailureAndRerunMode, Limit, LoadMode, MatchMode, MyDialect, OnColumns, OnResourceFailure,
    OnTaskFailure, PeriodOrHours, Publish, SchedulePeriod, ScheduleType, StaleRuns, StartAt, WaitFor,
};
pub use super::preconditions::PRECONDITION_TIMEOUT;
pub use super::resources::{
    ACTION_ON_RESOURCE_FAILURE, ACTION_ON_TASK_FAILURE, ASSOCIATE_PUBLIC_IP_ADDRESS, INIT_TIMEOUT,
    ON_DEMAND_AT_LAST, TERMINATE_AFTER,
};
pub use super::schedule::{END_DATE_TIME, OCCURRENCES, PERIOD, START_AT, START_DATE_TIME};
pub use super::shared_fields::{
    ATTEMPT_TIMEOUT, AWS_MOST_RETRIES, FAILURE_AND_RERUN_MODE, LATE_AFTER_TIMEOUT, MAX_ACTIVE_INSTANCES,
    MAXIMUM_RETRIES, REPORT_PROGRESS_TIMEOUT, RETRY_DELAY, SCHEDULE_TYPE,
};
pub use super::typed_field::{Defaulted, FieldError, Fields, Optional};
pub use super::value_fields::{MY_PERCENT, MY_QUOTED_NULLS, MY_TRAILING_SIGN};
