//! The definitions and samples inside the program, so that the program works without other files.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipeline-definitions/", $name)))),*]
    };
}

/// The shipped definition files by their keys. A file comes before the definition that refers to it.
pub(super) const DEFINITION_FILES: &[(&str, &[u8])] = shipped![
    "orders/tables.sql",
    "orders/agg_public_holiday.sql",
    "orders/agg_shipments.sql",
    "orders/best_performing_product.sql",
    "orders.json",
    "streams/user-data.json",
    "streams/user-events.json",
    "streams/user-utm.json",
    "tracking/tables.sql",
    "tracking.json",
];

/// A sample file: its name and its bytes.
pub type Sample = (&'static str, &'static [u8]);

/// The day of the samples. Their orders are from the year before it.
pub const SAMPLE_DAY: &str = "2026-01-01";

/// The sample files of the pipeline `orders`.
pub const SAMPLES: &[Sample] = &[
    ("orders.csv", include_bytes!("../../../../../pipeline-definitions/orders/samples/orders.csv")),
    ("reviews.csv", include_bytes!("../../../../../pipeline-definitions/orders/samples/reviews.csv")),
    ("shipments.csv", include_bytes!("../../../../../pipeline-definitions/orders/samples/shipments.csv")),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_definition_file_of_the_folder_is_in_the_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipeline-definitions");
        let mut found = Vec::new();
        for prefix in ["", "orders/", "streams/", "tracking/"] {
            for entry in std::fs::read_dir(folder.join(prefix)).expect("the folder is there") {
                let name = entry.expect("the entry is readable").file_name().to_string_lossy().into_owned();
                if [".json", ".sql"].iter().any(|ending| name.ends_with(ending)) {
                    found.push(format!("{prefix}{name}"));
                }
            }
        }
        let mut shipped: Vec<_> = DEFINITION_FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        found.sort();
        shipped.sort();
        assert_eq!(found, shipped);
    }
}
