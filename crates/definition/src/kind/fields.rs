//! The fields of every object type: what they hold, and which are required.
//!
//! The groups are those of AWS's guide: what every object has, what everything that is executed
//! has, what is scheduled, what depends on others.

use super::{
    Group, Kind,
    spec::{FieldSpec, OneOf, Slot, Target, boolean, count, integer, period, spec, text, to, to_group, word},
};

/// A table that lives for ever, made of calls that are known when compiling.
macro_rules! table {
    ($($spec:expr),* $(,)?) => {
        const { &[$($spec),*] as &'static [FieldSpec] }
    };
}

const SYSTEM: &[FieldSpec] = &[text("type"), spec("parent", Slot::Ref(Target::Any))];

const RUNNABLE: &[FieldSpec] = &[
    text("attemptStatus"),
    period("attemptTimeout"),
    word("failureAndRerunMode", &["none", "cascade"]),
    period("lateAfterTimeout"),
    // Five retries are AWS's limit.
    integer("maximumRetries", 0, 5),
    to_group("onFail", Group::Action).multi(),
    to_group("onSuccess", Group::Action).multi(),
    to_group("onLateAction", Group::Action).multi(),
    period("reportProgressTimeout"),
    period("retryDelay"),
];

const SCHEDULABLE: &[FieldSpec] = &[
    to_group("schedule", Group::Schedule),
    word("scheduleType", &["cron", "timeseries", "ondemand"]),
    integer("maxActiveInstances", 1, 5),
    text("pipelineLogUri"),
];

/// Where work is executed; not on resources.
const ROUTED: &[FieldSpec] = &[to_group("runsOn", Group::Resource), text("workerGroup")];
/// As [`ROUTED`], for what needs a cluster.
const ROUTED_TO_CLUSTER: &[FieldSpec] = &[to("runsOn", &[Kind::EmrCluster]), text("workerGroup")];

const DEPENDENT: &[FieldSpec] = &[
    spec("dependsOn", Slot::Ref(Target::Runnable)).multi(),
    to_group("precondition", Group::Precondition).multi(),
];

const ANY_NODES: &[FieldSpec] =
    &[to_group("input", Group::DataNode).multi(), to_group("output", Group::DataNode).multi()];
const SCRIPT_CONFIGS: &[FieldSpec] = &[
    to("preActivityTaskConfig", &[Kind::ShellScriptConfig]),
    to("postActivityTaskConfig", &[Kind::ShellScriptConfig]),
];
const RESIZE: &[FieldSpec] = &[boolean("resizeClusterBeforeRunning"), count("resizeClusterMaxInstances")];
const DATABASES: &[Kind] = &[Kind::JdbcDatabase, Kind::RdsDatabase, Kind::RedshiftDatabase];
const COPIED: &[Kind] = &[Kind::S3DataNode, Kind::SqlDataNode, Kind::MySqlDataNode];
const HIVE_COPIED: &[Kind] = &[Kind::S3DataNode, Kind::DynamoDBDataNode];

const SQL_NODE: &[FieldSpec] = &[
    text("table").required(),
    to("database", DATABASES),
    text("selectQuery"),
    text("insertQuery"),
    text("createTableSql"),
    text("schemaName"),
    text("connectionString"),
    text("username"),
    text("*password"),
];

const HIVE_COPY: &[FieldSpec] =
    &[to("input", HIVE_COPIED), to("output", HIVE_COPIED), text("filterSql"), text("generatedScriptsPath")];

const RESOURCE_ENDS: &[FieldSpec] = &[
    period("initTimeout"),
    word("actionOnResourceFailure", &["retryall", "retrynone"]),
    word("actionOnTaskFailure", &["continue", "terminate"]),
    to("httpProxy", &[Kind::HttpProxy]),
    boolean("useOnDemandOnLastAttempt"),
    text("keyPair"),
    text("availabilityZone"),
    text("subnetId"),
    text("region"),
];

const EC2: &[FieldSpec] = &[
    text("role").required(),
    text("resourceRole").required(),
    period("terminateAfter"),
    text("instanceType"),
    text("imageId"),
    text("securityGroups").multi(),
    text("securityGroupIds").multi(),
    boolean("associatePublicIpAddress"),
    text("runAsUser"),
    text("spotBidPrice"),
    count("instanceCount"),
    count("minInstanceCount"),
    text("logUri"),
];

const EMR: &[FieldSpec] = &[
    text("role"),
    text("resourceRole"),
    spec("terminateAfter", Slot::PeriodOrHours),
    text("amiVersion"),
    text("releaseLabel"),
    text("hadoopVersion"),
    text("applications").multi(),
    to("configuration", &[Kind::EmrConfiguration]).multi(),
    to("masterGroupConfiguration", &[Kind::EmrConfiguration]),
    to("coreGroupConfiguration", &[Kind::EmrConfiguration]),
    to("taskGroupConfiguration", &[Kind::EmrConfiguration]),
    to("masterEbsConfiguration", &[Kind::EbsConfiguration]),
    to("coreEbsConfiguration", &[Kind::EbsConfiguration]),
    to("taskEbsConfiguration", &[Kind::EbsConfiguration]),
    to("EbsBlockDeviceConfig", &[Kind::EbsBlockDeviceConfig]).multi(),
    to("VolumeSpecification", &[Kind::VolumeSpecification]),
    text("masterInstanceType"),
    text("coreInstanceType"),
    text("taskInstanceType"),
    count("coreInstanceCount"),
    count("taskInstanceCount"),
    text("masterInstanceBidPrice"),
    text("coreInstanceBidPrice"),
    text("taskInstanceBidPrice"),
    text("bootstrapAction").multi(),
    text("supportedProducts").multi(),
    text("enableDebugging"),
    text("emrLogUri"),
    word(
        "hadoopSchedulerType",
        &["PARALLEL_FAIR_SCHEDULING", "PARALLEL_CAPACITY_SCHEDULING", "DEFAULT_SCHEDULER"],
    ),
    text("emrManagedMasterSecurityGroupId"),
    text("emrManagedSlaveSecurityGroupId"),
    text("serviceAccessSecurityGroupId"),
    text("additionalMasterSecurityGroupIds").multi(),
    text("additionalSlaveSecurityGroupIds").multi(),
    boolean("visibleToAllUsers"),
    text("installHive"),
];

/// The fields of `kind`, group by group; an earlier one beats a later one of the same name.
pub(super) fn tables(kind: Kind) -> Vec<&'static [FieldSpec]> {
    let mut tables = own(kind);
    tables.push(SYSTEM);
    match kind.group() {
        Group::Activity if needs_cluster(kind) => {
            tables.extend([RUNNABLE, SCHEDULABLE, ROUTED_TO_CLUSTER, DEPENDENT]);
        }
        Group::Activity | Group::DataNode => tables.extend([RUNNABLE, SCHEDULABLE, ROUTED, DEPENDENT]),
        Group::Resource => tables.extend([RUNNABLE, SCHEDULABLE]),
        Group::Precondition => tables.extend([RUNNABLE, table![period("preconditionTimeout")]]),
        _ => {}
    }
    tables
}

fn needs_cluster(kind: Kind) -> bool {
    use Kind::{EmrActivity, HadoopActivity, HiveActivity, HiveCopyActivity, PigActivity};
    matches!(kind, EmrActivity | HadoopActivity | HiveActivity | HiveCopyActivity | PigActivity)
}

fn own(kind: Kind) -> Vec<&'static [FieldSpec]> {
    match kind.group() {
        Group::Activity => activity(kind),
        Group::DataNode => vec![data_node(kind)],
        Group::Resource if kind == Kind::Ec2Resource => vec![EC2, RESOURCE_ENDS],
        Group::Resource => vec![EMR, RESOURCE_ENDS],
        Group::Precondition => vec![precondition(kind)],
        Group::Database => vec![database(kind)],
        Group::DataFormat => vec![data_format(kind)],
        Group::Action | Group::Schedule | Group::Utility => vec![other(kind)],
    }
}

fn data_node(kind: Kind) -> &'static [FieldSpec] {
    match kind {
        Kind::DynamoDBDataNode => table![
            text("tableName").required(),
            to("dataFormat", &[Kind::DynamoDBDataFormat, Kind::DynamoDBExportDataFormat]),
            spec("readThroughputPercent", Slot::Double),
            spec("writeThroughputPercent", Slot::Double),
            text("region"),
        ],
        Kind::RedshiftDataNode => table![
            to("database", &[Kind::RedshiftDatabase]).required(),
            text("tableName").required(),
            text("schemaName"),
            text("createTableSql"),
            text("primaryKeys").multi(),
        ],
        Kind::S3DataNode => table![
            text("filePath"),
            text("directoryPath"),
            word("compression", &["none", "gzip"]),
            to_group("dataFormat", Group::DataFormat),
            text("manifestFilePath"),
            word("s3EncryptionType", &["SERVER_SIDE_ENCRYPTION", "NONE"]),
        ],
        _ => SQL_NODE,
    }
}

fn activity(kind: Kind) -> Vec<&'static [FieldSpec]> {
    match kind {
        Kind::CopyActivity => vec![table![to("input", COPIED), to("output", COPIED)]],
        Kind::EmrActivity => vec![
            table![text("step").multi(), text("preStepCommand").multi(), text("postStepCommand").multi()],
            ANY_NODES,
            RESIZE,
        ],
        Kind::HadoopActivity => vec![
            table![
                text("jarUri").required(),
                text("mainClass"),
                text("argument").multi(),
                text("hadoopQueue")
            ],
            ANY_NODES,
            SCRIPT_CONFIGS,
        ],
        Kind::HiveActivity => vec![
            table![
                text("hiveScript"),
                text("scriptUri"),
                text("scriptVariable").multi(),
                boolean("stage"),
                text("hadoopQueue"),
                text("generatedScriptsPath"),
            ],
            ANY_NODES,
            SCRIPT_CONFIGS,
            RESIZE,
        ],
        Kind::HiveCopyActivity => vec![HIVE_COPY, SCRIPT_CONFIGS, RESIZE],
        Kind::PigActivity => vec![
            table![
                text("script"),
                text("scriptUri"),
                text("scriptVariable").multi(),
                boolean("stage"),
                text("generatedScriptsPath"),
            ],
            ANY_NODES,
            SCRIPT_CONFIGS,
            RESIZE,
        ],
        Kind::RedshiftCopyActivity => vec![table![
            word("insertMode", &["KEEP_EXISTING", "OVERWRITE_EXISTING", "TRUNCATE", "APPEND"]).required(),
            to("input", &[Kind::S3DataNode, Kind::DynamoDBDataNode, Kind::RedshiftDataNode]),
            to("output", &[Kind::RedshiftDataNode, Kind::S3DataNode]),
            text("transformSql"),
            text("commandOptions").multi(),
            text("queue"),
        ]],
        Kind::SqlActivity => vec![
            table![
                to("database", DATABASES).required(),
                text("script"),
                text("scriptUri"),
                text("scriptArgument").multi(),
                text("queue"),
            ],
            ANY_NODES,
        ],
        _ => vec![
            table![
                text("command"),
                text("scriptUri"),
                text("scriptArgument").multi(),
                boolean("stage"),
                text("stdout"),
                text("stderr"),
            ],
            ANY_NODES,
        ],
    }
}

fn precondition(kind: Kind) -> &'static [FieldSpec] {
    match kind {
        Kind::DynamoDBDataExists | Kind::DynamoDBTableExists => {
            table![text("role").required(), text("tableName").required()]
        }
        Kind::S3KeyExists => table![text("role").required(), text("s3Key").required()],
        Kind::S3PrefixNotEmpty => table![text("role").required(), text("s3Prefix").required()],
        Kind::ShellCommandPrecondition => table![
            text("command"),
            text("scriptUri"),
            text("scriptArgument").multi(),
            text("stdout"),
            text("stderr"),
        ],
        _ => table![],
    }
}

fn database(kind: Kind) -> &'static [FieldSpec] {
    match kind {
        Kind::JdbcDatabase => table![
            text("connectionString").required(),
            text("jdbcDriverClass").required(),
            text("username").required(),
            text("*password").required(),
            text("databaseName"),
            text("jdbcDriverJarUri"),
            text("jdbcProperties").multi(),
        ],
        Kind::RdsDatabase => table![
            text("rdsInstanceId").required(),
            text("username").required(),
            text("*password").required(),
            text("databaseName"),
            text("region"),
            text("jdbcDriverJarUri"),
            text("jdbcProperties").multi(),
        ],
        _ => table![
            text("username").required(),
            text("*password").required(),
            text("clusterId"),
            text("connectionString"),
            text("databaseName"),
            text("region"),
            text("jdbcProperties").multi(),
        ],
    }
}

fn data_format(kind: Kind) -> &'static [FieldSpec] {
    match kind {
        Kind::Csv => table![text("column").multi(), text("escapeChar")],
        Kind::Tsv => {
            table![
                text("column").multi(),
                text("columnSeparator"),
                text("recordSeparator"),
                text("escapeChar")
            ]
        }
        Kind::Custom => {
            table![text("columnSeparator").required(), text("column").multi(), text("recordSeparator")]
        }
        Kind::RegEx => table![text("inputRegEx"), text("outputFormat"), text("column").multi()],
        _ => table![text("column").multi()],
    }
}

fn other(kind: Kind) -> &'static [FieldSpec] {
    match kind {
        Kind::SnsAlarm => table![
            text("topicArn").required(),
            text("subject").required(),
            text("message").required(),
            text("role").required(),
        ],
        Kind::Schedule => table![
            spec("period", Slot::SchedulePeriod).required(),
            spec("startDateTime", Slot::DateTime),
            word("startAt", &["FIRST_ACTIVATION_DATE_TIME", "ONDEMAND_ACTIVATION_TIME"]),
            spec("endDateTime", Slot::DateTime),
            integer("occurrences", 1, i64::MAX),
        ],
        Kind::ShellScriptConfig => table![text("scriptUri"), text("scriptArgument").multi()],
        Kind::EmrConfiguration => table![
            text("classification").required(),
            to("property", &[Kind::Property]).multi(),
            to("configuration", &[Kind::EmrConfiguration]).multi(),
        ],
        Kind::Property => table![text("key").required(), text("value").required()],
        Kind::EbsConfiguration => table![
            boolean("ebsOptimized"),
            to("ebsBlockDeviceConfig", &[Kind::EbsBlockDeviceConfig]).multi(),
            to("EbsBlockDeviceConfig", &[Kind::EbsBlockDeviceConfig]).multi(),
        ],
        Kind::EbsBlockDeviceConfig => table![
            count("volumesPerInstance"),
            to("volumeSpecification", &[Kind::VolumeSpecification]),
            to("VolumeSpecification", &[Kind::VolumeSpecification]),
        ],
        Kind::VolumeSpecification => table![count("sizeInGB"), text("volumeType"), count("iops")],
        Kind::HttpProxy => table![
            text("hostname").required(),
            text("port").required(),
            text("username"),
            text("*password"),
            text("windowsDomain"),
            text("windowsWorkgroup"),
            boolean("s3NoProxy"),
        ],
        _ => table![],
    }
}

/// The groups of fields of which one must be there.
pub(super) fn one_of(kind: Kind) -> Vec<OneOf> {
    let any = |keys| OneOf { keys, is_exclusive: false };
    let exactly = |keys| OneOf { keys, is_exclusive: true };
    let own = match kind {
        Kind::S3DataNode => Some(any(&["filePath", "directoryPath", "manifestFilePath"])),
        Kind::HiveActivity => Some(any(&["hiveScript", "scriptUri"])),
        Kind::PigActivity | Kind::SqlActivity => Some(any(&["script", "scriptUri"])),
        Kind::ShellCommandActivity | Kind::ShellCommandPrecondition => Some(any(&["command", "scriptUri"])),
        Kind::RedshiftDatabase => Some(exactly(&["clusterId", "connectionString"])),
        Kind::Schedule => Some(exactly(&["startDateTime", "startAt"])),
        _ => None,
    };
    // With both, workerGroup is ignored; with neither, a task would wait for a runner for ever.
    let routed = kind.is_activity().then(|| any(&["runsOn", "workerGroup"]));
    own.into_iter().chain(routed).collect()
}
