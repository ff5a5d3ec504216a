//! Stream files that change while records wait.

use http::{Method, StatusCode};

use crate::stand_in_s3::Fault;
use crate::world::World;

#[tokio::test]
async fn waiting_records_are_delivered_by_the_version_in_force_at_the_cut() {
    let mut world = World::with(&[("events", r#"{"fields": {"one": "/n"}}"#)]).await;
    world.post("events", r#"{"n":1}"#).await;
    world.set_file("events", Some(r#"{"fields": {"two": "/n"}}"#)).await;
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"two":1}"#]);
    // The cut that is saved keeps its version, also over a restart with another file.
    world.s3.choose(|_, _| Fault::Unavailable);
    world.post("events", r#"{"n":2}"#).await;
    world.server.flush("events").await.unwrap_err();
    world.set_file("events", Some(r#"{"fields": {"three": "/n"}}"#)).await;
    world = world.restart().await;
    world.s3.choose(|_, _| Fault::None);
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"two":1}"#, r#"{"two":2}"#]);
    assert_eq!(world.summary("events").await.version, 3);
    let names = world.s3.objects("drop/streams");
    assert!(names.iter().all(|(key, _)| key.contains("/events-2-2026")), "{names:?}");
}

#[tokio::test]
async fn a_broken_file_leaves_the_version_before_in_force() {
    let mut world = World::with(&[("events", r#"{"fields": {"one": "/n"}}"#)]).await;
    let reports = world.set_file("events", Some(r#"{"bufferSizeMB": 1000}"#)).await;
    assert!(reports[0].findings.iter().any(|finding| finding.is_error), "{reports:?}");
    let summary = world.summary("events").await;
    assert_eq!(summary.version, 1);
    assert!(summary.why.unwrap().contains("the version before stays in force"));
    world.post("events", r#"{"n":1}"#).await;
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"one":1}"#]);
    // The same holds after a restart with the broken file.
    world = world.restart().await;
    world.post("events", r#"{"n":2}"#).await;
    assert_eq!(world.summary("events").await.version, 1);
    world.set_file("events", Some(r#"{"fields": {"two": "/n"}}"#)).await;
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"one":1}"#, r#"{"two":2}"#]);
    assert_eq!(world.summary("events").await.why, None);
}

#[tokio::test]
async fn a_file_without_a_text_leaves_the_version_before_in_force() {
    let mut world = World::with(&[("events", "{}")]).await;
    let problem = "streams/events.json:1:5: this byte is not UTF-8".to_owned();
    let files =
        [("events".to_owned(), Err(problem.clone())), ("new".to_owned(), Err(problem.clone()))].into();
    let none = |_: &str| Err(String::new());
    for _ in 0..2 {
        let reports = world.server.set_files(&files, &none).await;
        assert!(reports.iter().all(|report| report.failure.as_ref() == Some(&problem)), "{reports:?}");
        let summary = world.summary("events").await;
        assert_eq!((summary.state.as_str(), summary.version), ("ACTIVE", 1));
        assert!(summary.why.unwrap().contains("this byte is not UTF-8"));
        world.post("events", r#"{"n":1}"#).await;
        world.server.flush("events").await.unwrap();
        world = world.restart().await;
    }
    assert_eq!(world.server.list().await.streams.len(), 1);
}

#[tokio::test]
async fn a_file_that_was_never_right_makes_no_stream() {
    let mut world = World::with(&[]).await;
    let reports = world.set_file("events", Some("{")).await;
    assert!(!reports[0].findings.is_empty(), "{reports:?}");
    let answer = world.send(Method::POST, "/streams/events", "{}").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let reports = world.set_file("no name", Some("{}")).await;
    assert!(reports.iter().any(|report| report.failure.is_some()), "{reports:?}");
}

#[tokio::test]
async fn a_stream_whose_file_is_gone_delivers_what_waits_and_accepts_nothing() {
    let mut world = World::with(&[("events", "{}")]).await;
    world.post("events", r#"{"n":1}"#).await;
    world.set_file("events", None).await;
    let refused = world.send(Method::POST, "/streams/events", r#"{"n":2}"#).await;
    assert_eq!(refused.status, StatusCode::GONE, "{refused:?}");
    assert_eq!(world.summary("events").await.state, "FILE_GONE");
    world = world.restart().await;
    world.clock.wind(300);
    let server = world.server.clone();
    crate::world::until("the rest is delivered", async || {
        let list = server.list().await;
        if list.streams.is_empty() { Ok(()) } else { Err(format!("{list:?}")) }
    })
    .await;
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#]);
    world.set_file("events", Some("{}")).await;
    world.post("events", r#"{"n":3}"#).await;
    let summary = world.summary("events").await;
    assert_eq!((summary.accepted_records, summary.version), (2, 1));
}
