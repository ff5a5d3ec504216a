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

/// Returns the errors of a definition whose activity uses the parameter `myA`.
fn of_values(values: &str) -> Vec<String> {
    let rest = format!(
        r#", "parameters": [{{"id": "myA"}}, {{"id": "myB", "optional": "true"}}, {{"id": "*mySecret", "optional": "true"}}],
            "values": {{{values}}}"#
    );
    let activity = r##"{"id": "A", "type": "ShellCommandActivity", "command": "#{myA}", "myOwn": "x"}"##;
    lines(&for_activation(&definition(activity, &rest)).errors)
}

#[test]
fn values_may_contain_expressions() {
    for values in [
        r##""myA": "wg-#{myB}", "myB": "b""##,
        r##""myA": "#{myOwn}-#{@scheduledStartTime}-#{format(@scheduledEndTime, 'YYYY')}""##,
        r##""myA": "#{*mySecret}", "*mySecret": "p#{w""##,
        r##""myA": "#{'#' + '{'}not code}""##,
    ] {
        assert_eq!(of_values(values), Vec::<String>::new(), "{values}");
    }
    let typed = r##", "parameters": [{"id": "myA", "type": "Integer", "default": "#{myB}0"}, {"id": "myB", "allowedValues": ["1", "2"]},
        {"id": "myC", "type": "AWS::S3::ObjectKey"}], "values": {"myB": "#{1 + 1}", "myC": "#{'s3:'}//b/#{myA}"}"##;
    let object = r##"{"id": "A", "myText": "#{myA}#{myB}#{myC}"}"##;
    assert_eq!(lines(&for_activation(&definition(object, typed)).errors), Vec::<String>::new());
    let wrong = typed.replace("1 + 1", "1 + 2");
    assert_eq!(
        lines(&for_activation(&definition(object, &wrong)).errors),
        [
            "myB.- INVALID_PARAMETER_VALUE:  the value of the parameter 'myB' is not one of its 'allowedValues'. Found '3'"
        ]
    );
}

#[test]
fn expressions_in_values_are_checked() {
    for (values, error) in [
        (
            r##""myA": "#{myB}", "myB": "#{myA}""##,
            "myA.- INVALID_PARAMETER_VALUE:  parameters use each other in a cycle: 'myA', 'myB', then 'myA' again",
        ),
        (
            r##""myA": "#{myC}""##,
            "myA.- UNKNOWN_PARAMETER:  the value of the parameter 'myA' uses 'myC', which is neither a parameter nor a field \
             of an object (did you mean 'myA'?): declare it under 'parameters'",
        ),
        (
            r##""myA": "#{myB""##,
            "myA.- INVALID_PARAMETER_VALUE:  the value of the parameter 'myA' contains an expression that cannot be parsed, \
             at character 1: this `#{` is not closed by `}`; write #{'#' + '{'} for the characters #{ themselves",
        ),
        (
            r##""myA": "#{upper(myB)}""##,
            "myA.- INVALID_PARAMETER_VALUE:  the value of the parameter 'myA' calls 'upper', which is not a function",
        ),
        (
            r##""myA": "#{nothing}""##,
            "A.command UNKNOWN_NAME:  'command' uses 'nothing', which is not a field of the object",
        ),
    ] {
        assert_eq!(of_values(values), [error], "{values}");
    }
}

#[test]
fn long_chains_of_parameters_are_refused() {
    let chain = |length: usize| {
        let value = |n: usize| match n {
            0 => r##""my0": "end""##.to_owned(),
            n => format!(r##""my{n}": "#{{my{}}}""##, n - 1),
        };
        let values: Vec<_> = (0..=length).map(value).collect();
        let object = format!(r##"{{"id": "A", "myText": "#{{my{length}}}"}}"##);
        let rest = format!(r#", "values": {{{}}}"#, values.join(", "));
        lines(&for_activation(&definition(&object, &rest)).errors)
    };
    assert_eq!(chain(8), Vec::<String>::new());
    let found = chain(9);
    assert!(
        found.len() == 1 && found[0].contains("'my9' begins a chain of more than 8 parameters"),
        "{found:?}"
    );
}
