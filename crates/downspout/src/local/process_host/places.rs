//! The places of a host, each for one worker, and the order in which resources get them.
//!
//! A party gets all of its places at once. If two parties each had a part of their places, each could wait for ever for the
//! places of the other. The oldest party comes first, and no younger party gets places before it. Otherwise a large party could
//! wait for ever while small parties take every free place.

use std::collections::{BTreeMap, BTreeSet};

use engine::{InstanceId, PipelineId};
use jiff::Timestamp;
use server::host::{Resource, ResourceId};

/// The places of a host.
pub(super) struct Places {
    most: usize,
    claims: BTreeMap<(PipelineId, InstanceId), Claim>,
}

/// The places that a party has or waits for.
struct Claim {
    size: usize,
    since: Timestamp,
    /// The resources that asked for a place and still exist. While one of them exists, the party keeps all its places.
    members: BTreeSet<ResourceId>,
    is_granted: bool,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { most, claims: BTreeMap::new() }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Asks for a place for a resource. The place stays taken until the whole party of the resource has [left](Self::leave).
    ///
    /// # Errors
    ///
    /// If the resource has to wait, or if its party is too large for the host. The error is a sentence for users.
    pub(super) fn ask(&mut self, resource: &Resource) -> Result<(), String> {
        let key = (resource.id.pipeline.clone(), resource.party.first.clone());
        let (size, since) = (resource.party.size, resource.since);
        let new = || Claim { size, since, members: BTreeSet::new(), is_granted: false };
        let is_new = !self.claims.contains_key(&key);
        self.claims.entry(key.clone()).or_insert_with(new).members.insert(resource.id.clone());
        if is_new {
            self.grant();
        }
        if self.claims.get(&key).is_some_and(|claim| claim.is_granted) {
            return Ok(());
        }
        let most = self.most;
        if size > most {
            return Err(format!("needs {size} places at once, and the host has {most} (up --resources)"));
        }
        let wanted = if size == 1 { "a place".to_owned() } else { format!("{size} places at once") };
        let run = if most == 1 { "1 resource runs".to_owned() } else { format!("{most} resources run") };
        Err(format!("waits for {wanted}, because at most {run} at a time (up --resources)"))
    }

    /// Removes a resource that no longer exists. Returns whether waiting parties got places now.
    pub(super) fn leave(&mut self, id: &ResourceId) -> bool {
        self.claims.retain(|(pipeline, _), claim| {
            !(*pipeline == id.pipeline && claim.members.remove(id) && claim.members.is_empty())
        });
        self.grant()
    }

    /// Gives free places to the waiting parties, oldest first, and stops at the first party for which too few places are free.
    ///
    /// Returns whether a party got its places.
    fn grant(&mut self) -> bool {
        let mut are_given = false;
        loop {
            let taken: usize =
                self.claims.values().filter(|claim| claim.is_granted).map(|claim| claim.size).sum();
            let free = self.most.saturating_sub(taken);
            // A party that is too large for the host does not block the others.
            let waiting = self.claims.iter_mut().filter(|(_, it)| !it.is_granted && it.size <= self.most);
            let oldest = waiting.min_by(|(id, one), (other_id, other)| {
                one.since.cmp(&other.since).then_with(|| id.cmp(other_id))
            });
            match oldest {
                Some((_, claim)) if claim.size <= free => claim.is_granted = true,
                Some(_) | None => return are_given,
            }
            are_given = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use definition::PipelineObject;
    use definition::kind::Kind;
    use engine::{Party, WorkerGroup};
    use sigv4::Credentials;

    use super::*;

    /// Returns the machine `name` of a party of `size` in `pipeline`, wanted since the second `since`.
    fn machine(pipeline: &str, name: &str, size: usize, since: i64) -> Resource {
        let attempt = format!("@{name}_2030-01-31T22:00:00_Attempt=1");
        Resource {
            id: ResourceId { pipeline: pipeline.into(), attempt: attempt.as_str().into() },
            kind: Kind::Ec2Resource,
            worker_group: WorkerGroup::from("g"),
            party: Party { first: "@One_2030-01-31T22:00:00".into(), size },
            since: Timestamp::from_second(since).expect("a time"),
            object: PipelineObject { id: name.into(), name: name.to_owned(), fields: vec![] },
            tags: Vec::new(),
            credentials: Credentials { access_key_id: String::new(), secret_access_key: String::new() },
        }
    }

    #[test]
    fn a_party_gets_all_of_its_places_or_none() {
        // Each run asks for one machine and then for a second one. If parties did not get all their places at once, the runs
        // would wait for each other for ever.
        let mut places = Places::new(4);
        let runs: Vec<_> = (0..5).map(|number| format!("df-{number}")).collect();
        let mut open: VecDeque<_> = runs.iter().map(|run| (run, "One")).collect();
        let mut ended = 0;
        for _ in 0..100 {
            let Some((run, name)) = open.pop_front() else { break };
            match (places.ask(&machine(run, name, 2, 0)), name) {
                (Ok(()), "One") => open.push_back((run, "Two")),
                (Ok(()), _) => {
                    places.leave(&machine(run, "Two", 2, 0).id);
                    places.leave(&machine(run, "One", 2, 0).id);
                    ended += 1;
                }
                (Err(_), _) => open.push_back((run, name)),
            }
            let running = places.claims.values().filter(|claim| claim.is_granted).count();
            assert!(running <= 2, "of two places each");
        }
        assert_eq!(ended, 5);
    }

    #[test]
    fn places_go_to_the_oldest_party_and_no_party_overtakes_a_large_party() {
        let mut places = Places::new(2);
        let first = machine("df-z", "One", 1, 1);
        assert_eq!(places.ask(&first), Ok(()));
        let waits = "waits for 2 places at once, because at most 2 resources run at a time (up --resources)";
        assert_eq!(places.ask(&machine("df-y", "One", 2, 2)), Err(waits.to_owned()));
        let late = machine("df-a", "One", 1, 3);
        let waits = "waits for a place, because at most 2 resources run at a time (up --resources)";
        assert_eq!(places.ask(&late), Err(waits.to_owned()));
        assert!(places.leave(&first.id));
        assert_eq!(places.ask(&machine("df-y", "One", 2, 2)), Ok(()));
        assert!(places.ask(&late).is_err());
        assert!(!places.leave(&first.id), "gone before");
        assert!(places.leave(&machine("df-y", "One", 2, 2).id));
        assert_eq!(places.ask(&late), Ok(()));
    }

    #[test]
    fn a_resource_that_stops_waiting_leaves_the_queue() {
        let mut places = Places::new(1);
        let (first, second, third) =
            (machine("df-1", "One", 1, 1), machine("df-2", "One", 1, 2), machine("df-3", "One", 1, 3));
        assert_eq!(places.ask(&first), Ok(()));
        assert!(places.ask(&second).is_err() && places.ask(&third).is_err());
        assert!(!places.leave(&second.id));
        assert!(places.leave(&first.id));
        assert_eq!(places.ask(&third), Ok(()));
    }

    #[test]
    fn a_party_with_too_many_machines_is_refused_and_blocks_nobody() {
        let mut places = Places::new(1);
        let needs = "needs 2 places at once, and the host has 1 (up --resources)";
        assert_eq!(places.ask(&machine("df-1", "One", 2, 1)), Err(needs.to_owned()));
        assert_eq!(places.ask(&machine("df-2", "One", 1, 2)), Ok(()));
        let waits = "waits for a place, because at most 1 resource runs at a time (up --resources)";
        assert_eq!(places.ask(&machine("df-3", "One", 1, 3)), Err(waits.to_owned()));
    }
}
