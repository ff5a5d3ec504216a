//! Queries for instances and attempts.

use super::*;

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

pub(crate) async fn pages_go_on_from_run_to_run(store: &dyn Store) {
    let pipeline = PipelineId::from("df-1");
    with_run(store, "df-1").await;
    // Runs need not be saved in the order of their times.
    for hours in [2, 1] {
        let at = now() + jiff::SignedDuration::from_hours(hours);
        let (mut run, step) = expanded_at("df-1", definition(), at);
        store.save(Batch::new().new_run(&run, &step)).await.unwrap();
        finish_one(store, &mut run).await;
    }
    let status = |status: &str| vec![Selector::AnyOf(TextField::Status, vec![status.to_owned()])];
    for (sphere, selectors) in [
        (Sphere::Instance, vec![]),
        (Sphere::Attempt, vec![]),
        (Sphere::Instance, status("FINISHED")),
        (Sphere::Instance, status("WAITING_FOR_RUNNER")),
    ] {
        let query = Query { sphere, selectors };
        let whole = store.query(&pipeline, query.clone(), None, 100).await.unwrap().items;
        assert!(whole.len() > 1, "{query:?}: {whole:?}");
        let (mut paged, mut from) = (Vec::new(), None);
        loop {
            let page = store.query(&pipeline, query.clone(), from, 1).await.unwrap();
            paged.extend(page.items);
            assert!(paged.len() <= whole.len(), "{query:?}: {paged:?}");
            // Clients send the marker as text.
            from = page.next.map(|marker| Marker::parse(&marker.to_string()).unwrap());
            if from.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole, "{query:?}");
    }
}

pub(crate) async fn a_query_by_instance_finds_its_attempts_and_no_others(store: &dyn Store) {
    // The id of this component has the form of an attempt's id.
    let twin = format!("A_{STARTED}_Attempt=1");
    let objects = [("A".to_owned(), "ShellCommandActivity"), (twin, "ShellCommandActivity")];
    let objects = objects.map(|(id, kind)| {
        serde_json::json!({ "id": id, "name": id, "type": kind, "command": "true", "workerGroup": "g" })
    });
    let mut all = vec![serde_json::json!({ "id": "Default", "scheduleType": "ondemand" })];
    all.extend(objects);
    let definition = definition::file::parse(&serde_json::json!({ "objects": all }).to_string()).unwrap();
    store.create_pipeline(pipeline("df-1")).await.unwrap();
    let (run, step) = expanded_at("df-1", definition, now());
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    let of = |instances: Vec<String>| Query {
        sphere: Sphere::Attempt,
        selectors: vec![Selector::AnyOf(TextField::Instance, instances)],
    };
    let a = format!("@A_{STARTED}");
    let found = store.query(&run.header().pipeline, of(vec![a.clone()]), None, 9).await.unwrap().items;
    assert_eq!(found, [format!("{a}_Attempt=1")]);
    // The largest number of instances that a query may name.
    let many: Vec<_> = (0..5_000).map(|number| format!("@A{number}_{STARTED}")).chain([a.clone()]).collect();
    let found = store.query(&run.header().pipeline, of(many), None, 9).await.unwrap().items;
    assert_eq!(found, [format!("{a}_Attempt=1")]);
}

pub(crate) async fn an_instance_is_found_in_its_run(store: &dyn Store) {
    let run = with_run(store, "df-1").await;
    let (pipeline, header) = (PipelineId::from("df-1"), run.header());
    let instance = &run.instances()[0].id;
    assert_eq!(store.run_of(&pipeline, instance).await.unwrap(), Some(header.id.clone()));
    assert_eq!(store.run_of(&PipelineId::from("df-2"), instance).await.unwrap(), None);
    assert_eq!(store.run_of(&pipeline, &InstanceId::from("@No")).await.unwrap(), None);
}

pub(crate) async fn pages_hold_all_earlier_objects_while_more_are_added(
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
        let (pipelines, objects) = from.clone();
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
        assert_eq!(items.len(), count, "no item is there twice");
    }
    // A query afterwards finds all of them.
    assert_eq!(one.list_pipelines(None, 100).await.unwrap().items.len(), 40);
    assert_eq!(ids(&*one, &PipelineId::from("df-0"), Sphere::Instance).await.len(), 42);
}
