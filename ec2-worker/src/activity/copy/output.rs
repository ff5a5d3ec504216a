//! The data format of a file that a `CopyActivity` writes: the fields that apply to writing, and the
//! reasons why rows cannot be written.

use definition::PipelineObject;
use definition::expression;
use definition::kind::field::{self, MyDialect};

use crate::etl::dialect::Dialect;
use crate::etl::value_rules::{ValueRules, is_same_word};
use crate::failure::Failure;
use crate::hindrance::Hindrance;
use crate::node::Format;

/// The reason why a file in another form than text is not written.
pub(super) const UNWRITTEN: &str = "is for files to read; ec2-worker writes CSV, TSV and Custom";

/// The texts that mean NULL in a file to write. The writer quotes or refuses values that are equal to them.
#[derive(Clone, Debug, Default)]
pub(super) struct WrittenNulls {
    words: Vec<String>,
    in_quotes: bool,
}

impl WrittenNulls {
    /// Reads the fields of the data format.
    ///
    /// # Errors
    ///
    /// If a field cannot be used.
    pub(super) fn read(format: Option<&PipelineObject>) -> Result<Self, Hindrance> {
        let Some(format) = format else { return Ok(Self::default()) };
        let rules = ValueRules::read(format, None)?;
        Ok(Self { words: ValueRules::nulls(format, None), in_quotes: rules.quoted_nulls })
    }

    /// Returns whether a file to read has the same texts for NULL: `words`, which also mean NULL in quotes if `in_quotes` is true.
    pub(super) fn are(&self, words: &[String], in_quotes: bool) -> bool {
        let has = |all: &[String], word: &String| all.contains(word);
        self.in_quotes == in_quotes
            && self.words.iter().all(|word| has(words, word))
            && words.iter().all(|word| has(&self.words, word))
    }

    /// Returns the dialect of a file to write.
    ///
    /// # Errors
    ///
    /// The errors of [`Dialect::of`].
    pub(super) fn dialect(&self, format: Option<&Format>) -> Result<Dialect, Failure> {
        Ok(Dialect { quoted_nulls: self.in_quotes, ..Dialect::of(format, &self.words)? })
    }
}

/// Returns why the rows of a database cannot be written in a data format, if a load with the same format would not read
/// them back.
pub(super) fn hindrance(format: &PipelineObject) -> Option<Hindrance> {
    if let Some(hindrance) = form_hindrance(format) {
        return Some(hindrance);
    }
    // A rule that cannot be read is reported by another hindrance.
    let rules = ValueRules::read(format, None).ok()?;
    let has_word = |words: &[String], word: &[u8]| words.iter().any(|known| is_same_word(known, word));
    let numbers = rules.numbers.as_ref();
    let patterns = rules.dates.iter().chain(rules.columns.iter().map(|of| &of.pattern));
    let fields = [
        (numbers.is_some_and(|form| form.decimal != '.'), "myDecimal", "numbers with a decimal point"),
        (
            numbers.is_some_and(|form| form.grouping == Some('.')),
            "myGrouping",
            "numbers with a decimal point",
        ),
        (has_word(&rules.truths, b"f"), "myTrue", "f for false"),
        (has_word(&rules.falsehoods, b"t"), "myFalse", "t for true"),
        (
            patterns.into_iter().any(|pattern| pattern.contradicts_iso()),
            if rules.dates.is_empty() { "myColumn" } else { "myDateFormat" },
            "dates in ISO 8601",
        ),
    ];
    fields.into_iter().find_map(|(is_set, field, written)| {
        let what = format!("gives another meaning to the output, because an export writes {written}");
        is_set.then(|| {
            Hindrance::new(format, field, format!("{what}; give the output a data format without it"))
        })
    })
}

/// Returns why files with a data format are not written, if the format is for files to read only.
pub(super) fn form_hindrance(format: &PipelineObject) -> Option<Hindrance> {
    let text = format.string("myDialect").filter(|text| !expression::is_in(text))?;
    let dialect = field::MY_DIALECT.parse(text).ok()?;
    matches!(dialect, MyDialect::Xlsx | MyDialect::Json)
        .then(|| Hindrance::new(format, "myDialect", format!("is {text}, which {UNWRITTEN}")))
}
