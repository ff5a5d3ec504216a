//! Resources that have to be there at the same time for any of them to be done with: a party.
//!
//! A resource stays until the last that runs on it is over. Where one of those waits for work on another resource while
//! others keep the first one up, whoever has places for one of the two only would wait for ever beside others that do
//! the same. So a host that cannot make as many as are wanted makes room for a whole party or for none of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::ids::InstanceId;
use crate::run::Run;

/// Resources of one run that have to be there at the same time. Most are one alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party {
    /// The first of them, which tells the party from others of its run.
    pub first: InstanceId,
    /// How many they are.
    pub size: usize,
}

impl Run {
    /// Returns the party that the instance `resource` of a resource belongs to; `None` if it is none.
    ///
    /// It is the same as long as the run is kept, whatever happens in it.
    #[must_use]
    pub fn party_of(&self, resource: &InstanceId) -> Option<Party> {
        let place = self.index.get(resource)?;
        self.users.get(place)?;
        let parties = self.party_places();
        let party = parties.into_iter().find(|party| party.contains(place))?;
        self.party(&party)
    }

    /// Returns the resources of the largest party, in the order of their instances; nothing where nothing runs on one.
    #[must_use]
    pub fn largest_party(&self) -> Vec<&InstanceId> {
        let parties = self.party_places();
        // Of several that are as large, the first.
        let largest = parties.iter().rev().max_by_key(|party| party.len());
        largest.into_iter().flatten().map(|place| &self.instances[*place].id).collect()
    }

    fn party(&self, places: &BTreeSet<usize>) -> Option<Party> {
        let first = self.instances[*places.first()?].id.clone();
        Some(Party { first, size: places.len() })
    }

    /// The parties by the places of their resources, in the order of their first ones.
    fn party_places(&self) -> Vec<BTreeSet<usize>> {
        let mut parties: Vec<_> = self.users.keys().map(|place| BTreeSet::from([*place])).collect();
        if parties.len() < 2 {
            return parties;
        }
        for (one, other) in self.pairs_that_must_run_together() {
            let at = |place| parties.iter().position(|party: &BTreeSet<usize>| party.contains(&place));
            let (Some(one), Some(other)) = (at(one), at(other)) else { continue };
            if one != other {
                let joining = parties.remove(one.max(other));
                parties[one.min(other)].extend(joining);
            }
        }
        parties
    }

    /// The pairs of which one resource may be up while something that runs on it waits for work on the other.
    fn pairs_that_must_run_together(&self) -> BTreeSet<(usize, usize)> {
        let on: BTreeMap<usize, usize> = self
            .users
            .iter()
            .flat_map(|(resource, users)| users.places.iter().map(|user| (*user, *resource)))
            .collect();
        let mut pairs = BTreeSet::new();
        for (user, resource) in &on {
            let mut waiting: BTreeMap<usize, usize> = BTreeMap::new();
            for follower in self.followers(*user) {
                if let Some(other) = on.get(&follower).filter(|other| *other != resource) {
                    *waiting.entry(*other).or_default() += 1;
                }
            }
            // Where everything on the other one waits for it, the other one is not made before.
            let is_up = |(other, count): &(usize, usize)| *count < self.users[other].places.len();
            pairs.extend(waiting.into_iter().filter(is_up).map(|(other, _)| (*resource, other)));
        }
        pairs
    }

    /// The instances that wait for the one at `place`, be it in the end.
    fn followers(&self, place: usize) -> HashSet<usize> {
        let mut seen = HashSet::new();
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            open.extend(self.dependants[place].iter().copied().filter(|follower| seen.insert(*follower)));
        }
        seen
    }
}
