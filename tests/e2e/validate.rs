//! `validate` over many definitions at once, and the outputs of a definition that would be drops.

use std::process::Command;

use e2e::{definitions::Definitions, program::Up, until::until};

use crate::PROGRAM;

/// Returns a definition that copies its drop from one folder of the drop bucket to another.
fn copying(from: &str, to: &str) -> String {
    serde_json::json!({"objects": [
        {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
         "pipelineLogUri": "s3://downspout-logs/copies", "workerGroup": "downspout", "maximumRetries": "0",
         "myDropFile": format!("{from}/{{day}}.csv")},
        {"id": "In", "type": "S3DataNode", "filePath": format!("s3://#{{myDropBucket}}/{from}/#{{myDay}}.csv")},
        {"id": "Out", "type": "S3DataNode", "filePath": format!("s3://#{{myDropBucket}}/{to}/#{{myDay}}.csv")},
        {"id": "Copy", "type": "CopyActivity", "input": {"ref": "In"}, "output": {"ref": "Out"}}],
        "parameters": [{"id": "myDay"}, {"id": "myDropBucket"}]})
    .to_string()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::TempDir::new().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("the folder is writable");
        }
        Self(folder)
    }

    /// Returns the exit code of `validate`, its output, and its complaints.
    fn validate(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output =
            Command::new(PROGRAM).arg("validate").args(arguments).current_dir(self.0.path()).output();
        let output = output.expect("starting downspout");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn every_definition_of_a_folder_is_checked_and_the_last_line_sums_up() {
    let fine = copying("a", "copies");
    let folder = Folder::with(&[
        ("b.json", &fine.replace("\"a/", "\"b/").replace("bucket}/a/", "bucket}/b/")),
        ("a.json", &fine),
        ("values.json", r#"{"myOther": "1"}"#),
        ("notes.txt", "no definition"),
    ]);
    let (code, said, complaints) = folder.validate(&["."]);
    assert_eq!((code, complaints.as_str()), (Some(0), ""), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines, ["./a.json: fit to run", "./b.json: fit to run", "2 definitions: fit to run"]);

    std::fs::write(folder.0.path().join("c.json"), copying("c", "d").replace("CopyActivity", "CopyActivty"))
        .expect("a file");
    let (code, said, _) = folder.validate(&["."]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.ends_with("\n3 definitions: 2 fit to run, 1 not: 1 error\n"), "{said}");
    let (code, said, _) = folder.validate(&["a.json", "b.json"]);
    assert!(code == Some(0) && said.ends_with("\n2 definitions: fit to run\n"), "{said}");
    let (code, said, _) = folder.validate(&["a.json"]);
    assert_eq!((code, said.as_str()), (Some(0), "a.json: fit to run\n"));

    let (code, said, complaints) = Folder::with(&[("values.json", "{}")]).validate(&["."]);
    assert_eq!((code, said.as_str()), (Some(2), "0 definitions: fit to run\n"));
    assert!(complaints.contains("there is no definition in this folder"), "{complaints}");
    let json = folder.validate(&[".", "--json"]).1;
    let findings: Vec<serde_json::Value> = serde_json::from_str(&json).expect("JSON");
    assert_eq!(findings.iter().map(|finding| &finding["file"]).collect::<Vec<_>>(), ["./c.json"]);
}

#[test]
fn a_pipe_in_a_folder_is_skipped_with_a_word() {
    let folder = Folder::with(&[("a.json", &copying("a", "copies"))]);
    std::fs::create_dir(folder.0.path().join("streams")).expect("a folder");
    let pipes = ["fifo.json", "values.json", "streams/fifo.json"];
    let made = Command::new("mkfifo").args(pipes).current_dir(folder.0.path()).status();
    assert!(made.expect("starting mkfifo").success());
    let (code, said, complaints) = folder.validate(&["."]);
    assert_eq!((code, said.as_str()), (Some(0), "./a.json: fit to run\n1 definition: fit to run\n"));
    for pipe in pipes {
        let complaint = format!("./{pipe}: skipped, because it is not a regular file\n");
        assert!(complaints.contains(&complaint), "{complaints}");
    }
}

#[test]
fn definitions_that_would_start_each_other_are_warned_of() {
    let folder = Folder::with(&[
        ("first.json", &copying("a", "b")),
        ("second.json", &copying("b", "c")),
        ("third.json", &copying("c", "a")),
        ("aside.json", &copying("x", "a")),
    ]);
    let (code, said, _) = folder.validate(&["."]);
    assert_eq!(code, Some(0), "a circle may be intended: {said}");
    assert_eq!(said.matches("warning[DEFINITIONS_IN_A_CIRCLE]").count(), 3, "{said}");
    for text in [
        "second, then third, then first, then second",
        "--> ./first.json:1:",
        "(object 'Out')",
        "by its pattern 'b/{day}.csv'",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert!(said.ends_with("\n4 definitions: fit to run: 3 warnings\n"), "{said}");
    std::fs::remove_file(folder.0.path().join("third.json")).expect("the file");
    assert!(!folder.validate(&["."]).1.contains("CIRCLE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_whose_output_is_its_own_drop_is_refused_with_one_mail() {
    let definitions = Definitions::shipped();
    let (endless, fine) = (copying("in", "in"), copying("in", "out"));
    let folder = Folder::with(&[("endless.json", &endless)]);
    let (code, said, _) = folder.validate(&["endless.json"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("error[OUTPUT_IS_DROP]: 'filePath' is an output at") && said.contains("(object 'Out')"),
        "{said}"
    );

    // Only the stack knows that this is the drop bucket.
    definitions.write(
        "endless.json",
        &copying("in", "in").replace("#{myDropBucket}/in/#{myDay}", "downspout-drop/in/1-#{myDay}"),
    );
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    for day in ["1", "2"] {
        up.put(&format!("in/{day}.csv"), b"x\n1\n".to_vec()).await;
    }
    let mails = until("the mail about the definition", async || {
        let mails = up.mails();
        if mails.is_empty() { Err(up.log()) } else { Ok(mails) }
    })
    .await;
    assert!(mails[0].subject.starts_with("endless.json cannot be used: "), "{mails:#?}");
    assert!(mails[0].body.contains("object `Out`, field `filePath`: "), "{mails:#?}");
    assert!(up.downspout(&["sweep"]).status.success());

    definitions.write("endless.json", &fine);
    until("both files are copied", async || {
        let _ = up.downspout(&["sweep"]);
        let listed = up.downspout(&["ls", "drop"]);
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        if listed.matches("out/").count() == 2 { Ok(()) } else { Err(format!("{listed}\n{}", up.log())) }
    })
    .await;
    assert_eq!(up.mails().len(), 1, "{:#?}", up.mails());
}
