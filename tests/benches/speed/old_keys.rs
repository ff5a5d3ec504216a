//! The cost of a sweep and of an event where a drop bucket keeps the keys of years, beside a bucket with few keys.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::program::Up;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use orchestrator::{Clients, Config, Orchestrator};
use serde_json::{Value, json};

use crate::{Figure, PROGRAM, median};

/// A bucket without notifications: the benchmark delivers the events.
const DROP: &str = "bench-old-keys";
/// The old keys of the two definitions. `DOWNSPOUT_BENCH_KEYS` sets another number for the second one.
const FEW: usize = 10_000;
const MANY: usize = 1_000_000;
const PUT_AT_ONCE: usize = 128;
const TURNS: usize = 7;

/// A definition with its own home, so that a sweep is about this definition alone.
struct Home {
    name: &'static str,
    orchestrator: Orchestrator,
}

/// Measures in turns, so that the ratios stay true when the speed of the machine drifts.
pub(crate) async fn figures() -> Result<Vec<Figure>> {
    let many = std::env::var("DOWNSPOUT_BENCH_KEYS").map_or(Ok(MANY), |text| text.parse())?;
    let up = Up::start(PROGRAM, &[]).await;
    up.s3().create_bucket().bucket(DROP).send().await?;
    // The definitions come after the keys, so the keys are too old to start a run.
    put_keys(&up, "few", FEW).await?;
    put_keys(&up, "many", many).await?;
    let homes = [home(&up, "few").await?, home(&up, "many").await?];
    let mut sweeps: [Vec<f64>; 2] = Default::default();
    let mut events: [Vec<f64>; 2] = Default::default();
    for turn in 0..TURNS {
        for (number, home) in homes.iter().enumerate() {
            let begun = Instant::now();
            let report = home.orchestrator.sweep().await?;
            sweeps[number].push(begun.elapsed().as_secs_f64() * 1_000.0);
            ensure!(report.failures.is_empty(), "{:?}", report.failures);
            ensure!(report.decisions.len() <= turn, "old keys start nothing: {:?}", report.decisions);
            let key = format!("{}/new-{turn}/a.csv", home.name);
            put(&up, &key).await?;
            let begun = Instant::now();
            let answer = home.orchestrator.handle(event(&key)).await?;
            events[number].push(begun.elapsed().as_secs_f64() * 1_000.0);
            // No worker does the work, so all runs but the first one wait.
            let expected = if turn == 0 { "started" } else { "behind" };
            ensure!(answer["decisions"][0]["decision"] == expected, "{key}: {answer}");
        }
    }
    println!("{FEW} and {many} old keys; sweeps, ms: {sweeps:.0?}; events, ms: {events:.1?}");
    let figure = |name, [mut few, mut many]: [Vec<f64>; 2]| {
        let (few, many) = (median(&mut few), median(&mut many));
        Figure { name, value: many, unit: "ms", rival: Some("10,000 old keys"), ratio: Some(many / few) }
    };
    Ok(vec![figure("sweep_million_old_keys", sweeps), figure("event_million_old_keys", events)])
}

async fn put_keys(up: &Up, name: &str, count: usize) -> Result<()> {
    let begun = Instant::now();
    let puts = (0..count).map(|number| async move {
        // A folder for each thousand, as of a day.
        put(up, &format!("{name}/{:04}-{:03}/a.csv", number / 1_000, number % 1_000)).await
    });
    stream::iter(puts).buffer_unordered(PUT_AT_ONCE).try_collect::<()>().await?;
    println!("{count} keys are put after {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

async fn put(up: &Up, key: &str) -> Result<()> {
    let put = up.s3().put_object().bucket(DROP).key(key).body(b"1\n".to_vec().into()).send().await;
    put.with_context(|| format!("putting {key}")).map(drop)
}

async fn home(up: &Up, name: &'static str) -> Result<Home> {
    let definition = json!({"objects": [
        {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
         "workerGroup": "bench-old-keys", "maximumRetries": "0", "mySettle": "0 seconds",
         "myDropFile": format!("{name}/{{set}}/a.csv")},
        {"id": "Work", "type": "ShellCommandActivity", "command": "true"}]});
    let bucket = &up.endpoints.buckets.definitions;
    let put = up.s3().put_object().bucket(bucket).key(format!("{name}/{name}.json"));
    put.body(definition.to_string().into_bytes().into()).send().await?;
    let config = Config {
        definitions_uri: format!("s3://{bucket}/{name}"),
        drop_bucket: Some(DROP.to_owned()),
        topic_arn: up.endpoints.topic_arn.clone(),
        lease: Duration::from_secs(300),
        holder: name.to_owned(),
        now: Arc::new(Timestamp::now),
    };
    let clients = Clients { s3: up.s3(), datapipeline: up.datapipeline(), sns: up.sns() };
    Ok(Home { name, orchestrator: Orchestrator::new(config, clients)? })
}

fn event(key: &str) -> Value {
    json!({"Records": [{
        "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": Timestamp::now().to_string(),
        "userIdentity": {"principalId": "AWS:EXAMPLE"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "s3": {"bucket": {"name": DROP}, "object": {"key": key, "size": 2}}
    }]})
}
