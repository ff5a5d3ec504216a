//! What may go wrong, how often, and the troublemaker who brings about what comes at no particular call.

use std::sync::Arc;
use std::time::Duration;

use super::dice::Dice;
use super::world::World;

/// In how many of a thousand calls something goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chances {
    /// A request that does not arrive.
    pub(super) request_lost: usize,
    /// One that arrives late, so that others overtake it.
    pub(super) request_late: usize,
    /// One that arrives twice.
    pub(super) request_doubled: usize,
    /// An answer that does not arrive.
    pub(super) answer_lost: usize,
    /// A server that dies right before or after a write.
    pub(super) crash_at_write: usize,
    /// A write or read that is refused.
    pub(super) store_refuses: usize,
    /// A write that took place, and the answer says it did not.
    pub(super) store_in_doubt: usize,
    /// A disk that is full just when something is written, and for a while after.
    pub(super) disk_full: usize,
    /// A store that takes its time.
    pub(super) store_slow: usize,
    /// A topic that refuses, hangs, or takes a notice and does not say so.
    pub(super) topic: usize,
    /// Buckets that refuse or hang.
    pub(super) buckets: usize,
    /// A worker that does not do what it should.
    pub(super) worker: usize,
    /// What happens now and then: crashes, full disks, a database that is down, jumps of the clock.
    pub(super) mischief: usize,
}

impl Chances {
    /// Makes up how bad it is: every seed leaves out some kinds, so that others are seen alone.
    pub(super) fn new(dice: &Dice) -> Self {
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
            mischief: some(1_000),
        }
    }
}

/// Ways in which the troublemaker interferes.
#[derive(Clone, Copy, Debug)]
enum Mischief {
    Crash,
    Stop,
    DiskFull,
    DatabaseDown,
    ClockForward,
    ClockBack,
    /// No harm: a file arrives that preconditions look for.
    KeyArrives,
    /// No harm: what servers remember is compared with what is stored.
    Compare,
}

const KINDS: [Mischief; 9] = [
    Mischief::Crash,
    Mischief::Stop,
    Mischief::DiskFull,
    Mischief::DatabaseDown,
    Mischief::ClockForward,
    Mischief::ClockBack,
    Mischief::KeyArrives,
    Mischief::KeyArrives,
    Mischief::Compare,
];

/// Interferes now and then until the world is calm.
pub(super) async fn make_trouble(world: Arc<World>) {
    while !world.is_calm() {
        tokio::time::sleep(world.dice.seconds(20, 1_200)).await;
        if world.is_calm() {
            return;
        }
        let kind = *world.dice.one_of(&KINDS);
        let is_harmless = matches!(kind, Mischief::KeyArrives | Mischief::Compare);
        if is_harmless || world.dice.chance(world.chances().mischief) {
            interfere(&world, kind).await;
        }
    }
}

async fn interfere(world: &Arc<World>, kind: Mischief) {
    let server = world.dice.below(world.servers());
    match kind {
        Mischief::Crash => world.crash(server, "by itself"),
        Mischief::Stop => world.stop(server),
        Mischief::DiskFull => fill_disk(world).await,
        Mischief::DatabaseDown => {
            world.note("fault: database down", String::new());
            world.set_database(false);
            tokio::time::sleep(world.dice.seconds(1, 600)).await;
            world.set_database(true);
            world.line("the database is up again".to_owned());
        }
        Mischief::ClockForward => {
            let jump = world.dice.seconds(1, 7_200);
            world.note("fault: clock forward", format!("{jump:?}"));
            world.move_clock(i64::try_from(jump.as_millis()).unwrap_or_default());
        }
        Mischief::ClockBack => {
            let jump = world.dice.seconds(1, 900);
            world.note("fault: clock back", format!("{jump:?}"));
            world.move_clock(-i64::try_from(jump.as_millis()).unwrap_or_default());
        }
        Mischief::KeyArrives => world.put_key(world.dice.below(2)),
        Mischief::Compare => {
            let compared = super::server::compare_with_store(world, server);
            // Whoever holds a pipeline for so long is in trouble of another kind.
            let _ = tokio::time::timeout(Duration::from_secs(60), compared).await;
        }
    }
}

/// Leaves next to no room on the disk for a while.
pub(super) async fn fill_disk(world: &World) {
    let bytes = if world.dice.chance(300) { 8_192 } else { 0 };
    world.note("fault: disk full", format!("{bytes} bytes are left"));
    world.limit_disk(Some(bytes)).await;
    tokio::time::sleep(world.dice.seconds(60, 1_800)).await;
    world.limit_disk(None).await;
    world.line("there is room on the disk again".to_owned());
}
