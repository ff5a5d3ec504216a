//! Expressions that are long, nest deeply, or multiply lists.

use definition::expression::{self, Evaluated, Scope, Value};

use super::*;

/// The names that a hostile text may use: long lists and texts, an empty list, a time.
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

pub(crate) fn evaluated(text: &str) -> Result<Evaluated, expression::EvaluateError> {
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
    // The escape shifts the bytes of the text against those of the file.
    for (text, expected) in [(names, 5_000), (calls, 5_000), (sum, 0)] {
        let object = format!(r#"{{"id": "A", "type": "ShellCommandActivity", "command": "\n{text}"}}"#);
        let diagnosis = everything(&objects([object]));
        assert_eq!(count(&diagnosis, "UNKNOWN_NAME") + count(&diagnosis, "INVALID_EXPRESSION"), expected);
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
