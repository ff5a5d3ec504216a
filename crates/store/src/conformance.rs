//! The rules that every store must keep: one suite, which each implementation calls with a way to open a fresh store.

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
    TimeField, Waiting,
};

pub(crate) use objects::*;
pub(crate) use old_rows::*;
pub(crate) use pipelines::*;
pub(crate) use races::*;
pub(crate) use retention::*;
pub(crate) use runs::*;
pub(crate) use servers::*;
pub(crate) use texts::*;

/// The data of one test's stores: each call of `open` gives another store on the same data.
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
            a_deleted_pipeline_is_gone_remembered_and_may_be_created_again
            a_run_loads_as_it_was_saved
            a_loaded_run_steps_on_as_the_saved_one_would
            several_steps_of_a_run_are_saved_as_one
            an_ended_run_is_not_listed_as_open
            runs_that_are_open_or_stuck_are_unsettled
            saving_a_run_that_was_changed_meanwhile_is_a_conflict
            nothing_of_a_refused_batch_is_kept
            a_notice_stays_until_it_is_done_also_without_its_pipeline
            objects_are_found_by_their_fields_page_by_page
            pages_go_on_from_run_to_run
            a_query_by_instance_finds_its_attempts_and_no_others
            an_instance_is_found_in_its_run
            the_next_runs_of_all_pipelines_are_listed_by_their_time
            lists_are_ordered_by_their_bytes
            texts_of_every_kind_and_length_are_kept
            a_nul_character_is_refused_in_names_and_ids_alone
            times_are_kept_to_the_millisecond_and_compared_by_the_second
            every_save_increases_the_revision_of_its_pipeline
            overdue_pipelines_are_listed_the_longest_overdue_first
            a_notice_is_claimed_until_it_is_done
            a_run_of_ten_thousand_instances_loads_as_it_was_saved
            old_runs_expire_except_open_stuck_and_newest_ended_ones
            pipelines_that_were_deleted_long_ago_are_forgotten
            an_expired_run_is_neither_read_nor_saved;
            two:
            one_store_reads_the_runs_that_another_saves
            of_two_saves_of_one_run_exactly_one_wins
            of_two_new_runs_with_one_id_exactly_one_wins
            a_pipeline_that_many_create_at_once_is_created_once
            pages_hold_all_earlier_objects_while_more_are_added
            a_deletion_leaves_nothing_of_batches_saved_meanwhile
            a_save_since_an_older_revision_is_refused
            free_attempts_are_listed_until_they_are_claimed_withheld_or_canceled
            an_attempt_on_a_resource_is_free_while_the_resource_runs
            rows_of_expired_runs_are_removed_bit_by_bit_by_any_server
            runs_that_two_servers_let_expire_at_once_expire_once
            servers_on_one_store_share_one_secret_of_machine_keys
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

/// Creates a pipeline, and returns a run of it that is not saved yet.
pub(crate) async fn fresh_run(store: &dyn Store, id: &str) -> (Run, Step) {
    store.create_pipeline(pipeline(id)).await.unwrap();
    expanded(id)
}

/// Creates a pipeline with a saved run that was just expanded.
async fn with_run(store: &dyn Store, id: &str) -> Run {
    let (run, step) = fresh_run(store, id).await;
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    run
}

async fn loaded(store: &dyn Store, run: &Run) -> Run {
    store.load_run(&run.header().pipeline, &run.header().id).await.unwrap().unwrap()
}

/// Fails unless the store holds the same run as the memory.
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

/// Claims and finishes the first offered attempt, and saves each step.
async fn finish_one(store: &dyn Store, run: &mut Run) -> Step {
    let attempt = first_offer(run);
    let step = run.step(claim(run, "r"), now()).unwrap();
    store.save(Batch::new().step(run, &step)).await.unwrap();
    let finished = Event::StatusSet { attempt, handout: 1, outcome: TaskOutcome::Finished };
    let step = run.step(finished, now()).unwrap();
    store.save(Batch::new().step(run, &step)).await.unwrap();
    step
}

/// Returns a run of `df-1` with this number of instances, all of which wait for the first.
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
