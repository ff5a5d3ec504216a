//! Pipelines and their definitions.

use super::*;

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

pub(crate) async fn a_deleted_pipeline_is_gone_remembered_and_may_be_created_again(store: &dyn Store) {
    let run = with_run(store, "df-1").await;
    let id = run.header().pipeline.clone();
    assert_eq!(store.deleted_pipeline(&id).await.unwrap(), None);
    let pipeline_before = store.pipeline(&id).await.unwrap();
    assert!(store.delete_pipeline(&id, now()).await.unwrap());
    let deleted = crate::DeletedPipeline { at: time::whole_seconds(now()), pipeline: pipeline_before };
    assert_eq!(store.deleted_pipeline(&id).await.unwrap(), Some(deleted));
    assert!(!store.delete_pipeline(&id, now()).await.unwrap());
    assert_eq!(store.pipeline(&id).await.unwrap(), None);
    assert!(store.load_run(&id, &run.header().id).await.unwrap().is_none());
    assert_eq!(store.open_runs().await.unwrap(), []);
    let anew = Pipeline { id: PipelineId::from("df-2"), ..pipeline("df-1") };
    assert_eq!(store.create_pipeline(anew.clone()).await.unwrap(), anew);
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

pub(crate) async fn a_pipeline_that_many_create_at_once_is_created_once(
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
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
