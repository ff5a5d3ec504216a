//! The local SNS, which boto3 drives: topics, subscriptions, filters, batches and refusals.

use e2e::{definitions::Definitions, program::Up};

use crate::PROGRAM;
use crate::clients::bash;

#[tokio::test(flavor = "multi_thread")]
async fn boto3_calls_every_operation_of_sns_and_reads_its_refusals() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/sns.py");
    let outbox = up.endpoints.outbox.display();
    let said = bash(&up, &format!("python '{script}' '{outbox}'"));
    assert_eq!(said.trim(), "done", "{}", up.log());
}
