//! Texts and times of every kind, and their order.

use super::*;

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

/// Returns 1024 characters, the longest text of the API, without a pattern that could be compressed.
fn long_text(salt: u32) -> String {
    let letter = |index: u32| {
        let mixed =
            (index.wrapping_mul(2_654_435_761) ^ salt.wrapping_mul(40_503)).wrapping_mul(2_246_822_519);
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
        let step = run.step(Event::StatusSet { attempt, handout: 1, outcome }, now()).unwrap();
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

    // A search for such a name finds nothing, and is not an error.
    let (id, run) = (PipelineId::from("df-1\0"), RunId::from("\0"));
    assert_eq!(store.pipeline(&id).await.unwrap(), None);
    assert_eq!(store.deleted_pipeline(&id).await.unwrap(), None);
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
