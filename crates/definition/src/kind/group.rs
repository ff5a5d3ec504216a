//! The groups of object types: activities, data nodes, resources and so on.

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

impl Group {
    /// Every group, in the order of a definition that is read from its work outwards.
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

    /// Returns the name of the family and what it is for, as a heading.
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
            Self::Utility => "Utilities: settings of the others",
        }
    }

    /// Returns the words for one of the family, with their article.
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
