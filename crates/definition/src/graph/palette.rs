//! The colours of the groups of objects, and of the lines between them.
//!
//! Boxes have colours for light and dark mode. Lines and text without a box have middle tones that are
//! readable on white and on black, because the background of the picture is unknown.

use super::{Link, RunOrder};
use crate::kind::Group;

/// The appearance of a group of objects.
pub(super) struct GroupStyle {
    /// The word in the legend.
    pub(super) word: &'static str,
    /// The name of the style class.
    pub(super) class: &'static str,
    /// The colour inside a box, in light and in dark mode.
    pub(super) fill: [&'static str; 2],
    /// The colour of the border, in light and in dark mode.
    pub(super) border: [&'static str; 2],
}

/// The colour of lines that close a cycle.
pub(super) const CYCLE: &str = "#d64545";
/// The colour of text and lines without a group.
pub(super) const PLAIN: &str = "#75859a";

/// The groups that are drawn, in the order of the legend.
const DRAWN: [Group; 6] =
    [Group::Activity, Group::DataNode, Group::Precondition, Group::Resource, Group::Action, Group::Schedule];

/// Returns the groups that occur in `order`.
pub(super) fn groups(order: &RunOrder) -> impl Iterator<Item = Group> {
    DRAWN.into_iter().filter(|group| order.nodes.iter().any(|node| node.kind.group() == *group))
}

/// Returns the appearance of a group.
pub(super) fn group_style(group: Group) -> GroupStyle {
    let (word, class, fill, border) = match group {
        Group::Activity => ("activity", "activity", ["#e9f1fc", "#17283d"], ["#6d9ad3", "#5887c0"]),
        Group::DataNode => ("data node", "data", ["#e5f5ee", "#142d25"], ["#58a888", "#4a967a"]),
        Group::Precondition => {
            ("precondition", "precondition", ["#f2ecfb", "#292140"], ["#9a82cd", "#8a72c0"])
        }
        Group::Resource => ("resource", "resource", ["#fdf3e0", "#352a15"], ["#cda04b", "#b3883c"]),
        Group::Action => ("action", "action", ["#fcedee", "#3a2126"], ["#cf848a", "#b36b72"]),
        Group::Schedule | Group::Database | Group::DataFormat | Group::Utility => {
            ("schedule", "schedule", ["#f0f2f5", "#242b33"], ["#94a0ae", "#76838f"])
        }
    };
    GroupStyle { word, class, fill, border }
}

/// Returns the colour of a link's lines.
pub(super) fn line_colour(link: Link) -> &'static str {
    match link {
        Link::Input | Link::Output => "#4fa283",
        Link::DependsOn => "#5f8fcb",
        Link::Precondition => "#9078c8",
        Link::RunsOn => "#c2933c",
        Link::OnSuccess => "#62a35a",
        Link::OnFail => "#cc6f76",
        Link::OnLateAction => "#cf8a4a",
        Link::Schedule => PLAIN,
    }
}
