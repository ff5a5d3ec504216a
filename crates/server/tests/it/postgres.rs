//! The service on PostgreSQL.

use native_postgres::NativePostgres;
use store::Location;

use crate::harness::{Stage, two_steps};

#[tokio::test]
async fn a_run_goes_on_over_a_restart_on_postgresql() {
    let location = Location::parse(&NativePostgres::shared().url()).unwrap();
    let stage = Stage::with(|config| config.store = location.clone()).await;
    let pipeline = stage.run(two_steps()).await;
    stage.work(&stage.poll().await).await;
    stage.stop().await;
    let stage = Stage::with(|config| config.store = location).await;
    stage.work(&stage.poll().await).await;
    stage.until(&pipeline, &[("First", "FINISHED"), ("Second", "FINISHED")]).await;
    assert_eq!(stage.pipeline_field(&pipeline, "@pipelineState").await.as_deref(), Some("FINISHED"));
    stage.client.delete_pipeline().pipeline_id(&pipeline).send().await.unwrap();
    stage.stop().await;
}
