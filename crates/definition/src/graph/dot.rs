//! Writes the run order in DOT, the language of Graphviz.

use std::fmt::Write as _;

use super::{Edge, LineStyle, Node, RunOrder, palette, text::Face};

/// The font of the boxes, and the maximum width of a detail in pixels.
const DETAIL: (Face, f64) = (Face { size: 10.0, is_bold: false }, 240.0);

/// Returns `order` as a DOT graph.
///
/// ```
/// use definition::{file, graph};
///
/// let definition = file::parse(r#"{"objects": [{"id": "Hello", "type": "ShellCommandActivity"}]}"#).unwrap();
/// let dot = graph::to_dot(&graph::RunOrder::of(&definition));
/// assert!(dot.contains(r#""Hello" [label="Hello\nShellCommandActivity""#));
/// ```
#[must_use]
pub fn to_dot(order: &RunOrder) -> String {
    let mut dot = String::from(
        "digraph \"run order\" {\n  rankdir=LR;\n  bgcolor=\"transparent\";\n  \
         node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=10];\n  \
         edge [fontcolor=\"#75859a\", fontname=\"Helvetica\", fontsize=9, arrowsize=0.7];\n",
    );
    for node in &order.nodes {
        let style = palette::group_style(node.kind.group());
        // Writing to a string cannot fail.
        let _ = writeln!(
            dot,
            "  {} [label={}, fillcolor=\"{}\", color=\"{}\"];",
            name(node.id.as_str()),
            label(node),
            style.fill[0],
            style.border[0]
        );
    }
    for edge in order.edges.iter().filter(|edge| edge.line != LineStyle::Shared) {
        let [from, to] = [edge.from, edge.to].map(|at| name(order.nodes[at].id.as_str()));
        let _ = writeln!(dot, "  {from} -> {to} [{}];", style(edge));
    }
    dot.push_str("}\n");
    dot
}

/// Returns the id in quotes. Backslashes are doubled, because a single backslash at the end would escape
/// the closing quote.
fn name(id: &str) -> String {
    format!("\"{}\"", id.replace('\\', "\\\\").replace('"', "\\\""))
}

fn label(node: &Node) -> String {
    let (face, room) = DETAIL;
    let shared = node.shared.iter().map(ToString::to_string);
    let detail = node.detail.iter().map(|detail| face.fit(detail, room).into_owned());
    let lines = [node.id.to_string(), node.kind.name().to_owned()].into_iter().chain(detail).chain(shared);
    // Graphviz interprets entities such as `&amp;` in labels but not in names.
    let lines = lines.map(|line| line.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;"));
    format!("\"{}\"", lines.collect::<Vec<_>>().join("\\n"))
}

fn style(edge: &Edge) -> String {
    let colour = palette::line_colour(edge.link);
    if edge.line == LineStyle::Cycle {
        // Without `constraint=false`, Graphviz would place the box at the start of the line before the box at
        // its end.
        format!("color=\"{}\", style=dashed, constraint=false", palette::CYCLE)
    } else if edge.link.is_order() {
        format!("color=\"{colour}\"")
    } else {
        format!("color=\"{colour}\", label=\"{}\", style=dotted, arrowsize=0.5", edge.link.field())
    }
}
