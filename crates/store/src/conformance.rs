//! What every store must do. One suite; each implementation calls it with a way to open a fresh one.

mod objects;
mod old_rows;
mod pipelines;
mod races;
mod retention;
mod runs;
mod servers;
mod texts;

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

pub(crate) use objects::*;
pub(crate) use old_rows::*;
pub(crate) use pipelines::*;
pub(crate) use races::*;
pub(crate) use retention::*;
pub(crate) use runs::*;
pub(crate) use servers::*;
pub(crate) use texts::*;

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
            pages_go_on_from_run_to_run
            attempts_are_found_by_their_instance_and_no_others_with_them
            an_instance_is_found_in_its_run
            the_next_runs_of_all_pipelines_are_listed_by_their_time
            lists_are_ordered_by_their_bytes
            texts_of_every_kind_and_length_are_kept
            a_nul_character_is_refused_in_names_and_ids_alone
            times_are_kept_to_the_millisecond_and_compared_by_the_second
            every_save_of_something_counts_in_its_pipelines_revision
            what_is_overdue_is_listed_by_how_long
            a_notice_is_claimed_until_it_is_done
            a_run_of_ten_thousand_instances_loads_as_it_was_saved
            old_runs_expire_but_for_the_newest_to_end_and_what_is_open_or_stuck
            what_has_expired_is_neither_read_nor_saved;
            two:
            what_one_store_saves_another_reads
            of_two_saves_of_one_run_exactly_one_wins
            of_two_new_runs_with_one_id_exactly_one_wins
            a_pipeline_that_many_create_at_once_is_one
            pages_hold_what_was_there_while_more_is_added
            a_deletion_leaves_nothing_of_what_is_saved_meanwhile
            who_does_not_know_the_last_save_is_refused
            free_attempts_are_those_that_may_be_taken
            work_on_a_resource_is_free_while_that_is_there
            what_expired_is_cleared_away_bit_by_bit_by_whoever_comes
            what_two_let_expire_at_once_expires_once
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
