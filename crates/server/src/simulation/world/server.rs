//! The servers: each starts, dies at any moment, and starts again on the same disk.

use std::sync::Arc;
use std::time::Duration;

use engine::Run;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::edges::{FaultyBuckets, FaultyTopic};
use super::faulty_store::FaultyStore;
use super::{World, clock};
use crate::background::start_loops;
use crate::driver::Driver;
use crate::service::Service;

/// The beginning of the names of task runners that end with their server.
pub(in crate::simulation) const OWN_RUNNERS: &str = "own-";

/// How often a server reads which work the other servers on the database left undone. Days pass in a simulation, so
/// every second would be too often.
const POLL_STORE_EVERY: Duration = Duration::from_secs(120);

/// One life of a server.
pub(in crate::simulation) struct Server {
    pub(in crate::simulation) service: Arc<Service>,
    pub(in crate::simulation) clock_set: Arc<Notify>,
    /// Cancelled when this life ends. From then on, nothing that this life began has any effect.
    pub(in crate::simulation) died: CancellationToken,
    background: JoinSet<()>,
}

impl World {
    /// Starts a life of server `number`. A server that cannot start tries again later.
    pub(in crate::simulation) fn boot(self: &Arc<Self>, number: usize) {
        let world = Arc::clone(self);
        tokio::spawn(async move {
            let died = CancellationToken::new();
            let begun = tokio::select! {
                biased;
                begun = world.begin(died.clone()) => begun,
                () = died.cancelled() => Err(anyhow::anyhow!("it died while it recovered")),
            };
            match begun {
                Ok(server) => {
                    world.note("a server begins", number.to_string());
                    world.set_server(number, Some(server));
                }
                Err(error) => {
                    world.note("a server cannot begin", format!("{error:#}"));
                    tokio::time::sleep(world.dice.seconds(1, 60)).await;
                    world.boot(number);
                }
            }
        });
    }

    async fn begin(self: &Arc<Self>, died: CancellationToken) -> anyhow::Result<Server> {
        let store = FaultyStore::new(self, died.clone());
        let mut driver = Driver::new(Arc::new(store), clock(self));
        driver.poll_store_every = POLL_STORE_EVERY;
        let driver = Arc::new(driver);
        // With several servers, a server does not know which of these runners are its own.
        driver.recover((self.servers() == 1).then_some(OWN_RUNNERS)).await?;
        let (clock_set, shutdown) = (Arc::<Notify>::default(), CancellationToken::new());
        let topic = FaultyTopic { world: Arc::clone(self), died: died.clone() };
        let buckets = FaultyBuckets { world: Arc::clone(self), died: died.clone() };
        let mut background = JoinSet::new();
        start_loops(
            &mut background,
            &driver,
            Arc::clone(&clock_set),
            Some(topic),
            Some(buckets.clone()),
            Some(buckets),
            &shutdown,
        );
        let service = Arc::new(Service {
            driver,
            account_id: "000000000000".to_owned(),
            has_dynamodb: true,
            host: None,
            poll_wait: *self.dice.one_of(&[20, 85, 600, 600].map(Duration::from_secs)),
            shutdown,
            operations: TaskTracker::new(),
        });
        Ok(Server { service, clock_set, died, background })
    }

    /// Crashes a server. It starts again after a while.
    pub(in crate::simulation) fn crash(self: &Arc<Self>, number: usize, how: &str) {
        let Some(server) = self.set_server(number, None) else { return };
        self.note("fault: crash", format!("server {number} {how}"));
        self.bury(number, server);
    }

    /// Crashes the server whose life this token ends.
    pub(in crate::simulation) fn crash_life(self: &Arc<Self>, died: &CancellationToken, how: &str) {
        died.cancel();
        let lives = |number: &usize| self.server(*number, |it| it.died.is_cancelled()) == Some(true);
        let number = (0..self.servers()).find(lives);
        match number {
            Some(number) => self.crash(number, how),
            // The server was still recovering. The task in `boot` starts it again.
            None => self.note("fault: crash while recovering", how.to_owned()),
        }
    }

    fn bury(self: &Arc<Self>, number: usize, mut server: Server) {
        server.died.cancel();
        server.background.abort_all();
        self.judge().server_died();
        let world = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(world.dice.seconds(1, 300)).await;
            world.boot(number);
        });
    }

    /// Shuts a server down as an operator does: operations under way may end.
    pub(in crate::simulation) fn stop(self: &Arc<Self>, number: usize) {
        let Some(server) = self.set_server(number, None) else { return };
        self.note("a server is stopped", number.to_string());
        server.service.shutdown.cancel();
        let world = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            world.bury(number, server);
        });
    }
}

/// Checks that the memory of a server equals the store.
pub(in crate::simulation) async fn compare_with_store(world: &Arc<World>, number: usize) {
    let Some((service, died)) = world.server(number, |it| (Arc::clone(&it.service), it.died.clone())) else {
        return;
    };
    // With several servers, the memory of one may be outdated.
    if world.servers() > 1 {
        return;
    }
    let pipelines = world.judge().pipelines();
    for id in pipelines {
        let Ok(live) = service.driver.lock_pipeline(id.as_str()).await else { continue };
        let mut stored = super::faulty_store::open_runs(world, &id).await;
        // The memory of a dead server does not count.
        if died.is_cancelled() {
            return;
        }
        for run in live.open_runs() {
            let index = stored.iter().position(|stored| stored.header() == run.header());
            let same = index.map(|index| stored.swap_remove(index)).is_some_and(|it| same(&it, run));
            if !same {
                return world
                    .rule_broken(format!("memory and store differ in run {} of {id}", run.header().id));
            }
        }
        if let Some(run) = stored.first() {
            return world.rule_broken(format!("run {} of {id} is open and not in memory", run.header().id));
        }
        world.trace().count("memory compared with the store");
    }
}

fn same(stored: &Run, remembered: &Run) -> bool {
    stored.instances() == remembered.instances() && stored.next_wake() == remembered.next_wake()
}
