//! Activities: the work of a pipeline.

use super::{
    Group, Kind, ValueShape,
    databases::ANY_DATABASE,
    field_type::{Limit, LoadMode},
    shared_fields::{CLUSTER_WORK, RUNNER, WORK},
    spec::{FieldSpec, KindSpec, OneOf, boolean, count, spec, text, to, to_group, word},
    typed_field::Defaulted,
};

const INPUT: FieldSpec = to_group(
    "input",
    Group::DataNode,
    "Data that the work reads: it waits for them, and expressions can use their fields.",
)
.multi();
const OUTPUT: FieldSpec = to_group(
    "output",
    Group::DataNode,
    "Data that the work writes: who reads them waits, and expressions can use their fields.",
)
.multi();
const SCRIPT_URI: FieldSpec = text("scriptUri", "The script as an object in S3, s3://bucket/key.");
const BEFORE: FieldSpec =
    to("preActivityTaskConfig", &[Kind::ShellScriptConfig], "Shell script that is run before the work.");
const AFTER: FieldSpec =
    to("postActivityTaskConfig", &[Kind::ShellScriptConfig], "Shell script that is run after the work.");
const RESIZE: FieldSpec = boolean(
    "resizeClusterBeforeRunning",
    "Whether the cluster is first made as large as its DynamoDB nodes ask for.",
);
const RESIZE_MOST: FieldSpec =
    count("resizeClusterMaxInstances", "Most machines that the cluster may be grown to.");
const GENERATED: FieldSpec =
    text("generatedScriptsPath", "S3 prefix for the script as it was executed, s3://bucket/prefix.");
const HADOOP_QUEUE: FieldSpec = text("hadoopQueue", "Queue of the Hadoop scheduler that the job goes to.");
const QUEUE: FieldSpec = text("queue", "Redshift query group that the statements count to.");

pub(super) static COPY_ACTIVITY: KindSpec = KindSpec {
    name: "CopyActivity",
    group: Group::Activity,
    doc: "Copies records between objects in S3 and tables of a SQL database, in either direction.",
    fields: &[
        to("input", COPIED, "Where records are read."),
        to("output", COPIED, "Where records are written."),
    ],
    includes: WORK,
    one_of: &[RUNNER],
    my_fields: &[
        MY_LOAD_MODE.spec(),
        MY_MAX_REJECTS.spec(),
        spec(
            "myRejectsPath",
            ValueShape::S3Prefix,
            "Where refused rows are written besides the table <table>_rejects; without it the log prefix.",
        ),
        text(
            "myNullValues",
            "Texts that mean NULL besides the empty unquoted field; \"\" is the empty text.",
        )
        .multi(),
        spec(
            "myDateFormat",
            ValueShape::DatePattern,
            "How dates and times are written where it is not ISO 8601.",
        ),
    ],
};

/// `myLoadMode`.
pub const MY_LOAD_MODE: Defaulted<LoadMode> = word(
    "myLoadMode",
    LoadMode::WORDS,
    "Adds the rows, makes the table hold exactly this file's rows, or replaces rows of equal primary key.",
)
.typed()
.or("append");
/// `myMaxRejects`.
pub const MY_MAX_REJECTS: Defaulted<Limit> = spec(
    "myMaxRejects",
    ValueShape::CountOrPercentage,
    "How many rows may be refused before the try fails and leaves the table as it was.",
)
.typed()
.or("0");

const COPIED: &[Kind] = &[Kind::S3DataNode, Kind::SqlDataNode, Kind::MySqlDataNode];

pub(super) static EMR_ACTIVITY: KindSpec = KindSpec {
    name: "EmrActivity",
    group: Group::Activity,
    doc: "Runs steps on an EMR cluster, one after another.",
    fields: &[
        text("step", "A step: a JAR and its arguments with commas between; \\\\ before a comma keeps it.")
            .multi(),
        text("preStepCommand", "Shell command that is run before the first step.").multi(),
        text("postStepCommand", "Shell command that is run after the last step.").multi(),
        INPUT,
        OUTPUT,
        RESIZE,
        RESIZE_MOST,
    ],
    includes: CLUSTER_WORK,
    one_of: &[RUNNER],
    my_fields: &[],
};

pub(super) static HADOOP_ACTIVITY: KindSpec = KindSpec {
    name: "HadoopActivity",
    group: Group::Activity,
    doc: "Runs a Hadoop job from a JAR; several may run on one cluster at once.",
    fields: &[
        text("jarUri", "The JAR, in S3 or on the cluster.").required(),
        text("mainClass", "Class of the JAR that is started."),
        text("argument", "Argument of the job; repeat it for more.").multi(),
        HADOOP_QUEUE,
        INPUT,
        OUTPUT,
        BEFORE,
        AFTER,
    ],
    includes: CLUSTER_WORK,
    one_of: &[RUNNER],
    my_fields: &[],
};

pub(super) static HIVE_ACTIVITY: KindSpec = KindSpec {
    name: "HiveActivity",
    group: Group::Activity,
    doc: "Runs HiveQL on an EMR cluster.",
    fields: &[
        text("hiveScript", "The HiveQL itself."),
        SCRIPT_URI,
        text("scriptVariable", "Variable for Hive, NAME=value.").multi(),
        boolean("stage", "Whether inputs and outputs appear as the tables ${input1}, ${output1} and so on.")
            .default("true"),
        HADOOP_QUEUE,
        GENERATED,
        INPUT,
        OUTPUT,
        BEFORE,
        AFTER,
        RESIZE,
        RESIZE_MOST,
    ],
    includes: CLUSTER_WORK,
    one_of: &[OneOf::at_least(&["hiveScript", "scriptUri"]), RUNNER],
    my_fields: &[],
};

pub(super) static HIVE_COPY_ACTIVITY: KindSpec = KindSpec {
    name: "HiveCopyActivity",
    group: Group::Activity,
    doc: "Copies between DynamoDB and S3 with Hive on an EMR cluster.",
    fields: &[
        to("input", HIVE_COPIED, "Where records are read."),
        to("output", HIVE_COPIED, "Where records are written; DynamoDB when the input is S3."),
        text("filterSql", "Condition that the copied records meet, without the word WHERE."),
        GENERATED,
        BEFORE,
        AFTER,
        RESIZE,
        RESIZE_MOST,
    ],
    includes: CLUSTER_WORK,
    one_of: &[RUNNER],
    my_fields: &[],
};

const HIVE_COPIED: &[Kind] = &[Kind::S3DataNode, Kind::DynamoDBDataNode];

pub(super) static PIG_ACTIVITY: KindSpec = KindSpec {
    name: "PigActivity",
    group: Group::Activity,
    doc: "Runs Pig Latin on an EMR cluster.",
    fields: &[
        text("script", "The Pig script itself."),
        SCRIPT_URI,
        text("scriptVariable", "Variable for Pig, name=value; the script writes $name.").multi(),
        boolean(
            "stage",
            "Whether inputs and outputs appear as the relations ${input1}, ${output1} and so on.",
        ),
        GENERATED,
        INPUT,
        OUTPUT,
        BEFORE,
        AFTER,
        RESIZE,
        RESIZE_MOST,
    ],
    includes: CLUSTER_WORK,
    one_of: &[OneOf::at_least(&["script", "scriptUri"]), RUNNER],
    my_fields: &[],
};

pub(super) static REDSHIFT_COPY_ACTIVITY: KindSpec = KindSpec {
    name: "RedshiftCopyActivity",
    group: Group::Activity,
    doc: "Copies from DynamoDB or S3 into Redshift, or from Redshift to S3.",
    fields: &[
        word(
            "insertMode",
            &["KEEP_EXISTING", "OVERWRITE_EXISTING", "TRUNCATE", "APPEND"],
            "What becomes of rows that the table already has, compared by primary key or emptied first.",
        )
        .required(),
        to(
            "input",
            &[Kind::S3DataNode, Kind::DynamoDBDataNode, Kind::RedshiftDataNode],
            "Where records are read.",
        ),
        to("output", &[Kind::RedshiftDataNode, Kind::S3DataNode], "Where records are written."),
        text("transformSql", "SELECT over the table staging, which holds what was read."),
        text("commandOptions", "Option of COPY or UNLOAD; ignored where a node has a data format.").multi(),
        QUEUE,
    ],
    includes: WORK,
    one_of: &[RUNNER],
    my_fields: &[],
};

pub(super) static SHELL_COMMAND_ACTIVITY: KindSpec = KindSpec {
    name: "ShellCommandActivity",
    group: Group::Activity,
    doc: "Runs a shell command or script; it succeeds when the exit code is 0.",
    fields: &[
        text("command", "The command itself."),
        SCRIPT_URI,
        text("scriptArgument", "Argument of the command or script, $1 and so on.").multi(),
        STAGE.spec(),
        text("stdout", "Where standard output goes: an S3 path, or a local one with workerGroup."),
        text("stderr", "Where standard error goes: an S3 path, or a local one with workerGroup."),
        INPUT,
        OUTPUT,
    ],
    includes: WORK,
    one_of: &[OneOf::at_least(&["command", "scriptUri"]), RUNNER],
    my_fields: &[],
};

/// `stage` of a `ShellCommandActivity`.
pub const STAGE: Defaulted<bool> =
    boolean("stage", "Whether S3 nodes appear as the folders ${INPUT1_STAGING_DIR}, ${OUTPUT1_STAGING_DIR}.")
        .typed()
        .or("false");

pub(super) static SQL_ACTIVITY: KindSpec = KindSpec {
    name: "SqlActivity",
    group: Group::Activity,
    doc: "Runs SQL in a database; the result of a query is not kept.",
    fields: &[
        to("database", ANY_DATABASE, "The database that the statements are run in.").required(),
        text("script", "The SQL itself; expressions in it are evaluated."),
        text(
            "scriptUri",
            "The SQL as an object in S3, s3://bucket/key; expressions in it are not evaluated.",
        ),
        text("scriptArgument", "Value for a ? of the script, in order.").multi(),
        QUEUE,
        INPUT,
        OUTPUT,
    ],
    includes: WORK,
    one_of: &[OneOf::at_least(&["script", "scriptUri"]), RUNNER],
    my_fields: &[],
};
