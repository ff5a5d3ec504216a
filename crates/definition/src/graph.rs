//! The run order of a definition as a picture: SVG, DOT or Mermaid.
//!
//! Drawn is what the definition says: fields inherited, expressions as they are written. Nothing is
//! evaluated and only named fields are read, so no secret can get into a picture. Whether the
//! definition is sound is for [`crate::validate`]; what cannot be drawn of a broken one is left out.

mod cycles;
mod detail;
mod dot;
mod layout;
mod mermaid;
mod order;
mod palette;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use crate::{ObjectId, kind::Kind};

pub use dot::to_dot;
pub use mermaid::to_mermaid;
pub use svg::to_svg;

/// The objects that matter to a run, and who comes before whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOrder {
    /// The objects, in the definition's order.
    pub nodes: Vec<Node>,
    /// What joins them, each from what comes first to what comes after.
    pub edges: Vec<Edge>,
}

/// An object of the definition as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The object's id.
    pub id: ObjectId,
    /// Its type, own or inherited from a parent.
    pub kind: Kind,
    /// What it is about, in one line: a path, a table, a command.
    pub detail: Option<String>,
    /// What it does for so many objects that lines to all of them would hide the run order.
    pub shared: Vec<Shared>,
}

/// A link that many objects have to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The link.
    pub link: Link,
    /// How many objects have it.
    pub by: usize,
    /// Whether these are all that could have it.
    pub is_by_all: bool,
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, many) =
            if self.link == Link::RunsOn { ("activity", "activities") } else { ("object", "objects") };
        match self.is_by_all {
            true => write!(f, "{} of every {one}", self.link.field()),
            false => write!(f, "{} of {} {many}", self.link.field(), self.by),
        }
    }
}

/// Joins two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Index of the node that comes first.
    pub from: usize,
    /// Index of the node that comes after.
    pub to: usize,
    /// Why.
    pub link: Link,
    /// How it is drawn.
    pub line: Line,
}

/// How an edge is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// In run order.
    Forward,
    /// Back to what has come already: the objects wait for each other for ever.
    Cycle,
    /// Not at all: the node's [`Shared`] says it.
    Shared,
}

/// The field that joins two objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// A data node before the activity that reads it.
    Input,
    /// An activity before the data node that it writes.
    Output,
    /// What is needed before what waits.
    DependsOn,
    /// A precondition before what it guards.
    Precondition,
    /// A resource before the activity that it runs.
    RunsOn,
    /// An object before what happens when it has succeeded.
    OnSuccess,
    /// An object before what happens when it has failed.
    OnFail,
    /// An object before what happens when it is late.
    OnLateAction,
    /// A schedule before what it starts.
    Schedule,
}

impl Link {
    /// Every link, the ones that order a run first.
    pub const ALL: [Self; 9] = [
        Self::Input,
        Self::Output,
        Self::DependsOn,
        Self::Precondition,
        Self::RunsOn,
        Self::OnSuccess,
        Self::OnFail,
        Self::OnLateAction,
        Self::Schedule,
    ];

    /// Returns the name of the field.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::DependsOn => "dependsOn",
            Self::Precondition => "precondition",
            Self::RunsOn => "runsOn",
            Self::OnSuccess => "onSuccess",
            Self::OnFail => "onFail",
            Self::OnLateAction => "onLateAction",
            Self::Schedule => "schedule",
        }
    }

    /// Returns whether the link says who waits for whom; the others are drawn lightly.
    #[must_use]
    pub fn is_order(self) -> bool {
        matches!(self, Self::Input | Self::Output | Self::DependsOn | Self::Precondition)
    }

    /// Returns whether the object that states the field comes before the one that it names.
    fn starts_at_owner(self) -> bool {
        matches!(self, Self::Output | Self::OnSuccess | Self::OnFail | Self::OnLateAction)
    }

    /// Returns whether an object of type `kind` may state the field.
    fn is_stated_by(self, kind: Kind) -> bool {
        match self {
            Self::Input | Self::Output | Self::RunsOn => kind.is_activity(),
            Self::Precondition | Self::Schedule => kind.is_activity() || kind.is_data_node(),
            Self::DependsOn | Self::OnSuccess | Self::OnFail | Self::OnLateAction => kind.is_runnable(),
        }
    }

    /// Returns whether the field may name an object of type `kind`.
    fn accepts(self, kind: Kind) -> bool {
        match self {
            Self::Input | Self::Output => kind.is_data_node(),
            Self::DependsOn => kind.is_runnable(),
            Self::Precondition => kind.is_precondition(),
            Self::RunsOn => kind.is_resource(),
            Self::OnSuccess | Self::OnFail | Self::OnLateAction => kind.is_action(),
            Self::Schedule => kind.is_schedule(),
        }
    }
}
