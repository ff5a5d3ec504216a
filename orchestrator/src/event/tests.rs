//! Reads documents as AWS sends them.

use serde_json::json;

use super::*;

/// Returns a document of the folder `fixtures`.
macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("fixtures/", $name, ".json"))).expect("a document")
    };
}

fn messages(event: &Value) -> Vec<Message> {
    match parse(event) {
        Event::Messages(messages) => messages,
        Event::Sweep => panic!("read as a sweep"),
    }
}

fn items_of(event: &Value) -> Vec<Item> {
    messages(event).into_iter().flat_map(|message| message.items).collect()
}

/// Returns the keys of all arrivals in the drop bucket.
fn arrived(items: &[Item]) -> Vec<&str> {
    let keys = items.iter().filter_map(|item| match item {
        Item::Arrival(arrival) if arrival.bucket == "drop" => Some(arrival.key.as_str()),
        Item::Arrival(_) | Item::Ignored { .. } => None,
    });
    keys.collect()
}

fn reasons(items: &[Item]) -> Vec<&str> {
    let reasons = items.iter().filter_map(|item| match item {
        Item::Ignored { reason, .. } => Some(reason.as_str()),
        Item::Arrival(_) => None,
    });
    reasons.collect()
}

#[test]
fn every_kind_of_creation_counts_and_nothing_else_does() {
    let items = items_of(&fixture!("s3-every-event-name"));
    assert_eq!(
        arrived(&items),
        [
            "in/ObjectCreated-Put.csv",
            "in/ObjectCreated-Post.csv",
            "in/ObjectCreated-Copy.csv",
            "in/ObjectCreated-CompleteMultipartUpload.csv"
        ]
    );
    let reasons = reasons(&items);
    assert_eq!(reasons.len(), 8);
    assert_eq!(reasons[0], "the event `ObjectRemoved:Delete` creates no object");
    let Item::Arrival(first) = &items[0] else { panic!("the first record is an arrival") };
    assert_eq!(first.at.map(|at| at.to_string()).as_deref(), Some("2026-11-20T14:00:00.001Z"));
}

#[test]
fn a_key_is_form_decoded_once() {
    let long = format!("in/{}/.csv", "ä".repeat(508));
    assert_eq!(long.len(), 1024);
    assert_eq!(
        arrived(&items_of(&fixture!("s3-keys"))),
        [
            "in/a day/orders.csv",
            "in/a+b/orders.csv",
            "in/100%/orders.csv",
            "in/%2B literally/orders.csv",
            "in/Grüße 日本 🟢/orders.csv",
            "in/(1) 'a' \"b\" & c=d;e@f,g!h~i/orders.csv",
            "in/tab\tline\nbreak.csv",
            &long,
        ]
    );
    // Not everything that sends such events encodes a lone percent sign.
    assert_eq!(listed_key::decoded("100%"), Some("100%".to_owned()));
}

#[test]
fn a_malformed_record_does_not_stop_the_others() {
    let items = items_of(&fixture!("s3-malformed-records"));
    assert_eq!(arrived(&items), ["in/good.csv"]);
    let reasons = reasons(&items);
    assert!(reasons[0].starts_with("a record that does not have the form of S3"), "{reasons:?}");
    assert_eq!(
        reasons[1..],
        [
            "a key that is not UTF-8 after decoding",
            "a record of the unknown source `aws:ses`",
            "an S3 record without bucket or key",
            "a record of the unknown source ``",
            "a record of the unknown source ``",
        ]
    );
}

#[test]
fn a_folder_a_test_event_and_an_unknown_event_start_nothing() {
    let reason = |event: &Value| reasons(&items_of(event)).concat();
    assert_eq!(reason(&fixture!("s3-folder")), "an empty object that represents a folder");
    assert_eq!(reason(&fixture!("s3-test-event")), "s3:TestEvent: S3 tests the notification");
    for unknown in [json!("what?"), json!(null), json!([1]), json!({"Records": []}), json!({"Records": 7})] {
        assert_eq!(reason(&unknown), "an event of unknown form", "{unknown}");
    }
}

#[test]
fn the_key_in_an_event_of_eventbridge_is_not_encoded() {
    let items = items_of(&fixture!("eventbridge-object-created"));
    assert_eq!(arrived(&items), ["in/a+b %2B Grüße/orders.csv"]);
    let items = items_of(&fixture!("eventbridge-object-deleted"));
    assert_eq!(reasons(&items), ["the event `Object Deleted` creates no object"]);
}

#[test]
fn an_event_is_found_inside_sns() {
    assert_eq!(arrived(&items_of(&fixture!("sns"))), ["in/a b+c/orders.csv"]);
}

#[test]
fn each_message_of_a_batch_of_sqs_is_read_alone() {
    let messages = messages(&fixture!("sqs"));
    let id = |number: usize| Some(format!("059f36b4-87a3-44ab-83d2-66197599110{number}"));
    assert_eq!(
        messages.iter().map(|message| message.id.clone()).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5].map(id)
    );
    let arrivals: Vec<_> = messages.iter().map(|message| arrived(&message.items)).collect();
    assert_eq!(
        arrivals,
        [vec!["in/first.csv"], vec![], vec![], vec!["in/a.csv", "in/c.csv"], vec!["in/bridge+d.csv"]]
    );
    assert_eq!(reasons(&messages[1].items), ["a message whose text is not JSON"]);
}

#[test]
fn an_event_from_sns_through_sqs_is_found_in_an_envelope_and_raw() {
    let messages = messages(&fixture!("sns-in-sqs"));
    let arrivals: Vec<_> = messages.iter().map(|message| arrived(&message.items)).collect();
    assert_eq!(arrivals, [vec!["in/enveloped.csv"], vec!["in/raw.csv"], vec![]]);
}

#[test]
fn an_event_inside_too_many_others_is_ignored() {
    let mut event = fixture!("s3-keys");
    for _ in 0..=MAX_DEPTH {
        event = json!({"Type": "Notification", "Message": event.to_string()});
    }
    assert_eq!(reasons(&items_of(&event)), ["an event inside too many others"]);
}

#[test]
fn a_scheduled_event_is_a_sweep() {
    assert_eq!(parse(&fixture!("eventbridge-scheduled")), Event::Sweep);
    // A schedule of EventBridge Scheduler sends the text that its owner wrote.
    assert_eq!(parse(&json!({"sweep": true})), Event::Sweep);
}
