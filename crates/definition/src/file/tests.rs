//! The rules of the file form, one at a time.

use proptest::prelude::*;

use super::*;
use crate::PipelineObject;

fn fields(text: &str) -> Vec<Field> {
    parse(text).unwrap().objects.remove(0).fields
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn fields_are_sorted_by_key_without_id_and_name() {
    let text =
        r#"{"objects": [{"type": "CSV", "id": "A", "name": "n", "*b": "1", "@c": "2", "B": "3", "a": "4"}]}"#;
    let keys: Vec<_> = fields(text).into_iter().map(|field| field.key.to_string()).collect();
    assert_eq!(keys, ["*b", "@c", "B", "a", "type"]);
    assert_eq!(parse(text).unwrap().objects[0].name, "n");
}

#[test]
fn a_missing_name_is_the_id() {
    assert_eq!(parse(r#"{"objects": [{"id": "A"}]}"#).unwrap().objects[0].name, "A");
}

#[test]
fn a_list_gives_one_field_per_item_and_an_empty_list_gives_no_field() {
    let text = r#"{"objects": [{"id": "A", "x": ["1", {"ref": "B"}, "2"], "y": []}]}"#;
    assert_eq!(fields(text), [Field::string("x", "1"), Field::reference("x", "B"), Field::string("x", "2")]);
}

#[test]
fn a_repeated_key_is_an_error_at_its_second_place() {
    let text = "{\"objects\": [{\"id\": \"A\",\n \"step\": \"1\",\n \"step\": [\"2\", \"3\"]}]}";
    let (definition, errors) = Source::read(text).unwrap().translate();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().starts_with("line 3, column 2: the key `step` appears more than once"));
    // The AWS CLI would also keep the last value.
    assert_eq!(definition.objects[0].fields, [Field::string("step", "2"), Field::string("step", "3")]);
    assert!(error(r#"{"objects": [], "values": {"myA": "1", "myA": "2"}}"#).contains("`myA`"));
    assert!(error(r#"{"objects": [], "objects": []}"#).contains("`objects`"));
}

#[test]
fn all_errors_are_reported_together() {
    let text = "{\"objects\": [\n  {\"name\": \"a\"},\n  {\"id\": \"B\", \"x\": 5, \"y\": [true, \"z\"]}\n], \"values\": []}";
    let (definition, errors) = Source::read(text).unwrap().translate();
    let lines: Vec<_> = errors.iter().map(|error| (error.span.at.line, error.span.length)).collect();
    assert_eq!(lines, [(2, 1), (3, 1), (3, 4)]);
    assert_eq!(definition.objects[0].fields, [Field::string("y", "z")]);
}

#[test]
fn parameters_and_values_expand_lists() {
    let text = r#"{"objects": [], "metadata": {"n": 1},
        "parameters": [{"id": "myA", "type": "String", "allowedValues": ["x", "y"]}],
        "values": {"myA": ["x", "y"], "*myB": "z"}}"#;
    let definition = parse(text).unwrap();
    let attributes: Vec<_> =
        definition.parameters[0].attributes.iter().map(|it| (it.key.as_str(), it.value.as_str())).collect();
    assert_eq!(attributes, [("allowedValues", "x"), ("allowedValues", "y"), ("type", "String")]);
    let values: Vec<_> = definition.values.iter().map(|it| (it.id.as_str(), it.value.as_str())).collect();
    assert_eq!(values, [("myA", "x"), ("myA", "y"), ("*myB", "z")]);
}

#[test]
fn the_api_form_in_a_file_is_read_as_such() {
    let text = r#"{"objects": [{"id": "A", "name": "a", "fields": [
            {"key": "type", "stringValue": "CSV"}, {"key": "parent", "refValue": "B"}]}],
        "parameters": [{"id": "myA", "attributes": [{"key": "type", "stringValue": "Integer"}]}],
        "parameterValues": [{"id": "myA", "stringValue": "1"}]}"#;
    let definition = parse(text).unwrap();
    assert_eq!(definition.objects[0].fields, [Field::string("type", "CSV"), Field::reference("parent", "B")]);
    assert_eq!(definition.parameters[0].attribute("type"), Some("Integer"));
    assert_eq!(definition.values[0].value, "1");
    let wrong = r#"{"objects": [{"id": "A", "fields": [{"key": "type"}]}]}"#;
    assert!(error(wrong).starts_with("line 1, column 37: field `type` needs either"), "{}", error(wrong));
}

#[test]
fn a_byte_order_mark_is_accepted_with_a_remark() {
    let text = "\u{feff}{\"objects\": []}";
    assert_eq!(parse(text).unwrap(), Definition::default());
    let remarks = Source::read(text).unwrap().remarks();
    assert!(remarks[0].to_string().starts_with("line 1, column 1: the file begins with a byte order mark"));
}

#[test]
fn escapes_are_understood() {
    let text = r#"{"objects": [{"id": "A", "x": "\u00e9\ud83d\ude00\n\"\\\/"}]}"#;
    assert_eq!(fields(text), [Field::string("x", "é😀\n\"\\/")]);
}

/// Files that are not definitions, and the beginning of the error.
const ERRORS: &[(&str, &str)] = &[
    ("", "line 1, column 1: not JSON: expected a value"),
    ("[]", "line 1, column 1: a definition file must be an object"),
    ("{}", "line 1, column 1: the definition has no `objects`"),
    ("{\"objects\": {}}", "line 1, column 13: `objects` must be a list, found an object: write it as [{"),
    (
        "{\"Objects\": []}",
        "line 1, column 2: the definition has no `objects`, the list of its objects: write it in place of `Objects`",
    ),
    (
        "{\"objects\": [], \"parameters\": {\"myA\": {}}}",
        "line 1, column 31: `parameters` must be a list, found an object: write it as [{\"id\": \"myDay\"",
    ),
    ("{\"objects\": [], \"parameters\": null}", "line 1, column 31: `parameters` must be a list, found null"),
    (
        "{\"objects\": [],\n \"values\": [{\"myA\": \"1\"}]}",
        "line 2, column 12: `values` must be an object, found a list: write the values as {\"myDay\"",
    ),
    (
        "{\"objects\": [], \"values\": [\"myA=1\"]}",
        "line 1, column 27: `values` must be an object, found a list",
    ),
    ("{\"objects\": [], \"values\": null}", "line 1, column 27: `values` must be an object, found null"),
    ("{\"objects\": [], \"values\": \"x\"}", "line 1, column 27: `values` must be an object, found a string"),
    (
        "{\"objects\": [{\"id\": \"A\", \"n\": null}]}",
        "line 1, column 31: field `n` must be a string, found null: give it a text, or remove it",
    ),
    (
        "{\"objects\": [{\"id\": \"A\", \"n\": [\"a\", [\"b\"]]}]}",
        "line 1, column 37: field `n` must be a string, found a list: write each text without brackets",
    ),
    ("{\"objects\": [\n  {\"name\": \"a\"}]}", "line 2, column 3: an element of `objects` has no `id`"),
    (
        "{\"objects\": [\n {\"id\": \"A\", \"n\": 5}]}",
        "line 2, column 19: field `n` must be a string, found a number: put it in double quotes",
    ),
    ("{\"objects\": [{\"id\": \"A\", \"n\": [true]}]}", "line 1, column 32: field `n` must be a string"),
    (
        "{\"objects\": [{\"id\": \"A\", \"n\": {\"reff\": \"B\"}}]}",
        "line 1, column 31: the object in field `n`",
    ),
    (
        "{\"objects\": [{\"id\": \"A\"} {\"id\": \"B\"}]}",
        "line 1, column 26: not JSON: a comma is missing before this item",
    ),
    (
        "{\"objects\": [{\"id\": \"A\",}]}",
        "line 1, column 25: not JSON: there is a comma before this `}`: remove it",
    ),
    ("{\"objects\": [1,]}", "line 1, column 16: not JSON: there is a comma before this `]`: remove it"),
    (
        "{\"objects\": [],\n\"é\": \"x\ny\"}",
        "line 2, column 8: not JSON: the line ends inside the string that begins at line 2, column 6: write \\n",
    ),
    (
        "{\"objects\": [] // none",
        "line 1, column 16: not JSON: expected `,` or `}`, found `/`: JSON has no comments",
    ),
    (
        "{# none\n}",
        "line 1, column 2: not JSON: expected a key in double quotes, found `#`: JSON has no comments",
    ),
    (
        "{'objects': []}",
        "line 1, column 2: not JSON: expected a key in double quotes, found `'`: write text in double",
    ),
    (
        "{objects: []}",
        "line 1, column 2: not JSON: expected a key in double quotes, found `objects`: write text in",
    ),
    (
        "{\"a\": “b”}",
        "line 1, column 7: not JSON: expected a value, found `“`: write text in straight double quotes",
    ),
    (
        "{\"a\": True}",
        "line 1, column 7: not JSON: expected a value, found `True`: write true, false or null in lower",
    ),
    ("{\"a\": \"b\" \"c\": \"d\"}", "line 1, column 11: not JSON: a comma is missing before this key"),
    ("{\"a\": [\"b\"\n\"c\"]}", "line 2, column 1: not JSON: a comma is missing before this item"),
    (
        "{\"a\": , \"b\": 1}",
        "line 1, column 7: not JSON: expected a value, found `,`: there is a comma too many",
    ),
    ("{\"a\": \"\\d\"}", "line 1, column 8: not JSON: this is not an escape: write a backslash as \\\\"),
    (
        "{\n \"a\": [\"b\"",
        "line 2, column 11: not JSON: the file ends, but the `[` at line 2, column 7 is not closed",
    ),
    ("{\"objects\": [{\"id\": \"A", "line 1, column 21: not JSON: this string is not closed"),
    ("{\"objects\": []} x", "line 1, column 17: not JSON: expected the end of the file"),
    ("{\"objects\": [], \"values\": {\"myA\": null}}", "line 1, column 35: the value of parameter `myA`"),
];

#[test]
fn every_error_has_line_and_column() {
    for (text, begin) in ERRORS {
        let error = error(text);
        assert!(error.starts_with(begin), "{text}\n{error}");
    }
}

#[test]
fn nesting_has_a_limit() {
    assert!(error(&"[".repeat(100_000)).contains("nested deeper"));
    assert!(error(&"{\"a\":".repeat(100_000)).contains("nested deeper"));
}

#[test]
fn a_values_file_may_have_the_key_values_or_only_its_contents() {
    let flat = parse_values(r#"{"myA": "1", "myB": ["2", "3"]}"#).unwrap();
    assert_eq!(flat.len(), 3);
    assert_eq!(parse_values(r#"{"values": {"myA": "1", "myB": ["2", "3"]}}"#).unwrap(), flat);
    let list = parse_values(r#"{"values": [{"myA": "1"}]}"#).unwrap_err().to_string();
    assert!(list.starts_with("line 1, column 12: `values` must be an object, found a list"), "{list}");
    assert!(parse_values("[]").unwrap_err().to_string().contains("a values file must be an object"));
    assert_eq!(
        parse_values("{\"myA\":\n 1}").unwrap_err().to_string(),
        "line 2, column 2: the value of parameter `myA` must be a string, found a number: put it in double quotes"
    );
}

#[test]
fn a_field_an_object_and_a_parameter_are_found_in_the_text() {
    let text = "{\"objects\": [\n  {\"id\": \"A\",\n   \"x\": \"1\"}],\n \"parameters\": [{\"id\": \"myP\"}],\n \
                \"values\": {\"myV\": \"1\"}}";
    let source = Source::read(text).unwrap();
    let index = source.index();
    let found =
        |id, field, part| index.find(id, field, part).map(|span| (span.at.line, span.at.column, span.length));
    assert_eq!(found("A", Some("x"), Part::Key), Some((3, 4, 3)));
    assert_eq!(found("A", Some("x"), Part::Value(0)), Some((3, 9, 3)));
    assert_eq!(found("A", Some("absent"), Part::Value(0)), Some((2, 10, 3)));
    assert_eq!(found("A", None, Part::Key), Some((2, 10, 3)));
    assert_eq!(found("myP", None, Part::Key), Some((4, 24, 5)));
    assert_eq!(found("myV", None, Part::Key), Some((5, 20, 3)));
    assert_eq!(found("nobody", None, Part::Key), None);
}

#[test]
fn a_character_of_a_text_is_found_after_escapes() {
    let text = "{\"objects\": [{\"id\": \"A\", \"x\": [\"1\", \"é\\n\\u00e9#{a b}\"]}]}";
    let source = Source::read(text).unwrap();
    let content = "é\né#{a b}";
    let offset = content.find('b').unwrap();
    let span = source.index().find("A", Some("x"), Part::Text(1, offset)).unwrap();
    assert_eq!(text.chars().nth(span.at.column - 1), Some('b'));
}

#[test]
fn the_error_for_a_byte_that_is_not_utf_8_names_its_position() {
    let error = decode(b"{\n \"a\": \"\xe9\"}").unwrap_err().to_string();
    assert_eq!(error, "line 2, column 8: this byte is not UTF-8: save the file as UTF-8");
    assert!(decode(b"\xff\xfe{\0").unwrap_err().to_string().contains("UTF-16"));
}

#[test]
fn to_json_writes_fields_with_the_same_key_as_one_list() {
    let text = r#"{"objects": [{"id": "A", "name": "n", "x": ["1", {"ref": "B"}], "y": "2"}],
        "parameters": [{"id": "myA", "allowedValues": ["x", "y"]}], "values": {"myA": ["1", "2"]}}"#;
    let expected: Value = serde_json::from_str(text).unwrap();
    assert_eq!(to_json(&parse(text).unwrap()), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn a_written_file_is_read_as_the_same_definition(
        fields in prop::collection::vec(("[a-z*@]{1,4}", "\\PC{0,8}", any::<bool>()), 0..8),
    ) {
        let mut fields: Vec<_> = fields
            .into_iter()
            .map(|(key, text, is_ref)| {
                if is_ref { Field::reference(key, text) } else { Field::string(key, text) }
            })
            .filter(|field| field.key != "id" && field.key != "name" && field.key != "fields")
            .collect();
        fields.sort_by(|a, b| a.key.cmp(&b.key));
        let object = PipelineObject { id: "A".into(), name: "a".to_owned(), fields };
        let definition = Definition { objects: vec![object], ..Definition::default() };
        prop_assert_eq!(parse(&to_json(&definition).to_string()).unwrap(), definition);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[\\[\\]{}\":,a-z0-9\\\\ \n.u-]{0,80}") {
        let _ = parse(&text);
        let _ = parse_values(&text);
        if let Ok(source) = Source::read(&text) {
            let _ = source.translate();
            let _ = source.index().find("a", Some("b"), Part::Text(0, 3));
        }
    }
}

#[test]
fn the_lists_of_the_api_form_cannot_contain_the_name_or_the_id() {
    let field = r#"{"objects": [{"id": "A", "fields": [{"key": "name", "stringValue": "B"}]}]}"#;
    assert_eq!(
        parse(field).unwrap_err().to_string(),
        "line 1, column 37: `name` belongs beside the list, not in it"
    );
    let attribute = r#"{"objects": [], "parameters": [{"id": "myA", "attributes": [{"key": "id", "stringValue": "B"}]}]}"#;
    assert!(parse(attribute).is_err());
}
