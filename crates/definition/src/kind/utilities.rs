//! Utilities: settings of other objects.

use super::{
    Group, Kind,
    shared_fields::PLAIN,
    spec::{KindSpec, boolean, count, text, to},
};

pub(super) static SHELL_SCRIPT_CONFIG: KindSpec = KindSpec {
    name: "ShellScriptConfig",
    group: Group::Utility,
    doc: "A shell script that is run before or after an activity on a cluster.",
    fields: &[
        text("scriptUri", "The script as an object in S3, s3://bucket/key."),
        text("scriptArgument", "Argument of the script, $1 and so on.").multi(),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static EMR_CONFIGURATION: KindSpec = KindSpec {
    name: "EmrConfiguration",
    group: Group::Utility,
    doc: "Settings of one application of an EMR cluster.",
    fields: &[
        text("classification", "What is set, such as core-site or hadoop-env.").required(),
        to("property", &[Kind::Property], "The settings.").multi(),
        to("configuration", &[Kind::EmrConfiguration], "Settings nested in these.").multi(),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static PROPERTY: KindSpec = KindSpec {
    name: "Property",
    group: Group::Utility,
    doc: "One setting of an EmrConfiguration.",
    fields: &[
        text("key", "Name of the setting.").required(),
        text("value", "Value of the setting.").required(),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static EBS_CONFIGURATION: KindSpec = KindSpec {
    name: "EbsConfiguration",
    group: Group::Utility,
    doc: "The disks of a cluster's machines.",
    fields: &[
        boolean("ebsOptimized", "Whether the machines have a line of their own to their disks."),
        to("ebsBlockDeviceConfig", &[Kind::EbsBlockDeviceConfig], "Disks of one kind.").multi(),
        to("EbsBlockDeviceConfig", &[Kind::EbsBlockDeviceConfig], "The same, as some definitions write it.")
            .multi(),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static EBS_BLOCK_DEVICE_CONFIG: KindSpec = KindSpec {
    name: "EbsBlockDeviceConfig",
    group: Group::Utility,
    doc: "Disks of one kind for each machine of a cluster.",
    fields: &[
        count("volumesPerInstance", "How many such disks each machine has."),
        to("volumeSpecification", &[Kind::VolumeSpecification], "Size and type of the disks."),
        to("VolumeSpecification", &[Kind::VolumeSpecification], "The same, as some definitions write it."),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static VOLUME_SPECIFICATION: KindSpec = KindSpec {
    name: "VolumeSpecification",
    group: Group::Utility,
    doc: "Size and type of a disk.",
    fields: &[
        count("sizeInGB", "Size in gigabytes."),
        text("volumeType", "Type of the disk at EBS, such as gp2 or io1."),
        count("iops", "Operations a second that the disk is promised."),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static HTTP_PROXY: KindSpec = KindSpec {
    name: "HttpProxy",
    group: Group::Utility,
    doc: "A proxy through which task runners on machines of the service reach AWS.",
    fields: &[
        text("hostname", "Name or address of the proxy.").required(),
        text("port", "Port of the proxy.").required(),
        text("username", "User at the proxy."),
        text("*password", "Password at the proxy; the asterisk keeps it out of every output."),
        text("windowsDomain", "Windows domain, for a proxy that asks for NTLM."),
        text("windowsWorkgroup", "Windows workgroup, for a proxy that asks for NTLM."),
        boolean("s3NoProxy", "Whether S3 is reached without the proxy."),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};
