//! Aggregates of the Kinesis Producer Library.
#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, reason = "each target uses one property")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::kpl::check(bytes));
