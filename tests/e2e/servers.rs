//! Three servers on one PostgreSQL and ten workers are killed again and again, and every run ends as it should.
//!
//! Each server and worker is a process. Every few seconds one server and two workers are killed as `kill -9` does it,
//! and started again a moment later. A server keeps its address: each worker knows one server only, and must wait while
//! that server is down. At the same time the story creates and activates pipelines. The clock of all servers is sixty times
//! as fast as the wall clock, since the service recovers from a killed process by time limits of minutes. The killing goes
//! on for 30 seconds, or for the number of seconds in `DOWNSPOUT_SOAK_SECS`. Then every run must end, and each exactly once.

mod fleet;
mod orders;
mod service;
mod verdict;

use std::time::{Duration, Instant};

use e2e::clock::FastClock;
use e2e::postgres::NativePostgres;
use e2e::topic::Topic;
use e2e::until::until;
use fleet::Fleet;
use orders::Order;
use service::Service;
use tempfile::TempDir;

/// How much faster than the wall clock the clock of the servers is. A task must be acknowledged within two minutes of this
/// clock, or two seconds of the wall clock. A worker on a busy machine may be later, and then the task is handed out again.
/// `reportProgressTimeout` is fifteen seconds of the wall clock, in which a living worker reports many times.
const SPEED: i32 = 60;
/// How long the killing goes on by default.
const USUAL_LENGTH: Duration = Duration::from_secs(30);
/// The number of customers, who order runs at the same time. Each waits for its runs before it orders more, so that there
/// is never much work.
const CUSTOMERS: usize = 8;
/// The environment variable with the length of the killing in seconds.
const SOAK: &str = "DOWNSPOUT_SOAK_SECS";

#[tokio::test(flavor = "multi_thread")]
async fn every_run_ends_as_it_should_while_servers_and_workers_are_killed() {
    let length = length();
    let folder = TempDir::with_prefix("downspout-servers-").expect("a temporary folder");
    let clock = FastClock::starting_now(SPEED);
    let topic = Topic::start().await;
    let store = format!("{}?schema=killed_servers", NativePostgres::shared().url());
    let mut fleet = Fleet::start(folder.path(), &store, clock, &topic.endpoint);
    let service = Service::of(fleet.endpoints());
    for number in 0..fleet.endpoints().len() {
        until("a server answers", async || service.is_there(number).await).await;
    }
    let work = orders::Work::in_folder(folder.path());
    let end = Instant::now() + length;
    let customers = (0..CUSTOMERS).map(|number| orders::on_demand(number, &service, &work, end));
    let schedules = [(0, None), (1, Some(1))]
        .map(|(number, most)| orders::on_schedule(number, &service, &work, clock, length, most));
    let (kills, on_demand, scheduled) = tokio::join!(
        fleet.kill_until(end),
        futures::future::join_all(customers),
        futures::future::join_all(schedules),
    );
    let orders: Vec<Order> = on_demand.into_iter().flatten().chain(scheduled).collect();
    let verdict = verdict::all_ended_well(&service, &topic, &work, &orders).await;
    fleet.must_run();
    println!("{} servers and {} workers killed in {length:?}; {verdict}", kills.servers, kills.workers);
}

fn length() -> Duration {
    match std::env::var(SOAK) {
        Ok(seconds) => Duration::from_secs(seconds.parse().unwrap_or_else(|_| panic!("{SOAK} is {seconds}"))),
        Err(_) => USUAL_LENGTH,
    }
}
