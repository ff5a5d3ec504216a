//! The properties of the fuzzer, tried on random inputs by seed, so that they always compile and hold.
//!
//! Every input is a few random bytes and random words of a vocabulary. There are 1,500 inputs of each property, or as
//! many as `DOWNSPOUT_SOAK_INPUTS` says. `fuzz/README.md` says how to search for hours.

#[path = "../../fuzz/properties/mod.rs"]
mod properties;

use std::panic::{AssertUnwindSafe, catch_unwind};

use e2e::postgres::NativePostgres;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use properties::readings::Database;
use properties::{dates, detection, json, records, values, workbook};

const COMMON: &[&str] = &["a", "b", "1", " ", "\n", "\r\n", "ä", "\u{1f600}", "\0", "\u{feff}"];
const RECORDS: &[&str] = &[
    ",",
    ",",
    ";",
    "\t",
    "|",
    "||",
    "aba",
    "ab",
    ",,",
    "\u{a6}",
    "\u{1}",
    "\u{1e}",
    "\"",
    "\"",
    "\"\"",
    "'",
    "''",
    "\\",
    "\n",
    "\n",
    "\r",
    "#",
    "//",
    "/",
    "sep=",
    "sep=;\n",
    "|\n",
    "x,\"y\"\n",
    "\u{1e}\u{1e}",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "5",
    "9",
    "9999",
    "00",
    "12345678901234567890",
    "-",
    "+",
    ".",
    "e",
    "E",
    "inf",
    "infinity",
    "NaN",
    "nan",
    "_",
    "0x",
    "t",
    "f",
    "true",
    "o",
    "\\",
    "\\x",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    "\"",
    ":",
    "null",
    "\\u0041",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "a0ee",
];
const TIMES: &[&str] = &[
    "2024-02-29",
    "2024",
    "-",
    "-",
    "/",
    ".",
    "T",
    "t",
    " ",
    " ",
    ":",
    "10:30",
    "23:59:59",
    "24:00",
    "Z",
    "+01",
    "+05:30",
    "0530",
    " BC",
    " AD",
    " PM",
    "AM",
    "20240229",
    "103015",
    ".5",
    ".9999995",
    "Europe/Berlin",
    "UTC",
    "31",
    "02",
    "1",
    "0",
    "infinity",
    "-infinity",
    "{",
    "}",
    "[",
    ")",
    ",",
    "\"",
    "null",
    "empty",
];
const PATTERNS: &[&str] = &[
    "yyyy",
    "yy",
    "y",
    "YYYY",
    "MM",
    "M",
    "MMM",
    "MMMM",
    "dd",
    "d",
    "HH",
    "hh",
    "kk",
    "KK",
    "mm",
    "ss",
    "SSS",
    "S",
    "a",
    "EEE",
    "EEEE",
    "Z",
    "ZZ",
    "ZZZ",
    "'",
    "''",
    "'T'",
    "/",
    "-",
    ".",
    ":",
    " ",
    "\n",
    "\n",
    "2024",
    "02",
    "29",
    "1",
    "10",
    "30",
    "Jan",
    "january",
    "Thu",
    "PM",
    "+01:00",
    "Europe/Berlin",
    "yyyyyyyyyyyy",
    "SSSSSSSSSSSS",
    "999999999999",
];
const OBJECTS: &[&str] = &[
    "{",
    "{",
    "}",
    "}",
    "[",
    "]",
    ",",
    ",",
    ":",
    "\"a\"",
    "\"b\"",
    "\"a\":",
    "\"b\":",
    "1",
    "-0e5",
    "1.10",
    "1e400",
    "null",
    "true",
    "\"x\"",
    "\"\\ud83d\"",
    "\"\\u00e4\"",
    "\n",
    "\n",
    "{\"a\": 1}\n",
    "{\"a\": \"\", \"b\": null}\n",
    "[{\"a\": 1}",
    ", {\"b\": [2]}]",
    "\u{feff}",
];
const SHEETS: &[&str] = &[
    "<worksheet><sheetData>",
    "</sheetData></worksheet>",
    "<row r=\"1\">",
    "<row>",
    "</row>",
    "<c r=\"A1\" t=\"s\"><v>0</v></c>",
    "<c r=\"B2\" t=\"inlineStr\"><is><t>x\"y</t></is></c>",
    "<c r=\"XFD1048576\"><v>1</v></c>",
    "<c><v>",
    "</v></c>",
    "<c r=\"C9\" s=\"1\"><v>45943.5</v></c>",
    "<c r=\"D9\" s=\"2\"><v>-1.25</v></c>",
    "<f>1+1</f>",
    "<c r=\"A99999999999\">",
    "<v>1e308</v>",
    "<c r=\"AAAAAAAAA1\" t=\"b\"><v>1</v></c>",
    "<c t=\"d\"><v>2024-01-01</v></c>",
    "<c t=\"e\"><v>#N/A</v></c>",
    "\u{1e}",
    "<sst>",
    "<si><t>a</t></si>",
    "</sst>",
    "&amp;",
    "&#0;",
    "<v>-99999999</v>",
    "<mergeCells count=\"1\">",
    "<dimension ref=\"A1:XFD1048576\"/>",
];

/// Returns an input of `head` random bytes and up to 40 words.
fn input(random: &mut StdRng, head: usize, words: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..head).map(|_| random.random()).collect();
    for _ in 0..random.random_range(1..40) {
        let from = if random.random_ratio(1, 5) { COMMON } else { words };
        bytes.extend_from_slice(from[random.random_range(0..from.len())].as_bytes());
    }
    if random.random_ratio(1, 20) {
        bytes.push(random.random());
    }
    bytes
}

/// Checks a property on random inputs. The message has the input that breaks it.
fn hold(words: &[&str], head: usize, mut check: impl FnMut(&[u8])) {
    let count = std::env::var("DOWNSPOUT_SOAK_INPUTS").map(|count| count.parse().expect("a number"));
    for seed in 0..count.unwrap_or(1500_u64) {
        let bytes = input(&mut StdRng::seed_from_u64(seed), head, words);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&bytes))) {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("the input {:?} breaks the property: {text}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn records_are_those_of_a_slow_reader() {
    hold(RECORDS, records::HEAD, records::check);
}

#[test]
fn detection_reads_a_plain_file_as_it_was_written() {
    hold(RECORDS, detection::HEAD, detection::check);
}

#[test]
fn patterns_read_dates_as_another_library_writes_them() {
    hold(PATTERNS, dates::HEAD, dates::check);
    hold(TIMES, dates::HEAD, dates::check);
}

#[test]
fn json_gives_the_values_that_another_reader_gives() {
    hold(OBJECTS, 1, json::check);
}

#[test]
fn no_workbook_makes_the_reader_panic() {
    hold(SHEETS, 1, workbook::check);
}

#[test]
fn values_are_checked_as_the_server_checks_them() {
    let postgres = NativePostgres::start();
    let mut database = Database::connect(&postgres.url(), values::TYPES.iter().map(|(name, _)| *name));
    for words in [NUMBERS, TIMES] {
        hold(words, 1, |bytes| values::check(&bytes[..bytes.len().min(40)], Some(&mut database)));
    }
}
