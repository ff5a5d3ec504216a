//! Fuzzes texts of fields.
#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, reason = "each target uses one property")]
mod properties;

libfuzzer_sys::fuzz_target!(|text: &str| properties::expressions::check(text));
