//! Draws the run order as one SVG picture that needs no other files.

mod legend;
mod lines;
mod style;

use std::fmt::{self, Write as _};

use super::{
    LineStyle, Node, RunOrder, layout,
    layout::{Arrow, Layout, Positioned, Size},
    palette,
    text::{Face, escape_xml},
};

/// The space around the picture. All lengths of this module are in SVG user units, which are pixels at normal
/// size.
const MARGIN: f64 = 24.0;
/// The space between the border of a box and its text.
const PADDING: f64 = 14.0;
/// The same space in boxes of data nodes. Their round ends need more space.
const PADDING_OF_DATA: f64 = 20.0;
/// The smallest and the largest width of a box.
const WIDTHS: std::ops::RangeInclusive<f64> = 120.0..=264.0;
/// The font of the id in a box.
const ID: Face = Face { size: 13.0, is_bold: true };
/// The font of the other texts in a box.
const SMALL: Face = Face { size: 11.0, is_bold: false };
/// The base lines of the texts, measured from the top of the box.
const BASELINES: [f64; 3] = [21.0, 37.0, 53.0];
/// The space below the last base line.
const FOOT: f64 = 12.0;

/// Returns `order` as an SVG picture.
///
/// The picture needs no scripts, fonts or style sheets from elsewhere. It follows the reader's choice of
/// light or dark mode.
#[must_use]
pub fn to_svg(order: &RunOrder) -> String {
    let sizes: Vec<Size> = order.nodes.iter().map(size).collect();
    let lines = lines::lines(order);
    let arrows: Vec<Arrow> = lines.iter().map(|line| line.arrow).collect();
    let layout = layout::lay_out(&sizes, &arrows, |at| !order.nodes[at].shared.is_empty());
    let legend = legend::draw(order, layout.size.width);

    let mut body = String::new();
    // Light lines are drawn first, so that strong lines cover them.
    for is_strong in [false, true] {
        for (line, route) in lines.iter().zip(&layout.routes) {
            if line.is_strong() == is_strong {
                lines::draw(&mut body, order, line, route);
            }
        }
    }
    draw_boxes(&mut body, order, &layout);
    lines::draw_loops(&mut body, order, &layout);
    if order.nodes.is_empty() {
        body.push_str("<text class=\"note\" x=\"0\" y=\"12\">Nothing runs in this definition.</text>\n");
    }

    let legend_top = if order.nodes.is_empty() { 0.0 } else { layout.size.height + 34.0 };
    let width = layout.size.width.max(legend.size.width).max(*WIDTHS.end()) + MARGIN * 2.0;
    let height = (legend_top + legend.size.height).max(20.0) + MARGIN * 2.0;
    let (width, height) = (Number(width.ceil()), Number(height.ceil()));
    let style = style::sheet(order);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"run-order\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Run order of the pipeline\">\n\
         <style>\n{style}</style>\n<g transform=\"translate({MARGIN} {MARGIN})\">\n{body}</g>\n\
         <g transform=\"translate({MARGIN} {})\">\n{}</g>\n</svg>\n",
        Number(MARGIN + legend_top),
        legend.text
    )
}

/// A number that is written with at most one decimal. More decimals would only make the file longer.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Adding zero turns negative zero into zero.
        write!(f, "{}", (self.0 * 10.0).round() / 10.0 + 0.0)
    }
}

/// Returns the texts of a box: id, type, detail.
fn texts(node: &Node) -> Vec<String> {
    let mut kind = node.kind.name().to_owned();
    for shared in &node.shared {
        let _ = write!(kind, " · {shared}");
    }
    [node.id.to_string(), kind].into_iter().chain(node.detail.clone()).collect()
}

fn faces() -> [Face; 3] {
    [ID, SMALL, SMALL]
}

fn padding(node: &Node) -> f64 {
    if node.kind.is_data_node() { PADDING_OF_DATA } else { PADDING }
}

fn size(node: &Node) -> Size {
    let texts = texts(node);
    let widest = texts.iter().zip(faces()).map(|(text, face)| face.width(text)).fold(0.0, f64::max);
    let width = (widest + padding(node) * 2.0).clamp(*WIDTHS.start(), *WIDTHS.end()).ceil();
    Size { width, height: BASELINES[texts.len() - 1] + FOOT }
}

fn draw_boxes(body: &mut String, order: &RunOrder, layout: &Layout) {
    let mut hints = vec![String::new(); order.nodes.len()];
    for edge in order.edges.iter().filter(|edge| edge.line == LineStyle::Shared) {
        let (owner, target) =
            if edge.link.starts_at_owner() { (edge.from, edge.to) } else { (edge.to, edge.from) };
        let _ = write!(hints[owner], "\n{}: {}", edge.link.field(), order.nodes[target].id);
    }
    for ((node, positioned), hint) in order.nodes.iter().zip(&layout.boxes).zip(&hints) {
        draw_box(body, node, positioned, hint);
    }
}

fn draw_box(body: &mut String, node: &Node, positioned: &Positioned, hint: &str) {
    let Positioned { corner, size } = *positioned;
    let texts = texts(node);
    // Data nodes have round ends, so that they can be recognized without colours.
    let radius = if node.kind.is_data_node() { 22.0 } else { 8.0 };
    let _ = writeln!(
        body,
        "<g class=\"{}\"><title>{}</title><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
        palette::group_style(node.kind.group()).class,
        escape_xml(&format!("{}{hint}", texts.join("\n"))),
        Number(corner.x),
        Number(corner.y),
        Number(size.width),
        Number(size.height),
        Number(radius),
    );
    let classes = ["id", "type", "detail"];
    for (((text, face), class), baseline) in texts.iter().zip(faces()).zip(classes).zip(BASELINES) {
        let _ = writeln!(
            body,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>",
            Number(corner.x + size.width / 2.0),
            Number(corner.y + baseline),
            escape_xml(&face.fit(text, size.width - padding(node) * 2.0)),
        );
    }
    body.push_str("</g>\n");
}
