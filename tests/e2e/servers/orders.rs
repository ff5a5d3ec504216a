//! The orders of the customers: pipelines whose activities check that they run in order, and once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_sdk_datapipeline::types::{Field, PipelineObject};
use e2e::clock::FastClock;
use jiff::ToSpan as _;

use super::SPEED;
use super::fleet::GROUP;
use super::service::{Activated, Service};

/// A fan-out, a fan-in and a chain: each activity with the activities that it depends on.
pub(super) const SHAPE: [(&str, &[&str]); 8] = [
    ("Split", &[]),
    ("East", &["Split"]),
    ("West", &["Split"]),
    ("North", &["Split"]),
    ("South", &["Split"]),
    ("Merge", &["East", "West", "North", "South"]),
    ("Check", &["Merge"]),
    ("Publish", &["Check"]),
];
/// `maximumRetries`, with the largest value that AWS allows.
pub(super) const RETRIES: usize = 5;
/// The runs that a customer orders of one pipeline; all may be active at once.
const RUNS: usize = 2;
/// The shortest period that a schedule may have.
const PERIOD_MINUTES: i32 = 15;
/// The intervals of a schedule that are over when the pipeline is activated.
const PAST: i32 = 2;
/// How often a customer asks whether an order is done.
const ASK_PERIOD: Duration = Duration::from_millis(250);

/// The runs that were ordered of a pipeline.
pub(super) struct Order {
    pub(super) pipeline: String,
    /// The smallest number of runs: the activations that were answered.
    pub(super) least: usize,
    /// The largest number of runs: with the activations whose answer was lost.
    pub(super) most: usize,
}

/// The script of the activities, and the folder of their marks.
pub(super) struct Work {
    script: PathBuf,
    folder: PathBuf,
}

impl Work {
    pub(super) fn in_folder(folder: &Path) -> Self {
        let work = Self { script: folder.join("work.sh"), folder: folder.join("marks") };
        fs::write(&work.script, include_str!("work.sh")).expect("writing the work's script");
        work
    }

    /// Returns the folder of a run; its scheduled start distinguishes it from the other runs of the pipeline.
    pub(super) fn run(&self, pipeline: &str, scheduled: &str) -> PathBuf {
        self.folder.join(pipeline).join(scheduled)
    }

    fn objects(&self, default: &[(&str, &str)]) -> Vec<PipelineObject> {
        let alarm = |id: &str, word: &str| {
            let message = message("#{node.@pipelineId}", "#{node.@scheduledStartTime}", word);
            let fields = [
                ("type", "SnsAlarm"),
                ("myOncePerRun", "true"),
                ("topicArn", "arn:aws:sns:us-east-1:000000000000:runs"),
                ("subject", word),
                ("message", &message),
                ("role", "r"),
            ];
            object(id, &fields, &[])
        };
        let usual = [
            ("workerGroup", GROUP),
            ("failureAndRerunMode", "CASCADE"),
            ("maximumRetries", &RETRIES.to_string()),
            ("retryDelay", "2 minutes"),
            ("reportProgressTimeout", "15 minutes"),
        ];
        let fields = [&usual, default].concat();
        let mut objects = vec![
            object("Default", &fields, &[("onSuccess", "Succeeded"), ("onFail", "Failed")]),
            alarm("Succeeded", ENDED_WELL),
            alarm("Failed", "failed"),
        ];
        objects.extend(SHAPE.iter().map(|(component, needed)| self.activity(component, needed)));
        objects
    }

    fn activity(&self, component: &str, needed: &[&str]) -> PipelineObject {
        let run = self.run("#{@pipelineId}", "#{@scheduledStartTime}");
        let command = format!(
            "bash '{}' '{}' {component} #{{@attemptCount}} {}",
            self.script.display(),
            run.display(),
            needed.join(" ")
        );
        let needed: Vec<_> = needed.iter().map(|needed| ("dependsOn", *needed)).collect();
        object(component, &[("type", "ShellCommandActivity"), ("command", &command)], &needed)
    }
}

/// Returns the text of a run's notice.
pub(super) fn message(pipeline: &str, scheduled: &str, word: &str) -> String {
    format!("{pipeline} of {scheduled} {word}")
}

/// The last word of the notice of a run that ended well.
pub(super) const ENDED_WELL: &str = "succeeded";

/// Creates one pipeline after the other until `end`, and activates each [`RUNS`] times.
pub(super) async fn on_demand(number: usize, service: &Service, work: &Work, end: Instant) -> Vec<Order> {
    let most = RUNS.to_string();
    let objects = work.objects(&[("scheduleType", "ondemand"), ("maxActiveInstances", &most)]);
    let mut orders = Vec::new();
    while Instant::now() < end {
        let pipeline = service.create(&format!("customer-{number}-{}", orders.len())).await;
        service.put(&pipeline, &objects).await;
        let order = activate(service, pipeline).await;
        while Instant::now() < end && service.state(&order.pipeline).await != "FINISHED" {
            tokio::time::sleep(ASK_PERIOD).await;
        }
        orders.push(order);
    }
    orders
}

async fn activate(service: &Service, pipeline: String) -> Order {
    let mut order = Order { pipeline, least: 0, most: 0 };
    while order.least < RUNS {
        match service.activate(&order.pipeline).await {
            Activated::Surely => {
                order.least += 1;
                order.most += 1;
            }
            Activated::Perhaps => order.most += 1,
            Activated::Refused => {
                let Order { pipeline, least, most } = &order;
                assert!(least < most, "{pipeline} is refused a run, and has no more than {least} of {RUNS}");
                // An activation without an answer did happen, and its run is active.
                break;
            }
        }
    }
    order
}

/// Creates and activates a pipeline with a schedule that has begun already and is over after `length`.
pub(super) async fn on_schedule(
    number: usize,
    service: &Service,
    work: &Work,
    clock: FastClock,
    length: Duration,
    most_active: Option<u32>,
) -> Order {
    let to_come = i32::try_from(length.as_secs()).expect("a length") * SPEED / (PERIOD_MINUTES * 60);
    let occurrences = PAST + to_come.max(1);
    let start = clock.now() - (PAST * PERIOD_MINUTES).minutes();
    let most_active = most_active.map(|most| most.to_string());
    let mut default = vec![("scheduleType", "cron")];
    default.extend(most_active.as_deref().map(|most| ("maxActiveInstances", most)));
    let mut objects = work.objects(&default);
    let to_schedule = Field::builder().key("schedule").ref_value("Often").build().expect("a field");
    objects[0].fields.push(to_schedule);
    let fields = [
        ("type", "Schedule"),
        ("period", &format!("{PERIOD_MINUTES} minutes")),
        ("startDateTime", &start.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
        ("occurrences", &occurrences.to_string()),
    ];
    objects.push(object("Often", &fields, &[]));
    let pipeline = service.create(&format!("schedule-{number}")).await;
    service.put(&pipeline, &objects).await;
    // A second activation of a scheduled pipeline changes nothing.
    while !matches!(service.activate(&pipeline).await, Activated::Surely) {}
    let runs = usize::try_from(occurrences).expect("a number of runs");
    Order { pipeline, least: runs, most: runs }
}

fn object(id: &str, values: &[(&str, &str)], references: &[(&str, &str)]) -> PipelineObject {
    let field = |key: &str| Field::builder().key(key);
    let values = values.iter().map(|(key, value)| field(key).string_value(*value).build());
    let references = references.iter().map(|(key, target)| field(key).ref_value(*target).build());
    let fields = values.chain(references).collect::<Result<_, _>>().expect("keys are given");
    PipelineObject::builder().id(id).name(id).set_fields(Some(fields)).build().expect("all is given")
}
