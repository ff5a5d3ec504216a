//! The checked-in samples equal the generated ones.

use std::{fs, io, path::Path};

use e2e::samples::Samples;

type Writer = fn(&Samples, &mut Vec<u8>) -> io::Result<()>;

#[test]
fn the_checked_in_samples_equal_the_generated_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipeline-definitions/orders/samples");
    let files: [(&str, Writer); 3] = [
        ("orders.csv", Samples::write_orders),
        ("reviews.csv", Samples::write_reviews),
        ("shipments.csv", Samples::write_shipments),
    ];
    for (name, write) in files {
        let mut made = Vec::new();
        write(&Samples::CHECKED_IN, &mut made).expect("writing to memory");
        let there = fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(made == there, "{name} differs: run `make samples` and read the difference");
    }
}
