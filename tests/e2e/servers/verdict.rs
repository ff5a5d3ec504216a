//! Checks that every ordered run has ended as it should.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_datapipeline::types::PipelineObject;
use e2e::topic::Topic;
use e2e::until::until_within;

use super::orders::{ENDED_WELL, Order, RETRIES, SHAPE, Work, message};
use super::service::{Service, reference, value};

/// How long the remaining work may take after the last kill. The claim of a killed server on a notice lasts half a minute of
/// the wall clock, and an attempt of a killed worker stalls for fifteen seconds.
const LIMIT: Duration = Duration::from_secs(240);
/// The error id of an attempt whose worker is silent.
const STALLED: &str = "Service_Stalled";

/// Waits until every run has ended, checks all of them, and returns a summary.
///
/// # Panics
/// If a run does not end, or not as it should.
pub(super) async fn all_ended_well(
    service: &Service,
    topic: &Topic,
    work: &Work,
    orders: &[Order],
) -> String {
    let begun = Instant::now();
    all_end(service, orders).await;
    let ended = begun.elapsed();
    let mut runs = Vec::new();
    for order in orders {
        let of_order = Run::all(service, &order.pipeline).await;
        let (least, most) = (order.least, order.most);
        let there_are: Vec<_> = of_order.iter().map(|run| &run.scheduled).collect();
        let number = there_are.len();
        assert!((least..=most).contains(&number), "{least} to {most} runs were ordered: {there_are:?}");
        runs.extend(of_order);
    }
    for run in &runs {
        run.must_be_right(work);
    }
    notices_are_right(topic, &runs).await;
    let told = begun.elapsed();
    let instances: usize = runs.iter().map(|run| run.instances.len()).sum();
    let attempts: usize = runs.iter().flat_map(|run| run.instances.values()).map(Vec::len).sum();
    let stalled = attempts - instances;
    let runs = runs.len();
    format!(
        "{runs} runs with {instances} instances, {stalled} attempts lost with their workers; \
         the last run ended {ended:.1?} after the last kill, and the last notice came after {told:.1?}"
    )
}

async fn all_end(service: &Service, orders: &[Order]) {
    let mut open: Vec<&str> = orders.iter().map(|order| order.pipeline.as_str()).collect();
    until_within(LIMIT, "every pipeline is finished", async || {
        let mut seen = String::new();
        let mut still = Vec::new();
        for pipeline in &open {
            let state = service.state(pipeline).await;
            if state != "FINISHED" {
                still.push(*pipeline);
                let _ = write!(seen, "\n{pipeline}: {state}");
                for instance in service.objects(pipeline, "INSTANCE").await {
                    seen.push_str(&line(&instance));
                }
            }
        }
        open = still;
        if open.is_empty() { Ok(()) } else { Err(seen) }
    })
    .await;
}

/// Returns a line about an instance that is not finished; nothing about a finished one.
fn line(instance: &PipelineObject) -> String {
    let said = |key: &str| value(instance.fields(), key).unwrap_or("-").to_owned();
    match said("@status").as_str() {
        "FINISHED" => String::new(),
        status => format!(
            "\n    {}: {status}, attempt {}, {}",
            instance.id(),
            said("@attemptCount"),
            said("waitReason")
        ),
    }
}

/// A run, as the service describes it.
struct Run {
    pipeline: String,
    scheduled: String,
    /// The status of each component's instance.
    statuses: BTreeMap<String, String>,
    /// The attempts at each component, oldest first.
    instances: BTreeMap<String, Vec<Attempt>>,
}

#[derive(Debug)]
struct Attempt {
    number: usize,
    status: String,
    error: Option<String>,
    worker: Option<String>,
    started: String,
    ended: Option<String>,
}

impl Run {
    async fn all(service: &Service, pipeline: &str) -> Vec<Self> {
        let mut runs: BTreeMap<String, Self> = BTreeMap::new();
        for instance in service.objects(pipeline, "INSTANCE").await {
            let (scheduled, component) = run_and_component(&instance);
            let run = runs.entry(scheduled.clone()).or_insert_with(|| Self {
                pipeline: pipeline.to_owned(),
                scheduled,
                statuses: BTreeMap::new(),
                instances: BTreeMap::new(),
            });
            let status = value(instance.fields(), "@status").unwrap_or_default().to_owned();
            let before = run.statuses.insert(component.clone(), status);
            assert!(before.is_none(), "{pipeline}: two instances of {component} at {}", run.scheduled);
        }
        for attempt in service.objects(pipeline, "ATTEMPT").await {
            let (scheduled, component) = run_and_component(&attempt);
            let run = runs.get_mut(&scheduled).expect("an attempt is at an instance");
            run.instances.entry(component).or_default().push(Attempt::of(&attempt));
        }
        let mut runs: Vec<Self> = runs.into_values().collect();
        for run in &mut runs {
            run.instances.values_mut().for_each(|attempts| attempts.sort_by_key(|attempt| attempt.number));
        }
        runs
    }

    fn must_be_right(&self, work: &Work) {
        let folder = work.run(&self.pipeline, &self.scheduled);
        let run = format!("{} at {}", self.pipeline, self.scheduled);
        let wrong = fs::read_to_string(folder.join("wrong")).unwrap_or_default();
        assert_eq!(wrong, "", "{run}");
        let wanted: BTreeMap<String, String> =
            SHAPE.iter().map(|(component, _)| ((*component).to_owned(), "FINISHED".to_owned())).collect();
        assert_eq!(self.statuses, wanted, "{run}");
        for (component, _) in SHAPE {
            let attempts = self.instances.get(component).map(Vec::as_slice).unwrap_or_default();
            must_be_right(&format!("{component} of {run}: {attempts:#?}"), attempts);
            assert!(folder.join(format!("{component}.done")).exists(), "{component} of {run} left its mark");
            for attempt in attempts {
                attempt.must_have_its_mark(component, &folder);
            }
        }
    }
}

fn must_be_right(what: &str, attempts: &[Attempt]) {
    assert!((1..=RETRIES + 1).contains(&attempts.len()), "{what}");
    let numbers: Vec<usize> = attempts.iter().map(|attempt| attempt.number).collect();
    assert!(numbers.iter().copied().eq(1..=attempts.len()), "{what}");
    let (last, failed) = attempts.split_last().expect("there is one");
    assert_eq!((last.status.as_str(), &last.error), ("FINISHED", &None), "{what}");
    for attempt in failed {
        let (status, error) = (attempt.status.as_str(), attempt.error.as_deref());
        assert_eq!((status, error), ("FAILED", Some(STALLED)), "{what}");
    }
    // No attempt begins before the previous one has ended. All times have the same form, so their texts sort as the times do.
    for pair in attempts.windows(2) {
        assert!(pair[0].ended.as_ref().is_some_and(|ended| *ended <= pair[1].started), "{what}");
    }
}

impl Attempt {
    fn of(object: &PipelineObject) -> Self {
        let text = |key: &str| value(object.fields(), key).map(str::to_owned);
        Self {
            number: text("@attemptCount").and_then(|number| number.parse().ok()).expect("a number"),
            status: text("@status").unwrap_or_default(),
            error: text("errorId"),
            worker: text("hostname"),
            started: text("startedAt").unwrap_or_default(),
            ended: text("endedAt"),
        }
    }

    /// Checks the mark that the work of an attempt leaves. An attempt may have no mark if its worker was killed before the
    /// work began; a finished attempt must have its mark.
    fn must_have_its_mark(&self, component: &str, folder: &Path) {
        let mark = folder.join(format!("{component}.{}.begun", self.number));
        let by = fs::read_to_string(&mark).ok().map(|by| by.trim().to_owned());
        if self.status == "FINISHED" || by.is_some() {
            assert_eq!(by, self.worker, "{}: {self:?}", mark.display());
        }
    }
}

/// Returns the scheduled start and the component of an object.
fn run_and_component(object: &PipelineObject) -> (String, String) {
    let fields = object.fields();
    let scheduled = value(fields, "@scheduledStartTime").expect("an instance is scheduled");
    let component = reference(fields, "@componentParent").expect("an instance has a component");
    (scheduled.to_owned(), component.to_owned())
}

/// Waits until every run has a notice. Then checks that there are no other notices, and that all notices of a run have
/// the same id.
async fn notices_are_right(topic: &Topic, runs: &[Run]) {
    let wanted: BTreeSet<String> =
        runs.iter().map(|run| message(&run.pipeline, &run.scheduled, ENDED_WELL)).collect();
    until_within(LIMIT, "every run has a notice", async || {
        let told = topic.published();
        let missing: Vec<_> = wanted.iter().filter(|message| !told.contains_key(*message)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing: {missing:#?}")) }
    })
    .await;
    let told = topic.published();
    let other: Vec<_> = told.keys().filter(|message| !wanted.contains(*message)).collect();
    assert!(other.is_empty(), "other notices: {other:#?}");
    let ids: BTreeSet<&String> = told.values().flat_map(BTreeMap::keys).collect();
    assert!(!ids.contains(&String::new()), "each notice has an id: {told:#?}");
    let one_each = told.values().all(|ids| ids.len() == 1) && ids.len() == told.len();
    assert!(one_each, "every run has notices of one id: {told:#?}");
}
