//! Common mistakes in `orders.json`, and the findings about them.

use std::fmt::Write as _;

use definition::diagnosis::{Diagnosis, OutsideValues, diagnose};

const ORDERS: &str = include_str!("../../../pipeline-definitions/orders.json");
/// The parameters that get their values from the orchestrator or from `up`.
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

/// A name for the mistake, the correct text, and the wrong text.
const MISTAKES: [(&str, &str, &str); 24] = [
    ("a comma too many", r#""myStaleRuns": "delete""#, r#""myStaleRuns": "delete","#),
    ("a comma too few", r#""role": "DataPipelineDefaultRole","#, r#""role": "DataPipelineDefaultRole""#),
    ("a comment", "    {\"id\": \"CsvWithHeader\"", "    // the format\n    {\"id\": \"CsvWithHeader\""),
    ("single quotes", r#""scheduleType": "ONDEMAND""#, "'scheduleType': 'ONDEMAND'"),
    ("a line break in a text", "are in your tables. It took", "are in your tables.\nIt took"),
    ("a number without quotes", r#""maximumRetries": "2""#, r#""maximumRetries": 2"#),
    ("a repeated key", r#""retryDelay": "30 seconds""#, r#""retryDelay": "30 seconds", "role": "Other""#),
    ("a repeated id", r#"{"id": "Build","#, r#"{"id": "Load","#),
    ("a misspelt field", r#""dependsOn": {"ref": "CreateTables"}"#, r#""dependOn": {"ref": "CreateTables"}"#),
    ("a misspelt type", r#""type": "JdbcDatabase""#, r#""type": "JDBCDatabase""#),
    ("a reference to nothing", r#""input": {"ref": "OrdersCsv"}"#, r#""input": {"ref": "OrderCsv"}"#),
    ("a reference as text", r#""input": {"ref": "OrdersCsv"}"#, r#""input": "OrdersCsv""#),
    (
        "a reference to the wrong kind",
        r#""input": {"ref": "ReviewsCsv"}"#,
        r#""input": {"ref": "Warehouse"}"#,
    ),
    ("an unreadable period", r#""retryDelay": "30 seconds""#, r#""retryDelay": "30 s""#),
    ("an unknown word", r#""myLoadMode": "replace""#, r#""myLoadMode": "overwrite""#),
    ("a misspelt own field", r#""myMaxRejects": "1%""#, r#""myMaxReject": "1%""#),
    ("an unreadable limit of rejects", r#""myMaxRejects": "1%""#, r#""myMaxRejects": "1 percent""#),
    (
        "a misspelt parameter",
        "s3://#{myDropBucket}/incoming/#{myDay}/orders.csv",
        "s3://#{myDropBuket}/incoming/#{myDay}/orders.csv",
    ),
    (
        "an expression without its end",
        "s3://#{myResultsBucket}/orders/#{myDay}/agg_shipments.csv",
        "s3://#{myResultsBucket}/orders/#{myDay/agg_shipments.csv",
    ),
    ("an unknown function", "orders #{myDay}: FAILED", "orders #{formatDate(myDay, 'dd.MM.YYYY')}: FAILED"),
    ("a required field left out", r#""jdbcDriverClass": "org.postgresql.Driver","#, ""),
    ("a password in the file", r##""*password": "#{*myDatabasePassword}""##, r#""*password": "s3cret""#),
    ("a cycle", r#""dependsOn": {"ref": "CreateTables"}"#, r#""dependsOn": {"ref": "BuildShipments"}"#),
    ("a brace without its end in a pattern", "incoming/{day}/reviews.csv\"", "incoming/{day/reviews.csv\""),
];

fn shown(diagnosis: &Diagnosis) -> String {
    let mut shown = String::new();
    for finding in &diagnosis.findings {
        let severity = if finding.is_error { "error" } else { "warning" };
        let position = finding.span.map_or_else(|| "nowhere".to_owned(), |span| span.at.to_string());
        let object = finding.object.as_ref().map(|object| format!(", object '{object}'")).unwrap_or_default();
        let _ = writeln!(shown, "  {severity} at {position}{object}: {}", finding.message);
    }
    shown
}

#[test]
fn every_mistake_is_reported_with_its_position_and_a_remedy() {
    let mut all = String::new();
    for (mistake, right, wrong) in MISTAKES {
        assert!(ORDERS.contains(right), "{mistake}: orders.json does not hold {right}");
        let text = ORDERS.replacen(right, wrong, 1);
        let diagnosis = diagnose(&text, OutsideValues { filled: FILLED, ..OutsideValues::default() });
        assert!(!diagnosis.findings.is_empty(), "{mistake} goes unnoticed");
        assert!(!shown(&diagnosis).contains("s3cret"), "{mistake}: a secret is shown");
        let _ = writeln!(all, "{mistake}\n{}", shown(&diagnosis));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_shipped_definition_has_no_mistakes() {
    let diagnosis = diagnose(ORDERS, OutsideValues { filled: FILLED, ..OutsideValues::default() });
    assert_eq!(shown(&diagnosis), "");
}
