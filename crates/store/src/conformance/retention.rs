//! Expiry of runs.

use super::*;

fn hour(number: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_hours(number)
}

/// Saves a run of `df-1` that begins in this hour and is canceled: as a whole, or in part, so that it is stuck.
async fn ended(store: &dyn Store, number: i64, stuck: bool) -> Run {
    let (mut run, step) = expanded_at("df-1", definition(), hour(number));
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    let (instance, reason) = (run.instances()[0].id.clone(), "r".to_owned());
    let cancel = match stuck {
        true => Event::CancelRequested { instances: [instance].into(), reason },
        false => Event::RunCanceled { reason },
    };
    let step = run.step(cancel, hour(number)).unwrap();
    store.save(Batch::new().step(&run, &step)).await.unwrap();
    assert_eq!(run.end().map(|end| end.stuck), Some(stuck));
    run
}

/// Expires the runs that ended before this hour, and returns their ids.
async fn expire(store: &dyn Store, before: i64) -> Vec<RunId> {
    let (mut runs, mut from) = (Vec::new(), None);
    loop {
        let expired = store.expire_runs(hour(before), from).await.unwrap();
        runs.extend(expired.runs.into_iter().map(|(_, run)| run));
        from = expired.next;
        if from.is_none() {
            return runs;
        }
    }
}

fn ids_of(runs: &[&Run]) -> Vec<RunId> {
    runs.iter().map(|run| run.header().id.clone()).collect()
}

async fn left(store: &dyn Store) -> Vec<RunId> {
    let headers = store.runs(&PipelineId::from("df-1")).await.unwrap();
    headers.into_iter().map(|header| header.id).collect()
}

pub(crate) async fn old_runs_expire_except_open_stuck_and_newest_ended_ones(store: &dyn Store) {
    let only = with_run(store, "df-2").await;
    store.create_pipeline(pipeline("df-1")).await.unwrap();
    let open = expanded_at("df-1", definition(), hour(0));
    store.save(Batch::new().new_run(&open.0, &open.1)).await.unwrap();
    let (old, stuck) = (ended(store, 1, false).await, ended(store, 2, true).await);
    let (second, newest) = (ended(store, 3, false).await, ended(store, 4, false).await);
    let last = expanded_at("df-1", definition(), hour(5));
    store.save(Batch::new().new_run(&last.0, &last.1)).await.unwrap();

    assert_eq!(expire(store, 1).await, [], "nothing ended before that hour");
    assert_eq!(expire(store, 2).await, ids_of(&[&old]));
    assert_eq!(expire(store, 100).await, ids_of(&[&second]));
    assert_eq!(left(store).await, ids_of(&[&open.0, &stuck, &newest, &last.0]));
    while store.clear_expired().await.unwrap() {}
    assert_eq!(expire(store, 100).await, []);
    for run in [&open.0, &stuck, &newest, &last.0, &only] {
        must_hold(store, run).await;
    }

    // More runs than one call reads expire page by page.
    for number in 10..230 {
        ended(store, number, false).await;
    }
    assert_eq!(expire(store, 1000).await.len(), 220);
    while store.clear_expired().await.unwrap() {}
    let last_of_them = RunId::at(hour(229));
    assert_eq!(left(store).await.last(), Some(&last_of_them));
    assert_eq!(ids(store, &PipelineId::from("df-1"), Sphere::Instance).await.len(), 8);
}

pub(crate) async fn an_expired_run_is_neither_read_nor_saved(store: &dyn Store) {
    let id = PipelineId::from("df-1");
    store.create_pipeline(pipeline("df-1")).await.unwrap();
    let (mut old, newest) = (ended(store, 1, false).await, ended(store, 2, false).await);
    assert_eq!(expire(store, 100).await, ids_of(&[&old]));
    // The first pass checks before the rows of the run are removed, the second pass afterwards.
    for _ in 0..2 {
        assert!(store.load_run(&id, &old.header().id).await.unwrap().is_none());
        assert_eq!(store.run_of(&id, &old.instances()[0].id).await.unwrap(), None);
        let instances = newest.instances().iter().map(|instance| instance.id.to_string());
        assert_eq!(ids(store, &id, Sphere::Instance).await, instances.collect::<Vec<_>>());
        assert_eq!(ids(store, &id, Sphere::Attempt).await.len(), 1);
        let instance = old.instances()[0].id.clone();
        let step = old
            .step(Event::RerunRequested { instances: [instance].into(), paused: [].into() }, hour(3))
            .unwrap();
        let error = store.save(Batch::new().step(&old, &step)).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
        let cancel = Event::RunCanceled { reason: "r".to_owned() };
        old.step(cancel, hour(3)).unwrap();
        while store.clear_expired().await.unwrap() {}
    }
    must_hold(store, &newest).await;
    assert!(store.delete_pipeline(&id, now()).await.unwrap());
}

pub(crate) async fn rows_of_expired_runs_are_removed_bit_by_bit_by_any_server(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let (mut run, step) = big_run(1_200);
    one.create_pipeline(pipeline("df-1")).await.unwrap();
    one.save(Batch::new().new_run(&run, &step)).await.unwrap();
    let step = run.step(Event::RunCanceled { reason: "r".to_owned() }, now()).unwrap();
    one.save(Batch::new().step(&run, &step)).await.unwrap();
    let newest = ended(&*one, 1, false).await;
    assert_eq!(expire(&*one, 100).await, ids_of(&[&run]));
    // The store that began to remove the rows may be gone.
    assert!(one.clear_expired().await.unwrap(), "some of it is left");
    drop(one);
    let mut calls = 1;
    while other.clear_expired().await.unwrap() {
        calls += 1;
    }
    assert!((2..10).contains(&calls), "{calls} calls");
    must_hold(&*other, &newest).await;
}

pub(crate) async fn runs_that_two_servers_let_expire_at_once_expire_once(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    one.create_pipeline(pipeline("df-1")).await.unwrap();
    let mut old = Vec::new();
    for number in 0..120 {
        old.push(ended(&*one, number, false).await.header().id.clone());
    }
    let work = async |store: &dyn Store| {
        let expired = expire(store, 1000).await;
        while store.clear_expired().await.unwrap() {}
        expired
    };
    let (ones, others) = tokio::join!(work(&*one), work(&*other));
    // Runs that one store had locked, and that the other skipped, expire in the next call.
    let rest = work(&*one).await;
    let mut expired: Vec<_> = [ones, others, rest].concat();
    expired.sort_unstable();
    assert_eq!(expired, old[..119]);
    assert_eq!(left(&*other).await, old[119..]);
}

/// The rows that are left after one of two runs, each with its own definition, has expired.
pub(crate) const ROWS_OF_ONE_RUN: [(&str, i64); 5] =
    [("runs", 1), ("definition_bodies", 1), ("instances", 2), ("attempts", 1), ("expired_runs", 0)];

/// Saves two runs with different definitions, lets the first expire and removes its rows.
pub(crate) async fn one_of_two_expired(store: &dyn Store) {
    store.create_pipeline(pipeline("df-1")).await.unwrap();
    let (mut run, step) = big_run(3);
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    let step = run.step(Event::RunCanceled { reason: "r".to_owned() }, now()).unwrap();
    store.save(Batch::new().step(&run, &step)).await.unwrap();
    ended(store, 1, false).await;
    assert_eq!(expire(store, 100).await, ids_of(&[&run]));
    while store.clear_expired().await.unwrap() {}
}

pub(crate) async fn pipelines_that_were_deleted_long_ago_are_forgotten(store: &dyn Store) {
    for (id, deleted) in [("df-1", 1), ("df-2", 5)] {
        store.create_pipeline(pipeline(id)).await.unwrap();
        assert!(store.delete_pipeline(&PipelineId::from(id), hour(deleted)).await.unwrap());
    }
    assert_eq!(expire(store, 3).await, []);
    assert!(store.deleted_pipeline(&PipelineId::from("df-1")).await.unwrap().is_none());
    assert!(store.deleted_pipeline(&PipelineId::from("df-2")).await.unwrap().is_some());
}
