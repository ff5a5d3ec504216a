//! Writes the sample files of the orders pipeline: `generate-samples DIR [ORDERS]`.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use e2e::samples::Samples;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("usage: generate-samples DIR [ORDERS]")?);
    let samples = match arguments.next() {
        None => Samples::CHECKED_IN,
        Some(orders) => Samples {
            orders: orders.parse().context("ORDERS is a number of rows")?,
            with_bad_rows: false,
            ..Samples::CHECKED_IN
        },
    };
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let open = |name: &str| -> Result<BufWriter<File>> {
        let path = folder.join(name);
        Ok(BufWriter::new(File::create(&path).with_context(|| format!("writing {}", path.display()))?))
    };
    let mut orders = open("orders.csv")?;
    samples.write_orders(&mut orders)?;
    let mut reviews = open("reviews.csv")?;
    samples.write_reviews(&mut reviews)?;
    let mut shipments = open("shipments.csv")?;
    samples.write_shipments(&mut shipments)?;
    for file in [&mut orders, &mut reviews, &mut shipments] {
        file.flush()?;
    }
    Ok(())
}
