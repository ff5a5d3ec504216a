//! The properties of the fuzzer, tried on random inputs by seed, so that they always compile and hold.
//!
//! Every input is some random words of a vocabulary. There are 1,500 inputs of each property, or as many as
//! `DOWNSPOUT_SOAK_INPUTS` says. `fuzz/README.md` says how to search for hours.

#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use properties::{door, fields, kpl, prefix, stored_lines, stream_file};

const COMMON: &[&str] = &["a", "1", " ", "\n", "\u{e4}", "\u{1f600}", "\0", "\u{feff}", "\"", "\\"];
const JSON: &[&str] = &[
    "{",
    "{",
    "}",
    "}",
    "[",
    "]",
    ",",
    ",",
    ":",
    "\"a\":",
    "\"b\":",
    "\"a\"",
    "\"\\u0061\":",
    "1",
    "-0e5",
    "1.10",
    "01",
    "null",
    "true",
    "\"x\"",
    "\"\\ud83d\"",
    "\"\\u00e4\"",
    "\n",
    "\r\n",
    "{\"a\":1}",
    "{\"a\":{\"b\":[1,\"x\"]},\"b\":\"\"}",
    "{\"b\":\n1}",
    "{}",
    "\"{\\\"a\\\":1}\"",
    "12345678901234567890123",
];
const SOURCES: &[&str] = &[
    "/a",
    "/a/b",
    "/a/b/0",
    "/b",
    "",
    "**/a",
    "**/b",
    "@shardId",
    "@sequenceNumber",
    "@partitionKey",
    "~1",
    "/",
];
const RECORDS: &[&str] = &[
    "{\"a\":1}",
    "{\"a\": {\"b\": [1, \"x\"]}, \"b\": \"\"}",
    "{\"b\":\n{\"a\":2.50}}\n",
    "{\"one\":1,\"a/b\":{}}",
    "{}",
    "\n",
    "{",
    "}",
    "\"a\":1,",
    "{\"\\u0061\":[{\"b\":null}]}",
];
const PREFIXES: &[&str] = &[
    "!{timestamp:",
    "!{timestamp:yyyy/MM/dd/HH}",
    "!{firehose:error-output-type}",
    "!{",
    "}",
    "yyyy",
    "MM",
    "dd",
    "HH",
    "mm",
    "ss",
    "'",
    "''",
    "YYYY",
    "/",
    "=",
    "[",
    "x",
];
const FILES: &[&str] = &[
    "{",
    "}",
    ",",
    ",",
    ":",
    "\"fields\": {\"*\": \"\"}",
    "\"fields\": {\"a\": \"**/a\"}",
    "\"fields\": {\"a\": \"b\"}",
    "\"schema\": {\"required\": [\"a\"]}",
    "\"schema\": {\"$ref\": \"#\"}",
    "\"schema\": {\"type\": \"x\"}",
    "\"schema\": \"x.schema.json\"",
    "\"prefix\": \"!{timestamp:yyyy}-\"",
    "\"prefix\": \"!{x}\"",
    "\"bucket\": \"abc\"",
    "\"timeZone\": \"Europe/Lisbon\"",
    "\"compressionFormat\": \"GZIP\"",
    "\"bufferSizeMB\": 7",
    "\"bufferSizeMB\": 07",
    "\"bufferIntervalSeconds\": 0",
    "\"raw\": false",
    "\"raw\": \"s3://abc\"",
    "\"quarantine\": \"s3://abc/!{firehose:error-output-type}\"",
    "\"authorization\": \"NONE\"",
    "\"origins\": [\"https://x\"]",
    "\"shards\": 3",
    "\"maxBacklogGB\": 2",
];
const LINES: &[&str] = &[
    "{",
    "}",
    ",",
    "\"sequenceNumber\":\"49039857307708443467467104868809893875799651909875269634\"",
    "\"partitionKey\":\"k\"",
    "\"arrivalTimestamp\":1767608430123",
    "\"arrivalTimestamp\":9999999999999999",
    "\"data\":\"x\"",
    "\"encoding\":\"base64\"",
    "\"data\":\"/w==\"",
    "\"subSequenceNumber\":3",
    "\"rawData\":\"e30=\"",
    "\"errorCode\":\"\"",
    "\"errorMessage\":\"m\"",
    "\"attemptsMade\":1",
    "\"attemptEndingTimestamp\":1",
    "\"streamVersion\":1",
];
const MESSAGES: &[&str] = &[
    "\x0a\x01k",
    "\x0a\x00",
    "\x12\x01e",
    "\x1a\x05\x08\x00\x1a\x01x",
    "\x1a\x05\x08\x01\x1a\x01y",
    "\x1a\x02\x08\x00",
    "\x08\x00",
    "\x22\x00",
    "\x1a\x7f",
    "\x35abcd",
];

/// Returns an input of up to 24 words.
fn input(random: &mut StdRng, words: &[&str], between: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for place in 0..random.random_range(1..24) {
        let from = if random.random_ratio(1, 12) { COMMON } else { words };
        if place > 0 {
            bytes.extend_from_slice(between.as_bytes());
        }
        bytes.extend_from_slice(from[random.random_range(0..from.len())].as_bytes());
    }
    if random.random_ratio(1, 20) {
        bytes.push(random.random());
    }
    bytes
}

/// Checks a property on random inputs. The message has the input that breaks it.
fn hold(mut input: impl FnMut(&mut StdRng) -> Vec<u8>, mut check: impl FnMut(&[u8])) {
    let count = std::env::var("DOWNSPOUT_SOAK_INPUTS").map(|count| count.parse().expect("a number"));
    for seed in 0..count.unwrap_or(1_500_u64) {
        let bytes = input(&mut StdRng::seed_from_u64(seed));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&bytes))) {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("the input {:?} breaks the property: {text}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn the_door_takes_what_another_reader_takes() {
    hold(|random| input(random, JSON, ""), door::check);
}

#[test]
fn pointers_find_what_another_reader_finds() {
    let with_sources = |random: &mut StdRng| {
        let mut bytes = Vec::new();
        for _ in 0..3 {
            bytes.extend_from_slice(SOURCES[random.random_range(0..SOURCES.len())].as_bytes());
            bytes.push(b'\n');
        }
        let words = if random.random_ratio(1, 2) { RECORDS } else { &RECORDS[..5] };
        bytes.extend(input(random, words, ""));
        bytes
    };
    hold(with_sources, fields::check);
}

#[test]
fn no_aggregate_loses_a_record() {
    hold(|random| input(random, MESSAGES, ""), kpl::check);
}

#[test]
fn prefixes_are_read_or_refused() {
    hold(|random| input(random, PREFIXES, ""), prefix::check);
}

#[test]
fn stored_lines_are_read_as_they_were_written() {
    let line = |random: &mut StdRng| [b"{".to_vec(), input(random, LINES, ","), b"}".to_vec()].concat();
    hold(line, stored_lines::check);
    for (place, word) in LINES.iter().enumerate().skip(3) {
        let fields: Vec<&str> =
            LINES[3..].iter().enumerate().filter(|(at, _)| at + 3 != place).map(|(_, word)| *word).collect();
        stored_lines::check(format!("{{{}}}", fields.join(",")).as_bytes());
        stored_lines::check(format!("{{{word}}}").as_bytes());
    }
}

#[test]
fn stream_files_have_a_stream_or_an_error() {
    let file = |random: &mut StdRng| [b"{".to_vec(), input(random, &FILES[5..], ","), b"}".to_vec()].concat();
    hold(file, stream_file::check);
    hold(|random| input(random, FILES, ""), stream_file::check);
    let one =
        |random: &mut StdRng| format!("{{{}}}", FILES[random.random_range(5..FILES.len())]).into_bytes();
    hold(one, stream_file::check);
}
