//! Notices reach their topic, even if the topic refuses them at first.

use std::sync::Arc;

use aws_sdk_datapipeline::types::PipelineObject;
use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Router, routing::post};

use crate::harness::{Received, Stage, activity, default, object, refers, string};

/// A topic that refuses the first publish with the error `Busy`.
async fn topic() -> (String, Received) {
    topic_that_refuses("<ErrorResponse><Error><Code>Busy</Code></Error></ErrorResponse>").await
}

/// A topic that refuses the first publish with this answer.
async fn topic_that_refuses(answer: &'static str) -> (String, Received) {
    async fn publish(
        State((received, answer)): State<(Received, &'static str)>,
        body: String,
    ) -> (StatusCode, &'static str) {
        let mut received = received.lock().unwrap();
        received.push(body);
        if received.len() == 1 {
            return (StatusCode::BAD_REQUEST, answer);
        }
        (
            StatusCode::OK,
            "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>",
        )
    }
    let received = Received::default();
    let app = Router::new().route("/", post(publish)).with_state((Arc::clone(&received), answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (endpoint, received)
}

fn sns(endpoint: &str) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .build();
    aws_sdk_sns::Client::from_conf(config)
}

/// Returns a message attribute of a call. The SDK sends the attributes in any order.
fn attribute(call: &str, name: &str) -> Option<String> {
    let field = |key: &str| {
        let value = call.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        value.map(str::to_owned)
    };
    let entries = (1..=2).map(|number| format!("MessageAttributes.entry.{number}"));
    let mut named = entries.filter(|entry| field(&format!("{entry}.Name")).as_deref() == Some(name));
    field(&format!("{}.Value.StringValue", named.next()?))
}

/// Waits until the topic has received two requests. It refuses the first one.
async fn until_two(received: &Received) {
    let started = std::time::Instant::now();
    while received.lock().unwrap().len() < 2 {
        assert!(started.elapsed().as_secs() < 20, "received: {:?}", received.lock().unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_refused_notice_is_published_again_under_the_same_id() {
    let (endpoint, received) = topic().await;
    let stage = Stage::with(|config| config.sns = Some(sns(&endpoint))).await;
    let alarm = object(
        "Alarm",
        vec![
            string("type", "SnsAlarm"),
            string("topicArn", "arn:aws:sns:us-east-1:000000000000:t"),
            string("subject", "done"),
            string("message", "#{node.name} is done"),
            string("role", "r"),
        ],
    );
    let mut work = activity("Work", &[]);
    work.fields.push(refers("onSuccess", "Alarm"));
    stage.run(vec![default(), work, alarm]).await;
    stage.work(&stage.poll().await).await;

    until_two(&received).await;
    let received = received.lock().unwrap().clone();
    let id = attribute(&received[0], "downspout-notice-id").expect("the id of the notice");
    assert_eq!(attribute(&received[1], "downspout-notice-id").as_ref(), Some(&id));
    let pipeline = attribute(&received[0], "pipelineId").expect("the id of the pipeline");
    assert!(pipeline.starts_with("df-"), "{pipeline}");
    assert_eq!(received[0].len(), received[1].len(), "{received:?}");
    assert!(received[0].contains("Subject=done") && received[0].contains("is%20done"), "{}", received[0]);
    stage.stop().await;
}

/// Returns an alarm for the end of a run. The subject of the alarm is the alarm's own id.
fn at_the_end(id: &str) -> PipelineObject {
    let fields = [
        ("type", "SnsAlarm"),
        ("topicArn", "arn:t"),
        ("role", "r"),
        ("myOncePerRun", "true"),
        ("subject", id),
        ("message", "m"),
    ];
    object(id, fields.iter().map(|(key, value)| string(key, value)).collect())
}

#[tokio::test]
async fn a_call_that_marks_all_that_a_run_lacks_tells_of_no_other_end() {
    let (endpoint, received) = topic().await;
    let stage = Stage::with(|config| config.sns = Some(sns(&endpoint))).await;
    let mut default = default();
    default.fields.extend([
        string("maximumRetries", "0"),
        refers("onSuccess", "Good"),
        refers("onFail", "Bad"),
    ]);
    default.fields.retain(|field| field != &string("maximumRetries", "1"));
    let work = [activity("First", &[]), activity("Second", &[])];
    let alarms = [at_the_end("Good"), at_the_end("Bad")];
    let pipeline = stage.run([default].into_iter().chain(work).chain(alarms).collect()).await;
    let (failed, at_work) = (stage.poll().await, stage.poll().await);
    stage.fail(&failed, "no luck").await;
    assert!(!stage.progress(&at_work, &[]).await);
    let ids = stage.ids(&pipeline, "INSTANCE").await;
    // The instance at work comes first. If it came second, the run would end as failed in between.
    let ids = ids.into_iter().rev().collect();
    let set = stage.client.set_status().pipeline_id(&pipeline).set_object_ids(Some(ids));
    set.status("MARK_FINISHED").send().await.unwrap();
    until_two(&received).await;
    let received = received.lock().unwrap().clone();
    assert!(received.iter().all(|notice| notice.contains("Subject=Good")), "{received:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_topic_that_takes_ascii_alone_gets_a_plain_subject() {
    let refusal = "<ErrorResponse><Error><Code>InvalidParameter</Code></Error></ErrorResponse>";
    let (endpoint, received) = topic_that_refuses(refusal).await;
    let stage = Stage::with(|config| config.sns = Some(sns(&endpoint))).await;
    let mut alarm = at_the_end("Good");
    alarm.fields.retain(|field| field.key() != "subject");
    alarm.fields.push(string("subject", "für Köln"));
    let mut default = default();
    default.fields.push(refers("onSuccess", "Good"));
    stage.run(vec![default, activity("Work", &[]), alarm]).await;
    stage.work(&stage.poll().await).await;

    until_two(&received).await;
    let received = received.lock().unwrap().clone();
    assert!(received[0].contains("Subject=f%C3%BCr%20K%C3%B6ln"), "{}", received[0]);
    assert!(received[1].contains("Subject=f%3Fr%20K%3Fln"), "{}", received[1]);
    stage.stop().await;
}
