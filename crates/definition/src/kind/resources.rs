//! Resources: machines and clusters that the service starts for the work and terminates afterwards.

use super::{
    Group, Kind, ValueShape,
    field_type::{OnResourceFailure, OnTaskFailure, PeriodOrHours},
    shared_fields::RESOURCE,
    spec::{FieldSpec, KindSpec, boolean, count, period, spec, text, to, word},
    typed_field::{Defaulted, Optional},
};
use crate::period::Period;

const KEY_PAIR: FieldSpec = text("keyPair", "EC2 key pair for logging in.");
const ZONE: FieldSpec = text("availabilityZone", "Availability zone in which to start, such as us-east-1a.");
const SUBNET: FieldSpec = text("subnetId", "Subnet of a VPC in which to start, subnet-...");
const REGION: FieldSpec =
    text("region", "Region in which to start, such as us-east-1. Without it: the region of the pipeline.");
/// `initTimeout`.
pub const INIT_TIMEOUT: Optional<Period> = period(
    "initTimeout",
    "Maximum duration of the start, after which the resource fails. Without it, there is no limit.",
)
.typed();
/// `terminateAfter`, as programs read it for clusters and machines. Validation accepts a bare number of hours only
/// for a cluster.
pub const TERMINATE_AFTER: Optional<PeriodOrHours> = spec(
    "terminateAfter",
    ValueShape::PeriodOrHours,
    "How long after its start the cluster is terminated, even if work still runs on it.",
)
.typed();
/// `actionOnResourceFailure`.
pub const ACTION_ON_RESOURCE_FAILURE: Defaulted<OnResourceFailure> = word(
    "actionOnResourceFailure",
    OnResourceFailure::WORDS,
    "Whether the work is retried after its machine or cluster failed.",
)
.typed()
.or("retryall");
/// `actionOnTaskFailure`.
pub const ACTION_ON_TASK_FAILURE: Defaulted<OnTaskFailure> = word(
    "actionOnTaskFailure",
    OnTaskFailure::WORDS,
    "Whether the machine or cluster continues or is terminated after work on it failed.",
)
.typed()
.or("continue");
const HTTP_PROXY: FieldSpec =
    to("httpProxy", &[Kind::HttpProxy], "Proxy through which the task runner reaches AWS.");
/// `useOnDemandOnLastAttempt`.
pub const ON_DEMAND_AT_LAST: Optional<bool> = boolean(
    "useOnDemandOnLastAttempt",
    "Whether the last attempt uses an on-demand machine instead of a spot machine.",
)
.typed();
/// `associatePublicIpAddress`.
pub const ASSOCIATE_PUBLIC_IP_ADDRESS: Optional<bool> = boolean(
    "associatePublicIpAddress",
    "Whether the machine has a public address. Without it: only in a default VPC.",
)
.typed();
const FAILURE_REASON: FieldSpec =
    text("@failureReason", "Why the machine or cluster failed, in the words of EC2 or EMR.").runtime();
// AWS's documentation lacks these three fields, but the objects that AWS returns have them.
const RESOURCE_ID: FieldSpec =
    text("@resourceId", "Id of the machine in EC2 (i-...) or of the cluster in EMR (j-...).").runtime();
const RESOURCE_REGION: FieldSpec =
    text("@resourceRegion", "Region in which the machine or cluster was started.").runtime();
const RESOURCE_STATUS: FieldSpec =
    text("@resourceStatus", "Status of the machine or cluster, in the words of EC2 or EMR.").runtime();

const PRICE: ValueShape = ValueShape::BidPrice { or_on_demand: false };
const PRICE_OR_ON_DEMAND: ValueShape = ValueShape::BidPrice { or_on_demand: true };

pub(super) static EC2_RESOURCE: KindSpec = KindSpec {
    name: "Ec2Resource",
    group: Group::Resource,
    doc: "One EC2 machine, started for the work and terminated after it.",
    fields: &[
        text("role", "IAM role that the service uses to start the machine; usually on the Default object.")
            .required(),
        text("resourceRole", "IAM role of the machine; usually on the Default object.").required(),
        period(
            "terminateAfter",
            "How long after its start the machine is terminated, even if work still runs on it.",
        ),
        text("instanceType", "Size of the machine.").default("m1.small"),
        text("imageId", "Machine image, ami-...; a Linux with bash, wget, unzip, Java and cloud-init."),
        text("securityGroups", "Security group by name, outside a VPC.").multi(),
        text("securityGroupIds", "Security group by id, sg-..., in a VPC.").multi(),
        ASSOCIATE_PUBLIC_IP_ADDRESS.spec(),
        text("runAsUser", "User of the machine that runs the task runner."),
        spec("spotBidPrice", PRICE, "Maximum price of a spot machine. Without it: an on-demand machine."),
        count("instanceCount", "Deprecated: there is always one machine."),
        count("minInstanceCount", "Deprecated: there is always one machine."),
        text("logUri", "S3 prefix for logs, s3://bucket/prefix; older form, use pipelineLogUri instead."),
        INIT_TIMEOUT.spec(),
        ACTION_ON_RESOURCE_FAILURE.spec(),
        ACTION_ON_TASK_FAILURE.spec(),
        HTTP_PROXY,
        ON_DEMAND_AT_LAST.spec(),
        KEY_PAIR,
        ZONE,
        SUBNET,
        REGION,
        FAILURE_REASON,
        RESOURCE_ID,
        RESOURCE_REGION,
        RESOURCE_STATUS,
    ],
    includes: RESOURCE,
    one_of: &[],
    my_fields: &[],
};

const CLUSTER_CONFIGURATION: &[Kind] = &[Kind::EmrConfiguration];
const DISKS: &[Kind] = &[Kind::EbsConfiguration];

pub(super) static EMR_CLUSTER: KindSpec = KindSpec {
    name: "EmrCluster",
    group: Group::Resource,
    doc: "An EMR cluster, started for the work and terminated after it.",
    fields: &[
        text("role", "IAM role that EMR uses to start the machines.").default("DataPipelineDefaultRole"),
        text("resourceRole", "IAM role of the machines.").default("DataPipelineDefaultResourceRole"),
        TERMINATE_AFTER.spec(),
        text("amiVersion", "Version of EMR before 4.0, such as 3.11.0."),
        text("releaseLabel", "Version of EMR from 4.0 on, such as emr-5.36.0."),
        text("hadoopVersion", "Version of Hadoop, such as 2.4.0; older form."),
        text("applications", "Application to install, from EMR 4.0 on. Without it: Hive and Pig.").multi(),
        to("configuration", CLUSTER_CONFIGURATION, "Settings of the whole cluster, from EMR 4.0 on.").multi(),
        to("masterGroupConfiguration", CLUSTER_CONFIGURATION, "Settings of the master machine."),
        to("coreGroupConfiguration", CLUSTER_CONFIGURATION, "Settings of the core machines."),
        to("taskGroupConfiguration", CLUSTER_CONFIGURATION, "Settings of the task machines."),
        to("masterEbsConfiguration", DISKS, "Disks of the master machine."),
        to("coreEbsConfiguration", DISKS, "Disks of each core machine."),
        to("taskEbsConfiguration", DISKS, "Disks of each task machine."),
        to(
            "EbsBlockDeviceConfig",
            &[Kind::EbsBlockDeviceConfig],
            "Disks of a machine; usually on EbsConfiguration.",
        )
        .multi(),
        to(
            "VolumeSpecification",
            &[Kind::VolumeSpecification],
            "Size and type of a disk; usually on EbsBlockDeviceConfig.",
        ),
        text("masterInstanceType", "Size of the master machine.").default("m1.small"),
        text("coreInstanceType", "Size of the core machines.").default("m1.small"),
        text("taskInstanceType", "Size of the task machines.").default("m1.small"),
        count("coreInstanceCount", "Number of core machines.").default("1"),
        count("taskInstanceCount", "Number of task machines.").default("1"),
        spec(
            "masterInstanceBidPrice",
            PRICE_OR_ON_DEMAND,
            "Maximum price of the master machine as a spot machine.",
        ),
        spec(
            "coreInstanceBidPrice",
            PRICE_OR_ON_DEMAND,
            "Maximum price of each core machine as a spot machine; needs coreInstanceCount.",
        ),
        spec(
            "taskInstanceBidPrice",
            PRICE_OR_ON_DEMAND,
            "Maximum price of each task machine as a spot machine.",
        ),
        text(
            "bootstrapAction",
            "Script that runs on every machine before the work: S3 path and arguments, separated by commas.",
        )
        .multi(),
        text("supportedProducts", "Third-party product to install.").multi(),
        text("enableDebugging", "Whether EMR indexes the cluster's logs for its console."),
        text("emrLogUri", "S3 prefix for the cluster's logs, instead of pipelineLogUri."),
        word(
            "hadoopSchedulerType",
            &["PARALLEL_FAIR_SCHEDULING", "PARALLEL_CAPACITY_SCHEDULING", "DEFAULT_SCHEDULER"],
            "Scheduler with which Hadoop shares the cluster among jobs.",
        ),
        text(
            "emrManagedMasterSecurityGroupId",
            "Security group of the master machine in a private subnet, sg-...",
        ),
        text(
            "emrManagedSlaveSecurityGroupId",
            "Security group of the other machines in a private subnet, sg-...",
        ),
        text(
            "serviceAccessSecurityGroupId",
            "Security group through which EMR reaches a private subnet, sg-...",
        ),
        text("additionalMasterSecurityGroupIds", "Additional security group of the master machine, sg-...")
            .multi(),
        text("additionalSlaveSecurityGroupIds", "Additional security group of the other machines, sg-...")
            .multi(),
        boolean("visibleToAllUsers", "Whether every user of the account sees the cluster; older form."),
        text("installHive", "Version of Hive to install; older form."),
        INIT_TIMEOUT.spec(),
        ACTION_ON_RESOURCE_FAILURE.spec(),
        ACTION_ON_TASK_FAILURE.spec(),
        HTTP_PROXY,
        ON_DEMAND_AT_LAST.spec(),
        KEY_PAIR,
        ZONE,
        SUBNET,
        REGION,
        FAILURE_REASON,
        RESOURCE_ID,
        RESOURCE_REGION,
        RESOURCE_STATUS,
    ],
    includes: RESOURCE,
    one_of: &[],
    my_fields: &[],
};
