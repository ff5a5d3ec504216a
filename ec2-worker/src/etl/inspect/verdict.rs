//! Decides the type of each column, and the rules by which a load reads the file.
//!
//! A column has a type other than text only if all of its values are of that type and have one meaning. So a load by
//! these types refuses no value, and changes none.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::moment::Order;
use super::moments::Shape;
use super::place::Place;
use super::stats::{Class, NullWord, Stats};
use super::{number, words};

/// The least share of values that must be of a class before the other values are suspicious.
const CLEAR: f64 = 0.9;
/// The least number of values from which a share is computed.
const ENOUGH: u64 = 10;
/// The largest number for which `integer` is proposed. It leaves room below the limit of the type.
const LARGEST_INTEGER: f64 = 1e9;
/// The first number that `bigint` may not hold.
const BEYOND_BIGINT: f64 = 9.2e18;
/// The largest number of digits with which programs write a `double precision`.
const DOUBLE_DIGITS: usize = 17;

/// A type of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SqlType {
    /// `boolean`.
    Boolean,
    /// `integer`.
    Integer,
    /// `bigint`.
    Bigint,
    /// `numeric`.
    Numeric,
    /// `double precision`.
    #[serde(rename = "double precision")]
    Double,
    /// `date`.
    Date,
    /// `timestamp`.
    Timestamp,
    /// `timestamptz`.
    Timestamptz,
    /// `time`.
    Time,
    /// `uuid`.
    Uuid,
    /// `jsonb`.
    Jsonb,
    /// `text`.
    Text,
}

impl SqlType {
    /// Returns the word for values of the type in a sentence.
    #[must_use]
    pub fn values(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Integer | Self::Bigint => "whole numbers",
            Self::Numeric | Self::Double => "numbers",
            Self::Date => "dates",
            Self::Timestamp => "dates with times",
            Self::Timestamptz => "dates with times and offsets",
            Self::Time => "times of day",
            Self::Uuid => "UUIDs",
            Self::Jsonb => "JSON",
            Self::Text => "texts",
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Bigint => "bigint",
            Self::Numeric => "numeric",
            Self::Double => "double precision",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Time => "time",
            Self::Uuid => "uuid",
            Self::Jsonb => "jsonb",
            Self::Text => "text",
        })
    }
}

/// The type of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The type that most values have.
    pub likely: SqlType,
    /// The share of the values that have this type. Missing values do not count.
    pub share: f64,
    /// The number of values that do not have this type, and the first of them.
    pub misfits: (u64, Vec<Place>),
    /// The reason why the column should be text in spite of its likely type, if there is one.
    pub obstacle: Option<String>,
    /// The patterns of its dates.
    pub patterns: Vec<String>,
    /// Several patterns that all read the same dates, if nothing shows which of them is meant.
    pub ambiguous: Vec<String>,
    /// Remarks about the type.
    pub remarks: Vec<String>,
}

impl Verdict {
    fn of(likely: SqlType) -> Self {
        Self {
            likely,
            share: 1.0,
            misfits: (0, Vec::new()),
            obstacle: None,
            patterns: Vec::new(),
            ambiguous: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn but(mut self, obstacle: String) -> Self {
        self.obstacle.get_or_insert(obstacle);
        self
    }

    /// Returns the type that holds every value as it is.
    #[must_use]
    pub fn safe(&self) -> SqlType {
        let is_sure = self.obstacle.is_none() && self.misfits.0 == 0;
        if is_sure { self.likely } else { SqlType::Text }
    }
}

/// The rules for the whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRules {
    /// The index of the form of its numbers.
    pub form: usize,
    /// Whether a column has numbers.
    pub has_numbers: bool,
    /// The currencies before and after numbers.
    pub currencies: BTreeSet<&'static str>,
    /// Whether there are percentages.
    pub has_percentages: bool,
    /// Whether a plus or minus sign follows a number.
    pub has_trailing_signs: bool,
    /// The texts that mean NULL.
    pub nulls: BTreeSet<&'static str>,
    /// Whether some of them are in quotes.
    pub has_quoted_nulls: bool,
    /// The words for true and false that PostgreSQL does not know.
    pub truths: BTreeSet<(&'static str, &'static str)>,
}

/// Decides the types of the columns. `names` are their names, which may show that eight digits are a date.
#[must_use]
pub fn decide(columns: &[Stats], names: &[String]) -> (FileRules, Vec<Verdict>) {
    let form = number_form(columns);
    let order = date_order(columns);
    let mut verdicts: Vec<Verdict> = columns
        .iter()
        .enumerate()
        .map(|(index, stats)| {
            let name = names.get(index).map_or("", String::as_str);
            let others = columns.iter().enumerate().filter(|(other, _)| *other != index);
            let is_proven = others.map(|(_, other)| other).any(|other| proves_decimal(other, form));
            of_column(stats, name, (form, is_proven), order)
        })
        .collect();
    keep_words(columns, &mut verdicts);
    (rules(columns, &verdicts, form), verdicts)
}

/// Returns the form of numbers that fits most columns. Every form but the first needs a value that proves it.
fn number_form(columns: &[Stats]) -> usize {
    let mut best = (0, 0);
    for form in 0..number::FORMS.len() {
        let is_proven = form == 0 || columns.iter().any(|stats| stats.numbers.forms[form].proofs > 0);
        let fits = |stats: &&Stats| {
            let real = stats.real();
            real > 0 && stats.fits(Class::Number(form)) as f64 >= CLEAR * real as f64
        };
        let count = columns.iter().filter(fits).count();
        if is_proven && count > best.1 {
            best = (form, count);
        }
    }
    best.0
}

/// Returns the order of day and month if some dates of the file prove one, and no others prove another one.
fn date_order(columns: &[Stats]) -> Option<Order> {
    let shapes = columns.iter().flat_map(|stats| &stats.moments.shapes);
    let proven: BTreeSet<Order> = shapes.filter_map(Shape::proven).collect();
    proven.first().copied().filter(|_| proven.len() == 1)
}

/// Returns whether the numbers of a column prove the decimal character of a form, as `2.5` proves the point.
fn proves_decimal(stats: &Stats, form: usize) -> bool {
    let real = stats.real();
    real > 0 && is_clear(stats.fits(Class::Number(form)), real) && stats.numbers.forms[form].proves_decimal
}

/// Decides the type of a column. `form` is the form of the numbers of the file, and whether another column proves its decimal
/// character.
fn of_column(stats: &Stats, name: &str, (form, is_proven): (usize, bool), order: Option<Order>) -> Verdict {
    let real = stats.real();
    if real == 0 {
        let mut verdict = Verdict::of(SqlType::Text);
        verdict.remarks.push("it has no values".to_owned());
        return verdict;
    }
    let order_of_trial = [Class::Uuid, Class::Time, Class::Moment, Class::Number(form), Class::Json];
    let truths = (0..words::TRUTHS.len()).map(Class::Truth);
    let best = truths
        .chain(order_of_trial)
        .map(|class| (stats.fits(class), class))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    let Some((fits, class)) = best.filter(|(fits, _)| is_clear(*fits, real)) else {
        return Verdict { remarks: text_remarks(stats), ..Verdict::of(SqlType::Text) };
    };
    let mut verdict = match class {
        Class::Truth(pair) => truth(stats, pair),
        Class::Uuid => Verdict::of(SqlType::Uuid),
        Class::Time => Verdict::of(SqlType::Time),
        Class::Json => Verdict::of(SqlType::Jsonb),
        Class::Moment => moment(stats, order),
        Class::Number(form) => number(stats, name, form, is_proven),
    };
    if verdict.likely == SqlType::Text {
        return verdict;
    }
    if fits < real {
        verdict.misfits.0 += real - fits;
        let places = stats.classes.get(&class).map(|tally| tally.misfits.clone()).unwrap_or_default();
        verdict.misfits.1.splice(0..0, places);
        verdict.misfits.1.truncate(super::place::SHOWN);
    }
    verdict.share = (real - verdict.misfits.0.min(real)) as f64 / real as f64;
    verdict
}

fn is_clear(fits: u64, real: u64) -> bool {
    fits == real || (real >= ENOUGH && fits as f64 >= CLEAR * real as f64)
}

fn text_remarks(stats: &Stats) -> Vec<String> {
    let numbers = &stats.numbers;
    if numbers.codes > 0 && numbers.codes + stats.fits(Class::Number(0)) >= stats.real() {
        return vec![code_remark(stats)];
    }
    let whole = [1, 3].into_iter().find(|form| stats.fits(Class::Number(*form)) == stats.real());
    let by_form = whole.map(|form| &numbers.forms[form]);
    let remark = by_form.and_then(|by_form| Some(group_doubt(by_form.doubt.as_ref()?, by_form.doubts)));
    remark.into_iter().collect()
}

/// Says that all separators of a column stand before three digits, and what decides their meaning.
fn group_doubt(text: &str, count: u64) -> String {
    let values = if count == 1 { "the only value".to_owned() } else { format!("all {count} values") };
    let (grouping, decimal) = if text.contains('.') { ('.', ',') } else { (',', '.') };
    let set = if grouping == '.' { "" } else { " and set `myDecimal` to ," };
    format!(
        "\"{text}\" may be a whole number in groups of three or a number with three decimals: {values} with `{grouping}` \
         have three digits after it. For whole numbers, write integer and set `myGrouping` to {grouping} and `myDecimal` to \
         {decimal}; for decimals, write numeric{set}"
    )
}

fn code_remark(stats: &Stats) -> String {
    let code = stats.numbers.code.as_deref().unwrap_or_default();
    format!("\"{code}\" has a zero or a plus at its start, which numbers lose")
}

fn truth(stats: &Stats, pair: usize) -> Verdict {
    let words = words::TRUTHS[pair];
    if !words.may_be_alone && stats.truths[pair] != [true, true] {
        return Verdict::of(SqlType::Text);
    }
    Verdict::of(SqlType::Boolean)
}

fn moment(stats: &Stats, order: Option<Order>) -> Verdict {
    let (moments, real) = (&stats.moments, stats.real());
    let mut verdict = Verdict::of(match () {
        () if moments.offsets > 0 => SqlType::Timestamptz,
        () if moments.times > 0 => SqlType::Timestamp,
        () => SqlType::Date,
    });
    let dates = stats.fits(Class::Moment).min(real);
    if moments.offsets > 0 && moments.offsets < dates {
        verdict = verdict.but(format!(
            "{} of {dates} values have no offset from UTC, so their moment is not known",
            dates - moments.offsets
        ));
    }
    for shape in &moments.shapes {
        let Some(best) = shape.ways.iter().max_by_key(|way| way.fits) else { continue };
        let whole: Vec<_> = shape.whole().collect();
        let chosen = match whole[..] {
            [] => best,
            [only] => only,
            _ => {
                // Nobody writes 12.31.2025.
                let dotted = shape.ways[0].reading.pattern.text().contains("dd.MM.");
                let known = order.or(dotted.then_some(Order::DayFirst));
                match whole.iter().find(|way| Some(way.reading.order) == known) {
                    Some(known) => *known,
                    None => {
                        let patterns: Vec<String> =
                            whole.iter().map(|way| way.reading.pattern.text().to_owned()).collect();
                        let text = whole[0].span.least.as_ref().map_or("", |(_, text)| text.as_str());
                        verdict = verdict.but(format!("\"{text}\" may be {}", patterns.join(" or ")));
                        verdict.ambiguous.extend(patterns);
                        continue;
                    }
                }
            }
        };
        verdict.patterns.push(chosen.reading.pattern.text().to_owned());
        let missed = shape.read - chosen.fits;
        if missed > 0 {
            verdict.misfits.0 += missed;
            verdict.misfits.1.extend(chosen.misfits.iter().cloned());
            verdict =
                verdict.but(format!("no single order of day and month reads all dates: {missed} differ"));
        }
        if shape.has_short_years() {
            verdict.remarks.push("years have two digits".to_owned());
        }
    }
    verdict
}

fn number(stats: &Stats, name: &str, form: usize, is_proven: bool) -> Verdict {
    let (numbers, real) = (&stats.numbers, stats.real());
    let by_form = &numbers.forms[form];
    let (decimal, grouping) = number::FORMS[form];
    if numbers.digits == 0 {
        return Verdict::of(SqlType::Text);
    }
    if numbers.codes > 0 {
        return Verdict { remarks: vec![code_remark(stats)], ..Verdict::of(SqlType::Text) };
    }
    let least = by_form.least.as_ref().map_or(0.0, |(value, _)| *value);
    let most = by_form.most.as_ref().map_or(0.0, |(value, _)| *value);
    let size = least.abs().max(most.abs());
    let is_whole = by_form.fractions == 0;
    if is_whole && numbers.compact_dates == real && is_name_of_date(name) {
        let mut verdict = Verdict::of(SqlType::Date);
        verdict.remarks.push("the dates are eight digits".to_owned());
        return verdict;
    }
    let mut verdict = Verdict::of(match () {
        () if numbers.exponents > 0 && numbers.digits <= DOUBLE_DIGITS => SqlType::Double,
        () if !is_whole || size >= BEYOND_BIGINT => SqlType::Numeric,
        () if size > LARGEST_INTEGER => SqlType::Bigint,
        () => SqlType::Integer,
    });
    if numbers.currencies.len() > 1 {
        let all: Vec<_> = numbers.currencies.iter().copied().collect();
        verdict = verdict.but(format!("it has several currencies ({})", all.join(", ")));
    }
    if numbers.percentages > 0 && numbers.percentages < real {
        verdict = verdict.but("some numbers are percentages and others are not".to_owned());
    }
    let is_grouped = grouping.is_some() && numbers.bare < real && is_whole;
    if is_grouped && numbers.bare == 0 && numbers.has_equal_groups() {
        verdict = verdict.but("all numbers have equal groups of digits, as codes have".to_owned());
    }
    let is_doubtful = by_form.proofs == 0 && !is_proven && (numbers.bare == 0 || !is_whole);
    if let Some(doubt) = by_form.doubt.as_ref().filter(|_| is_doubtful) {
        verdict = verdict.but(group_doubt(doubt, by_form.doubts));
    }
    if decimal == ',' && !is_whole {
        verdict.remarks.push("it has decimal commas".to_owned());
    }
    if numbers.exponents > 0 {
        verdict
            .remarks
            .push("some numbers have exponents; a spreadsheet may have cut their digits".to_owned());
    }
    verdict
}

fn is_name_of_date(name: &str) -> bool {
    const HINTS: [&str; 8] = ["date", "datum", "day", "tag", "fecha", "data", "birth", "jour"];
    let lower = name.to_lowercase();
    HINTS.iter().any(|hint| lower.contains(hint))
        || lower.ends_with("_at")
        || lower.ends_with("_on")
        || lower == "dob"
}

/// Makes a column text if one of its null words is also a value of a column of text. A file has one list of texts
/// that mean NULL, so a load would lose this value. Each column that becomes text can have the same effect on others.
fn keep_words(columns: &[Stats], verdicts: &mut [Verdict]) {
    loop {
        let mut kept: BTreeSet<&'static str> = BTreeSet::new();
        for (stats, verdict) in columns.iter().zip(verdicts.iter()) {
            if verdict.safe() == SqlType::Text && stats.real() > 0 {
                let is_text = |(word, found): &(&&'static str, &NullWord)| {
                    !words::is_only_null(word) || found.quoted > 0
                };
                kept.extend(stats.null_words.iter().filter(is_text).map(|(word, _)| *word));
            }
        }
        let mut has_changed = false;
        for (stats, verdict) in columns.iter().zip(verdicts.iter_mut()) {
            let conflict = stats.null_words.keys().find(|word| kept.contains(*word));
            if let Some(word) = conflict.filter(|_| verdict.safe() != SqlType::Text) {
                verdict.obstacle = Some(format!(
                    "\"{word}\" means no value here, but it is also a value of a column of text; if it means no value \
                     there, too, set `myNullValues`"
                ));
                has_changed = true;
            }
        }
        if !has_changed {
            return;
        }
    }
}

fn rules(columns: &[Stats], verdicts: &[Verdict], form: usize) -> FileRules {
    let mut rules = FileRules { form, ..FileRules::default() };
    for (stats, verdict) in columns.iter().zip(verdicts) {
        let safe = verdict.safe();
        if safe == SqlType::Text {
            let only = stats
                .null_words
                .iter()
                .filter(|(word, found)| words::is_only_null(word) && found.quoted == 0);
            rules.nulls.extend(only.map(|(word, _)| *word));
            continue;
        }
        rules.nulls.extend(stats.null_words.keys());
        rules.has_quoted_nulls |= stats.null_words.values().any(|word| word.quoted > 0);
        match safe {
            SqlType::Integer | SqlType::Bigint | SqlType::Numeric | SqlType::Double => {
                let numbers = &stats.numbers;
                rules.currencies.extend(&numbers.currencies);
                rules.has_percentages |= numbers.percentages > 0;
                rules.has_trailing_signs |= numbers.trailing_signs > 0;
                rules.has_numbers = true;
            }
            SqlType::Boolean => {
                let real = stats.real();
                let whole = (0..words::TRUTHS.len()).find(|pair| stats.fits(Class::Truth(*pair)) == real);
                let foreign = whole.map(|pair| words::TRUTHS[pair]).filter(|words| !words.is_known);
                rules.truths.extend(foreign.map(|words| (words.truth, words.falsehood)));
            }
            _ => {}
        }
    }
    rules
}
