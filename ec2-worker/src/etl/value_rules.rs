//! The rules by which a load reads the texts of a file as values: forms of dates, numbers, booleans and NULL.
//!
//! The fields are on the activity or on the data format of the file. For each field, the activity wins.

use definition::PipelineObject;
use definition::expression;
use definition::kind::{date_patterns, field};

use super::column::{Column, ColumnType, MomentType};
use super::date::Pattern;
use super::number_form::NumberForm;
use crate::hindrance::Hindrance;

/// The rules for all columns of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueRules {
    /// The patterns of dates and times, in the order in which they are tried.
    pub dates: Vec<Pattern>,
    /// The patterns for one column each.
    pub columns: Vec<ColumnPattern>,
    /// The form of numbers, if it differs from that of PostgreSQL.
    pub numbers: Option<NumberForm>,
    /// The words for true, besides those of PostgreSQL.
    pub truths: Vec<String>,
    /// The words for false, besides those of PostgreSQL.
    pub falsehoods: Vec<String>,
    /// Whether the empty text and the words for NULL mean NULL in quotes, too.
    pub quoted_nulls: bool,
}

/// A pattern for one column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnPattern {
    /// The name of the column.
    pub column: String,
    /// The pattern.
    pub pattern: Pattern,
}

/// The rules for one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnRules {
    /// The patterns of its dates and times.
    pub dates: Vec<Pattern>,
    /// Whether dates in ISO 8601 are refused, because a pattern gives them another meaning.
    pub refuses_iso: bool,
    /// The form of its numbers, if it differs from that of PostgreSQL.
    pub numbers: Option<NumberForm>,
    /// The words for true, besides those of PostgreSQL.
    pub truths: Vec<String>,
    /// The words for false, besides those of PostgreSQL.
    pub falsehoods: Vec<String>,
}

impl ColumnRules {
    /// The rules of PostgreSQL alone.
    pub const NONE: Self = Self {
        dates: Vec::new(),
        refuses_iso: false,
        numbers: None,
        truths: Vec::new(),
        falsehoods: Vec::new(),
    };
}

impl ValueRules {
    /// Reads the rules from the activity, and from the data format of its file. Texts with expressions are left out: they
    /// have a value only in a run.
    ///
    /// # Errors
    ///
    /// If a field cannot be used.
    pub fn read(activity: &PipelineObject, format: Option<&PipelineObject>) -> Result<Self, Hindrance> {
        let fields = Fields { activity, format };
        let mut columns = Vec::new();
        for (object, text) in fields.texts("myColumn") {
            columns.push(ColumnPattern::read(object, text)?);
        }
        let mut dates = Vec::new();
        for (object, text) in fields.texts("myDateFormat") {
            let refused = |what| Hindrance::new(object, "myDateFormat", format!("is unreadable: {what}"));
            dates.push(Pattern::new(text).map_err(refused)?);
        }
        check_meanings(&fields, &dates, &columns)?;
        let owned = |key| fields.texts(key).map(|(_, text)| text.trim().to_owned()).collect::<Vec<_>>();
        let (truths, falsehoods) = (owned("myTrue"), owned("myFalse"));
        let is_true = |word: &String| truths.iter().any(|truth| is_same_word(truth, word.as_bytes()));
        if let Some(both) = falsehoods.iter().find(|word| is_true(word)) {
            return Err(Hindrance::new(
                fields.holder("myFalse"),
                "myFalse",
                format!("is `{both}`, as is `myTrue`"),
            ));
        }
        let quoted_nulls = fields.boolean(&field::MY_QUOTED_NULLS)?;
        Ok(Self { dates, columns, numbers: numbers(&fields)?, truths, falsehoods, quoted_nulls })
    }

    /// Returns the texts that mean NULL: those of the activity, or else those of the data format.
    #[must_use]
    pub fn nulls(activity: &PipelineObject, format: Option<&PipelineObject>) -> Vec<String> {
        Fields { activity, format }.texts("myNullValues").map(|(_, text)| text.to_owned()).collect()
    }

    /// Returns why rules do not fit a table: a pattern is for a column that is not in the table, or that cannot hold the value
    /// of the pattern.
    #[must_use]
    pub fn problems(&self, table: &[Column]) -> Vec<String> {
        self.columns.iter().filter_map(|of| of.problem(table)).collect()
    }

    /// Returns the rules for each of `columns`.
    #[must_use]
    pub fn of_each(&self, columns: &[Column]) -> Vec<ColumnRules> {
        columns.iter().map(|column| self.of(column)).collect()
    }

    fn of(&self, column: &Column) -> ColumnRules {
        let mut rules = ColumnRules::default();
        match column.kind {
            ColumnType::Bool => {
                rules.truths.clone_from(&self.truths);
                rules.falsehoods.clone_from(&self.falsehoods);
            }
            kind if kind.has_numbers()
                || column.inside.as_ref().is_some_and(|inside| inside.has_numbers()) =>
            {
                rules.numbers.clone_from(&self.numbers);
            }
            kind => {
                let Some(moments) = kind.moments() else { return rules };
                let own = self.columns.iter().filter(|of| of.is_for(column)).map(|of| &of.pattern);
                let own: Vec<_> = own.cloned().collect();
                let all = if own.is_empty() { &self.dates } else { &own };
                rules.dates = all.iter().filter(|pattern| fits(pattern, moments)).cloned().collect();
                rules.refuses_iso = rules.dates.iter().any(Pattern::contradicts_iso);
            }
        }
        rules
    }

    /// Returns the name of a field whose rule needs the types of the values, if there is one.
    #[must_use]
    pub fn needs_types(&self) -> Option<&'static str> {
        let fields = [
            (!self.dates.is_empty(), "myDateFormat"),
            (!self.columns.is_empty(), "myColumn"),
            (self.numbers.is_some(), "myDecimal"),
            (!self.truths.is_empty(), "myTrue"),
            (!self.falsehoods.is_empty(), "myFalse"),
        ];
        fields.into_iter().find_map(|(is_set, field)| is_set.then_some(field))
    }
}

impl ColumnPattern {
    fn read(object: &PipelineObject, text: &str) -> Result<Self, Hindrance> {
        let refused = |what: String| Hindrance::new(object, "myColumn", what);
        let Some((column, pattern)) = text.trim().split_once(char::is_whitespace) else {
            let what = format!("is `{text}`; give a column and a pattern, as order_date dd/MM/yyyy");
            return Err(refused(what));
        };
        let pattern = Pattern::new(pattern.trim());
        let pattern =
            pattern.map_err(|what| refused(format!("is unreadable for column `{column}`: {what}")))?;
        Ok(Self { column: column.to_owned(), pattern })
    }

    fn is_for(&self, column: &Column) -> bool {
        self.column == column.name || self.column.eq_ignore_ascii_case(&column.name)
    }

    fn problem(&self, table: &[Column]) -> Option<String> {
        let Self { column: name, pattern } = self;
        let Some(column) = table.iter().find(|column| self.is_for(column)) else {
            return Some(format!("`myColumn` names column `{name}`, which is not there"));
        };
        let Some(moments) = column.kind.moments() else {
            let of = &column.type_name;
            return Some(format!(
                "`myColumn` has a pattern for column `{name}`, which is {of} and no date or time"
            ));
        };
        (!fits(pattern, moments)).then(|| {
            let (of, text) = (&column.type_name, pattern.text());
            format!("the pattern `{text}` of `myColumn` for column `{name}` does not give a {of}")
        })
    }
}

/// Refuses patterns for the same columns that read a text as two different dates.
fn check_meanings(
    fields: &Fields<'_>,
    dates: &[Pattern],
    columns: &[ColumnPattern],
) -> Result<(), Hindrance> {
    let refuse = |key, patterns: &[&str]| match date_patterns::ambiguous(patterns) {
        None => Ok(()),
        Some((one, other)) => {
            let what = format!("has `{one}` and `{other}`, which read the same text as two different dates");
            Err(Hindrance::new(fields.holder(key), key, what))
        }
    };
    refuse("myDateFormat", &dates.iter().map(Pattern::text).collect::<Vec<_>>())?;
    for first in columns {
        let of_column = columns.iter().filter(|of| of.column.eq_ignore_ascii_case(&first.column));
        refuse("myColumn", &of_column.map(|of| of.pattern.text()).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Returns whether a pattern can give a value of a type: a pattern for a date needs a date, and one for a time of day has no date.
fn fits(pattern: &Pattern, moments: MomentType) -> bool {
    match moments {
        MomentType::Date | MomentType::Timestamp | MomentType::TimestampTz => pattern.has_date(),
        MomentType::Time | MomentType::TimeTz => pattern.has_time() && !pattern.has_date(),
    }
}

/// Returns whether a text of a file is the declared word. Upper and lower case are equal.
#[must_use]
pub fn is_same_word(word: &str, text: &[u8]) -> bool {
    word.as_bytes().eq_ignore_ascii_case(text)
        || std::str::from_utf8(text).is_ok_and(|text| word.to_lowercase() == text.to_lowercase())
}

/// The fields of the activity and of the data format.
struct Fields<'a> {
    activity: &'a PipelineObject,
    format: Option<&'a PipelineObject>,
}

impl<'a> Fields<'a> {
    /// Returns the object whose field `key` counts.
    fn holder(&self, key: &'a str) -> &'a PipelineObject {
        let of_format = self.format.filter(|_| self.activity.values(key).next().is_none());
        of_format.unwrap_or(self.activity)
    }

    fn texts(&self, key: &'a str) -> impl Iterator<Item = (&'a PipelineObject, &'a str)> + use<'a> {
        let object = self.holder(key);
        object.strings(key).filter(|text| !expression::is_in(text)).map(move |text| (object, text))
    }

    fn boolean(&self, of: &field::Optional<bool>) -> Result<bool, Hindrance> {
        let key = of.spec().key;
        let mut texts = self.texts(key);
        let Some((object, text)) = texts.next() else { return Ok(false) };
        of.parse(text).map_err(|_| Hindrance::new(object, key, format!("is `{text}`; give true or false")))
    }

    fn character(&self, key: &'static str) -> Result<Option<char>, Hindrance> {
        let Some((object, text)) = self.texts(key).next() else { return Ok(None) };
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) if !only.is_ascii_alphanumeric() && !"+-%".contains(only) => Ok(Some(only)),
            _ => {
                let what =
                    format!("is `{text}`; give one character that is not a letter, a digit, +, - or %");
                Err(Hindrance::new(object, key, what))
            }
        }
    }
}

fn numbers(fields: &Fields<'_>) -> Result<Option<NumberForm>, Hindrance> {
    let (decimal, grouping) = (fields.character("myDecimal")?, fields.character("myGrouping")?);
    let form = NumberForm {
        decimal: decimal.unwrap_or('.'),
        grouping,
        currencies: fields.texts("myCurrency").map(|(_, text)| text.trim().to_owned()).collect(),
        percent: fields.boolean(&field::MY_PERCENT)?,
        trailing_sign: fields.boolean(&field::MY_TRAILING_SIGN)?,
    };
    if form.grouping == Some(form.decimal) {
        let what = format!("is `{0}`, as is the decimal character; give another `myDecimal`", form.decimal);
        return Err(Hindrance::new(fields.holder("myGrouping"), "myGrouping", what));
    }
    Ok(Some(form).filter(|form| *form != NumberForm::default()))
}
