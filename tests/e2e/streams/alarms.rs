//! The mails about a stream that cannot deliver, with a clock that is wound by hand.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use downspout::local::stack::{DefinitionSource, Stack, StackConfig};
use e2e::mail::{self, Mail};
use e2e::until::until;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::PROGRAM;

/// A stream whose files go to a bucket that does not exist.
const STREAM: &str = r#"{"bucket": "not-yet", "prefix": "visits/!{timestamp:yyyy}/"}"#;

fn downspout(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("--data-dir").arg(data_dir).args(arguments).output().expect("starting downspout")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_reports_a_stuck_stream_and_another_mail_its_recovery() {
    let folder = TempDir::with_prefix("downspout-alarms-").expect("a temporary folder");
    let (definitions, data_dir) = (folder.path().join("definitions"), folder.path().join("data"));
    std::fs::create_dir_all(definitions.join("streams")).expect("writable");
    std::fs::write(definitions.join("streams/visits.json"), STREAM).expect("writable");
    let records = folder.path().join("records.jsonl");
    std::fs::write(&records, "{\"visitor\": \"secret\"}\n").expect("writable");
    let clock = Arc::new(Mutex::new(Timestamp::now()));
    let shown = Arc::clone(&clock);
    let config = StackConfig {
        definitions: DefinitionSource::Folder(definitions),
        // No pipeline runs, so no database is needed.
        database_url: Some("postgres://nobody@127.0.0.1:1/none".to_owned()),
        now: Arc::new(move || *shown.lock().expect("nobody panics with the lock")),
        ..StackConfig::new(&data_dir)
    };
    let stack = Stack::start(config).await.expect("the stack starts");
    let outbox = stack.endpoints().outbox.clone();
    let mails = || -> Vec<Mail> { mail::outbox(&outbox) };

    let sent = downspout(&data_dir, &["stream", "put", "visits", records.to_str().expect("UTF-8")]);
    assert!(sent.status.success(), "{sent:?}");
    let flushed = downspout(&data_dir, &["stream", "flush", "visits"]);
    assert!(!flushed.status.success(), "{flushed:?}");
    let said = String::from_utf8_lossy(&flushed.stderr);
    assert!(said.contains("there is no bucket `not-yet`"), "{said}");
    assert_eq!(mails().len(), 0, "a short trouble is no mail: {:#?}", mails());

    *clock.lock().expect("nobody panics with the lock") += SignedDuration::from_mins(5);
    let failing = until("the mail about the trouble", async || {
        // Each flush is a try.
        let _ = downspout(&data_dir, &["stream", "flush", "visits"]);
        mails().pop().ok_or_else(|| "no mail".to_owned())
    })
    .await;
    assert_eq!(failing.subject, "stream visits: records cannot be delivered");
    for part in [
        "s3://not-yet/visits/",
        "1 record (21 bytes)",
        "there is no bucket `not-yet`",
        "What to do: create the bucket",
        "downspout stream flush visits",
    ] {
        assert!(failing.body.contains(part), "{part}: {}", failing.body);
    }
    assert!(!failing.body.contains("secret"), "{}", failing.body);

    let s3 = stack.endpoints().s3();
    s3.create_bucket().bucket("not-yet").send().await.expect("the bucket is made");
    let flushed = downspout(&data_dir, &["stream", "flush", "visits"]);
    assert!(flushed.status.success(), "a flush tries at once: {flushed:?}");
    let again = until("the mail about the end of the trouble", async || {
        mails()
            .into_iter()
            .find(|mail| mail.subject.contains("again"))
            .ok_or_else(|| format!("{:#?}", mails()))
    })
    .await;
    assert!(again.body.contains("Nothing waits any more"), "{}", again.body);
    assert_eq!(mails().len(), 2, "{:#?}", mails());
    stack.stop().await;
}
