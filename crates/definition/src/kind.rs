//! The object types. One table describes each type: its purpose, its fields, and the values that they hold.
//!
//! Validation, help, the JSON Schema and the typed fields of [`field`] all read these tables. To add a type,
//! write a table in the file of its group and add a line to the list below.

mod actions;
mod activities;
mod data_formats;
mod data_nodes;
mod databases;
pub mod date_patterns;
mod default_object;
pub mod dialect_fields;
pub mod field;
mod field_type;
mod group;
pub mod help;
pub mod own_fields;
mod preconditions;
mod resources;
mod schedule;
pub mod secret_reference;
mod shared_fields;
mod spec;
mod typed_field;
mod utilities;
pub(crate) mod value_check;
mod value_fields;
mod value_shape;

pub use group::Group;
pub use spec::{DefaultSpec, FieldChoice, FieldSpec, KindSpec, SharedFields};
pub use value_shape::{BID_PRICE_LIMIT, ON_DEMAND_PERIOD, ON_DEMAND_PRICE, RefTarget, ValueShape};

pub(crate) use field_type::FieldType;
pub(crate) use shared_fields::UNTYPED;

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use crate::PipelineObject;

/// The usual fields of the Default object.
pub static DEFAULT_OBJECT: &DefaultSpec = &default_object::DEFAULT;

macro_rules! kinds {
    ($($kind:ident = $file:ident::$table:ident,)*) => {
        /// The type of an object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(
                #[doc = concat!("The type `", stringify!($kind), "`; [`Kind::name`] is its word in definitions.")]
                $kind,
            )*
        }

        impl Kind {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Returns the table of the type.
            #[must_use]
            pub fn spec(self) -> &'static KindSpec {
                match self {
                    $(Self::$kind => &$file::$table,)*
                }
            }
        }
    };
}

kinds! {
    DynamoDBDataNode = data_nodes::DYNAMO_DB_DATA_NODE,
    MySqlDataNode = data_nodes::MY_SQL_DATA_NODE,
    SqlDataNode = data_nodes::SQL_DATA_NODE,
    RedshiftDataNode = data_nodes::REDSHIFT_DATA_NODE,
    S3DataNode = data_nodes::S3_DATA_NODE,
    CopyActivity = activities::COPY_ACTIVITY,
    EmrActivity = activities::EMR_ACTIVITY,
    HadoopActivity = activities::HADOOP_ACTIVITY,
    HiveActivity = activities::HIVE_ACTIVITY,
    HiveCopyActivity = activities::HIVE_COPY_ACTIVITY,
    PigActivity = activities::PIG_ACTIVITY,
    RedshiftCopyActivity = activities::REDSHIFT_COPY_ACTIVITY,
    ShellCommandActivity = activities::SHELL_COMMAND_ACTIVITY,
    SqlActivity = activities::SQL_ACTIVITY,
    Ec2Resource = resources::EC2_RESOURCE,
    EmrCluster = resources::EMR_CLUSTER,
    DynamoDBDataExists = preconditions::DYNAMO_DB_DATA_EXISTS,
    DynamoDBTableExists = preconditions::DYNAMO_DB_TABLE_EXISTS,
    S3KeyExists = preconditions::S3_KEY_EXISTS,
    S3PrefixNotEmpty = preconditions::S3_PREFIX_NOT_EMPTY,
    Exists = preconditions::EXISTS,
    ShellCommandPrecondition = preconditions::SHELL_COMMAND_PRECONDITION,
    JdbcDatabase = databases::JDBC_DATABASE,
    RdsDatabase = databases::RDS_DATABASE,
    RedshiftDatabase = databases::REDSHIFT_DATABASE,
    Csv = data_formats::CSV,
    Tsv = data_formats::TSV,
    Custom = data_formats::CUSTOM,
    RegEx = data_formats::REG_EX,
    DynamoDBDataFormat = data_formats::DYNAMO_DB_DATA_FORMAT,
    DynamoDBExportDataFormat = data_formats::DYNAMO_DB_EXPORT_DATA_FORMAT,
    SnsAlarm = actions::SNS_ALARM,
    Terminate = actions::TERMINATE,
    Schedule = schedule::SCHEDULE,
    ShellScriptConfig = utilities::SHELL_SCRIPT_CONFIG,
    EmrConfiguration = utilities::EMR_CONFIGURATION,
    Property = utilities::PROPERTY,
    EbsConfiguration = utilities::EBS_CONFIGURATION,
    EbsBlockDeviceConfig = utilities::EBS_BLOCK_DEVICE_CONFIG,
    VolumeSpecification = utilities::VOLUME_SPECIFICATION,
    HttpProxy = utilities::HTTP_PROXY,
}

impl Kind {
    /// Returns the word of the type in the `type` field.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Returns the group that the type belongs to.
    #[must_use]
    pub fn group(self) -> Group {
        self.spec().group
    }

    /// Returns the type of `object`, or `None` if the object has no type or an unknown one.
    #[must_use]
    pub fn of(object: &PipelineObject) -> Option<Self> {
        object.type_name().and_then(Self::named)
    }

    /// Returns the type named `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        static NAMED: LazyLock<FxHashMap<&str, Kind>> =
            LazyLock::new(|| Kind::ALL.iter().map(|kind| (kind.name(), *kind)).collect());
        NAMED.get(name).copied()
    }

    /// Returns whether the type is an activity.
    #[must_use]
    pub fn is_activity(self) -> bool {
        self.group() == Group::Activity
    }

    /// Returns whether the type is a system-managed precondition, which the service checks itself.
    ///
    /// A task runner checks every other precondition.
    #[must_use]
    pub fn is_system_managed(self) -> bool {
        matches!(
            self,
            Self::DynamoDBDataExists | Self::DynamoDBTableExists | Self::S3KeyExists | Self::S3PrefixNotEmpty
        )
    }

    /// Returns whether the type is a data node.
    #[must_use]
    pub fn is_data_node(self) -> bool {
        self.group() == Group::DataNode
    }

    /// Returns whether the type is a resource: a machine or a cluster.
    #[must_use]
    pub fn is_resource(self) -> bool {
        self.group() == Group::Resource
    }

    /// Returns whether the type is a precondition.
    #[must_use]
    pub fn is_precondition(self) -> bool {
        self.group() == Group::Precondition
    }

    /// Returns whether the type is an action, which reacts to the outcome of an object.
    #[must_use]
    pub fn is_action(self) -> bool {
        self.group() == Group::Action
    }

    /// Returns whether the type is a database.
    #[must_use]
    pub fn is_database(self) -> bool {
        self.group() == Group::Database
    }

    /// Returns whether the type is a data format.
    #[must_use]
    pub fn is_data_format(self) -> bool {
        self.group() == Group::DataFormat
    }

    /// Returns whether the type is a schedule.
    #[must_use]
    pub fn is_schedule(self) -> bool {
        self.group() == Group::Schedule
    }

    /// Returns whether the type can have a schedule (activities, data nodes, resources).
    #[must_use]
    pub fn is_schedulable(self) -> bool {
        matches!(self.group(), Group::Activity | Group::DataNode | Group::Resource)
    }

    /// Returns whether objects of the type are executed and have a status (schedulable types and
    /// preconditions).
    #[must_use]
    pub fn is_runnable(self) -> bool {
        self.is_schedulable() || self.is_precondition()
    }

    /// Returns the fields of AWS that a definition can set on the type, its particular fields first. Its own fields are in
    /// [`Kind::my_fields`].
    pub fn fields(self) -> impl Iterator<Item = &'static FieldSpec> {
        self.described().filter(|spec| !spec.is_runtime)
    }

    /// Returns every field that the service sets on objects of the type and on their instances and attempts.
    pub fn runtime_fields(self) -> impl Iterator<Item = &'static FieldSpec> {
        self.described().filter(|spec| spec.is_runtime)
    }

    /// Returns the own fields of the type: the `my…` fields that Downspout reads.
    #[must_use]
    pub fn my_fields(self) -> &'static [FieldSpec] {
        self.spec().my_fields
    }

    fn described(self) -> impl Iterator<Item = &'static FieldSpec> {
        let spec = self.spec();
        spec.fields.iter().chain(spec.includes.iter().flat_map(|group| group.fields))
    }

    /// Returns the description of the AWS field `key`, if a definition can set it on this type. Own fields are not found here.
    #[must_use]
    pub fn field(self, key: &str) -> Option<&'static FieldSpec> {
        lookup(self).fields.get(key).copied()
    }

    /// Returns the fields that every object of the type needs.
    pub fn required_fields(self) -> impl Iterator<Item = &'static FieldSpec> {
        lookup(self).required.iter().copied()
    }

    /// Returns the description of the field `key`, if the service sets it on this type.
    #[must_use]
    pub fn runtime_field(self, key: &str) -> Option<&'static FieldSpec> {
        lookup(self).runtime.get(key).copied()
    }

    /// Returns the choices of the type. A choice is a list of fields. An object needs at least one of them, or exactly one if
    /// the choice is exclusive.
    #[must_use]
    pub fn one_of(self) -> &'static [FieldChoice] {
        self.spec().one_of
    }
}

/// The fields of a type by name. No name appears twice.
struct Lookup {
    fields: FxHashMap<&'static str, &'static FieldSpec>,
    /// The fields that the service sets.
    runtime: FxHashMap<&'static str, &'static FieldSpec>,
    required: Vec<&'static FieldSpec>,
}

fn lookup(kind: Kind) -> &'static Lookup {
    static LOOKUPS: LazyLock<Vec<Lookup>> =
        LazyLock::new(|| Kind::ALL.iter().map(|kind| of(*kind)).collect());
    fn of(kind: Kind) -> Lookup {
        Lookup {
            fields: kind.fields().map(|spec| (spec.key, spec)).collect(),
            runtime: kind.runtime_fields().map(|spec| (spec.key, spec)).collect(),
            required: kind.fields().filter(|spec| spec.is_required).collect(),
        }
    }
    // `ALL` lists the types in the order of their declaration.
    &LOOKUPS[kind as usize]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_type_is_found_by_its_word() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(*kind));
        }
        assert_eq!(Kind::named("CSV"), Some(Kind::Csv));
        assert_eq!(Kind::named("csv"), None);
    }

    #[test]
    fn every_field_of_a_choice_is_a_field_of_its_type() {
        for kind in Kind::ALL {
            for key in kind.one_of().iter().flat_map(|choice| choice.keys) {
                assert!(kind.field(key).is_some(), "{kind:?} {key}");
            }
        }
    }

    #[test]
    fn a_resource_has_neither_runs_on_nor_worker_group() {
        assert!(Kind::Ec2Resource.field("runsOn").is_none());
        assert!(Kind::Ec2Resource.field("workerGroup").is_none());
        assert!(Kind::S3DataNode.field("workerGroup").is_some());
    }

    #[test]
    fn no_type_has_a_field_twice() {
        for kind in Kind::ALL {
            let mut seen = HashSet::new();
            for spec in kind.described().chain(kind.my_fields()) {
                assert!(seen.insert(spec.key), "{kind:?} {}", spec.key);
            }
        }
    }

    #[test]
    fn every_description_is_a_short_sentence() {
        let fields = Kind::ALL.iter().flat_map(|kind| kind.described()).chain(own_fields::all());
        let docs = fields.map(|spec| (spec.key, spec.doc));
        for (name, doc) in docs.chain(Kind::ALL.iter().map(|kind| (kind.name(), kind.spec().doc))) {
            let is_sentence = doc.ends_with('.') && doc.starts_with(|first: char| first.is_uppercase());
            assert!(is_sentence && doc.len() < 200, "{name}: {doc}");
        }
    }

    #[test]
    fn a_definition_never_sets_a_field_with_an_at_sign() {
        for kind in Kind::ALL {
            assert!(kind.fields().all(|spec| !spec.key.starts_with('@')), "{kind:?}");
            assert!(
                kind.runtime_fields().all(|spec| !spec.is_required && spec.default.is_none()),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn every_group_is_listed_once() {
        for kind in Kind::ALL {
            assert_eq!(Group::ALL.iter().filter(|group| **group == kind.group()).count(), 1, "{kind:?}");
        }
    }

    #[test]
    fn own_fields_know_the_objects_in_which_they_are_read() {
        let (header, read_in) = own_fields::named("myHeader").expect("one of ours");
        assert_eq!(header.default, Some("false"));
        assert_eq!(read_in, own_fields::ReadIn::Kinds(vec![Kind::Csv, Kind::Tsv, Kind::Custom]));
        assert_eq!(
            own_fields::named("myDropFile").map(|(_, read_in)| read_in),
            Some(own_fields::ReadIn::Default)
        );
        assert_eq!(own_fields::named("myComment"), None);
    }
}
