//! The layer of each box, and the bends of lines that pass a layer.

/// A graph has at most this number of bends for each box, plus [`BENDS_AT_LEAST`]. A line can bend in every layer
/// that it passes. In a large graph the longest lines get no bends, because bends would outnumber everything
/// else.
const BENDS_PER_BOX: usize = 6;
/// The number of bends that every graph may have, so that the limit does not affect small graphs.
const BENDS_AT_LEAST: usize = 2_000;

/// Boxes and bends by layer. A box or bend is named by an index: the boxes have the first indices, from 0, and
/// the bends have the indices after them.
pub(super) struct Layers {
    pub(super) boxes: usize,
    pub(super) layer_of: Vec<usize>,
    /// The members of each layer from top to bottom.
    pub(super) columns: Vec<Vec<usize>>,
    /// The neighbours in the layer to the left, with the weight of each line.
    pub(super) before: Vec<Vec<(usize, f64)>>,
    /// The neighbours in the layer to the right, with the weight of each line.
    pub(super) after: Vec<Vec<(usize, f64)>>,
    /// The boxes and bends of each arrow, from its start to its end.
    pub(super) paths: Vec<Vec<usize>>,
}

impl Layers {
    /// Assigns layers to `boxes` boxes that are joined by `arrows` (from, to, weight).
    pub(super) fn new(boxes: usize, arrows: &[(usize, usize, f64)]) -> Self {
        let layer_of = layer_of(boxes, arrows);
        let mut layers = Self {
            boxes,
            layer_of,
            columns: Vec::new(),
            before: vec![Vec::new(); boxes],
            after: vec![Vec::new(); boxes],
            paths: vec![Vec::new(); arrows.len()],
        };
        let span = |at: &usize| layers.layer_of[arrows[*at].1] - layers.layer_of[arrows[*at].0];
        let mut shortest_first: Vec<usize> = (0..arrows.len()).collect();
        shortest_first.sort_by_key(span);
        let most = boxes * BENDS_PER_BOX + BENDS_AT_LEAST;
        for at in shortest_first {
            let (from, to, weight) = arrows[at];
            layers.paths[at] = layers.join(from, to, weight, most);
        }
        let depth = layers.layer_of.iter().max().map_or(0, |last| last + 1);
        layers.columns = vec![Vec::new(); depth];
        for (at, layer) in layers.layer_of.iter().enumerate() {
            layers.columns[*layer].push(at);
        }
        layers
    }

    /// Returns whether `at` is a bend of a line.
    pub(super) fn is_bend(&self, at: usize) -> bool {
        at >= self.boxes
    }

    fn join(&mut self, from: usize, to: usize, weight: f64, most: usize) -> Vec<usize> {
        let passed = self.layer_of[from] + 1..self.layer_of[to];
        if self.layer_of.len() - self.boxes + passed.len() > most {
            return vec![from, to];
        }
        let mut path = vec![from];
        for layer in passed {
            path.push(self.layer_of.len());
            self.layer_of.push(layer);
            self.before.push(Vec::new());
            self.after.push(Vec::new());
        }
        path.push(to);
        for pair in path.windows(2) {
            self.after[pair[0]].push((pair[1], weight));
            self.before[pair[1]].push((pair[0], weight));
        }
        path
    }
}

/// Returns the layer of each box, counted from 0 at the left: the length of the longest path to the box. A box
/// is placed nearer to its successors if that place does not make the weighted lines longer in total.
fn layer_of(boxes: usize, arrows: &[(usize, usize, f64)]) -> Vec<usize> {
    let mut after = vec![Vec::new(); boxes];
    let mut missing = vec![0_usize; boxes];
    // The weight of the outgoing lines minus that of the incoming lines.
    let mut pull = vec![0.0; boxes];
    for (from, to, weight) in arrows {
        after[*from].push(*to);
        missing[*to] += 1;
        pull[*from] += weight;
        pull[*to] -= weight;
    }
    let mut layer_of = vec![0; boxes];
    let mut in_order: Vec<usize> = (0..boxes).filter(|at| missing[*at] == 0).collect();
    let mut next = 0;
    while let Some(at) = in_order.get(next).copied() {
        next += 1;
        for to in &after[at] {
            layer_of[*to] = layer_of[*to].max(layer_of[at] + 1);
            missing[*to] -= 1;
            if missing[*to] == 0 {
                in_order.push(*to);
            }
        }
    }
    // Moves a box to the right if its outgoing lines weigh at least as much as its incoming lines. Without
    // this move, an input that only a late activity reads would be at the far left, with a line through the
    // whole picture.
    for at in in_order.into_iter().rev().filter(|at| pull[*at] >= 0.0) {
        if let Some(nearest) = after[at].iter().map(|to| layer_of[*to]).min() {
            layer_of[at] = nearest - 1;
        }
    }
    layer_of
}
