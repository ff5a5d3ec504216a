//! `downspout demo`, as a first visitor runs it.

use std::process::Command;

use crate::PROGRAM;

#[test]
fn the_demo_succeeds_and_shows_the_tables_and_the_mail() {
    let output = Command::new(PROGRAM).arg("demo").output().expect("starting the demo");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    for expected in [
        "orders 2026-01-01: 24000 rows loaded, 12 refused",
        "agg_public_holiday",
        "Kettle, 1.7 l",
        "652",
        "best_performing_product.csv",
    ] {
        assert!(said.contains(expected), "the demo does not show `{expected}`:\n{said}");
    }
}
