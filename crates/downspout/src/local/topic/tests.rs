use super::query::Call;
use super::*;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:downspout";

struct TestTopic {
    folder: tempfile::TempDir,
    topic: Topic,
}

impl TestTopic {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let topic = open(folder.path());
        topic
            .perform(&Call::of(&[("Action", "CreateTopic"), ("Name", "downspout")]))
            .expect("the name is legal");
        Self { folder, topic }
    }

    fn call(&self, pairs: &[(&str, &str)]) -> Result<response::SnsResponse, response::SnsError> {
        self.topic.perform(&Call::of(&[&[("TopicArn", TOPIC)], pairs].concat()))
    }

    fn publish(&self, id: &str) -> String {
        let answer = self.call(&[
            ("Action", "Publish"),
            ("Subject", "orders: 3 rows loaded"),
            ("Message", "Grüße\nLoaded 3 rows"),
            ("MessageAttributes.entry.1.Name", "downspout-notice-id"),
            ("MessageAttributes.entry.1.Value.DataType", "String"),
            ("MessageAttributes.entry.1.Value.StringValue", id),
        ]);
        answer.expect("the publish is legal").result.unwrap_or_default()
    }

    fn subscribe(&self, address: &str) -> String {
        let answer = self.call(&[("Action", "Subscribe"), ("Protocol", "email"), ("Endpoint", address)]);
        answer.expect("the address is legal").result.unwrap_or_default()
    }

    fn mails(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("outbox")).expect("the outbox is there");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("the entry is readable").path()).collect();
        names.sort();
        names.iter().map(|name| std::fs::read_to_string(name).expect("a mail is text")).collect()
    }
}

fn open(folder: &std::path::Path) -> Topic {
    Topic {
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        store: store::TopicStore::open(&folder.join("topic.db")).expect("the database opens"),
        outbox: outbox::Outbox::open(&folder.join("outbox"), "Downspout <downspout@localhost>")
            .expect("a folder"),
        writing: Default::default(),
        sends_by_smtp: false,
        mail_waits: Arc::new(Notify::new()),
        mailed: Arc::default(),
        now: Arc::new(|| "2026-03-01T10:00:00.123Z".parse().expect("a timestamp")),
        verifier: Verifier::new("us-east-1", "sns", vec![]),
        hosts: Hosts::default(),
    }
}

#[test]
fn without_a_subscription_a_notice_still_leaves_one_mail() {
    let test = TestTopic::new();
    test.publish("n1");
    insta::assert_snapshot!(test.mails().join("----").replace('\r', ""));
}

#[test]
fn a_notice_published_five_times_is_one_mail_with_one_message_id() {
    let test = TestTopic::new();
    let ids: std::collections::BTreeSet<String> = (0..5).map(|_| test.publish("n1")).collect();
    assert_eq!((ids.len(), test.mails().len()), (1, 1));
    test.publish("n2");
    assert_eq!(test.mails().len(), 2);
}

#[test]
fn every_subscriber_gets_one_mail() {
    let test = TestTopic::new();
    test.subscribe("a@example.com");
    test.subscribe("b@example.com");
    test.publish("n1");
    test.publish("n1");
    let mut receivers: Vec<_> = test
        .mails()
        .iter()
        .filter_map(|mail| mail.lines().find(|line| line.starts_with("To: ")).map(str::to_owned))
        .collect();
    receivers.sort();
    assert_eq!(receivers, ["To: a@example.com", "To: b@example.com"]);
}

#[test]
fn subscribing_twice_is_one_subscription_and_unsubscribing_ends_it() {
    let test = TestTopic::new();
    let first = test.subscribe("a@example.com");
    assert_eq!(first, test.subscribe("a@example.com"));
    let arn = first.replace("<SubscriptionArn>", "").replace("</SubscriptionArn>", "");
    test.call(&[("Action", "Unsubscribe"), ("SubscriptionArn", &arn)]).expect("the subscription is there");
    assert!(test.topic.store.subscriptions(None).expect("readable").is_empty());
}

#[test]
fn a_crash_between_the_note_and_the_file_leaves_one_mail_after_the_restart() {
    let test = TestTopic::new();
    test.publish("n1");
    // The first round is a process that died before it wrote the file; the second died before it set the mark.
    let outbox = test.folder.path().join("outbox");
    std::fs::remove_dir_all(&outbox).expect("the outbox is there");
    let database =
        rusqlite::Connection::open(test.folder.path().join("topic.db")).expect("the database opens");
    for _ in 0..2 {
        database.execute("UPDATE delivery SET written = 0", []).expect("the table is there");
        open(test.folder.path()).write_outbox().expect("the outbox is writable");
        assert_eq!(test.mails().len(), 1);
    }
}

#[test]
fn subjects_that_sns_refuses_are_refused() {
    let test = TestTopic::new();
    let long = "x".repeat(101);
    for subject in [long.as_str(), "two\nlines", "a\u{1}b", "a\u{85}b", " leading blank"] {
        let refusal =
            test.call(&[("Action", "Publish"), ("Subject", subject), ("Message", "m")]).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.message.as_str()),
            ("InvalidParameter", "Invalid parameter: Subject")
        );
    }
    assert!(test.mails().is_empty());
}

#[test]
fn a_subject_arrives_with_all_its_letters() {
    for subject in ["Übersicht für Köln — 🟢 geladen".to_owned(), "ü".repeat(100)] {
        let test = TestTopic::new();
        test.call(&[("Action", "Publish"), ("Subject", &subject), ("Message", "m")]).expect("legal");
        let [mail] = test.mails().try_into().expect("one mail");
        assert!(mail.is_ascii(), "{mail}");
        let decode = "import email, email.policy, sys\n\
                      mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)\n\
                      sys.stdout.buffer.write(mail['Subject'].encode())";
        assert_eq!(piped("python3", &["-c", decode], mail.as_bytes()), subject.as_bytes());
    }
}

/// Returns what another program writes for this input.
fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut command = Command::new(program);
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    child.stdin.take().expect("piped").write_all(input).expect("it reads");
    child.wait_with_output().expect("it ends").stdout
}

#[test]
fn publishing_to_an_unknown_topic_is_not_found() {
    let test = TestTopic::new();
    test.call(&[("Action", "DeleteTopic")]).expect("deleting always succeeds");
    let refusal = test.call(&[("Action", "Publish"), ("Message", "m")]).unwrap_err();
    assert_eq!((refusal.status.as_u16(), refusal.code), (404, "NotFound"));
}

#[test]
fn a_structured_message_gives_its_text_for_email() {
    let test = TestTopic::new();
    let message = r#"{"default": "short", "email": "for people"}"#;
    test.call(&[("Action", "Publish"), ("Message", message), ("MessageStructure", "json")]).expect("legal");
    assert!(test.mails()[0].contains("for people"));
}
