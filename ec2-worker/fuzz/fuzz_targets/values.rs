//! The checks of values. The environment variable `FUZZ_DATABASE` names a PostgreSQL to compare with.
#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, reason = "each target uses one property")]
mod properties;

use std::sync::{LazyLock, Mutex, PoisonError};

use properties::readings::Database;
use properties::values::{TYPES, check};

static DATABASE: LazyLock<Option<Mutex<Database>>> = LazyLock::new(|| {
    let url = std::env::var("FUZZ_DATABASE").ok()?;
    Some(Mutex::new(Database::connect(&url, TYPES.iter().map(|(name, _)| *name))))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut database =
        DATABASE.as_ref().map(|database| database.lock().unwrap_or_else(PoisonError::into_inner));
    check(bytes, database.as_deref_mut());
});
