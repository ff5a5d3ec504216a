//! The forms in which S3 events reach the orchestrator, as `up --events` sends them.

use e2e::{definitions::Definitions, program::Up, until::until};
use futures::future;

use crate::{PROGRAM, clients::json};

/// A key with everything that is encoded in one form and plain in another.
const FILE: &str = "a b+c%41 Grüße.csv";
const GOOD: [&str; 4] = ["one", "two+2", "three=3", "four@4"];

fn definition(folder: &str) -> String {
    let definition = serde_json::json!({"objects": [
        {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
         "workerGroup": "#{myWorkerGroup}", "pipelineLogUri": "s3://#{myLogsBucket}/logs", "onSuccess": {"ref": "Done"},
         "myDropFile": format!("{folder}/{{name}}/{FILE}")},
        {"id": "Work", "type": "ShellCommandActivity", "command": "true"},
        {"id": "Done", "type": "SnsAlarm", "topicArn": "#{myNotifyTopicArn}", "subject": "#{myName} is done",
         "myOncePerRun": "true", "message": "m"}],
        "parameters": [{"id": "myName"}, {"id": "myWorkerGroup"}, {"id": "myLogsBucket"}, {"id": "myNotifyTopicArn"}]});
    definition.to_string()
}

/// Drops four sets, each of which gets one run, and a set whose ledger cannot be read. The event of this set becomes a dead letter.
async fn every_set_has_its_run_and_the_poison_is_alone(way: &str) {
    let definitions = Definitions::uncapped();
    definitions.write("odd.json", &definition("odd"));
    definitions.write("poison.json", &definition("poison"));
    let up = Up::start(PROGRAM, &["--definitions", definitions.path(), "--events", way]).await;
    let bucket = &up.endpoints.buckets.definitions;
    let poisoned = up.s3().put_object().bucket(bucket).key("ledger/poison/name=x.json");
    poisoned.body(b"no ledger".to_vec().into()).send().await.expect("the ledger is poisoned");
    let keys = GOOD.map(|name| format!("odd/{name}/{FILE}"));
    let drops = keys.into_iter().chain([format!("poison/x/{FILE}")]).map(|key| {
        let up = &up;
        async move { up.put(&key, b"a\n".to_vec()).await }
    });
    future::join_all(drops).await;

    for name in GOOD {
        let mail = up.mail_of(&format!("{name} is done")).await;
        assert_eq!(mail.subject, format!("{name} is done"));
    }
    let letters = until("the poison is a dead letter", async || {
        let output = up.downspout(&["dead-letters", "--json"]);
        let letters = json(&String::from_utf8_lossy(&output.stdout));
        let letters = letters.as_array().cloned().unwrap_or_default();
        if letters.is_empty() { Err(up.log()) } else { Ok(letters) }
    })
    .await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0]["what"].as_str().is_some_and(|what| what.contains("poison/x/")), "{letters:?}");
    assert!(
        letters[0]["error"].as_str().is_some_and(|why| why.contains("the object is not a ledger")),
        "{letters:?}"
    );
    assert_eq!(up.mails().len(), GOOD.len(), "one mail for each set: {:#?}", up.mails());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_from_s3_itself() {
    every_set_has_its_run_and_the_poison_is_alone("direct").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_batches_of_sqs() {
    every_set_has_its_run_and_the_poison_is_alone("sqs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_through_sns() {
    every_set_has_its_run_and_the_poison_is_alone("sns").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_through_eventbridge() {
    every_set_has_its_run_and_the_poison_is_alone("eventbridge").await;
}
