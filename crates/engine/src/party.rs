//! Parties: groups of resources that must all run at once.
//!
//! A resource stays until the last instance that runs on it is final. If one of those instances waits for work on a second
//! resource, both must run at the same time. Two such runs on a host with room for one resource each would wait for each
//! other for ever. A host with too few places therefore makes room for a whole party, or for none of its resources.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::ids::InstanceId;
use crate::instance::Role;
use crate::instance_index::InstanceIndex;
use crate::run::Run;

/// A group of resources of one run that must all run at once. Most parties are one resource alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party {
    /// The first resource of the party. It identifies the party among the parties of its run.
    pub first: InstanceId,
    /// The number of resources.
    pub size: usize,
}

impl Run {
    /// Returns the party of the resource instance `resource`; `None` if the run has no such resource.
    ///
    /// The answer never changes while the run is kept.
    #[must_use]
    pub fn party_of(&self, resource: &InstanceId) -> Option<Party> {
        let at = self.find(resource.as_str()).filter(|at| self[*at].role == Role::Resource)?;
        let party = self.parties().into_iter().find(|party| party.contains(&at))?;
        let first = self[*party.first()?].id.clone();
        Some(Party { first, size: party.len() })
    }

    /// Returns the resources of the largest party in order of creation; none if the run has no resources.
    #[must_use]
    pub fn largest_party(&self) -> Vec<&InstanceId> {
        let parties = self.parties();
        // The order is reversed, because `max_by_key` returns the last maximum, and the first of the largest parties counts.
        let largest = parties.iter().rev().max_by_key(|party| party.len());
        largest.into_iter().flatten().map(|at| &self[*at].id).collect()
    }

    /// Returns all parties, in the order of their first resources.
    fn parties(&self) -> Vec<BTreeSet<InstanceIndex>> {
        let mut parties: Vec<_> = self.resources().map(|resource| BTreeSet::from([resource])).collect();
        if parties.len() < 2 {
            return parties;
        }
        for (one, other) in self.pairs_that_must_run_together() {
            let party_of = |resource| {
                parties.iter().position(|party: &BTreeSet<InstanceIndex>| party.contains(&resource))
            };
            let (Some(one), Some(other)) = (party_of(one), party_of(other)) else { continue };
            if one != other {
                let joining = parties.remove(one.max(other));
                parties[one.min(other)].extend(joining);
            }
        }
        parties
    }

    /// Returns the pairs of resources that must run at once: one may run while an instance on it waits for work on the other.
    fn pairs_that_must_run_together(&self) -> BTreeSet<(InstanceIndex, InstanceIndex)> {
        let of_resource = |resource| self.users(resource).iter().map(move |user| (*user, resource));
        let on: BTreeMap<InstanceIndex, InstanceIndex> = self.resources().flat_map(of_resource).collect();
        let mut pairs = BTreeSet::new();
        for (user, resource) in &on {
            let mut waiting: BTreeMap<InstanceIndex, usize> = BTreeMap::new();
            for follower in self.followers(*user) {
                if let Some(other) = on.get(&follower).filter(|other| *other != resource) {
                    *waiting.entry(*other).or_default() += 1;
                }
            }
            // If all instances on the other resource wait for this user, the other resource is made only after the user is
            // final.
            let may_run = |(other, count): &(InstanceIndex, usize)| *count < self.users(*other).len();
            pairs.extend(waiting.into_iter().filter(may_run).map(|(other, _)| (*resource, other)));
        }
        pairs
    }

    /// Returns the instances that wait for the one at `at`, directly or through others.
    fn followers(&self, at: InstanceIndex) -> HashSet<InstanceIndex> {
        let mut seen = HashSet::new();
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            open.extend(self.consumers(at).iter().copied().filter(|follower| seen.insert(*follower)));
        }
        seen
    }
}
