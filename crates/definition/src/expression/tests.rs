//! The rules of expressions, one at a time.

use proptest::prelude::*;

use super::*;

/// The scope of the examples in AWS's guide: its time `d`, a few fields, lists, and an object named `node`.
struct Example {
    blank: bool,
}

struct Node;

const D: &str = "2011-05-24T17:10:00";

impl Scope for Example {
    fn value(&self, name: &str) -> Option<Value> {
        let text = |text: &str| Value::String(text.to_owned());
        Some(match name {
            "@d" | "startDateTime" => text(D),
            "time" => Value::time("2011-05-24T17:10:00Z".parse().ok()?),
            "count" => text("7"),
            "*mySecret" => text("hidden"),
            "once" => text("#{count}"),
            "ref" => Value::Reference("Target".into()),
            "myList" => Value::List(vec![text("one"), text("two")]),
            "myEmpty" => Value::List(vec![]),
            "myDates" => Value::List(vec![text("2011-05-24"), text("2012-01-01")]),
            _ => return None,
        })
    }

    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>> {
        (name == "node").then(|| Box::new(Node) as Box<dyn Scope>)
    }

    fn blank_when_unknown(&self) -> bool {
        self.blank
    }
}

impl Scope for Node {
    fn value(&self, name: &str) -> Option<Value> {
        matches!(name, "directoryPath" | "@actualEndTime").then(|| Value::String(D.to_owned()))
    }

    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>> {
        (name == "output").then(|| Box::new(Node) as Box<dyn Scope>)
    }
}

fn evaluated(text: &str) -> Result<Evaluated, EvaluateError> {
    evaluate(text, &Example { blank: false })
}

fn one(text: &str) -> String {
    match evaluated(text) {
        Ok(Evaluated::One(text)) => text,
        other => panic!("{text}: {other:?}"),
    }
}

fn many(text: &str) -> Vec<String> {
    match evaluated(text) {
        Ok(Evaluated::Many(texts)) => texts,
        other => panic!("{text}: {other:?}"),
    }
}

fn character(text: &str) -> usize {
    match evaluated(text) {
        Err(EvaluateError::Syntax(error)) => error.character,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn operators_are_those_of_the_guide() {
    for (text, result) in [
        ("#{1 + 2}", "3"),
        ("#{\"hel\" + \"lo\"}", "hello"),
        ("#{1 - 2}", "-1"),
        ("#{1 * 2}", "2"),
        ("#{1 / 2}", "0"),
        ("#{-7 / 2}", "-3"),
        ("#{1.0 / 2}", "0.5"),
        ("#{2 ^ 2}", "4.0"),
        ("#{2 ^ 3 ^ 2}", "512.0"),
        ("#{10 ^ 7}", "1.0E7"),
        ("#{2 + 3 * 4 - 5}", "9"),
        ("#{(2 + 3) * -4}", "-20"),
        ("#{count * 2}", "14"),
        ("#{count + 2}", "72"),
    ] {
        assert_eq!(one(text), result, "{text}");
    }
}

#[test]
fn functions_are_those_of_the_guide() {
    for (call, result) in [
        ("minute(@d)", "10"),
        ("hour(@d)", "17"),
        ("day(@d)", "24"),
        ("month(@d)", "5"),
        ("year(@d)", "2011"),
        ("dayOfYear(@d)", "144"),
        ("firstOfMonth(@d)", "2011-05-01T17:10:00"),
        ("midnight(@d)", "2011-05-24T00:00:00"),
        ("yesterday(@d)", "2011-05-23T17:10:00"),
        ("sunday(@d)", "2011-05-22T17:10:00"),
        ("sunday(sunday(@d))", "2011-05-22T17:10:00"),
        ("makeDate(2011,5,24)", "2011-05-24T00:00:00"),
        ("makeDateTime(2011,5,24,14,21)", "2011-05-24T14:21:00"),
        ("plusMonths(@d,1)", "2011-06-24T17:10:00"),
        ("plusMonths(makeDate(2011,1,31),1)", "2011-02-28T00:00:00"),
        ("minusWeeks(@d,1)", "2011-05-17T17:10:00"),
        ("plusDays(startDateTime, 2 - 1)", "2011-05-25T17:10:00"),
        ("plusPeriod(@d,'1 day')", "2011-05-25T17:10:00"),
        ("minusPeriod(@d,'2 Hours')", "2011-05-24T15:10:00"),
        ("format(@d,'YYYY-MM-dd HH:mm:ss z')", "2011-05-24 17:10:00 UTC"),
        ("format(minusMinutes(@d,30),'YYYY-MM-dd hh:mm:ss')", "2011-05-24 04:40:00"),
        ("@d.format('YYYY')", "2011"),
        ("@d.minusDays(1).format('dd')", "23"),
        ("inTimeZone(time,'UTC')", "2011-05-24T17:10:00"),
    ] {
        assert_eq!(one(&format!("#{{{call}}}")), result, "{call}");
    }
}

#[test]
fn functions_hold_at_their_edges() {
    for (call, result) in [
        ("plusMinutes(@d,60)", "2011-05-24T18:10:00"),
        ("plusMinutes(@d,-10)", "2011-05-24T17:00:00"),
        ("minusMinutes(makeDate(2011,1,1),1)", "2010-12-31T23:59:00"),
        ("plusHours(@d,7)", "2011-05-25T00:10:00"),
        ("minusHours(@d,18)", "2011-05-23T23:10:00"),
        ("plusDays(makeDate(2011,12,31),1)", "2012-01-01T00:00:00"),
        ("plusDays(@d,'1')", "2011-05-25T17:10:00"),
        ("minusDays(makeDate(2012,3,1),1)", "2012-02-29T00:00:00"),
        ("plusWeeks(@d,1)", "2011-05-31T17:10:00"),
        ("minusWeeks(@d,0)", "2011-05-24T17:10:00"),
        ("plusMonths(makeDate(2012,1,31),1)", "2012-02-29T00:00:00"),
        ("plusMonths(makeDate(2011,12,31),2)", "2012-02-29T00:00:00"),
        ("minusMonths(makeDate(2011,3,31),1)", "2011-02-28T00:00:00"),
        ("minusMonths(makeDate(2011,1,31),-1)", "2011-02-28T00:00:00"),
        ("plusYears(makeDate(2012,2,29),1)", "2013-02-28T00:00:00"),
        ("minusYears(makeDate(2012,2,29),4)", "2008-02-29T00:00:00"),
        ("dayOfYear(makeDate(2012,12,31))", "366"),
        ("month(makeDate(2012,12,31))", "12"),
        ("minute(makeDateTime(2011,5,24,23,59))", "59"),
        ("hour(makeDate(2011,5,24))", "0"),
        ("year('0099-01-01')", "99"),
        ("firstOfMonth(makeDate(2012,2,29))", "2012-02-01T00:00:00"),
        ("firstOfMonth(firstOfMonth(@d))", "2011-05-01T17:10:00"),
        ("midnight(makeDate(2011,5,24))", "2011-05-24T00:00:00"),
        ("midnight('2011-05-25T17:10:00')", "2011-05-25T00:00:00"),
        ("yesterday(makeDate(2012,3,1))", "2012-02-29T00:00:00"),
        ("sunday(makeDate(2011,5,22))", "2011-05-22T00:00:00"),
        ("sunday(makeDate(2011,1,1))", "2010-12-26T00:00:00"),
        ("makeDate(2012,2,29)", "2012-02-29T00:00:00"),
        ("plusPeriod(makeDate(2011,1,31),'1 month')", "2011-02-28T00:00:00"),
        ("minusPeriod(makeDate(2012,3,31),'1 Month')", "2012-02-29T00:00:00"),
        ("inTimeZone(@d,'America/Los_Angeles')", "2011-05-24T10:10:00"),
        ("day(inTimeZone(@d,'Asia/Tokyo'))", "25"),
        ("midnight(inTimeZone(@d,'Asia/Tokyo'))", "2011-05-25T00:00:00"),
        // The clock goes from 01:30 in winter time to 03:30 in summer time within an hour.
        (
            "plusHours(inTimeZone(makeDateTime(2011,3,13,9,30),'America/Los_Angeles'),1)",
            "2011-03-13T03:30:00",
        ),
        ("format(inTimeZone(@d,'America/Los_Angeles'),'z Z ZZ ZZZ')", "PDT -0700 -07:00 America/Los_Angeles"),
        // This is a mistake in AWS's guide: `MM` and `SS` are months and fractions, not minutes and seconds.
        ("format(@d,'YY-MM-DD HH:MM:SS')", "11-05-144 17:05:00"),
        ("format(makeDate(2012,12,31),'YYYY x')", "2012 2013"),
    ] {
        assert_eq!(one(&format!("#{{{call}}}")), result, "{call}");
    }
    for call in [
        "makeDate(2011,2,29)",
        "makeDate(2011,13,1)",
        "makeDateTime(2011,5,24,24,0)",
        "makeDateTime(2011,5,24)",
        "plusDays(@d,1.5)",
        "plusDays(@d,'a day')",
        "plusYears(@d,9999999)",
        "minute('noon')",
        "plusPeriod(@d,'a while')",
        "inTimeZone(@d,'Mars')",
        "format(@d,'b')",
        "midnight()",
        "yesterday(@d,1)",
    ] {
        assert!(evaluated(&format!("#{{{call}}}")).is_err(), "{call}");
    }
}

#[test]
fn a_literal_t_in_a_pattern_may_be_quoted_either_way() {
    assert_eq!(one("#{format(@d,'YYYY-MM-dd''T''HH')}"), "2011-05-24T17");
    assert_eq!(one(r#"#{format(@d,"YYYY-MM-dd'T'HH")}"#), "2011-05-24T17");
    assert_eq!(one(r"#{format(@d,'YYYY-MM-dd\'T\'HH')}"), "2011-05-24T17");
}

#[test]
fn text_around_expressions_stays_and_the_shells_dollars_are_untouched() {
    assert_eq!(one("s3://b/#{count}/#{day(@d)}.csv ${INPUT} #x {y}"), "s3://b/7/24.csv ${INPUT} #x {y}");
}

#[test]
fn a_brace_inside_quotes_does_not_end_the_expression() {
    assert_eq!(one("#{'#' + '{'}x#{'}'}"), "#{x}");
}

#[test]
fn evaluated_text_is_not_scanned_again() {
    assert_eq!(one("#{once}"), "#{count}");
}

#[test]
fn secrets_and_references_have_values() {
    assert_eq!(one("#{*mySecret} #{ref} #{2 * count}"), "hidden Target 14");
}

#[test]
fn a_list_alone_is_a_list_and_inside_text_it_multiplies_the_text() {
    assert_eq!(many("#{myList}"), ["one", "two"]);
    assert_eq!(many("#{'this is ' + myList}"), ["this is one", "this is two"]);
    assert_eq!(many("[#{myList}]"), ["[one]", "[two]"]);
    assert_eq!(many("#{myList}-#{myList}"), ["one-one", "one-two", "two-one", "two-two"]);
    assert_eq!(many("#{year(myDates)}"), ["2011", "2012"]);
    assert_eq!(many("#{myEmpty}"), Vec::<String>::new());
}

#[test]
fn lists_cannot_multiply_without_end() {
    assert_eq!(evaluated(&"#{myList}".repeat(64)), Err(EvaluateError::TooLong));
    assert_eq!(evaluated(&format!("#{{{}}}", vec!["myList"; 64].join("+"))), Err(EvaluateError::TooLong));
}

#[test]
fn references_are_followed_but_runtime_fields_over_one_only() {
    assert_eq!(one("#{node.output.directoryPath}"), D);
    assert_eq!(one("#{node.@actualEndTime}"), D);
    assert_eq!(
        evaluated("#{node.output.@actualEndTime}"),
        Err(EvaluateError::Unknown { name: "node.output.@actualEndTime".to_owned() })
    );
}

#[test]
fn unknown_names_are_errors_but_blank_in_alarms() {
    assert_eq!(evaluated("#{nothing}"), Err(EvaluateError::Unknown { name: "nothing".to_owned() }));
    let alarm = Example { blank: true };
    let text = "[#{nothing}#{node.nothing}#{format(nothing,'YYYY')}] #{'e: ' + nothing}";
    assert_eq!(evaluate(text, &alarm), Ok(Evaluated::One("[] e: ".to_owned())));
}

#[test]
fn syntax_errors_say_where() {
    assert_eq!(character("ab #{1 +}"), 9);
    assert_eq!(character("é #{x"), 3);
    assert_eq!(character("#{}"), 3);
    assert_eq!(character("#{'x}"), 3);
    assert_eq!(character("#{1 2}"), 5);
    assert_eq!(character("#{f(1}"), 6);
}

#[test]
fn wrong_arguments_are_errors() {
    for text in [
        "#{day()}",
        "#{day(1)}",
        "#{nosuch(1)}",
        "#{makeDate(2011,13,1)}",
        "#{plusDays(@d,99999999999)}",
        "#{plusYears(@d,'x')}",
        "#{1/0}",
        "#{'a'-1}",
        "#{9223372036854775807+1}",
        "#{99999999999999999999}",
        "#{inTimeZone(@d,'Nowhere/At_All')}",
    ] {
        assert!(evaluated(text).is_err(), "{text}");
    }
}

#[test]
fn nesting_has_a_limit() {
    for text in ["(".repeat(5_000), "-".repeat(5_000), "1^".repeat(5_000), "format(".repeat(5_000)] {
        assert!(evaluated(&format!("#{{{text}1")).is_err());
        assert!(evaluated(&format!("#{{{text}1}}")).is_err());
    }
    assert_eq!(one(&format!("#{{1{}}}", "+1".repeat(5_000))), "5001");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,60}") {
        let _ = evaluated(&text);
    }

    #[test]
    fn arbitrary_expressions_never_panic(text in "[a-z0-9@*.,()+/^'\"\\\\{}# -]{0,40}") {
        let _ = evaluated(&format!("#{{{text}}}"));
    }

    #[test]
    fn arbitrary_calls_never_panic(
        function in "(format|plusMonths|minusYears|makeDate|inTimeZone|plusPeriod|sunday|firstOfMonth|midnight)",
        first in "(@d|time|'-9999-01-01'|'9999-12-31T23:59:59'|-5|myList|'')",
        rest in "(,-?[0-9]{1,19}|,'[A-Za-z0-9 ]{0,12}'){0,3}",
    ) {
        let _ = evaluated(&format!("#{{{function}({first}{rest})}}"));
    }
}

proptest! {
    #[test]
    fn an_escaped_text_evaluates_to_itself(text in "[#{}'a@\\\\ $]{0,20}") {
        prop_assert_eq!(one(&escaped(&text)), text);
    }
}
