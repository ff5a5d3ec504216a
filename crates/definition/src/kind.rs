//! The object types, and what belongs to each.

mod fields;
mod spec;

pub use spec::{FieldSpec, OneOf, Slot, Target};

use crate::PipelineObject;

/// What an object type is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Work.
    Activity,
    /// Where data is.
    DataNode,
    /// A machine or cluster.
    Resource,
    /// What must hold before an object becomes ready.
    Precondition,
    /// A connection.
    Database,
    /// How records are written.
    DataFormat,
    /// What happens on an outcome.
    Action,
    /// When.
    Schedule,
    /// Settings of the others.
    Utility,
}

macro_rules! kinds {
    ($($kind:ident $group:ident $doc:literal,)*) => {
        /// The type of an object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $doc] $kind,)*
        }

        impl Kind {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Returns the word in the `type` field.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    // Types are written as we name them, but for the two abbreviations.
                    Self::Csv => "CSV",
                    Self::Tsv => "TSV",
                    $(#[allow(unreachable_patterns, reason = "the two above")] Self::$kind => stringify!($kind),)*
                }
            }

            /// Returns what the type is for.
            #[must_use]
            pub fn group(self) -> Group {
                match self {
                    $(Self::$kind => Group::$group,)*
                }
            }
        }
    };
}

kinds! {
    DynamoDBDataNode DataNode "A DynamoDB table.",
    MySqlDataNode DataNode "A table of MySQL; the old name of `SqlDataNode`.",
    SqlDataNode DataNode "A table or query of a SQL database.",
    RedshiftDataNode DataNode "A table of Redshift.",
    S3DataNode DataNode "An S3 object or a prefix.",
    CopyActivity Activity "Copies between S3 and SQL.",
    EmrActivity Activity "Runs steps on a cluster.",
    HadoopActivity Activity "Runs a JAR on a cluster.",
    HiveActivity Activity "Runs HiveQL.",
    HiveCopyActivity Activity "Copies between DynamoDB and S3.",
    PigActivity Activity "Runs Pig Latin.",
    RedshiftCopyActivity Activity "Copies into or out of Redshift.",
    ShellCommandActivity Activity "Runs a shell command.",
    SqlActivity Activity "Runs SQL.",
    Ec2Resource Resource "An EC2 machine.",
    EmrCluster Resource "An EMR cluster.",
    DynamoDBDataExists Precondition "A DynamoDB table holds an item.",
    DynamoDBTableExists Precondition "A DynamoDB table exists.",
    S3KeyExists Precondition "An S3 key exists.",
    S3PrefixNotEmpty Precondition "An S3 prefix is not empty.",
    Exists Precondition "The guarded data node exists.",
    ShellCommandPrecondition Precondition "A shell command exits with 0.",
    JdbcDatabase Database "A database by JDBC URL.",
    RdsDatabase Database "A database by RDS instance.",
    RedshiftDatabase Database "A Redshift cluster.",
    Csv DataFormat "Comma-separated values.",
    Tsv DataFormat "Tab-separated values.",
    Custom DataFormat "Values separated by a character of choice.",
    RegEx DataFormat "Values cut out by a regular expression.",
    DynamoDBDataFormat DataFormat "Columns over a DynamoDB table.",
    DynamoDBExportDataFormat DataFormat "DynamoDB's export files.",
    SnsAlarm Action "Publishes to a topic.",
    Terminate Action "Cancels a late object.",
    Schedule Schedule "When runs begin.",
    ShellScriptConfig Utility "Scripts before or after an activity.",
    EmrConfiguration Utility "Configuration of a cluster.",
    Property Utility "A key and its value.",
    EbsConfiguration Utility "EBS of a cluster's machines.",
    EbsBlockDeviceConfig Utility "EBS volumes of one machine.",
    VolumeSpecification Utility "Size and type of a volume.",
    HttpProxy Utility "A proxy for task runners.",
}

impl Kind {
    /// Returns the type of `object`; none when it has no type or an unknown one.
    #[must_use]
    pub fn of(object: &PipelineObject) -> Option<Self> {
        object.type_name().and_then(Self::named)
    }

    /// Returns the type written as `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Returns whether the type is work.
    #[must_use]
    pub fn is_activity(self) -> bool {
        self.group() == Group::Activity
    }

    /// Returns whether the type says where data is.
    #[must_use]
    pub fn is_data_node(self) -> bool {
        self.group() == Group::DataNode
    }

    /// Returns whether the type is a machine or cluster.
    #[must_use]
    pub fn is_resource(self) -> bool {
        self.group() == Group::Resource
    }

    /// Returns whether the type guards an object.
    #[must_use]
    pub fn is_precondition(self) -> bool {
        self.group() == Group::Precondition
    }

    /// Returns whether the type reacts to an outcome.
    #[must_use]
    pub fn is_action(self) -> bool {
        self.group() == Group::Action
    }

    /// Returns whether the type is a connection.
    #[must_use]
    pub fn is_database(self) -> bool {
        self.group() == Group::Database
    }

    /// Returns whether the type says how records are written.
    #[must_use]
    pub fn is_data_format(self) -> bool {
        self.group() == Group::DataFormat
    }

    /// Returns whether the type is a schedule.
    #[must_use]
    pub fn is_schedule(self) -> bool {
        self.group() == Group::Schedule
    }

    /// Returns whether the type has instances of its own in a run (activities, data nodes, resources).
    #[must_use]
    pub fn is_schedulable(self) -> bool {
        matches!(self.group(), Group::Activity | Group::DataNode | Group::Resource)
    }

    /// Returns whether the type is executed and has a status (the schedulable ones and preconditions).
    #[must_use]
    pub fn is_runnable(self) -> bool {
        self.is_schedulable() || self.is_precondition()
    }

    /// Returns every field of the type, its own ones first.
    pub fn fields(self) -> impl Iterator<Item = &'static FieldSpec> {
        fields::tables(self).into_iter().flatten()
    }

    /// Returns what the field `key` is on this type.
    #[must_use]
    pub fn field(self, key: &str) -> Option<&'static FieldSpec> {
        self.fields().find(|spec| spec.key == key)
    }

    /// Returns the groups of fields of which one must be there.
    #[must_use]
    pub fn one_of(self) -> Vec<OneOf> {
        fields::one_of(self)
    }
}

#[cfg(test)]
mod tests {
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
    fn resources_have_no_runner_of_their_own() {
        assert!(Kind::Ec2Resource.field("runsOn").is_none());
        assert!(Kind::Ec2Resource.field("workerGroup").is_none());
        assert!(Kind::S3DataNode.field("workerGroup").is_some());
    }
}
