//! Files that `gzip` packed are loaded as plain files are.

use std::io::Write as _;
use std::process::{Command, Stdio};

use e2e::{definitions::Definitions, program::Up, samples::Samples};

use crate::PROGRAM;

/// Returns the content, packed by the program `gzip`.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut command = Command::new("gzip");
    let mut child =
        command.arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starting gzip");
    let mut stdin = child.stdin.take().expect("piped");
    let content = content.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&content));
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("no panic").expect("gzip reads all");
    assert!(output.status.success(), "gzip");
    output.stdout
}

/// Returns the shipped definitions, with `compression` set for their files.
fn packed() -> Definitions {
    let definitions = Definitions::uncapped();
    definitions.edit(|objects, _| {
        let inputs = ["OrdersCsv", "ReviewsCsv", "ShipmentsCsv"];
        let files = objects.iter_mut().filter(|object| inputs.iter().any(|id| object["id"] == *id));
        let mut count = 0;
        for file in files {
            file["compression"] = "GZIP".into();
            count += 1;
        }
        assert_eq!(count, 3, "the three inputs");
    });
    definitions
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_files_are_loaded_and_a_file_that_is_not_packed_is_reported() {
    let definitions = packed();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let samples = Samples::small(41, 500);
    for (name, bytes) in samples.files() {
        up.put(&format!("incoming/2026-06-01/{name}"), gzip(&bytes)).await;
    }
    let mail = up.mail_of("2026-06-01").await;
    assert!(!mail.subject.contains("FAILED"), "{mail:#?}");
    assert_eq!(up.staging_rows().await, samples.rows());

    let [orders, others @ ..] = samples.files();
    for (name, bytes) in others {
        up.put(&format!("incoming/2026-06-02/{name}"), gzip(&bytes)).await;
    }
    up.put(&format!("incoming/2026-06-02/{}", orders.0), orders.1).await;
    let mail = up.mail_of("2026-06-02").await;
    assert!(mail.subject.contains("FAILED"), "{mail:#?}");
    assert!(
        mail.body.contains("orders.csv: declared as gzip (`compression`), but it is not packed"),
        "{}",
        mail.body
    );
    assert_eq!(up.staging_rows().await, samples.rows());
}
