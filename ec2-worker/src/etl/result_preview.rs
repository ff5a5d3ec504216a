//! The field `resultPreview`: the first lines of a result, for the mail about the run.

use bytes::Bytes;

use super::dialect::Dialect;

/// The number of characters after which the start of a file is cut. For the preview, the writer of a result collects
/// whole rows until they have at least as many bytes.
const LIMIT: usize = 600;

/// The first rows that a server sends, with the header.
#[derive(Debug, Default)]
pub struct Preview {
    header: Bytes,
    rows: Vec<u8>,
    /// The number of bytes of all rows.
    all: u64,
    /// The fields of each record that the result has, in its order; empty if it has all fields in order.
    pub order: Vec<usize>,
}

impl Preview {
    /// Takes the header, which comes before the rows.
    pub fn begin(&mut self, header: Bytes) {
        self.header = header;
    }

    /// Returns the header.
    #[must_use]
    pub fn header(&self) -> &Bytes {
        &self.header
    }

    /// Takes the next row.
    #[inline]
    pub fn push(&mut self, row: &[u8]) {
        self.all += row.len() as u64;
        if self.rows.len() < LIMIT {
            self.rows.extend_from_slice(row);
        }
    }

    /// Returns the preview; `header` says whether it shows the header. Returns `None` if there is nothing to show.
    #[must_use]
    pub fn text(&self, dialect: &Dialect, header: bool) -> Option<String> {
        let shown = if header { self.header.clone() } else { Bytes::new() };
        let text = [shown.as_ref(), &self.rows].concat();
        let is_whole = self.all == self.rows.len() as u64;
        let text = if self.order.is_empty() { text } else { ordered(&text, dialect, &self.order)? };
        let all = if is_whole { text.len() as u64 } else { u64::MAX };
        (!text.is_empty()).then(|| of(&text, all, header, dialect))
    }
}

/// Returns the preview of a CSV file of `all` bytes that begins with `text`.
///
/// `header` says whether the file begins with a header. If `text` is the whole file, and the file is a header and one
/// record, the preview has one line for each column. Otherwise it is the start of the file, cut at the end of a line.
fn of(text: &[u8], all: u64, header: bool, dialect: &Dialect) -> String {
    let is_whole = u64::try_from(text.len()).is_ok_and(|seen| seen == all);
    if header
        && is_whole
        && let Some([names, values]) = only_record(text, dialect)
    {
        return lines(&names, &values);
    }
    cut(&String::from_utf8_lossy(text), is_whole)
}

/// Returns the records of a CSV text with the fields of `order` only.
fn ordered(text: &[u8], dialect: &Dialect, order: &[usize]) -> Option<Vec<u8>> {
    let (separator, quote) = (*dialect.separator.first()?, dialect.quote.unwrap_or(b'"'));
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).delimiter(separator).quote(quote).from_reader(text);
    let mut writer = csv::WriterBuilder::new();
    let mut writer = writer.flexible(true).delimiter(separator).quote(quote).from_writer(Vec::new());
    for record in reader.into_byte_records() {
        let record = record.ok()?;
        writer.write_record(order.iter().map(|index| record.get(*index).unwrap_or_default())).ok()?;
    }
    writer.into_inner().ok()
}

/// Returns the header and the only record of a CSV text, if there is exactly one.
fn only_record(text: &[u8], dialect: &Dialect) -> Option<[csv::StringRecord; 2]> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).delimiter(*dialect.separator.first()?).quote(dialect.quote.unwrap_or(b'"'));
    let mut records = reader.from_reader(text).into_records();
    let names = records.next()?.ok()?;
    let values = records.next()?.ok()?;
    records.next().is_none().then_some([names, values])
}

fn lines(names: &csv::StringRecord, values: &csv::StringRecord) -> String {
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): (&str, &str)| format!("{name:<width$}  {value}").trim_end().to_owned();
    names.iter().zip(values.iter()).map(line).collect::<Vec<_>>().join("\n")
}

fn cut(text: &str, is_whole: bool) -> String {
    let short: String = text.chars().take(LIMIT).collect();
    if is_whole && short.len() == text.len() {
        return short.trim_end().to_owned();
    }
    let end = short.rfind('\n').unwrap_or(short.len());
    format!("{}\n…", &short[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_under_a_header_is_shown_by_column() {
        let text = b"day,product\n2026-01-01,\"Kettle, 1.7 l\"\n";
        assert_eq!(
            of(text, text.len() as u64, true, &Dialect::default()),
            "day      2026-01-01\nproduct  Kettle, 1.7 l"
        );
    }

    #[test]
    fn several_records_stay_as_they_are() {
        let text = b"day\n2026-01-01\n2026-01-02\n";
        assert_eq!(of(text, text.len() as u64, true, &Dialect::default()), "day\n2026-01-01\n2026-01-02");
    }

    #[test]
    fn a_long_result_ends_at_a_line() {
        let long = "0123456789\n".repeat(100);
        let short = of(long.as_bytes(), 5_000, true, &Dialect::default());
        assert!(short.len() < LIMIT && short.ends_with("9\n…"), "{short}");
    }
}
