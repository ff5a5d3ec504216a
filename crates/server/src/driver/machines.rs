//! Brings together what runs want of machines and what the host has.
//!
//! Every machine that a run wants, or had, is known here by its id and looked at when the run moved on, when the host
//! may have, and when a look failed. A look compares and acts: it decides nothing, so it may happen twice, late, or by a
//! service that was just started.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use definition::kind::Kind;
use engine::{AttemptId, Event, Party, resource};
use tokio::sync::Notify;
use tokio::task::{self, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Driver, Live, StepError, unraced};
use crate::error::ServiceError;
use crate::host::{Host, Resource, ResourceId, Standing};

/// Looks under way at once: a host may be slow, but one that is slow with a few is not asked for hundreds.
const MOST_AT_ONCE: usize = 16;
/// A host answers within this time, or is asked again.
const HOST_WAIT: Duration = Duration::from_secs(60);
/// What failed is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The machines that are seen to.
#[derive(Default)]
pub(super) struct Machines {
    known: Mutex<Known>,
    noted: Notify,
}

#[derive(Default)]
struct Known {
    cares: BTreeMap<ResourceId, Care>,
    /// How often some became due.
    turns: u64,
}

/// When a machine is looked at next.
#[derive(Default)]
struct Care {
    is_under_way: bool,
    /// The turn in which it became due: who waits longest is looked at first, whatever its name.
    due: Option<u64>,
    /// It is RUNNING for its run: what the host may have lost at a restart is made good before anything new is made.
    is_first: bool,
    again: Option<Instant>,
    /// It never changes, and is dear to find out in a large run.
    party: Option<Party>,
}

/// What follows a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It is gone, and nobody wants it.
    Forget,
    /// Another look once something has changed.
    Wait,
    /// Another look soon: this one failed.
    Again,
}

/// What a run wants of a machine.
enum Wanted {
    /// To be there.
    There(Box<Resource>),
    /// To be ended, and to be told of.
    Ended,
    /// Nothing: it is over for the run, if there still is one.
    Nothing,
}

impl Machines {
    fn note(&self, id: ResourceId) {
        self.lock().note(id);
        self.noted.notify_one();
    }

    fn note_first(&self, id: ResourceId) {
        self.lock().note(id).is_first = true;
        self.noted.notify_one();
    }

    fn all_due(&self) {
        let mut known = self.lock();
        let turn = known.next_turn();
        known.cares.values_mut().for_each(|care| care.due = care.due.or(Some(turn)));
    }

    /// Takes up to `most` machines that are to be looked at now.
    fn take(&self, most: usize, now: Instant) -> Vec<ResourceId> {
        let mut known = self.lock();
        let some_go_first = known.cares.values().any(|care| care.is_first);
        let turn = |care: &Care| {
            // What failed is late already.
            let failed = care.again.filter(|at| *at <= now).map(|_| 0);
            let due = failed.or(care.due).filter(|_| !care.is_under_way);
            due.filter(|_| care.is_first == some_go_first)
        };
        let due = known.cares.iter_mut().filter_map(|(id, care)| Some((turn(care)?, id, care)));
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(turn, ..)| *turn);
        let taken = due.into_iter().take(most).map(|(_, id, care)| {
            (care.is_under_way, care.due, care.again) = (true, None, None);
            id.clone()
        });
        taken.collect()
    }

    fn looked(&self, id: &ResourceId, next: Next, now: Instant) {
        let mut known = self.lock();
        let Some(care) = known.cares.get_mut(id) else { return };
        (care.is_under_way, care.is_first) = (false, false);
        match next {
            // Noted meanwhile: somebody wants it looked at once more.
            Next::Forget if care.due.is_none() => {
                known.cares.remove(id);
            }
            Next::Forget | Next::Wait => {}
            Next::Again => care.again = Some(now + TRY_AGAIN),
        }
    }

    fn next_try(&self) -> Option<Instant> {
        self.lock().cares.values().filter_map(|care| care.again).min()
    }

    /// Returns the party of a machine, which `find` finds out once.
    fn party(&self, id: &ResourceId, find: impl FnOnce() -> Option<Party>) -> Option<Party> {
        let known = self.lock().cares.get(id).and_then(|care| care.party.clone());
        let party = known.or_else(find);
        if let Some(care) = self.lock().cares.get_mut(id) {
            care.party.clone_from(&party);
        }
        party
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every critical section here leaves the map as good as before.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn note(&mut self, id: ResourceId) -> &mut Care {
        let turn = self.next_turn();
        let care = self.cares.entry(id).or_default();
        care.due.get_or_insert(turn);
        care
    }

    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}

impl Driver {
    /// Has the machine of an attempt looked at.
    pub(super) fn note_machine(&self, live: &Live, attempt: &AttemptId) {
        let id = ResourceId { pipeline: live.pipeline.id.clone(), attempt: attempt.clone() };
        self.machines.note(id);
    }

    /// Has every machine of the pipeline looked at: it was loaded, or it is no more.
    pub(crate) fn note_machines(&self, live: &Live) {
        for attempt in live.open_runs().flat_map(engine::Run::machines) {
            let id = ResourceId { pipeline: live.pipeline.id.clone(), attempt: attempt.id.clone() };
            match attempt.machine() {
                Some(resource::Status::Running { .. }) => self.machines.note_first(id),
                _ => self.machines.note(id),
            }
        }
    }

    /// Has `host` make, keep and end machines as runs want it, until `shutdown`.
    pub(crate) async fn keep_machines(
        self: Arc<Self>,
        host: Option<Arc<dyn Host>>,
        shutdown: CancellationToken,
    ) {
        let Some(host) = host else {
            return self.see_to_nothing(shutdown).await;
        };
        let mut looks = Looks::default();
        let mut changed = host.changed();
        // What it has from before: a service that is no more may have asked for it, for a pipeline that is no more.
        let mut found = false;
        loop {
            if !found {
                found = self.find_existing(&*host).await;
            }
            let now = Instant::now();
            for id in self.machines.take(MOST_AT_ONCE - looks.tasks.len(), now) {
                looks.begin(Arc::clone(&self), Arc::clone(&host), id);
            }
            let again = if found { self.machines.next_try() } else { Some(now + TRY_AGAIN) };
            tokio::select! {
                () = shutdown.cancelled() => return,
                (id, next) = looks.one_ended() => self.machines.looked(&id, next, Instant::now()),
                () = self.machines.noted.notified() => {}
                () = &mut changed => {
                    changed = host.changed();
                    self.machines.all_due();
                }
                () = sleep_until(again) => {}
            }
        }
    }

    /// Where there is no host, what was loaded with machines (another server has one) must not gather here.
    async fn see_to_nothing(&self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.machines.noted.notified() => self.machines.lock().cares.clear(),
            }
        }
    }

    async fn find_existing(&self, host: &dyn Host) -> bool {
        match within(host.existing()).await {
            Ok(existing) => {
                existing.into_iter().for_each(|id| self.machines.note(id));
                true
            }
            Err(error) => {
                tracing::warn!("the host does not tell which resources it has, asking again: {error:#}");
                false
            }
        }
    }

    async fn see_to(&self, host: &dyn Host, id: &ResourceId) -> anyhow::Result<Next> {
        match self.wanted(id).await? {
            Wanted::There(resource) => {
                let attempt = id.attempt.clone();
                let event = match within(host.create(&resource)).await? {
                    Standing::Creating(fields) => Event::ResourceReported { attempt, fields },
                    Standing::Running(fields) => Event::ResourceCreated { attempt, fields },
                    Standing::Gone(reason) => Event::ResourceGone { attempt, reason },
                };
                unraced!(self.tell(id, event.clone()))?;
                Ok(Next::Wait)
            }
            Wanted::Ended => {
                if !within(host.terminate(id)).await? {
                    return Ok(Next::Wait);
                }
                let (attempt, reason) = (id.attempt.clone(), "it was ended".to_owned());
                let gone = Event::ResourceGone { attempt, reason };
                unraced!(self.tell(id, gone.clone()))?;
                Ok(Next::Forget)
            }
            Wanted::Nothing if within(host.terminate(id)).await? => Ok(Next::Forget),
            Wanted::Nothing => Ok(Next::Wait),
        }
    }

    async fn wanted(&self, id: &ResourceId) -> anyhow::Result<Wanted> {
        let held = match self.hold(id.pipeline.as_str()).await {
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => {
                return Ok(Wanted::Nothing);
            }
            held => held?,
        };
        // Runs that have ended are not in memory: nothing of theirs is left.
        let Some(run) = self.run_of(&held, id.attempt.as_str()).await? else { return Ok(Wanted::Nothing) };
        let Some(run) = held.run(&run) else { return Ok(Wanted::Nothing) };
        let attempt = run.attempt(&id.attempt);
        let Some((attempt, machine)) = attempt.and_then(|it| Some((it, it.machine()?))) else {
            return Ok(Wanted::Nothing);
        };
        match machine {
            resource::Status::Creating { .. } | resource::Status::Running { .. } => {
                let object = run.machine_object(&id.attempt);
                let wanted = object.and_then(|object| {
                    let (worker_group, kind) = (attempt.group.clone(), Kind::of(&object)?);
                    let party = self.machines.party(id, || run.party_of(&attempt.instance))?;
                    Some(Resource {
                        id: id.clone(),
                        kind,
                        worker_group,
                        party,
                        since: attempt.created,
                        object,
                    })
                });
                Ok(wanted.map_or(Wanted::Nothing, |resource| Wanted::There(Box::new(resource))))
            }
            resource::Status::ShuttingDown { .. } => Ok(Wanted::Ended),
            resource::Status::Finished
            | resource::Status::Failed(_)
            | resource::Status::TimedOut
            | resource::Status::Canceled => Ok(Wanted::Nothing),
        }
    }

    async fn tell(&self, id: &ResourceId, event: Event) -> anyhow::Result<()> {
        let mut held = match self.hold(id.pipeline.as_str()).await {
            // Deleted meanwhile; whoever did has it looked at.
            Err(ServiceError::PipelineNotFound(_) | ServiceError::PipelineDeleted(_)) => return Ok(()),
            held => held?,
        };
        let Some(run) = self.run_of(&held, id.attempt.as_str()).await? else { return Ok(()) };
        match self.step(&mut held, &run, event).await {
            // The run moved on meanwhile, and has it looked at.
            Ok(_) | Err(StepError::Illegal(_) | StepError::NoRun(_)) => Ok(()),
            Err(StepError::Store(error)) => Err(error.into()),
        }
    }
}

/// The looks under way.
#[derive(Default)]
struct Looks {
    tasks: JoinSet<Next>,
    of: HashMap<task::Id, ResourceId>,
}

impl Looks {
    fn begin(&mut self, driver: Arc<Driver>, host: Arc<dyn Host>, id: ResourceId) {
        let of = id.clone();
        let task = self.tasks.spawn(async move {
            let looked = driver.see_to(&*host, &id).await;
            looked.unwrap_or_else(|error| {
                tracing::warn!(resource.id = %id, "a resource cannot be seen to, trying again: {error:#}");
                Next::Again
            })
        });
        self.of.insert(task.id(), of);
    }

    /// Waits until a look is over; for ever when none is under way.
    async fn one_ended(&mut self) -> (ResourceId, Next) {
        loop {
            let (task, next) = match self.tasks.join_next_with_id().await {
                Some(Ok(ended)) => ended,
                Some(Err(panic)) => {
                    tracing::error!("a look at a resource broke down: {panic}");
                    (panic.id(), Next::Again)
                }
                None => std::future::pending().await,
            };
            if let Some(id) = self.of.remove(&task) {
                return (id, next);
            }
        }
    }
}

async fn within<T>(asked: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let answered = tokio::time::timeout(HOST_WAIT, asked).await;
    answered.map_err(|_| anyhow::anyhow!("the host did not answer within {} s", HOST_WAIT.as_secs()))?
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ResourceId {
        ResourceId { pipeline: "df-1".into(), attempt: name.into() }
    }

    #[test]
    fn a_machine_is_looked_at_once_at_a_time_and_again_when_it_was_noted_meanwhile() {
        let (machines, now) = (Machines::default(), Instant::now());
        machines.note(id("a"));
        assert_eq!(machines.take(9, now), [id("a")]);
        machines.note(id("a"));
        assert_eq!(machines.take(9, now), []);
        machines.looked(&id("a"), Next::Forget, now);
        assert_eq!(machines.take(9, now), [id("a")], "it was noted after that look had begun");
        machines.looked(&id("a"), Next::Forget, now);
        machines.all_due();
        assert_eq!(machines.take(9, now), []);
    }

    #[test]
    fn what_is_in_use_is_made_good_before_anything_new_is_made() {
        let (machines, now) = (Machines::default(), Instant::now());
        machines.note(id("a"));
        machines.note_first(id("b"));
        assert_eq!(machines.take(9, now), [id("b")]);
        assert_eq!(machines.take(9, now), []);
        machines.looked(&id("b"), Next::Again, now);
        assert_eq!(machines.take(9, now), [id("a")]);
    }

    #[test]
    fn who_waits_longest_is_looked_at_first_and_no_name_always_wins() {
        let (machines, now) = (Machines::default(), Instant::now());
        machines.note(id("b"));
        machines.note(id("a"));
        assert_eq!(machines.take(1, now), [id("b")]);
        machines.looked(&id("b"), Next::Wait, now);
        machines.all_due();
        assert_eq!(machines.take(1, now), [id("a")]);
        machines.looked(&id("a"), Next::Wait, now);
        machines.all_due();
        assert_eq!(machines.take(1, now), [id("b")]);
    }

    #[test]
    fn a_look_that_failed_is_repeated_after_a_pause() {
        let (machines, now) = (Machines::default(), Instant::now());
        machines.note(id("a"));
        machines.take(9, now);
        machines.looked(&id("a"), Next::Again, now);
        assert_eq!((machines.take(9, now), machines.next_try()), (vec![], Some(now + TRY_AGAIN)));
        assert_eq!(machines.take(9, now + TRY_AGAIN), [id("a")]);
        assert_eq!(machines.next_try(), None);
    }
}
