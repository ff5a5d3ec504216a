//! The lines between boxes.

use std::{collections::HashMap, fmt::Write as _};

use super::Number;
use crate::graph::{
    Edge, LineStyle, RunOrder,
    layout::{Arrow, Layout, Point},
    text::escape_xml,
};

/// The length of an arrowhead.
const HEAD: f64 = 7.0;
/// The distance between two lines that join the same boxes.
const APART: f64 = 9.0;

/// An edge in the layout. Every line in the layout runs from left to right, even a line for an edge that
/// closes a cycle.
pub(super) struct LaidLine<'a> {
    pub(super) edge: &'a Edge,
    pub(super) arrow: Arrow,
}

impl LaidLine<'_> {
    /// Returns whether the line must be easy to see.
    pub(super) fn is_strong(&self) -> bool {
        self.edge.link.is_order() || self.edge.line == LineStyle::Cycle
    }
}

/// Returns the edges that are drawn between two boxes.
pub(super) fn lines(order: &RunOrder) -> Vec<LaidLine<'_>> {
    let drawn = order.edges.iter().filter(|edge| edge.line != LineStyle::Shared && edge.from != edge.to);
    let mut lines: Vec<LaidLine<'_>> = drawn.map(|edge| LaidLine { edge, arrow: arrow(edge) }).collect();
    let mut together: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        together.entry((line.arrow.from, line.arrow.to)).or_default().push(at);
    }
    for members in together.into_values() {
        let middle = (members.len() - 1) as f64 / 2.0;
        for (number, at) in members.into_iter().enumerate() {
            lines[at].arrow.shift = (number as f64 - middle) * APART;
        }
    }
    lines
}

fn arrow(edge: &Edge) -> Arrow {
    let weight = if edge.link.is_order() { 4.0 } else { 1.0 };
    let (from, to) = match edge.line {
        LineStyle::Cycle => (edge.to, edge.from),
        LineStyle::Forward | LineStyle::Shared => (edge.from, edge.to),
    };
    Arrow { from, to, weight, shift: 0.0 }
}

/// Draws a line with its arrowhead.
pub(super) fn draw(body: &mut String, order: &RunOrder, line: &LaidLine<'_>, route: &[Point]) {
    let mut points = route.to_vec();
    // The direction in which the line reaches its end: 1 means to the right, -1 means to the left.
    let mut direction = 1.0;
    if line.edge.line == LineStyle::Cycle {
        points.reverse();
        direction = -1.0;
    }
    let (Some(start), Some(end)) = (points.first().copied(), points.last_mut()) else { return };
    let tip = *end;
    end.x -= HEAD * direction * 0.8;
    let mut path = format!("M{} {}", Number(start.x), Number(start.y));
    // Curves between two layers and straight lines past the boxes of a layer alternate: see `Layout::routes`.
    for (at, pair) in points.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        // Writing to a string cannot fail.
        let _ = match at % 2 {
            0 => {
                let reach = (to.x - from.x) / 2.0;
                write!(
                    path,
                    "C{} {} {} {} {} {}",
                    Number(from.x + reach),
                    Number(from.y),
                    Number(to.x - reach),
                    Number(to.y),
                    Number(to.x),
                    Number(to.y)
                )
            }
            _ => write!(path, "L{} {}", Number(to.x), Number(to.y)),
        };
    }
    let title = title(order, line.edge);
    let _ = writeln!(body, "<path class=\"{}\" d=\"{path}\"><title>{title}</title></path>", class(line.edge));
    draw_head(body, line.edge, tip, Point { x: direction, y: 0.0 });
}

fn draw_head(body: &mut String, edge: &Edge, tip: Point, direction: Point) {
    let side = HEAD * 0.52;
    let back = Point { x: tip.x - direction.x * HEAD, y: tip.y - direction.y * HEAD };
    let _ = writeln!(
        body,
        "<path class=\"{} head\" d=\"M{} {}L{} {}L{} {}z\"/>",
        if edge.line == LineStyle::Cycle { "cycle" } else { edge.link.field() },
        Number(back.x - direction.y * side),
        Number(back.y - direction.x * side),
        Number(tip.x),
        Number(tip.y),
        Number(back.x + direction.y * side),
        Number(back.y + direction.x * side),
    );
}

/// Draws a loop on the top of each box that waits for itself.
pub(super) fn draw_loops(body: &mut String, order: &RunOrder, layout: &Layout) {
    for edge in order.edges.iter().filter(|edge| edge.from == edge.to && edge.line == LineStyle::Cycle) {
        let positioned = layout.boxes[edge.from];
        let (x, y) = (positioned.corner.x + positioned.size.width - 40.0, positioned.corner.y);
        let (x, y, right, above, end) = (Number(x), Number(y), Number(x + 18.0), Number(y - 20.0), y - HEAD);
        let title = title(order, edge);
        let end = Number(end);
        let _ = writeln!(
            body,
            "<path class=\"cycle\" d=\"M{right} {y}C{right} {above} {x} {above} {x} {end}\"><title>{title}</title></path>"
        );
        draw_head(body, edge, Point { x: x.0, y: y.0 }, Point { x: 0.0, y: 1.0 });
    }
}

/// Returns the style classes of a line.
pub(super) fn class(edge: &Edge) -> String {
    match (edge.line, edge.link.is_order()) {
        (LineStyle::Cycle, _) => "cycle".to_owned(),
        (LineStyle::Forward | LineStyle::Shared, true) => edge.link.field().to_owned(),
        (LineStyle::Forward | LineStyle::Shared, false) => format!("{} light", edge.link.field()),
    }
}

fn title(order: &RunOrder, edge: &Edge) -> String {
    let [from, to] = [edge.from, edge.to].map(|at| &order.nodes[at].id);
    let suffix = if edge.line == LineStyle::Cycle { ", waits in a cycle" } else { "" };
    escape_xml(&format!("{from} → {to}\n{}{suffix}", edge.link.field()))
}
