//! What every store must do. One suite; each implementation calls it with a way to open a fresh one.

mod servers;

use std::sync::Arc;

use definition::{Definition, file};
use engine::{
    Activation, AttemptId, Effect, Event, InstanceId, NoticeId, Occasion, PipelineId, PipelineState, Plan,
    Run, RunId, RunnerId, Step, TaskOutcome, Upcoming, expand, time,
};
use jiff::Timestamp;

use crate::{
    Batch, DefinitionVersion, Marker, Pipeline, Query, Selector, Sphere, Store, StoreError, Tag, TextField,
    TimeField,
};

pub(crate) use servers::*;

/// Where the stores of one test are: each opening gives another store on the same data.
pub(crate) trait Site {
    async fn open(&self) -> Arc<dyn Store>;
}

/// Makes one test per rule, each on a fresh site.
macro_rules! conformance {
    ($site:expr) => {
        crate::conformance::conformance! { $site;
            one:
            creation_is_idempotent_by_name_and_unique_id
            an_id_that_is_taken_is_refused
            a_pipeline_and_its_two_definitions_are_kept
            pipelines_are_listed_page_by_page_in_order_of_creation
            a_deleted_pipeline_is_gone_remembered_and_may_be_created_anew
            a_run_loads_as_it_was_saved
            a_run_steps_on_after_loading_as_if_it_had_never_left
            several_steps_of_a_run_are_saved_as_one
            an_ended_run_is_no_open_run
            runs_that_are_open_or_stuck_are_unsettled
            a_run_that_somebody_else_changed_is_a_conflict
            nothing_of_a_refused_batch_is_kept
            a_notice_stays_until_it_is_done_also_without_its_pipeline
            objects_are_found_by_their_fields_page_by_page
            an_instance_is_found_in_its_run
            the_next_runs_of_all_pipelines_are_listed_by_their_time
            lists_are_ordered_by_their_bytes
            texts_of_every_kind_and_length_are_kept
            a_nul_character_is_refused_in_names_and_ids_alone
            times_are_kept_to_the_millisecond_and_compared_by_the_second
            every_save_of_something_counts_in_its_pipelines_revision
            what_is_overdue_is_listed_by_how_long
            a_notice_is_claimed_until_it_is_done
            a_run_of_ten_thousand_instances_loads_as_it_was_saved;
            two:
            what_one_store_saves_another_reads
            of_two_saves_of_one_run_exactly_one_wins
            of_two_new_runs_with_one_id_exactly_one_wins
            a_pipeline_that_many_create_at_once_is_one
            pages_hold_what_was_there_while_more_is_added
            a_deletion_leaves_nothing_of_what_is_saved_meanwhile
            who_does_not_know_the_last_save_is_refused
            free_attempts_are_those_that_may_be_taken
        }
    };
    ($site:expr; one: $($one:ident)+; two: $($two:ident)+) => {
        $(#[tokio::test]
        async fn $one() {
            use crate::conformance::Site as _;
            let site = $site;
            crate::conformance::$one(&*site.open().await).await;
        })+
        $(#[tokio::test]
        async fn $two() {
            use crate::conformance::Site as _;
            let site = $site;
            crate::conformance::$two(site.open().await, site.open().await).await;
        })+
    };
}
pub(crate) use conformance;

const STARTED: &str = "2030-01-31T22:00:00";

const DEFINITION: &str = r#"{"objects": [
    {"id": "Default", "scheduleType": "ondemand", "workerGroup": "g", "onSuccess": {"ref": "Alarm"}},
    {"id": "A", "type": "ShellCommandActivity", "command": "true"},
    {"id": "B", "type": "ShellCommandActivity", "command": "true", "dependsOn": {"ref": "A"}},
    {"id": "Alarm", "type": "SnsAlarm", "topicArn": "arn:t", "subject": "s", "message": "m"}]}"#;

fn definition() -> Definition {
    file::parse(DEFINITION).unwrap()
}

fn now() -> Timestamp {
    time::parse(STARTED).unwrap()
}

fn pipeline(id: &str) -> Pipeline {
    Pipeline::new(PipelineId::from(id), &format!("name of {id}"), "token", now())
}

fn expanded(id: &str) -> (Run, Step) {
    expanded_at(id, definition(), now())
}

fn expanded_at(id: &str, definition: Definition, at: Timestamp) -> (Run, Step) {
    let activation = Activation {
        pipeline: PipelineId::from(id),
        pipeline_name: id.to_owned(),
        version: 1,
        at,
        occasion: Occasion::OnDemand { latest: None },
        paused: Default::default(),
    };
    expand(Arc::new(Plan::of(definition).unwrap()), activation).unwrap()
}

/// A new pipeline, and a run of it that is not saved yet.
pub(crate) async fn fresh_run(store: &dyn Store, id: &str) -> (Run, Step) {
    store.create_pipeline(pipeline(id)).await.unwrap();
    expanded(id)
}

/// A pipeline with a run that was just expanded.
async fn with_run(store: &dyn Store, id: &str) -> Run {
    let (run, step) = fresh_run(store, id).await;
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    run
}

/// What a run's rows held before definitions were kept once, with its definition and its one attempt.
pub(crate) struct OldRun {
    pub(crate) run: Run,
    pub(crate) header: String,
    pub(crate) definition: String,
    pub(crate) instances: Vec<(String, String, String)>,
    pub(crate) attempt: (String, String),
}

/// Two runs of `df-1`, the second of which is stuck.
pub(crate) fn old_runs() -> [OldRun; 2] {
    let (first, _) = expanded("df-1");
    let (mut second, _) = expanded_at("df-1", definition(), now() + jiff::SignedDuration::from_hours(1));
    let instance = second.instances()[0].id.clone();
    second.step(Event::CancelRequested { instance, reason: "r".to_owned() }, now()).unwrap();
    assert!(second.end().is_some_and(|end| end.stuck));
    [first, second].map(|run| {
        let instance = |it: &engine::Instance| {
            (
                it.id.to_string(),
                serde_json::to_string(&it.depends_on).unwrap(),
                serde_json::to_string(it).unwrap(),
            )
        };
        let attempt = run.instances()[0].head().unwrap();
        OldRun {
            header: serde_json::to_string(run.header()).unwrap(),
            definition: serde_json::to_string(run.plan().definition()).unwrap(),
            instances: run.instances().iter().map(instance).collect(),
            attempt: (attempt.id.to_string(), serde_json::to_string(attempt).unwrap()),
            run,
        }
    })
}

/// A run of the same definition after the old ones.
pub(crate) fn third_run() -> (Run, Step) {
    expanded_at("df-1", definition(), now() + jiff::SignedDuration::from_hours(2))
}

/// The pipeline of `old_runs`, and its body.
pub(crate) fn old_pipeline() -> (Pipeline, String) {
    let pipeline = pipeline("df-1");
    let body = serde_json::to_string(&pipeline).unwrap();
    (pipeline, body)
}

/// Fails unless the store holds the old runs as they were.
pub(crate) async fn must_hold_old_runs(store: &dyn Store) {
    let runs = old_runs();
    for OldRun { run, .. } in &runs {
        must_hold(store, run).await;
        assert_eq!(loaded(store, run).await.plan().definition(), run.plan().definition());
    }
    let headers = runs.map(|old| old.run.header().clone());
    assert_eq!(store.unsettled_runs(&headers[0].pipeline).await.unwrap(), headers);
}

async fn loaded(store: &dyn Store, run: &Run) -> Run {
    store.load_run(&run.header().pipeline, &run.header().id).await.unwrap().unwrap()
}

/// Fails unless the store holds the run as it is in memory.
async fn must_hold(store: &dyn Store, run: &Run) {
    let back = loaded(store, run).await;
    assert_eq!(back.header(), run.header());
    assert!(back.instances() == run.instances(), "the instances differ");
}

fn first_offer(run: &Run) -> AttemptId {
    run.offers().next().map(|(attempt, _)| attempt.clone()).unwrap()
}

fn claim(run: &Run, runner: &str) -> Event {
    Event::Claimed { attempt: first_offer(run), runner: RunnerId::from(runner) }
}

async fn ids(store: &dyn Store, pipeline: &PipelineId, sphere: Sphere) -> Vec<String> {
    let query = Query { sphere, selectors: vec![] };
    store.query(pipeline, query, None, usize::MAX).await.unwrap().items
}

/// Takes and finishes the one attempt on offer, saving each step.
async fn finish_one(store: &dyn Store, run: &mut Run) -> Step {
    let attempt = first_offer(run);
    let step = run.step(claim(run, "r"), now()).unwrap();
    store.save(Batch::new().step(run, &step)).await.unwrap();
    let finished = Event::StatusSet { attempt, lease: 1, outcome: TaskOutcome::Finished };
    let step = run.step(finished, now()).unwrap();
    store.save(Batch::new().step(run, &step)).await.unwrap();
    step
}

pub(crate) async fn creation_is_idempotent_by_name_and_unique_id(store: &dyn Store) {
    let first = store.create_pipeline(pipeline("df-1")).await.unwrap();
    let repeat = Pipeline { id: PipelineId::from("df-2"), ..first.clone() };
    assert_eq!(store.create_pipeline(repeat.clone()).await.unwrap(), first);
    let other = Pipeline { name: "other".to_owned(), ..repeat };
    assert_eq!(store.create_pipeline(other.clone()).await.unwrap(), other);
}

pub(crate) async fn a_pipeline_and_its_two_definitions_are_kept(store: &dyn Store) {
    let mut pipeline = store.create_pipeline(pipeline("df-1")).await.unwrap();
    let latest = store.definition(&pipeline.id, DefinitionVersion::Latest).await.unwrap();
    assert_eq!(latest, None);
    pipeline.state = PipelineState::Scheduled;
    pipeline.latest_run = Some(now());
    let batch = Batch::new()
        .pipeline(&pipeline)
        .definition(&pipeline.id, DefinitionVersion::Latest, &Definition::default())
        .definition(&pipeline.id, DefinitionVersion::Active, &definition());
    store.save(batch).await.unwrap();
    assert_eq!(store.pipeline(&pipeline.id).await.unwrap(), Some(pipeline.clone()));
    let active = store.definition(&pipeline.id, DefinitionVersion::Active).await.unwrap();
    assert_eq!(active, Some(definition()));
    let latest = store.definition(&pipeline.id, DefinitionVersion::Latest).await.unwrap();
    assert_eq!(latest, Some(Definition::default()));
}

pub(crate) async fn pipelines_are_listed_page_by_page_in_order_of_creation(store: &dyn Store) {
    for id in ["df-3", "df-1", "df-2"] {
        store.create_pipeline(pipeline(id)).await.unwrap();
    }
    let first = store.list_pipelines(None, 2).await.unwrap();
    let ids: Vec<_> = first.items.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["df-3", "df-1"]);
    let marker = Marker::parse(&first.next.unwrap().to_string());
    let second = store.list_pipelines(marker, 2).await.unwrap();
    assert_eq!(second.items, [(PipelineId::from("df-2"), "name of df-2".to_owned())]);
    assert_eq!(second.next, None);
}

pub(crate) async fn a_deleted_pipeline_is_gone_remembered_and_may_be_created_anew(store: &dyn Store) {
    let run = with_run(store, "df-1").await;
    let id = run.header().pipeline.clone();
    assert!(!store.was_deleted(&id).await.unwrap());
    assert!(store.delete_pipeline(&id, now()).await.unwrap());
    assert!(store.was_deleted(&id).await.unwrap());
    assert!(!store.delete_pipeline(&id, now()).await.unwrap());
    assert_eq!(store.pipeline(&id).await.unwrap(), None);
    assert!(store.load_run(&id, &run.header().id).await.unwrap().is_none());
    assert_eq!(store.open_runs().await.unwrap(), []);
    let anew = Pipeline { id: PipelineId::from("df-2"), ..pipeline("df-1") };
    assert_eq!(store.create_pipeline(anew.clone()).await.unwrap(), anew);
}

pub(crate) async fn a_run_loads_as_it_was_saved(store: &dyn Store) {
    let run = with_run(store, "df-1").await;
    let back = loaded(store, &run).await;
    assert_eq!(back.header(), run.header());
    assert_eq!(back.instances(), run.instances());
    assert_eq!(back.plan().definition(), run.plan().definition());
    let open = store.open_runs().await.unwrap();
    assert_eq!(open, [(PipelineId::from("df-1"), RunId::from(STARTED))]);
    assert_eq!(store.runs(&PipelineId::from("df-1")).await.unwrap(), [run.header().clone()]);
}

pub(crate) async fn a_run_steps_on_after_loading_as_if_it_had_never_left(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    finish_one(store, &mut run).await;
    let mut back = loaded(store, &run).await;
    assert_eq!(back.instances(), run.instances());
    let step = finish_one(store, &mut back).await;
    assert!(step.effects.contains(&Effect::Ended(engine::Outcome::Finished)));
    assert_eq!(loaded(store, &run).await.header(), back.header());
}

pub(crate) async fn an_ended_run_is_no_open_run(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    finish_one(store, &mut run).await;
    finish_one(store, &mut run).await;
    assert_eq!(store.open_runs().await.unwrap(), []);
}

pub(crate) async fn runs_that_are_open_or_stuck_are_unsettled(store: &dyn Store) {
    let id = PipelineId::from("df-1");
    let open = with_run(store, "df-1").await;
    // Nothing cascades here: `B` waits for ever for an `A` that is canceled.
    let (mut stuck, step) = expanded_at("df-1", definition(), now() + jiff::SignedDuration::from_hours(1));
    store.save(Batch::new().new_run(&stuck, &step)).await.unwrap();
    let instance = stuck.instances()[0].id.clone();
    let step = stuck.step(Event::CancelRequested { instance, reason: "r".to_owned() }, now()).unwrap();
    store.save(Batch::new().step(&stuck, &step)).await.unwrap();
    assert!(stuck.end().is_some_and(|end| end.stuck));
    let unsettled = [open.header().clone(), stuck.header().clone()];
    assert_eq!(store.unsettled_runs(&id).await.unwrap(), unsettled);
    assert_eq!(store.unsettled_runs(&PipelineId::from("df-2")).await.unwrap(), []);

    let instance = stuck.instances()[1].id.clone();
    let step = stuck.step(Event::CancelRequested { instance, reason: "r".to_owned() }, now()).unwrap();
    store.save(Batch::new().step(&stuck, &step)).await.unwrap();
    assert_eq!(store.unsettled_runs(&id).await.unwrap(), unsettled[..1]);
}

pub(crate) async fn a_run_that_somebody_else_changed_is_a_conflict(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    let mut other = loaded(store, &run).await;
    finish_one(store, &mut run).await;
    let step = other.step(Event::RunCanceled { reason: "r".to_owned() }, now()).unwrap();
    let error = store.save(Batch::new().step(&other, &step)).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    let (run, step) = expanded("df-1");
    let error = store.save(Batch::new().new_run(&run, &step)).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
}

pub(crate) async fn nothing_of_a_refused_batch_is_kept(store: &dyn Store) {
    let kept = store.create_pipeline(pipeline("df-1")).await.unwrap();
    let changed = Pipeline { state: PipelineState::Finished, ..kept.clone() };
    let batch = Batch::new().pipeline(&changed).pipeline(&pipeline("df-9"));
    let error = store.save(batch).await.unwrap_err();
    assert!(matches!(error, StoreError::NoPipeline(_)), "{error}");
    assert_eq!(store.pipeline(&kept.id).await.unwrap(), Some(kept));
}

pub(crate) async fn a_notice_stays_until_it_is_done_also_without_its_pipeline(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    finish_one(store, &mut run).await;
    finish_one(store, &mut run).await;
    store.delete_pipeline(&run.header().pipeline, now()).await.unwrap();
    let pending = store.pending_notices().await.unwrap();
    assert_eq!(pending.len(), 2);
    store.notice_done(&pending[0].id).await.unwrap();
    store.notice_done(&pending[0].id).await.unwrap();
    assert_eq!(store.pending_notices().await.unwrap(), pending[1..]);
}

pub(crate) async fn objects_are_found_by_their_fields_page_by_page(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    with_run(store, "df-2").await;
    finish_one(store, &mut run).await;
    let (a, b) = (format!("@A_{STARTED}"), format!("@B_{STARTED}"));
    let find = async |sphere, selectors: Vec<Selector>| {
        let query = Query { sphere, selectors };
        store.query(&run.header().pipeline, query, None, 100).await.unwrap().items
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(find(Sphere::Instance, vec![]).await, [a.clone(), b.clone()]);
    let status = |status: &[&str]| Selector::AnyOf(TextField::Status, words(status));
    assert_eq!(find(Sphere::Instance, vec![status(&["FINISHED", "FAILED"])]).await, [a.as_str()]);
    let component = Selector::AnyOf(TextField::Component, words(&["B"]));
    assert_eq!(find(Sphere::Attempt, vec![component.clone()]).await, [format!("{b}_Attempt=1")]);
    assert_eq!(find(Sphere::Attempt, vec![component, status(&["FINISHED"])]).await, [""; 0]);
    let of_a = Selector::AnyOf(TextField::Instance, vec![a.clone()]);
    assert_eq!(find(Sphere::Attempt, vec![of_a.clone()]).await, [format!("{a}_Attempt=1")]);
    assert_eq!(find(Sphere::Instance, vec![of_a]).await, [""; 0]);
    let ended = Selector::Within(TimeField::Ended, Some(now()), None);
    assert_eq!(find(Sphere::Instance, vec![ended]).await, [a.as_str()]);
    let early = Selector::Within(TimeField::Scheduled, None, Some(now()));
    assert_eq!(find(Sphere::Instance, vec![early]).await.len(), 2);
    let all = Query { sphere: Sphere::Instance, selectors: vec![] };
    let first = store.query(&run.header().pipeline, all.clone(), None, 1).await.unwrap();
    let second = store.query(&run.header().pipeline, all, first.next, 1).await.unwrap();
    assert_eq!((first.items, second.items, second.next), (vec![a], vec![b], None));
}

pub(crate) async fn an_instance_is_found_in_its_run(store: &dyn Store) {
    let run = with_run(store, "df-1").await;
    let (pipeline, header) = (PipelineId::from("df-1"), run.header());
    let instance = &run.instances()[0].id;
    assert_eq!(store.run_of(&pipeline, instance).await.unwrap(), Some(header.id.clone()));
    assert_eq!(store.run_of(&PipelineId::from("df-2"), instance).await.unwrap(), None);
    assert_eq!(store.run_of(&pipeline, &InstanceId::from("@No")).await.unwrap(), None);
}

pub(crate) async fn the_next_runs_of_all_pipelines_are_listed_by_their_time(store: &dyn Store) {
    let later = time::parse("2030-02-28T00:00:00").unwrap();
    for (id, due) in [("df-1", Some(later)), ("df-2", Some(now())), ("df-3", None)] {
        let mut pipeline = store.create_pipeline(pipeline(id)).await.unwrap();
        pipeline.next_run = due.map(|due| Upcoming { start: now(), end: due, due });
        store.save(Batch::new().pipeline(&pipeline)).await.unwrap();
    }
    let expected = [("df-2", now()), ("df-1", later)].map(|(id, due)| (PipelineId::from(id), due));
    assert_eq!(store.upcoming().await.unwrap(), expected);
    store.delete_pipeline(&PipelineId::from("df-2"), now()).await.unwrap();
    assert_eq!(store.upcoming().await.unwrap(), expected[1..]);
}

pub(crate) async fn an_id_that_is_taken_is_refused(store: &dyn Store) {
    let first = store.create_pipeline(pipeline("df-1")).await.unwrap();
    let other = Pipeline { name: "other".to_owned(), ..first.clone() };
    assert!(store.create_pipeline(other).await.is_err());
    assert_eq!(store.pipeline(&first.id).await.unwrap(), Some(first));
}

pub(crate) async fn several_steps_of_a_run_are_saved_as_one(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    let attempt = first_offer(&run);
    let claimed = run.step(claim(&run, "r"), now()).unwrap();
    let batch = Batch::new().step(&run, &claimed);
    let finished = Event::StatusSet { attempt, lease: 1, outcome: TaskOutcome::Finished };
    let finished = run.step(finished, now()).unwrap();
    let batch = batch.step(&run, &finished);
    let claimed = run.step(claim(&run, "r"), now()).unwrap();
    store.save(batch.step(&run, &claimed)).await.unwrap();
    must_hold(store, &run).await;
    assert_eq!(store.pending_notices().await.unwrap().len(), 1);

    // A run may also be made and stepped at once.
    store.create_pipeline(pipeline("df-2")).await.unwrap();
    let (mut run, step) = expanded("df-2");
    let batch = Batch::new().new_run(&run, &step);
    let claimed = run.step(claim(&run, "r"), now()).unwrap();
    store.save(batch.step(&run, &claimed)).await.unwrap();
    must_hold(store, &run).await;
}

pub(crate) async fn lists_are_ordered_by_their_bytes(store: &dyn Store) {
    let mut pipelines = ["df-b", "df-A", "df-_", "df-é", "df-a", "df-a-", "df-a0", "df-B", "df-ß", "df a"];
    for id in pipelines {
        with_run(store, id).await;
    }
    pipelines.sort_unstable();
    let open = store.open_runs().await.unwrap();
    assert_eq!(open.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), pipelines);

    let hours = |hours| now() + jiff::SignedDuration::from_hours(hours);
    for at in [hours(5), hours(1), hours(30)] {
        let (run, step) = expanded_at("df-a", definition(), at);
        store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    }
    let runs = store.runs(&PipelineId::from("df-a")).await.unwrap();
    let started: Vec<_> = runs.iter().map(|header| header.started).collect();
    assert_eq!(started, [now(), hours(1), hours(5), hours(30)]);
}

/// 1024 characters without a pattern that compression would find, as the API allows.
fn long_text(salt: u32) -> String {
    let letter = |place: u32| {
        let mixed =
            (place.wrapping_mul(2_654_435_761) ^ salt.wrapping_mul(40_503)).wrapping_mul(2_246_822_519);
        char::from_u32(0x4e00 + (mixed >> 13) % 20_000)
    };
    (0..1024).filter_map(letter).collect()
}

pub(crate) async fn texts_of_every_kind_and_length_are_kept(store: &dyn Store) {
    let odd = "Zoë \u{1f980} e\u{301} \u{202e}שלום\u{202c} \u{ffff}\u{10ffff} %_'\"\\ {}\t\r\n";
    for (id, name, unique_id) in [
        ("df-1", odd.to_owned(), odd.to_owned()),
        ("df-2", long_text(1), long_text(2)),
        ("df-3", long_text(1), long_text(3)),
    ] {
        let mut new = Pipeline { name: name.clone(), unique_id, ..pipeline(id) };
        new.description = Some(format!("{odd}\0{odd}"));
        new.tags = vec![Tag { key: odd.to_owned(), value: "a\0".to_owned() }];
        assert_eq!(store.create_pipeline(new.clone()).await.unwrap(), new);
        assert_eq!(store.pipeline(&new.id).await.unwrap(), Some(new.clone()));
        let repeat = Pipeline { id: PipelineId::from("df-9"), ..new.clone() };
        assert_eq!(store.create_pipeline(repeat).await.unwrap(), new);
    }
    let listed = store.list_pipelines(None, 10).await.unwrap().items;
    assert_eq!(listed[0], (PipelineId::from("df-1"), odd.to_owned()));

    let component = format!("名前 {odd}");
    let objects = serde_json::json!({ "objects": [
        { "id": "Default", "scheduleType": "ondemand", "workerGroup": odd },
        { "id": component, "type": "ShellCommandActivity", "command": format!("echo {odd}\0") },
        { "id": long_text(4), "type": "ShellCommandActivity", "command": "true" },
    ]});
    let definition = file::parse(&objects.to_string()).unwrap();
    let (mut run, step) = expanded_at("df-1", definition, now());
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    must_hold(store, &run).await;
    assert_eq!(loaded(store, &run).await.plan().definition(), run.plan().definition());
    for attempt in run.offers().map(|(attempt, _)| attempt.clone()).collect::<Vec<_>>() {
        let claimed = Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from(odd) };
        let step = run.step(claimed, now()).unwrap();
        store.save(Batch::new().step(&run, &step)).await.unwrap();
        let outcome = TaskOutcome::Failed(engine::TaskError {
            id: Some(format!("{odd}\0")),
            message: Some(format!("\0{odd}")),
            stack_trace: Some("\0".to_owned()),
        });
        let step = run.step(Event::StatusSet { attempt, lease: 1, outcome }, now()).unwrap();
        store.save(Batch::new().step(&run, &step)).await.unwrap();
    }
    must_hold(store, &run).await;
    let query = |field, text: &str| Query {
        sphere: Sphere::Attempt,
        selectors: vec![Selector::AnyOf(field, vec![text.to_owned(), "\0".to_owned()])],
    };
    for text in [component, long_text(4)] {
        let found = store.query(&run.header().pipeline, query(TextField::Component, &text), None, 9).await;
        let found = found.unwrap().items;
        assert!(matches!(&found[..], [id] if id.contains(&text)), "{found:?}");
        let by_id = store.query(&run.header().pipeline, query(TextField::Id, &found[0]), None, 9).await;
        assert_eq!(by_id.unwrap().items, found);
    }
}

pub(crate) async fn a_nul_character_is_refused_in_names_and_ids_alone(store: &dyn Store) {
    let kept = with_run(store, "df-1").await.header().clone();
    for refused in [
        pipeline("df-\0"),
        Pipeline { name: "\0".to_owned(), ..pipeline("df-2") },
        Pipeline { unique_id: "a\0b".to_owned(), ..pipeline("df-2") },
    ] {
        let error = store.create_pipeline(refused.clone()).await.unwrap_err();
        assert!(matches!(error, StoreError::Nul { .. }), "{error}");
        assert!(error.to_string().contains("\\0"), "{error}");
        let error = store.save(Batch::new().pipeline(&refused)).await.unwrap_err();
        assert!(matches!(error, StoreError::Nul { .. }), "{error}");
    }
    let objects = serde_json::json!({ "objects": [
        { "id": "Default", "scheduleType": "ondemand", "workerGroup": "g" },
        { "id": "A\0", "type": "ShellCommandActivity", "command": "true" },
    ]});
    let hour = now() + jiff::SignedDuration::from_hours(1);
    let (run, step) = expanded_at("df-1", file::parse(&objects.to_string()).unwrap(), hour);
    let error = store.save(Batch::new().new_run(&run, &step)).await.unwrap_err();
    assert!(matches!(error, StoreError::Nul { .. }), "{error}");

    // Nothing is found under such a name, and asking is no error.
    let (id, run) = (PipelineId::from("df-1\0"), RunId::from("\0"));
    assert_eq!(store.pipeline(&id).await.unwrap(), None);
    assert!(!store.was_deleted(&id).await.unwrap());
    assert!(!store.delete_pipeline(&id, now()).await.unwrap());
    assert_eq!(store.definition(&id, DefinitionVersion::Latest).await.unwrap(), None);
    assert_eq!(store.runs(&id).await.unwrap(), []);
    assert!(store.load_run(&kept.pipeline, &run).await.unwrap().is_none());
    assert_eq!(ids(store, &id, Sphere::Instance).await, [""; 0]);
    store.notice_done(&NoticeId::from("\0")).await.unwrap();
    assert_eq!(store.runs(&kept.pipeline).await.unwrap(), [kept]);
}

pub(crate) async fn times_are_kept_to_the_millisecond_and_compared_by_the_second(store: &dyn Store) {
    let at = |millis| Timestamp::from_millisecond(millis).unwrap();
    let moment = at(1_896_127_200_987);
    for (id, time) in [("df-1", moment), ("df-2", at(-1)), ("df-3", at(-62_135_596_800_000)), ("df-4", at(0))]
    {
        let mut new = pipeline(id);
        (new.created, new.finished, new.latest_run) = (time, Some(time), Some(time));
        store.create_pipeline(new.clone()).await.unwrap();
        assert_eq!(store.pipeline(&new.id).await.unwrap(), Some(new));
    }
    let (mut run, step) = expanded_at("df-1", definition(), moment);
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    let step = run.step(claim(&run, "r"), at(1_896_127_201_001)).unwrap();
    store.save(Batch::new().step(&run, &step)).await.unwrap();
    must_hold(store, &run).await;
    assert_eq!(loaded(store, &run).await.header().started, moment);
    let within = async |first: Option<i64>, last: Option<i64>| {
        let started = Selector::Within(TimeField::Started, first.map(at), last.map(at));
        let query = Query { sphere: Sphere::Attempt, selectors: vec![started] };
        store.query(&run.header().pipeline, query, None, 9).await.unwrap().items.len()
    };
    assert_eq!(within(None, None).await, 1);
    assert_eq!(within(Some(1_896_127_200_000), Some(1_896_127_200_000)).await, 1);
    assert_eq!(within(Some(1_896_127_201_000), None).await, 0);
    assert_eq!(within(None, Some(1_896_127_199_999)).await, 0);
}

/// A run of `df-1` with so many instances, all of which wait for the first.
pub(crate) fn big_run(instances: usize) -> (Run, Step) {
    let mut objects = vec![
        serde_json::json!({ "id": "Default", "scheduleType": "ondemand", "workerGroup": "g" }),
        serde_json::json!({ "id": "A0", "type": "ShellCommandActivity", "command": "true" }),
    ];
    objects.extend((1..instances).map(|number| {
        let id = format!("A{number}");
        serde_json::json!({ "id": id, "type": "ShellCommandActivity", "command": "x", "dependsOn": { "ref": "A0" } })
    }));
    let definition = file::parse(&serde_json::json!({ "objects": objects }).to_string()).unwrap();
    expanded_at("df-1", definition, now())
}

pub(crate) async fn a_run_of_ten_thousand_instances_loads_as_it_was_saved(store: &dyn Store) {
    const INSTANCES: usize = 10_000;
    let (mut run, step) = big_run(INSTANCES);
    store.create_pipeline(pipeline("df-1")).await.unwrap();
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    must_hold(store, &run).await;
    // All the others become ready in one step.
    finish_one(store, &mut run).await;
    must_hold(store, &run).await;
    let id = run.header().pipeline.clone();
    let in_order: Vec<_> = run.instances().iter().map(|instance| instance.id.to_string()).collect();
    assert!(ids(store, &id, Sphere::Instance).await == in_order);
    assert_eq!(ids(store, &id, Sphere::Attempt).await.len(), INSTANCES);
    let step = run.step(Event::RunCanceled { reason: "r".to_owned() }, now()).unwrap();
    store.save(Batch::new().step(&run, &step)).await.unwrap();
    must_hold(store, &run).await;
    assert!(store.delete_pipeline(&id, now()).await.unwrap());
    assert_eq!(ids(store, &id, Sphere::Attempt).await, [""; 0]);
}

pub(crate) async fn what_one_store_saves_another_reads(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let mut run = with_run(&*one, "df-1").await;
    for _ in 0..2 {
        must_hold(&*other, &run).await;
        finish_one(&*other, &mut run).await;
        must_hold(&*one, &run).await;
    }
    assert_eq!(one.open_runs().await.unwrap(), []);
}

pub(crate) async fn of_two_saves_of_one_run_exactly_one_wins(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let mut run = with_run(&*one, "df-1").await;
    let attempt = first_offer(&run);
    for round in 0..20 {
        let (mut ones, mut others) = (loaded(&*one, &run).await, loaded(&*other, &run).await);
        let event = |runner: &str| match round % 2 {
            0 => Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from(runner) },
            _ => Event::Released { attempt: attempt.clone() },
        };
        let (step, other_step) =
            (ones.step(event("one"), now()).unwrap(), others.step(event("other"), now()).unwrap());
        let (saved, other_saved) = tokio::join!(
            one.save(Batch::new().step(&ones, &step)),
            other.save(Batch::new().step(&others, &other_step)),
        );
        let (winner, error) = match (saved, other_saved) {
            (Ok(()), Err(error)) => (ones, error),
            (Err(error), Ok(())) => (others, error),
            both => panic!("exactly one wins: {both:?}"),
        };
        assert!(error.is_conflict(), "{error}");
        must_hold(&*one, &winner).await;
        run = winner;
    }
}

pub(crate) async fn of_two_new_runs_with_one_id_exactly_one_wins(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for round in 0..10 {
        let id = format!("df-{round}");
        one.create_pipeline(pipeline(&id)).await.unwrap();
        let (run, step) = expanded(&id);
        let save = |store: &Arc<dyn Store>| {
            let (store, batch) = (Arc::clone(store), Batch::new().new_run(&run, &step));
            async move { store.save(batch).await }
        };
        let error = match tokio::join!(save(&one), save(&other)) {
            (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
            both => panic!("exactly one wins: {both:?}"),
        };
        assert!(error.is_conflict(), "{error}");
        must_hold(&*one, &run).await;
    }
}

pub(crate) async fn a_pipeline_that_many_create_at_once_is_one(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    for round in 0..5 {
        let mut creations = tokio::task::JoinSet::new();
        for number in 0..8 {
            let store = Arc::clone(if number % 2 == 0 { &one } else { &other });
            let id = PipelineId::from(format!("df-{round}-{number}"));
            let new = Pipeline { id, ..pipeline(&format!("df-{round}")) };
            creations.spawn(async move { store.create_pipeline(new).await });
        }
        let mut created: Vec<_> = creations.join_all().await.into_iter().map(Result::unwrap).collect();
        created.dedup();
        assert_eq!(created.len(), 1, "{created:?}");
        assert_eq!(one.list_pipelines(None, 100).await.unwrap().items.len(), round + 1);
    }
}

pub(crate) async fn pages_hold_what_was_there_while_more_is_added(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let before: Vec<String> = (0..20).map(|number| format!("df-{number}")).collect();
    for id in &before {
        with_run(&*one, id).await;
    }
    let adding = tokio::spawn(async move {
        for number in 20..40 {
            with_run(&*other, &format!("df-{number}")).await;
            let at = now() + jiff::SignedDuration::from_secs(number);
            let (run, step) = expanded_at("df-0", definition(), at);
            other.save(Batch::new().new_run(&run, &step)).await.unwrap();
        }
    });
    let (mut listed, mut found, mut from) = (Vec::new(), Vec::new(), (None, None));
    for number in 0.. {
        let (pipelines, objects) = from;
        if number == 0 || pipelines.is_some() {
            let page = one.list_pipelines(pipelines, 3).await.unwrap();
            listed.extend(page.items.into_iter().map(|(id, _)| id.to_string()));
            from.0 = page.next;
        }
        if number == 0 || objects.is_some() {
            let all = Query { sphere: Sphere::Instance, selectors: vec![] };
            let page = one.query(&PipelineId::from("df-0"), all, objects, 1).await.unwrap();
            found.extend(page.items);
            from.1 = page.next;
        }
        if from == (None, None) {
            break;
        }
    }
    adding.await.unwrap();
    assert_eq!(listed[..20], before);
    assert_eq!(found[..2], [format!("@A_{STARTED}"), format!("@B_{STARTED}")]);
    for mut items in [listed, found] {
        let count = items.len();
        items.sort_unstable();
        items.dedup();
        assert_eq!(items.len(), count, "nothing is there twice");
    }
    // Whoever asks afterwards sees all.
    assert_eq!(one.list_pipelines(None, 100).await.unwrap().items.len(), 40);
    assert_eq!(ids(&*one, &PipelineId::from("df-0"), Sphere::Instance).await.len(), 42);
}

pub(crate) async fn a_deletion_leaves_nothing_of_what_is_saved_meanwhile(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    for round in 0..20 {
        let mut run = with_run(&*one, "df-1").await;
        let id = run.header().pipeline.clone();
        let step = run.step(claim(&run, "r"), now()).unwrap();
        let hour = now() + jiff::SignedDuration::from_hours(1);
        let (next, next_step) = expanded_at("df-1", definition(), hour);
        let put = Batch::new().definition(&id, DefinitionVersion::Latest, &definition());
        // Sometimes the deletion is first, sometimes last.
        let pause = async |turns: usize| {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        let (deleted, saved, begun, put) = tokio::join!(
            async {
                pause(round).await;
                one.delete_pipeline(&id, now()).await
            },
            other.save(Batch::new().step(&run, &step)),
            async {
                pause(10).await;
                other.save(Batch::new().new_run(&next, &next_step)).await
            },
            other.save(put),
        );
        assert!(deleted.unwrap());
        for refused in [saved, begun, put].into_iter().filter_map(Result::err) {
            assert!(matches!(refused, StoreError::NoPipeline(_)), "{refused}");
        }
        for store in [&*one, &*other] {
            assert_eq!(store.pipeline(&id).await.unwrap(), None);
            assert_eq!(store.definition(&id, DefinitionVersion::Latest).await.unwrap(), None);
            assert_eq!(store.runs(&id).await.unwrap(), []);
            assert!(store.load_run(&id, &run.header().id).await.unwrap().is_none());
            assert_eq!(ids(store, &id, Sphere::Instance).await, [""; 0]);
            assert_eq!(ids(store, &id, Sphere::Attempt).await, [""; 0]);
        }
    }
}
