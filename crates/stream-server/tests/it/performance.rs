//! Bounds of time and memory that need no quiet machine.

use std::time::{Duration, Instant};

use crate::stand_in_s3::Fault;
use crate::world::World;

#[tokio::test]
async fn a_start_does_not_count_what_waits() {
    let mut world =
        World::with(&[("events", r#"{"bufferSizeMB": 128, "bufferIntervalSeconds": 900}"#)]).await;
    world.s3.choose(|_, _| Fault::Unavailable);
    let lines: String = (0..50_000).map(|number| format!("{{\"n\":{number}}}\n")).collect();
    for _ in 0..4 {
        world.post("events", &lines).await;
    }
    let begun = Instant::now();
    world = world.restart().await;
    let summary = world.summary("events").await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(summary.waiting_records, 200_000);
    world.s3.choose(|_, _| Fault::None);
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines().len(), 200_000);
}
