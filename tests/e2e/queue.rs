//! The queue: sets that wait start one after another, each as soon as the run before it has ended.

use e2e::{definitions::Definitions, program::Up, until::until};

use crate::PROGRAM;

/// A definition that sends no mail. Each run reads a whole folder, and adds its day to a list.
const NOTES: &str = r##"{"objects": [
    {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
     "pipelineLogUri": "s3://downspout-logs/notes", "workerGroup": "downspout", "maximumRetries": "0",
     "myDropFile": "notes/{day}/note.txt"},
    {"id": "Folder", "type": "S3DataNode", "directoryPath": "s3://downspout-drop/folder"},
    {"id": "Note", "type": "ShellCommandActivity", "input": {"ref": "Folder"}, "stage": "true",
     "command": "ls -b \"$INPUT1_STAGING_DIR\" > 'LIST.folder'; echo #{myDay} >> 'LIST'"}
  ], "parameters": [{"id": "myDay", "type": "String"}]}"##;

const DAYS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn waiting_sets_start_after_each_run_and_a_strange_key_stops_nothing() {
    let definitions = Definitions::uncapped();
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let list = folder.path().join("list");
    definitions.write("notes.json", &NOTES.replace("LIST", &list.display().to_string()));
    let mut up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    // No list in XML can contain these characters.
    let strange =
        ["notes/\u{1}\u{1b}[2J/other.txt", "notes/odd\u{1b}c", "folder/a\u{2}b.txt", "folder/plain.txt"];
    for key in strange {
        up.put(key, b"strange".to_vec()).await;
    }
    for day in 10..10 + DAYS {
        up.put(&format!("notes/2026-01-{day}/note.txt"), format!("note {day}").into_bytes()).await;
    }
    let ran = |days: usize| {
        let list = list.clone();
        async move || {
            let text = std::fs::read_to_string(&list).unwrap_or_default();
            let mut lines: Vec<&str> = text.lines().collect();
            // The kill may interrupt a run, which then writes its line again.
            lines.dedup();
            let is_enough = lines.len() >= days;
            if is_enough { Ok(text) } else { Err(text) }
        }
    };
    until("some runs", ran(3)).await;
    up.kill();
    up.start_again().await;
    let text = until("every run", ran(DAYS)).await;
    let mut days: Vec<&str> = text.lines().collect();
    // The kill may have interrupted a run, which then runs its command again.
    days.dedup();
    let expected: Vec<String> = (10..10 + DAYS).map(|day| format!("2026-01-{day}")).collect();
    let mut sorted = days.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, expected, "each day ran: {}", up.log());
    assert_eq!(days.len(), DAYS, "and ran once: {days:?}");
    let staged = std::fs::read_to_string(format!("{}.folder", list.display())).expect("a staged folder");
    assert_eq!(staged, "a\\002b.txt\nplain.txt\n");

    let swept = up.downspout(&["sweep"]);
    assert!(swept.status.success(), "{swept:?}");
    let listed = up.downspout(&["ls", "drop/notes/odd"]);
    let listed = String::from_utf8(listed.stdout).expect("text");
    assert!(listed.contains("notes/odd\\u{1b}c") && !listed.contains('\u{1b}'), "{listed:?}");
}
