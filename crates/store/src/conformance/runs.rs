//! Runs and the notices of their steps.

use super::*;

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

pub(crate) async fn a_loaded_run_steps_on_as_the_saved_one_would(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    finish_one(store, &mut run).await;
    let mut back = loaded(store, &run).await;
    assert_eq!(back.instances(), run.instances());
    let step = finish_one(store, &mut back).await;
    assert!(step.effects.contains(&Effect::Ended(engine::RunOutcome::Finished)));
    assert_eq!(loaded(store, &run).await.header(), back.header());
}

pub(crate) async fn an_ended_run_is_not_listed_as_open(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    finish_one(store, &mut run).await;
    finish_one(store, &mut run).await;
    assert_eq!(store.open_runs().await.unwrap(), []);
}

pub(crate) async fn runs_that_are_open_or_stuck_are_unsettled(store: &dyn Store) {
    let id = PipelineId::from("df-1");
    let open = with_run(store, "df-1").await;
    // No failure cascades here: `B` waits for ever, because `A` is canceled.
    let (mut stuck, step) = expanded_at("df-1", definition(), now() + jiff::SignedDuration::from_hours(1));
    store.save(Batch::new().new_run(&stuck, &step)).await.unwrap();
    let instance = stuck.instances()[0].id.clone();
    let step = stuck
        .step(Event::CancelRequested { instances: [instance].into(), reason: "r".to_owned() }, now())
        .unwrap();
    store.save(Batch::new().step(&stuck, &step)).await.unwrap();
    assert!(stuck.end().is_some_and(|end| end.stuck));
    let unsettled = [open.header().clone(), stuck.header().clone()];
    assert_eq!(store.unsettled_runs(&id).await.unwrap(), unsettled);
    assert_eq!(store.unsettled_runs(&PipelineId::from("df-2")).await.unwrap(), []);

    let instance = stuck.instances()[1].id.clone();
    let step = stuck
        .step(Event::CancelRequested { instances: [instance].into(), reason: "r".to_owned() }, now())
        .unwrap();
    store.save(Batch::new().step(&stuck, &step)).await.unwrap();
    assert_eq!(store.unsettled_runs(&id).await.unwrap(), unsettled[..1]);
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

pub(crate) async fn several_steps_of_a_run_are_saved_as_one(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    let attempt = first_offer(&run);
    let claimed = run.step(claim(&run, "r"), now()).unwrap();
    let batch = Batch::new().step(&run, &claimed);
    let finished = Event::StatusSet { attempt, handout: 1, outcome: TaskOutcome::Finished };
    let finished = run.step(finished, now()).unwrap();
    let batch = batch.step(&run, &finished);
    let claimed = run.step(claim(&run, "r"), now()).unwrap();
    store.save(batch.step(&run, &claimed)).await.unwrap();
    must_hold(store, &run).await;
    assert_eq!(store.pending_notices().await.unwrap().len(), 1);

    // One batch may also create a run and step it.
    store.create_pipeline(pipeline("df-2")).await.unwrap();
    let (mut run, step) = expanded("df-2");
    let batch = Batch::new().new_run(&run, &step);
    let claimed = run.step(claim(&run, "r"), now()).unwrap();
    store.save(batch.step(&run, &claimed)).await.unwrap();
    must_hold(store, &run).await;
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
