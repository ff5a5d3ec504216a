//! Definition files of a size and shape that no person writes.

use definition::parameters::Parameters;
use definition::preview::Preview;
use definition::{file, inherit};

use super::*;

fn ring(number: usize, field: &str) -> String {
    objects((0..number).map(|n| {
        let next = (n + 1) % number;
        format!(r#"{{"id": "O{n}", "type": "ShellCommandActivity", "{field}": {{"ref": "O{next}"}}}}"#)
    }))
}

#[test]
fn brackets_may_nest_without_end() {
    for number in [10_000, 200_000] {
        for bracket in ["[", "{", r#"{"a":"#, r#"{"objects":["#, r#"[{"#] {
            let diagnosis = everything(&bracket.repeat(number));
            assert_eq!(count(&diagnosis, "MALFORMED_FILE"), 1, "{bracket}");
        }
        let closed = "[".repeat(number) + &"]".repeat(number);
        assert_eq!(everything(&closed).errors().count(), 1);
    }
}

#[test]
fn strings_may_be_a_megabyte_long() {
    let plain = "x".repeat(MEGABYTE);
    let escapes = r#"\n\"\\\u00e9"#.repeat(MEGABYTE / 48);
    let halves = r"\ud83d\ude00".repeat(MEGABYTE / 48);
    for text in [plain.as_str(), &escapes, &halves] {
        let file =
            objects([format!(r#"{{"id": "A", "type": "ShellCommandActivity", "command": "{text}"}}"#)]);
        assert!(count(&everything(&file), "LIMIT_EXCEEDED") > 0);
        let open = objects([format!(r#"{{"id": "A", "command": "{text}"#)]);
        assert_eq!(count(&everything(&open), "MALFORMED_FILE"), 1);
        let name = objects([format!(r#"{{"id": "{text}", "{text}": {{"ref": "{text}"}}}}"#)]);
        assert!(count(&everything(&name), "LIMIT_EXCEEDED") > 0);
        everything(&format!(r#"{{"objects": [], "values": {{"{text}": "{text}"}}}}"#));
    }
    everything(&"9".repeat(MEGABYTE));
    everything(&r"\".repeat(MEGABYTE));
    everything(&format!("\"{}", "\\".repeat(MEGABYTE)));
}

#[test]
fn a_megabyte_of_line_breaks_and_of_mistakes_has_places() {
    everything(&format!(r#"{}{{"objects": []}}"#, "\n".repeat(MEGABYTE)));
    let mistakes = everything(&format!(r#"{{"objects": [{}1]}}"#, "1,".repeat(20_000)));
    assert_eq!(count(&mistakes, "MALFORMED_FILE"), 20_001);
    let last = mistakes.findings.last().and_then(|finding| finding.span).expect("a place");
    assert_eq!((last.at.line, last.at.column), (1, 14 + 2 * 20_000));
}

#[test]
fn thousands_of_objects_may_stand_in_a_ring_or_a_chain() {
    let parents = everything(&ring(MANY, "parent"));
    assert_eq!(count(&parents, "INHERITANCE_CYCLE"), 1);
    let waits = everything(&ring(MANY, "dependsOn"));
    assert_eq!(count(&waits, "DEPENDENCY_CYCLE"), 1);
    let chain = objects((0..MANY).map(|n| {
        format!(r#"{{"id": "O{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "O{}"}}}}"#, n + 1)
    }));
    let chain = everything(&chain);
    assert_eq!((count(&chain, "DEPENDENCY_CYCLE"), count(&chain, "DANGLING_REFERENCE")), (0, 1));
    let themselves = everything(&objects((0..MANY).map(|n| {
        format!(r#"{{"id": "O{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "O{n}"}}}}"#)
    })));
    assert_eq!(count(&themselves, "DEPENDENCY_CYCLE"), MANY);
}

#[test]
fn a_long_path_may_lead_to_many_cycles() {
    let path = (0..1_500).map(|n| {
        format!(r#"{{"id": "W{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "W{}"}}}}"#, n + 1)
    });
    let refs: Vec<_> = (0..1_500).map(|n| format!(r#"{{"ref": "C{n}"}}"#)).collect();
    let end =
        format!(r#"{{"id": "W1500", "type": "ShellCommandActivity", "dependsOn": [{}]}}"#, refs.join(","));
    let cycles = (0..1_500).map(|n| {
        format!(r#"{{"id": "C{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "C{n}"}}}}"#)
    });
    let diagnosis = everything(&objects(path.chain([end]).chain(cycles)));
    assert_eq!(count(&diagnosis, "DEPENDENCY_CYCLE"), 1_500);
}

#[test]
fn thousands_of_objects_may_have_one_id() {
    let same =
        objects((0..MANY).map(|n| format!(r##"{{"id": "A", "type": "CSV", "f{n}": "#{{nothing{n}}}"}}"##)));
    assert_eq!(count(&everything(&same), "DUPLICATE_ID"), 1);
    // The first object has more fields than the last one.
    let shorter =
        r##"{"id": "A", "type": "CSV", "a": "1", "b": "#{nothing}", "c": "1"}, {"id": "A", "type": "CSV"}"##;
    assert_eq!(count(&everything(&objects([shorter.to_owned()])), "DUPLICATE_ID"), 1);
}

#[test]
fn fields_may_use_each_other_in_rings() {
    for number in [2, MANY] {
        let fields: Vec<_> =
            (0..number).map(|n| format!(r##""my_{n}": "#{{my_{}}}""##, (n + 1) % number)).collect();
        let own = format!(r#"{{"id": "A", "type": "ShellCommandActivity", {}}}"#, fields.join(","));
        let diagnosis = everything(&objects([own]));
        assert_eq!(count(&diagnosis, "INVALID_EXPRESSION"), 1);
        // The same cycle, through references.
        let over = objects((0..number).map(|n| {
            let next = (n + 1) % number;
            format!(
                r##"{{"id": "O{n}", "type": "ShellCommandActivity", "myNext": {{"ref": "O{next}"}}, "command": "#{{myNext.command}}"}}"##
            )
        }));
        everything(&over);
    }
    everything(&objects([r##"{"id": "A", "type": "CSV", "myMe": {"ref": "A"}, "column": "#{myMe.myMe.myMe.column}#{column}"}"##.to_owned()]));
}

#[test]
fn a_chain_of_thousands_of_fields_is_computed() {
    let fields: Vec<_> = (0..MANY).map(|n| format!(r##""my_{n}": "#{{my_{}}}""##, n + 1)).collect();
    let own = objects([format!(
        r#"{{"id": "A", "type": "ShellCommandActivity", {}, "my_{MANY}": "end"}}"#,
        fields.join(",")
    )]);
    assert_eq!(known(&own, "A", "#{my_0}"), Some(vec!["end".to_owned()]));
    everything(&own);
    let over = objects((0..MANY).map(|n| {
        format!(r##"{{"id": "O{n}", "type": "CSV", "myNext": {{"ref": "O{}"}}, "column": "#{{myNext.column}}"}}"##, n + 1)
    }).chain([format!(r#"{{"id": "O{MANY}", "type": "CSV", "column": "end"}}"#)]));
    assert_eq!(known(&over, "O0", "#{column}"), Some(vec!["end".to_owned()]));
    everything(&over);
}

/// Returns the value of `text` in the object `id` before a run.
fn known(file: &str, id: &str, text: &str) -> Option<Vec<String>> {
    let definition = file::parse(file).expect("a definition");
    let resolved = inherit::resolve(&definition).expect("parents");
    Preview::new(&resolved, &Parameters::of(&definition), None).text(&id.into(), text)
}

#[test]
fn fields_may_be_towers() {
    for leaf in ["", "x"] {
        let levels: Vec<_> = (0..30)
            .map(|n| format!(r##""my_{n}": "{}""##, format!("#{{my_{}}}", n + 1).repeat(40)))
            .collect();
        let own = format!(r#"{{"id": "A", "type": "CSV", {}, "my_30": "{leaf}"}}"#, levels.join(","));
        everything(&objects([own]));
        let over = (0..30).map(|n| {
            let column = "#{myNext.column}".repeat(40);
            format!(
                r#"{{"id": "O{n}", "type": "CSV", "myNext": {{"ref": "O{}"}}, "column": "{column}"}}"#,
                n + 1
            )
        });
        everything(&objects(over.chain([format!(r#"{{"id": "O30", "type": "CSV", "column": "{leaf}"}}"#)])));
    }
}

#[test]
fn long_texts_may_be_used_many_times() {
    let long = "x".repeat(MEGABYTE);
    let uses: Vec<_> = (0..1_000).map(|n| format!(r##""my_{n}": "{}""##, "#{myLong}".repeat(20))).collect();
    everything(&objects([format!(
        r#"{{"id": "A", "type": "CSV", "myLong": "{long}", {}}}"#,
        uses.join(",")
    )]));
    let heirs = (0..10_000).map(|n| format!(r#"{{"id": "O{n}", "type": "CSV"}}"#));
    everything(&objects([format!(r#"{{"id": "Default", "myLong": "{long}"}}"#)].into_iter().chain(heirs)));
}

#[test]
fn an_object_may_have_thousands_of_fields() {
    for field in [
        r#""name{n}": "x""#,
        r##""my_{n}": "#{nothing{n}}""##,
        r#""myLoadModes{n}": "x""#,
        r#""n{n}": {"ref": "Nobody{n}"}"#,
    ] {
        let fields: Vec<_> = (0..2 * MANY).map(|n| field.replace("{n}", &n.to_string())).collect();
        let object = format!(r#"{{"id": "A", "type": "ShellCommandActivity", {}}}"#, fields.join(","));
        assert!(count(&everything(&objects([object])), "LIMIT_EXCEEDED") > 0);
    }
    let list = vec![r##""#{nothing}""##; 2 * MANY].join(",");
    everything(&objects([format!(
        r#"{{"id": "A", "type": "S3DataNode", "myLoadMode": [{list}], "filePath": [{list}]}}"#
    )]));
    // An object without a type may have the fields of every type.
    let items: Vec<_> = (0..2 * MANY).map(|n| format!(r#"{{"key": "f{n}", "stringValue": "x"}}"#)).collect();
    everything(&objects([format!(r#"{{"id": "A", "fields": [{}]}}"#, items.join(","))]));
}

#[test]
fn thousands_of_references_may_lead_nowhere() {
    let spread = objects((0..MANY).map(|n| {
        format!(
            r#"{{"id": "Object{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "Objekt{n}"}}}}"#
        )
    }));
    assert_eq!(count(&everything(&spread), "DANGLING_REFERENCE"), MANY);
    let refs: Vec<_> = (0..MANY).map(|n| format!(r#"{{"ref": "Objekt{n}"}}"#)).collect();
    let one =
        format!(r#"{{"id": "Object", "type": "ShellCommandActivity", "dependsOn": [{}]}}"#, refs.join(","));
    assert_eq!(count(&everything(&objects([one])), "DANGLING_REFERENCE"), MANY);
    let types = objects((0..MANY).map(|n| format!(r#"{{"id": "O{n}", "type": "ShellComandActivity{n}"}}"#)));
    assert_eq!(count(&everything(&types), "UNKNOWN_TYPE"), MANY);
}

#[test]
fn thousands_of_parameters_and_values_are_checked() {
    let declared: Vec<_> =
        (0..MANY).map(|n| format!(r#"{{"id": "myParam{n}", "type": "Strin{n}", "default": "x"}}"#)).collect();
    let values: Vec<_> = (0..MANY).map(|n| format!(r#""myPraam{n}": "x""#)).collect();
    let file = format!(
        r#"{{"objects": [], "parameters": [{}], "values": {{{}}}}}"#,
        declared.join(","),
        values.join(",")
    );
    let diagnosis = everything(&file);
    assert_eq!(
        (count(&diagnosis, "INVALID_PARAMETER"), count(&diagnosis, "UNKNOWN_PARAMETER")),
        (MANY, MANY)
    );
}

#[test]
fn a_parameter_may_have_thousands_of_values_and_declarations() {
    let list: Vec<_> = (0..MANY).map(|n| format!(r#""v{n}""#)).collect();
    let list = list.join(",");
    let declaration = format!(r#"{{"id": "myList", "isArray": "true", "allowedValues": [{list}]}}"#);
    let object = format!(
        r##"{{"id": "A", "type": "CSV", "column": "#{{myList}}", "my_b": "#{{myList}}#{{myList}}", "my_c": "#{{{}}}"}}"##,
        vec!["myList"; 1_000].join("+")
    );
    let file = format!(
        r#"{{"objects": [{object}], "parameters": [{declaration}], "values": {{"myList": [{list}]}}}}"#
    );
    assert_eq!(count(&everything(&file), "INVALID_PARAMETER_VALUE"), 0);
    let again = vec![r#"{"id": "myList"}"#; MANY].join(",");
    let file = format!(r#"{{"objects": [], "parameters": [{again}], "values": {{"myList": [{list}]}}}}"#);
    assert_eq!(count(&everything(&file), "DUPLICATE_ID"), 1);
}

#[test]
fn patterns_of_keys_may_be_long_and_many() {
    let name = "a".repeat(MEGABYTE);
    everything(&objects([format!(r#"{{"id": "Default", "myDropFile": "{{{name}}}"}}"#)]));
    let patterns = vec![r#""{a}-{b}-{c}-{d}-{e}-{a}.csv""#; 10_000].join(",");
    everything(&objects([format!(r#"{{"id": "Default", "myDropFile": [{patterns}]}}"#)]));
}

#[test]
fn pictures_are_drawn_of_whatever_hangs_together() {
    let refs = |letter: char| {
        (0..1_500).map(|n| format!(r#"{{"ref": "{letter}{n}"}}"#)).collect::<Vec<_>>().join(",")
    };
    let hub = format!(r#"{{"id": "Hub", "type": "ShellCommandActivity", "schedule": [{}]}}"#, refs('S'));
    let schedules = (0..1_500).map(|n| format!(r#"{{"id": "S{n}", "type": "Schedule", "period": "1 day"}}"#));
    let after = (0..1_500).map(|n| {
        format!(r#"{{"id": "A{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "Hub"}}}}"#)
    });
    let default = format!(r#"{{"id": "Default", "onFail": [{}]}}"#, refs('A'));
    everything(&objects([default, hub].into_iter().chain(schedules).chain(after)));
}
