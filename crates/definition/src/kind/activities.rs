//! Activities: the work of a pipeline.

use super::{
    Group, Kind, ValueShape,
    databases::ANY_DATABASE,
    field_type::{Limit, LoadMode, OnColumns, Publish},
    shared_fields::{CLUSTER_WORK, RUNNER, WORK},
    spec::{FieldChoice, FieldSpec, KindSpec, boolean, count, spec, text, to, to_group, word},
    typed_field::Defaulted,
    value_fields::{
        MY_COLUMN, MY_CURRENCY, MY_DATE_FORMAT, MY_DECIMAL, MY_FALSE, MY_GROUPING, MY_NULL_VALUES,
        MY_PERCENT, MY_QUOTED_NULLS, MY_TRAILING_SIGN, MY_TRUE,
    },
};

const INPUT: FieldSpec = to_group(
    "input",
    Group::DataNode,
    "Data that the activity reads: it waits for these nodes, and expressions can use their fields.",
)
.multi();
const OUTPUT: FieldSpec = to_group(
    "output",
    Group::DataNode,
    "Data that the activity writes: activities that read it wait, and expressions can use its fields.",
)
.multi();
const SCRIPT_URI: FieldSpec = text("scriptUri", "S3 object that contains the script, s3://bucket/key.");
const BEFORE: FieldSpec =
    to("preActivityTaskConfig", &[Kind::ShellScriptConfig], "Shell script that runs before the activity.");
const AFTER: FieldSpec =
    to("postActivityTaskConfig", &[Kind::ShellScriptConfig], "Shell script that runs after the activity.");
const RESIZE: FieldSpec = boolean(
    "resizeClusterBeforeRunning",
    "Whether the cluster is first enlarged to what its DynamoDB nodes need.",
);
const RESIZE_MOST: FieldSpec =
    count("resizeClusterMaxInstances", "Maximum number of machines when the cluster is enlarged.");
const GENERATED: FieldSpec =
    text("generatedScriptsPath", "S3 prefix under which the executed script is stored, s3://bucket/prefix.");
const HADOOP_QUEUE: FieldSpec = text("hadoopQueue", "Queue of the Hadoop scheduler for the job.");
const QUEUE: FieldSpec = text("queue", "Redshift query group of the statements.");

pub(super) static COPY_ACTIVITY: KindSpec = KindSpec {
    name: "CopyActivity",
    group: Group::Activity,
    doc: "Copies records between S3 objects and tables of a SQL database, in either direction.",
    fields: &[
        to("input", COPIED, "Data node from which records are read."),
        to("output", COPIED, "Data node to which records are written."),
    ],
    includes: WORK,
    one_of: &[RUNNER],
    my_fields: &[
        MY_LOAD_MODE.spec(),
        MY_CASCADE.spec(),
        MY_ON_COLUMNS.spec(),
        MY_MAX_REJECTS.spec(),
        MY_PUBLISH.spec(),
        spec(
            "myRejectsPath",
            ValueShape::S3Prefix,
            "S3 prefix for rejected rows, besides the table <table>_rejects. Without it: the log prefix.",
        ),
        MY_NULL_VALUES,
        MY_QUOTED_NULLS.spec(),
        MY_DATE_FORMAT,
        MY_COLUMN,
        MY_DECIMAL,
        MY_GROUPING,
        MY_CURRENCY,
        MY_PERCENT.spec(),
        MY_TRAILING_SIGN.spec(),
        MY_TRUE,
        MY_FALSE,
    ],
};

/// `myLoadMode`.
pub const MY_LOAD_MODE: Defaulted<LoadMode> = word(
    "myLoadMode",
    LoadMode::WORDS,
    "Whether to add the rows, replace all rows of the table, or replace rows with the same primary key.",
)
.typed()
.or("append");
/// `myCascade`.
pub const MY_CASCADE: Defaulted<bool> = boolean(
    "myCascade",
    "Whether myLoadMode replace may change rows of other tables, by foreign keys, triggers or rules.",
)
.typed()
.or("false");
/// `myOnColumns`.
pub const MY_ON_COLUMNS: Defaulted<OnColumns> = word(
    "myOnColumns",
    OnColumns::WORDS,
    "Whether to refuse, leave out or add to the table the columns of a file that the table lacks.",
)
.typed()
.or("strict");
/// `myPublish`.
pub const MY_PUBLISH: Defaulted<Publish> = word(
    "myPublish",
    Publish::WORDS,
    "Whether the tables of a CopyActivity or SqlActivity are changed at its end, or those of all activities together at the \
     end of the run; 'here' marks the SqlActivity that puts them in place.",
)
.typed()
.or("each");
/// `myMaxRejects`.
pub const MY_MAX_REJECTS: Defaulted<Limit> = spec(
    "myMaxRejects",
    ValueShape::CountOrPercentage,
    "How many rows can be rejected; with more, the attempt fails and leaves the table unchanged.",
)
.typed()
.or("0");

const COPIED: &[Kind] = &[Kind::S3DataNode, Kind::SqlDataNode, Kind::MySqlDataNode];

pub(super) static EMR_ACTIVITY: KindSpec = KindSpec {
    name: "EmrActivity",
    group: Group::Activity,
    doc: "Runs steps on an EMR cluster, one after another.",
    fields: &[
        text(
            "step",
            "A step: a JAR and its arguments, separated by commas; \\\\ before a comma keeps the comma.",
        )
        .multi(),
        text("preStepCommand", "Shell command that runs before the first step.").multi(),
        text("postStepCommand", "Shell command that runs after the last step.").multi(),
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
    doc: "Runs a Hadoop job from a JAR; several jobs can run on one cluster at the same time.",
    fields: &[
        text("jarUri", "The JAR, in S3 or on the cluster.").required(),
        text("mainClass", "Class in the JAR that is started."),
        text("argument", "Argument of the job; repeat the field for more arguments.").multi(),
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
        text("hiveScript", "The HiveQL text."),
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
    one_of: &[FieldChoice::at_least(&["hiveScript", "scriptUri"]), RUNNER],
    my_fields: &[],
};

pub(super) static HIVE_COPY_ACTIVITY: KindSpec = KindSpec {
    name: "HiveCopyActivity",
    group: Group::Activity,
    doc: "Copies between DynamoDB and S3 with Hive on an EMR cluster.",
    fields: &[
        to("input", HIVE_COPIED, "Data node from which records are read."),
        to("output", HIVE_COPIED, "Data node to which records are written; DynamoDB if the input is S3."),
        text("filterSql", "Condition for the records to copy, without the word WHERE."),
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
        text("script", "The text of the Pig script."),
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
    one_of: &[FieldChoice::at_least(&["script", "scriptUri"]), RUNNER],
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
            "What happens to existing rows: compare by primary key, empty the table first, or only append.",
        )
        .required(),
        to(
            "input",
            &[Kind::S3DataNode, Kind::DynamoDBDataNode, Kind::RedshiftDataNode],
            "Data node from which records are read.",
        ),
        to("output", &[Kind::RedshiftDataNode, Kind::S3DataNode], "Data node to which records are written."),
        text("transformSql", "SELECT statement over the table staging, which contains the input."),
        text("commandOptions", "Option of COPY or UNLOAD; ignored if a node has a data format.").multi(),
        QUEUE,
    ],
    includes: WORK,
    one_of: &[RUNNER],
    my_fields: &[],
};

pub(super) static SHELL_COMMAND_ACTIVITY: KindSpec = KindSpec {
    name: "ShellCommandActivity",
    group: Group::Activity,
    doc: "Runs a shell command or script; it succeeds if the exit code is 0.",
    fields: &[
        text("command", "The command."),
        SCRIPT_URI,
        text(
            "scriptArgument",
            "Argument of the command or script: $1, $2 and so on. With stage, ${INPUT1_STAGING_DIR} in it is the folder.",
        )
        .multi(),
        STAGE.spec(),
        text("stdout", "Path to which standard output is written: in S3, or local with workerGroup."),
        text("stderr", "Path to which standard error is written: in S3, or local with workerGroup."),
        INPUT,
        OUTPUT,
    ],
    includes: WORK,
    one_of: &[FieldChoice::at_least(&["command", "scriptUri"]), RUNNER],
    my_fields: &[],
};

/// `stage` of a `ShellCommandActivity`.
pub const STAGE: Defaulted<bool> = boolean(
    "stage",
    "Whether the command finds its S3 nodes in the folders ${INPUT1_STAGING_DIR}, ${OUTPUT1_STAGING_DIR}.",
)
.typed()
.or("false");

pub(super) static SQL_ACTIVITY: KindSpec = KindSpec {
    name: "SqlActivity",
    group: Group::Activity,
    doc: "Runs SQL in a database; the result of a query is not stored.",
    fields: &[
        to("database", ANY_DATABASE, "The database in which the statements run.").required(),
        text("script", "The SQL text; expressions in it are evaluated."),
        text(
            "scriptUri",
            "S3 object that contains the SQL, s3://bucket/key; expressions in it are not evaluated.",
        ),
        text("scriptArgument", "Value for a ? in the script, in order.").multi(),
        QUEUE,
        INPUT,
        OUTPUT,
    ],
    includes: WORK,
    one_of: &[FieldChoice::at_least(&["script", "scriptUri"]), RUNNER],
    my_fields: &[MY_PUBLISH.spec(), MY_CASCADE.spec()],
};
