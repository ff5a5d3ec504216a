//! Whole systems in one thread, from a seed: the real operations, driver, engine and SQL, in a world that is not kind.
//!
//! Time is tokio's paused clock, so hours pass in moments, and all chance is the seed's: a seed that breaks a rule breaks
//! it again. Servers die at any write, requests are lost, doubled and late, the clock jumps, the disk is full and the
//! database down, task runners hang and come back. After every write the [`judge`] reads what is on the disk; in the end
//! all trouble stops, and then every run must end. `docs/simulation.md` says how to read a failure.

mod definitions;
mod dice;
mod disk;
mod edges;
mod faults;
mod judge;
mod log;
mod network;
mod operator;
mod server;
mod tests;
mod trace;
mod worker;
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Once};
use std::time::Duration;

use store::Store as _;
use tokio::task::JoinSet;

use dice::Dice;
use faults::Chances;
use world::{CrashAt, Lie, World};

/// How long after all trouble is over everything must have ended; the longest schedule takes two days.
const MOST_DAYS: u32 = 4;
/// How often it is looked whether everything has.
const LOOK: Duration = Duration::from_secs(600);

/// What is simulated.
#[derive(Clone, Copy, Debug)]
struct Plot {
    seed: u64,
    servers: usize,
    /// Nothing goes wrong by chance.
    is_quiet: bool,
    crash_at: Option<CrashAt>,
    /// What the store does behind everybody's back.
    lie: Option<Lie>,
    is_loud: bool,
}

/// What a simulation that broke no rule was like.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    /// Lines of the trace, and a digest of them.
    mark: (u64, u64),
    writes: u64,
    counts: BTreeMap<String, u64>,
}

impl Plot {
    fn new(seed: u64) -> Self {
        // Every third one has several servers on one database.
        let servers = if seed.is_multiple_of(3) { 3 } else { 1 };
        Self { seed, servers, is_quiet: false, crash_at: None, lie: None, is_loud: false }
    }

    /// Plays it; an error says which rule was broken, and what happened before.
    fn play(self) -> Result<Report, String> {
        self.play_with(|_| ())
    }

    /// Plays it, with something else going on beside.
    fn play_with(self, beside: impl FnOnce(Arc<World>)) -> Result<Report, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime of our own");
        note_panics();
        runtime.block_on(async {
            let dice = Dice::new(self.seed);
            let chances = if self.is_quiet { Chances::default() } else { Chances::new(&dice) };
            let world = World::new(dice, chances, self);
            world.trace().is_loud = self.is_loud;
            let _listening = tracing::subscriber::set_default(log::Listener(Arc::clone(&world)));
            beside(Arc::clone(&world));
            tokio::select! {
                biased;
                () = world.stopped.cancelled() => {}
                () = live(&world, self.is_quiet) => {}
            }
            if let Some(panic) = PANICS.take() {
                world.accuse(format!("panic: {panic}"));
            }
            let trace = world.trace();
            match world.violation() {
                Some(text) => Err(format!("{text}\nwhat happened before:\n{}", trace.tail())),
                None => {
                    let mut counts = trace.counts().clone();
                    let judge = world.judge();
                    let alarms = judge.alarms().iter();
                    counts.extend(alarms.map(|(kind, count)| (format!("alarm for {kind}"), *count)));
                    Ok(Report { mark: trace.mark(), writes: world.writes(), counts })
                }
            }
        })
    }
}

thread_local! {
    /// What panicked on this thread: tokio catches it.
    static PANICS: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn note_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with_borrow_mut(|noted| {
                noted.get_or_insert_with(|| panic.to_string());
            });
            usual(panic);
        }));
    });
    PANICS.take();
}

/// Trouble first, then calm until everything has ended.
async fn live(world: &Arc<World>, is_quiet: bool) {
    for number in 0..world.servers() {
        world.boot(number);
    }
    let workers = 2 + world.dice.below(4);
    for number in 0..workers {
        tokio::spawn(worker::work(Arc::clone(world), number));
    }
    let mut operators = JoinSet::new();
    for number in 0..1 + world.dice.below(2) {
        let deeds = if is_quiet { 0 } else { world.dice.below(12) };
        operators.spawn(operator::operate(Arc::clone(world), number, deeds));
    }
    if !is_quiet {
        tokio::spawn(faults::make_trouble(Arc::clone(world)));
    }
    tokio::time::sleep(world.dice.seconds(1_800, 18_000)).await;
    world.calm_down();
    while operators.join_next().await.is_some() {}
    for _ in 0..MOST_DAYS * 24 * 6 {
        tokio::time::sleep(LOOK).await;
        if unfinished(world).await.is_none() {
            let closed = world.judge().close();
            return world.check(closed);
        }
    }
    if let Some(text) = unfinished(world).await {
        world.accuse(format!("{MOST_DAYS} days after all trouble this has not ended: {text}"));
    }
}

/// Says what is still to come.
async fn unfinished(world: &World) -> Option<String> {
    let unfinished = world.judge().unfinished();
    if unfinished.is_some() {
        return unfinished;
    }
    let notices = world.disk.pending_notices().await.expect("the disk reads");
    if let Some(notice) = notices.first() {
        return Some(format!("notice {} is not published", notice.id));
    }
    let pipelines = world.judge().pipelines();
    for id in pipelines {
        let pipeline = world.disk.pipeline(&id).await.expect("the disk reads");
        let next = pipeline.and_then(|pipeline| pipeline.next_run);
        if let Some(next) = next {
            return Some(format!("{id} has a run to come, due at {}", next.due));
        }
    }
    None
}
