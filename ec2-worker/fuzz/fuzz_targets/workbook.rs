//! The reader of workbooks. A panic of its library is not a finding: the worker catches it and refuses the file.
#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, reason = "each target uses one property")]
mod properties;

use std::sync::Once;

static HOOK: Once = Once::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    HOOK.call_once(|| {
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map_or("", |location| location.file());
            if !place.contains("/calamine-") {
                abort(panic);
            }
        }));
    });
    properties::workbook::check(bytes);
});
