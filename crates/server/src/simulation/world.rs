//! The world of one simulation: its clock, its disk, its servers, its trace and its judge.

mod edges;
pub(super) mod faults;
mod faulty_store;
pub(super) mod judge;
pub(super) mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{NoticeId, WorkerGroup};
use jiff::{SignedDuration, Timestamp};
use store::SqliteStore;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Scenario;
use super::dice::Dice;
use super::trace::Trace;
use faults::Chances;
use judge::Judge;
use server::Server;

/// The time in milliseconds at which the clock of every simulation begins: 2030-03-17T17:46:40.
const BEGINNING: i64 = 1_900_000_000_000;
/// The limit of messages between servers that wait to be received.
const MOST_MESSAGES: usize = 64;
/// How long the claim of a server on a notice lasts.
const CLAIM: Duration = Duration::from_secs(30);
/// The limit of reads of the clock. It is far above what any seed needs, and ends a loop that never sleeps.
const MOST_CLOCK_READS: u64 = 2_000_000;
/// The keys that preconditions check.
const KEYS: [&str; 2] = ["landed", "filled/1"];

/// A crash at the write with this number, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct CrashAt {
    pub(super) write: u64,
    /// Whether the write is durable before the crash; otherwise the write is lost.
    pub(super) after: bool,
}

/// A way in which the store deceives the servers. The judge must notice each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreLie {
    /// The store acknowledges some saves without doing them.
    KeepsNothing,
    /// The store never returns pending notices.
    ForgetsNotices,
    /// The store never returns open runs.
    ForgetsOpenRuns,
}

/// A fault that a test plans for a certain call to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planned {
    /// The store refuses the call.
    Refusal,
    /// The store does the write, and says that it did not.
    Doubt,
}

/// The state that all parts of one simulation share.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) disk: SqliteStore,
    pub(super) stopped: CancellationToken,
    pub(super) crash_at: Option<CrashAt>,
    pub(super) lie: Option<StoreLie>,
    /// The messages between servers: worker groups with work to spare.
    pub(super) messages: broadcast::Sender<WorkerGroup>,
    begun: Instant,
    clock_reads: AtomicU64,
    offset_ms: AtomicI64,
    highest: Mutex<Timestamp>,
    jumped: Mutex<Option<Instant>>,
    chances: Mutex<Chances>,
    is_calm: AtomicBool,
    is_database_up: AtomicBool,
    writes: AtomicU64,
    created: AtomicU64,
    lives: AtomicU64,
    claims: Mutex<BTreeMap<NoticeId, (u64, Instant)>>,
    planned: Mutex<Vec<(Planned, &'static str)>>,
    keys: Mutex<BTreeSet<&'static str>>,
    trace: Mutex<Trace>,
    judge: Mutex<Judge>,
    servers: Mutex<Vec<Option<Server>>>,
    violation: Mutex<Option<String>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(dice: Dice, chances: Chances, scenario: Scenario) -> Arc<Self> {
        let beginning = Timestamp::from_millisecond(BEGINNING).expect("the constant is a time");
        Arc::new(Self {
            dice,
            disk: SqliteStore::in_memory_inline().expect("a database in memory opens"),
            stopped: CancellationToken::new(),
            crash_at: scenario.crash_at,
            lie: scenario.lie,
            messages: broadcast::Sender::new(MOST_MESSAGES),
            begun: Instant::now(),
            clock_reads: AtomicU64::new(0),
            offset_ms: AtomicI64::new(0),
            highest: Mutex::new(beginning),
            jumped: Mutex::default(),
            chances: Mutex::new(chances),
            is_calm: AtomicBool::new(false),
            is_database_up: AtomicBool::new(true),
            writes: AtomicU64::new(0),
            created: AtomicU64::new(0),
            lives: AtomicU64::new(0),
            claims: Mutex::default(),
            planned: Mutex::default(),
            keys: Mutex::default(),
            trace: Mutex::default(),
            judge: Mutex::default(),
            servers: Mutex::new((0..scenario.servers).map(|_| None).collect()),
            violation: Mutex::default(),
        })
    }

    /// Returns the time by the servers' clock.
    pub(super) fn now(&self) -> Timestamp {
        if self.clock_reads.fetch_add(1, Ordering::Relaxed) == MOST_CLOCK_READS {
            self.rule_broken("a loop reads the clock without end".to_owned());
        }
        let elapsed = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let millis = BEGINNING + elapsed + self.offset_ms.load(Ordering::Relaxed);
        let now = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        let mut highest = lock(&self.highest);
        *highest = now.max(*highest);
        now
    }

    /// Returns the latest time that the clock has ever shown.
    pub(super) fn highest(&self) -> Timestamp {
        self.now().max(*lock(&self.highest))
    }

    /// Moves the clock forward, or back if `millis` is negative.
    pub(super) fn move_clock(&self, millis: i64) {
        // Notes the latest time before the clock goes back.
        self.now();
        self.offset_ms.fetch_add(millis, Ordering::Relaxed);
        *lock(&self.jumped) = Some(Instant::now());
        for server in lock(&self.servers).iter().flatten() {
            // Some operating systems tell programs that the clock was set, others do not.
            if self.dice.chance(500) {
                server.clock_set.notify_one();
            }
        }
    }

    /// Returns whether the clock jumped within the last five minutes.
    pub(super) fn has_jumped(&self) -> bool {
        lock(&self.jumped).is_some_and(|at| at.elapsed().as_secs() < 300)
    }

    /// Returns a number for the next life of a server.
    pub(super) fn next_life(&self) -> u64 {
        self.lives.fetch_add(1, Ordering::Relaxed)
    }

    /// Claims a notice for the life of a server, as the PostgreSQL store does.
    pub(super) fn claim(&self, id: &NoticeId, life: u64) -> bool {
        let now = Instant::now();
        let mut claims = lock(&self.claims);
        if claims.get(id).is_some_and(|(holder, until)| *holder != life && *until > now) {
            return false;
        }
        claims.insert(id.clone(), (life, now + CLAIM));
        true
    }

    pub(super) fn chances(&self) -> Chances {
        *lock(&self.chances)
    }

    pub(super) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }

    /// Ends all faults, and puts all keys that preconditions check.
    pub(super) fn calm_down(&self) {
        self.line("all faults end".to_owned());
        *lock(&self.chances) = Chances::default();
        self.is_calm.store(true, Ordering::Relaxed);
        self.set_database(true);
        lock(&self.keys).extend(KEYS);
    }

    pub(super) fn put_key(&self, number: usize) {
        self.note("a key arrives", KEYS[number].to_owned());
        lock(&self.keys).insert(KEYS[number]);
    }

    /// Returns whether a key begins with `prefix`.
    pub(super) fn has_key(&self, prefix: &str) -> bool {
        lock(&self.keys).iter().any(|key| key.starts_with(prefix))
    }

    pub(super) fn is_database_up(&self) -> bool {
        self.is_database_up.load(Ordering::Relaxed)
    }

    pub(super) fn set_database(&self, is_up: bool) {
        self.is_database_up.store(is_up, Ordering::Relaxed);
    }

    /// Plans a fault for the next call to the store whose purpose is `doing`.
    pub(super) fn plan(&self, what: Planned, doing: &'static str) {
        lock(&self.planned).push((what, doing));
    }

    /// Returns whether the fault is planned for this call, and removes it from the plan.
    pub(super) fn is_planned(&self, what: Planned, doing: &str) -> bool {
        let mut planned = lock(&self.planned);
        let index = planned.iter().position(|(planned, at)| (*planned, *at) == (what, doing));
        index.map(|index| planned.remove(index)).is_some()
    }

    async fn limit_disk(&self, left: Option<u64>) {
        self.disk.limit_growth(left).await.expect("a limit can be set");
    }

    /// Leaves almost no room on the disk for a while.
    async fn fill_disk(&self) {
        let bytes = if self.dice.chance(300) { 8_192 } else { 0 };
        self.note("fault: disk full", format!("{bytes} bytes are left"));
        self.limit_disk(Some(bytes)).await;
        tokio::time::sleep(self.dice.seconds(60, 1_800)).await;
        self.limit_disk(None).await;
        self.line("there is room on the disk again".to_owned());
    }

    /// Returns whether the store deceives in this way this time.
    pub(super) fn lies(&self, lie: StoreLie) -> bool {
        self.lie == Some(lie) && (lie != StoreLie::KeepsNothing || self.dice.chance(100))
    }

    /// Counts a write. Returns its number, from 1.
    pub(super) fn next_write(&self) -> u64 {
        self.writes.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Returns a new pipeline id.
    pub(super) fn next_pipeline(&self) -> String {
        format!("df-{:019}", self.created.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn judge(&self) -> MutexGuard<'_, Judge> {
        lock(&self.judge)
    }

    pub(super) fn trace(&self) -> MutexGuard<'_, Trace> {
        lock(&self.trace)
    }

    /// Counts `what`, and adds a line to the trace.
    pub(super) fn note(&self, what: &str, more: String) {
        self.trace().count(what);
        self.line(if more.is_empty() { what.to_owned() } else { format!("{what}: {more}") });
    }

    pub(super) fn line(&self, text: String) {
        let line = format!("{:>12.3} {} {text}", self.begun.elapsed().as_secs_f64(), self.now());
        self.trace().line(line);
    }

    /// Ends the simulation, since a rule is broken.
    pub(super) fn rule_broken(&self, text: String) {
        self.line(format!("BROKEN: {text}"));
        lock(&self.violation).get_or_insert(text);
        self.stopped.cancel();
    }

    /// Ends the simulation if a check found a broken rule.
    pub(super) fn check(&self, checked: Result<(), String>) {
        if let Err(text) = checked {
            self.rule_broken(text);
        }
    }

    pub(super) fn violation(&self) -> Option<String> {
        lock(&self.violation).clone()
    }

    pub(super) fn servers(&self) -> usize {
        lock(&self.servers).len()
    }

    pub(super) fn set_server(&self, number: usize, server: Option<Server>) -> Option<Server> {
        std::mem::replace(&mut lock(&self.servers)[number], server)
    }

    /// Applies `of` to the server, if it is up.
    pub(super) fn server<T>(&self, number: usize, of: impl FnOnce(&Server) -> T) -> Option<T> {
        lock(&self.servers)[number].as_ref().map(of)
    }

    /// Returns the numbers of the servers that are up.
    pub(super) fn up(&self) -> Vec<usize> {
        let servers = lock(&self.servers);
        servers.iter().enumerate().filter(|(_, server)| server.is_some()).map(|(number, _)| number).collect()
    }
}

/// Returns the clock for a server.
pub(super) fn clock(world: &Arc<World>) -> crate::driver::Now {
    let world = Arc::clone(world);
    Arc::new(move || world.now())
}

/// Returns how much later `later` is than `earlier`.
pub(super) fn since(later: Timestamp, earlier: Timestamp) -> SignedDuration {
    later.duration_since(earlier)
}
