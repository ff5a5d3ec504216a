//! Three servers on one PostgreSQL and ten workers, killed all along: every run ends right.
//!
//! All are processes of their own. Every few seconds one server and two workers are killed as by `kill -9`, and started
//! again a moment later, each server where it was: the workers have one server each and must bear that it is away.
//! Meanwhile pipelines are made and activated. The clock of all servers is sixty times as fast as the wall's, since
//! what makes up for the killing are time limits of minutes. It goes on for 30 seconds, or for as many as
//! `DOWNSPOUT_SOAK_SECS` says; then everything must come to its end, and exactly so often as it should.

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

/// How much faster time passes: the two minutes in which a task must be acknowledged are two seconds, which a busy
/// machine may miss without harm; `reportProgressTimeout` is fifteen, in which a worker that lives reports many times.
const SPEED: i32 = 60;
const USUAL_LENGTH: Duration = Duration::from_secs(30);
/// Who orders runs at the same time; each waits for its runs before it orders more, so that there is never much to do.
const CUSTOMERS: usize = 8;
/// The environment variable that makes it longer.
const SOAK: &str = "DOWNSPOUT_SOAK_SECS";

#[tokio::test(flavor = "multi_thread")]
async fn servers_and_workers_are_killed_all_along_and_every_run_ends_right() {
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
    let told = verdict::all_ended_right(&service, &topic, &work, &orders).await;
    fleet.must_run();
    println!("{} servers and {} workers killed in {length:?}; {told}", kills.servers, kills.workers);
}

fn length() -> Duration {
    match std::env::var(SOAK) {
        Ok(seconds) => Duration::from_secs(seconds.parse().unwrap_or_else(|_| panic!("{SOAK} is {seconds}"))),
        Err(_) => USUAL_LENGTH,
    }
}
