//! Copies with fields that have no effect, and outputs whose name misleads.

use super::*;

const DB: &str = r#"{"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:x", "username": "u", "jdbcDriverClass": "c"}"#;
const TABLE: &str = r#""type": "SqlDataNode", "table": "t", "database": {"ref": "Db"}"#;

fn of_copy(fields: &str, input: &str, output: &str) -> Vec<String> {
    warnings(&format!(
        r#"{{"id": "A", "type": "CopyActivity", "input": {{"ref": "In"}}, "output": {{"ref": "Out"}}{fields}}},
           {{"id": "In", {input}}}, {{"id": "Out", {output}}}, {DB}, {{"id": "Csv", "type": "CSV", "myHeader": "true"}},
           {{"id": "Tsv", "type": "TSV"}}"#
    ))
}

fn file(path: &str, fields: &str) -> String {
    format!(r#""type": "S3DataNode", "filePath": "s3://b/{path}"{fields}"#)
}

#[test]
fn a_field_that_has_no_effect_between_two_nodes_is_a_warning() {
    let loads =
        r#", "myMaxRejects": "1%", "myOnColumns": "ignore-extra", "myDecimal": ",", "myNullValues": "NA""#;
    let keys = |input: &str, output: &str| {
        let of_key = |line: String| line.split([' ', '.']).nth(1).unwrap_or_default().to_owned();
        of_copy(loads, input, output).into_iter().map(of_key).collect::<Vec<_>>()
    };
    let plain = file("in.csv", r#", "dataFormat": {"ref": "Csv"}"#);
    assert_eq!(keys(&plain, TABLE), Vec::<String>::new());
    assert_eq!(keys(&plain, &file("out.tsv", "")), ["myOnColumns", "myMaxRejects", "myDecimal"]);
    assert_eq!(
        keys(TABLE, &file("out.csv", "")),
        ["myOnColumns", "myMaxRejects", "myNullValues", "myDecimal"]
    );
    assert_eq!(keys(TABLE, TABLE), ["myNullValues", "myDecimal"]);
    assert_eq!(
        of_copy(r#", "myMaxRejects": "1""#, &file("in.csv", ""), &file("out.csv", "")),
        [
            "A.myMaxRejects IGNORED_FIELD:  'myMaxRejects' has no effect here: the output is not a table, and a copy into a file \
             fails at the first record that does not fit"
        ]
    );
}

#[test]
fn an_output_whose_name_promises_another_packing_is_a_warning() {
    let messages = |input: &str, output: &str| of_copy("", input, output).join("\n");
    let gzip = r#", "compression": "GZIP""#;
    let csv = r#", "dataFormat": {"ref": "Csv"}"#;
    assert_eq!(
        messages(TABLE, &file("out.csv.gz", "")),
        "Out.filePath MISLEADING_NAME:  the object is not packed, although its name ends with .gz: set 'compression' to GZIP, or \
         give it another name"
    );
    let other = messages(TABLE, &file("out-#{@scheduledStartTime}.CSV.ZST", ""));
    assert!(other.contains("ends with .zst: give it another name, or set 'compression' to GZIP"), "{other}");
    let packed = messages(TABLE, &file("out.zip", gzip));
    assert!(
        packed.contains("is packed with gzip, although its name ends with .zip: let it end with .gz"),
        "{packed}"
    );
    for (input, output) in [
        (TABLE.to_owned(), file("out.csv.gz", gzip)),
        (TABLE.to_owned(), file("out.csv", gzip)),
        (TABLE.to_owned(), file("out#{@scheduledStartTime}", "")),
        (file("in.csv.gz", ""), file("out.csv.gz", "")),
        (file("in.xz", csv), file("out.xz", csv)),
        (file("in.gz", &format!("{gzip}{csv}")), file("out.gz", &format!("{gzip}{csv}"))),
    ] {
        assert_eq!(messages(&input, &output), "", "{input} to {output}");
    }
    for (input, output) in [
        (file("in.csv.gz", &format!("{gzip}{csv}")), file("out.csv.gz", csv)),
        (file("in.csv.gz", csv), file("out.tsv.gz", r#", "dataFormat": {"ref": "Tsv"}"#)),
        (file("in.csv", ""), file("out.csv.bz2", "")),
    ] {
        assert!(messages(&input, &output).contains("MISLEADING_NAME"), "{input} to {output}");
    }
}

#[test]
fn a_copy_that_may_delete_the_rows_of_another_one_is_a_warning() {
    let warned = |one: &str, other: &str, node: &str| {
        let lines = warnings(&format!(
            r#"{{"id": "A", "type": "CopyActivity", "input": {{"ref": "In"}}, "output": {{"ref": "Out"}}{one}}},
               {{"id": "B", "type": "CopyActivity", "input": {{"ref": "In"}}, "output": {{"ref": "Other"}}{other}}},
               {{"id": "In", {}}}, {{"id": "Out", {TABLE}, "schemaName": "s"}}, {{"id": "Other", {node}}}, {DB}"#,
            file("in.csv", "")
        ));
        lines.into_iter().filter(|line| line.contains("REPLACED_ROWS")).collect::<Vec<_>>()
    };
    let replace = r#", "myLoadMode": "replace""#;
    let same = format!(r#"{TABLE}, "schemaName": "s""#);
    assert_eq!(
        warned(replace, replace, &same),
        [
            "B.myLoadMode REPLACED_ROWS:  'A' and 'B' load the same table, with 'myLoadMode' 'replace', and neither waits for the \
             other: the one that runs last deletes the rows of the other; load all files with one activity, or let one append and \
             depend on the other, which replaces"
        ]
    );
    assert_eq!(warned("", replace, &same).len(), 1, "the rows that are appended may be deleted");
    let waits = format!(r#"{replace}, "dependsOn": {{"ref": "A"}}"#);
    assert_eq!(warned(replace, &waits, &same), Vec::<String>::new());
    assert_eq!(warned("", "", &same), Vec::<String>::new());
    assert_eq!(warned(replace, replace, &format!(r#"{TABLE}, "schemaName": "other""#)), Vec::<String>::new());
    assert_eq!(warned(replace, replace, &file("out.csv", "")), Vec::<String>::new());
}
