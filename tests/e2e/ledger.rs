//! One run for the same files, whatever the events are: several handlers use one ledger, and the story sets their clock.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use e2e::{definitions::Definitions, program::Up, samples::Samples, until::until};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use orchestrator::{Clients, Config, Orchestrator, Verdict};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Value, json};

use crate::PROGRAM;

/// A bucket without notifications: the stories deliver events themselves, or leave them out.
const DROP: &str = "stories-drop";
/// The prefix of the definitions and the ledger of the stories, which the stack's own handler does not read.
const PREFIX: &str = "stories";

/// A stack, with handlers and a ledger that belong to the story.
struct Story {
    up: Up,
    ahead_ms: Arc<AtomicI64>,
}

impl Story {
    async fn begin(definitions: &Definitions) -> Self {
        let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
        let story = Self { up, ahead_ms: Arc::default() };
        let s3 = story.up.s3();
        s3.create_bucket().bucket(DROP).send().await.expect("a bucket without events");
        for file in ["orders.json", "values.json"] {
            story.copy_definition(file).await;
        }
        // The first sweep sees the definition: sets that are dropped from now on count.
        story.handler("first").sweep().await.expect("the first sweep");
        story
    }

    /// Copies a file of the stack's definitions to those of the story, after the stack has loaded it.
    async fn copy_definition(&self, file: &str) {
        let bucket = &self.up.endpoints.buckets.definitions;
        let s3 = self.up.s3();
        until(&format!("{file} is in the definitions bucket"), async || {
            s3.copy_object()
                .bucket(bucket)
                .key(format!("{PREFIX}/{file}"))
                .copy_source(format!("{bucket}/{file}"))
                .send()
                .await
                .map_err(|error| format!("{error:?}"))
        })
        .await;
    }

    fn handler(&self, holder: &str) -> Orchestrator {
        let ahead = Arc::clone(&self.ahead_ms);
        let config = Config {
            definitions_uri: format!("s3://{}/{PREFIX}", self.up.endpoints.buckets.definitions),
            drop_bucket: Some(DROP.to_owned()),
            topic_arn: self.up.endpoints.topic_arn.clone(),
            lease: std::time::Duration::from_secs(60),
            holder: holder.to_owned(),
            now: Arc::new(move || {
                Timestamp::now() + SignedDuration::from_millis(ahead.load(Ordering::Relaxed))
            }),
        };
        let clients = Clients { s3: self.up.s3(), datapipeline: self.up.datapipeline(), sns: self.up.sns() };
        Orchestrator::new(config, clients).expect("the configuration is right")
    }

    fn advance(&self, time: SignedDuration) {
        let millis = i64::try_from(time.as_millis()).expect("a few days");
        self.ahead_ms.fetch_add(millis, Ordering::Relaxed);
    }

    /// Puts the three files of a set, and returns the events that AWS would send for them.
    async fn put_set(&self, day: &str, samples: &Samples) -> Vec<Value> {
        let mut events = Vec::new();
        for (name, bytes) in samples.files() {
            events.push(self.put(&format!("incoming/{day}/{name}"), bytes).await);
        }
        events
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Value {
        let size = bytes.len();
        let put = self.up.s3().put_object().bucket(DROP).key(key).body(bytes.into()).send().await;
        let etag = put.expect("putting a file").e_tag.expect("an ETag");
        event(key, size, etag.trim_matches('"'))
    }

    async fn mails(&self, expected: usize) -> Vec<String> {
        until(&format!("{expected} mails"), async || {
            let subjects: Vec<String> = self.up.mails().into_iter().map(|mail| mail.subject).collect();
            if subjects.len() == expected {
                Ok(subjects)
            } else {
                Err(format!("{subjects:#?}\n{}", self.up.log()))
            }
        })
        .await
    }

    async fn pipelines(&self) -> Vec<String> {
        let listed = self.up.datapipeline().list_pipelines().send().await.expect("listing pipelines");
        listed.pipeline_id_list.into_iter().filter_map(|pipeline| pipeline.id).collect()
    }
}

fn event(key: &str, size: usize, etag: &str) -> Value {
    let now = Timestamp::now();
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": now.to_string(), "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:EXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "EXAMPLE123"},
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "drops",
            "bucket": {"name": DROP, "ownerIdentity": {"principalId": "A3NL1KOZZKExample"}, "arn": format!("arn:aws:s3:::{DROP}")},
            "object": {"key": key, "size": size, "eTag": etag, "sequencer": format!("{:016X}", now.as_nanosecond())}
        }
    }]})
}

/// Delivers the events at the same time, each to a handler of its own; returns how many runs the handlers started.
async fn deliver(story: &Story, events: Vec<Value>) -> usize {
    let deliveries: Vec<_> = events
        .into_iter()
        .enumerate()
        .map(|(number, event)| {
            let handler = story.handler(&format!("handler-{number}"));
            tokio::spawn(async move { handler.handle(event).await })
        })
        .collect();
    let mut started = 0;
    for delivery in deliveries {
        let answer = delivery.await.expect("a handler ends");
        let answer =
            answer.unwrap_or_else(|error| panic!("a handler answers: {error:#}\n{}", story.up.log()));
        let decisions = answer["decisions"].as_array().cloned().unwrap_or_default();
        started += decisions.iter().filter(|decision| decision["decision"] == "started").count();
    }
    started
}

#[tokio::test(flavor = "multi_thread")]
async fn events_delivered_five_times_out_of_order_to_several_handlers_start_one_run() {
    let story = Story::begin(&Definitions::uncapped()).await;
    let events = story.put_set("2026-07-01", &Samples::small(61, 120)).await;
    let mut deliveries: Vec<Value> = std::iter::repeat_n(events.clone(), 5).flatten().collect();
    deliveries.shuffle(&mut StdRng::seed_from_u64(5));
    assert_eq!(deliver(&story, deliveries).await, 1);
    story.mails(1).await;
    let first = story.pipelines().await;
    assert_eq!(first.len(), 1, "{first:?}");

    // The same files again: no second run.
    let again = story.put_set("2026-07-01", &Samples::small(61, 120)).await;
    assert_eq!(deliver(&story, again).await, 0);
    assert_eq!(story.pipelines().await, first);

    // A changed file: a new run, and the earlier pipeline is gone.
    story.advance(SignedDuration::from_mins(2));
    let [(_, orders), ..] = Samples::small(62, 130).files();
    let changed = story.put("incoming/2026-07-01/orders.csv", orders).await;
    assert_eq!(deliver(&story, vec![changed]).await, 1);
    story.mails(2).await;
    let second = story.pipelines().await;
    assert_eq!(second.len(), 1, "the earlier, ended pipeline is gone: {second:?}");
    assert_ne!(first, second);
    assert_eq!(story.up.staging_rows().await, [130, 48, 120]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_started_again_when_its_files_are_dropped_again() {
    let definitions = Definitions::uncapped();
    let mended = std::fs::read_to_string(format!("{}/orders.json", definitions.path())).expect("orders.json");
    definitions.edit(|objects, _| {
        let create = objects.iter_mut().find(|object| object["id"] == "CreateTables").expect("CreateTables");
        create["script"] = "SELECT nothing FROM nowhere".into();
        create.as_object_mut().expect("an object").remove("scriptUri");
    });
    let story = Story::begin(&definitions).await;
    let samples = Samples::small(63, 90);
    let events = story.put_set("2026-07-02", &samples).await;
    assert_eq!(deliver(&story, events).await, 1);
    let subjects = story.mails(1).await;
    assert!(subjects[0].contains("FAILED"), "{subjects:?}");

    definitions.write("orders.json", &mended);
    let bucket = &story.up.endpoints.buckets.definitions;
    let put = story.up.s3().put_object().bucket(bucket).key(format!("{PREFIX}/orders.json"));
    put.body(mended.into_bytes().into()).send().await.expect("mending the definition");
    story.advance(SignedDuration::from_mins(2));
    let again = story.put_set("2026-07-02", &samples).await;
    assert_eq!(deliver(&story, again).await, 1);
    let subjects = story.mails(2).await;
    assert!(subjects[1].contains("rows loaded"), "{subjects:?}");
    assert_eq!(story.up.staging_rows().await, samples.rows());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_over_the_cap_runs_the_next_day() {
    let story = Story::begin(&Definitions::shipped()).await;
    let first = story.put_set("2026-07-03", &Samples::small(64, 70)).await;
    assert_eq!(deliver(&story, first).await, 1);
    story.mails(1).await;

    let over = Samples::small(65, 80);
    let second = story.put_set("2026-07-04", &over).await;
    assert_eq!(deliver(&story, second).await, 0);
    let subjects = story.mails(2).await;
    assert!(subjects.iter().any(|subject| subject.contains("put off until")), "{subjects:?}");
    let today = story.handler("today").sweep().await.expect("a sweep of today");
    let started = today.decisions.iter().filter(|decision| decision.verdict == Verdict::Started).count();
    assert_eq!(started, 0, "today the cap is reached: {today:?}");
    assert_eq!(story.mails(2).await.len(), 2);

    let to_tomorrow = Timestamp::now().until(Timestamp::now() + 24.hours()).expect("a day");
    story.advance(SignedDuration::try_from(to_tomorrow).expect("a fixed length"));
    story.handler("tomorrow").sweep().await.expect("a sweep of tomorrow");
    let subjects = story.mails(3).await;
    assert!(subjects.iter().any(|subject| subject.contains("orders 2026-07-04: ")), "{subjects:?}");
    assert_eq!(story.up.staging_rows().await, over.rows());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_starts_the_run_whose_events_were_never_delivered() {
    let story = Story::begin(&Definitions::uncapped()).await;
    let samples = Samples::small(66, 60);
    story.put_set("2026-07-05", &samples).await;
    story.handler("sweeper").sweep().await.expect("a sweep");
    story.mails(1).await;
    assert_eq!(story.up.staging_rows().await, samples.rows());
    story.handler("sweeper").sweep().await.expect("a second sweep");
    assert_eq!(story.pipelines().await.len(), 1, "a second sweep starts nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_dropped_together_give_the_same_results_as_one_by_one() {
    let days = ["2026-08-01", "2026-08-02", "2026-08-03"];
    let samples = |index: usize| Samples::small(70 + index as u64, 150 + 10 * index as u64);
    let definitions = Definitions::uncapped();
    let options = ["--definitions", definitions.path()];
    let (together, one_by_one) = tokio::join!(Up::start(PROGRAM, &options), Up::start(PROGRAM, &options));
    for (index, day) in days.iter().enumerate() {
        together.drop_set(day, &samples(index)).await;
    }
    for (index, day) in days.iter().enumerate() {
        one_by_one.drop_set(day, &samples(index)).await;
        one_by_one.mail_of(day).await;
    }
    for day in days {
        let subject = together.mail_of(day).await.subject;
        assert_eq!(subject, one_by_one.mail_of(day).await.subject);
        assert_eq!(results(&together, day).await, results(&one_by_one, day).await);
    }
}

/// Returns the result files of a day.
async fn results(up: &Up, day: &str) -> Vec<(String, Vec<u8>)> {
    let (s3, bucket) = (up.s3(), &up.endpoints.buckets.results);
    let listed = s3.list_objects_v2().bucket(bucket).prefix(format!("orders/{day}/")).send().await;
    let mut results = Vec::new();
    for key in listed.expect("listing the results").contents().iter().filter_map(|object| object.key()) {
        let object = s3.get_object().bucket(bucket).key(key).send().await.expect("a result");
        let bytes = object.body.collect().await.expect("its bytes").to_vec();
        results.push((key.to_owned(), bytes));
    }
    assert_eq!(results.len(), 3, "{results:?}");
    results
}
