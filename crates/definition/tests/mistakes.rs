//! Twenty slips that people make in `orders.json`, and what they are told.

use std::fmt::Write as _;

use definition::diagnosis::{OutsideValues, Diagnosis, diagnose};

const ORDERS: &str = include_str!("../../../pipeline-definitions/orders.json");
/// What the orchestrator and `up` fill in.
const FILLED: &[&str] = &[
    "myDropBucket",
    "myDefinitionsBucket",
    "myResultsBucket",
    "myLogsBucket",
    "myNotifyTopicArn",
    "myDatabaseUrl",
    "myDatabaseUsername",
    "*myDatabasePassword",
];

/// What was meant to be changed, the text that is replaced, and by what.
const MISTAKES: [(&str, &str, &str); 24] = [
    ("a comma too many", r#""myStaleRuns": "delete""#, r#""myStaleRuns": "delete","#),
    ("a comma too few", r#""role": "DataPipelineDefaultRole","#, r#""role": "DataPipelineDefaultRole""#),
    ("a comment", "    {\"id\": \"CsvWithHeader\"", "    // the format\n    {\"id\": \"CsvWithHeader\""),
    ("single quotes", r#""scheduleType": "ONDEMAND""#, "'scheduleType': 'ONDEMAND'"),
    ("a line break in a text", "are in your tables. It took", "are in your tables.\nIt took"),
    ("a number without quotes", r#""maximumRetries": "2""#, r#""maximumRetries": 2"#),
    ("a key twice", r#""retryDelay": "30 seconds""#, r#""retryDelay": "30 seconds", "role": "Other""#),
    ("an id twice", r#"{"id": "Build","#, r#"{"id": "Load","#),
    ("a misspelt field", r#""dependsOn": {"ref": "CreateTables"}"#, r#""dependOn": {"ref": "CreateTables"}"#),
    ("a misspelt type", r#""type": "JdbcDatabase""#, r#""type": "JDBCDatabase""#),
    ("a reference to nothing", r#""input": {"ref": "OrdersCsv"}"#, r#""input": {"ref": "OrderCsv"}"#),
    ("a reference as text", r#""input": {"ref": "OrdersCsv"}"#, r#""input": "OrdersCsv""#),
    (
        "a reference to the wrong kind",
        r#""input": {"ref": "ReviewsCsv"}"#,
        r#""input": {"ref": "Warehouse"}"#,
    ),
    ("a period that is none", r#""retryDelay": "30 seconds""#, r#""retryDelay": "30 s""#),
    ("a word that is none", r#""myLoadMode": "replace""#, r#""myLoadMode": "overwrite""#),
    ("a field of ours misspelt", r#""myMaxRejects": "1%""#, r#""myMaxReject": "1%""#),
    ("more rejects than there are", r#""myMaxRejects": "1%""#, r#""myMaxRejects": "1 percent""#),
    (
        "a parameter misspelt",
        "s3://#{myDropBucket}/incoming/#{myDay}/orders.csv",
        "s3://#{myDropBuket}/incoming/#{myDay}/orders.csv",
    ),
    (
        "an expression left open",
        "s3://#{myResultsBucket}/orders/#{myDay}/agg_shipments.csv",
        "s3://#{myResultsBucket}/orders/#{myDay/agg_shipments.csv",
    ),
    (
        "a function that is none",
        "orders #{myDay}: FAILED",
        "orders #{formatDate(myDay, 'dd.MM.YYYY')}: FAILED",
    ),
    ("a required field left out", r#""jdbcDriverClass": "org.postgresql.Driver","#, ""),
    ("a password in the file", r##""*password": "#{*myDatabasePassword}""##, r#""*password": "s3cret""#),
    ("a circle", r#""dependsOn": {"ref": "CreateTables"}"#, r#""dependsOn": {"ref": "BuildShipments"}"#),
    ("a brace left open in a pattern", "incoming/{day}/reviews.csv\"", "incoming/{day/reviews.csv\""),
];

fn told(diagnosis: &Diagnosis) -> String {
    let mut told = String::new();
    for finding in &diagnosis.findings {
        let severity = if finding.is_error { "error" } else { "warning" };
        let place = finding.span.map_or_else(|| "nowhere".to_owned(), |span| span.at.to_string());
        let object = finding.object.as_ref().map(|object| format!(", object '{object}'")).unwrap_or_default();
        let _ = writeln!(told, "  {severity} at {place}{object}: {}", finding.message);
    }
    told
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_do() {
    let mut all = String::new();
    for (mistake, right, wrong) in MISTAKES {
        assert!(ORDERS.contains(right), "{mistake}: orders.json does not hold {right}");
        let text = ORDERS.replacen(right, wrong, 1);
        let diagnosis = diagnose(&text, OutsideValues { filled: FILLED, ..OutsideValues::default() });
        assert!(!diagnosis.findings.is_empty(), "{mistake} goes unnoticed");
        assert!(!told(&diagnosis).contains("s3cret"), "{mistake}: a secret is told");
        let _ = writeln!(all, "{mistake}\n{}", told(&diagnosis));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_shipped_definition_has_none() {
    let diagnosis = diagnose(ORDERS, OutsideValues { filled: FILLED, ..OutsideValues::default() });
    assert_eq!(told(&diagnosis), "");
}
