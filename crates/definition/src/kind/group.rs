//! The groups of object types: activities, data nodes, resources and so on.

/// The purpose that several object types have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// An activity: work to be done.
    Activity,
    /// A data node: where data is.
    DataNode,
    /// A resource: a machine or a cluster.
    Resource,
    /// A precondition: a condition that must hold before an object becomes ready.
    Precondition,
    /// A database: a connection.
    Database,
    /// A data format: how records are written.
    DataFormat,
    /// An action: a reaction to an outcome.
    Action,
    /// A schedule: when runs begin.
    Schedule,
    /// Settings of other objects.
    Utility,
}

impl Group {
    /// Every group, in the order in which people describe a pipeline: the work first.
    pub const ALL: &'static [Self] = &[
        Self::Activity,
        Self::DataNode,
        Self::DataFormat,
        Self::Database,
        Self::Resource,
        Self::Precondition,
        Self::Action,
        Self::Schedule,
        Self::Utility,
    ];

    /// Returns a heading: the name of the group and its purpose.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Activity => "Activities: work",
            Self::DataNode => "Data nodes: where data is",
            Self::Resource => "Resources: machines and clusters, started for the work",
            Self::Precondition => "Preconditions: what must hold before an object becomes ready",
            Self::Database => "Databases: connections",
            Self::DataFormat => "Data formats: how records are written",
            Self::Action => "Actions: what happens on an outcome",
            Self::Schedule => "Schedules: when runs begin",
            Self::Utility => "Utilities: settings of other objects",
        }
    }

    /// Returns the word for one object of the group, with its article.
    #[must_use]
    pub fn singular(self) -> &'static str {
        match self {
            Self::Activity => "an activity",
            Self::DataNode => "a data node",
            Self::Resource => "a resource",
            Self::Precondition => "a precondition",
            Self::Database => "a database",
            Self::DataFormat => "a data format",
            Self::Action => "an action",
            Self::Schedule => "a schedule",
            Self::Utility => "a utility",
        }
    }
}
