//! An adversary of the orchestrator: file sets in any order, whose files come twice, change, and go again, whose events are lost,
//! doubled and late, whose handlers are killed, and whose services throttle their callers.
//!
//! The services are those of a running stack, over sockets; the story sets the clock of its handlers. At the end, each whole set
//! has run with the files that are there, no content ran again without a reason, and no two runs of a definition were at work
//! together.

mod runners;
mod throttling;

use std::collections::BTreeMap;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use e2e::{definitions::Definitions, program::Up};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use orchestrator::{Clients, Config, Orchestrator, Verdict};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Value, json};

use crate::PROGRAM;
use runners::{GROUP, Runners};
use throttling::Weather;

/// A bucket without notifications: the story delivers events itself.
const DROP: &str = "adversary-drop";
/// The prefix of the story's definitions and its ledger.
const PREFIX: &str = "adversary";
/// How many definitions take the sets.
const DEFINITIONS: usize = 10;
/// How many handlers work at the same time.
const HANDLERS: usize = 6;
/// How many sets play at the same time, before the calm in which each claim of a killed handler ends.
const ROUND: usize = 100;
/// The lease of a claim. No handler of the story takes as long.
const LEASE_SECS: i64 = 300;
/// How many of a thousand calls are answered only with the error that the service is busy.
const THROTTLED_PER_THOUSAND: u64 = 40;

/// The number of sets; `make soak` plays 500.
fn sets() -> usize {
    std::env::var("DOWNSPOUT_SOAK_SETS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

struct Story {
    up: Up,
    ahead_ms: Arc<AtomicI64>,
    weather: Arc<Weather>,
    handlers: Vec<Arc<Orchestrator>>,
    runners: Runners,
    events: Mutex<Events>,
}

/// The results of the events that were delivered.
#[derive(Debug, Default)]
struct Events {
    decisions: BTreeMap<String, usize>,
    errors: Vec<String>,
}

fn definition(name: &str) -> String {
    json!({"objects": [
        {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
         "workerGroup": GROUP, "maximumRetries": "0", "mySettle": "0 seconds",
         "myDropFile": [format!("{name}/{{set}}/a.csv"), format!("{name}/{{set}}/b_*.csv")]},
        {"id": "Work", "type": "ShellCommandActivity", "command": "true"}]})
    .to_string()
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let definitions = Definitions::shipped();
        let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
        let s3 = up.s3();
        s3.create_bucket().bucket(DROP).send().await.expect("a bucket without events");
        for number in 0..DEFINITIONS {
            let (bucket, name) = (&up.endpoints.buckets.definitions, format!("d{number}"));
            let put = s3.put_object().bucket(bucket).key(format!("{PREFIX}/{name}.json"));
            put.body(definition(&name).into_bytes().into()).send().await.expect("putting a definition");
        }
        let (ahead_ms, weather) = (Arc::<AtomicI64>::default(), Arc::<Weather>::default());
        let handlers: Vec<_> =
            (0..HANDLERS).map(|number| Arc::new(handler(&up, &ahead_ms, &weather, number, seed))).collect();
        let runners = Runners::start(4, &up.datapipeline(), &handlers, seed);
        Self { up, ahead_ms, weather, handlers, runners, events: Mutex::default() }
    }

    /// Plays some sets: one task for each, all at the same time.
    async fn storm(&self, numbers: std::ops::Range<usize>, seed: u64) {
        self.weather.per_thousand.store(THROTTLED_PER_THOUSAND, Ordering::Relaxed);
        let plays =
            numbers.map(|number| self.play(number, StdRng::seed_from_u64(seed ^ (number as u64) << 20)));
        futures::future::join_all(plays).await;
    }

    /// Drops, changes and deletes the files of a set, and delivers their events.
    async fn play(&self, number: usize, mut random: StdRng) {
        let folder = format!("d{}/{number}", number % DEFINITIONS);
        let mut events = Vec::new();
        let mut steps: Vec<usize> = (0..random.random_range(2..6)).collect();
        // Most sets become whole.
        steps.extend([0, 1]);
        steps.shuffle(&mut random);
        for step in steps {
            let name = ["a.csv", "b_1.csv", "b_2.csv", "b_3.csv.part", "c.csv", "a.csv"][step];
            let key = format!("{folder}/{name}");
            if random.random_range(0..12) == 0 {
                self.up.s3().delete_object().bucket(DROP).key(&key).send().await.expect("deleting a file");
                continue;
            }
            let body = ["", "one", "two", "two"][random.random_range(0..4)];
            events.push(self.put(&key, body).await);
            if random.random_range(0..3) == 0 {
                self.deliver(&mut events, &mut random).await;
            }
        }
        self.deliver(&mut events, &mut random).await;
    }

    async fn put(&self, key: &str, body: &'static str) -> Value {
        let put = self.up.s3().put_object().bucket(DROP).key(key).body(body.as_bytes().to_vec().into());
        put.send().await.expect("putting a file");
        json!({"Records": [{
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": Timestamp::now().to_string(),
            "userIdentity": {"principalId": "AWS:EXAMPLE"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "s3": {"bucket": {"name": DROP}, "object": {"key": key, "size": body.len()}}
        }]})
    }

    /// Delivers the events in any order: some twice, some never, some to a handler that is killed.
    async fn deliver(&self, events: &mut Vec<Value>, random: &mut StdRng) {
        events.shuffle(random);
        let mut deliveries = Vec::new();
        for event in events.drain(..) {
            for _ in 0..[0, 1, 1, 1, 2][random.random_range(0..5)] {
                let handler = Arc::clone(&self.handlers[random.random_range(0..HANDLERS)]);
                let is_killed = random.random_range(0..10) == 0;
                let life =
                    Duration::from_millis(if is_killed { random.random_range(0..150) } else { 200_000 });
                let event = event.clone();
                deliveries.push(async move { tokio::time::timeout(life, handler.handle(event)).await });
            }
        }
        for answer in futures::future::join_all(deliveries).await.into_iter().flatten() {
            let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            match answer {
                Ok(answer) => {
                    for decision in answer["decisions"].as_array().into_iter().flatten() {
                        *events.decisions.entry(decision["decision"].to_string()).or_default() += 1;
                    }
                }
                // Lambda delivers the event again; here it is lost, and the calm makes up for it.
                Err(error) => events.errors.push(format!("{error:#}")),
            }
        }
    }

    /// Lets every claim of a killed handler end, and sweeps until nothing is left to do.
    async fn calm(&self) {
        self.weather.per_thousand.store(0, Ordering::Relaxed);
        let (handler, mut quiet) = (&self.handlers[0], 0);
        for _ in 0..200 {
            while !self.runners.are_idle() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            self.ahead_ms.fetch_add((LEASE_SECS + 1) * 1_000, Ordering::Relaxed);
            let report = handler.sweep_whole().await.expect("a sweep in calm weather");
            assert_eq!(report.failures, Vec::<String>::new());
            let is_done =
                report.ended == 0 && report.decisions.iter().all(|it| it.verdict == Verdict::Incomplete);
            quiet = if is_done && self.runners.are_idle() { quiet + 1 } else { 0 };
            if quiet == 2 {
                return;
            }
        }
        panic!("sets are left to start after 200 sweeps\n{}", self.up.log());
    }

    /// Checks every set that the bucket holds.
    async fn check(&self) {
        let handler = &self.handlers[0];
        let day = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
        let today = day(Timestamp::now());
        let mut proofs = handler.proof(today).await.expect("a proof");
        proofs.extend(
            handler.proof(day(Timestamp::now() - SignedDuration::from_hours(24))).await.expect("a proof"),
        );
        let mut whole = 0;
        let folders: BTreeMap<&str, Vec<&orchestrator::Proof>> =
            proofs.iter().fold(BTreeMap::new(), |mut folders, proof| {
                let folder = proof.key.rsplit_once('/').expect("a folder").0;
                folders.entry(folder).or_insert_with(Vec::new).push(proof);
                folders
            });
        for (folder, files) in &folders {
            let state = handler.status_of(&format!("{folder}/a.csv")).await.expect("a state").remove(0);
            match state.verdict {
                Verdict::Incomplete => continue,
                Verdict::Duplicate => whole += 1,
                other => panic!("{folder} is {other:?}: {state:#?}"),
            }
            let state = state.state.unwrap_or_default();
            assert!(["finished", "failed", "superseded"].contains(&state.as_str()), "{folder}: {state}");
            let of = |begin: &str| {
                let named = files.iter().filter(|it| {
                    it.key.starts_with(&format!("{folder}/{begin}")) && it.key.ends_with(".csv")
                });
                named.max_by_key(|it| (it.landed, &it.key)).copied()
            };
            // A file of which only the newest is read may be empty, and then an older one is.
            for file in [of("a.csv")].into_iter().flatten() {
                assert!(!file.runs.is_empty(), "no run took {file:#?}");
            }
        }
        assert!(whole * 2 > folders.len(), "most sets are whole: {whole} of {}", folders.len());
        let seen = self.runners.seen();
        assert_eq!(seen.violations, Vec::<String>::new());
        let mut last: BTreeMap<&str, &runners::Run> = BTreeMap::new();
        for run in &seen.runs {
            if let Some(before) = last.insert(&run.set, run) {
                assert!(before.has_failed || before.run_key != run.run_key, "{} ran twice: {run:?}", run.set);
            }
        }
        assert!(seen.runs.len() >= whole, "{} runs of {whole} whole sets", seen.runs.len());
    }
}

/// Returns a handler whose clients are throttled by the weather. The clients try once, so that only the handler is patient.
fn handler(
    up: &Up,
    ahead_ms: &Arc<AtomicI64>,
    weather: &Arc<Weather>,
    number: usize,
    seed: u64,
) -> Orchestrator {
    let ahead = Arc::clone(ahead_ms);
    let config = Config {
        definitions_uri: format!("s3://{}/{PREFIX}", up.endpoints.buckets.definitions),
        drop_bucket: Some(DROP.to_owned()),
        topic_arn: up.endpoints.topic_arn.clone(),
        lease: Duration::from_secs(LEASE_SECS.unsigned_abs()),
        holder: format!("handler-{number}"),
        now: Arc::new(move || Timestamp::now() + SignedDuration::from_millis(ahead.load(Ordering::Relaxed))),
    };
    let once = RetryConfig::disabled;
    let http =
        |refusals, service| throttling::client(refusals, weather, seed + 100 * number as u64 + service);
    let s3 =
        up.s3().config().to_builder().retry_config(once()).http_client(http(throttling::OF_S3, 0)).build();
    let sns =
        up.sns().config().to_builder().retry_config(once()).http_client(http(throttling::OF_SNS, 1)).build();
    let pipelines = up.datapipeline().config().to_builder().retry_config(once());
    let pipelines = pipelines.http_client(http(throttling::OF_DATA_PIPELINE, 2)).build();
    let clients = Clients {
        s3: aws_sdk_s3::Client::from_conf(s3),
        datapipeline: aws_sdk_datapipeline::Client::from_conf(pipelines),
        sns: aws_sdk_sns::Client::from_conf(sns),
    };
    Orchestrator::new(config, clients).expect("the configuration is right")
}

#[tokio::test(flavor = "multi_thread")]
async fn random_sets_run_as_they_should_whatever_happens() {
    let seed = 11;
    let story = Story::begin(seed).await;
    let count = sets();
    for begin in (0..count).step_by(ROUND) {
        story.storm(begin..count.min(begin + ROUND), seed).await;
        story.calm().await;
        println!("{} of {count} sets, {} runs", count.min(begin + ROUND), story.runners.seen().runs.len());
    }
    story.check().await;
    let turned_away = story.weather.turned_away.load(Ordering::Relaxed);
    let events = story.events.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{turned_away} calls were throttled; {:?}; {} errors", events.decisions, events.errors.len());
    assert!(turned_away > count as u64, "the services throttled {turned_away} calls");
    let started = events.decisions.get("\"started\"").copied().unwrap_or_default();
    assert!(started * 10 > count, "events start runs, and not sweeps alone: {events:#?}");
    let is_known = |error: &&String| error.contains("busy") || error.contains("changed 8 times");
    assert_eq!(events.errors.iter().find(|error| !is_known(error)), None, "no other error stops a handler");
}
