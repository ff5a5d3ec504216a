//! Positions of boxes and lines, in layers from left to right (Sugiyama's method).
//!
//! Each group of connected boxes is an island. In an island, the longest path decides the layers, the order
//! within a layer avoids crossings, and the vertical positions keep lines straight. Islands are placed one below another.
//! Loose boxes, which no line reaches, fill rows below. The module knows nothing of definitions, and equal
//! input gives equal pictures.

mod columns;
mod heights;
mod layers;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use heights::GAP;
use layers::Layers;

/// The horizontal space between two layers, for the curves between their boxes.
const LAYER_GAP: f64 = 72.0;
/// The space between two islands.
const ISLAND_GAP: f64 = 40.0;
/// The smallest limit of the width of a row of loose boxes. A wider picture or very many boxes raise the
/// limit.
const ROW_WIDTH: f64 = 900.0;

/// The size of a box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A point in the picture. `y` grows downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A box with its position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Positioned {
    /// The upper left corner.
    pub(super) corner: Point,
    /// The size. All boxes of one layer are equally wide.
    pub(super) size: Size,
}

/// A line from the right side of one box to the left side of another. Arrows must not form cycles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrow {
    pub(super) from: usize,
    pub(super) to: usize,
    /// How important it is that the line is short and straight.
    pub(super) weight: f64,
    /// The vertical distance of the line's ends from the middles of the boxes. A positive distance is
    /// downwards.
    pub(super) shift: f64,
}

/// The positions of boxes and the routes of arrows.
pub(super) struct Layout {
    pub(super) boxes: Vec<Positioned>,
    /// The points of each arrow, from its start to its end. A curve joins the first point to the second, and a
    /// straight line past the boxes of a layer joins the second to the third. Curves and straight lines alternate
    /// up to the last point, and the last one is a curve.
    pub(super) routes: Vec<Vec<Point>>,
    pub(super) size: Size,
}

/// Positions boxes with the given sizes. Loose boxes are in rows below the islands; the loose boxes that `is_last`
/// chooses are in the lowest rows.
pub(super) fn lay_out(sizes: &[Size], arrows: &[Arrow], is_last: impl Fn(usize) -> bool) -> Layout {
    let nowhere = Point { x: 0.0, y: 0.0 };
    let mut layout = Layout {
        boxes: sizes.iter().map(|size| Positioned { corner: nowhere, size: *size }).collect(),
        routes: vec![Vec::new(); arrows.len()],
        size: Size { width: 0.0, height: 0.0 },
    };
    let mut loose = Vec::new();
    for island in islands(sizes.len(), arrows) {
        match island.boxes[..] {
            [alone] => loose.push(alone),
            _ => layout.add(&island, arrows),
        }
    }
    let (last, first): (Vec<usize>, Vec<usize>) = loose.into_iter().partition(|at| is_last(*at));
    layout.add_rows(&first);
    layout.add_rows(&last);
    layout
}

/// Boxes and arrows that are connected.
struct Island {
    boxes: Vec<usize>,
    arrows: Vec<usize>,
}

/// Returns the islands, in the order of their first boxes.
fn islands(boxes: usize, arrows: &[Arrow]) -> Vec<Island> {
    let mut leaders: Vec<usize> = (0..boxes).collect();
    for arrow in arrows {
        let (one, other) = (leader(&mut leaders, arrow.from), leader(&mut leaders, arrow.to));
        leaders[one.max(other)] = one.min(other);
    }
    let mut islands: Vec<Island> = Vec::new();
    let mut island_of = HashMap::new();
    for at in 0..boxes {
        let island = *island_of.entry(leader(&mut leaders, at)).or_insert_with(|| {
            islands.push(Island { boxes: Vec::new(), arrows: Vec::new() });
            islands.len() - 1
        });
        islands[island].boxes.push(at);
    }
    for (at, arrow) in arrows.iter().enumerate() {
        islands[island_of[&leader(&mut leaders, arrow.from)]].arrows.push(at);
    }
    islands
}

/// Returns the box that stands for all boxes that are connected with the box `at` so far.
fn leader(leaders: &mut [usize], mut at: usize) -> usize {
    while leaders[at] != at {
        // Shortens the path for later searches.
        leaders[at] = leaders[leaders[at]];
        at = leaders[at];
    }
    at
}

impl Layout {
    /// Adds an island below everything that was added before.
    fn add(&mut self, island: &Island, arrows: &[Arrow]) {
        let local: HashMap<usize, usize> =
            island.boxes.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let joined: Vec<(usize, usize, f64)> = island
            .arrows
            .iter()
            .map(|at| (local[&arrows[*at].from], local[&arrows[*at].to], arrows[*at].weight))
            .collect();
        let mut layers = Layers::new(island.boxes.len(), &joined);
        columns::order(&mut layers);
        let box_heights: Vec<f64> = island.boxes.iter().map(|at| self.boxes[*at].size.height).collect();
        let middles = heights::middles(&layers, &box_heights);

        let top = self.next_top();
        let mut left = 0.0;
        let mut spans = Vec::new();
        for column in &layers.columns {
            // A column also contains the bends of arrows, whose indices follow those of the boxes.
            let boxes = || column.iter().filter(|at| **at < island.boxes.len()).map(|at| island.boxes[*at]);
            let width = boxes().map(|at| self.boxes[at].size.width).fold(0.0, f64::max);
            spans.push((left, left + width));
            for at in boxes() {
                let height = self.boxes[at].size.height;
                let corner = Point { x: left, y: top + middles[local[&at]] - height / 2.0 };
                self.boxes[at] = Positioned { corner, size: Size { width, height } };
                self.cover(self.boxes[at]);
            }
            left += width + LAYER_GAP;
        }
        for (at, path) in island.arrows.iter().zip(&layers.paths) {
            self.routes[*at] = route(path, &layers, &spans, &middles, top, arrows[*at].shift);
            let lowest = self.routes[*at].iter().map(|point| point.y).fold(0.0, f64::max);
            self.size.height = self.size.height.max(lowest);
        }
    }

    /// Adds loose boxes, row by row.
    fn add_rows(&mut self, boxes: &[usize]) {
        let area: f64 = boxes.iter().map(|at| self.boxes[*at].size).map(|it| it.width * it.height).sum();
        // Very many boxes fill wider rows, so that all rows together are about twice as wide as high.
        let limit = ROW_WIDTH.max(self.size.width).max((area * 2.0).sqrt());
        let mut corner = Point { x: 0.0, y: self.next_top() };
        let mut row_height: f64 = 0.0;
        for at in boxes {
            let size = self.boxes[*at].size;
            if corner.x > 0.0 && corner.x + size.width > limit {
                corner = Point { x: 0.0, y: corner.y + row_height + GAP };
                row_height = 0.0;
            }
            self.boxes[*at].corner = corner;
            self.cover(self.boxes[*at]);
            corner.x += size.width + GAP;
            row_height = row_height.max(size.height);
        }
    }

    /// Returns the top of the next island or of the next rows.
    fn next_top(&self) -> f64 {
        if self.size.height > 0.0 { self.size.height + ISLAND_GAP } else { 0.0 }
    }

    /// Enlarges the picture, so that it contains the box.
    fn cover(&mut self, positioned: Positioned) {
        self.size.width = self.size.width.max(positioned.corner.x + positioned.size.width);
        self.size.height = self.size.height.max(positioned.corner.y + positioned.size.height);
    }
}

/// Returns the points of an arrow whose boxes and bends are `path`.
fn route(
    path: &[usize],
    layers: &Layers,
    spans: &[(f64, f64)],
    middles: &[f64],
    top: f64,
    shift: f64,
) -> Vec<Point> {
    let ends = path.iter().flat_map(|at| {
        let (left, right) = spans[layers.layer_of[*at]];
        let y = top + middles[*at] + shift;
        [Point { x: left, y }, Point { x: right, y }]
    });
    // The route begins at the right of the first box and ends at the left of the last one.
    ends.skip(1).take(path.len() * 2 - 2).collect()
}
