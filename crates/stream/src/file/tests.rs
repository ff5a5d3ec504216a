//! Tests of stream files.

use serde_json::Value;

use super::*;

/// Returns the stream `test` of a file without problems.
pub(crate) fn stream(text: &str) -> Stream {
    let Diagnosis { stream, findings } = diagnosed(text);
    assert_eq!(findings, []);
    stream.unwrap()
}

fn diagnosed(text: &str) -> Diagnosis {
    let load = |file: &str| match file {
        "user.schema.json" => {
            Ok(r#"{"required": ["id"], "properties": {"id": {"$ref": "common.schema.json#/id"}}}"#.to_owned())
        }
        "common.schema.json" => Ok(r#"{"id": {"type": "string"}}"#.to_owned()),
        "broken.schema.json" => Ok("{\n  \"type\":".to_owned()),
        "wrong.schema.json" => Ok(r#"{"type": "text"}"#.to_owned()),
        "misspelt.schema.json" => Ok(
            "\u{feff}{\n  \"requird\": [],\n  \"properties\": {\"a\": {\"$ref\": \"twice.schema.json\"}}\n}"
                .to_owned(),
        ),
        "twice.schema.json" => Ok(r#"{"maximum": 1, "maximum": 2}"#.to_owned()),
        "marked.schema.json" => Ok("\u{feff}{\"minimum\": 1}".to_owned()),
        "limits.schema.json" => Ok(r#"{"minimum": "1"}"#.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    diagnose(&StreamName::new("test").unwrap(), text, &load)
}

/// Returns the findings as `line:column+length code message`, with `warning` before those that are not errors.
fn problems(text: &str) -> Vec<String> {
    let Diagnosis { stream, findings } = diagnosed(text);
    assert_eq!(stream.is_some(), findings.iter().all(|finding| !finding.is_error));
    let line = |finding: &Finding| {
        let span = finding.span.unwrap();
        let warning = if finding.is_error { "" } else { "warning " };
        format!(
            "{warning}{}:{}+{} {} {}",
            span.at.line, span.at.column, span.length, finding.code, finding.message
        )
    };
    findings.iter().map(line).collect()
}

#[test]
fn an_empty_object_is_a_whole_stream() {
    let stream = stream("{}");
    assert_eq!(
        stream.buffering,
        Buffering { bytes: 5 << 20, interval: jiff::SignedDuration::from_secs(300) }
    );
    assert_eq!(
        (stream.compression, stream.authorization),
        (Compression::Uncompressed, Authorization::ApiKey)
    );
    assert_eq!((stream.max_backlog_bytes, stream.shards.get(), stream.origins.len()), (10 << 30, 1, 0));
    assert_eq!(stream.time_zone, TimeZone::UTC);
    assert!(stream.fields.is_none() && stream.schema.is_none());
}

#[test]
fn every_field_is_read() {
    let stream = stream(
        r#"{"$schema": "x", "fields": {"*": "", "id": "@sequenceNumber"}, "schema": "user.schema.json", "bucket": "my-bucket",
        "prefix": "p/", "timeZone": "Europe/Lisbon", "compressionFormat": "GZIP", "bufferSizeMB": 128,
        "bufferIntervalSeconds": 0, "raw": "s3://my-raw/r/", "quarantine": "s3://my-refused", "maxBacklogGB": 1,
        "authorization": "NONE", "origins": ["https://www.example.com", "http://localhost:8080"], "shards": 2}"#,
    );
    assert_eq!(stream.buffering, Buffering { bytes: 128 << 20, interval: jiff::SignedDuration::ZERO });
    assert_eq!(stream.authorization, Authorization::None);
    assert_eq!((stream.max_backlog_bytes, stream.shards.get()), (1 << 30, 2));
    assert_eq!(stream.origins, ["https://www.example.com", "http://localhost:8080"]);
    assert_eq!(stream.time_zone.iana_name(), Some("Europe/Lisbon"));
    assert_eq!(stream.quarantine.bucket.as_deref(), Some("my-refused"));
    assert!(stream.fields.is_some() && stream.schema.is_some());
    assert_eq!(stream.source.beside.keys().collect::<Vec<_>>(), ["common.schema.json", "user.schema.json"]);
}

#[test]
fn a_version_is_read_again_from_its_source() {
    let first = stream(r#"{"schema": "user.schema.json"}"#);
    let text = serde_json::to_string(&first.source).unwrap();
    let again = diagnose_source(&first.name, &serde_json::from_str(&text).unwrap());
    assert_eq!((again.findings, again.stream.unwrap().source), (Vec::new(), first.source));
}

#[test]
fn every_problem_is_reported_with_its_position_and_a_remedy() {
    let text = r#"{
  "feilds": {}, "bufferSizeMB": 129, "bufferIntervalSeconds": "60",
  "prefix": "a\"/!{timestamp:YYYY/MM}/", "bucket": "Drop",
  "timeZone": "Lisbon", "compressionFormat": "gzip", "raw": true,
  "quarantine": "q/", "authorization": 1, "origins": ["https://a/b", 2], "shards": 0,
  "fields": {"*": "**/x", "a": "name", "b": 1, "b": "/b"},
  "maxBacklogGB": 1.5, "maxBacklogGB": 2
}"#;
    assert_eq!(
        problems(text),
        [
            "2:3+8 UNKNOWN_FIELD 'feilds' is not a field of a stream (did you mean 'fields'?)",
            "2:33+3 INVALID_FIELD_VALUE 'bufferSizeMB' must be a whole number from 1 to 128",
            "2:63+4 INVALID_FIELD_VALUE 'bufferIntervalSeconds' must be a whole number from 0 to 900, found a string",
            "3:30+1 INVALID_FIELD_VALUE `YYYY` cannot be used: it is the year of the week; write `yyyy`",
            "3:52+6 INVALID_FIELD_VALUE 'Drop' is not the name of a bucket: it has 3 to 63 small letters, digits, `.` and `-`",
            "4:15+8 INVALID_FIELD_VALUE there is no time zone 'Lisbon': write a name such as `Europe/Lisbon`",
            "4:46+6 INVALID_FIELD_VALUE 'compressionFormat' has no value 'gzip' (did you mean 'GZIP'?); it takes `UNCOMPRESSED` and `GZIP`",
            "4:61+4 INVALID_FIELD_VALUE 'raw' must be a place such as `s3://bucket/prefix/`, or false, found a boolean",
            "5:17+4 INVALID_FIELD_VALUE 'quarantine' must be a place such as `s3://bucket/prefix/`",
            "5:40+1 INVALID_FIELD_VALUE 'authorization' must be a string, found a number",
            "5:55+13 INVALID_FIELD_VALUE 'https://a/b' is not an origin: write it as a browser does, such as `https://www.example.com`, without a path",
            "5:70+1 INVALID_FIELD_VALUE 'origins' must be a string, found a number",
            "5:84+1 INVALID_FIELD_VALUE 'shards' must be a whole number from 1 to 1000",
            "6:19+6 INVALID_FIELD_VALUE `*` takes the JSON Pointer of an object: \"\" is the whole record",
            "6:32+6 INVALID_FIELD_VALUE a JSON Pointer begins with `/`, or is empty and means the whole record: write `/name` or `**/name`",
            "6:45+1 INVALID_FIELD_VALUE 'b' in 'fields' must be the source of the field in a string, found a number",
            "6:48+3 MALFORMED_FILE the field 'b' stands twice in 'fields'",
            "7:19+3 INVALID_FIELD_VALUE 'maxBacklogGB' must be a whole number from 1 to 10000",
            "7:24+14 MALFORMED_FILE the field 'maxBacklogGB' stands twice in the file",
        ]
    );
}

#[test]
fn a_file_that_is_not_an_object_is_reported() {
    assert_eq!(problems("[]"), ["1:1+2 MALFORMED_FILE a stream file is an object, found a list"]);
    assert_eq!(
        problems("{\n \"prefix\" 1}"),
        ["2:11+1 MALFORMED_FILE not JSON: expected `:` after the key, found `1`"]
    );
    assert_eq!(problems("").len(), 1);
    assert_eq!(
        problems(r#"{"fields": {"*": x}}"#),
        ["1:18+1 MALFORMED_FILE not JSON: expected a value, found `x`: write text in double quotes"]
    );
    assert_eq!(problems(r#"{"fields": {}}"#).len(), 1);
}

#[test]
fn problems_of_a_schema_are_reported_with_their_positions() {
    assert_eq!(
        problems(
            "{\"schema\": {\"properties\": {\"a\": {\"type\": \"text\"}, \"b\": {\"maxLenght\": 3}},\n \"requird\": []}}"
        ),
        [
            "1:42+6 INVALID_SCHEMA 'text' is not a type; the types are `array`, `boolean`, `integer`, `null`, `number`, `object` and `string`",
            "warning 1:57+11 INVALID_SCHEMA 'maxLenght' is not a keyword of JSON Schema (did you mean 'maxLength'?)",
            "warning 2:2+9 INVALID_SCHEMA 'requird' is not a keyword of JSON Schema (did you mean 'required'?)",
        ]
    );
    assert_eq!(
        problems(r#"{"schema": {"a": 1, "a": 2}}"#),
        ["1:21+3 MALFORMED_FILE the key 'a' stands twice in this object"]
    );
    assert_eq!(problems(r#"{"schema": {"maximum": 01}}"#).len(), 1);
    for (schema, told_there) in [
        ("nothing.schema.json", "INVALID_FIELD_VALUE nothing.schema.json: no such file"),
        ("broken.schema.json", "INVALID_FIELD_VALUE broken.schema.json: not JSON at line 2, column 9"),
        (
            "../user.schema.json",
            "INVALID_FIELD_VALUE '../user.schema.json' is not the name of a schema file: it lies in the folder of the stream file, and its name ends in `.schema.json`",
        ),
        (
            "user.json",
            "INVALID_FIELD_VALUE 'user.json' is not the name of a schema file: it lies in the folder of the stream file, and its name ends in `.schema.json`",
        ),
        (
            "wrong.schema.json",
            "INVALID_SCHEMA wrong.schema.json:1:10: 'text' is not a type; the types are `array`, `boolean`, `integer`, `null`, `number`, `object` and `string`",
        ),
        (
            "limits.schema.json",
            "INVALID_SCHEMA no JSON Schema: limits.schema.json, at `/minimum`: \"1\" is not of type \"number\"",
        ),
    ] {
        let length = schema.len() + 2;
        assert_eq!(
            problems(&format!("{{\"schema\": \"{schema}\"}}")),
            [format!("1:12+{length} {told_there}")]
        );
    }
    assert!(
        problems(r#"{"schema": {"$ref": "nothing.schema.json"}}"#)[0]
            .contains("`nothing.schema.json` cannot be read: no such file")
    );
    assert!(
        problems(r#"{"schema": {"properties": {"a": {"$ref": "https://example.com/x"}}}}"#)[0]
            .contains("nothing else is loaded")
    );
    assert_eq!(problems(r#"{"schema": 1}"#).len(), 1);
}

#[test]
fn misspelt_words_of_a_schema_are_reported_with_their_positions() {
    let text = r#"{"schema": {"properties": {"a": {"typo": "string"}, "type": {"type": "strin"}, "b": {"type": ["null", "Integer"]}},
 "items": [{"format": "date_time"}, {"format": "tomorrow"}, {"format": "uuid"}]}}"#;
    let types = "the types are `array`, `boolean`, `integer`, `null`, `number`, `object` and `string`";
    assert_eq!(
        problems(text),
        [
            "warning 1:34+6 INVALID_SCHEMA 'typo' is not a keyword of JSON Schema (did you mean 'type'?)".to_owned(),
            format!("1:70+7 INVALID_SCHEMA 'strin' is not a type (did you mean 'string'?); {types}"),
            format!("1:103+9 INVALID_SCHEMA 'Integer' is not a type (did you mean 'integer'?); {types}"),
            "warning 2:23+11 INVALID_SCHEMA there is no format 'date_time' (did you mean 'date-time'?), so it is not checked".to_owned(),
            "warning 2:48+10 INVALID_SCHEMA there is no format 'tomorrow', so it is not checked".to_owned(),
        ]
    );
    // In a file beside, also in one that is only referred to, the position in that file is reported.
    assert_eq!(
        problems(r#"{"schema": "misspelt.schema.json"}"#),
        [
            "warning 1:12+22 INVALID_SCHEMA misspelt.schema.json:2:3: 'requird' is not a keyword of JSON Schema (did you mean 'required'?)",
            "warning 1:12+22 INVALID_SCHEMA twice.schema.json:1:16: the key 'maximum' stands twice in this object: the last one counts",
        ]
    );
    // A byte order mark at the start of a file is not content of it.
    assert_eq!(problems(r#"{"schema": "marked.schema.json"}"#), Vec::<String>::new());
}

#[test]
fn a_schema_file_is_no_stream_file() {
    assert_eq!(stream_name("user-data.json").unwrap().unwrap().as_str(), "user-data");
    assert_eq!(stream_name("a b.json"), Some(Err(NameError::Character)));
    assert_eq!(stream_name(".json"), Some(Err(NameError::Length)));
    for other in ["user.schema.json", ".schema.json", "README.md", "user.jsonl"] {
        assert_eq!(stream_name(other), None, "{other}");
    }
}

#[test]
fn a_stream_file_is_known_by_its_fields() {
    for text in ["{}", r#"{"bufferSizeMB": 1, "x": 2}"#, "\u{feff}{\"shards\": 1}"] {
        assert!(looks_like_one(text), "{text}");
    }
    for text in ["", "[]", r#"{"a": 1}"#, r#"{"objects": [], "schema": {}}"#, r#"{"$schema": "x"}"#] {
        assert!(!looks_like_one(text), "{text}");
    }
}

#[test]
fn a_stream_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&stream("{}"));
}

#[test]
fn a_required_field_that_no_line_has_is_reported() {
    let text = r#"{"schema": {"required": ["zip", "name"]}, "fields": {"zip": "**/zip_code"}}"#;
    assert_eq!(
        problems(text),
        [
            "warning 1:12+29 INVALID_SCHEMA the schema requires 'name', which is not in 'fields': every record would be refused"
        ]
    );
    assert_eq!(problems(&text.replace("\"zip\": ", "\"*\": \"\", \"zip\": ")), Vec::<String>::new());
}

#[test]
fn the_schema_for_editors_knows_every_field_and_takes_what_the_reader_takes() {
    let schema = json_schema();
    let checker = jsonschema::validator_for(&schema).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    for (name, property) in properties {
        // Each name is a field of the reader: a wrong value is reported, and not an unknown field.
        let wrong = problems(&format!("{{\"{name}\": null}}"));
        assert!(wrong[0].contains("INVALID_FIELD_VALUE"), "{wrong:?}");
        assert!(property["description"].as_str().unwrap().ends_with('.'));
        if let Some(default) = property.get("default") {
            assert_eq!(problems(&format!("{{\"{name}\": {default}}}")), Vec::<String>::new());
        }
    }
    for text in [
        "{}",
        r#"{"fields": {"*": "", "a": "/b", "c": "**/d", "e": "@shardId"}, "schema": {}, "raw": false}"#,
        r#"{"schema": "user.schema.json", "raw": "s3://abc", "quarantine": "s3://abc/x", "origins": ["https://x"], "timeZone": "UTC"}"#,
        r#"{"compressionFormat": "zip"}"#,
        r#"{"bufferSizeMB": 0}"#,
        r#"{"raw": true}"#,
        r#"{"fields": {"a": "b"}}"#,
        r#"{"origins": ["https://x/y"]}"#,
        r#"{"other": 1}"#,
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(checker.is_valid(&value), problems(text).is_empty(), "{text}");
    }
}
