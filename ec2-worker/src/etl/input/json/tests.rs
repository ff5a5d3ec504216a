//! Tests of the reader of JSON.

use super::*;
use crate::etl::dialect::JsonKeys;

fn made(text: &'static str) -> io::Result<String> {
    made_of(text.as_bytes())
}

fn made_of(text: &'static [u8]) -> io::Result<String> {
    let mut out = Vec::new();
    let dialect = Dialect { longest_record: 100, ..Dialect::default() };
    csv(Box::new(io::BufReader::with_capacity(3, text)), &dialect, "UTF-8")?.read_to_end(&mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[test]
fn lines_and_arrays_give_the_same_rows() {
    let rows = "\"id\",\"name\",\"more\"\n1,\"A, \"\"B\"\"\",\n2,,\"{\"\"x\"\": [1, 2]}\"\n";
    let lines =
        "{\"id\": 1, \"name\": \"A, \\\"B\\\"\"}\n{\"more\": {\"x\": [1, 2]}, \"id\": 2, \"name\": null}\n";
    assert_eq!(made(lines).expect("legal"), rows);
    let array = "[{\"id\": 1, \"name\": \"A, \\\"B\\\"\"} ,\n {\"more\": {\"x\": [1, 2]}, \"id\": 2, \"name\": null}]\n";
    assert_eq!(made(array).expect("legal"), rows);
}

#[test]
fn lines_may_end_with_cr_alone() {
    let rows = "\"a\"\n1\n2\n";
    for text in ["{\"a\": 1}\r{\"a\": 2}\r", "{\"a\": 1}\r{\"a\": 2}", "{\"a\": 1}\r\n{\"a\": 2}\r\n"] {
        assert_eq!(made(text).expect("legal"), rows, "{text:?}");
    }
    let refused = made("{\"a\": 1}\r{\"a\": \r{\"a\": 2}\r").expect("the others");
    assert!(
        refused.contains("the object does not end in this line") && refused.ends_with("2\n"),
        "{refused}"
    );
}

#[test]
fn numbers_keep_all_their_digits() {
    let text = "{\"n\": 1.10}\n{\"n\": 12345678901234567890.123456789}\n{\"n\": -0e5}\n";
    assert_eq!(made(text).expect("legal"), "\"n\"\n1.10\n12345678901234567890.123456789\n-0e5\n");
}

#[test]
fn a_bad_line_is_refused_alone_and_a_bad_array_as_a_whole() {
    let text = made("{\"a\": 1}\n{\"a\": \n\n{\"a\": 1, \"a\": 2}\n{\"a\": 3}\n").expect("the others");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[1], lines[3], lines[5]), ("\"a\"", "1", "", "3"));
    assert!(lines[2].contains("the line is not a JSON object: the object does not end"), "{text}");
    assert!(lines[4].contains("the key `a` appears twice"), "{text}");
    assert!(made("[{\"a\": 1}, {\"a\":").is_err());
    assert!(made("[{\"a\": 1} {\"a\": 2}]").is_err());
    assert!(made("[{\"a\": 1}]x").is_err());
    let cut = made("[{\"a\": 1}, \n]").expect_err("a comma and no object").to_string();
    assert!(cut.contains("line 2, column 1: no object follows the comma after the object 1"), "{cut}");
    assert!(made("[{\"a\": 1}\u{feff}]").is_err());
    assert!(made("a,b\n1,2\n").is_err());
}

#[test]
fn an_object_that_is_too_long_never_comes_into_memory_whole() {
    let long = format!("{{\"a\": 1}}\n{{\"a\": \"{}\"}}\n{{\"a\": 3}}\n", "x".repeat(500));
    let text = made(long.leak()).expect("the others");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[2].contains("the line is longer than 100 bytes"), "{text}");
    assert_eq!((lines.len(), lines[1], lines[3]), (4, "1", "3"));
    let array = format!("[{{\"a\": 1}}, {{\"a\": \"{}\"}}]", "x".repeat(500));
    let error = made(array.leak()).expect_err("its end is not known");
    assert!(error.to_string().contains("the object 2 of the array is longer than 100 bytes"), "{error}");
}

#[test]
fn a_byte_of_another_encoding_is_reported() {
    let lines = made_of(b"{\"a\": 1}\n{\"a\": \"caf\xe9\"}\n").expect("the other");
    // The comma behind it is written as another byte until the reason is read.
    assert!(lines.contains("byte 0xe9 is not UTF-8; save the file as UTF-8\u{fffd} or set"), "{lines}");
    let array = made_of(b"[{\"a\": \"caf\xe9\"}]").expect_err("its end is not known").to_string();
    assert!(
        array.contains("has a byte that is not UTF-8; save the file as UTF-8, or set `myEncoding`"),
        "{array}"
    );
}

#[test]
fn an_object_of_many_keys_takes_no_quadratic_time() {
    let fields: Vec<String> = (0..200_000).map(|number| format!("\"k{number}\":{number}")).collect();
    let object = format!("{{{}}}\n", fields.join(","));
    let text = format!("{object}{object}").leak();
    let begin = std::time::Instant::now();
    let mut out = Vec::new();
    let made = csv(Box::new(text.as_bytes()), &Dialect::default(), "UTF-8")
        .and_then(|mut made| made.read_to_end(&mut out));
    made.expect("legal");
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 3);
    assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
}

/// Returns the last record of a thousand objects with the key `a`, one with the key `late` and one with the key `other`.
fn last_records(json_keys: JsonKeys) -> Vec<String> {
    let text = format!("{}{{\"late\": 1}}\n{{\"a\": 2, \"other\": 3}}\n", "{\"a\": 1}\n".repeat(LEADING));
    let dialect = Dialect { json_keys, ..Dialect::default() };
    let mut out = Vec::new();
    let text = Box::new(io::Cursor::new(text.into_bytes()));
    csv(text, &dialect, "UTF-8").and_then(|mut made| made.read_to_end(&mut out)).expect("legal");
    // The reason of a refusal is not UTF-8 until it is read.
    let out = String::from_utf8_lossy(&out);
    let lines: Vec<&str> = out.lines().collect();
    [0, LEADING + 1, LEADING + 2].map(|line| lines[line].to_owned()).into()
}

#[test]
fn a_key_that_comes_late_counts_if_the_table_has_it() {
    let known = JsonKeys {
        known: vec!["late".to_owned(), "A".to_owned()],
        ignores_others: false,
        ..JsonKeys::default()
    };
    let lines = last_records(known.clone());
    assert_eq!(lines[..2], ["\"a\",\"late\"", ",1"]);
    assert!(lines[2].contains("the key `other` does not stand in the first 1000 objects"), "{lines:?}");
    assert_eq!(last_records(JsonKeys { ignores_others: true, ..known })[2], "2,");
    let lines = last_records(JsonKeys::default());
    assert!(lines[0] == "\"a\"" && lines[1].contains("the key `late` does not stand"), "{lines:?}");
}

#[test]
fn a_late_key_that_is_written_in_another_way_is_refused_and_not_lost() {
    let objects = format!(
        "{}{{\"a\": 1, \"B\": 2}}\n{{\"A\": 3}}\n{{\"other\": 4}}\n{{\"a\": 5, \"other\": 6}}\n",
        "{\"a\": 1}\n".repeat(LEADING)
    );
    let json_keys = JsonKeys { known: vec!["b".to_owned()], ignores_others: true, ..JsonKeys::default() };
    let dialect = Dialect { json_keys, ..Dialect::default() };
    let mut out = Vec::new();
    let text = Box::new(io::Cursor::new(objects.into_bytes()));
    csv(text, &dialect, "UTF-8").and_then(|mut made| made.read_to_end(&mut out)).expect("legal");
    let out = String::from_utf8_lossy(&out);
    let lines: Vec<&str> = out.lines().skip(LEADING + 1).collect();
    assert!(lines[0].contains("the key `B` is written in another way"), "{lines:?}");
    assert!(lines[1].contains("the key `A` is written in another way"), "{lines:?}");
    assert!(lines[2].contains("none of its keys is a column of the table"), "{lines:?}");
    assert_eq!(lines[3], "5,");
}

#[test]
fn half_a_surrogate_pair_is_refused_and_not_an_empty_text() {
    let text = made("{\"a\": 1, \"b\": \"Hi \\ud83d\"}\n{\"a\": 2, \"b\": \"\\ud83d\\ude00\"}\n")
        .expect("the other");
    assert!(text.contains("the value of `b` is not text"), "{text}");
    assert!(text.ends_with("2,\"😀\"\n"), "{text}");
}

/// Returns the message about a file that cannot be read.
fn problem(text: &'static str) -> String {
    made(text).expect_err("it is refused").to_string()
}

#[test]
fn a_message_names_the_line_and_the_column_and_says_what_to_change() {
    for (text, says) in [
        (
            "{\"a\":\"é\"}{\"a\":2}\n",
            "line 1: the line is not a JSON object (column 10): another object begins here; begin each object on a line of its own",
        ),
        (
            "\n\n{\"a\":1},\n{\"a\":2},\n",
            "line 3: the line is not a JSON object (column 8): text follows the object; leave the comma or the ] out",
        ),
        (
            "{\"a\":1,}\n",
            "line 1: the line is not a JSON object (column 8): a comma stands before the closing }; remove",
        ),
        (
            "{\n  \"a\": 1\n}\n",
            "line 1: the line is not a JSON object: the object does not end in this line; write each",
        ),
        ("{\"a\": \"x", "line 1: the line is not a JSON object: the file ends before the object does"),
        (
            "{\"a\": \"x\n\"}\n",
            "(column 9): a text is not closed in its line; close it, or write a line break in a text as \\n",
        ),
        (
            "{\"a\": NaN}\n",
            "(column 7): no value of JSON stands here; write a text in double quotes, a number, true, false or null; NaN and Infinity \
             are written in double quotes, as \"NaN\"",
        ),
        ("{'a': 1}\n", "(column 2): a key is not in double quotes"),
        (
            "[{\"a\":1,}]",
            "line 1, column 9: the object 1 of the array is not JSON: a comma stands before the closing }",
        ),
        (
            "[\n  {\"ä\": 1},\n  {\"ä\": \"é\" 2}\n]",
            "line 3, column 13: the object 2 of the array is not JSON: neither a comma",
        ),
        (
            "[\n {\"a\": 1},\n {\"a\": \"x\n\"}]",
            "line 3, at its end: the object 2 of the array is not JSON: a text is not closed",
        ),
        ("[{\"a\": 1},\n\n]", "line 3, column 1: no object follows the comma after the object 1"),
        ("[{\"a\": 1},,{\"a\": 1}]", "line 1, column 11: no object follows the comma after the object 1"),
        ("[{\"a\": 1}\n {\"a\": 1}]", "line 2, column 2: a comma is missing after the object 1"),
        (
            "[{\"a\": 1}]\n[{\"a\": 1}]",
            "line 2, column 1: text follows the array of objects; put all objects into one",
        ),
        ("[1, 2]", "line 1, column 2: the element 1 of the array is not an object"),
        (
            "\u{feff}[{\"a\": 1},\n{\"a\": ",
            "the object 2 of the array, which begins in line 2, is not JSON: the file ends before",
        ),
        ("[\n{\"a\": 1}", "the array of objects is not closed by ]; the file is not whole, so drop it again"),
    ] {
        let found = problem(text);
        assert!(found.contains(says), "{text}: {found}");
    }
}

#[test]
fn a_line_of_several_objects_is_refused_alone_with_its_column() {
    let text = made("{\"a\": 1}\n{\"a\": 2} {\"a\": 3}\n  \"a\": 4\n{\"a\": 5}\n").expect("the others");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[1], lines[4], lines.len()), ("1", "5", 5), "{text}");
    assert!(lines[2].contains("(column 10): another object begins here"), "{text}");
    assert!(lines[3].contains("(column 3): it does not begin with {"), "{text}");
}

#[test]
fn lines_that_were_joined_keep_their_marks_for_the_reader_of_records() {
    let text = made("\u{feff}{\"a\": 1}\n\u{feff}{\"a\": 2}\n").expect("legal");
    assert_eq!(text, "\"a\"\n1\n\u{feff}2\n");
    assert_eq!(made("\n\n{\"a\": 1}\n").expect("legal"), "\"a\"\n\n\n1\n", "the lines keep their numbers");
}

#[test]
fn a_table_by_columns_is_refused_or_noted() {
    for text in [
        "{\"a\":{\"0\":1,\"1\":2},\"b\":{\"0\":\"x\",\"1\":null}}",
        "{\"a\":{\"0\":1},\"b\":{\"0\":2}}\n",
        "[{\"a\":{\"0\":1,\"1\":2}}]\n",
    ] {
        assert!(
            problem(text).contains("so it is a table by columns; write an object for each row"),
            "{text}"
        );
    }
    let notes = |text: &'static str| {
        csv(Box::new(text.as_bytes()), &Dialect::default(), "UTF-8").expect("legal").notes()
    };
    for text in ["{\"a\":{\"x\":1,\"y\":2},\"b\":{\"x\":3,\"y\":4}}", "{\"a\":[1,2],\"b\":[\"x\",\"y\"]}\n\n"]
    {
        assert!(notes(text)[0].contains("it is loaded as one row; if it is a table by columns"), "{text}");
    }
    for text in [
        "{\"a\":{\"0\":1}}",
        "{\"a\":{\"x\":1},\"b\":{\"y\":2}}",
        "{\"a\":{\"0\":1,\"1\":2}}\n{\"a\":{\"0\":1,\"1\":2}}",
        "{\"a\":{},\"b\":{}}",
        "{\"a\":[1,2],\"b\":[3]}",
        "{}",
    ] {
        assert_eq!(notes(text), Vec::<String>::new(), "{text}");
    }
}
