//! The records of a file: the splitter and the reader around it against a slow one.
#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, reason = "each target uses one property")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::records::check(bytes));
