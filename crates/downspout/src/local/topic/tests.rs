use axum::Router;
use axum::extract::State;

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
        web_waits: Arc::new(Notify::new()),
        web_origins: Vec::new(),
        address: "http://127.0.0.1:1".to_owned(),
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
fn a_crash_between_the_delivery_row_and_the_file_leaves_one_mail_after_the_restart() {
    let test = TestTopic::new();
    test.publish("n1");
    // In the first iteration, the process died before it wrote the file; in the second, after that but before it set `written`.
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
    for subject in ["", long.as_str(), "two\nlines", "a\u{1}b", "a\u{85}b", " leading blank"] {
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

/// An HTTP endpoint that keeps the type and the body of each message that it receives.
#[derive(Clone, Default)]
struct Endpoint {
    received: Arc<Mutex<Vec<(String, String)>>>,
    arrived: Arc<Notify>,
}

impl Endpoint {
    /// Starts the endpoint, and returns its address.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let app = Router::new().fallback(Self::take).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    /// Takes a message. The endpoint refuses the first message, as an endpoint does that is still starting.
    async fn take(State(endpoint): State<Self>, request: axum::extract::Request) -> axum::http::StatusCode {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, BODY_LIMIT).await.expect("a small body");
        let header =
            |name: &str| parts.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        let kind = format!(
            "{} {}{}",
            parts.uri.path(),
            header("x-amz-sns-message-type").unwrap_or_default(),
            header("x-amz-sns-rawdelivery").map(|_| " raw").unwrap_or_default()
        );
        let mut received = endpoint.received.lock().expect("no panic before");
        received.push((kind, String::from_utf8(body.to_vec()).expect("text")));
        endpoint.arrived.notify_one();
        if received.len() == 1 {
            axum::http::StatusCode::SERVICE_UNAVAILABLE
        } else {
            axum::http::StatusCode::OK
        }
    }

    /// Waits for message number `count`, and returns it.
    async fn message(&self, count: usize) -> (String, String) {
        let wait = async {
            loop {
                let arrived = self.arrived.notified();
                let found = self.received.lock().expect("no panic before").get(count - 1).cloned();
                match found {
                    Some(found) => return found,
                    None => arrived.await,
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.expect("a message arrives")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_endpoint_confirms_and_receives_each_later_message_once() {
    let endpoint = Endpoint::default();
    let address = endpoint.start().await;
    let mut test = TestTopic::new();
    test.topic.web_origins = vec![address.parse().expect("an origin")];
    let (folder, topic) = (test.folder, Arc::new(test.topic));
    let shutdown = CancellationToken::new();
    let loop_ = tokio::spawn(web::run(Arc::clone(&topic), shutdown.clone()));
    let call = |pairs: &[(&str, &str)]| {
        let answer = topic.perform(&Call::of(&[&[("TopicArn", TOPIC)], pairs].concat()));
        answer.map(|answer| answer.result.unwrap_or_default())
    };
    let target = format!("{address}/hook");
    let subscribe =
        |endpoint: &str| call(&[("Action", "Subscribe"), ("Protocol", "http"), ("Endpoint", endpoint)]);
    let refused = subscribe("http://127.0.0.1:1/hook").expect_err("another address");
    assert!(refused.message.contains("--notify-http"), "{}", refused.message);
    assert_eq!(
        subscribe(&target).expect("allowed"),
        "<SubscriptionArn>pending confirmation</SubscriptionArn>"
    );
    call(&[("Action", "Publish"), ("Message", "before the confirmation")]).expect("legal");
    let (kind, body) = endpoint.message(2).await;
    assert_eq!(kind, "/hook SubscriptionConfirmation", "sent again after the first refusal");
    let asked: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert!(
        asked["SubscribeURL"]
            .as_str()
            .expect("a link")
            .starts_with("http://127.0.0.1:1/?Action=ConfirmSubscription")
    );
    let token = asked["Token"].as_str().expect("a token");
    let wrong = call(&[("Action", "ConfirmSubscription"), ("Token", "guessed")]).expect_err("a wrong token");
    assert_eq!(wrong.message, "Invalid parameter: Token");
    let arn = call(&[("Action", "ConfirmSubscription"), ("Token", token)]).expect("the token");
    let arn = arn.replace("<SubscriptionArn>", "").replace("</SubscriptionArn>", "");
    call(&[("Action", "Publish"), ("Subject", "s"), ("Message", "after")]).expect("legal");
    let (kind, body) = endpoint.message(3).await;
    let document: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((kind.as_str(), &document["Message"]), ("/hook Notification", &"after".into()));
    let raw = [
        ("Action", "SetSubscriptionAttributes"),
        ("SubscriptionArn", arn.as_str()),
        ("AttributeName", "RawMessageDelivery"),
        ("AttributeValue", "true"),
    ];
    call(&raw).expect("HTTP endpoints may have raw messages");
    call(&[("Action", "Publish"), ("Message", "plain")]).expect("legal");
    assert_eq!(endpoint.message(4).await, ("/hook Notification raw".to_owned(), "plain".to_owned()));
    shutdown.cancel();
    loop_.await.expect("no panic").expect("no error");
    assert!(topic.store.next_web_delivery().expect("readable").is_none(), "nothing is left to deliver");
    drop(folder);
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
fn attributes_of_delivery_logs_are_kept() {
    let test = TestTopic::new();
    let set = |name, value| {
        let attribute = [("AttributeName", name), ("AttributeValue", value)];
        test.call(&[[("Action", "SetTopicAttributes")].as_slice(), &attribute].concat()).map(|_| ())
    };
    set("SQSSuccessFeedbackSampleRate", "100").expect("a percentage");
    set("HTTPFailureFeedbackRoleArn", "arn:aws:iam::000000000000:role/log").expect("a role");
    assert!(set("SQSSuccessFeedbackSampleRate", "101").is_err());
    assert!(set("SQSFeedback", "1").is_err());
    let attributes = test.call(&[("Action", "GetTopicAttributes")]).expect("the topic is there");
    let attributes = attributes.result.unwrap_or_default();
    assert!(attributes.contains("<key>SQSSuccessFeedbackSampleRate</key><value>100</value>"), "{attributes}");
}

#[test]
fn publishing_to_an_unknown_topic_is_not_found() {
    let test = TestTopic::new();
    test.call(&[("Action", "DeleteTopic")]).expect("deleting always succeeds");
    let refusal = test.call(&[("Action", "Publish"), ("Message", "m")]).unwrap_err();
    assert_eq!((refusal.status.as_u16(), refusal.code), (404, "NotFound"));
}

#[test]
fn one_address_gets_a_mail_for_each_protocol_and_the_sender_is_the_display_name() {
    let test = TestTopic::new();
    let set =
        [("Action", "SetTopicAttributes"), ("AttributeName", "DisplayName"), ("AttributeValue", "Orders")];
    test.call(&set).expect("legal");
    test.subscribe("a@example.com");
    let json = [("Action", "Subscribe"), ("Protocol", "email-json"), ("Endpoint", "a@example.com")];
    test.call(&json).expect("legal");
    test.publish("n1");
    test.publish("n1");
    let mails = test.mails();
    assert_eq!(mails.len(), 2);
    assert!(mails.iter().all(|mail| mail.contains("From: Orders <downspout@localhost>")), "{mails:?}");
    assert!(mails.iter().all(|mail| mail.contains("To: a@example.com")), "{mails:?}");
    assert_eq!(
        mails.iter().filter(|mail| mail.contains(r#""Type": "Notification""#)).count(),
        1,
        "{mails:?}"
    );
}

#[test]
fn a_notice_that_no_filter_accepts_leaves_no_mail() {
    let test = TestTopic::new();
    let policy = r#"{"status": ["FAILED"]}"#;
    let filtered = [
        ("Action", "Subscribe"),
        ("Protocol", "email"),
        ("Endpoint", "a@example.com"),
        ("Attributes.entry.1.key", "FilterPolicy"),
        ("Attributes.entry.1.value", policy),
    ];
    test.call(&filtered).expect("legal");
    test.publish("n1");
    assert!(test.mails().is_empty());
}

#[test]
fn a_structured_message_gives_its_text_for_email() {
    let test = TestTopic::new();
    let message = r#"{"default": "short", "email": "for people"}"#;
    test.call(&[("Action", "Publish"), ("Message", message), ("MessageStructure", "json")]).expect("legal");
    assert!(test.mails()[0].contains("for people"));
}
