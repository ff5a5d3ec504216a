//! The order of boxes within each layer. A few sweeps over the layers reduce the crossings of lines.

use super::layers::Layers;

/// The number of sweeps over all layers.
const SWEEPS: usize = 24;
/// The number of sweeps for a large graph.
const SWEEPS_OF_MANY: usize = 6;
/// A graph with more boxes and bends (the points where a long line crosses a layer) than this is large.
const MANY: usize = 4_000;

/// Orders every layer from top to bottom. A column is a layer in that order.
pub(super) fn order(layers: &mut Layers) {
    let mut columns = first_order(layers);
    let mut positions = vec![0; layers.layer_of.len()];
    columns.iter().for_each(|column| record_positions(column, &mut positions));
    let mut fewest = crossings(layers, &columns, &positions);
    layers.columns.clone_from(&columns);
    let sweeps = if positions.len() > MANY { SWEEPS_OF_MANY } else { SWEEPS };
    for sweep in 0..sweeps {
        if fewest == 0 {
            return;
        }
        let is_rightward = sweep % 2 == 0;
        let neighbours = if is_rightward { &layers.before } else { &layers.after };
        for step in 0..columns.len() {
            let at = if is_rightward { step } else { columns.len() - 1 - step };
            // In every other pair of sweeps, members of a layer that have equal means change their order.
            // This change lets the search leave a local optimum.
            sort(&mut columns[at], neighbours, &mut positions, sweep % 4 >= 2);
        }
        let found = crossings(layers, &columns, &positions);
        if found < fewest {
            fewest = found;
            layers.columns.clone_from(&columns);
        }
    }
}

/// Returns the order in which a depth-first search from the left meets the members of each layer. In this
/// order, the boxes of a chain have similar positions in their layers.
fn first_order(layers: &Layers) -> Vec<Vec<usize>> {
    let mut columns = vec![Vec::new(); layers.columns.len()];
    let mut is_met = vec![false; layers.layer_of.len()];
    let starts = layers.columns.iter().flatten().filter(|at| layers.before[**at].is_empty());
    for start in starts {
        let mut waiting = vec![*start];
        while let Some(at) = waiting.pop() {
            if !std::mem::replace(&mut is_met[at], true) {
                columns[layers.layer_of[at]].push(at);
                waiting.extend(layers.after[at].iter().rev().map(|(to, _)| *to));
            }
        }
    }
    columns
}

/// Records the position of each member of a column.
fn record_positions(column: &[usize], positions: &mut [usize]) {
    for (position, at) in column.iter().enumerate() {
        positions[*at] = position;
    }
}

/// Sorts the members of a layer by the weighted mean position of their neighbours. A member without neighbours
/// is sorted by its present position. `turns_ties` reverses the order of members with equal means.
fn sort(column: &mut [usize], neighbours: &[Vec<(usize, f64)>], positions: &mut [usize], turns_ties: bool) {
    let mean = |at: usize| {
        let weight: f64 = neighbours[at].iter().map(|(_, weight)| weight).sum();
        let sum: f64 = neighbours[at].iter().map(|(to, weight)| positions[*to] as f64 * weight).sum();
        if neighbours[at].is_empty() { positions[at] as f64 } else { sum / weight }
    };
    let mut means: Vec<(f64, usize)> = column.iter().map(|at| (mean(*at), *at)).collect();
    if turns_ties {
        means.reverse();
    }
    means.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (slot, (_, at)) in column.iter_mut().zip(means) {
        *slot = at;
    }
    record_positions(column, positions);
}

fn crossings(layers: &Layers, columns: &[Vec<usize>], positions: &[usize]) -> usize {
    columns.windows(2).map(|pair| crossings_between(layers, &pair[0], pair[1].len(), positions)).sum()
}

/// Counts the pairs of lines that cross. A Fenwick tree makes this faster than comparing all pairs.
fn crossings_between(layers: &Layers, left: &[usize], right: usize, positions: &[usize]) -> usize {
    let mut sums = vec![0_usize; right + 1];
    let mut drawn = 0;
    let mut crossings = 0;
    for at in left {
        // Lines from one box do not cross each other. So the crossings of all lines from the box are counted
        // before one of these lines is added to the sums.
        let ends: Vec<usize> = layers.after[*at].iter().map(|(to, _)| positions[*to] + 1).collect();
        for end in &ends {
            let mut above = 0;
            let mut slot = *end;
            while slot > 0 {
                above += sums[slot];
                slot &= slot - 1;
            }
            crossings += drawn - above;
        }
        for end in &ends {
            let mut slot = *end;
            while slot <= right {
                sums[slot] += 1;
                slot += slot & slot.wrapping_neg();
            }
        }
        drawn += ends.len();
    }
    crossings
}
