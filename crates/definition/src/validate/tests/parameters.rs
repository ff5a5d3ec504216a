//! Parameters and their values.

use super::*;

#[test]
fn values_need_a_declaration_of_their_type() {
    let rest = r#", "parameters": [
            {"id": "myCount", "type": "Integer"}, {"id": "myOne"}, {"id": "myPath", "type": "AWS::S3::ObjectKey"},
            {"id": "myWord", "allowedValues": ["a", "b"]}, {"id": "other", "type": "Text", "optional": "perhaps"},
            {"id": "*mySecret", "type": "Integer"}],
        "values": {"myCount": "few", "myOne": ["1", "2"], "myPath": "/tmp", "myWord": "c", "myCuont": "1",
            "other": "x", "*mySecret": "hunter2"}"#;
    let report = validate(&definition(r#"{"id": "A"}"#, rest));
    let found = lines(&report.errors);
    assert_eq!(
        found,
        [
            "myCount.- INVALID_PARAMETER_VALUE:  the value of the parameter 'myCount' must be a whole number. Found \
             'few'",
            "myOne.- INVALID_PARAMETER_VALUE:  the parameter 'myOne' has 2 values but 'isArray' is not 'true'",
            "myPath.- INVALID_PARAMETER_VALUE:  the value of the parameter 'myPath' must be an S3 location, \
             s3://bucket/key. Found '/tmp'",
            "myWord.- INVALID_PARAMETER_VALUE:  the value of the parameter 'myWord' is not one of its 'allowedValues'. Found 'c'",
            "other.id INVALID_PARAMETER:  the id of the parameter 'other' must begin with 'my' ('*my' for a secret)",
            "other.type INVALID_PARAMETER:  the parameter 'other' has the unknown type 'Text'; the types are String, Integer, \
             Double, AWS::S3::ObjectKey",
            "other.optional INVALID_PARAMETER:  'optional' of the parameter 'other' must be 'true' or 'false'. Found \
             'perhaps'",
            "*mySecret.- INVALID_PARAMETER_VALUE:  the value of the parameter '*mySecret' must be a whole number. \
             Found a secret",
        ]
    );
    let warned = lines(&report.warnings);
    assert!(
        warned
            .iter()
            .any(|line| line
                .contains("'myCuont', which 'parameters' does not declare (did you mean 'myCount'?)")),
        "{warned:?}"
    );
}

#[test]
fn a_required_value_may_be_missing_until_activation() {
    let definition = definition(
        r##"{"id": "A", "myText": "#{myA}#{myB}"}"##,
        r#", "parameters": [{"id": "myA"}, {"id": "myB", "optional": "true"}]"#,
    );
    let put = validate(&definition);
    assert_eq!((put.errors.len(), put.warnings.len()), (0, 1));
    let activation = for_activation(&definition);
    assert_eq!(
        lines(&activation.errors),
        [
            "myA.- MISSING_PARAMETER_VALUE:  the parameter 'myA' has no value: give it one, declare a default, or make it 'optional'"
        ]
    );
}

#[test]
fn types_are_taken_in_upper_and_lower_case() {
    for word in ["string", "STRING", "Integer", "double", "aws::s3::objectkey"] {
        let value = if word.contains("s3") { "s3://b/k" } else { "1" };
        let rest =
            format!(r#", "parameters": [{{"id": "myA", "type": "{word}"}}], "values": {{"myA": "{value}"}}"#);
        let definition = definition(r##"{"id": "A", "myText": "#{myA}"}"##, &rest);
        assert_eq!(lines(&for_activation(&definition).errors), Vec::<String>::new(), "{word}");
    }
    let number = definition(
        r##"{"id": "A", "myText": "#{myA}"}"##,
        r#", "parameters": [{"id": "myA", "type": "integer"}], "values": {"myA": "x"}"#,
    );
    assert_eq!(validate(&number).errors.len(), 1, "a type in lower case counts");
}

#[test]
fn a_parameter_without_use_may_lack_a_value() {
    let definition = definition(
        r##"{"id": "A", "type": "ShellCommandActivity", "command": "echo #{myB}"}"##,
        r#", "parameters": [{"id": "myList", "isArray": "true", "default": []}, {"id": "myA"}, {"id": "myB"}], "values": {"myB": "b"}"#,
    );
    assert_eq!(lines(&for_activation(&definition).errors), Vec::<String>::new());
}
