//! Circles among things that need each other.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Who needs whom.
pub(super) type Needs<T> = HashMap<T, HashSet<T>>;

/// Returns the circles in `needs`, no thing in two of them; `order` decides where each begins.
pub(super) fn circles<T: Copy + Eq + Hash>(mut needs: Needs<T>, order: &[T]) -> Vec<Vec<T>> {
    let mut circles = Vec::new();
    loop {
        settle(&mut needs);
        let Some(circle) = circle(&needs, order) else { return circles };
        needs.retain(|thing, _| !circle.contains(thing));
        circles.push(circle);
    }
}

/// Takes away, again and again, whatever needs nothing that is left.
fn settle<T: Copy + Eq + Hash>(needs: &mut Needs<T>) {
    loop {
        let is_free = |on: &HashSet<T>| !on.iter().any(|thing| needs.contains_key(thing));
        let free: Vec<T> = needs.iter().filter(|(_, on)| is_free(on)).map(|(thing, _)| *thing).collect();
        if free.is_empty() {
            return;
        }
        for thing in free {
            needs.remove(&thing);
        }
    }
}

/// Follows the needs from the first thing that is left until one is met again.
fn circle<T: Copy + Eq + Hash>(needs: &Needs<T>, order: &[T]) -> Option<Vec<T>> {
    let mut at = *order.iter().find(|thing| needs.contains_key(thing))?;
    let mut met = Vec::new();
    loop {
        if let Some(begin) = met.iter().position(|thing| *thing == at) {
            return Some(met.split_off(begin));
        }
        met.push(at);
        let on = needs.get(&at)?;
        at = *order.iter().find(|thing| on.contains(thing) && needs.contains_key(thing))?;
    }
}
