//! Compares the headers of the files of a directory.

use super::super::header::{self, Fit};
use super::super::source::Source;
use super::super::statement::Statement;
use super::LoadTry;
use crate::failure::Failure;

impl LoadTry<'_> {
    /// Fails if the header of a file that fills a table has other names than that of the first file.
    pub(super) fn compare_headers(&mut self, source: &Source, fit: &Fit) -> Result<(), Failure> {
        let names = fit.name_set();
        let Some((first, known)) = &self.header else {
            self.header = Some((source.name(), names));
            return Ok(());
        };
        let differs = |from: &[String], other: &[String], word: &str| {
            let only = from.iter().filter(|name| !other.contains(name));
            let only: Vec<String> = only.map(|name| format!("`{name}`")).collect();
            (!only.is_empty()).then(|| format!("{word} {}", only.join(", ")))
        };
        let lacks = differs(known, &names, "lacks");
        let adds = differs(&names, known, "has also");
        let problems: Vec<String> = [lacks, adds].into_iter().flatten().collect();
        if problems.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{}: the header differs from that of {first}: it {}; give all files of a directory the same columns",
            source.name(),
            problems.join(" and ")
        );
        Err(Failure::bad_input("HeadersDiffer", message))
    }

    /// Fails if the header of a file for `insertQuery` is not that of the first file. The fields fill the placeholders in order.
    pub(super) fn compare_statements(
        &mut self,
        source: &Source,
        statement: &Statement,
    ) -> Result<(), Failure> {
        // A lone key may have any name.
        if !statement.is_named || statement.columns.len() == 1 {
            return Ok(());
        }
        let names: Vec<String> = statement.columns.iter().map(|column| column.name.clone()).collect();
        let Some((first, known)) = &self.header else {
            self.header = Some((source.name(), names));
            return Ok(());
        };
        if names.iter().map(|name| header::loose(name)).eq(known.iter().map(|name| header::loose(name))) {
            return Ok(());
        }
        let message = format!(
            "{}: the header differs from that of {first}: it is {}, and not {}; the fields fill the `?` of `insertQuery` in order, so give \
             all files of a directory the same header, in the same order",
            source.name(),
            names.join(", "),
            known.join(", ")
        );
        Err(Failure::bad_input("HeadersDiffer", message))
    }
}
