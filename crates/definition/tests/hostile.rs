//! What nobody writes by hand: the parser, the checks and the evaluator bear any input, and soon have done.
//!
//! No times are asserted; what hangs here was quadratic or worse.

use std::{fs, path::Path};

use definition::diagnosis::{OutsideValues, Diagnosis, diagnose};
use definition::expression::{self, Evaluated, Scope, Value};
use definition::graph::{RunOrder, to_dot, to_mermaid, to_svg};
use definition::kind::{Kind, own_fields};
use definition::parameters::Parameters;
use definition::{
    Definition, Field, ParameterAttribute, ParameterObject, ParameterValue, PipelineObject, file, inherit,
    preview::Preview, render::render,
};
use proptest::prelude::*;

const MEGABYTE: usize = 1 << 20;
/// So many that what is quadratic takes seconds, and all else a moment.
const MANY: usize = 3_000;

/// Puts everything that reads a definition file to work on `text`.
fn everything(text: &str) -> Diagnosis {
    let diagnosis = diagnose(text, OutsideValues::default());
    let definition = &diagnosis.definition;
    let rendered = render(definition, &[], None);
    let order = RunOrder::of(definition);
    let pictures = [to_svg(&order), to_dot(&order), to_mermaid(&order)];
    assert!(pictures.iter().all(|picture| !picture.is_empty()));
    assert!(rendered.objects.len() <= definition.objects.len());
    diagnosis
}

/// The codes that were told, and how often.
fn told(diagnosis: &Diagnosis, code: &str) -> usize {
    diagnosis.findings.iter().filter(|finding| finding.code == code).count()
}

fn objects(objects: impl IntoIterator<Item = String>) -> String {
    let objects: Vec<String> = objects.into_iter().collect();
    format!(r#"{{"objects": [{}]}}"#, objects.join(","))
}

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
            assert_eq!(told(&diagnosis, "MALFORMED_FILE"), 1, "{bracket}");
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
        assert!(told(&everything(&file), "LIMIT_EXCEEDED") > 0);
        let open = objects([format!(r#"{{"id": "A", "command": "{text}"#)]);
        assert_eq!(told(&everything(&open), "MALFORMED_FILE"), 1);
        let name = objects([format!(r#"{{"id": "{text}", "{text}": {{"ref": "{text}"}}}}"#)]);
        assert!(told(&everything(&name), "LIMIT_EXCEEDED") > 0);
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
    assert_eq!(told(&mistakes, "MALFORMED_FILE"), 20_001);
    let last = mistakes.findings.last().and_then(|finding| finding.span).expect("a place");
    assert_eq!((last.at.line, last.at.column), (1, 14 + 2 * 20_000));
}

#[test]
fn thousands_of_objects_may_stand_in_a_ring_or_a_chain() {
    let parents = everything(&ring(MANY, "parent"));
    assert_eq!(told(&parents, "INHERITANCE_CYCLE"), 1);
    let waits = everything(&ring(MANY, "dependsOn"));
    assert_eq!(told(&waits, "DEPENDENCY_CYCLE"), 1);
    let chain = objects((0..MANY).map(|n| {
        format!(r#"{{"id": "O{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "O{}"}}}}"#, n + 1)
    }));
    let chain = everything(&chain);
    assert_eq!((told(&chain, "DEPENDENCY_CYCLE"), told(&chain, "DANGLING_REFERENCE")), (0, 1));
    let themselves = everything(&objects((0..MANY).map(|n| {
        format!(r#"{{"id": "O{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "O{n}"}}}}"#)
    })));
    assert_eq!(told(&themselves, "DEPENDENCY_CYCLE"), MANY);
}

#[test]
fn a_long_way_may_lead_to_many_circles() {
    let way = (0..1_500).map(|n| {
        format!(r#"{{"id": "W{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "W{}"}}}}"#, n + 1)
    });
    let refs: Vec<_> = (0..1_500).map(|n| format!(r#"{{"ref": "C{n}"}}"#)).collect();
    let end =
        format!(r#"{{"id": "W1500", "type": "ShellCommandActivity", "dependsOn": [{}]}}"#, refs.join(","));
    let circles = (0..1_500).map(|n| {
        format!(r#"{{"id": "C{n}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "C{n}"}}}}"#)
    });
    let diagnosis = everything(&objects(way.chain([end]).chain(circles)));
    assert_eq!(told(&diagnosis, "DEPENDENCY_CYCLE"), 1_500);
}

#[test]
fn thousands_of_objects_may_have_one_id() {
    let same =
        objects((0..MANY).map(|n| format!(r##"{{"id": "A", "type": "CSV", "f{n}": "#{{nothing{n}}}"}}"##)));
    assert_eq!(told(&everything(&same), "DUPLICATE_ID"), 1);
    // The first one has more fields than the last.
    let shorter =
        r##"{"id": "A", "type": "CSV", "a": "1", "b": "#{nothing}", "c": "1"}, {"id": "A", "type": "CSV"}"##;
    assert_eq!(told(&everything(&objects([shorter.to_owned()])), "DUPLICATE_ID"), 1);
}

#[test]
fn fields_may_use_each_other_in_rings() {
    for number in [2, MANY] {
        let fields: Vec<_> =
            (0..number).map(|n| format!(r##""my_{n}": "#{{my_{}}}""##, (n + 1) % number)).collect();
        let own = format!(r#"{{"id": "A", "type": "ShellCommandActivity", {}}}"#, fields.join(","));
        let diagnosis = everything(&objects([own]));
        assert_eq!(told(&diagnosis, "INVALID_EXPRESSION"), 1);
        // The same through references.
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

/// What `text` in the object `id` is before anything runs.
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
        assert!(told(&everything(&objects([object])), "LIMIT_EXCEEDED") > 0);
    }
    let list = vec![r##""#{nothing}""##; 2 * MANY].join(",");
    everything(&objects([format!(
        r#"{{"id": "A", "type": "S3DataNode", "myLoadMode": [{list}], "filePath": [{list}]}}"#
    )]));
    // Without a type, every field of every type is known.
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
    assert_eq!(told(&everything(&spread), "DANGLING_REFERENCE"), MANY);
    let refs: Vec<_> = (0..MANY).map(|n| format!(r#"{{"ref": "Objekt{n}"}}"#)).collect();
    let one =
        format!(r#"{{"id": "Object", "type": "ShellCommandActivity", "dependsOn": [{}]}}"#, refs.join(","));
    assert_eq!(told(&everything(&objects([one])), "DANGLING_REFERENCE"), MANY);
    let types = objects((0..MANY).map(|n| format!(r#"{{"id": "O{n}", "type": "ShellComandActivity{n}"}}"#)));
    assert_eq!(told(&everything(&types), "UNKNOWN_TYPE"), MANY);
}

#[test]
fn thousands_of_parameters_and_values_are_looked_at() {
    let declared: Vec<_> =
        (0..MANY).map(|n| format!(r#"{{"id": "myParam{n}", "type": "Strin{n}", "default": "x"}}"#)).collect();
    let values: Vec<_> = (0..MANY).map(|n| format!(r#""myPraam{n}": "x""#)).collect();
    let file = format!(
        r#"{{"objects": [], "parameters": [{}], "values": {{{}}}}}"#,
        declared.join(","),
        values.join(",")
    );
    let diagnosis = everything(&file);
    assert_eq!((told(&diagnosis, "INVALID_PARAMETER"), told(&diagnosis, "UNKNOWN_PARAMETER")), (MANY, MANY));
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
    assert_eq!(told(&everything(&file), "INVALID_PARAMETER_VALUE"), 0);
    let again = vec![r#"{"id": "myList"}"#; MANY].join(",");
    let file = format!(r#"{{"objects": [], "parameters": [{again}], "values": {{"myList": [{list}]}}}}"#);
    assert_eq!(told(&everything(&file), "DUPLICATE_ID"), 1);
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

/// Names that a hostile text may use: long lists and texts, an empty list, a time.
struct Plenty;

impl Scope for Plenty {
    fn value(&self, name: &str) -> Option<Value> {
        let text = |text: &str| Value::String(text.to_owned());
        Some(match name {
            "many" => Value::List(vec![text("1"); 10_000]),
            "none" => Value::List(Vec::new()),
            "long" => text(&"x".repeat(MEGABYTE)),
            "time" => text("2030-01-31T22:00:00"),
            _ => return None,
        })
    }

    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>> {
        (name == "me").then(|| Box::new(Self) as Box<dyn Scope>)
    }
}

fn evaluated(text: &str) -> Result<Evaluated, expression::EvaluateError> {
    expression::evaluate(text, &Plenty)
}

#[test]
fn an_expression_may_be_hundreds_of_kilobytes_long() {
    for (piece, is_computed) in [
        ("(", false),
        ("-", false),
        ("1+", true),
        ("2^", false),
        ("time.", false),
        ("me.", false),
        ("format(", false),
        ("'a'+", false),
        ("''", false),
        ("9", false),
        ("many+", false),
        ("1.5*", true),
    ] {
        let mut text = format!("#{{{}", piece.repeat(MEGABYTE / 4 / piece.len()));
        text.push_str("1}");
        assert_eq!(evaluated(&text).is_ok(), is_computed, "{piece}");
    }
}

#[test]
fn a_text_may_hold_thousands_of_expressions() {
    let names: String = (0..5_000).map(|n| format!("#{{nothing{n}}}")).collect();
    let calls: String = (0..5_000).map(|n| format!("#{{nothing{n}()}}")).collect();
    let sum = format!("#{{{}1}}", "1+".repeat(MEGABYTE / 32));
    // With an escape in it, its bytes are not those of the file.
    for (text, expected) in [(names, 5_000), (calls, 5_000), (sum, 0)] {
        let object = format!(r#"{{"id": "A", "type": "ShellCommandActivity", "command": "\n{text}"}}"#);
        let diagnosis = everything(&objects([object]));
        assert_eq!(told(&diagnosis, "UNKNOWN_NAME") + told(&diagnosis, "INVALID_EXPRESSION"), expected);
    }
}

#[test]
fn calls_may_hang_on_calls_in_every_bracket() {
    let mut text = "time".to_owned();
    for _ in 0..50 {
        text = format!("({text}{})", ".midnight()".repeat(32));
    }
    let text = format!("#{{{text}}}");
    let _ = evaluated(&text);
    everything(&objects([format!(r#"{{"id": "A", "type": "ShellCommandActivity", "command": "{text}"}}"#)]));
}

#[test]
fn lists_multiply_within_bounds() {
    let texts = [
        "#{format(many, many, none)}".to_owned(),
        "#{f(many, many, many, many, none)}".to_owned(),
        format!("#{{many{}}}", "+'x'".repeat(10_000)),
        format!("#{{none{}}}", "+many".repeat(10_000)),
        format!("#{{many}}{}", "x".repeat(MEGABYTE)),
        format!("#{{many}}{}", "#{time}".repeat(10_000)),
        "#{long}".repeat(1_000),
        format!("#{{long{}}}", "+long".repeat(1_000)),
        "#{many}#{long}".to_owned(),
    ];
    for text in texts {
        let _ = evaluated(&text);
    }
}

/// Names of types, of fields, and texts that mean something to some of them.
fn word() -> impl Strategy<Value = String> {
    let types = Kind::ALL.iter().map(|kind| kind.name().to_owned());
    let words =
        ["Default", "A", "B", "1 day", "ondemand", "true", "s3://b/k", "2030-01-31T22:00:00", "1%", "", "*x"];
    let texts = [
        "#{myA}",
        "#{my_b + 1}",
        "#{input.filePath}",
        "#{format(@scheduledStartTime, 'YYYY')}",
        "#{",
        "{a}/{b}.csv",
    ];
    let known: Vec<String> = types.chain(words.into_iter().chain(texts).map(str::to_owned)).collect();
    prop_oneof![9 => proptest::sample::select(known), 1 => any::<String>()]
}

fn key() -> impl Strategy<Value = String> {
    let fields = Kind::ALL.iter().flat_map(|kind| kind.fields()).map(|spec| spec.key.to_owned());
    let own = own_fields::all().map(|spec| spec.key.to_owned());
    let mut keys: Vec<String> = fields.chain(own).chain(["my_b".to_owned(), "type".to_owned()]).collect();
    keys.sort();
    keys.dedup();
    let legal = |key: &String| !matches!(key.as_str(), "id" | "name");
    prop_oneof![9 => proptest::sample::select(keys), 1 => any::<String>().prop_filter("beside the fields", legal)]
}

fn field() -> impl Strategy<Value = Field> {
    let id = proptest::sample::select(vec!["Default", "A", "B", "C", "nobody"]);
    prop_oneof![
        2 => (key(), word()).prop_map(|(key, text)| Field::string(key, text)),
        1 => (key(), id).prop_map(|(key, target)| Field::reference(key, target)),
    ]
}

fn pipeline_object() -> impl Strategy<Value = PipelineObject> {
    let id = prop_oneof![9 => proptest::sample::select(vec!["Default", "A", "B", "C"]).prop_map(str::to_owned), 1 => any::<String>()];
    let kind = proptest::option::of(proptest::sample::select(Kind::ALL.to_vec()));
    (id, word(), kind, proptest::collection::vec(field(), 0..12)).prop_map(|(id, name, kind, mut fields)| {
        fields.extend(kind.map(|kind| Field::string("type", kind.name())));
        // The order of a file.
        fields.sort_by(|one, other| one.key.cmp(&other.key));
        PipelineObject { id: id.into(), name, fields }
    })
}

fn parameter() -> impl Strategy<Value = ParameterObject> {
    let keys = vec!["type", "default", "optional", "isArray", "allowedValues", "description"];
    let attribute = (proptest::sample::select(keys), word());
    ("\\*?my[AB]", proptest::collection::btree_map(attribute, Just(()), 0..6)).prop_map(|(id, attributes)| {
        let attributes = attributes.into_keys();
        let attributes = attributes.map(|(key, value)| ParameterAttribute { key: key.to_owned(), value });
        ParameterObject { id, attributes: attributes.collect() }
    })
}

fn a_definition() -> impl Strategy<Value = Definition> {
    let objects = proptest::collection::vec(pipeline_object(), 0..6);
    let parameters = proptest::collection::vec(parameter(), 0..4);
    let values =
        proptest::collection::btree_map("\\*?my[ABC]", proptest::collection::vec(word(), 1..3), 0..4);
    (objects, parameters, values).prop_map(|(objects, parameters, values)| {
        let values = values.into_iter().flat_map(|(id, values)| {
            values.into_iter().map(move |value| ParameterValue { id: id.clone(), value })
        });
        Definition { objects, parameters, values: values.collect() }
    })
}

#[test]
fn every_fixture_is_written_and_read_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let paths = fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("an entry").path());
    for path in paths {
        let definition = file::parse(&fs::read_to_string(&path).expect("a fixture")).expect("a definition");
        let written = file::to_json(&definition).to_string();
        assert_eq!(file::parse(&written).as_ref(), Ok(&definition), "{}", path.display());
    }
}

proptest! {
    #[test]
    fn a_definition_is_written_and_read_again(definition in a_definition()) {
        let text = serde_json::to_string_pretty(&file::to_json(&definition)).expect("JSON");
        let read = file::parse(&text).expect("a definition file");
        prop_assert_eq!(&read, &definition);
        prop_assert_eq!(file::to_json(&read), file::to_json(&definition));
    }

    #[test]
    fn any_definition_is_diagnosed_rendered_and_drawn(definition in a_definition()) {
        let diagnosis = everything(&file::to_json(&definition).to_string());
        prop_assert_eq!(diagnosis.definition, definition);
        // What is wrong stands in the file.
        for finding in diagnosis.findings.iter().filter(|finding| finding.code != "LIMIT_EXCEEDED") {
            let has_object = finding.object.as_ref().is_none_or(|id| *id != "Default");
            prop_assert!(finding.span.is_some() || !has_object, "{:?}", finding);
        }
    }

    #[test]
    fn any_text_is_diagnosed(text in any::<String>()) {
        everything(&text);
        everything(&objects([format!(r#"{{"id": "A", "command": {}}}"#, serde_json::Value::from(text))]));
    }

    #[test]
    fn any_expression_is_evaluated(text in r#"#\{[a-z0-9 +*/^().,'"@{}#-]{0,40}\}"#) {
        let _ = evaluated(&text);
    }
}
