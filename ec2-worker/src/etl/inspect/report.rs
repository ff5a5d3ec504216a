//! The report about a file, which `inspect` shows to people and prints as JSON for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::dialect::{Form, shown};
use super::Inspection;
use super::number;
use super::stats::{Class, Stats};
use super::survey::LineEnds;
pub use super::suspicions::Suspicion;
use super::suspicions::{self, looks_like_key};
use super::verdict::{FileRules, SqlType, Verdict};

/// Everything that is known about a file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The name of the file.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The size of its text in bytes, after unpacking.
    pub text_bytes: u64,
    /// `text`, `json` or `workbook`.
    pub form: &'static str,
    /// How it is packed.
    pub packing: Option<&'static str>,
    /// The name of its encoding, in words for people.
    pub encoding: String,
    /// The encoding that `myEncoding` must declare, unless a load finds it by itself.
    pub declare_encoding: Option<String>,
    /// The ends of its lines.
    pub line_ends: LineEnds,
    /// The separator of a text file.
    pub separator: Option<String>,
    /// The quote of a text file.
    pub quote: Option<String>,
    /// The escape of a text file.
    pub escape: Option<String>,
    /// The start of comments.
    pub comment: Option<String>,
    /// The number of lines before the header.
    pub skip_lines: u64,
    /// Whether the first record names the columns.
    pub header: bool,
    /// Whether the file proves that the first record is the header, or that it is not the header.
    pub header_is_sure: bool,
    /// The reason why the first record is the header, or why it is not the header.
    pub header_reason: String,
    /// The number of rows.
    pub rows: u64,
    /// The number of blank records. They do not count as rows.
    pub blank: u64,
    /// The number of comments. They do not count as rows.
    pub comments: u64,
    /// The columns.
    pub columns: Vec<Column>,
    /// Everything suspicious.
    pub suspicious: Vec<Suspicion>,
    /// Sentences for the user about how the file was read.
    pub notes: Vec<String>,
}

/// A column of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type that most values have.
    #[serde(rename = "type")]
    pub likely: SqlType,
    /// The type that holds every value as it is.
    pub safe_type: SqlType,
    /// The share of the values that are of the likely type.
    pub share: f64,
    /// The patterns of the dates.
    pub patterns: Vec<String>,
    /// Several patterns that all read the dates, if nothing shows which of them is meant.
    pub ambiguous: Vec<String>,
    /// The null words in the column, such as N/A, and how often each of them is there.
    pub null_words: BTreeMap<&'static str, u64>,
    /// The reason why the safe type is text.
    pub obstacle: Option<String>,
    /// Remarks about the type.
    pub remarks: Vec<String>,
    /// The number of values.
    pub values: u64,
    /// The share of fields that a load takes for NULL, by the rules that the file needs.
    pub null_share: f64,
    /// The number of different values.
    pub distinct: usize,
    /// Whether there may be more different values, because not all of them could be remembered.
    pub distinct_is_least: bool,
    /// Whether the column looks like a key.
    pub looks_like_key: bool,
    /// The smallest value.
    pub min: Option<String>,
    /// The largest value.
    pub max: Option<String>,
    /// The length of the longest value in characters.
    pub longest: usize,
    /// Some values.
    pub examples: Vec<String>,
}

impl Report {
    /// Returns the report about an inspection.
    #[must_use]
    pub fn of(inspection: &Inspection) -> Self {
        let Inspection { name, survey, letters, rows, names, verdicts, rules } = inspection;
        let dialect = &rows.dialect;
        let is_text = dialect.form == Form::Text;
        let byte = |byte: Option<u8>| byte.filter(|_| is_text).map(|byte| shown(&[byte]));
        let columns = names.iter().zip(verdicts).zip(&rows.columns).enumerate();
        let columns = columns
            .map(|(index, ((name, verdict), stats))| Column::of(index, name, verdict, stats, rules))
            .collect();
        Self {
            file: name.clone(),
            bytes: survey.bytes,
            text_bytes: survey.text_bytes,
            form: match survey.form {
                Form::Text => "text",
                Form::Json => "json",
                Form::Workbook => "workbook",
            },
            packing: survey.packing,
            encoding: survey.encoding.clone(),
            declare_encoding: survey.declared.map(|encoding| encoding.name().to_lowercase()),
            line_ends: survey.line_ends,
            separator: is_text.then(|| dialect.shown_separator()).filter(|_| rows.columns.len() > 1),
            quote: byte(dialect.quote),
            escape: byte(dialect.escape),
            comment: (!dialect.comment.is_empty()).then(|| shown(&dialect.comment)),
            skip_lines: dialect.skip_lines,
            header: rows.header.is_some(),
            header_is_sure: rows.header_sign.is_sure,
            header_reason: rows.header_sign.reason.clone(),
            rows: rows.rows,
            blank: rows.skipped.blank,
            comments: rows.skipped.comments,
            columns,
            suspicious: suspicions::of(letters.as_ref(), rows, names, verdicts),
            notes: rows.notes.clone(),
        }
    }
}

impl Column {
    fn of(index: usize, name: &str, verdict: &Verdict, stats: &Stats, rules: &FileRules) -> Self {
        let (distinct, distinct_is_least) = stats.distinct();
        let all = (stats.nulls + stats.empty + stats.values).max(1);
        let missing = nulls(verdict, stats, rules);
        let (min, max) = range(verdict, stats, rules.form);
        Self {
            name: name.to_owned(),
            likely: verdict.likely,
            safe_type: verdict.safe(),
            share: verdict.share,
            patterns: verdict.patterns.clone(),
            ambiguous: verdict.ambiguous.clone(),
            null_words: stats.null_words.iter().map(|(word, found)| (*word, found.count)).collect(),
            obstacle: verdict.obstacle.clone(),
            remarks: verdict.remarks.clone(),
            values: stats.values,
            null_share: missing as f64 / all as f64,
            distinct,
            distinct_is_least,
            looks_like_key: looks_like_key(index, name, verdict, stats),
            min,
            max,
            longest: stats.longest,
            examples: stats.examples.iter().take(3).map(|place| place.text.clone()).collect(),
        }
    }
}

/// Returns the number of fields that a load takes for NULL by the rules that the file needs.
fn nulls(verdict: &Verdict, stats: &Stats, rules: &FileRules) -> u64 {
    let is_text = verdict.safe() == SqlType::Text;
    // A text in quotes may be empty, and a number may not.
    let empty = if is_text && !rules.has_quoted_nulls { 0 } else { stats.empty };
    let words = stats.null_words.iter().filter(|(word, _)| rules.nulls.contains(*word));
    let words = words.map(|(_, found)| match rules.has_quoted_nulls {
        true => found.count,
        false => found.count - found.quoted,
    });
    stats.nulls + empty + words.sum::<u64>()
}

/// Returns the smallest and the largest value: by size for numbers, by time for dates, and by their texts for other
/// types.
fn range(verdict: &Verdict, stats: &Stats, form: usize) -> (Option<String>, Option<String>) {
    let of_text = (stats.least.clone(), stats.most.clone());
    match verdict.likely {
        SqlType::Integer | SqlType::Bigint | SqlType::Numeric | SqlType::Double
            if form < number::FORMS.len() && stats.fits(Class::Number(form)) > 0 =>
        {
            let by_form = &stats.numbers.forms[form];
            let text = |end: &Option<(f64, String)>| end.as_ref().map(|(_, text)| text.clone());
            (text(&by_form.least), text(&by_form.most))
        }
        SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz => {
            let ways = stats.moments.shapes.iter().flat_map(|shape| &shape.ways);
            let chosen =
                ways.filter(|way| verdict.patterns.iter().any(|of| of == way.reading.pattern.text()));
            let spans: Vec<_> = chosen.map(|way| &way.span).chain([&stats.moments.span]).collect();
            let least = spans.iter().filter_map(|span| span.least.as_ref()).min();
            let most = spans.iter().filter_map(|span| span.most.as_ref()).max();
            let text = |(_, text): &((i32, i64), String)| text.clone();
            match (least, most) {
                (Some(least), Some(most)) => (Some(text(least)), Some(text(most))),
                _ => of_text,
            }
        }
        _ => of_text,
    }
}
