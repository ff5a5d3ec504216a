//! Saves at the same time: exactly one wins, and nothing is half done.

use super::*;

pub(crate) async fn saving_a_run_that_was_changed_meanwhile_is_a_conflict(store: &dyn Store) {
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

pub(crate) async fn one_store_reads_the_runs_that_another_saves(one: Arc<dyn Store>, other: Arc<dyn Store>) {
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

pub(crate) async fn a_deletion_leaves_nothing_of_batches_saved_meanwhile(
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
        // The number of pauses puts the deletion first in some rounds and last in others.
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
