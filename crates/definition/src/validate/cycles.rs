//! Finds cycles among things that need each other.

/// Returns cycles among things that need others: at least one if there are any. No thing is in two of the returned cycles.
///
/// Things are numbers from zero; `needs[n]` lists the things that thing `n` needs. The order of things
/// decides where a cycle begins. The time grows linearly with the number of needs, however long the paths
/// are.
pub(super) fn cycles(needs: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    let mut remaining = Remaining::of(needs);
    let mut cycles = Vec::new();
    // The path from the first remaining thing. Each thing on it is followed by the first remaining
    // thing that it needs.
    let mut path: Vec<usize> = Vec::new();
    let mut index_on_path = vec![None; remaining.needs.len()];
    for start in 0..remaining.needs.len() {
        while remaining.is_remaining[start] {
            let next = match path.last() {
                None => Some(start),
                Some(last) => remaining.first_need(*last),
            };
            let Some(next) = next else { break };
            let Some(begin) = index_on_path[next] else {
                index_on_path[next] = Some(path.len());
                path.push(next);
                continue;
            };
            let cycle = path[begin..].to_vec();
            remaining.remove(cycle.clone());
            cycles.push(cycle);
            // `remove` also removed the things that needed only members of the cycle. All removed things
            // leave the end of the path.
            while let Some(gone) = path.pop_if(|last| !remaining.is_remaining[*last]) {
                index_on_path[gone] = None;
            }
        }
    }
    cycles
}

/// The remaining things. Each of them needs a remaining thing, perhaps itself.
struct Remaining {
    /// For each thing, the things that it needs, sorted and without repetitions.
    needs: Vec<Vec<usize>>,
    /// For each thing, how many entries at the beginning of its `needs` are known to be removed. The search
    /// for its first remaining need passes over them.
    skipped: Vec<usize>,
    needed_by: Vec<Vec<usize>>,
    /// For each thing, how many of its needs remain.
    open: Vec<usize>,
    is_remaining: Vec<bool>,
}

impl Remaining {
    fn of(mut needs: Vec<Vec<usize>>) -> Self {
        let mut needed_by = vec![Vec::new(); needs.len()];
        for (at, needs) in needs.iter_mut().enumerate() {
            needs.sort_unstable();
            needs.dedup();
            needs.iter().for_each(|other| needed_by[*other].push(at));
        }
        let open: Vec<usize> = needs.iter().map(Vec::len).collect();
        let free = (0..needs.len()).filter(|at| open[*at] == 0).collect();
        let (skipped, is_remaining) = (vec![0; needs.len()], vec![true; needs.len()]);
        let mut remaining = Self { needs, skipped, needed_by, open, is_remaining };
        remaining.remove(free);
        remaining
    }

    /// Removes things, and then every thing that needs none of the remaining things.
    fn remove(&mut self, mut waiting: Vec<usize>) {
        while let Some(at) = waiting.pop() {
            if !std::mem::replace(&mut self.is_remaining[at], false) {
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
            if self.is_remaining[*need] {
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

    #[test]
    fn each_cycle_begins_where_the_path_from_the_first_thing_meets_it() {
        let needs = vec![vec![1], vec![2], vec![1], vec![3], vec![0]];
        assert_eq!(cycles(needs), [vec![1, 2], vec![3]]);
        assert_eq!(cycles(vec![vec![1], vec![], vec![0]]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn a_thing_is_in_one_cycle_only() {
        assert_eq!(cycles(vec![vec![1, 2, 1], vec![0], vec![0, 2]]), [vec![0, 1], vec![2]]);
    }
}
