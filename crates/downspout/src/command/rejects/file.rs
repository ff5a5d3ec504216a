//! The CSV file in which a person mends refused rows.

use std::path::PathBuf;

use anyhow::Context;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::primitives::ByteStream;
use ec2_worker::etl::load::retry::Mended;
use ec2_worker::etl::rejected::RefusedRow;
use ec2_worker::etl::rejects::COLUMNS;
use ec2_worker::storage::S3Uri;

use super::super::output;
use crate::local::stack::Endpoints;
use crate::sdk_error::readable;

/// The place of a file.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// An object.
    S3(S3Uri),
    /// A local file.
    Path(PathBuf),
    /// Standard output.
    Standard,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match S3Uri::parse(text) {
            Some(at) if at.key.is_empty() || at.key.ends_with('/') => {
                Err(format!("`{text}` names no object: write s3://bucket/key"))
            }
            Some(at) => Ok(Self::S3(at)),
            None if text == "-" => Ok(Self::Standard),
            None => Ok(Self::Path(PathBuf::from(text))),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::S3(at) => at.fmt(f),
            Self::Path(path) => path.display().fmt(f),
            Self::Standard => f.write_str("-"),
        }
    }
}

impl Place {
    pub(super) fn is_standard_output(&self) -> bool {
        matches!(self, Self::Standard)
    }

    /// Returns whether there is such a file already.
    pub(super) async fn exists(&self, endpoints: &Endpoints) -> anyhow::Result<bool> {
        match self {
            Self::S3(at) => {
                let head = endpoints.s3().head_object().bucket(&at.bucket).key(&at.key).send().await;
                match head {
                    Ok(_) => Ok(true),
                    Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => {
                        Ok(false)
                    }
                    Err(error) => Err(readable(error)).with_context(|| format!("looking for {at}")),
                }
            }
            Self::Path(path) => Ok(path.is_file()),
            Self::Standard => Ok(false),
        }
    }

    /// Writes the whole file.
    pub(super) async fn write(&self, endpoints: &Endpoints, bytes: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::S3(at) => {
                let put = endpoints.s3().put_object().bucket(&at.bucket).key(&at.key);
                let sent = put.content_type("text/csv").body(ByteStream::from(bytes.to_vec())).send().await;
                sent.map(drop).map_err(readable).with_context(|| format!("writing {at}"))
            }
            Self::Path(path) => {
                std::fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
            }
            Self::Standard => Ok(output::print(&String::from_utf8_lossy(bytes))?),
        }
    }

    /// Reads the whole file.
    pub(super) async fn read(&self, endpoints: &Endpoints) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::S3(at) => {
                let got = endpoints.s3().get_object().bucket(&at.bucket).key(&at.key).send().await;
                let got = got.map_err(readable).with_context(|| format!("fetching {at}"))?;
                Ok(got.body.collect().await.with_context(|| format!("fetching {at}"))?.to_vec())
            }
            Self::Path(path) => std::fs::read(path).with_context(|| format!("reading {}", path.display())),
            Self::Standard => anyhow::bail!("give the mended file as a path or as s3://bucket/key"),
        }
    }
}

/// Returns refused rows as CSV, with the columns of a quarantine file.
pub(super) fn written(rows: &[RefusedRow]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for row in rows {
        writer.write_record([
            &row.file,
            &row.line.to_string(),
            &row.byte_offset.to_string(),
            row.column_name.as_deref().unwrap_or_default(),
            &row.reason,
            &row.raw_line,
            &row.loaded_at,
            &row.pipeline_id,
        ])?;
    }
    Ok(writer.into_inner()?)
}

/// Reads a mended file: an export, or the quarantine file of a run, as a spreadsheet may have saved it.
///
/// # Errors
///
/// If the file is not such a CSV. The message names the file, the line and the column.
pub(super) fn mended(name: &str, bytes: &[u8], run: &str) -> anyhow::Result<Vec<Mended>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            anyhow::anyhow!("{name}, line {line}: the text is not UTF-8; save the file as \"CSV UTF-8\"")
        })?
        .trim_start_matches('\u{feff}');
    let head = text.lines().next().unwrap_or_default();
    let separator = [b',', b';', b'\t'].into_iter().max_by_key(|byte| {
        let count = head.bytes().filter(|other| other == byte).count();
        // If a comma is as frequent as another separator, the comma is the separator.
        (count, u8::from(*byte == b','))
    });
    let mut builder = csv::ReaderBuilder::new();
    builder.flexible(true).delimiter(separator.unwrap_or(b','));
    let mut reader = builder.from_reader(text.as_bytes());
    let headers = reader.headers().with_context(|| format!("reading {name}"))?.clone();
    let column = |wanted: &str| {
        let found = headers.iter().position(|header| header.trim() == wanted);
        found.with_context(|| {
            format!(
                "{name}, line 1: there is no column `{wanted}`; the file must be one that `downspout rejects export` wrote, with \
                 the columns file, line, byte_offset and raw_line"
            )
        })
    };
    let (file, line, offset, raw) =
        (column("file")?, column("line")?, column("byte_offset")?, column("raw_line")?);
    let pipeline = headers.iter().position(|header| header.trim() == "pipeline_id");
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("reading {name}"))?;
        let at = line_at(text, record.position().map_or(0, csv::Position::byte));
        let place = format!("{name}, line {at}");
        if record.iter().all(str::is_empty) {
            continue;
        }
        anyhow::ensure!(
            record.len() == headers.len(),
            "{place}: {} columns instead of {}; quote raw_line if it contains the separator",
            record.len(),
            headers.len()
        );
        let number = |index: usize, column: &str| {
            let text = record.get(index).unwrap_or_default().trim();
            text.parse::<i64>().with_context(|| {
                format!("{place}, column {column}: `{text}` is not the whole number that the export wrote; restore it")
            })
        };
        let own = pipeline.and_then(|index| record.get(index)).map(str::trim).filter(|own| !own.is_empty());
        if let Some(own) = own.filter(|own| *own != run) {
            anyhow::bail!(
                "{place}: the row was refused by run {own}, not by {run}; retry each run by itself"
            );
        }
        rows.push(Mended {
            row: RefusedRow {
                pipeline_id: run.to_owned(),
                file: record.get(file).unwrap_or_default().to_owned(),
                line: number(line, "line")?,
                byte_offset: number(offset, "byte_offset")?,
                column_name: None,
                reason: String::new(),
                raw_line: record.get(raw).unwrap_or_default().to_owned(),
                loaded_at: String::new(),
                retried_at: None,
            },
            place,
        });
    }
    anyhow::ensure!(!rows.is_empty(), "{name}: the file has no rows");
    Ok(rows)
}

/// Returns the number of the line of a record. The reader may say that a record begins with the end of the line before it.
fn line_at(text: &str, byte: u64) -> usize {
    let (before, rest) =
        text.split_at_checked(usize::try_from(byte).unwrap_or(usize::MAX)).unwrap_or((text, ""));
    let skipped = rest.len() - rest.trim_start_matches(['\r', '\n']).len();
    before.matches('\n').count() + rest[..skipped].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(raw: &str) -> RefusedRow {
        RefusedRow {
            pipeline_id: "df-1".to_owned(),
            file: "s3://b/in, 1.csv".to_owned(),
            line: 7,
            byte_offset: 120,
            column_name: None,
            reason: "\"x\" is not a date".to_owned(),
            raw_line: raw.to_owned(),
            loaded_at: "2026-01-31T00:00:00+00".to_owned(),
            retried_at: None,
        }
    }

    #[test]
    fn an_export_comes_back_as_it_was_also_from_a_spreadsheet() {
        let raw = "1,\"a;\nb\",=1";
        let exported = String::from_utf8(written(&[row(raw)]).expect("written")).expect("UTF-8");
        let by_semicolons = "\u{feff}file;line;byte_offset;raw_line\r\n\"s3://b/in, 1.csv\";7;120;\"1,\"\"a;\nb\"\",=1\"\r\n;;;\r\n";
        for text in [exported.as_str(), by_semicolons] {
            let [back] = &mended("m.csv", text.as_bytes(), "df-1").expect("legal")[..] else {
                panic!("one row")
            };
            assert_eq!((back.row.raw_line.as_str(), back.row.line, back.row.byte_offset), (raw, 7, 120));
            assert_eq!((back.row.file.as_str(), back.place.as_str()), ("s3://b/in, 1.csv", "m.csv, line 2"));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_says_where() {
        let head = "file,line,byte_offset,raw_line,pipeline_id\n";
        for (text, says) in [
            ("a,b\n1,2\n".to_owned(), "m.csv, line 1: there is no column `file`"),
            (head.to_owned(), "m.csv: the file has no rows"),
            (format!("{head}f,7,1.2E+08,x,df-1\n"), "m.csv, line 2, column byte_offset: `1.2E+08` is not"),
            (format!("{head}f,7,1,x,y,df-1\n"), "m.csv, line 2: 6 columns instead of 5"),
            (format!("{head}f,7,1,x,df-2\n"), "m.csv, line 2: the row was refused by run df-2, not by df-1"),
        ] {
            let error = mended("m.csv", text.as_bytes(), "df-1").expect_err("not legal").to_string();
            assert!(error.starts_with(says), "{error}");
        }
        let error = mended("m.csv", b"file\n\xe9", "df-1").expect_err("not UTF-8").to_string();
        assert!(error.starts_with("m.csv, line 2: the text is not UTF-8"), "{error}");
    }
}
