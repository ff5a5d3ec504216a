//! Texts of fields: each text is parsed, validated, and evaluated with lists, times, references, and
//! fields that use themselves.

use definition::expression::{self, Scope, Template, Value};
use definition::parameters::Parameters;
use definition::preview::Preview;
use definition::schedule::Interval;
use definition::{Field, ParameterValue, PipelineObject, file, inherit, validate};

/// The definition around the text. The text becomes the value of `command`, of `my_self`, and of a list.
const AROUND: &str = r##"{
    "objects": [
        {"id": "Default", "myDay": "#{format(@scheduledStartTime, 'YYYY-MM-dd')}", "onFail": {"ref": "Mail"}},
        {"id": "A", "type": "ShellCommandActivity", "a": "#{b}", "b": "#{a}", "once": "#{my_self}#{my_self}",
            "myList": ["1", "#{two}", "3"], "two": "2", "myOther": {"ref": "B"}, "myMe": {"ref": "A"}, "n": "-1.5e3"},
        {"id": "B", "type": "S3DataNode", "filePath": "s3://b/#{myMe.my_self}", "myMe": {"ref": "A"}, "myList": ["x", "y"]},
        {"id": "Mail", "type": "SnsAlarm", "message": "#{node.errorMessage}"}
    ],
    "parameters": [{"id": "myNone", "isArray": "true", "optional": "true"}, {"id": "myNumbers", "type": "Integer", "isArray": "true"}],
    "values": {"myNumbers": ["1", "2", "9223372036854775807"], "myDate": "2030-01-31T22:00:00", "*mySecret": "hush"}
}"##;

/// Checks a text as the value of a field.
pub(crate) fn check(text: &str) {
    let _ = expression::evaluate(text, &Plenty);
    let _ = expression::evaluate(text, &Blank);
    if let Ok(template) = Template::parse(text) {
        assert!(template.is_literal() != text.contains("#{"));
        let _ = template.evaluate_known(text, &Plenty);
    }
    let mut definition = file::parse(AROUND).expect("a definition");
    let a = &mut definition.objects[1];
    a.fields.push(Field::string("command", text));
    a.fields.push(Field::string("my_self", text));
    a.fields.extend([Field::string("my_many", text), Field::string("my_many", text)]);
    definition.values.push(ParameterValue { id: "myText".to_owned(), value: text.to_owned() });
    let report = validate::for_activation(&definition);
    for problem in report.errors.iter().chain(&report.warnings) {
        if let (Some("command"), Some(offset)) =
            (problem.field.as_ref().map(|it| it.as_str()), problem.offset)
        {
            assert!(text.get(offset..).is_some(), "{problem:?}");
        }
    }
    preview(&inherit::resolve(&definition).expect("parents"), &Parameters::of(&definition), text);
}

fn preview(objects: &[PipelineObject], parameters: &Parameters, text: &str) {
    let start = "2030-01-31T22:00:00Z".parse().expect("a time");
    for interval in [None, Some(Interval { start, end: start })] {
        // Each evaluation needs its own budget: the first one may use its budget up.
        let preview = || Preview::new(objects, parameters, interval);
        for object in objects {
            let whole = preview().text(&object.id, text);
            let known = preview().known(&object.id, text);
            assert!(
                whole.is_none_or(|whole| whole == known),
                "`known` must give the same text as `text` if every value is known"
            );
        }
    }
}

/// A scope with values that can make a result large.
struct Plenty;

impl Scope for Plenty {
    fn value(&self, name: &str) -> Option<Value> {
        let text = |text: &str| Value::String(text.to_owned());
        Some(match name {
            "a" => Value::Integer(i64::MAX),
            "b" => Value::Double(0.5),
            "c" => text("2030-01-31T22:00:00"),
            "d" => Value::time(jiff::Timestamp::MAX),
            "e" => Value::time(jiff::Timestamp::MIN),
            "f" => Value::Reference("A".into()),
            "g" => Value::List(Vec::new()),
            "h" => Value::List((0..300).map(Value::Integer).collect()),
            "i" => Value::List(vec![text("1"), Value::List(vec![text("x"), text("2011-05-24")])]),
            "j" => text(&"x".repeat(100_000)),
            "k" => text("America/New_York"),
            "l" => text("1000000 years"),
            _ => return None,
        })
    }

    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>> {
        (name == "n").then(|| Box::new(Self) as Box<dyn Scope>)
    }
}

/// The scope of an alarm: no name is known, and an unknown name is the empty text.
struct Blank;

impl Scope for Blank {
    fn value(&self, _: &str) -> Option<Value> {
        None
    }

    fn follow(&self, _: &str) -> Option<Box<dyn Scope + '_>> {
        Some(Box::new(Self))
    }

    fn blank_when_unknown(&self) -> bool {
        true
    }
}
