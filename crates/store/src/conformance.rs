//! What every store must do. One suite; each implementation calls it with a way to open a fresh one.

use std::sync::Arc;

use definition::{Definition, file};
use engine::{
    Activation, Effect, Event, InstanceId, Occasion, PipelineId, PipelineState, Plan, Run, RunId, RunnerId,
    Step, TaskOutcome, Upcoming, expand, time,
};
use jiff::Timestamp;

use crate::{
    Batch, DefinitionVersion, Marker, Pipeline, Query, Selector, Sphere, Store, StoreError, TextField,
    TimeField,
};

/// Makes one test per rule, each with a store that `$fresh` opens.
macro_rules! conformance {
    ($fresh:expr) => {
        crate::conformance::conformance! { $fresh;
            creation_is_idempotent_by_name_and_unique_id
            a_pipeline_and_its_two_definitions_are_kept
            pipelines_are_listed_page_by_page_in_order_of_creation
            a_deleted_pipeline_is_gone_remembered_and_may_be_created_anew
            a_run_loads_as_it_was_saved
            a_run_steps_on_after_loading_as_if_it_had_never_left
            an_ended_run_is_no_open_run
            a_run_that_somebody_else_changed_is_a_conflict
            nothing_of_a_refused_batch_is_kept
            a_notice_stays_until_it_is_done_also_without_its_pipeline
            objects_are_found_by_their_fields_page_by_page
            an_instance_is_found_in_its_run
            the_next_runs_of_all_pipelines_are_listed_by_their_time
        }
    };
    ($fresh:expr; $($rule:ident)+) => {
        $(#[tokio::test]
        async fn $rule() {
            crate::conformance::$rule(&$fresh).await;
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
    let activation = Activation {
        pipeline: PipelineId::from(id),
        pipeline_name: id.to_owned(),
        version: 1,
        at: now(),
        occasion: Occasion::OnDemand { latest: None },
    };
    expand(Arc::new(Plan::of(definition()).unwrap()), activation).unwrap()
}

/// A pipeline with a run that was just expanded.
async fn with_run(store: &dyn Store, id: &str) -> Run {
    store.create_pipeline(pipeline(id)).await.unwrap();
    let (run, step) = expanded(id);
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    run
}

async fn loaded(store: &dyn Store, run: &Run) -> Run {
    store.load_run(&run.header().pipeline, &run.header().id).await.unwrap().unwrap()
}

/// Takes and finishes the one attempt on offer, saving each step.
async fn finish_one(store: &dyn Store, run: &mut Run) -> Step {
    let attempt = run.offers().next().map(|(attempt, _)| attempt.clone()).unwrap();
    let claimed = Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from("r") };
    let step = run.step(claimed, now()).unwrap();
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
        pipeline.next_run = due.map(|due| Upcoming { start: now(), due });
        store.save(Batch::new().pipeline(&pipeline)).await.unwrap();
    }
    let expected = [("df-2", now()), ("df-1", later)].map(|(id, due)| (PipelineId::from(id), due));
    assert_eq!(store.upcoming().await.unwrap(), expected);
    store.delete_pipeline(&PipelineId::from("df-2"), now()).await.unwrap();
    assert_eq!(store.upcoming().await.unwrap(), expected[1..]);
}
