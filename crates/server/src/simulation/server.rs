//! Servers that begin, die at any moment, and begin anew over what was stored.

use std::sync::Arc;
use std::time::Duration;

use engine::Run;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::disk::FaultyStore;
use super::edges::{FaultyBuckets, FaultyTopic};
use super::world::{Bell, World, clock};
use crate::driver::Driver;
use crate::service::{Service, start};
use crate::sigv4::Verifier;

/// Task runners called so end with their server.
pub(super) const OWN_RUNNERS: &str = "own-";

/// How often servers on one database look for what others left.
const LOOK_AGAIN: Duration = Duration::from_secs(120);

/// One life of a server.
pub(super) struct Server {
    pub(super) service: Arc<Service>,
    pub(super) wound: Bell,
    /// From then on nothing that this life began has any effect.
    pub(super) died: CancellationToken,
    background: JoinSet<()>,
}

impl World {
    /// Begins a life of server `number`; it dies and begins anew as often as need be.
    pub(super) fn boot(self: &Arc<Self>, number: usize) {
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
        // Days pass here: every second would be too many looks.
        driver.look_again = LOOK_AGAIN;
        let driver = Arc::new(driver);
        // Of several servers none knows whose they are.
        driver.recover((self.servers() == 1).then_some(OWN_RUNNERS)).await?;
        let (wound, shutdown) = (Bell::default(), CancellationToken::new());
        let topic = FaultyTopic { world: Arc::clone(self), died: died.clone() };
        let buckets = FaultyBuckets { world: Arc::clone(self), died: died.clone() };
        let background =
            start(&driver, Arc::clone(&wound), Some(topic), Some(buckets.clone()), Some(buckets), &shutdown);
        let service = Arc::new(Service {
            driver,
            verifier: Verifier::new("us-east-1".to_owned(), "datapipeline", Vec::new()),
            account_id: "000000000000".to_owned(),
            has_dynamodb: true,
            host: None,
            poll_wait: *self.dice.one_of(&[20, 85, 600, 600].map(Duration::from_secs)),
            shutdown,
            operations: TaskTracker::new(),
        });
        Ok(Server { service, wound, died, background })
    }

    /// Lets a server die where it stands; after a while it begins anew.
    pub(super) fn crash(self: &Arc<Self>, number: usize, how: &str) {
        let Some(server) = self.set_server(number, None) else { return };
        self.note("fault: crash", format!("server {number} {how}"));
        self.bury(number, server);
    }

    /// Lets whichever server has this death die.
    pub(super) fn crash_life(self: &Arc<Self>, died: &CancellationToken, how: &str) {
        died.cancel();
        let lives = |number: &usize| self.server(*number, |it| it.died.is_cancelled()) == Some(true);
        let number = (0..self.servers()).find(lives);
        match number {
            Some(number) => self.crash(number, how),
            // It was recovering, and is begun anew by whoever began it.
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

    /// Ends a server as an operator does: it may finish what it is at.
    pub(super) fn stop(self: &Arc<Self>, number: usize) {
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

/// Compares what a server remembers of its pipelines with what is stored.
pub(super) async fn compare_with_store(world: &Arc<World>, number: usize) {
    let Some((service, died)) = world.server(number, |it| (Arc::clone(&it.service), it.died.clone())) else {
        return;
    };
    // With several servers what one remembers may be out of date.
    if world.servers() > 1 {
        return;
    }
    let pipelines = world.judge().pipelines();
    for id in pipelines {
        let Ok(held) = service.driver.hold(id.as_str()).await else { continue };
        let mut stored = super::disk::open_runs(world, &id).await;
        // Only a life that goes on has anything to say.
        if died.is_cancelled() {
            return;
        }
        for run in held.open_runs() {
            let known = stored.iter().position(|stored| stored.header() == run.header());
            let same = known.map(|place| stored.swap_remove(place)).is_some_and(|it| same(&it, run));
            if !same {
                return world.accuse(format!("memory and store differ in run {} of {id}", run.header().id));
            }
        }
        if let Some(run) = stored.first() {
            return world.accuse(format!("run {} of {id} is open and forgotten", run.header().id));
        }
        world.trace().count("memory compared with the store");
    }
}

fn same(stored: &Run, remembered: &Run) -> bool {
    stored.instances() == remembered.instances() && stored.next_wake() == remembered.next_wake()
}
