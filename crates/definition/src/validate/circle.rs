//! Circles among things that need each other.

use std::hash::Hash;

use foldhash::{HashMap, HashSet};

/// Who needs whom.
pub(super) type Needs<T> = HashMap<T, HashSet<T>>;

/// Returns the circles in `needs`, no thing in two of them; `order`, which names every thing that needs others,
/// decides where each begins.
///
/// Time grows with the needs, however long the ways between them are.
pub(super) fn circles<T: Copy + Eq + Hash>(needs: &Needs<T>, order: &[T]) -> Vec<Vec<T>> {
    let mut left = Left::of(needs, order);
    let mut circles = Vec::new();
    // The way from the first thing that is left, each thing to the first that it needs.
    let mut way: Vec<usize> = Vec::new();
    let mut place_on_way = vec![None; left.needs.len()];
    for start in 0..left.needs.len() {
        while left.is_left[start] {
            let next = match way.last() {
                None => Some(start),
                Some(last) => left.first_need(*last),
            };
            let Some(next) = next else { break };
            let Some(begin) = place_on_way[next] else {
                place_on_way[next] = Some(way.len());
                way.push(next);
                continue;
            };
            circles.push(way[begin..].iter().map(|at| left.things[*at]).collect());
            left.take_away(way[begin..].to_vec());
            // Whoever needed only these is gone as well.
            while let Some(gone) = way.pop_if(|last| !left.is_left[*last]) {
                place_on_way[gone] = None;
            }
        }
    }
    circles
}

/// What is left: everything here needs something else that is here.
struct Left<T> {
    things: Vec<T>,
    /// In their order, by place among the things.
    needs: Vec<Vec<usize>>,
    /// How many of the needs of each are known to be gone.
    skipped: Vec<usize>,
    needed_by: Vec<Vec<usize>>,
    /// How many needs of each are left.
    open: Vec<usize>,
    is_left: Vec<bool>,
}

impl<T: Copy + Eq + Hash> Left<T> {
    fn of(needs: &Needs<T>, order: &[T]) -> Self {
        let mut places = HashMap::default();
        let mut things = Vec::new();
        for thing in order.iter().filter(|thing| needs.contains_key(thing)) {
            places.entry(*thing).or_insert_with(|| {
                things.push(*thing);
                things.len() - 1
            });
        }
        let mut needed_by = vec![Vec::new(); things.len()];
        let mut needed = Vec::with_capacity(things.len());
        for (at, thing) in things.iter().enumerate() {
            let mut of_it: Vec<usize> =
                needs[thing].iter().filter_map(|other| places.get(other).copied()).collect();
            of_it.sort_unstable();
            of_it.iter().for_each(|other| needed_by[*other].push(at));
            needed.push(of_it);
        }
        let open: Vec<usize> = needed.iter().map(Vec::len).collect();
        let free = (0..things.len()).filter(|at| open[*at] == 0).collect();
        let (skipped, is_left) = (vec![0; things.len()], vec![true; things.len()]);
        let mut left = Self { things, needs: needed, skipped, needed_by, open, is_left };
        left.take_away(free);
        left
    }

    /// Takes things away, and then whatever needs nothing that is left.
    fn take_away(&mut self, mut waiting: Vec<usize>) {
        while let Some(at) = waiting.pop() {
            if !std::mem::replace(&mut self.is_left[at], false) {
                continue;
            }
            for by in &self.needed_by[at] {
                self.open[*by] -= 1;
                if self.open[*by] == 0 {
                    waiting.push(*by);
                }
            }
        }
    }

    fn first_need(&mut self, at: usize) -> Option<usize> {
        while let Some(need) = self.needs[at].get(self.skipped[at]) {
            if self.is_left[*need] {
                return Some(*need);
            }
            self.skipped[at] += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(needs: &[(u8, &[u8])]) -> Vec<Vec<u8>> {
        let order: Vec<u8> = needs.iter().map(|(thing, _)| *thing).collect();
        let needs = needs.iter().map(|(thing, on)| (*thing, on.iter().copied().collect())).collect();
        circles(&needs, &order)
    }

    #[test]
    fn each_circle_begins_where_the_way_from_the_first_thing_meets_it() {
        assert_eq!(found(&[(1, &[2]), (2, &[3]), (3, &[2]), (4, &[4]), (5, &[1])]), [vec![2, 3], vec![4]]);
        assert_eq!(found(&[(1, &[2, 9]), (2, &[]), (3, &[1])]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_thing_is_in_one_circle_only() {
        assert_eq!(found(&[(1, &[2, 3]), (2, &[1]), (3, &[1, 3])]), [vec![1, 2], vec![3]]);
    }
}
