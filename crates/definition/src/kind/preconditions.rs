//! Preconditions: conditions that must hold before an object becomes ready.
//!
//! The service checks the first four itself. A task runner checks the others, where the guarded object is
//! executed.

use super::{
    Group,
    shared_fields::PRECONDITION,
    spec::{FieldChoice, FieldSpec, KindSpec, count, period, text, time, to_any},
    typed_field::Optional,
};
use crate::period::Period;

/// `preconditionTimeout`.
pub const PRECONDITION_TIMEOUT: Optional<Period> = period(
    "preconditionTimeout",
    "How long after its start the precondition fails if it still does not hold.",
)
.typed();
const TIMEOUT: FieldSpec = PRECONDITION_TIMEOUT.spec();
const ROLE: FieldSpec =
    text("role", "IAM role that the service uses for the check; usually on the Default object.").required();
const TABLE: FieldSpec = text("tableName", "Name of the table.").required();
const NODE: FieldSpec = to_any("node", "The object that the precondition guards.").runtime();
const RETRIES: FieldSpec =
    count("currentRetryCount", "How many checks by the service have failed so far.").runtime();
const LAST_RETRY: FieldSpec = time("lastRetryTime", "Time of the last check by the service.").runtime();

pub(super) static DYNAMO_DB_DATA_EXISTS: KindSpec = KindSpec {
    name: "DynamoDBDataExists",
    group: Group::Precondition,
    doc: "Holds if a DynamoDB table has at least one item.",
    fields: &[ROLE, TABLE, TIMEOUT, NODE, RETRIES, LAST_RETRY],
    includes: PRECONDITION,
    one_of: &[],
    my_fields: &[],
};

pub(super) static DYNAMO_DB_TABLE_EXISTS: KindSpec = KindSpec {
    name: "DynamoDBTableExists",
    group: Group::Precondition,
    doc: "Holds if a DynamoDB table exists.",
    fields: &[ROLE, TABLE, TIMEOUT, NODE, RETRIES, LAST_RETRY],
    includes: PRECONDITION,
    one_of: &[],
    my_fields: &[],
};

pub(super) static S3_KEY_EXISTS: KindSpec = KindSpec {
    name: "S3KeyExists",
    group: Group::Precondition,
    doc: "Holds if an S3 object exists.",
    fields: &[
        ROLE,
        text("s3Key", "The S3 object, s3://bucket/key, often #{node.filePath}.").required(),
        TIMEOUT,
        NODE,
        RETRIES,
        LAST_RETRY,
    ],
    includes: PRECONDITION,
    one_of: &[],
    my_fields: &[],
};

pub(super) static S3_PREFIX_NOT_EMPTY: KindSpec = KindSpec {
    name: "S3PrefixNotEmpty",
    group: Group::Precondition,
    doc: "Holds if at least one S3 object exists under a prefix.",
    fields: &[
        ROLE,
        text("s3Prefix", "The prefix, s3://bucket/prefix, often #{node.directoryPath}.").required(),
        TIMEOUT,
        NODE,
        RETRIES,
        LAST_RETRY,
    ],
    includes: PRECONDITION,
    one_of: &[],
    my_fields: &[],
};

pub(super) static EXISTS: KindSpec = KindSpec {
    name: "Exists",
    group: Group::Precondition,
    doc: "Holds if the guarded data node exists; not for DynamoDBDataNode.",
    fields: &[TIMEOUT, NODE],
    includes: PRECONDITION,
    one_of: &[],
    my_fields: &[],
};

pub(super) static SHELL_COMMAND_PRECONDITION: KindSpec = KindSpec {
    name: "ShellCommandPrecondition",
    group: Group::Precondition,
    doc: "Holds if a shell command or script ends with the exit code 0.",
    fields: &[
        text("command", "The command."),
        text("scriptUri", "S3 object that contains the script, s3://bucket/key."),
        text("scriptArgument", "Argument of the command or script: $1, $2 and so on.").multi(),
        text("stdout", "S3 path to which standard output is written."),
        text("stderr", "S3 path to which standard error is written."),
        TIMEOUT,
        NODE,
    ],
    includes: PRECONDITION,
    one_of: &[FieldChoice::at_least(&["command", "scriptUri"])],
    my_fields: &[],
};
