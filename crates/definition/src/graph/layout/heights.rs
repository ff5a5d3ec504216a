//! The vertical positions of boxes and bends: lines are as straight as the order in the layers allows.

use super::layers::Layers;

/// The space between two boxes, one above the other.
pub(super) const GAP: f64 = 22.0;
/// The space between a line and the box or line above or below it.
const LINE_GAP: f64 = 16.0;
/// The number of rounds over all layers.
const ROUNDS: usize = 16;
/// The number of rounds for a large graph.
const ROUNDS_OF_MANY: usize = 4;
/// A graph with more boxes and bends than this is large.
const MANY: usize = 4_000;

/// The neighbours that attract a layer.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
    Both,
}

/// Returns the `y` of the middle of each box and bend. The top of the highest box or bend is at 0.
pub(super) fn middles(layers: &Layers, box_heights: &[f64]) -> Vec<f64> {
    let half = |at: usize| box_heights.get(at).map_or(0.0, |height| height / 2.0);
    let offsets: Vec<Vec<f64>> = layers.columns.iter().map(|column| offsets(column, layers, half)).collect();
    let mut middles = vec![0.0; layers.layer_of.len()];
    for (column, offsets) in layers.columns.iter().zip(&offsets) {
        // At the start, each layer is centred.
        let middle = offsets.last().map_or(0.0, |last| last / 2.0);
        column.iter().zip(offsets).for_each(|(at, offset)| middles[*at] = offset - middle);
    }
    let rounds = if middles.len() > MANY { ROUNDS_OF_MANY } else { ROUNDS };
    for round in 0..rounds {
        let sides = if round * 2 < rounds { [Side::Left, Side::Right] } else { [Side::Both, Side::Both] };
        for (turn, side) in sides.into_iter().enumerate() {
            for step in 0..layers.columns.len() {
                let at = if turn == 0 { step } else { layers.columns.len() - 1 - step };
                settle(&layers.columns[at], &offsets[at], layers, side, &mut middles);
            }
        }
    }
    let top = middles.iter().enumerate().map(|(at, middle)| middle - half(at)).fold(f64::INFINITY, f64::min);
    middles.iter_mut().for_each(|middle| *middle -= top);
    middles
}

/// Returns the minimum distance from the middle of the layer's first member down to the middle of each member.
fn offsets(column: &[usize], layers: &Layers, half: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut offset = 0.0;
    let mut offsets = vec![0.0; column.len().min(1)];
    for pair in column.windows(2) {
        let touches_line = layers.is_bend(pair[0]) || layers.is_bend(pair[1]);
        offset += half(pair[0]) + half(pair[1]) + if touches_line { LINE_GAP } else { GAP };
        offsets.push(offset);
    }
    offsets
}

/// Boxes and bends of one layer that touch and move together.
struct Block {
    /// The sum of the weights of the members.
    weight: f64,
    /// The sum over the members of weight times start. The start of a member is the `y` at which the middle of
    /// the layer's first member must be, so that this member is at its preferred position.
    pull: f64,
    members: usize,
}

impl Block {
    /// Returns the weighted mean of the starts of the members.
    fn start(&self) -> f64 {
        self.pull / self.weight
    }
}

/// Moves each member of a layer as near to its preferred position as the order and the gaps allow.
///
/// The method is least squares with a fixed order: members that would overlap form a block, and the block moves
/// to the weighted mean of their preferred positions.
fn settle(column: &[usize], offsets: &[f64], layers: &Layers, side: Side, middles: &mut [f64]) {
    let mut blocks: Vec<Block> = Vec::new();
    for (at, offset) in column.iter().zip(offsets) {
        let (weight, middle) = wish(*at, layers, side, middles);
        let mut block = Block { weight, pull: weight * (middle - offset), members: 1 };
        while let Some(above) = blocks.pop_if(|above| above.start() >= block.start()) {
            block.weight += above.weight;
            block.pull += above.pull;
            block.members += above.members;
        }
        blocks.push(block);
    }
    let starts = blocks.iter().flat_map(|block| std::iter::repeat_n(block.start(), block.members));
    for ((at, offset), start) in column.iter().zip(offsets).zip(starts) {
        middles[*at] = start + offset;
    }
}

/// Returns the weight and the preferred position of a box or bend: the weighted mean of its neighbours' middles.
fn wish(at: usize, layers: &Layers, side: Side, middles: &[f64]) -> (f64, f64) {
    let left = layers.before[at].iter().filter(|_| side != Side::Right);
    let right = layers.after[at].iter().filter(|_| side != Side::Left);
    let (mut weight, mut weighted_middles) = (0.0, 0.0);
    for (to, line_weight) in left.chain(right) {
        // A line between two bends is a part of a long line, and it matters most that long lines are straight. The
        // factors are those of Gansner, Koutsofios, North and Vo, "A Technique for Drawing Directed Graphs".
        let line_weight = line_weight
            * match (layers.is_bend(at), layers.is_bend(*to)) {
                (true, true) => 8.0,
                (true, false) | (false, true) => 2.0,
                (false, false) => 1.0,
            };
        weight += line_weight;
        weighted_middles += line_weight * middles[*to];
    }
    // A box without neighbours on this side stays, unless another member of its layer pushes it.
    if weight > 0.0 { (weight, weighted_middles / weight) } else { (0.01, middles[at]) }
}
