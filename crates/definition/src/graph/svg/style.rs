//! The style sheet inside the picture.

use std::fmt::Write as _;

use super::{ID, SMALL};
use crate::graph::{LineStyle, Link, RunOrder, palette};

/// Returns the style rules for the parts that occur in `order`.
///
/// Every rule applies to the picture only, because the picture can be part of a page. No rule uses CSS
/// variables, because some programs that draw SVG do not know them.
pub(super) fn sheet(order: &RunOrder) -> String {
    let mut sheet = format!(
        ".run-order text {{ font: {}px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, \
         sans-serif; fill: {} }}\n\
         .run-order g g text {{ text-anchor: middle }}\n\
         .run-order .id {{ font-size: {}px; font-weight: 600; fill: #1c2733 }}\n\
         .run-order .type {{ fill: #687786 }}\n\
         .run-order .detail {{ fill: #40505f }}\n\
         .run-order rect {{ stroke-width: 1.3 }}\n\
         .run-order path {{ fill: none; stroke-width: 1.6 }}\n\
         .run-order path.light {{ stroke-width: 1.1; stroke-dasharray: 2 3.5; stroke-linecap: round }}\n",
        SMALL.size,
        palette::PLAIN,
        ID.size,
    );
    let occurs =
        |link: &Link| order.edges.iter().any(|edge| edge.link == *link && edge.line == LineStyle::Forward);
    for link in Link::ALL.into_iter().filter(occurs) {
        let (class, colour) = (link.field(), palette::line_colour(link));
        // Writing to a string cannot fail.
        let _ = writeln!(
            sheet,
            ".run-order path.{class} {{ stroke: {colour} }}\n.run-order path.{class}.head {{ fill: {colour} }}"
        );
    }
    let cycle = palette::CYCLE;
    let _ = writeln!(
        sheet,
        ".run-order path.cycle {{ stroke: {cycle}; stroke-dasharray: 6 4 }}\n\
         .run-order path.cycle.head {{ fill: {cycle} }}\n\
         .run-order path.head {{ stroke: none }}"
    );
    sheet.push_str(&boxes(order, 0));
    let _ = writeln!(
        sheet,
        "@media (prefers-color-scheme: dark) {{\n\
         .run-order .id {{ fill: #e8eef5 }}\n\
         .run-order .type {{ fill: #93a2b2 }}\n\
         .run-order .detail {{ fill: #bcc8d4 }}\n{}}}",
        boxes(order, 1)
    );
    sheet
}

fn boxes(order: &RunOrder, shade: usize) -> String {
    let styles = palette::groups(order).map(palette::group_style);
    let rules = styles.map(|style| {
        let (class, fill, border) = (style.class, style.fill[shade], style.border[shade]);
        format!(".run-order .{class} rect {{ fill: {fill}; stroke: {border} }}\n")
    });
    rules.collect()
}
