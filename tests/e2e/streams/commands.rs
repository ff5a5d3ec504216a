//! The commands about streams, and requests that come while the stack starts.

use std::io::Write as _;
use std::process::Output;

use e2e::{definitions::Definitions, program::Up};
use flate2::{Compression, write::GzEncoder};

use super::keys;
use crate::PROGRAM;

fn said(output: &Output) -> (bool, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_of_all_streams_goes_past_one_that_cannot_deliver() {
    let definitions = Definitions::shipped();
    definitions.write("streams/broken.json", r#"{"bucket": "no-such-bucket"}"#);
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let records = up.data_dir().join("../records.jsonl");
    std::fs::write(&records, "{\"a\": 1}\n").expect("writable");
    let put = up.downspout(&["stream", "put", "broken", records.to_str().expect("UTF-8")]);
    assert!(put.status.success(), "{put:?}");
    for name in ["user-events", "user-utm"] {
        let made = up.downspout(&["stream", "generate", name, "--count", "3", "--rate", "0"]);
        assert!(made.status.success(), "{made:?}");
    }
    let (is_done, delivered, complaints) = said(&up.downspout(&["stream", "flush"]));
    assert!(
        !is_done && complaints.contains("broken: ") && complaints.contains("no-such-bucket"),
        "{complaints}"
    );
    assert!(!complaints.contains("user-"), "{complaints}");
    for name in ["user-events", "user-utm"] {
        assert!(delivered.contains(&format!("{name}: 3 records delivered")), "{delivered}");
    }
    assert_eq!(keys(&up, &up.endpoints.buckets.drop, "tracking/").await.len(), 2);
    up.s3().create_bucket().bucket("no-such-bucket").send().await.expect("the bucket is made");
    let (is_done, delivered, complaints) = said(&up.downspout(&["stream", "flush"]));
    assert!(is_done && delivered.contains("broken: 1 record delivered"), "{delivered}{complaints}");
    assert_eq!(keys(&up, "no-such-bucket", "streams/broken/").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_of_files_says_where_it_ends_and_a_replay_says_what_is_new() {
    let definitions = Definitions::shipped();
    definitions.write("streams/numbers.json", r#"{"schema": {"required": ["n"]}}"#);
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let folder = up.data_dir().join("..");
    let good: String = (0..600).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(format!("\u{feff}{good}").as_bytes()).expect("memory");
    std::fs::write(folder.join("good.jsonl.gz"), packed.finish().expect("memory")).expect("writable");
    let broken = good.replace("{\"n\": 550}", "{\"m\": 550}");
    std::fs::write(folder.join("broken.jsonl"), broken).expect("writable");
    let malformed = good.replace("{\"n\": 502}", "{\"n\": 502");
    std::fs::write(folder.join("malformed.jsonl"), malformed).expect("writable");
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let put = |name: &str| said(&up.downspout(&["stream", "put", "numbers", &path(name)]));

    let (is_done, sent, complaints) = put("good.jsonl.gz");
    assert!(is_done && sent == "600 records sent\n", "{sent}{complaints}");
    let (is_done, sent, complaints) = put("broken.jsonl");
    assert!(!is_done && sent == "500 records sent before it\n", "{sent}");
    let place =
        format!("{}:551: JSON missing required keys: the field `n` is missing (400", path("broken.jsonl"));
    assert!(complaints.contains(&place), "{complaints}");
    assert!(complaints.contains("lines 501 to 600 are not in the stream"), "{complaints}");
    let (_, _, complaints) = put("malformed.jsonl");
    let place = format!(
        "{}:503: Malformed JSON: line 504, column 1: a comma or a closing bracket is missing (400",
        path("malformed.jsonl")
    );
    assert!(complaints.contains(&place), "{complaints}");

    let flushed = up.downspout(&["stream", "flush", "numbers"]);
    assert!(flushed.status.success(), "{flushed:?}");
    definitions.write("streams/numbers.json", r#"{"fields": {"again": "/n"}}"#);
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let yesterday = today.yesterday().expect("a date").to_string();
    let replay =
        |to: &str| said(&up.downspout(&["stream", "replay", "numbers", "--from", &yesterday, "--to", to]));
    let tomorrow = today.tomorrow().expect("a date").to_string();
    // The changed file takes effect a moment later; until then, the version before is replayed.
    e2e::until::until("the replay by the new version", async || {
        let (is_done, made, complaints) = replay(&tomorrow);
        assert!(is_done, "{made}{complaints}");
        let keys = keys(&up, &up.endpoints.buckets.drop, "streams/numbers/").await;
        if keys.iter().any(|key| key.contains("/numbers-2-")) {
            Ok(())
        } else {
            Err(format!("{made}{keys:?}"))
        }
    })
    .await;
    let (is_done, made, _) = replay(&tomorrow);
    assert!(is_done, "{made}");
    assert_eq!(
        made,
        "1,600 records of 1 object read: nothing new, 0 records refused; 1,600 lines in 1 file from an earlier replay\n"
    );
    let (is_done, _, complaints) = replay(&yesterday);
    assert!(!is_done && complaints.contains("--to must be later than --from"), "{complaints}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_while_the_stack_starts_finds_its_stream() {
    let definitions = Definitions::shipped();
    let mut up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let url = format!("{}/streams/user-utm/record", up.endpoints.streams);
    let body = r#"{"Data": {"request_id": "r", "source": "s", "medium": "m"}, "PartitionKey": "k"}"#;
    let key = format!("x-api-key: {}", up.endpoints.api_key);
    for _ in 0..3 {
        up.kill();
        let (url, key) = (url.clone(), key.clone());
        // The request is sent again until somebody listens; the first answer counts.
        let first = tokio::task::spawn_blocking(move || {
            loop {
                let curl = std::process::Command::new("curl")
                    .args([
                        "--silent",
                        "--write-out",
                        " %{http_code}",
                        "-X",
                        "PUT",
                        "-H",
                        &key,
                        "--data",
                        body,
                        &url,
                    ])
                    .output()
                    .expect("starting curl");
                if curl.status.success() {
                    return String::from_utf8_lossy(&curl.stdout).into_owned();
                }
            }
        });
        up.respawn();
        let first = first.await.expect("an answer");
        assert!(first.ends_with(" 200"), "{first}\n{}", up.log());
        up.ready().await;
    }
}
