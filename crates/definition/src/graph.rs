//! The run order of a definition as a picture: SVG, DOT or Mermaid.
//!
//! The picture shows the definition with inherited fields and unevaluated expressions. Only certain fields
//! are read, so no secret can appear in a picture. Unlike [`crate::validate`], this module does not check the
//! definition. Parts of an incorrect definition that cannot be drawn are left out.

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

/// The objects that matter to a run (see [`RunOrder::of`]), and their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOrder {
    /// The objects, in the order of the definition.
    pub nodes: Vec<Node>,
    /// The edges between the objects. Each edge leads from the earlier object to the later object.
    pub edges: Vec<Edge>,
}

/// An object of the definition in a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The id of the object.
    pub id: ObjectId,
    /// The type of the object, stated or inherited.
    pub kind: Kind,
    /// A short description in one line: a path, a table or a command, for example.
    pub detail: Option<String>,
    /// Links that many objects have to this object. The box of this object names these links, because a line
    /// for each of them would hide the run order.
    pub shared: Vec<Shared>,
}

/// A link that many objects have to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The kind of link.
    pub link: Link,
    /// How many objects have the link.
    pub by: usize,
    /// Whether every object that can have the link has it.
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

/// Two nodes that a link joins, the earlier node first. Not every edge is drawn: see [`LineStyle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The index of the node that comes first.
    pub from: usize,
    /// The index of the node that comes after it.
    pub to: usize,
    /// The kind of link.
    pub link: Link,
    /// How the edge is drawn.
    pub line: LineStyle,
}

/// How an edge is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStyle {
    /// An arrow from the earlier node to the later node.
    Forward,
    /// An arrow back to an earlier node: the objects of the cycle would wait for each other for ever.
    Cycle,
    /// No arrow. Instead, the box of the node that the link names shows a [`Shared`].
    Shared,
}

/// The field that joins two objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// The data node comes before the activity that reads it.
    Input,
    /// The activity comes before the data node that it writes.
    Output,
    /// The object comes before another object that waits for it.
    DependsOn,
    /// The precondition comes before the object that it guards.
    Precondition,
    /// The resource comes before the activity that runs on it.
    RunsOn,
    /// The object comes before the action that follows its success.
    OnSuccess,
    /// The object comes before the action that follows its failure.
    OnFail,
    /// The object comes before the action that follows when the object is late.
    OnLateAction,
    /// The schedule comes before the object that it starts.
    Schedule,
}

impl Link {
    /// Every link. The links that order a run come first; see [`is_order`](Self::is_order).
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

    /// Returns whether the link orders the work of a run: the later object starts only after the earlier object has
    /// finished. The other links, to resources, actions and schedules, are drawn with light lines.
    #[must_use]
    pub fn is_order(self) -> bool {
        matches!(self, Self::Input | Self::Output | Self::DependsOn | Self::Precondition)
    }

    /// Returns whether the object that states the field comes before the object that the field names.
    fn starts_at_owner(self) -> bool {
        matches!(self, Self::Output | Self::OnSuccess | Self::OnFail | Self::OnLateAction)
    }

    /// Returns whether an object of type `kind` may state the field.
    fn can_be_field_of(self, kind: Kind) -> bool {
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
