//! One test for each rule about patterns, empty objects and keys that match nothing.

use serde_json::Value;

use super::Happening;
use super::scene::{Call, Scene};

/// Returns a definition with these fields of `Default`, and these further objects.
fn definition(fields: &str, objects: &str) -> String {
    format!(
        r##"{{"objects": [
    {{"id": "Default", "name": "Default", "scheduleType": "ONDEMAND", "failureAndRerunMode": "CASCADE",
     "pipelineLogUri": "s3://drop/logs", "role": "r", "resourceRole": "r", {fields}}},
    {{"id": "Say", "type": "ShellCommandActivity", "command": "true", "workerGroup": "w", "stage": "true",
      "output": {{"ref": "Out"}}}},
    {{"id": "Out", "type": "S3DataNode", "directoryPath": "s3://drop/results/#{{myDay}}/"}}{objects}
  ], "parameters": [{{"id": "myDay", "optional": "true"}}]}}"##
    )
}

const STAR: &str = r#""myDropFile": ["in/{day}/a_*.csv", "in/{day}/b.csv"]"#;

fn verdicts(decisions: &Value) -> Vec<&str> {
    let decisions = decisions.as_array().map(Vec::as_slice).unwrap_or_default();
    decisions.iter().filter_map(|decision| decision["decision"].as_str()).collect()
}

#[test]
fn an_empty_object_first_makes_one_run_of_the_content() {
    let mut scene = Scene::new();
    for file in ["a", "b"] {
        scene.put_key(&format!("in/0/{file}.csv"), "");
    }
    scene.deliver(2);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 0);
    scene.drop_set(0, 0);
    scene.deliver(2);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 1);
}

#[test]
fn an_empty_object_is_a_file_where_the_definition_says_so() {
    let mut scene = Scene::with(&definition(&format!(r#"{STAR}, "myAllowEmpty": "true""#), ""));
    scene.drop_key("in/0/a_1.csv", "");
    assert_eq!(verdicts(&scene.drop_key("in/0/b.csv", "")), ["started"]);
}

#[test]
fn a_file_that_is_deleted_starts_no_run_of_the_older_ones() {
    let mut scene = Scene::with(&definition(STAR, ""));
    for key in ["in/0/a_1.csv", "in/0/a_2.csv", "in/0/b.csv"] {
        scene.drop_key(key, key);
    }
    scene.world.end_all_runs();
    scene.sweep_whole();
    scene.world.remove("drop", "in/0/a_2.csv");
    scene.advance(61);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 1);
    assert_eq!(verdicts(&scene.drop_key("in/0/a_3.csv", "3")), ["started"]);
}

#[test]
fn a_failed_set_that_has_lost_a_file_says_how_the_others_run() {
    let fields = r#""myDropFile": "in/{day}/part-*", "myDropMarker": "in/{day}/_SUCCESS""#;
    let mut scene = Scene::with(&definition(fields, ""));
    for key in ["in/0/part-1", "in/0/part-2", "in/0/_SUCCESS"] {
        scene.drop_key(key, key);
    }
    scene.world.fail_all_runs("BadInput:AllRejected");
    scene.sweep_whole();
    scene.world.remove("drop", "in/0/part-2");
    let decisions = scene.status("in/0/part-1");
    assert!(
        decisions[0].reason.contains("run the files that are there with `downspout rerun`"),
        "{decisions:?}"
    );
}

#[test]
fn an_event_lists_a_large_set_only_where_it_may_start_a_run() {
    let fields = r#""myDropFile": "in/{day}/part-*", "myDropMarker": "in/{day}/_SUCCESS""#;
    let mut scene = Scene::with(&definition(fields, ""));
    let parts: Vec<String> = (0..40).map(|part| format!("in/0/part-{part}")).collect();
    let calls_of = |scene: &Scene, event: &Value, verdict: &str| {
        let before = scene.world.calls();
        assert_eq!(verdicts(&scene.decisions(event.clone())), [verdict], "{event}");
        scene.world.calls() - before
    };
    let mut before_marker = Vec::new();
    for key in &parts {
        scene.put_key(key, key);
        before_marker.push(calls_of(&scene, scene.events.last().expect("an event"), "incomplete"));
    }
    assert_eq!(before_marker[1..], [before_marker[39]; 39], "the cost of an event grows with the set");
    assert_eq!(verdicts(&scene.drop_key("in/0/_SUCCESS", "")), ["started"]);
    let at_work: Vec<_> = scene.events.iter().map(|event| calls_of(&scene, event, "duplicate")).collect();
    assert!(at_work.iter().all(|calls| calls <= &before_marker[39]), "{at_work:?}");
    scene.world.end_all_runs();
    scene.sweep_whole();
    let ended: Vec<_> = scene.events.iter().map(|event| calls_of(&scene, event, "duplicate")).collect();
    assert_eq!(ended, at_work);
    // The same bytes, dropped again after the run, and a new part are looked at.
    scene.put_key(&parts[3], &parts[3]);
    scene.put_key("in/0/part-new", "new");
    for event in &scene.events[40..] {
        let calls = calls_of(&scene, event, "incomplete");
        assert!(calls <= before_marker[39], "the marker is older than this part: {calls}");
    }
    assert_eq!(verdicts(&scene.drop_key("in/0/_SUCCESS", "")), ["started"]);
    assert_eq!(scene.names_of_head("orders", "day=0").len(), 42);
}

#[test]
fn a_marker_that_is_put_again_during_a_start_starts_the_next_run() {
    let fields = r#""myDropFile": "in/{day}/part-*", "myDropMarker": "in/{day}/_SUCCESS""#;
    for steps in 0..60_u8 {
        let mut scene = Scene::with(&definition(fields, ""));
        scene.put_key("in/0/part-1", "1");
        scene.put_key("in/0/_SUCCESS", "");
        let marker = scene.events[1].clone();
        scene.invoke(0, Call::Event(marker));
        scene.happen(&Happening::Step { invocation: 0, steps });
        scene.put_key("in/0/part-2", "2");
        scene.put_key("in/0/_SUCCESS", "");
        scene.happen(&Happening::Step { invocation: 0, steps: 250 });
        for event in scene.events[2..].iter().cloned() {
            scene.decisions(event);
        }
        scene.world.end_all_runs();
        // The changes of a set may go on for a time (`mySettle`).
        scene.advance(61);
        scene.invoke(0, Call::StartNext);
        scene.happen(&Happening::Step { invocation: 0, steps: 250 });
        let read = scene.names_of_head("orders", "day=0");
        assert_eq!(read, ["_SUCCESS", "part-1", "part-2"], "put again after {steps} steps");
        assert!(scene.world.activations().len() <= 2, "after {steps} steps");
    }
}

#[test]
fn two_keys_of_one_file_are_never_both_read() {
    let options = r#""myCompressed": "true", "myIgnoreCase": "true""#;
    let marked = r#""myDropMarker": "in/{day}/END""#;
    let all =
        r#", {"id": "In", "type": "S3DataNode", "filePath": "s3://drop/in/{day}/a_*.csv", "myMatch": "all"}"#;
    for (fields, objects) in [
        (format!(r#""myDropFile": "in/{{day}}/a_*.csv", {marked}, {options}"#), ""),
        (format!(r#""myDropFile": ["in/{{day}}/a_*.csv", "in/{{day}}/END"], {options}"#), all),
    ] {
        let mut scene = Scene::with(&definition(&fields, objects));
        for key in ["a_1.csv", "a_2.csv.gz", "A_1.csv", "a_2.csv", "a_3.csv.ZST", "a_1.csv.gz"] {
            scene.drop_key(&format!("in/0/{key}"), key);
            scene.advance(1);
        }
        assert_eq!(verdicts(&scene.drop_key("in/0/END", "end")), ["started"]);
        let read = scene.names_of_head("orders", "day=0");
        assert_eq!(read, ["END", "a_1.csv.gz", "a_2.csv", "a_3.csv.ZST"], "{fields}");
        scene.world.end_all_runs();
        scene.world.remove("drop", "in/0/a_1.csv.gz");
        scene.advance(61);
        scene.sweep_whole();
        assert_eq!(scene.world.activations().len(), 1, "the older file comes to light: {fields}");
    }
}

#[test]
fn two_files_where_one_is_allowed_give_one_notice_and_no_run() {
    let node = r##", {"id": "In", "type": "S3DataNode", "filePath": "s3://drop/in/#{myDay}/a_*.csv", "myMatch": "one"}"##;
    let mut scene = Scene::with(&definition(STAR, node));
    for key in ["in/0/a_1.csv", "in/0/a_2.csv", "in/0/b.csv"] {
        scene.put_key(key, key);
    }
    scene.deliver(3);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 0);
    let notices = scene.world.notices();
    let [notice] = notices.as_slice() else { panic!("{notices:#?}") };
    assert!(
        notice.message.contains("s3://drop/in/0/a_1.csv\n  s3://drop/in/0/a_2.csv"),
        "{}",
        notice.message
    );
    scene.world.remove("drop", "in/0/a_1.csv");
    scene.sweep_whole();
    assert_eq!((scene.world.activations().len(), scene.world.notices().len()), (1, 1));
}

#[test]
fn near_misses_give_one_notice_a_day_and_outputs_none() {
    let mut scene = Scene::with(&definition(STAR, ""));
    for key in
        ["logs/x/in/0/b.csv", "results/0/b.csv", "results/0/in/0/b.csv", "in/0/b.csv.tmp", "other/c.csv"]
    {
        assert_eq!(verdicts(&scene.drop_key(key, key)), ["unmatched"], "{key}");
    }
    assert_eq!(scene.world.notices(), []);
    for key in ["in/0/B.csv", "in/0/b.txt", "in/$(id)/b.csv"] {
        assert_eq!(verdicts(&scene.drop_key(key, key)), ["unmatched"], "{key}");
    }
    let notices = scene.world.notices();
    let [notice] = notices.as_slice() else { panic!("{notices:#?}") };
    for text in ["s3://drop/in/0/B.csv", "in/{day}/b.csv", "myIgnoreCase"] {
        assert!(notice.message.contains(text), "{}", notice.message);
    }
    scene.advance(super::scene::DAY_SECS);
    scene.drop_key("in/0/b.txt", "b");
    assert_eq!(scene.world.notices().len(), 2);
}

#[test]
fn a_sweep_reports_the_near_misses_whose_events_were_lost() {
    let mut scene = Scene::with(&definition(STAR, ""));
    scene.drop_key("in/0/a_1.csv", "1");
    for key in ["results/0/in/0/b.csv", "in/0/b.csv.tmp", "in/0/B.csv", "in/0/b.txt"] {
        scene.world.put("drop", key, key);
    }
    scene.sweep_whole();
    scene.sweep_whole();
    let notices = scene.world.notices();
    let [notice] = notices.as_slice() else { panic!("{notices:#?}") };
    assert!(notice.message.contains("s3://drop/in/0/B.csv"), "{}", notice.message);
    // The notice names the day on which the keys landed, so the sweeps of the next day find it published.
    scene.advance(super::scene::DAY_SECS);
    scene.sweep_whole();
    assert_eq!(scene.world.notices().len(), 1, "one notice for the day");
    // A key of another day gives another notice, and old keys give none.
    scene.world.put("drop", "in/0/B.CSV", "b");
    scene.advance(3 * super::scene::DAY_SECS);
    scene.sweep_whole();
    assert_eq!(scene.world.notices().len(), 1, "the sweep does not report old keys");
    scene.world.put("drop", "in/0/b.TXT", "b");
    scene.sweep_whole();
    assert_eq!(scene.world.notices().len(), 2);
}

#[test]
fn only_the_definition_with_the_nearest_pattern_has_a_notice() {
    let mut scene = Scene::with(&definition(r#""myDropFile": "plain/{name}.csv""#, ""));
    scene.world.put("definitions", "share.json", &definition(r#""myDropFile": "share/{day}/x.csv""#, ""));
    scene.world.put("definitions", "deep.json", &definition(r#""myDropFile": "plain/{day}/x.csv""#, ""));
    for name in ["broken1", "broken2"] {
        scene.world.put("definitions", &format!("{name}.json"), "{");
    }
    scene.sweep_whole();
    let before = scene.world.notices().len();
    for is_event_lost in [true, false] {
        scene.world.put("drop", "plain/x.CSV", "x");
        if !is_event_lost {
            let decisions = scene.drop_key("plain/x.CSV", "x");
            let reason = decisions[0]["reason"].as_str().unwrap_or_default();
            let expected =
                "of any definition; the nearest is `plain/{name}.csv` of orders: upper and lower case";
            assert!(reason.contains(expected), "{reason}");
            assert!(reason.ends_with("; 2 definitions cannot be used: `downspout validate`"), "{reason}");
        }
        scene.sweep_whole();
        let notices = scene.world.notices().split_off(before);
        let [notice] = notices.as_slice() else { panic!("{notices:#?}") };
        assert_eq!(notice.subject, "orders: x.CSV matches no pattern");
    }
}

#[test]
fn changes_within_the_settling_time_run_once() {
    let mut scene = Scene::with(&definition(&format!(r#"{STAR}, "mySettle": "30 seconds""#), ""));
    scene.drop_key("in/0/a_1.csv", "1");
    assert_eq!(verdicts(&scene.drop_key("in/0/b.csv", "b")), ["started"], "the first set starts at once");
    for content in ["b1", "b2", "b3"] {
        scene.advance(5);
        assert_eq!(verdicts(&scene.drop_key("in/0/b.csv", content)), ["next"]);
    }
    scene.world.end_all_runs();
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 1, "more changes may follow");
    scene.advance(30);
    scene.sweep_whole();
    scene.world.end_all_runs();
    scene.advance(61);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 2);
}

#[test]
fn a_run_of_files_that_were_not_ready_does_not_count_for_the_cap() {
    let capped = |more: &str| definition(&format!(r#"{STAR}, "myMaxRunsPerDay": "1"{more}"#), "");
    // The file was replaced within `mySettle`.
    let mut scene = Scene::with(&capped(""));
    scene.drop_key("in/0/a_1.csv", "1");
    scene.drop_key("in/0/b.csv", "half");
    scene.advance(9);
    scene.drop_key("in/0/b.csv", "whole");
    scene.world.end_all_runs();
    scene.advance(11);
    scene.sweep_whole();
    assert_eq!((scene.world.activations().len(), scene.world.notices().len()), (2, 0));
    // The run failed, because its file was replaced or had no rows.
    for (error, runs) in [("BadInput:ObjectChanged", 2), ("BadInput:NoRows", 2), ("BadInput:AllRejected", 1)]
    {
        let mut scene = Scene::with(&capped(r#", "mySettle": "1 second""#));
        scene.drop_key("in/0/a_1.csv", "1");
        scene.drop_key("in/0/b.csv", "half");
        scene.advance(60);
        scene.world.fail_all_runs(error);
        scene.drop_key("in/0/b.csv", "whole");
        scene.advance(60);
        scene.sweep_whole();
        assert_eq!(scene.world.activations().len(), runs, "{error}");
    }
}

#[test]
fn a_definition_that_feeds_itself_is_refused_with_one_notice_until_its_correction() {
    // The node names the drop bucket in full, or by a value of the home.
    let wide = r#""myDropFile": "{folder}/{day}/b.csv""#;
    let by_value =
        definition(r#""myDropFile": "in/{day}/b.csv""#, "").replace("s3://drop/results/", "#{myResults}/");
    let by_value = by_value.replace(r#""parameters": ["#, r#""parameters": [{"id": "myResults"}, "#);
    for (broken, values) in [(definition(wide, ""), "{}"), (by_value, r#"{"myResults": "s3://drop/in"}"#)] {
        let mut scene = Scene::with(&broken);
        scene.world.put("definitions", "values.json", values);
        for day in ["0", "1"] {
            scene.drop_key(&format!("in/{day}/b.csv"), "b");
            scene.sweep_whole();
        }
        assert_eq!(scene.world.activations().len(), 0, "{broken}");
        let notices = scene.world.notices();
        let [notice] = notices.as_slice() else { panic!("{notices:#?}") };
        for text in
            ["orders.json cannot be used", "object `Out`, field `directoryPath`", "may take it: each run"]
        {
            assert!(notice.message.contains(text), "{text}: {}", notice.message);
        }
        scene.world.put("definitions", "orders.json", &definition(r#""myDropFile": "in/{day}/b.csv""#, ""));
        scene.sweep_whole();
        assert_eq!(scene.world.activations().len(), 1, "the corrected definition starts the first set");
        assert_eq!(scene.world.notices().len(), 1);
    }
}

#[test]
fn the_sets_that_wait_for_files_are_listed_with_their_missing_files() {
    let mut scene = Scene::with(&definition(STAR, ""));
    for key in ["in/0/a_1.csv", "in/0/b.csv", "in/1/b.csv", "in/2/a_1.csv"] {
        scene.drop_key(key, key);
    }
    let waiting = |scene: &Scene, with_incomplete: bool| -> Vec<(String, String)> {
        let history = scene.answer(|handler| async move { handler.history(None, 10, with_incomplete).await });
        let row = |set: crate::Decision| (set.set.unwrap_or_default(), set.missing.join(", "));
        history.waiting.into_iter().map(row).collect()
    };
    assert_eq!(waiting(&scene, false), []);
    let set = |day: &str, missing: &str| (format!("day={day}"), missing.to_owned());
    assert_eq!(waiting(&scene, true), [set("2", "in/2/b.csv"), set("1", "in/1/a_*.csv")]);
    // A notice about the set leaves a ledger, and the set is listed all the same.
    let waits = format!(r#"{STAR}, "myWaitFor": "1 minute""#);
    scene.world.put("definitions", "orders.json", &definition(&waits, ""));
    scene.advance(61);
    scene.sweep_whole();
    assert_eq!(scene.world.notices().len(), 2);
    assert_eq!(waiting(&scene, true).len(), 2);
    scene.drop_key("in/2/b.csv", "b");
    assert_eq!(waiting(&scene, true), [set("2", ""), set("1", "in/1/a_*.csv")], "the set waits for its turn");
}
