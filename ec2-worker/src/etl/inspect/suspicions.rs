//! Lists suspicious values in the rows of a file.

use serde::Serialize;

use super::letters::Letters;
use super::numbers::ByForm;
use super::place::{Place, SHOWN};
use super::rows::Rows;
use super::stats::Stats;
use super::verdict::{SqlType, Verdict};

/// The least number of values of a column that looks like a key.
const KEY_VALUES: u64 = 10;
/// The largest share of duplicates among the values of a column that looks like a key.
const KEY_DUPLICATES: f64 = 0.05;

/// Something suspicious in a file, with its first places.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspicion {
    /// The kind, for programs.
    pub kind: &'static str,
    /// The name of the column, if only one column is suspicious.
    pub column: Option<String>,
    /// The sentence that people read.
    pub message: String,
    /// The number of suspicious rows or values.
    pub count: u64,
    /// The first places.
    pub places: Vec<Place>,
}

/// Returns everything suspicious in a file.
#[must_use]
pub(super) fn of(
    letters: Option<&Letters>,
    rows: &Rows,
    names: &[String],
    verdicts: &[Verdict],
) -> Vec<Suspicion> {
    let mut found = letters.map(of_letters).unwrap_or_default();
    found.extend(of_records(rows));
    for (index, ((name, verdict), stats)) in names.iter().zip(verdicts).zip(&rows.columns).enumerate() {
        let mut column = Column { name, found: &mut found };
        column.types(verdict);
        column.dates(verdict, stats);
        column.numbers(verdict, stats);
        column.words(verdict, stats);
        column.blanks(stats);
        column.escapes(stats);
        if looks_like_key(index, name, verdict, stats) && stats.duplicates > 0 {
            let message = "the column looks like a key, but has the same value more than once".to_owned();
            column.push("duplicate", message, stats.duplicates, stats.duplicate_places.clone());
        }
    }
    found
}

/// Returns whether the values of a column may identify its rows.
#[must_use]
pub(super) fn looks_like_key(index: usize, name: &str, verdict: &Verdict, stats: &Stats) -> bool {
    const ENDS: [&str; 10] = ["id", "key", "uuid", "number", "no", "nr", "code", "sku", "reference", "ref"];
    let may_be = matches!(verdict.likely, SqlType::Integer | SqlType::Bigint | SqlType::Uuid | SqlType::Text)
        && stats.longest <= 64;
    let few = stats.duplicates as f64 <= KEY_DUPLICATES * stats.values as f64;
    let lower = name.to_lowercase();
    let last = lower.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    may_be
        && few
        && stats.nulls + stats.empty == 0
        && stats.values >= KEY_VALUES
        && (index == 0 || ENDS.contains(&last))
}

fn of_letters(letters: &Letters) -> Vec<Suspicion> {
    let guess = letters.guess.name().to_lowercase();
    let mut found = vec![Suspicion {
        kind: "guessed-encoding",
        column: None,
        message: format!(
            "the encoding {guess} is a guess; if it does not read these words as they are meant, set `myEncoding`"
        ),
        count: letters.lines,
        places: letters.words.clone(),
    }];
    if letters.utf8_lines > 0 {
        let message = format!(
            "lines are in UTF-8, and others are not; a load reads all of them as {guess}, so write the file in one encoding"
        );
        let (count, places) = (letters.utf8_lines, letters.utf8.clone());
        found.push(Suspicion { kind: "mixed-encoding", column: None, message, count, places });
    }
    found
}

fn of_records(rows: &Rows) -> Vec<Suspicion> {
    let mut found = Vec::new();
    let mut push = |kind, message: String, count, places: &[Place]| {
        if count > 0 {
            found.push(Suspicion { kind, column: None, message, count, places: places.to_vec() });
        }
    };
    let width = rows.columns.len();
    let fields = if width == 1 { "field" } else { "fields" };
    push(
        "width",
        format!("rows have another number of fields than {width} {fields}, as most rows have"),
        rows.other_width_count,
        &rows.other_widths,
    );
    push("text", "rows cannot be read".to_owned(), rows.broken_count, &rows.broken);
    found
}

/// Collects the suspicious values of one column.
struct Column<'a> {
    name: &'a str,
    found: &'a mut Vec<Suspicion>,
}

impl Column<'_> {
    fn push(&mut self, kind: &'static str, message: String, count: u64, places: Vec<Place>) {
        let column = Some(self.name.to_owned());
        self.found.push(Suspicion { kind, column, message, count, places });
    }

    fn types(&mut self, verdict: &Verdict) {
        let (count, places) = &verdict.misfits;
        if *count > 0 {
            let message = format!("most values are {}, these are not", verdict.likely.values());
            self.push("type", message, *count, places.clone());
        }
    }

    fn dates(&mut self, verdict: &Verdict, stats: &Stats) {
        if !matches!(verdict.likely, SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz) {
            return;
        }
        if !verdict.ambiguous.is_empty() {
            let all = verdict.ambiguous.join(" and ");
            let message = format!("all values fit {all}; the file does not say which, and `myColumn` can");
            self.push("ambiguous-date", message, stats.real(), examples(stats));
        }
        let short: Vec<_> = stats.moments.shapes.iter().filter(|shape| shape.has_short_years()).collect();
        let count: u64 = short.iter().map(|shape| shape.read).sum();
        if count > 0 {
            let message =
                "years have two digits; they mean 80 years before today to 19 years after".to_owned();
            let places = short.iter().flat_map(|shape| shape.places.iter().cloned()).take(SHOWN);
            self.push("two-digit-year", message, count, places.collect());
        }
    }

    fn numbers(&mut self, verdict: &Verdict, stats: &Stats) {
        // The column may be text because of this doubt alone.
        let doubtful = |form: &ByForm| form.doubts > 0 && form.proofs == 0;
        let doubts = stats.numbers.forms.iter().filter(|form| doubtful(form)).map(|form| form.doubts).max();
        let of = |count: u64| count * 10 >= stats.real() * 9;
        if let Some(count) = doubts.filter(|count| of(count + stats.numbers.bare)) {
            let message = format!(
                "{count} of {} values have a separator before three digits, which may be a decimal or a grouping character",
                stats.real()
            );
            self.push("grouping", message, count, examples(stats));
        }
        let is_number =
            matches!(verdict.likely, SqlType::Integer | SqlType::Bigint | SqlType::Numeric | SqlType::Double);
        if !is_number {
            return;
        }
        if verdict.remarks.iter().any(|remark| remark.contains("decimal commas")) {
            let message = "numbers have a comma before their fraction, which needs `myDecimal`".to_owned();
            self.push("decimal-comma", message, stats.real(), examples(stats));
        }
        if stats.numbers.exponents > 0 {
            let message = "numbers have exponents; a spreadsheet may have cut their digits".to_owned();
            self.push("exponent", message, stats.numbers.exponents, stats.numbers.exponent_places.clone());
        }
    }

    fn words(&mut self, verdict: &Verdict, stats: &Stats) {
        for (word, found) in &stats.null_words {
            let clash = verdict.obstacle.as_ref().filter(|obstacle| obstacle.contains("myNullValues"));
            let message = match (clash, verdict.safe()) {
                (Some(obstacle), _) => obstacle.clone(),
                (None, SqlType::Text) => format!("\"{word}\" may mean no value; it is kept as a text"),
                (None, _) => format!("\"{word}\" means no value; the load needs it in `myNullValues`"),
            };
            self.push("null-word", message, found.count, Vec::new());
        }
    }

    fn escapes(&mut self, stats: &Stats) {
        if stats.escapes > 0 {
            let message = "values have \\n, \\r or \\t, which a load keeps as a backslash and a letter; if they stand for line breaks and \
                           tabs, as in the text form of PostgreSQL's COPY, export the rows as CSV"
                .to_owned();
            self.push("escape", message, stats.escapes, stats.escape_places.clone());
        }
    }

    fn blanks(&mut self, stats: &Stats) {
        if stats.blanks > 0 {
            let message = "values begin or end with blanks".to_owned();
            self.push("blanks", message, stats.blanks, stats.blank_places.clone());
        }
    }
}

/// Returns the first values of a column, for a suspicion that concerns all of its values.
fn examples(stats: &Stats) -> Vec<Place> {
    stats.examples.clone()
}
