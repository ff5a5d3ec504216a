//! The rules that a store keeps for several servers on the same data.

use engine::{RunId, WorkerGroup};
use jiff::SignedDuration;

use super::*;

pub(crate) async fn every_save_increases_the_revision_of_its_pipeline(store: &dyn Store) {
    let id = PipelineId::from("df-1");
    assert_eq!(store.revision(&id).await.unwrap(), None);
    let (mut run, step) = fresh_run(store, "df-1").await;
    let mut last = store.revision(&id).await.unwrap().unwrap();
    let begun = Batch::new().new_run(&run, &step);
    let claimed = run.step(claim(&run, "r"), now()).unwrap();
    let kept = store.pipeline(&id).await.unwrap().unwrap();
    let batches = [
        begun,
        Batch::new().step(&run, &claimed),
        Batch::new().pipeline(&kept),
        Batch::new().definition(&id, DefinitionVersion::Latest, &definition()),
    ];
    for batch in batches {
        store.save(batch).await.unwrap();
        let revision = store.revision(&id).await.unwrap().unwrap();
        assert!(revision > last, "{revision} follows {last}");
        last = revision;
    }
}

pub(crate) async fn a_save_since_an_older_revision_is_refused(one: Arc<dyn Store>, other: Arc<dyn Store>) {
    let created = one.create_pipeline(pipeline("df-1")).await.unwrap();
    let id = &created.id;
    let known = one.revision(id).await.unwrap().unwrap();
    let mut described = created.clone();
    described.description = Some("by the other".to_owned());
    other.save(Batch::new().pipeline(&described).since(id, known)).await.unwrap();
    let refused = one.save(Batch::new().pipeline(&created).since(id, known)).await.unwrap_err();
    assert!(matches!(refused, StoreError::PipelineChanged(_)) && refused.is_conflict(), "{refused}");
    assert_eq!(one.pipeline(id).await.unwrap(), Some(described));
    let known = one.revision(id).await.unwrap().unwrap();
    one.save(Batch::new().pipeline(&created).since(id, known)).await.unwrap();
    other.delete_pipeline(id, now()).await.unwrap();
    let known = known + 1;
    one.save(Batch::new().pipeline(&created).since(id, known)).await.unwrap_err();
    assert_eq!(one.pipeline(id).await.unwrap(), None);
}

pub(crate) async fn overdue_pipelines_are_listed_the_longest_overdue_first(store: &dyn Store) {
    let second = SignedDuration::from_secs(1);
    for (id, due) in [("df-1", now() + second), ("df-2", now() - second), ("df-3", now() + second * 60)] {
        let mut pipeline = store.create_pipeline(pipeline(id)).await.unwrap();
        pipeline.next_run = Some(Upcoming { start: now(), end: due, due });
        store.save(Batch::new().pipeline(&pipeline)).await.unwrap();
    }
    // A runner that does not acknowledge loses its attempt after two minutes.
    let mut run = with_run(store, "df-4").await;
    let step = run.step(claim(&run, "r"), now() - second * 119).unwrap();
    store.save(Batch::new().step(&run, &step)).await.unwrap();
    let overdue = async |at, limit| {
        let ids = store.overdue(at, limit).await.unwrap();
        ids.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(overdue(now(), 9).await, ["df-2"]);
    assert_eq!(overdue(now() + second, 9).await, ["df-2", "df-1", "df-4"]);
    assert_eq!(overdue(now() + second, 1).await, ["df-2"]);
    let step = run.step(Event::Woke, now() + second).unwrap();
    store.save(Batch::new().step(&run, &step)).await.unwrap();
    assert_eq!(overdue(now() + second, 9).await, ["df-2", "df-1"]);
}

pub(crate) async fn free_attempts_are_listed_until_they_are_claimed_withheld_or_canceled(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let group = WorkerGroup::from("g");
    let free = async |group: &WorkerGroup, limit| other.free(group, limit).await.unwrap();
    let mut run = with_run(&*one, "df-1").await;
    let second = with_run(&*one, "df-2").await;
    let ids = [&run, &second].map(|run| (run.header().pipeline.clone(), first_offer(run)));
    assert_eq!(free(&group, 9).await, ids);
    assert_eq!(free(&group, 1).await, ids[..1]);
    let waiting = async || other.waiting().await.unwrap();
    assert_eq!(waiting().await, [Waiting { group: group.clone(), attempts: 2, oldest: now() }]);
    assert_eq!(free(&WorkerGroup::from("G"), 9).await, []);
    let save = async |run: &mut Run, event| {
        let step = run.step(event, now()).unwrap();
        one.save(Batch::new().step(run, &step)).await.unwrap();
    };
    let claimed = claim(&run, "r");
    save(&mut run, claimed).await;
    assert_eq!(free(&group, 9).await, ids[1..]);
    let attempt = ids[0].1.clone();
    save(&mut run, Event::Released { attempt }).await;
    assert_eq!(free(&group, 9).await, ids);
    let component = run.instances()[0].component.clone();
    save(&mut run, Event::Paused { components: [component.clone()].into() }).await;
    assert_eq!(free(&group, 9).await, ids[1..]);
    save(&mut run, Event::Resumed { components: [component].into() }).await;
    assert_eq!(free(&group, 9).await, ids);
    save(&mut run, Event::RunCanceled { reason: "enough".to_owned() }).await;
    assert_eq!(waiting().await, [Waiting { group: group.clone(), attempts: 1, oldest: now() }]);
    one.delete_pipeline(&PipelineId::from("df-2"), now()).await.unwrap();
    assert_eq!(free(&group, 9).await, []);
    assert_eq!(waiting().await, []);
    assert_eq!(run.header().id, RunId::at(now()));
}

pub(crate) async fn an_attempt_on_a_resource_is_free_while_the_resource_runs(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let text = r#"{"objects": [
        {"id": "Default", "scheduleType": "ondemand", "runsOn": {"ref": "Box"}, "retryDelay": "1 minute"},
        {"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r"},
        {"id": "A", "type": "ShellCommandActivity", "command": "true"}]}"#;
    one.create_pipeline(pipeline("df-1")).await.unwrap();
    let (mut run, step) = expanded_at("df-1", file::parse(text).unwrap(), now());
    one.save(Batch::new().new_run(&run, &step)).await.unwrap();
    let group = WorkerGroup::from(format!("df-1/@Box_{STARTED}"));
    let free = async |run: &Run| {
        let free = other.free(&group, 9).await.unwrap();
        let offers: Vec<_> =
            run.offers().map(|(attempt, _)| (run.header().pipeline.clone(), attempt.clone())).collect();
        assert_eq!(free, offers);
        free.len()
    };
    let save = async |run: &mut Run, event: Event, minute: i64| {
        let step = run.step(event, now() + SignedDuration::from_mins(minute)).unwrap();
        one.save(Batch::new().step(run, &step)).await.unwrap();
    };
    let machine = |run: &Run| run.machines().next().unwrap().id.clone();
    assert_eq!(free(&run).await, 0);
    let created = |attempt| Event::ResourceCreated { attempt, fields: vec![] };
    let attempt = machine(&run);
    save(&mut run, created(attempt.clone()), 0).await;
    assert_eq!(free(&run).await, 1);
    save(&mut run, Event::ResourceGone { attempt, reason: "it went".to_owned() }, 0).await;
    assert_eq!(free(&run).await, 0);
    save(&mut run, Event::Woke, 1).await;
    assert_eq!(free(&run).await, 0);
    let attempt = machine(&run);
    save(&mut run, created(attempt), 1).await;
    assert_eq!(free(&run).await, 1);
}

pub(crate) async fn a_notice_is_claimed_until_it_is_done(store: &dyn Store) {
    let mut run = with_run(store, "df-1").await;
    finish_one(store, &mut run).await;
    let notice = store.pending_notices().await.unwrap().pop().unwrap();
    // The server that has claimed a notice may claim it again, because it publishes the notice again if the topic refused it.
    assert!(store.claim_notice(&notice.id).await.unwrap());
    assert!(store.claim_notice(&notice.id).await.unwrap());
    store.notice_done(&notice.id).await.unwrap();
    assert!(!store.claim_notice(&notice.id).await.unwrap());
}

pub(crate) async fn servers_on_one_store_share_one_secret_of_machine_keys(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let (first, second) = tokio::join!(one.machine_secret("of one"), other.machine_secret("of other"));
    let kept = first.unwrap();
    assert_eq!(kept, second.unwrap());
    assert!(["of one", "of other"].contains(&kept.as_str()), "{kept}");
    assert_eq!(one.machine_secret("a third").await.unwrap(), kept);
}
