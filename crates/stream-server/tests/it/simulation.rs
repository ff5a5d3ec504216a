//! Random histories of a stream: requests, deliveries with every fault of S3, and ends of the server between any two steps.
//! At the end, every acknowledged record is in exactly one place.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::stand_in_s3::Fault;
use crate::world::World;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A request with so many good, refused and empty records.
    Put(usize, usize, usize),
    /// The clock is wound.
    Wind(i64),
    /// Each of the next requests to S3 has its fault; the last one stays.
    Faults(Vec<Fault>),
    /// The server ends, wherever it is, and starts again.
    Restart,
    /// The delivery has some time.
    Pause,
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        3 => Just(Fault::None),
        1 => Just(Fault::Unavailable),
        2 => Just(Fault::StoreAndBreak),
        1 => Just(Fault::Break),
    ];
    prop_oneof![
        4 => (0..4_usize, 0..3_usize, 0..2_usize).prop_map(|(good, bad, empty)| Step::Put(good, bad, empty)),
        3 => (-30..90_i64).prop_map(Step::Wind),
        3 => prop::collection::vec(fault, 1..6).prop_map(Step::Faults),
        2 => Just(Step::Restart),
        3 => Just(Step::Pause),
    ]
}

/// The acknowledged records.
#[derive(Default)]
struct Acknowledged {
    good: BTreeSet<String>,
    bad: BTreeSet<String>,
    empty: u64,
}

#[test]
fn every_acknowledged_record_is_in_exactly_one_place_after_any_history() {
    let cases =
        std::env::var("STREAM_SIMULATION_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(16);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runner
        .run(&prop::collection::vec(step(), 1..25), |steps| {
            runtime.block_on(play(steps)).map_err(TestCaseError::fail)
        })
        .unwrap();
}

async fn play(steps: Vec<Step>) -> Result<(), String> {
    let file =
        r#"{"bufferIntervalSeconds": 60, "bufferSizeMB": 1, "shards": 2, "schema": {"required": ["good"]}}"#;
    let mut world = World::with(&[("events", file)]).await;
    let mut acknowledged = Acknowledged::default();
    let mut number = 0;
    for step in steps {
        match step {
            Step::Put(0, 0, 0) => {}
            Step::Put(good, bad, empty) => {
                let mut make = |form: &str, count: usize| -> Vec<String> {
                    (0..count)
                        .map(|_| {
                            number += 1;
                            form.replace('#', &number.to_string())
                        })
                        .collect()
                };
                let (good, bad) = (make("{\"good\":#}", good), make("{\"bad\":#}", bad));
                let blank = vec![" ".to_owned(); empty];
                let all: Vec<&str> = good.iter().chain(&bad).chain(&blank).map(String::as_str).collect();
                world.put_records("events", &all).await;
                acknowledged.good.extend(good);
                acknowledged.bad.extend(bad);
                acknowledged.empty += empty as u64;
            }
            Step::Wind(seconds) => world.clock.wind(seconds),
            Step::Faults(faults) => {
                let mut faults = faults.into_iter();
                let mut last = Fault::None;
                world.s3.choose(move |_, _| {
                    last = faults.next().unwrap_or(last);
                    last
                });
            }
            Step::Restart => world = world.restart().await,
            // The time is not part of the test: whatever happens in it must be right.
            Step::Pause => tokio::time::sleep(std::time::Duration::from_millis(3)).await,
        }
    }
    world.s3.choose(|_, _| Fault::None);
    world.server.flush("events").await.map_err(|error| error.to_string())?;
    check(&world, &acknowledged).await
}

async fn check(world: &World, acknowledged: &Acknowledged) -> Result<(), String> {
    let once = |found: Vec<String>, wanted: &BTreeSet<String>, place: &str| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        found.into_iter().for_each(|line| *counts.entry(line).or_default() += 1);
        let expected: BTreeMap<_, _> = wanted.iter().map(|line| (line.clone(), 1)).collect();
        if counts == expected { Ok(()) } else { Err(format!("{place}: {counts:?} instead of {expected:?}")) }
    };
    once(world.s3.data_lines(), &acknowledged.good, "data")?;
    let lines = |part: &str| -> Vec<Value> {
        let objects = world.s3.objects(part);
        let lines = objects.iter().flat_map(|(key, object)| object.lines(key));
        lines
            .map(|line| serde_json::from_str(&line).expect("the lines of objects are JSON with the data"))
            .collect()
    };
    let text = |line: &Value| {
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            line["rawData"].as_str().expect("the lines of objects are JSON with the data"),
        );
        let bytes = bytes.expect("the data is in Base64");
        String::from_utf8(bytes).expect("the data of a test is text")
    };
    once(lines("quarantine").iter().map(text).collect(), &acknowledged.bad, "quarantine")?;
    let summary = world.summary("events").await;
    let found = (summary.delivered, summary.quarantined, summary.left_out, summary.waiting_records);
    let counts = |set: &BTreeSet<String>| set.len() as u64;
    let expected = (counts(&acknowledged.good), counts(&acknowledged.bad), acknowledged.empty, 0);
    let raw = lines("raw/").len() as u64;
    if found == expected && raw == summary.accepted_records {
        Ok(())
    } else {
        Err(format!("counts {found:?} instead of {expected:?}; {raw} raw lines: {summary:?}"))
    }
}
