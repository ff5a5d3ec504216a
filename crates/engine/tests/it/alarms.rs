//! The notices of a run: when they are sent, and their texts.

use engine::Event;

use crate::harness::{instance, shell, started, started_with};

const ONCE: &str = r##"{"id": "Good", "type": "SnsAlarm", "myOncePerRun": "true", "topicArn": "arn:t",
    "subject": "#{node.name}: #{node.rowsLoaded} rows,\n#{node.rowsRejected} refused — fine",
    "message": "#{node.@status} in #{node.duration}, of #{node.rowsRead} rows #{node.rowsSkipped} skipped\n#{node.loads}\n#{node.rejectReasons}\n#{node.results}\n#{node.notes}"},
   {"id": "Bad", "type": "SnsAlarm", "myOncePerRun": "true", "topicArn": "arn:t", "subject": "bad",
    "message": "#{node.firstError} #{node.nothing}#{node.logs}"}"##;

const BOTH: &str =
    r#", "onSuccess": {"ref": "Good"}, "onFail": {"ref": "Bad"}, "pipelineLogUri": "s3://l/x/""#;

#[test]
fn the_alarm_of_an_object_describes_that_object() {
    let alarm = r##"{"id": "Alarm", "type": "SnsAlarm", "topicArn": "arn:t", "subject": "#{node.name} failed",
        "message": "#{node.errorId}: #{node.errorMessage} in #{node.output.filePath}#{node.errorStackTrace}"}"##;
    let node = r#"{"id": "Out", "type": "S3DataNode", "filePath": "s3://b/out"}"#;
    let a = shell("A", r#", "onFail": {"ref": "Alarm"}, "output": {"ref": "Out"}"#);
    let mut run = started(&format!("{a}, {node}, {alarm}"));
    run.fail("A", "BadInput:Quote", "left open");
    let [notice] = run.notices()[..] else { panic!("{:?}", run.notices()) };
    assert_eq!(notice.subject, "@A_2030-01-31T22:00:00 failed");
    assert_eq!(notice.message, "BadInput:Quote: left open in s3://b/out");
}

#[test]
fn an_alarm_fires_after_the_last_try_only_and_again_after_a_rerun() {
    let alarm = r#"{"id": "Alarm", "type": "SnsAlarm", "topicArn": "arn:t", "subject": "s", "message": "m"}"#;
    let a = shell("A", r#", "onFail": {"ref": "Alarm"}, "maximumRetries": "1""#);
    let mut run = started(&format!("{a}, {alarm}"));
    run.fail("A", "E", "no");
    assert_eq!(run.notices().len(), 0);
    run.advance_minutes(1);
    run.fail("A", "E", "no");
    assert_eq!(run.notices().len(), 1);
    run.rerun("A");
    run.fail("A", "BadInput", "no");
    let ids: std::collections::HashSet<_> = run.notices().iter().map(|notice| &notice.id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn the_notice_of_a_canceled_run_says_what_was_canceled_and_why() {
    let mut run = started_with(BOTH, &[shell("A", ""), ONCE.to_owned()].join(", "));
    run.cancel("A").unwrap();
    let [notice] = run.notices()[..] else { panic!("{:?}", run.notices()) };
    assert!(notice.message.starts_with("A: canceled: asked s3://l/x/"), "{}", notice.message);
}

#[test]
fn a_load_of_several_files_is_told_with_their_number() {
    let mut run = started_with(BOTH, &[shell("A", ""), ONCE.to_owned()].join(", "));
    run.claim("A");
    let files = ["s3://b/1.csv", "s3://b/2.csv", "s3://b/3.csv"].map(|file| ("loadedFrom", file));
    run.report("A", &[&[("rowsLoaded", "2"), ("loadedTable", "t")][..], &files].concat());
    run.set_task_status("A", engine::TaskOutcome::Finished);
    let [notice] = run.notices()[..] else { panic!("{:?}", run.notices()) };
    assert!(
        notice.message.contains("t: 2 rows, 0 refused, from s3://b/1.csv and 2 more files"),
        "{}",
        notice.message
    );
}

#[test]
fn an_alarm_with_my_once_per_run_sends_one_notice_about_the_run() {
    let objects = [shell("A", ""), shell("B", ""), ONCE.to_owned()].join(", ");
    let mut run = started_with(BOTH, &objects);
    for (activity, rows, refused) in [("A", "10", "1"), ("B", "5", "0")] {
        run.claim(activity);
        run.report(activity, &[("rowsLoaded", rows), ("rowsRejected", refused), ("loadedTable", activity)]);
    }
    run.report("A", &[("rejectReasons", "a.csv line 3: no date"), ("rowsRead", "13"), ("rowsSkipped", "2")]);
    run.report(
        "B",
        &[("rowsRead", "5"), ("rowsSkipped", "0"), ("note", "too few rows"), ("note", "found `;`")],
    );
    run.report("B", &[("writtenTo", "s3://r/b.csv"), ("resultPreview", "x,y\n1,2")]);
    run.set_task_status("A", engine::TaskOutcome::Finished);
    assert_eq!(run.notices().len(), 0);
    run.advance_minutes(1);
    run.set_task_status("B", engine::TaskOutcome::Finished);
    let [notice] = run.notices()[..] else { panic!("{:?}", run.notices()) };
    assert_eq!(notice.subject, "orders/2030-01-31: 15 rows, 1 refused — fine");
    let wanted = "FINISHED in 1 min 0 s, of 18 rows 2 skipped\nA: 10 rows, 1 refused, 2 skipped\nB: 5 rows, 0 refused\n\
                  a.csv line 3: no date\ns3://r/b.csv\n    x,y\n    1,2\n\
                  B: too few rows\nB: found `;`";
    assert_eq!(notice.message, wanted);
}

#[test]
fn my_once_per_run_reports_the_first_error_and_leaves_unknown_names_blank() {
    let objects = [shell("A", ""), shell("B", r#", "dependsOn": {"ref": "A"}"#), ONCE.to_owned()].join(", ");
    let mut run = started_with(BOTH, &objects);
    run.fail("A", "BadInput", "no header");
    let [notice] = run.notices()[..] else { panic!("{:?}", run.notices()) };
    assert_eq!(notice.message, "A: BadInput: no header s3://l/x/df-1/");
}

#[test]
fn rows_of_a_failed_load_do_not_count_as_loaded() {
    let alarm = r##"{"id": "Bad", "type": "SnsAlarm", "myOncePerRun": "#{myOnce}", "myOnce": "true", "topicArn": "arn:t",
        "subject": "s", "message": "#{node.rowsLoaded} #{node.rowsRejected} #{node.loads} #{node.loadedRows}"}"##;
    let a = shell("A", r#", "onFail": {"ref": "Bad"}"#);
    let mut run = started(&format!("{a}, {}, {alarm}", shell("B", "")));
    for (activity, rows) in [("A", "10"), ("B", "1")] {
        run.claim(activity);
        run.report(activity, &[("rowsLoaded", rows), ("rowsRejected", "3"), ("loadedTable", activity)]);
    }
    run.set_task_status("B", engine::TaskOutcome::Finished);
    run.set_task_status("A", engine::TaskOutcome::Failed(engine::TaskError::new("BadInput", "too many")));
    assert_eq!(run.notices()[0].message, "1 6 B: 1 row, 3 refused 1 row");
}

#[test]
fn a_failed_run_that_is_marked_finished_sends_another_notice_once() {
    let mut run = started_with(BOTH, &[shell("A", ""), ONCE.to_owned()].join(", "));
    run.fail("A", "BadInput", "no");
    run.step(Event::MarkedFinished { instances: [instance("A")].into() });
    run.step(Event::MarkedFinished { instances: [instance("A")].into() });
    let subjects: Vec<_> = run.notices().iter().map(|notice| notice.subject.clone()).collect();
    assert_eq!(subjects, ["bad", "orders/2030-01-31: 0 rows, 0 refused — fine"]);
}

#[test]
fn a_long_subject_is_cut_to_a_hundred_characters() {
    let alarm = format!(
        r#"{{"id": "Alarm", "type": "SnsAlarm", "topicArn": "arn:t", "subject": "{}", "message": "m"}}"#,
        "x".repeat(120)
    );
    let mut run = started(&format!("{}, {alarm}", shell("A", r#", "onSuccess": {"ref": "Alarm"}"#)));
    run.finish("A");
    assert_eq!(run.notices()[0].subject, format!("{}...", "x".repeat(97)));
}

#[test]
fn a_subject_keeps_every_letter_and_is_cut_between_characters() {
    for (written, sent) in [
        ("Übersicht für Köln — 🟢".to_owned(), "Übersicht für Köln — 🟢".to_owned()),
        ("日本語".to_owned(), "日本語".to_owned()),
        ("a\\tb\\r\\nc\\u0085d\\u2028e\\u0001f".to_owned(), "a b  c d e f".to_owned()),
        ("ü".repeat(100), "ü".repeat(100)),
        ("ü".repeat(101), format!("{}...", "ü".repeat(97))),
        ("🟢".repeat(50), "🟢".repeat(50)),
        ("🟢".repeat(51), format!("{}...", "🟢".repeat(48))),
        ("\\n".to_owned(), "Alärm".to_owned()),
    ] {
        let alarm = format!(
            r#"{{"id": "Alärm", "type": "SnsAlarm", "topicArn": "arn:t", "subject": "{written}", "message": "m"}}"#
        );
        let mut run = started(&format!("{}, {alarm}", shell("A", r#", "onSuccess": {"ref": "Alärm"}"#)));
        run.finish("A");
        assert_eq!(run.notices()[0].subject, sent);
    }
}
