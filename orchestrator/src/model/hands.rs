//! One test for each rule about the answers to people: proofs, sweeps, reruns, and definitions that are gone.

use super::Happening;
use super::scene::{Call, DEFINITION, Scene};
use crate::proof::Proof;
use crate::report::SweepReport;
use crate::sweep::Coverage;

const MARKED: &str = r#""myDropFile": "in/{day}/part-*", "myDropMarker": "in/{day}/_SUCCESS""#;

/// Returns the proof of each object of the first day, by key.
fn proofs(scene: &Scene) -> Vec<Proof> {
    let day = scene.world.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    scene.answer(|handler| async move { handler.proof(day).await })
}

fn reason(scene: &Scene, key: &str) -> String {
    let proofs = proofs(scene);
    let proof = proofs.into_iter().find(|proof| proof.key == key).expect("the object landed today");
    assert_eq!(proof.runs, [], "{key}");
    proof.reasons.join("; ")
}

fn swept(scene: &Scene) -> SweepReport {
    scene.answer(|handler| async move { handler.sweep(Coverage::Whole).await })
}

/// Returns the definition with these fields in place of its patterns.
fn with_patterns(fields: &str) -> String {
    DEFINITION.replace(r#""myDropFile": ["in/{day}/a.csv", "in/{day}/b.csv"]"#, fields)
}

#[test]
fn a_set_that_is_older_than_its_definition_is_explained_with_the_remedy() {
    let mut scene = Scene::new();
    scene.world.put("drop", "pre/d1/a.csv", "old");
    scene.advance(5);
    scene.world.put("definitions", "pre.json", &with_patterns(r#""myDropFile": "pre/{day}/a.csv""#));
    scene.sweep_whole();
    let expected = "pre/day=d1: dropped before the definition was uploaded; `downspout rerun pre day=d1` runs it, or set \
                    `myBackfill`";
    assert_eq!(reason(&scene, "pre/d1/a.csv"), expected);
    let report = swept(&scene);
    assert_eq!((report.older, report.older_rerun.as_deref()), (1, Some("downspout rerun pre day=d1")));
    let day = std::collections::BTreeMap::from([("day".to_owned(), "d1".to_owned())]);
    scene.answer(|handler| async move { handler.rerun("pre", &day, false).await });
    assert_eq!((scene.world.activations().len(), swept(&scene).older), (1, 0));
    assert_eq!(proofs(&scene)[0].runs.len(), 1);
}

#[test]
fn a_run_of_a_definition_that_is_gone_is_in_the_proof() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.world.end_all_runs();
    scene.sweep_whole();
    let now = |scene: &Scene| {
        let proofs = proofs(scene);
        let [run] = proofs[0].runs.as_slice() else { panic!("{proofs:?}") };
        assert_eq!((run.set.as_str(), run.state.as_str()), ("orders/day=0", "finished"));
        assert!(run.pipeline_id.is_some());
        (run.definition_now.clone().unwrap_or_default(), proofs[0].reasons.join("; "))
    };
    let none = String::new;
    assert_eq!(now(&scene), (none(), none()));
    for (text, expected) in [
        (DEFINITION.replace("in/{day}", "other/{day}"), "takes the key no more"),
        ("{".to_owned(), "cannot be used now"),
    ] {
        scene.world.put("definitions", "orders.json", &text);
        assert_eq!(now(&scene), (expected.to_owned(), none()));
    }
    scene.world.put("definitions", "orders.json", &DEFINITION.replace("in/{day}", "i{x}/{day}"));
    let (became, reason) = now(&scene);
    assert_eq!(became, "takes the key into another set now");
    assert!(reason.starts_with("orders/day=0,x=n: "), "{reason}");
    scene.world.remove("definitions", "orders.json");
    assert_eq!(now(&scene), ("is gone".to_owned(), none()));
    // A definition with another name has not run the files, and the run is named all the same.
    scene.advance(5);
    scene.world.put("definitions", "renamed.json", DEFINITION);
    scene.sweep_whole();
    let (became, reason) = now(&scene);
    assert_eq!(became, "is gone");
    assert!(reason.starts_with("renamed/day=0: dropped before the definition was uploaded"), "{reason}");
}

#[test]
fn a_file_that_no_run_read_is_told_as_that() {
    let mut scene = Scene::with(&with_patterns(
        r#""myDropFile": "in/{day}/o_*.csv", "myCompressed": "true", "myIgnoreCase": "true""#,
    ));
    let unread = [
        (
            "in/0/o_1.csv",
            "in/0/o_2.csv",
            "orders/day=0: not read: `o_2.csv` is newer (`myMatch` is `newest`)",
        ),
        (
            "in/1/o_1.csv",
            "in/1/o_1.csv.gz",
            "orders/day=1: not read: `o_1.csv.gz` is newer (`myCompressed` takes either file)",
        ),
        (
            "in/2/o_1.csv",
            "in/2/O_1.csv",
            "orders/day=2: not read: `O_1.csv` is newer (`myIgnoreCase` takes either name)",
        ),
    ];
    for (key, newer, _) in unread {
        scene.world.put("drop", key, "1");
        scene.world.advance_milliseconds(1);
        scene.drop_key(newer, "2");
        scene.world.end_all_runs();
        scene.sweep_whole();
    }
    for (key, _, expected) in unread {
        assert_eq!(reason(&scene, key), expected);
    }
}

#[test]
fn a_marker_that_is_older_than_a_part_is_told_as_that() {
    let mut scene = Scene::with(&with_patterns(&format!(r#"{MARKED}, "myWaitFor": "1 minute""#)));
    for key in ["in/d1/_SUCCESS", "in/d1/part-1", "in/d1/part-2"] {
        scene.drop_key(key, key);
    }
    let expected = "`_SUCCESS` is older than `part-2`; drop it again";
    assert_eq!(reason(&scene, "in/d1/part-1"), format!("orders/day=d1: {expected}: in/d1/_SUCCESS"));
    let history = scene.answer(|handler| async move { handler.history(None, 10, true).await });
    assert_eq!(history.waiting.iter().map(|set| set.reason.as_str()).collect::<Vec<_>>(), [expected]);
    let day = std::collections::BTreeMap::from([("day".to_owned(), "d1".to_owned())]);
    let rerun = scene.answer(|handler| async move { handler.rerun("orders", &day, false).await });
    assert_eq!((rerun.reason.as_str(), rerun.missing), (expected, vec!["in/d1/_SUCCESS".to_owned()]));
    scene.advance(61);
    scene.sweep_whole();
    let notices = scene.world.notices();
    let [notice] = notices.as_slice() else { panic!("{notices:#?}") };
    assert!(notice.message.contains(&format!("\nWhy: {expected}.\n")), "{}", notice.message);
}

#[test]
fn a_rerun_runs_the_files_that_are_there_and_leaves_no_wish() {
    let definition = with_patterns(MARKED).replace(r#""myMaxRunsPerDay": "2""#, r#""myMaxRunsPerDay": "1""#);
    let mut scene = Scene::with(&definition);
    for key in ["in/d1/part-1", "in/d1/part-2", "in/d1/_SUCCESS"] {
        scene.drop_key(key, key);
    }
    scene.world.end_all_runs();
    scene.sweep_whole();
    scene.world.remove("drop", "in/d1/part-1");
    let day = std::collections::BTreeMap::from([("day".to_owned(), "d1".to_owned())]);
    let rerun = scene.answer(|handler| async move { handler.rerun("orders", &day, true).await });
    assert_eq!(rerun.verdict, crate::Verdict::Started, "{rerun:?}");
    assert_eq!(scene.names_of_head("orders", "day=d1"), ["_SUCCESS", "part-2"]);
    scene.world.end_all_runs();
    scene.sweep_whole();
    // The cap of the day holds for the next drop.
    scene.drop_key("in/d1/part-3", "3");
    let decisions = scene.drop_key("in/d1/_SUCCESS", "");
    assert_eq!(decisions[0]["decision"], "deferred", "{decisions}");
}

#[test]
fn sets_that_wait_when_their_definition_is_removed_give_one_notice() {
    let mut scene = Scene::new();
    for day in 0..3 {
        scene.drop_set(day, 0);
        scene.deliver(1);
    }
    scene.sweep_whole();
    assert_eq!(scene.world.notices(), []);
    scene.world.remove("definitions", "orders.json");
    scene.sweep_whole();
    scene.sweep_whole();
    scene.invoke(1, Call::Sweep);
    scene.run_out();
    let notices = scene.world.notices();
    let [notice] = notices.as_slice() else { panic!("{notices:#?}") };
    assert_eq!(notice.subject, "orders was removed: 2 waiting set(s) will not start");
    assert!(notice.message.contains("\n  orders/day=1\n  orders/day=2\n"), "{}", notice.message);
    scene.world.put("definitions", "orders.json", DEFINITION);
    scene.world.end_all_runs();
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 2, "the sets start when the definition is back");
}

#[test]
fn sets_that_wait_when_their_definition_gets_other_patterns_give_one_notice() {
    let mut scene = Scene::new();
    for day in 0..3 {
        scene.drop_set(day, 0);
        scene.deliver(1);
    }
    scene.sweep_whole();
    // A change of something else loses no set.
    scene.world.put("definitions", "orders.json", &format!("{DEFINITION} "));
    scene.sweep_whole();
    assert_eq!(scene.world.notices(), []);
    let other = with_patterns(r#""myDropFile": ["new/{day}/a.csv", "new/{day}/b.csv"]"#);
    for text in [other.clone(), "{".to_owned(), other] {
        scene.world.put("definitions", "orders.json", &text);
        scene.sweep_whole();
        scene.sweep_whole();
    }
    scene.invoke(1, Call::Sweep);
    scene.run_out();
    let notices = scene.world.notices();
    let notices: Vec<_> =
        notices.iter().filter(|notice| !notice.subject.contains("cannot be used")).collect();
    let [notice] = notices.as_slice() else { panic!("{notices:#?}") };
    assert_eq!(notice.subject, "orders has other patterns: 2 waiting set(s) will not start");
    assert!(notice.message.contains("\n  orders/day=1\n  orders/day=2\n"), "{}", notice.message);
    scene.world.put("definitions", "orders.json", DEFINITION);
    scene.world.end_all_runs();
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 2, "the sets start when the patterns are back");
}

#[test]
fn a_file_is_not_taken_by_a_run_that_another_set_has_replaced() {
    let fields = r#""myDropFile": ["in/{day}/a.csv", "in/{day}/b.csv"], "myStaleRuns": "replace""#;
    let mut scene = Scene::with(&with_patterns(fields));
    for day in 0..2 {
        scene.drop_set(day, 0);
        scene.deliver(1);
    }
    let proofs = proofs(&scene);
    let [first, .., last] = proofs.as_slice() else { panic!("{proofs:?}") };
    assert_eq!((first.key.as_str(), first.runs[0].state.as_str()), ("in/0/a.csv", "superseded"));
    assert!(first.reasons[0].contains("a later run replaced the run of these files"), "{first:?}");
    assert_eq!((last.runs[0].state.as_str(), last.reasons.len()), ("activated", 0));
}

#[test]
fn values_that_cannot_be_read_are_told_for_every_set() {
    let mut scene = Scene::new();
    scene.world.put("definitions", "values.json", "{");
    scene.drop_set(0, 0);
    scene.deliver(1);
    let why = "values.json cannot be used: line 1, column 2";
    assert!(reason(&scene, "in/0/a.csv").contains(why));
    assert!(scene.status("in/0/a.csv")[0].reason.contains(why));
    let history = scene.answer(|handler| async move { handler.history(None, 10, true).await });
    assert!(history.unknown.is_some_and(|unknown| unknown.contains(why)));
}

#[test]
fn a_set_behind_a_pause_is_told_as_paused_also_after_an_earlier_run() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.world.end_all_runs();
    scene.sweep_whole();
    scene.invoke(0, Call::Pause(true));
    scene.run_out();
    scene.drop_file(0, 0, 1);
    scene.deliver(1);
    scene.drop_file(0, 0, 2);
    scene.deliver(1);
    let decisions = scene.status("in/0/a.csv");
    assert!(decisions[0].reason.starts_with("orders is paused since"), "{decisions:?}");
    let day = std::collections::BTreeMap::from([("day".to_owned(), "0".to_owned())]);
    let rerun = scene.answer(|handler| async move { handler.rerun("orders", &day, false).await });
    assert_eq!(rerun.verdict, crate::Verdict::Paused, "{rerun:?}");
    assert_eq!(scene.world.activations().len(), 1);
}

#[test]
fn a_wish_that_is_refused_does_not_stay_for_a_later_run() {
    let mut refused = 0;
    for steps in 0..40 {
        let mut scene = Scene::new();
        scene.drop_set(0, 0);
        scene.deliver(1);
        scene.world.end_all_runs();
        scene.sweep_whole();
        scene.invoke(0, Call::Rerun { day: 0, force: true });
        scene.happen(&Happening::Step { invocation: 0, steps });
        scene.world.remove("drop", "in/0/a.csv");
        scene.run_out();
        assert!(scene.ledger("orders", "day=0").rerun.is_none(), "removed after {steps} steps");
        refused += usize::from(scene.world.activations().len() == 1);
    }
    assert!((1..40).contains(&refused), "the wish was refused {refused} times of 40");
}

#[test]
fn a_definition_that_drops_do_not_start_is_refused_with_the_reason() {
    let scene = Scene::new();
    scene.world.put("definitions", "bad.json", "{");
    scene.world.put("definitions", "plain.json", r#"{"objects": []}"#);
    for (name, expected) in [
        ("ordres", "there is no definition ordres (did you mean orders?)"),
        ("xyz", "there is no definition xyz"),
        ("bad", "the definition bad is there, but bad.json cannot be used: line 1, column 2"),
        ("plain", "the definition plain has no `myDropFile`, so drops do not start it"),
    ] {
        let history = scene.answer(|handler| async move { handler.history(Some(name), 10, true).await });
        let unknown = history.unknown.expect("a reason");
        assert!(unknown.starts_with(expected), "{unknown}");
        let answers = scene.answer(|handler| async move {
            let none = std::collections::BTreeMap::new();
            let paused = handler.set_paused(name, true).await;
            Ok([paused.map(drop), handler.rerun(name, &none, false).await.map(drop)])
        });
        for answer in answers {
            assert_eq!(answer.expect_err("refused").to_string(), unknown);
        }
    }
    let history = scene.answer(|handler| async move { handler.history(Some("orders"), 10, true).await });
    assert_eq!(history.unknown, None);
}
