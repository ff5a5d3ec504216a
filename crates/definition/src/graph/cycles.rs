//! Finds the edges that close a cycle. Without these edges, the graph has no cycles.

use super::{Edge, LineStyle};

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    /// The search has not reached the node.
    Not,
    /// The node is on the path from the start of the search.
    Open,
    /// The search has followed every edge that leaves the node.
    Done,
}

/// Marks edges that close a cycle. The search begins at each node that waits for no other node, in the order
/// of the nodes, and then at each node that is left.
pub(super) fn mark(nodes: usize, edges: &mut [Edge]) {
    let mut leaving = vec![Vec::new(); nodes];
    let mut is_waiting = vec![false; nodes];
    for (at, edge) in edges.iter().enumerate().filter(|(_, edge)| edge.line == LineStyle::Forward) {
        leaving[edge.from].push(at);
        is_waiting[edge.to] = true;
    }
    let (waiting, free): (Vec<usize>, Vec<usize>) = (0..nodes).partition(|node| is_waiting[*node]);
    let mut visits = vec![Visit::Not; nodes];
    for start in free.into_iter().chain(waiting) {
        if visits[start] == Visit::Not {
            search(start, &leaving, edges, &mut visits);
        }
    }
}

/// Searches depth first. The path is kept in a vector, because recursion along a long chain of edges would overflow
/// the stack of the thread.
fn search(start: usize, leaving: &[Vec<usize>], edges: &mut [Edge], visits: &mut [Visit]) {
    visits[start] = Visit::Open;
    let mut path = vec![(start, leaving[start].iter())];
    while let Some((node, rest)) = path.last_mut() {
        let Some(at) = rest.next() else {
            visits[*node] = Visit::Done;
            path.pop();
            continue;
        };
        let to = edges[*at].to;
        match visits[to] {
            Visit::Not => {
                visits[to] = Visit::Open;
                path.push((to, leaving[to].iter()));
            }
            Visit::Open => edges[*at].line = LineStyle::Cycle,
            Visit::Done => {}
        }
    }
}
