//! One test for each rule, with a fixed order of events.

use super::scene::{Call, DAY_SECS, DEFINITION, Scene};

#[test]
fn the_same_event_five_times_out_of_order_makes_one_run() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(5);
    assert_eq!(scene.world.activations().len(), 1);
}

#[test]
fn many_handlers_at_one_set_at_once_all_give_an_answer() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(30);
    assert_eq!(*scene.errors.borrow(), Vec::<String>::new());
    assert_eq!(scene.world.activations().len(), 1);
}

#[test]
fn the_same_files_again_make_no_second_run() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.world.end_all_runs();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 1);
}

#[test]
fn a_changed_file_makes_a_new_run_and_the_ended_pipeline_is_deleted() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.world.end_all_runs();
    scene.drop_file(0, 0, 1);
    scene.deliver(1);
    assert_eq!(scene.world.activations().len(), 2);
    assert_eq!(scene.world.pipelines(), 1);
}

#[test]
fn a_failed_run_starts_again_when_its_files_are_dropped_again() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.world.end_run(0, true);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 1);
    scene.drop_set(0, 0);
    scene.deliver(3);
    assert_eq!(scene.world.activations().len(), 2);
    assert_eq!(scene.world.pipelines(), 2, "a failed pipeline stays until its set succeeds");
}

#[test]
fn a_set_over_the_cap_runs_the_next_day_with_one_notice() {
    let mut scene = Scene::new();
    for content in 0..3 {
        scene.drop_set(content, content);
    }
    scene.deliver(2);
    for _ in 0..2 {
        scene.world.end_all_runs();
        scene.sweep_whole();
    }
    assert_eq!((scene.world.activations().len(), scene.world.notices().len()), (2, 1));
    scene.advance(DAY_SECS);
    scene.sweep_whole();
    assert_eq!((scene.world.activations().len(), scene.world.notices().len()), (3, 1));
}

#[test]
fn the_day_of_the_cap_is_a_day_of_the_time_zone() {
    const HOUR: i64 = 3_600;
    let in_zone = |zone: &str| {
        DEFINITION.replace(
            r#""myMaxRunsPerDay": "2""#,
            &format!(r#""myMaxRunsPerDay": "1", "myTimeZone": "{zone}""#),
        )
    };
    // The model begins at 08:00 UTC, which is 17:00 in Tokyo and 22:00 on Kiritimati.
    let mut scene = Scene::with(&in_zone("Asia/Tokyo"));
    for day in 0..4 {
        scene.drop_set(day, 0);
    }
    scene.deliver(2);
    let runs_after = |scene: &mut Scene, seconds: i64| {
        scene.advance(seconds);
        scene.world.end_all_runs();
        scene.sweep_whole();
        scene.world.activations().len()
    };
    assert_eq!(runs_after(&mut scene, 7 * HOUR - 60), 1);
    let notices = scene.world.notices();
    assert!(
        notices[0].subject.contains("put off until 2026-11-21T00:00:00+09:00 (Asia/Tokyo)"),
        "{notices:#?}"
    );
    assert_eq!(runs_after(&mut scene, 60), 2, "it is midnight in Tokyo");
    assert_eq!(runs_after(&mut scene, 12 * HOUR), 2);
    // Kiritimati is five hours ahead of Tokyo: there, the next day has begun already.
    scene.world.put("definitions", "orders.json", &in_zone("Pacific/Kiritimati"));
    assert_eq!(runs_after(&mut scene, 60), 2, "the slot of this date is taken");
    assert_eq!(runs_after(&mut scene, 7 * HOUR), 3, "it is midnight on Kiritimati, and not yet in Tokyo");
    assert_eq!(runs_after(&mut scene, 5 * HOUR), 3);
    assert_eq!(*scene.errors.borrow(), Vec::<String>::new());
}

#[test]
fn an_incomplete_set_is_reported_once_when_the_time_of_its_day_has_come() {
    let by = r#""myWaitFor": "by 08:30", "myTimeZone": "Asia/Tokyo""#;
    let mut scene = Scene::with(&DEFINITION.replace(r#""myMaxRunsPerDay": "2""#, by));
    for key in ["in/2026-11-21/a.csv", "in/2026-11-22/a.csv", "in/2026-11-22/b.csv"] {
        scene.put_key(key, "content");
    }
    scene.deliver(1);
    let notices_at = |scene: &mut Scene, time: &str| {
        let time: jiff::Timestamp = time.parse().unwrap();
        scene.advance(time.as_second() - scene.world.seconds());
        scene.sweep_whole();
        scene.sweep_whole();
        scene.world.notices()
    };
    assert_eq!(notices_at(&mut scene, "2026-11-20T23:29:59Z"), []);
    let notices = notices_at(&mut scene, "2026-11-20T23:30:00Z");
    let [notice] = notices.as_slice() else { panic!("{notices:#?}") };
    assert_eq!(notice.subject, "orders day=2026-11-21: 1 file(s) still missing");
    for text in [
        "s3://drop/in/2026-11-21/b.csv\n",
        "by 08:30 (Asia/Tokyo)",
        "since 2026-11-20T17:00:00+09:00 (Asia/Tokyo)",
    ] {
        assert!(notice.message.contains(text), "{text}: {}", notice.message);
    }
    assert!(!notice.message.contains("a.csv"), "{}", notice.message);
    assert_eq!(notices_at(&mut scene, "2026-11-22T23:30:00Z").len(), 1);
    // A set whose first file is late gets `mySettle` to become whole.
    scene.put_key("in/2026-11-20/b.csv", "late");
    assert_eq!(notices_at(&mut scene, "2026-11-22T23:30:05Z").len(), 1);
    assert_eq!(notices_at(&mut scene, "2026-11-22T23:30:15Z").len(), 2);
}

#[test]
fn sets_of_one_definition_run_one_after_another_the_oldest_first() {
    let mut scene = Scene::new();
    scene.drop_set(3, 0);
    scene.deliver(1);
    for day in [2, 0] {
        scene.drop_set(day, 0);
    }
    // `deliver` delivers the youngest event first.
    scene.deliver(3);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 1, "the others wait for the first");
    for _ in 0..2 {
        scene.world.end_all_runs();
        scene.advance(1);
        scene.sweep_whole();
    }
    scene.advance(DAY_SECS);
    scene.world.end_all_runs();
    scene.sweep_whole();
    let names: Vec<_> = scene.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["orders/day=3", "orders/day=2", "orders/day=0"]);
    assert_eq!(scene.world.violations(), Vec::<String>::new());
}

#[test]
fn the_end_of_each_run_starts_the_set_that_waits_longest() {
    let mut scene = Scene::new();
    scene.world.put("definitions", "orders.json", &DEFINITION.replace(r#", "myMaxRunsPerDay": "2""#, ""));
    for day in [3, 2, 0, 1] {
        scene.drop_set(day, 0);
        scene.deliver(2);
    }
    for _ in 0..3 {
        scene.world.end_all_runs();
        scene.invoke(0, Call::StartNext);
        scene.invoke(1, Call::StartNext);
        scene.run_out();
    }
    let names: Vec<_> = scene.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["orders/day=3", "orders/day=2", "orders/day=0", "orders/day=1"]);
    assert_eq!(scene.world.keys("definitions", "ledger/orders/_queue/"), Vec::<String>::new());
    assert_eq!(*scene.errors.borrow(), Vec::<String>::new());
}

#[test]
fn an_unreadable_set_does_not_keep_the_sets_behind_it_waiting() {
    let mut scene = Scene::new();
    for day in [0, 1, 2] {
        scene.drop_set(day, 0);
        scene.deliver(1);
    }
    scene.world.put("definitions", "ledger/orders/day=1.json", "no ledger");
    // More objects that are not marks than one listing reads.
    for number in 0..60 {
        scene.world.put("definitions", &format!("ledger/orders/_queue/00-{number:03}.txt"), "no mark");
    }
    scene.world.put("definitions", "ledger/orders/_queue/0000000000000-day=9.json", "no mark");
    let history = scene.answer(|handler| async move { handler.history(None, 10, false).await });
    let reasons: Vec<_> =
        history.waiting.iter().map(|set| (set.set.as_deref(), set.reason.as_str())).collect();
    assert!(
        matches!(reasons[..], [(Some("day=1"), why), (Some("day=2"), _)] if why.contains("day=1.json")),
        "{reasons:?}"
    );
    let day = scene.world.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let proofs = scene.answer(|handler| async move { handler.proof(day).await });
    let hidden = proofs.iter().filter(|proof| proof.reasons.iter().any(|why| why.contains("day=1.json")));
    assert_eq!((proofs.len(), hidden.count()), (6, 2), "{proofs:#?}");
    scene.world.end_all_runs();
    scene.invoke(0, Call::StartNext);
    scene.run_out();
    let names: Vec<_> = scene.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["orders/day=0", "orders/day=2"]);
}

#[test]
fn content_that_waits_for_its_burst_does_not_keep_another_set_waiting() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.drop_file(0, 0, 1);
    scene.deliver(1);
    scene.world.end_all_runs();
    scene.drop_set(1, 0);
    scene.sweep_whole();
    let names: Vec<_> = scene.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["orders/day=0", "orders/day=1"]);
}

#[test]
fn replace_ends_the_run_of_another_set_before_its_own_starts() {
    let mut scene = Scene::new();
    let replaces = DEFINITION.replace(r#""myMaxRunsPerDay": "2""#, r#""myStaleRuns": "replace""#);
    scene.world.put("definitions", "orders.json", &replaces);
    scene.world.let_runs_be_replaced();
    scene.drop_set(0, 0);
    scene.deliver(2);
    scene.drop_set(1, 0);
    scene.deliver(3);
    assert_eq!((scene.world.activations().len(), scene.world.pipelines()), (2, 1));
    assert_eq!(scene.world.violations(), Vec::<String>::new());
}

#[test]
fn a_set_that_cannot_start_does_not_keep_the_others_waiting() {
    let mut scene = Scene::new();
    scene.world.answer_no_definitions(true);
    scene.drop_set(0, 0);
    // Only one of the two events is delivered, because a second handler would keep the turn until its lease ends.
    scene.events.truncate(1);
    scene.deliver(1);
    scene.world.answer_no_definitions(false);
    scene.drop_set(1, 0);
    for event in std::mem::take(&mut scene.events) {
        scene.invoke(0, Call::Event(event));
        scene.run_out();
    }
    let names: Vec<_> = scene.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["orders/day=1"]);
}

#[test]
fn files_that_arrive_while_a_new_definition_is_broken_run_after_its_correction() {
    let mut scene = Scene::new();
    scene.world.put("definitions", "returns.json", &DEFINITION.replace("in/{day}", "returns/{day}")[1..]);
    scene.sweep_whole();
    scene.world.advance_milliseconds(1);
    for name in ["a", "b"] {
        scene.world.put("drop", &format!("returns/1/{name}.csv"), "content");
    }
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 0);
    scene.world.advance_milliseconds(1);
    scene.world.put("definitions", "returns.json", &DEFINITION.replace("in/{day}", "returns/{day}"));
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 1);
}

#[test]
fn the_sweep_starts_a_set_whose_event_never_came() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 1);
}

#[test]
fn a_broken_definition_stops_only_itself_and_gives_one_notice() {
    let mut scene = Scene::new();
    scene.world.put("definitions", "broken.json", "{\n  \"objects\": [}");
    scene.drop_set(0, 0);
    scene.deliver(2);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 1);
    let notices = scene.world.notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].message.contains("line 2, column 15"), "{}", notices[0].message);
}

#[test]
fn a_refused_definition_gives_one_notice_and_starts_after_its_correction() {
    let mut scene = Scene::new();
    scene.world.refuse_definitions(true);
    scene.drop_set(0, 0);
    scene.deliver(2);
    scene.sweep_whole();
    assert_eq!((scene.world.activations().len(), scene.world.notices().len()), (0, 1));
    assert!(scene.world.notices()[0].message.contains("object `Say`"));
    scene.world.refuse_definitions(false);
    scene.drop_set(0, 0);
    scene.deliver(2);
    assert_eq!((scene.world.activations().len(), scene.world.notices().len()), (1, 1));
}

#[test]
fn a_finished_set_runs_again_when_a_person_wishes_so() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.invoke(0, Call::Rerun { day: 0, force: false });
    scene.run_out();
    assert_eq!(scene.world.activations().len(), 1, "the run is at work");
    scene.world.end_all_runs();
    for activations in [2, 3] {
        scene.invoke(0, Call::Rerun { day: 0, force: activations == 3 });
        scene.run_out();
        assert_eq!(scene.world.activations().len(), activations);
        scene.world.end_all_runs();
        scene.sweep_whole();
    }
    assert_eq!(scene.world.activations().len(), 3, "a wish is fulfilled once");
    scene.invoke(0, Call::Rerun { day: 0, force: false });
    scene.run_out();
    assert_eq!(scene.world.activations().len(), 3, "the cap of the day is reached");
    scene.advance(DAY_SECS);
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 4, "and so it runs on the next day");
    assert_eq!(scene.world.keys("definitions", "ledger/orders/_queue/"), Vec::<String>::new());
}

#[test]
fn a_wish_waits_for_the_run_of_another_set() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.world.end_all_runs();
    scene.drop_set(1, 0);
    scene.deliver(1);
    scene.invoke(0, Call::Rerun { day: 0, force: true });
    scene.run_out();
    assert_eq!(scene.world.activations().len(), 2);
    scene.world.end_all_runs();
    scene.invoke(0, Call::StartNext);
    scene.run_out();
    let names: Vec<_> = scene.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["orders/day=0", "orders/day=1", "orders/day=0"]);
}

#[test]
fn a_wish_survives_a_crash_between_any_two_calls() {
    for steps in 1..60 {
        let mut scene = Scene::new();
        scene.drop_set(0, 0);
        scene.deliver(1);
        scene.world.end_all_runs();
        scene.invoke(0, Call::Rerun { day: 0, force: true });
        scene.step_and_kill(steps);
        scene.advance(61);
        scene.invoke(1, Call::StartNext);
        scene.run_out();
        let runs = scene.world.activations().len();
        // A wish that was not noted yet got no answer, and the person wishes again.
        if runs == 1 {
            scene.invoke(1, Call::Rerun { day: 0, force: true });
            scene.run_out();
        }
        assert_eq!(scene.world.activations().len(), 2, "after {steps} steps");
        scene.world.end_all_runs();
        scene.sweep_whole();
        assert_eq!(scene.world.activations().len(), 2, "after {steps} steps");
        assert_eq!(scene.world.violations(), Vec::<String>::new());
    }
}

#[test]
fn only_the_ledger_of_a_set_whose_files_are_gone_is_forgotten() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.drop_set(1, 0);
    scene.deliver(1);
    for _ in 0..2 {
        scene.world.end_all_runs();
        scene.sweep_whole();
    }
    let ledgers = |scene: &Scene| scene.world.keys("definitions", "ledger/orders/day=");
    scene.invoke(0, Call::Forget);
    scene.run_out();
    assert_eq!(ledgers(&scene).len(), 2, "the ledgers are young");
    scene.advance(100 * DAY_SECS);
    scene.world.remove("drop", "in/1/a.csv");
    scene.world.remove("drop", "in/1/b.csv");
    scene.invoke(0, Call::Forget);
    scene.run_out();
    assert_eq!(ledgers(&scene), ["ledger/orders/day=0.json"]);
    assert_eq!(scene.world.keys("definitions", "caps/"), Vec::<String>::new());
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 2, "no set runs again");
    assert_eq!(*scene.errors.borrow(), Vec::<String>::new());
}

#[test]
fn nothing_starts_while_a_definition_is_paused() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.invoke(0, Call::Pause(true));
    scene.run_out();
    scene.drop_set(1, 0);
    scene.deliver(3);
    scene.world.end_all_runs();
    for _ in 0..2 {
        scene.invoke(1, Call::StartNext);
        scene.run_out();
        scene.sweep_whole();
    }
    assert_eq!(scene.world.activations().len(), 1);
    scene.invoke(0, Call::Pause(false));
    scene.run_out();
    scene.invoke(1, Call::StartNext);
    scene.run_out();
    assert_eq!(scene.world.activations().len(), 2);
}

#[test]
fn one_file_feeds_two_definitions_with_a_run_each() {
    let mut scene = Scene::new();
    let copies = DEFINITION.replace(r#"["in/{day}/a.csv", "in/{day}/b.csv"]"#, r#""in/{day}/a.csv""#);
    scene.world.put("definitions", "copies.json", &copies);
    scene.sweep_whole();
    scene.drop_set(0, 0);
    scene.deliver(2);
    let mut names: Vec<_> = scene.world.activations().into_iter().map(|run| run.name).collect();
    names.sort();
    assert_eq!(names, ["copies/day=0", "orders/day=0"]);
    assert_eq!(scene.world.violations(), Vec::<String>::new());
}

#[test]
fn a_definition_that_changes_between_two_events_runs_by_its_new_patterns() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.drop_file(1, 0, 0);
    scene.drop_set(2, 0);
    scene.deliver(1);
    scene.world.put("definitions", "orders.json", &DEFINITION.replace("{day}/b.csv", "{day}/c.csv"));
    scene.drop_file(1, 1, 0);
    scene.deliver(1);
    scene.world.end_all_runs();
    scene.invoke(0, Call::StartNext);
    scene.run_out();
    assert_eq!(scene.world.activations().len(), 1, "no set is whole by the new patterns");
    scene.world.put("definitions", "orders.json", DEFINITION);
    scene.sweep_whole();
    scene.world.end_all_runs();
    scene.sweep_whole();
    let names: Vec<_> = scene.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names[..2], ["orders/day=0", "orders/day=2"]);
}

#[test]
fn old_keys_do_not_raise_the_cost_of_a_sweep_and_a_round_finds_every_set() {
    let with_keys = |keys: usize| {
        let mut scene = Scene::new();
        for number in 0..keys {
            scene.world.put("drop", &format!("in/{number:05}/a.csv"), "half of a set");
        }
        scene.drop_set(9, 0);
        scene.events.clear();
        let before = scene.world.calls();
        scene.sweep_whole();
        (scene.world.calls() - before, scene)
    };
    let (few, _) = with_keys(2_500);
    let (many, mut scene) = with_keys(5_000);
    assert!(many <= few + 1, "{few} calls at 2,500 keys and {many} at 5,000");
    assert_eq!(scene.world.activations().len(), 0, "the set comes last by name");
    for _ in 0..2 {
        scene.sweep_whole();
    }
    assert_eq!(scene.world.activations().len(), 1);
}
