//! `kill -9` at random moments of a run: no row is lost or loaded twice, and there is one mail.

use std::time::{Duration, Instant};

use e2e::{definitions::Definitions, program::Up, samples::Samples};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::PROGRAM;

/// The number of kills of each of the two stacks, which run side by side.
const KILLS_EACH: u64 = 25;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_every_run_ends_once_the_first_stack() {
    killed_at_random_moments(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_every_run_ends_once_the_second_stack() {
    killed_at_random_moments(2).await;
}

async fn killed_at_random_moments(seed: u64) {
    let definitions = Definitions::uncapped();
    let mut up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let length = length_of_a_run(&up).await;
    let mut random = StdRng::seed_from_u64(seed);
    let mut slowest = Duration::ZERO;
    for round in 1..=KILLS_EACH {
        let day = format!("2026-03-{round:02}");
        let samples = Samples::small(seed * 1_000 + round, 200 + round);
        up.drop_set(&day, &samples).await;
        let moment = length.mul_f64(random.random_range(0.0..1.0));
        tokio::time::sleep(moment).await;
        up.kill();
        let restarted = Instant::now();
        up.start_again().await;
        let mail = up.mail_of(&day).await;
        slowest = slowest.max(restarted.elapsed());
        let rows: i64 = samples.rows().iter().sum();
        let expected = format!("orders {day}: {rows} rows loaded, 0 refused");
        assert_eq!(mail.subject, expected, "seed {seed}, killed after {moment:?}:\n{}", mail.body);
        assert_eq!(
            up.staging_rows().await,
            samples.rows(),
            "seed {seed}, round {round}, killed after {moment:?}"
        );
    }
    for round in 1..=KILLS_EACH {
        up.mail_of(&format!("2026-03-{round:02}")).await;
    }
    let mails = up.mails();
    assert_eq!(mails.len() as u64, KILLS_EACH + 1, "one mail for each run and no other: {mails:#?}");
    println!("killed {KILLS_EACH} times within {length:?}; from restart to mail at most {slowest:?}");
}

/// Runs one set without a kill, and returns how long it takes: the moments of the kills are drawn from this length.
async fn length_of_a_run(up: &Up) -> Duration {
    let samples = Samples::small(7, 200);
    up.drop_set("2026-02-01", &samples).await;
    let start = Instant::now();
    up.mail_of("2026-02-01").await;
    assert_eq!(up.staging_rows().await, samples.rows());
    start.elapsed()
}
