//! Commands for runs and definitions: list runs and waiting sets, run again, run missing days, pause, and cancel.

use std::process::{Command, Output};

use e2e::{definitions::Definitions, program::Up, until::until};
use serde_json::Value;

use crate::PROGRAM;

/// Each run adds its day to a list. The run of one day goes on until it is cancelled.
const NOTES: &str = r##"{"objects": [
    {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
     "pipelineLogUri": "s3://downspout-logs/notes", "workerGroup": "downspout", "maximumRetries": "0",
     "myDropFile": "notes/{day}/note.txt", "myMaxRunsPerDay": "2"},
    {"id": "Note", "type": "ShellCommandActivity",
     "command": "env > 'LIST.env'; echo #{myDay} >> 'LIST'; if [ #{myDay} = 2026-01-09 ]; then sleep 600; fi"}
  ], "parameters": [{"id": "myDay", "type": "String"}]}"##;

struct Story {
    up: Up,
    list: std::path::PathBuf,
    _folder: tempfile::TempDir,
    _definitions: Definitions,
}

impl Story {
    async fn begin() -> Self {
        let (definitions, folder) = (Definitions::uncapped(), tempfile::TempDir::new().expect("a folder"));
        let list = folder.path().join("list");
        definitions.write("notes.json", &NOTES.replace("LIST", &list.display().to_string()));
        let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
        Self { up, list, _folder: folder, _definitions: definitions }
    }

    async fn drop(&self, day: &str) {
        self.up.put(&format!("notes/{day}/note.txt"), day.as_bytes().to_vec()).await;
    }

    /// Waits until the list has these days.
    async fn ran(&self, days: &[&str]) {
        until(&format!("{days:?} ran"), async || {
            let text = std::fs::read_to_string(&self.list).unwrap_or_default();
            let ran: Vec<&str> = text.lines().collect();
            if ran == days { Ok(()) } else { Err(format!("{ran:?}\n{}", self.up.log())) }
        })
        .await;
    }

    /// Runs a command, which must exit with `code`, and returns its output.
    fn says(&self, arguments: &[&str], code: i32) -> String {
        let Output { status, stdout, stderr } = self.up.downspout(arguments);
        let (said, complained) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert_eq!(status.code(), Some(code), "{arguments:?}: {said}{complained}");
        said.into_owned()
    }

    async fn until_says(&self, arguments: &[&str], text: &str) {
        until(&format!("{arguments:?} says {text}"), async || {
            let said = self.says(arguments, 0);
            if said.contains(text) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    /// Checks that commands name the definition that a person has probably meant.
    fn refuses_a_slip(&self) {
        for command in
            [&["runs", "nots"][..], &["runs", "--waiting", "nots"], &["cancel", "nots"], &["pause", "nots"]]
        {
            let refused = self.up.downspout(command);
            let said = String::from_utf8_lossy(&refused.stderr);
            let is_told = said.contains("there is no definition nots (did you mean notes?)");
            assert!(is_told && refused.status.code() == Some(1), "{command:?}: {said}");
        }
    }

    fn runs(&self) -> Vec<Value> {
        serde_json::from_str(&self.says(&["runs", "notes", "--json"], 0)).expect("JSON")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_rerun_backfill_pause_cancel_and_list_runs() {
    let story = Story::begin().await;
    let (first, second, third, endless) = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-09");
    story.drop(first).await;
    story.ran(&[first]).await;
    story.drop(second).await;
    story.ran(&[first, second]).await;
    until("both runs ended", async || {
        let runs = story.runs();
        if runs.iter().all(|run| run["outcome"] == "FINISHED") { Ok(()) } else { Err(format!("{runs:?}")) }
    })
    .await;

    let environment =
        std::fs::read_to_string(format!("{}.env", story.list.display())).expect("an environment");
    let endpoint = format!("AWS_ENDPOINT_URL_S3={}\n", story.up.endpoints.s3);
    assert!(environment.contains(&endpoint), "a command reaches the stack: {environment}");

    let over_the_cap = story.says(&["rerun", "notes", "day=2026-01-01"], 3);
    assert!(over_the_cap.contains("--force"), "{over_the_cap}");
    story.says(&["rerun", "notes", "day=2026-01-01", "--force", "--wait"], 0);
    story.ran(&[first, second, first]).await;
    let runs = story.runs();
    let of_first: Vec<_> = runs.iter().filter(|run| run["name"] == "notes/day=2026-01-01").collect();
    assert_eq!(of_first.len(), 2, "the run with the deleted pipeline stays in the history: {runs:?}");
    assert_eq!((&of_first[0]["state"], &of_first[0]["outcome"]), (&"DELETED".into(), &"FINISHED".into()));
    // The service reports the end in whole seconds, and the run took less.
    assert!(of_first[0]["took"].as_str().is_some_and(|took| took.ends_with(" s")), "{runs:?}");
    let shown = story.says(&["show", of_first[0]["pipeline_id"].as_str().expect("an id")], 0);
    for part in ["FINISHED  notes/day=2026-01-01  activated", "The pipeline was deleted"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    story.says(&["show", "df-00000000000000000000"], 1);

    story.says(&["pause", "notes"], 0);
    story.drop(third).await;
    story.until_says(&["runs", "--waiting"], "notes/day=2026-01-03  notes is paused since").await;
    let rerun = story.says(&["rerun", "notes", "day=2026-01-03"], 3);
    assert!(rerun.contains("notes is paused since"), "{rerun}");
    story.says(&["resume", "notes"], 0);
    story.until_says(&["runs", "--waiting"], "the cap of the day is reached").await;
    let filled = story.says(&["backfill", "notes", "--from", first, "--to", third, "--force"], 0);
    assert_eq!(filled.lines().count(), 3, "{filled}");
    story.ran(&[first, second, first, first, second, third]).await;
    story.says(&["backfill", "notes", "--from", "2025-01-01", "--to", "2025-12-31"], 3);

    story.drop(endless).await;
    story.until_says(&["runs", "--waiting"], endless).await;
    story.says(&["rerun", "notes", "day=2026-01-09", "--force"], 0);
    story.ran(&[first, second, first, first, second, third, endless]).await;
    story.says(&["cancel", "notes"], 0);
    until("the run is cancelled", async || {
        let last = story.runs().pop().unwrap_or_default();
        if last["outcome"] == "CANCELED" { Ok(()) } else { Err(last.to_string()) }
    })
    .await;
    story.says(&["cancel", "notes"], 3);
    story.up.put("elsewhere/x.csv", b"x".to_vec()).await;
    story.up.put("notes/2026-01-01/deeper/note.txt", b"x".to_vec()).await;
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let proofs = story.says(&["proof", "--day", &today, "--json"], 3);
    let proofs: Vec<Value> = serde_json::from_str(&proofs).expect("JSON");
    let of_key = |key: &str| proofs.iter().find(|proof| proof["key"] == key).expect("the key");
    assert_eq!(of_key("notes/2026-01-01/note.txt")["runs"].as_array().map(Vec::len), Some(3));
    assert!(of_key("elsewhere/x.csv")["reasons"][0].as_str().expect("a reason").contains("no `myDropFile`"));
    let nearly = of_key("notes/2026-01-01/deeper/note.txt")["reasons"][0].as_str().expect("a reason");
    assert!(nearly.contains("the nearest is `notes/{day}/note.txt` of notes"), "{nearly}");
    story.says(&["proof", "--day", "2001-01-01"], 0);
    story.says(&["pause", "no-such-definition"], 1);
    story.refuses_a_slip();
    story.says(&["rerun", "notes", "month=1"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_directory_may_come_from_the_environment_and_up_prints_no_password() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let listed = Command::new(PROGRAM).env("DOWNSPOUT_DATA_DIR", up.data_dir()).arg("runs").output();
    let listed = listed.expect("starting downspout");
    assert!(listed.status.success(), "{listed:?}");
    let helped = up.downspout(&["help", "backfill"]);
    assert!(String::from_utf8_lossy(&helped.stdout).contains("--from <DAY>"), "{helped:?}");

    let password = up.endpoints.postgres.split(':').nth(2).and_then(|rest| rest.split('@').next());
    let password = password.expect("a password");
    assert!(!up.log().contains(password), "{}", up.log());
    let environment = up.downspout(&["env"]);
    assert!(String::from_utf8_lossy(&environment.stdout).contains(password), "`env` has it");

    let folder = tempfile::TempDir::new().expect("a folder");
    let log = folder.path().join("log").display().to_string();
    std::fs::create_dir(&log).expect("a folder for the log");
    let options = ["--log-file", &format!("{log}/up.log"), "--log-format", "json"];
    let mut logging = Up::start(PROGRAM, &options).await;
    logging.put("elsewhere/x.csv", b"x".to_vec()).await;
    let lines = until("the log tells of the file", async || {
        let files = std::fs::read_dir(&log).expect("the folder").flatten();
        let text: String = files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
        if text.contains("elsewhere/x.csv") { Ok(text) } else { Err(text) }
    })
    .await;
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines}");
    assert!(!logging.log().contains("elsewhere"), "the log goes to the file: {}", logging.log());
    assert!(logging.stop().await.success());
    std::fs::remove_dir_all(&log).expect("ours");

    let refused = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).arg("--data-dir").arg(folder.path()).args(arguments).output();
        let output = output.expect("starting downspout");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&["up", "--watch", "/no/such/folder"]).contains("this folder does not exist"));
    std::fs::write(folder.path().join("thesis.txt"), "").expect("a file");
    assert!(refused(&["up"]).contains("is not empty, and no stack has run on it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_and_logs_that_are_older_than_they_are_kept_are_removed() {
    let definitions = Definitions::uncapped();
    let options =
        ["--definitions", definitions.path(), "--keep-mails", "5 seconds", "--keep-logs", "5 seconds"];
    let up = Up::start(PROGRAM, &options).await;
    up.drop_set("2026-01-01", &e2e::samples::Samples::small(81, 50)).await;
    up.mail_of("2026-01-01").await;
    until("the mail and the logs are gone", async || {
        let logs = up.downspout(&["ls", "logs"]);
        let left = (up.mails().len(), String::from_utf8_lossy(&logs.stdout).lines().count());
        if left == (0, 0) { Ok(()) } else { Err(format!("{left:?}: {}", up.log())) }
    })
    .await;
    let runs = up.downspout(&["runs"]);
    assert!(String::from_utf8_lossy(&runs.stdout).contains("FINISHED"), "the run itself stays: {runs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_show_why_work_waits_and_when_the_mail_was_sent() {
    let (definitions, folder) = (Definitions::uncapped(), tempfile::TempDir::new().expect("a folder"));
    let list = folder.path().join("list").display().to_string();
    let pairs = r#"["notes/{day}/note.txt", "notes/{day}/other.txt"]"#;
    definitions.write("notes.json", &NOTES.replace("LIST", &list));
    definitions.write(
        "pairs.json",
        &NOTES.replace("LIST", &list).replace(r#""notes/{day}/note.txt""#, pairs).replace("notes/", "pairs/"),
    );
    let up = Up::start(PROGRAM, &["--definitions", definitions.path(), "--workers", "1"]).await;
    let says = |arguments: &[&str]| {
        let output = up.downspout(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let until_says = async |arguments: &[&str], texts: &[&str]| {
        until(&format!("{arguments:?} says {texts:?}"), async || {
            let said = says(arguments);
            if texts.iter().all(|text| said.contains(text)) { Ok(said) } else { Err(said) }
        })
        .await
    };
    let drop = async |key: &str| up.put(key, b"x".to_vec()).await;
    drop("pairs/2026-01-02/other.txt").await;
    until_says(
        &["runs", "--waiting"],
        &[
            "pairs/day=2026-01-02",
            "these files have not arrived yet, or are empty: pairs/2026-01-02/note.txt",
        ],
    )
    .await;

    drop("notes/2026-01-09/note.txt").await;
    until_says(&["runs"], &["notes/day=2026-01-09", "RUNNING"]).await;
    until("the command runs", async || {
        std::fs::read_to_string(&list).map(drop_text).map_err(|error| error.to_string())
    })
    .await;
    let umask = Command::new("sh").args(["-c", "umask"]).output().expect("a shell");
    let umask = u32::from_str_radix(String::from_utf8_lossy(&umask.stdout).trim(), 8).expect("a mode");
    assert_eq!(mode(std::path::Path::new(&list)), 0o666 & !umask, "a file of a command has the usual mode");
    belongs_to_the_user_alone(up.data_dir());

    drop("pairs/2026-01-02/note.txt").await;
    let busy = "the task runners of `downspout` are busy with Note of notes/day=2026-01-09 since ";
    let said = until_says(&["runs"], &[&format!("pairs/day=2026-01-02 waits: {busy}")]).await;
    let pipeline = said
        .lines()
        .find(|line| line.contains("pairs/day=2026-01-02"))
        .and_then(|line| line.split(' ').next());
    let pipeline = pipeline.expect("a pipeline").to_owned();
    until_says(&["show", &pipeline], &[busy, "waits for a task runner that polls worker group"]).await;
    says(&["cancel", "notes"]);

    up.drop_set("2026-01-01", &e2e::samples::Samples::small(82, 40)).await;
    let mail = up.mail_of("2026-01-01").await;
    assert!(!mail.subject.is_empty());
    let said = until_says(&["runs", "orders", "--json"], &["\"mailed\": \"20"]).await;
    let runs: Vec<Value> = serde_json::from_str(&said).expect("JSON");
    let id = runs[0]["pipeline_id"].as_str().expect("an id");
    let said = says(&["show", id]);
    assert!(said.contains("mail to you@localhost: sent at 20"), "{said}");
    assert!(says(&["runs"]).contains("mail sent"));
}

fn mode(path: &std::path::Path) -> u32 {
    let permissions = std::fs::metadata(path).expect("it is there").permissions();
    std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777
}

/// Checks that nobody but the user may read or write what is in a folder.
fn belongs_to_the_user_alone(folder: std::path::PathBuf) {
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.is_file() => assert_eq!(mode(&path) & 0o077, 0, "{}", path.display()),
                false => {}
            }
        }
    }
}

fn drop_text(_: String) {}
