//! Preconditions: what must hold before an object becomes ready.
//!
//! The service checks the first four itself. A task runner checks the others, where the guarded object is
//! executed.

use super::{
    Group,
    shared_fields::PRECONDITION,
    spec::{FieldSpec, KindSpec, OneOf, count, period, text, time, to_any},
    typed_field::Optional,
};
use crate::period::Period;

/// `preconditionTimeout`.
pub const PRECONDITION_TIMEOUT: Optional<Period> =
    period("preconditionTimeout", "How long after its start a condition that still does not hold fails.")
        .typed();
const TIMEOUT: FieldSpec = PRECONDITION_TIMEOUT.spec();
const ROLE: FieldSpec =
    text("role", "IAM role with which the service looks; usually on the Default object.").required();
const TABLE: FieldSpec = text("tableName", "Name of the table.").required();
const NODE: FieldSpec = to_any("node", "The object that is guarded.").runtime();
const RETRIES: FieldSpec = count("currentRetryCount", "How often the service has looked in vain.").runtime();
const LAST_RETRY: FieldSpec = time("lastRetryTime", "When the service looked last.").runtime();

pub(super) static DYNAMO_DB_DATA_EXISTS: KindSpec = KindSpec {
    name: "DynamoDBDataExists",
    group: Group::Precondition,
    doc: "Holds when a table of DynamoDB has at least one item.",
    fields: &[ROLE, TABLE, TIMEOUT, NODE, RETRIES, LAST_RETRY],
    includes: PRECONDITION,
    one_of: &[],
    my_fields: &[],
};

pub(super) static DYNAMO_DB_TABLE_EXISTS: KindSpec = KindSpec {
    name: "DynamoDBTableExists",
    group: Group::Precondition,
    doc: "Holds when a table of DynamoDB exists.",
    fields: &[ROLE, TABLE, TIMEOUT, NODE, RETRIES, LAST_RETRY],
    includes: PRECONDITION,
    one_of: &[],
    my_fields: &[],
};

pub(super) static S3_KEY_EXISTS: KindSpec = KindSpec {
    name: "S3KeyExists",
    group: Group::Precondition,
    doc: "Holds when an object exists in S3.",
    fields: &[
        ROLE,
        text("s3Key", "The object, s3://bucket/key, often #{node.filePath}.").required(),
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
    doc: "Holds when at least one object lies under a prefix in S3.",
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
    doc: "Holds when the guarded data node exists; not for DynamoDBDataNode.",
    fields: &[TIMEOUT, NODE],
    includes: PRECONDITION,
    one_of: &[],
    my_fields: &[],
};

pub(super) static SHELL_COMMAND_PRECONDITION: KindSpec = KindSpec {
    name: "ShellCommandPrecondition",
    group: Group::Precondition,
    doc: "Holds when a shell command or script ends with the exit code 0.",
    fields: &[
        text("command", "The command itself."),
        text("scriptUri", "The script as an object in S3, s3://bucket/key."),
        text("scriptArgument", "Argument of the command or script, $1 and so on.").multi(),
        text("stdout", "S3 path that standard output goes to."),
        text("stderr", "S3 path that standard error goes to."),
        TIMEOUT,
        NODE,
    ],
    includes: PRECONDITION,
    one_of: &[OneOf::at_least(&["command", "scriptUri"])],
    my_fields: &[],
};
