//! Writes the run order in Mermaid's language. GitHub and other programs show Mermaid text in Markdown as a picture.

use std::fmt::Write as _;

use super::{LineStyle, Node, RunOrder, palette, text::Face};

/// The maximum width of a detail in pixels, and the font by which the width is estimated. The text for Mermaid does
/// not set this font.
const DETAIL: (Face, f64) = (Face { size: 10.0, is_bold: false }, 240.0);

/// Returns `order` as a Mermaid flowchart.
///
/// With its default settings, Mermaid draws at most 500 edges and 50,000 characters.
#[must_use]
pub fn to_mermaid(order: &RunOrder) -> String {
    let mut mermaid = String::from("flowchart LR\n");
    for (at, node) in order.nodes.iter().enumerate() {
        let [open, close] = if node.kind.is_data_node() { ["([", "])"] } else { ["(", ")"] };
        // Writing to a string cannot fail.
        let _ = writeln!(
            mermaid,
            "  n{at}{open}\"{}\"{close}:::{}",
            label(node),
            palette::group_style(node.kind.group()).class
        );
    }
    let mut cycles = Vec::new();
    let drawn = order.edges.iter().filter(|edge| edge.line != LineStyle::Shared);
    for (at, edge) in drawn.enumerate() {
        let arrow = match edge.link.is_order() {
            true => "-->".to_owned(),
            false => format!("-. {} .->", edge.link.field()),
        };
        let _ = writeln!(mermaid, "  n{} {arrow} n{}", edge.from, edge.to);
        if edge.line == LineStyle::Cycle {
            cycles.push(at.to_string());
        }
    }
    for group in palette::groups(order) {
        let palette::GroupStyle { class, fill, border, .. } = palette::group_style(group);
        let _ = writeln!(mermaid, "  classDef {class} fill:{},stroke:{},color:#1f2933", fill[0], border[0]);
    }
    if !cycles.is_empty() {
        let cycles = cycles.join(",");
        let _ = writeln!(mermaid, "  linkStyle {cycles} stroke:{},stroke-dasharray:6 4", palette::CYCLE);
    }
    mermaid
}

fn label(node: &Node) -> String {
    let (face, room) = DETAIL;
    let mut label = format!("<b>{}</b><br/>{}", escape(node.id.as_str()), node.kind.name());
    let detail = node.detail.iter().map(|detail| escape(&face.fit(detail, room)));
    for line in detail.chain(node.shared.iter().map(ToString::to_string)) {
        label.push_str("<br/>");
        label.push_str(&line);
    }
    label
}

/// Writes every character that can have a special meaning as `#code;`.
///
/// Mermaid interprets entities, tags, directives, icons, formulas and Markdown even in quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let is_plain = match character {
            // An underscore between letters does not begin emphasis.
            '_' => before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric()),
            _ => character.is_ascii_alphanumeric() || " -./,=".contains(character) || !character.is_ascii(),
        };
        if is_plain {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "#{};", u32::from(character));
        }
        before = character;
    }
    escaped
}
