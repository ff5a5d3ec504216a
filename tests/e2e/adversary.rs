//! An adversary of the orchestrator: file sets of every kind of pattern, whose files come in any order, empty at first, twice, and go
//! again, whose events are lost, doubled and late, whose handlers are killed between any two calls, and whose services all throttle
//! their callers. After each storm, one sweep and the ends of the runs must put everything right.
//!
//! The services are those of a running stack, or of the server of moto, over sockets; the story sets the clock of its handlers.
//! `judge.rs` says what must hold.

mod judge;
mod kinds;
mod moto;
mod network;
mod runners;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use jiff::{SignedDuration, Timestamp};
use orchestrator::{Clients, Config, Orchestrator};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Value, json};

use kinds::{KINDS, Place};
use network::{Life, Network, Service};
use runners::Runners;
use services::Services;

/// A bucket without notifications: the story delivers events itself.
const DROP: &str = "adversary-drop";
/// The prefix of the story's definitions and its ledger.
const PREFIX: &str = "adversary";
/// How many handlers work at the same time.
const HANDLERS: usize = 6;
/// How many sets play at the same time, before the calm in which each claim of a killed handler ends.
const ROUND: usize = 100;
/// How many of them play at the same time on moto, which takes few connections.
const ROUND_OF_MOTO: usize = 20;
/// The lease of a claim. No handler of the story takes as long.
const LEASE_SECS: i64 = 300;
/// The number of sets; `make soak` plays 500, and a fifth of them on moto, which is slow.
fn sets() -> usize {
    std::env::var("DOWNSPOUT_SOAK_SETS").ok().and_then(|text| text.parse().ok()).unwrap_or(65)
}

struct Story {
    services: Arc<Services>,
    network: Arc<Network>,
    ahead_ms: Arc<AtomicI64>,
    seed: u64,
    handlers: Mutex<Vec<Arc<Orchestrator>>>,
    /// How many handlers were ever started. Each has a name of its own.
    started: Mutex<u64>,
    runners: Runners,
    results: Mutex<Results>,
}

/// The outcomes of the events and of the sets so far.
#[derive(Debug, Default)]
struct Results {
    decisions: BTreeMap<String, usize>,
    errors: Vec<String>,
    /// Events that come after the next calm.
    late: Vec<Value>,
    /// The content that people put under each key, by its ETags.
    put: BTreeSet<(String, String)>,
    /// Sets that have lost a file.
    with_losses: BTreeSet<usize>,
}

impl Story {
    async fn begin(services: Services, seed: u64) -> Self {
        let additions = services.are_of_moto().then(moto::Additions::default);
        let network = Arc::new(Network::with(additions));
        let services = Arc::new(services);
        let files = (0..KINDS.len()).map(|kind| (Place(kind).definition(), Place(kind).file()));
        // A broken definition must not hurt the others.
        for (name, text) in files.chain([("broken".to_owned(), "{\n  oops".to_owned())]) {
            let put =
                services.s3.put_object().bucket(&services.definitions).key(format!("{PREFIX}/{name}.json"));
            put.body(text.into_bytes().into()).send().await.expect("putting a definition");
        }
        let ahead_ms = Arc::<AtomicI64>::default();
        let handlers: Vec<_> = (0..HANDLERS as u64)
            .map(|number| handler(&services, &network, &ahead_ms, number, seed))
            .collect();
        // The first sweep sees the definitions: sets that are dropped from now on count.
        handlers[0].sweep().await.expect("the first sweep");
        let runners = Runners::start(4, &services, &network, handlers.clone(), seed);
        let (handlers, started) = (Mutex::new(handlers), Mutex::new(HANDLERS as u64));
        Self { services, network, ahead_ms, seed, handlers, started, runners, results: Mutex::default() }
    }

    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handler(&self, number: usize) -> Arc<Orchestrator> {
        Arc::clone(&self.handlers.lock().unwrap_or_else(PoisonError::into_inner)[number])
    }

    /// Starts a handler in the place of one that was killed, which has lost its memory.
    fn replace_handler(&self, place: usize) {
        let number = {
            let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            *started += 1;
            *started
        };
        let fresh = handler(&self.services, &self.network, &self.ahead_ms, number, self.seed);
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)[place] = fresh;
    }

    /// Plays some sets: one task for each, all at the same time. Events that were late until now come, too.
    async fn storm(&self, numbers: std::ops::Range<usize>) {
        self.network.is_stormy.store(true, Ordering::Relaxed);
        let late = std::mem::take(&mut self.results().late);
        let plays = numbers.map(|number| {
            self.play(Place(number), StdRng::seed_from_u64(self.seed ^ (number as u64 + 1) << 20))
        });
        let mut random = StdRng::seed_from_u64(self.seed);
        futures::future::join(futures::future::join_all(plays), self.deliver(late, &mut random)).await;
        self.network.is_stormy.store(false, Ordering::Relaxed);
    }

    /// Drops, changes and deletes the files of a set, and delivers their events.
    async fn play(&self, place: Place, mut random: StdRng) {
        let (keys, mut events) = (place.keys(), Vec::new());
        let further = (0..random.random_range(1..5)).map(|_| random.random_range(0..keys.len()));
        let mut steps: Vec<String> = further.map(|number| keys[number].clone()).collect();
        let loses_files = random.random_range(0..5) == 0;
        // Most sets become whole.
        let mut needed = place.needed();
        let marker = (needed.len() > place.parts()).then(|| needed.pop()).flatten();
        steps.extend(needed);
        steps.shuffle(&mut random);
        steps.extend(marker.filter(|_| random.random_range(0..5) > 0));
        let mut with_content = BTreeSet::new();
        for key in steps {
            if loses_files && random.random_range(0..4) == 0 {
                self.results().with_losses.insert(place.0);
                let deleted = self.services.s3.delete_object().bucket(DROP).key(&key).send().await;
                deleted.expect("deleting a file");
                continue;
            }
            let may_be_empty = place.may_become_empty(&key) || !with_content.contains(&key);
            // Mounted buckets put an empty object first.
            if may_be_empty && random.random_range(0..3) == 0 {
                events.push(self.put(&key, "").await);
                self.deliver_some(&mut events, &mut random).await;
            }
            if random.random_range(0..12) > 0 {
                events.push(self.put(&key, ["one", "two", "two"][random.random_range(0..3)]).await);
                with_content.insert(key);
            }
            self.deliver_some(&mut events, &mut random).await;
        }
        self.deliver(events, &mut random).await;
    }

    async fn put(&self, key: &str, body: &'static str) -> Value {
        let put = self.services.s3.put_object().bucket(DROP).key(key).body(body.as_bytes().to_vec().into());
        let etag = put.send().await.expect("putting a file").e_tag.expect("an ETag");
        self.results().put.insert((key.to_owned(), etag.trim_matches('"').to_owned()));
        let encoded = encoded(key);
        json!({"Records": [{
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": Timestamp::now().to_string(),
            "userIdentity": {"principalId": "AWS:EXAMPLE"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "s3": {"bucket": {"name": DROP}, "object": {"key": encoded, "size": body.len()}}
        }]})
    }

    async fn deliver_some(&self, events: &mut Vec<Value>, random: &mut StdRng) {
        if random.random_range(0..3) == 0 {
            self.deliver(std::mem::take(events), random).await;
        }
    }

    /// Delivers events in any order: some twice, some late, some never, and some to a handler that is killed.
    async fn deliver(&self, mut events: Vec<Value>, random: &mut StdRng) {
        events.shuffle(random);
        let mut deliveries = Vec::new();
        for event in events {
            for _ in 0..[0, 1, 1, 1, 2][random.random_range(0..5)] {
                if random.random_range(0..10) == 0 {
                    self.results().late.push(event.clone());
                    continue;
                }
                let place = random.random_range(0..HANDLERS);
                let is_killed = random.random_range(0..5) == 0;
                let life = is_killed.then(|| Life::random(random));
                deliveries.push(self.handled(event.clone(), place, life));
            }
        }
        futures::future::join_all(deliveries).await;
    }

    async fn handled(&self, event: Value, place: usize, life: Option<Life>) {
        let handler = self.handler(place);
        let Some(answer) = network::live(life, handler.handle(event)).await else {
            return self.replace_handler(place);
        };
        let mut results = self.results();
        match answer {
            Ok(answer) => {
                for decision in answer["decisions"].as_array().into_iter().flatten() {
                    *results.decisions.entry(decision["decision"].to_string()).or_default() += 1;
                }
            }
            // Lambda delivers the event again; here it is lost, and the sweep makes up for it.
            Err(error) => results.errors.push(format!("{error:#}")),
        }
    }

    /// Lets every claim of a killed handler end, sweeps once, and lets every run end.
    async fn calm(&self) {
        self.runners.hold().await;
        self.ahead_ms.fetch_add((LEASE_SECS + 1) * 1_000, Ordering::Relaxed);
        let report = self.handler(0).sweep_whole().await.expect("a sweep in calm weather");
        judge::failures(&report);
        self.runners.release();
        self.runners.idle().await;
    }
}

/// Encodes a key as S3 does in events: as a form does, apart from the slashes.
fn encoded(key: &str) -> String {
    let pair = serde_urlencoded::to_string([("key", key)]).expect("texts make a form");
    pair["key=".len()..].replace("%2F", "/")
}

/// Starts a handler whose calls go through the network. Its clients try once, so that only the handler is patient.
fn handler(
    services: &Services,
    network: &Arc<Network>,
    ahead_ms: &Arc<AtomicI64>,
    number: u64,
    seed: u64,
) -> Arc<Orchestrator> {
    let ahead = Arc::clone(ahead_ms);
    let config = Config {
        definitions_uri: format!("s3://{}/{PREFIX}", services.definitions),
        drop_bucket: Some(DROP.to_owned()),
        topic_arn: services.topic_arn.clone(),
        lease: Duration::from_secs(LEASE_SECS.unsigned_abs()),
        holder: format!("handler-{number}"),
        now: Arc::new(move || Timestamp::now() + SignedDuration::from_millis(ahead.load(Ordering::Relaxed))),
    };
    let once = RetryConfig::disabled;
    let http = |service: Service| network.client(service, seed + 10 * number + service as u64);
    let s3 = services.s3.config().to_builder().retry_config(once()).http_client(http(Service::S3)).build();
    let sns = services.sns.config().to_builder().retry_config(once()).http_client(http(Service::Sns)).build();
    let pipelines = services.datapipeline.config().to_builder().retry_config(once());
    let pipelines = pipelines.http_client(http(Service::DataPipeline)).build();
    let clients = Clients {
        s3: aws_sdk_s3::Client::from_conf(s3),
        datapipeline: aws_sdk_datapipeline::Client::from_conf(pipelines),
        sns: aws_sdk_sns::Client::from_conf(sns),
    };
    Arc::new(Orchestrator::new(config, clients).expect("the configuration is right"))
}

/// Plays `count` sets, and judges after each round.
async fn play(services: Services, count: usize, seed: u64) {
    println!("seed {seed}, {count} sets");
    let round = if services.are_of_moto() { ROUND_OF_MOTO } else { ROUND };
    let story = Story::begin(services, seed).await;
    for begin in (0..count).step_by(round) {
        let end = count.min(begin + round);
        story.storm(begin..end).await;
        story.calm().await;
        story.judge_sets(0..end).await;
        println!("{end} of {count} sets, {} runs", story.runners.seen().runs.len());
    }
    // The last late events tell nothing new.
    let runs = story.runners.seen().runs.len();
    story.storm(0..0).await;
    story.calm().await;
    assert_eq!(story.runners.seen().runs.len(), runs, "late events start no further run");
    story.judge_all(count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_sets_run_as_they_should_whatever_happens() {
    play(Services::of_a_stack().await, sets(), 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_sets_run_as_they_should_on_the_server_of_moto() {
    play(Services::of_moto().await, sets() / 5, 12).await;
}
