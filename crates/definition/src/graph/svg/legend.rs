//! The legend: the meaning of the colours and lines that occur.

use std::fmt::Write as _;

use super::{Number, SMALL};
use crate::graph::{LineStyle, Link, RunOrder, layout::Size, palette};

/// The height of a row.
const HEIGHT: f64 = 22.0;
/// The width of a swatch or of a piece of a line.
const SWATCH: f64 = 22.0;
/// The space between a swatch and its word.
const SPACE: f64 = 7.0;
/// The space between two entries.
const GAP: f64 = 20.0;
/// The legend may always be this wide, even beside a narrower picture.
const LEAST_WIDTH: f64 = 380.0;

/// The legend and its size.
pub(super) struct Legend {
    pub(super) text: String,
    pub(super) size: Size,
}

/// Draws the legend of `order` in rows that are at most as wide as `room` or [`LEAST_WIDTH`], whichever is
/// larger.
pub(super) fn draw(order: &RunOrder, room: f64) -> Legend {
    let mut legend = Rows { text: String::new(), room: room.max(LEAST_WIDTH), x: 0.0, y: 0.0, width: 0.0 };
    for style in palette::groups(order).map(palette::group_style) {
        let radius = if style.class == "data" { 7.0 } else { 3.5 };
        legend.add(style.word, |x, y| {
            let (x, y) = (Number(x), Number(y - 7.0));
            let class = style.class;
            format!("<g class=\"{class}\"><rect x=\"{x}\" y=\"{y}\" width=\"{SWATCH}\" height=\"14\" rx=\"{radius}\"/></g>")
        });
    }
    for (class, word) in lines(order) {
        legend.add(word, |x, y| {
            let (end, x, y) = (Number(x + SWATCH), Number(x), Number(y));
            format!("<path class=\"{class}\" d=\"M{x} {y}H{end}\"/>")
        });
    }
    let height = if legend.width > 0.0 { legend.y + HEIGHT } else { 0.0 };
    Legend { text: legend.text, size: Size { width: legend.width, height } }
}

/// Returns the classes and words of the kinds of lines that occur.
fn lines(order: &RunOrder) -> Vec<(String, &'static str)> {
    let occurs =
        |link: Link| order.edges.iter().any(|edge| edge.link == link && edge.line == LineStyle::Forward);
    let mut lines = Vec::new();
    if occurs(Link::Input) || occurs(Link::Output) {
        lines.push((Link::Input.field().to_owned(), "data"));
    }
    for link in Link::ALL.into_iter().filter(|link| !matches!(link, Link::Input | Link::Output)) {
        if occurs(link) {
            let light = if link.is_order() { "" } else { " light" };
            lines.push((format!("{}{light}", link.field()), link.field()));
        }
    }
    if order.edges.iter().any(|edge| edge.line == LineStyle::Cycle) {
        lines.push(("cycle".to_owned(), "waits in a cycle"));
    }
    lines
}

struct Rows {
    text: String,
    room: f64,
    x: f64,
    y: f64,
    width: f64,
}

impl Rows {
    fn add(&mut self, word: &str, swatch: impl Fn(f64, f64) -> String) {
        let width = SWATCH + SPACE + SMALL.width(word);
        if self.x > 0.0 && self.x + width > self.room {
            self.x = 0.0;
            self.y += HEIGHT;
        }
        let middle = self.y + HEIGHT / 2.0;
        let _ = writeln!(
            self.text,
            "{}<text x=\"{}\" y=\"{}\">{word}</text>",
            swatch(self.x, middle),
            Number(self.x + SWATCH + SPACE),
            Number(middle + 4.0)
        );
        self.width = self.width.max(self.x + width);
        self.x += width + GAP;
    }
}
