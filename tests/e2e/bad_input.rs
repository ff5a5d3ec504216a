//! Bad input gives one notice that says what is wrong, where, and what to do; the table stays as it was.

use std::fmt::Write as _;

use e2e::{definitions::Definitions, mail::Mail, program::Up, samples::Samples, until::until};

use crate::PROGRAM;

const GOOD: Samples = Samples { seed: 11, orders: 100, with_bad_rows: false };

/// A file that cannot be loaded, and the texts that the notice must hold.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    says: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let [(_, orders), (_, reviews), _] = GOOD.files();
    let orders = String::from_utf8(orders).expect("the samples are UTF-8");
    let renamed = orders.replacen("order_date", "ordered_on", 1);
    let mut latin1 = b"review,product_id\n5,P01\n4,Caf".to_vec();
    latin1.extend_from_slice(b"\xe9\n");
    let mut open_quote = orders.clone();
    open_quote.push_str("101,\"C-0001,2025-01-01,P01,1.00,1,1.00\n102,C-0002,2025-01-01,P01,1.00,1,1.00\n");
    let mut many_bad = String::from_utf8(reviews).expect("the samples are UTF-8");
    for row in 0..5 {
        writeln!(many_bad, "bad{row},P01").expect("writing to memory");
    }
    vec![
        Case {
            name: "orders.csv",
            bytes: renamed.into_bytes(),
            says: &["orders.csv", "line 1", "ordered_on", "order_date"],
        },
        Case { name: "reviews.csv", bytes: latin1, says: &["reviews.csv", "line 3", "product_id", "UTF-8"] },
        Case {
            name: "shipments.csv",
            bytes: b"shipment_id,order_id,shipment_date,delivery_date\n".to_vec(),
            says: &["shipments.csv", "no rows"],
        },
        Case {
            name: "orders.csv",
            bytes: open_quote.into_bytes(),
            says: &["orders.csv", "line 103", "column 5", "quote"],
        },
        Case {
            name: "reviews.csv",
            bytes: many_bad.into_bytes(),
            says: &["reviews.csv", "line 42", "review", "myMaxRejects"],
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_loaded_gives_one_notice_and_its_table_stays_as_it_was() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    up.drop_set("2026-01-31", &GOOD).await;
    up.mail_of("2026-01-31").await;
    for (number, case) in cases().into_iter().enumerate() {
        let day = format!("2026-02-{:02}", number + 1);
        // These rows differ from the earlier ones, so that a change of the table would be seen.
        let others = Samples::small(50 + number as u64, 100);
        for (name, bytes) in others.files() {
            if name != case.name {
                up.put(&format!("incoming/{day}/{name}"), bytes).await;
            }
        }
        let before = rows_of(&up, case.name).await;
        up.put(&format!("incoming/{day}/{}", case.name), case.bytes).await;
        let mail = up.mail_of(&day).await;
        assert_says(&mail, case.says);
        assert!(mail.subject.contains("FAILED"), "{mail:#?}");
        assert_eq!(rows_of(&up, case.name).await, before, "the table of {} changed", case.name);
    }
}

/// Returns the whole content of the file's table.
async fn rows_of(up: &Up, file: &str) -> String {
    let table = file.trim_end_matches(".csv");
    let query =
        format!("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM staging.{table} t");
    up.database().await.query_one(&query, &[]).await.expect("reading the table").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_definition_gives_one_notice_and_stops_only_itself() {
    let definitions = Definitions::uncapped();
    definitions.write("commas.json", "{\n  \"objects\": [\n    {\"id\": \"Default\",}\n  ]\n}\n");
    definitions.write("dangling.json", &broken(r#""onSuccess": {"ref": "Nobody"}"#));
    definitions.write("unknown.json", &broken(r##""pipelineLogUri": "s3://#{myNowhere}/logs""##));
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    up.drop_set("2026-01-31", &GOOD).await;
    up.mail_of("2026-01-31").await;
    up.drop_set("2026-02-01", &GOOD).await;
    up.mail_of("2026-02-01").await;
    for says in [
        ["commas.json", "line 3", "column"],
        ["dangling.json", "Default", "onSuccess"],
        ["unknown.json", "pipelineLogUri", "myNowhere"],
    ] {
        let notice = until(&format!("a notice of {}", says[0]), async || {
            let mails = up.mails();
            let about: Vec<&Mail> = mails.iter().filter(|mail| mail.body.contains(says[0])).collect();
            match about.as_slice() {
                [one] => Ok((*one).clone()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
        assert_says(&notice, &says);
    }
    assert_eq!(up.mails().len(), 5, "two runs and three notices: {:#?}", up.mails());
}

/// A definition whose values use each other, and whose output shows the texts that a drop gives.
const NAMED: &str = r##"{
  "objects": [
    {"id": "Default", "scheduleType": "ondemand", "workerGroup": "#{myGroup}", "role": "r", "resourceRole": "r",
     "pipelineLogUri": "s3://downspout-logs/named", "failureAndRerunMode": "CASCADE", "myDropFile": "named/{name:.+}/file.csv"},
    {"id": "Say", "type": "ShellCommandActivity", "command": "printf '%s|%s|%s' \"$@\"",
     "scriptArgument": ["#{myName}", "#{myDropKeys}", "#{myWords}"], "stdout": "s3://downspout-results/named/said.txt"}
  ],
  "parameters": [{"id": "myName"}, {"id": "myDropKeys"}, {"id": "myDefinition"}, {"id": "myGroup"}, {"id": "myWords"},
    {"id": "myHalf", "default": "down"}],
  "values": {"myGroup": "#{myHalf}spout", "myWords": "set #{myName} of #{myDefinition}"}
}
"##;

#[tokio::test(flavor = "multi_thread")]
async fn values_are_evaluated_and_the_name_of_a_dropped_file_is_not() {
    let definitions = Definitions::uncapped();
    definitions.write("named.json", NAMED);
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let name = "#{@pipelineId}#{myGroup}";
    up.put(&format!("named/{name}/file.csv"), b"a\n1\n".to_vec()).await;
    let said = until("the output of the activity", async || {
        let get = up.s3().get_object().bucket(&up.endpoints.buckets.results).key("named/said.txt");
        let output = get.send().await.map_err(|error| format!("{error:?}\n{}", up.log()))?;
        let bytes = output.body.collect().await.map_err(|error| error.to_string())?;
        String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(said, format!("{name}|named/{name}/file.csv|set {name} of named"));
}

/// Returns a definition with a trigger of its own, whose `Default` object has the faulty `field`.
fn broken(field: &str) -> String {
    format!(
        r#"{{
  "objects": [
    {{"id": "Default", "scheduleType": "ondemand", {field}, "myDropFile": "elsewhere/{{day}}/file.csv"}},
    {{"id": "Work", "type": "ShellCommandActivity", "workerGroup": "downspout", "command": "true"}}
  ]
}}
"#
    )
}

fn assert_says(mail: &Mail, expected: &[&str]) {
    for text in expected {
        assert!(
            mail.subject.contains(text) || mail.body.contains(text),
            "the notice does not say `{text}`: {}\n{}",
            mail.subject,
            mail.body
        );
    }
}
