//! Simulates whole systems in one thread, from a seed: the real operations, driver, engine and SQL, with faults in
//! everything around them.
//!
//! Time is tokio's paused clock, so hours pass in moments. All chance follows from the seed, so a seed that breaks a
//! rule breaks it again. Servers die at any write; requests are lost, doubled and late; the clock jumps; the disk is
//! full; the database is down; task runners hang and come back. After every write, the [`world::judge`] reads the disk and
//! checks the rules. In the end all faults stop, and then every run must end. `docs/simulation.md` explains how to read
//! a failure.

mod definitions;
mod dice;
mod log;
mod network;
mod operator;
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
use world::faults::{self, Chances};
use world::{CrashAt, StoreLie, World};

/// The number of days after the last fault within which every run must end. The longest schedule takes two days.
const MOST_DAYS: u32 = 4;
/// How often the simulation checks whether every run has ended.
const CHECK_EVERY: Duration = Duration::from_secs(600);

/// The settings of a simulation.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    seed: u64,
    servers: usize,
    /// Whether no faults occur by chance, and each operator only puts and activates a definition.
    is_quiet: bool,
    crash_at: Option<CrashAt>,
    /// How the store deceives the servers.
    lie: Option<StoreLie>,
    /// Whether the lines of the trace are printed.
    prints_trace: bool,
}

/// The result of a simulation that broke no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    /// The number of lines in the trace, and a digest of them.
    mark: (u64, u64),
    writes: u64,
    counts: BTreeMap<String, u64>,
}

impl Scenario {
    fn new(seed: u64) -> Self {
        // Every third seed has several servers on one database.
        let servers = if seed.is_multiple_of(3) { 3 } else { 1 };
        Self { seed, servers, is_quiet: false, crash_at: None, lie: None, prints_trace: false }
    }

    /// Runs the simulation. An error names the rule that was broken, with the last lines of the trace.
    fn play(self) -> Result<Report, String> {
        self.play_with(|_| ())
    }

    /// Runs the simulation. Calls `beside` at the start, which may spawn tasks that run beside the simulation.
    fn play_with(self, beside: impl FnOnce(Arc<World>)) -> Result<Report, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("building a runtime");
        note_panics();
        runtime.block_on(async {
            let dice = Dice::new(self.seed);
            let chances = if self.is_quiet { Chances::default() } else { Chances::new(&dice) };
            let world = World::new(dice, chances, self);
            world.trace().prints_trace = self.prints_trace;
            let _listening = tracing::subscriber::set_default(log::Listener(Arc::clone(&world)));
            beside(Arc::clone(&world));
            tokio::select! {
                biased;
                () = world.stopped.cancelled() => {}
                () = simulate(&world, self.is_quiet) => {}
            }
            if let Some(panic) = PANICS.take() {
                world.rule_broken(format!("panic: {panic}"));
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
    /// The first panic on this thread. tokio catches panics of tasks.
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

/// Simulates a time with faults, then a time without faults until every run has ended.
async fn simulate(world: &Arc<World>, is_quiet: bool) {
    for number in 0..world.servers() {
        world.boot(number);
    }
    let workers = 2 + world.dice.below(4);
    for number in 0..workers {
        tokio::spawn(worker::work(Arc::clone(world), number));
    }
    let mut operators = JoinSet::new();
    for number in 0..1 + world.dice.below(2) {
        let actions = if is_quiet { 0 } else { world.dice.below(12) };
        operators.spawn(operator::operate(Arc::clone(world), number, actions));
    }
    if !is_quiet {
        tokio::spawn(faults::make_incidents(Arc::clone(world)));
    }
    tokio::time::sleep(world.dice.seconds(1_800, 18_000)).await;
    world.calm_down();
    while operators.join_next().await.is_some() {}
    for _ in 0..MOST_DAYS * 24 * 6 {
        tokio::time::sleep(CHECK_EVERY).await;
        if unfinished(world).await.is_none() {
            let closed = world.judge().close();
            return world.check(closed);
        }
    }
    if let Some(text) = unfinished(world).await {
        world.rule_broken(format!("{MOST_DAYS} days after the last fault this has not ended: {text}"));
    }
}

/// Returns a text that names the work that has not ended yet: runs, a pending notice, or a scheduled run that is to come.
/// Returns `None` if everything has ended.
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
