//! The processes of the fleet, and how they are killed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::clock::FastClock;
use e2e::postgres::free_port;
use e2e::process::Process;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::service::{KEY, REGION, SECRET};

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");
const WORKER: &str = env!("CARGO_BIN_EXE_worker-under-test");
const SERVERS: usize = 3;
const WORKERS: usize = 10;
/// The worker group of all workers.
pub(super) const GROUP: &str = "fleet";
/// The environment variable from which a command learns which worker runs it.
pub(super) const WORKER_NAME: &str = "WORKER_NAME";

/// The pause between two rounds of killing.
const PAUSE_MILLIS: std::ops::Range<u64> = 1_000..2_500;
/// The pause between two kills of one round.
const SPREAD_MILLIS: std::ops::Range<u64> = 0..300;
/// How long the killed processes stay down.
const AWAY_MILLIS: std::ops::Range<u64> = 300..1_500;

/// Three servers and ten workers. Dropping the fleet kills them, and shows their last output if the story failed.
pub(super) struct Fleet {
    servers: Vec<Process>,
    workers: Vec<Process>,
    endpoints: Vec<String>,
    random: StdRng,
}

/// The numbers of killed processes.
#[derive(Default)]
pub(super) struct Kills {
    pub(super) servers: usize,
    pub(super) workers: usize,
}

impl Fleet {
    /// Starts all processes at once; the servers find an empty store.
    pub(super) fn start(folder: &Path, store: &str, clock: FastClock, sns: &str) -> Self {
        let addresses: Vec<String> = (0..SERVERS).map(|_| format!("127.0.0.1:{}", free_port())).collect();
        let endpoints: Vec<String> = addresses.iter().map(|address| format!("http://{address}")).collect();
        let servers = addresses.iter().enumerate().map(|(number, address)| {
            let mut command = aws(SERVER);
            command.args([address, store, &clock.to_string()]).env("AWS_ENDPOINT_URL_SNS", sns);
            Process::start(&format!("server-{number}"), folder, command)
        });
        let workers = (0..WORKERS).map(|number| {
            let name = format!("worker-{number}");
            let mut command = aws(WORKER);
            command.args([&name, GROUP]).arg(scratch(folder, number)).env(WORKER_NAME, &name);
            command.env("AWS_ENDPOINT_URL_DATA_PIPELINE", &endpoints[number % SERVERS]);
            // A worker may have other keys for AWS than for the service, as on EC2, where it has a role.
            if number == 0 {
                command.env("AWS_ACCESS_KEY_ID", "role").env("AWS_SECRET_ACCESS_KEY", "of-the-machine");
                command.env("AWS_SESSION_TOKEN", "token").env("DOWNSPOUT_ACCESS_KEY_ID", KEY);
                command.env("DOWNSPOUT_SECRET_ACCESS_KEY", SECRET);
            }
            Process::start(&name, folder, command)
        });
        let (servers, workers) = (servers.collect(), workers.collect());
        Self { servers, workers, endpoints, random: StdRng::seed_from_u64(4) }
    }

    pub(super) fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Kills one server and two workers, starts them again, and so on until `end`.
    pub(super) async fn kill_until(&mut self, end: Instant) -> Kills {
        let mut kills = Kills::default();
        loop {
            let pause = self.draw(PAUSE_MILLIS);
            if Instant::now() + pause >= end {
                return kills;
            }
            tokio::time::sleep(pause).await;
            let server = self.random.random_range(0..SERVERS);
            let first = self.random.random_range(0..WORKERS);
            let second = (first + self.random.random_range(1..WORKERS)) % WORKERS;
            let (spread, away) = (self.draw(SPREAD_MILLIS), self.draw(AWAY_MILLIS));
            self.workers[first].kill();
            tokio::time::sleep(spread).await;
            self.servers[server].kill();
            tokio::time::sleep(spread).await;
            self.workers[second].kill();
            tokio::time::sleep(away).await;
            self.servers[server].start_again();
            self.workers[first].start_again();
            self.workers[second].start_again();
            kills.servers += 1;
            kills.workers += 2;
        }
    }

    /// Checks that no process has ended by itself.
    pub(super) fn must_run(&mut self) {
        self.servers.iter_mut().chain(&mut self.workers).for_each(Process::must_run);
    }

    fn draw(&mut self, millis: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(millis))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in self.servers.iter().chain(&self.workers) {
                eprintln!("{} said:\n{}\n", process.name, process.last_output());
            }
        }
    }
}

/// Returns the command of a program that signs its requests, and knows no other endpoints than it is given.
fn aws(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AWS_")) {
        command.env_remove(name);
    }
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_REGION", REGION);
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

fn scratch(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("scratch-{number}"))
}
