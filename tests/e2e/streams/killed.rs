//! `kill -9` under eight producers: every acknowledged record is in exactly one file and one row, or in quarantine.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::{program::Up, until::until};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use super::producer::Producers;
use super::{lines, quick};
use crate::PROGRAM;

/// How often the stack is killed, unless `DOWNSPOUT_SOAK_STREAM_KILLS` says another number.
const KILLS: u64 = 6;
/// The longest time between the start of the stack and its end.
const LONGEST: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_a_stack_keeps_every_acknowledged_record_once() {
    let kills =
        std::env::var("DOWNSPOUT_SOAK_STREAM_KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let definitions = quick();
    let mut up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let producers = Producers::start(&up);
    until(
        "every producer is answered",
        async || {
            if producers.are_at_work() { Ok(()) } else { Err(up.log()) }
        },
    )
    .await;
    let mut random = StdRng::seed_from_u64(kills);
    for _ in 0..kills {
        tokio::time::sleep(LONGEST.mul_f64(random.random_range(0.0..1.0))).await;
        up.kill();
        up.start_again().await;
    }
    let acknowledged = producers.stop();
    let flushed = up.downspout(&["stream", "flush", "user-utm"]);
    assert!(flushed.status.success(), "{flushed:?}");

    let ids = |lines: &[Value]| -> Vec<String> {
        lines.iter().map(|line| line["request_id"].as_str().expect("an id").to_owned()).collect()
    };
    let drop_bucket = &up.endpoints.buckets.drop;
    let delivered = ids(&lines(&up, drop_bucket, "tracking/utm/").await);
    let quarantined = ids(&quarantined(&up).await);
    let raw = lines(&up, &up.endpoints.buckets.raw, "").await.len();
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for id in delivered.iter().chain(&quarantined) {
        *times.entry(id).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "delivered twice: {twice:?}");
    let lost: Vec<_> = acknowledged.iter().filter(|id| !times.contains_key(id.as_str())).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(raw, times.len(), "every record lies in the raw bucket once");
    let rows = rows(&up, delivered.len()).await;
    println!(
        "killed {kills} times\nacknowledged            {:>8}\ndelivered + quarantined {:>8} = {} + {}\n  of them not \
         acknowledged {:>5}\nrows in tracking.utm    {rows:>8}\nlost or twice           {:>8}",
        acknowledged.len(),
        times.len(),
        delivered.len(),
        quarantined.len(),
        times.len() - acknowledged.len(),
        0,
    );
    assert!(
        quarantined.len() * 20 < delivered.len() && !quarantined.is_empty(),
        "every 40th record is refused"
    );
}

/// Returns the records in quarantine.
async fn quarantined(up: &Up) -> Vec<Value> {
    use base64::Engine as _;
    let text = |line: &Value| {
        let raw = line["rawData"].as_str().expect("rawData");
        base64::prelude::BASE64_STANDARD.decode(raw).expect("base64")
    };
    let lines = lines(up, &up.endpoints.buckets.drop, "quarantine/").await;
    lines.iter().map(|line| serde_json::from_slice(&text(line)).expect("a visit")).collect()
}

/// Waits until the table has a row for each delivered record, and none twice. The wait goes on as long as rows come: after many
/// kills, many files wait for their runs.
async fn rows(up: &Up, expected: usize) -> i64 {
    let mut before = -1;
    loop {
        let rows = until("more rows", async || {
            let sql = "SELECT count(*), count(DISTINCT request_id) FROM tracking.utm";
            let row = up.database().await.query_one(sql, &[]).await.map_err(|error| error.to_string())?;
            let (rows, distinct): (i64, i64) = (row.get(0), row.get(1));
            assert_eq!(rows, distinct, "a record is loaded twice");
            let is_more = rows > before || usize::try_from(rows) == Ok(expected);
            if is_more { Ok(rows) } else { Err(format!("{rows} of {expected}\n{}", up.log())) }
        })
        .await;
        if usize::try_from(rows) == Ok(expected) {
            return rows;
        }
        before = rows;
    }
}
