//! The faults: how often each occurs, and the incidents that do not belong to a certain call.

use std::sync::Arc;
use std::time::Duration;

use super::World;
use crate::simulation::dice::Dice;

/// In how many of a thousand cases each fault occurs. A case is a call, a task of a worker, or the moment for an
/// incident.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulation) struct Chances {
    /// A request is lost.
    pub(in crate::simulation) request_lost: usize,
    /// A request is late, so that others overtake it.
    pub(in crate::simulation) request_late: usize,
    /// A request arrives twice.
    pub(in crate::simulation) request_doubled: usize,
    /// An answer is lost.
    pub(in crate::simulation) answer_lost: usize,
    /// A server dies right before or after a write.
    pub(in crate::simulation) crash_at_write: usize,
    /// The store refuses a read or write.
    pub(in crate::simulation) store_refuses: usize,
    /// The store does a write, and says that it did not.
    pub(in crate::simulation) store_in_doubt: usize,
    /// The disk is full at a write, and for a while after.
    pub(in crate::simulation) disk_full: usize,
    /// The store is slow.
    pub(in crate::simulation) store_slow: usize,
    /// The topic refuses, hangs, or accepts a notice and does not say so.
    pub(in crate::simulation) topic: usize,
    /// S3 or DynamoDB refuses or hangs.
    pub(in crate::simulation) buckets: usize,
    /// A worker behaves badly.
    pub(in crate::simulation) worker: usize,
    /// An incident: a crash, a full disk, a database that is down, a jump of the clock.
    pub(in crate::simulation) incident: usize,
}

impl Chances {
    /// Chooses the chances. Each kind of fault is left out for about half of the seeds, so that others occur alone.
    pub(in crate::simulation) fn new(dice: &Dice) -> Self {
        let some = |most: usize| if dice.chance(500) { dice.below(most) } else { 0 };
        Self {
            request_lost: some(150),
            request_late: some(150),
            request_doubled: some(150),
            answer_lost: some(150),
            crash_at_write: some(30),
            store_refuses: some(60),
            store_in_doubt: some(60),
            disk_full: some(40),
            store_slow: some(200),
            topic: some(600),
            buckets: some(400),
            worker: some(1_000),
            incident: some(1_000),
        }
    }
}

/// A fault that does not belong to a certain call.
#[derive(Clone, Copy, Debug)]
enum Incident {
    Crash,
    Stop,
    DiskFull,
    DatabaseDown,
    ClockForward,
    ClockBack,
    /// Harmless: a file arrives that preconditions check.
    KeyArrives,
    /// Harmless: the memory of a server is compared with the store.
    Compare,
}

const INCIDENTS: [Incident; 9] = [
    Incident::Crash,
    Incident::Stop,
    Incident::DiskFull,
    Incident::DatabaseDown,
    Incident::ClockForward,
    Incident::ClockBack,
    Incident::KeyArrives,
    Incident::KeyArrives,
    Incident::Compare,
];

/// Makes incidents now and then until all faults end.
pub(in crate::simulation) async fn make_incidents(world: Arc<World>) {
    while !world.is_calm() {
        tokio::time::sleep(world.dice.seconds(20, 1_200)).await;
        if world.is_calm() {
            return;
        }
        let kind = *world.dice.one_of(&INCIDENTS);
        let is_harmless = matches!(kind, Incident::KeyArrives | Incident::Compare);
        if is_harmless || world.dice.chance(world.chances().incident) {
            make_incident(&world, kind).await;
        }
    }
}

async fn make_incident(world: &Arc<World>, kind: Incident) {
    let server = world.dice.below(world.servers());
    match kind {
        Incident::Crash => world.crash(server, "by itself"),
        Incident::Stop => world.stop(server),
        Incident::DiskFull => world.fill_disk().await,
        Incident::DatabaseDown => {
            world.note("fault: database down", String::new());
            world.set_database(false);
            tokio::time::sleep(world.dice.seconds(1, 600)).await;
            world.set_database(true);
            world.line("the database is up again".to_owned());
        }
        Incident::ClockForward => {
            let jump = world.dice.seconds(1, 7_200);
            world.note("fault: clock forward", format!("{jump:?}"));
            world.move_clock(i64::try_from(jump.as_millis()).unwrap_or_default());
        }
        Incident::ClockBack => {
            let jump = world.dice.seconds(1, 900);
            world.note("fault: clock back", format!("{jump:?}"));
            world.move_clock(-i64::try_from(jump.as_millis()).unwrap_or_default());
        }
        Incident::KeyArrives => world.put_key(world.dice.below(2)),
        Incident::Compare => {
            let compared = super::server::compare_with_store(world, server);
            // The comparison waits for the lock of each pipeline. If a lock is never released, another rule fails.
            let _ = tokio::time::timeout(Duration::from_secs(60), compared).await;
        }
    }
}
