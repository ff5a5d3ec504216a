//! Utilities: settings of other objects.

use super::{
    Group, Kind,
    shared_fields::PLAIN,
    spec::{KindSpec, boolean, count, text, to},
};

pub(super) static SHELL_SCRIPT_CONFIG: KindSpec = KindSpec {
    name: "ShellScriptConfig",
    group: Group::Utility,
    doc: "A shell script that runs before or after an activity on a cluster.",
    fields: &[
        text("scriptUri", "S3 object that contains the script, s3://bucket/key."),
        text("scriptArgument", "Argument of the script: $1, $2 and so on.").multi(),
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
        text("classification", "Name of the group of settings, such as core-site or hadoop-env.").required(),
        to("property", &[Kind::Property], "The settings.").multi(),
        to("configuration", &[Kind::EmrConfiguration], "Nested settings.").multi(),
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
        boolean("ebsOptimized", "Whether the machines have dedicated bandwidth to their disks."),
        to("ebsBlockDeviceConfig", &[Kind::EbsBlockDeviceConfig], "Disks of one type.").multi(),
        to("EbsBlockDeviceConfig", &[Kind::EbsBlockDeviceConfig], "Another spelling of the same field.")
            .multi(),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static EBS_BLOCK_DEVICE_CONFIG: KindSpec = KindSpec {
    name: "EbsBlockDeviceConfig",
    group: Group::Utility,
    doc: "Disks of one type for each machine of a cluster.",
    fields: &[
        count("volumesPerInstance", "Number of these disks on each machine."),
        to("volumeSpecification", &[Kind::VolumeSpecification], "Size and type of the disks."),
        to("VolumeSpecification", &[Kind::VolumeSpecification], "Another spelling of the same field."),
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
        text("volumeType", "EBS type of the disk, such as gp2 or io1."),
        count("iops", "Guaranteed operations per second of the disk."),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static HTTP_PROXY: KindSpec = KindSpec {
    name: "HttpProxy",
    group: Group::Utility,
    doc: "A proxy through which task runners on the service's machines reach AWS.",
    fields: &[
        text("hostname", "Name or address of the proxy.").required(),
        text("port", "Port of the proxy.").required(),
        text("username", "User of the proxy."),
        text("*password", "Password of the proxy user; the asterisk keeps it out of every output."),
        text("windowsDomain", "Windows domain, for a proxy with NTLM authentication."),
        text("windowsWorkgroup", "Windows workgroup, for a proxy with NTLM authentication."),
        boolean("s3NoProxy", "Whether S3 is reached without the proxy."),
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};
