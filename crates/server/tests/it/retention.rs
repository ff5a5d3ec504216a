//! Retention: runs that ended long ago are removed.

use definition::period::Period;

use crate::harness::{Stage, activity, default};

const DAY: i64 = 24 * 3600;

/// Does the only activity of the newest run.
async fn run_once(stage: &Stage) {
    stage.work(&stage.poll().await).await;
}

async fn until_ids(stage: &Stage, pipeline: &str, sphere: &str, wanted: &[&str]) {
    let mut last = Vec::new();
    for _ in 0..2_000 {
        last = stage.ids(pipeline, sphere).await;
        if last == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{sphere}: {last:?}");
}

#[tokio::test]
async fn runs_are_kept_for_a_set_time_and_the_newest_for_ever() {
    let keep = |config: &mut server::Config| config.keep_runs = Period::parse("2 days").unwrap();
    let stage = Stage::with(keep).await;
    let pipeline = stage.run(vec![default(), activity("Work", &[])]).await;
    run_once(&stage).await;
    for _ in 0..2 {
        stage.advance(DAY);
        stage.client.activate_pipeline().pipeline_id(&pipeline).send().await.unwrap();
        run_once(&stage).await;
    }
    let ids = ["17", "18", "19"].map(|day| format!("@Work_2030-03-{day}T17:46:40"));
    let ids = ids.each_ref().map(String::as_str);
    assert_eq!(stage.ids(&pipeline, "INSTANCE").await, ids);
    // After this, the first run ended a little more than two days ago.
    stage.advance(700);
    until_ids(&stage, &pipeline, "INSTANCE", &ids[1..]).await;
    stage.advance(30 * DAY);
    until_ids(&stage, &pipeline, "INSTANCE", &ids[2..]).await;
    until_ids(&stage, &pipeline, "ATTEMPT", &[&format!("{}_Attempt=1", ids[2])]).await;
    assert_eq!(stage.pipeline_field(&pipeline, "@healthStatus").await.as_deref(), Some("HEALTHY"));
    let gone = stage.client.set_status().pipeline_id(&pipeline).object_ids(ids[0]).status("RERUN");
    assert!(gone.send().await.is_err());
    stage.stop().await;
}
