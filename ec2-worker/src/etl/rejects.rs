//! The quarantine: the records that a load refused, with their positions and reasons.
//!
//! The records go to a spool file in the scratch folder, so that any number of them fits. The load uploads the spool
//! file as the quarantine file, and copies it into the `_rejects` table.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::transform::Reject;
use crate::failure::Failure;

/// The columns of a quarantine file and of a `_rejects` table.
pub const COLUMNS: [&str; 8] =
    ["file", "line", "byte_offset", "column_name", "reason", "raw_line", "loaded_at", "pipeline_id"];

/// The largest number of reasons that are reported one by one.
const REPORTED: usize = 5;

/// The refused records of one load.
pub struct Spool {
    folder: PathBuf,
    pipeline: String,
    writer: Option<csv::Writer<BufWriter<File>>>,
    count: u64,
    reasons: Vec<String>,
}

impl Spool {
    /// Returns an empty spool. The first record creates its file.
    #[must_use]
    pub fn new(folder: &Path, pipeline: &str) -> Self {
        let (folder, pipeline) = (folder.to_owned(), pipeline.to_owned());
        Self { folder, pipeline, writer: None, count: 0, reasons: Vec::new() }
    }

    /// Returns the number of refused records.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the reasons of the first refused records, one line each. Their number is limited.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// Adds a record of `file`.
    ///
    /// # Errors
    ///
    /// If the scratch folder is full or fails.
    pub fn push(&mut self, file: &str, reject: &Reject) -> Result<(), Failure> {
        self.count += 1;
        if self.reasons.len() < REPORTED {
            let name = file.rsplit('/').next().unwrap_or(file);
            let column =
                reject.column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
            self.reasons.push(format!("{name}, line {}{column}: {}", reject.at.line, reject.reason));
        }
        let raw = String::from_utf8_lossy(&reject.raw).replace('\0', "\u{fffd}");
        let record = [
            file,
            &reject.at.line.to_string(),
            &reject.at.offset.to_string(),
            reject.column.as_deref().unwrap_or_default(),
            &reject.reason,
            &raw,
            &jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            &self.pipeline.clone(),
        ];
        let writer = self.writer()?;
        writer.write_record(record).map_err(|error| Failure::scratch("writing rejects", &error.into()))
    }

    /// Returns the spool file, open at its start. The file begins with a line of the column names, even if no record was
    /// refused.
    ///
    /// # Errors
    ///
    /// If the scratch folder fails.
    pub fn reader(&mut self) -> Result<File, Failure> {
        let problem = |error: &std::io::Error| Failure::scratch("reading rejects", error);
        let writer = self.writer()?;
        writer.flush().map_err(|error| problem(&error))?;
        let mut file = writer.get_ref().get_ref().try_clone().map_err(|error| problem(&error))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| problem(&error))?;
        Ok(file)
    }

    /// Returns the spool file as [`Self::reader`] does, but with each record as `change` makes it. The file stays as it is.
    ///
    /// # Errors
    ///
    /// If the scratch folder fails.
    pub fn changed(&mut self, change: impl Fn(&[String]) -> Vec<String>) -> Result<File, Failure> {
        let problem = |error: csv::Error| Failure::scratch("reading rejects", &error.into());
        let file = tempfile::tempfile_in(&self.folder)
            .map_err(|error| Failure::scratch("creating a file", &error))?;
        let mut writer = csv::Writer::from_writer(BufWriter::new(file));
        writer.write_record(COLUMNS).map_err(problem)?;
        for record in csv::Reader::from_reader(self.reader()?).into_deserialize::<Vec<String>>() {
            writer.write_record(change(&record.map_err(problem)?)).map_err(problem)?;
        }
        let problem = |error: &std::io::Error| Failure::scratch("writing rejects", error);
        let file = writer.into_inner().map_err(|error| problem(error.error()))?;
        let mut file = file.into_inner().map_err(|error| problem(error.error()))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| problem(&error))?;
        Ok(file)
    }

    /// Returns the characters of the records that are not ASCII.
    ///
    /// # Errors
    ///
    /// If the scratch folder fails.
    pub fn characters(&mut self) -> Result<BTreeSet<char>, Failure> {
        let mut found = BTreeSet::new();
        for record in csv::Reader::from_reader(self.reader()?).into_records() {
            let record = record.map_err(|error| Failure::scratch("reading rejects", &error.into()))?;
            let letters = record.iter().filter(|field| !field.is_ascii()).flat_map(str::chars);
            found.extend(letters.filter(|letter| !letter.is_ascii()));
        }
        Ok(found)
    }

    /// Reads bytes from a file that [`Self::reader`] returned into `buffer`. Returns their number, 0 at the end of the
    /// file.
    ///
    /// # Errors
    ///
    /// If the scratch folder fails.
    pub fn read(file: &mut File, buffer: &mut [u8]) -> Result<usize, Failure> {
        file.read(buffer).map_err(|error| Failure::scratch("reading rejects", &error))
    }

    fn writer(&mut self) -> Result<&mut csv::Writer<BufWriter<File>>, Failure> {
        if self.writer.is_none() {
            let file = tempfile::tempfile_in(&self.folder)
                .map_err(|error| Failure::scratch("creating a file", &error))?;
            let mut writer = csv::Writer::from_writer(BufWriter::new(file));
            writer
                .write_record(COLUMNS)
                .map_err(|error| Failure::scratch("writing rejects", &error.into()))?;
            self.writer = Some(writer);
        }
        self.writer.as_mut().ok_or_else(|| Failure::new("Worker:Internal", "the spool of rejects is gone"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::position::Position;
    use super::*;

    #[test]
    fn a_spool_is_a_csv_file_that_can_be_read_more_than_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::new(folder.path(), "df-1");
        let at = Position { offset: 10, line: 2 };
        let reject =
            Reject { at, column: Some("quantity".into()), reason: "bad".into(), raw: b"1,\"a\nb\"".to_vec() };
        spool.push("s3://b/orders.csv", &reject).expect("written");
        assert_eq!(spool.reasons(), ["orders.csv, line 2, column quantity: bad"]);
        for _ in 0..2 {
            let mut rows = csv::Reader::from_reader(spool.reader().expect("readable"));
            let row = rows.records().next().expect("one row").expect("legal");
            assert_eq!((&row[1], &row[5], &row[7]), ("2", "1,\"a\nb\"", "df-1"));
        }
    }
}
