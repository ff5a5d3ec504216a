//! Notices of the orchestrator: their subjects, and the message attributes by which subscriptions filter them.

use e2e::{definitions::Definitions, program::Up, until::until};

use crate::{PROGRAM, clients::bash};

/// The secret of the definition that cannot start.
const SECRET: &str = "hush-hush";

fn definition(folder: &str, table: &str) -> String {
    let definition = serde_json::json!({"objects": [
        {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
         "workerGroup": "#{myWorkerGroup}", "myMaxRunsPerDay": "1", "myDropFile": format!("{folder}/{{day}}/a.csv")},
        {"id": "Db", "type": "JdbcDatabase", "connectionString": format!("jdbc:postgresql://u:{SECRET}@127.0.0.1:1/none"),
         "username": "u", "jdbcDriverClass": "org.postgresql.Driver", "*password": SECRET},
        {"id": "Csv", "type": "CSV", "myHeader": "true", "myEncoding": table},
        {"id": "In", "type": "S3DataNode", "filePath": "s3://downspout-drop/x.csv", "dataFormat": {"ref": "Csv"}},
        {"id": "Out", "type": "SqlDataNode", "database": {"ref": "Db"}, "table": "t"},
        {"id": "Load", "type": "CopyActivity", "input": {"ref": "In"}, "output": {"ref": "Out"}}],
        "parameters": [{"id": "myDay"}, {"id": "myWorkerGroup"}]});
    definition.to_string()
}

/// Subscribes addresses that each want some of the notices.
const SUBSCRIBE: &str = r#"python - <<'PYTHON'
import boto3, json
sns = boto3.client("sns")
topic = sns.list_topics()["Topics"][0]["TopicArn"]
for name, policy in {
    "deferred": {"outcome": ["deferred"]},
    "keyed": {"runKey": [{"exists": True}]},
    "buero": {"definition": [{"prefix": "büro"}], "outcome": ["not-started"]},
    "broken": {"outcome": ["broken-definition"], "runKey": [{"exists": False}]},
    "nobody": {"outcome": ["incomplete"]},
}.items():
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=f"{name}@example.com", Attributes={"FilterPolicy": json.dumps(policy)})
PYTHON"#;

/// Prints recipient and subject of each mail, as Python reads them.
const READ: &str = r#"python - "$OUTBOX" <<'PYTHON'
import email, email.policy, glob, sys
for path in glob.glob(sys.argv[1] + "/*.eml"):
    with open(path, "rb") as file:
        mail = email.message_from_binary_file(file, policy=email.policy.default)
    assert "hush-hush" not in mail.as_string() + mail.get_content(), mail.get_content()
    assert not mail["Subject"].defects, mail["Subject"].defects
    print(f"{str(mail['To']).split('@')[0]}: {mail['Subject']}")
PYTHON"#;

#[tokio::test(flavor = "multi_thread")]
async fn notices_keep_their_letters_and_reach_whoever_wants_them() {
    let definitions = Definitions::shipped();
    let long = format!("büro-{}", "ü".repeat(95));
    definitions.write("capped.json", &definition("capped", "UTF-8"));
    definitions.write(&format!("{long}.json"), &definition("refused", "cp850"));
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    bash(&up, SUBSCRIBE);
    up.put("refused/2026-01-01/a.csv", b"x\n1\n".to_vec()).await;
    for day in ["2026-01-01", "2026-01-02"] {
        up.put(&format!("capped/{day}/a.csv"), b"x\n1\n".to_vec()).await;
    }
    definitions.write("broken.json", "{\n  \"*password\": \"hush-hush\",\n  \"objects\": [}");
    // The sweep sees the broken definition, and the second day of the capped one when the first has ended.
    let outbox = up.endpoints.outbox.display().to_string();
    let lines = until("all notices", async || {
        let _ = up.downspout(&["sweep"]);
        let said = bash(&up, &format!("OUTBOX='{outbox}'; {READ}"));
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        let count = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
        let all = count("deferred") > 0 && count("buero") > 0 && count("broken") > 0 && count("keyed") > 1;
        if all { Ok(lines) } else { Err(format!("{said}\n{}", up.log())) }
    })
    .await;
    let to = |name: &str| -> Vec<&str> {
        let named = lines.iter().filter_map(|line| line.split_once(": ").filter(|(to, _)| *to == name));
        named.map(|(_, subject)| subject).collect()
    };
    let cut = format!("büro-{}...", "ü".repeat(92));
    assert_eq!(cut.chars().count(), 100);
    assert_eq!(to("buero"), [cut.as_str()]);
    assert!(matches!(to("deferred")[..], [one] if one.starts_with("capped day=2026-01-0")), "{lines:#?}");
    assert_eq!(to("keyed").len(), 2, "the notices about whole sets: {lines:#?}");
    assert!(
        matches!(to("broken")[..], [one] if one.starts_with("broken.json cannot be used: ")),
        "{lines:#?}"
    );
    assert_eq!(to("nobody"), [""; 0]);
}

/// Returns the time zone in which it is now past noon, and before one o'clock.
fn zone_at_noon() -> String {
    let hour = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour();
    // Zones of this form count hours west of UTC.
    format!("Etc/GMT{:+}", hour - 12)
}

#[tokio::test(flavor = "multi_thread")]
async fn days_and_times_of_a_definition_are_those_of_its_time_zone() {
    let (definitions, zone) = (Definitions::shipped(), zone_at_noon());
    let of = |folder: &str, fields: &str| {
        let own = format!(r#""myTimeZone": "{zone}", "mySettle": "0 seconds", {fields}, "myMaxRunsPerDay""#);
        let whole = definition(folder, "UTF-8").replace(r#""myMaxRunsPerDay""#, &own);
        definitions.write(&format!("{folder}.json"), &whole);
    };
    let wait = |folder: &str, time: &str| {
        let files = format!(
            r#""myDropFileOptional": "{folder}/{{day}}/c.csv", "myDropMarker": "{folder}/{{day}}/done""#
        );
        of(folder, &format!(r#""myWaitFor": "by {time}", {files}"#));
    };
    of("capped", r#""myBackfill": "true""#);
    wait("early", "08:30");
    wait("late", "23:30");
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    for key in [
        "capped/2026-01-01/a.csv",
        "capped/2026-01-02/a.csv",
        "early/2026-01-01/a.csv",
        "late/2026-01-01/a.csv",
    ] {
        up.put(key, b"x\n1\n".to_vec()).await;
    }
    let mails = until("both notices", async || {
        let _ = up.downspout(&["sweep"]);
        let mails = up.mails();
        let has = |text: &str| mails.iter().any(|mail| mail.subject.contains(text));
        match has("put off until") && has("still missing") {
            true => Ok(mails),
            false => Err(format!("{mails:#?}\n{}", up.log())),
        }
    })
    .await;
    let missing: Vec<_> = mails.iter().filter(|mail| mail.subject.contains("still missing")).collect();
    let [missing] = missing[..] else { panic!("{mails:#?}") };
    assert_eq!(missing.subject, "early day=2026-01-01: 1 file(s) still missing");
    for text in [
        "s3://downspout-drop/early/2026-01-01/done\n",
        "by 08:30 (Etc/GMT",
        "\nWhy: these files have not arrived yet",
    ] {
        assert!(missing.body.contains(text), "{text}: {}", missing.body);
    }
    assert!(!missing.body.contains("a.csv") && !missing.body.contains("c.csv"), "{}", missing.body);
    let waiting = up.downspout(&["runs", "--waiting"]);
    let waiting = String::from_utf8_lossy(&waiting.stdout).into_owned();
    assert!(waiting.contains("T00:00:00") && waiting.contains(&format!("({zone})")), "{waiting}");
}
