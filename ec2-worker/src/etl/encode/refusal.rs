//! The reasons why a text is not a value of its column.

use super::super::column::{Column, ColumnType, MomentType};
use super::super::value_rules::ColumnRules;
use super::moment;

/// Returns the reason why `text` is not a value of the column.
#[cold]
pub(super) fn refusal(column: &Column, rules: &ColumnRules, text: &[u8]) -> String {
    let value = shown(text);
    if let Some(moments) = column.kind.moments() {
        return moment_refusal(column, moments, rules, text);
    }
    match column.kind {
        ColumnType::Bool if rules.truths.is_empty() && rules.falsehoods.is_empty() => {
            format!(
                "{value} is not a boolean (true, false, t, f, yes, no, 1, 0); other words need `myTrue` and `myFalse`"
            )
        }
        ColumnType::Bool => format!("{value} is not a boolean, and no word of `myTrue` or `myFalse`"),
        ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 if super::number::is_integer(text) => {
            range(column, text)
        }
        ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 => {
            format!("{value} is not a whole number{}", number_hint(rules, text))
        }
        ColumnType::Money => {
            format!("{value} is not an amount of money (as 1234.56){}", number_hint(rules, text))
        }
        _ if column.kind.is_number() => format!("{value} is not a number{}", number_hint(rules, text)),
        _ => format!("{value} is not a {}", column.type_name),
    }
}

/// Returns the reason why `text` does not fit into the column.
#[cold]
pub(super) fn range(column: &Column, text: &[u8]) -> String {
    format!("{} is out of range for {}", shown(text), column.type_name)
}

fn moment_refusal(column: &Column, moments: MomentType, rules: &ColumnRules, text: &[u8]) -> String {
    let (value, of) = (shown(text), &column.type_name);
    if matches!(moments, MomentType::Date | MomentType::Timestamp) && moment::would_lose(rules, text) {
        let lost =
            if moments == MomentType::Date { "a time of day or an offset" } else { "an offset from UTC" };
        return format!("{value} is not a {of}: it has {lost}, which the column would lose");
    }
    let example = match moments {
        MomentType::Date => "2025-12-31",
        MomentType::Timestamp | MomentType::TimestampTz => "2025-12-31T23:59:59",
        MomentType::Time => "23:59:59",
        MomentType::TimeTz => "23:59:59+01:00",
    };
    if !rules.dates.is_empty() {
        let patterns: Vec<&str> = rules.dates.iter().map(super::super::date::Pattern::text).collect();
        let or = if rules.refuses_iso { String::new() } else { format!(", or as {example}") };
        return format!("{value} is not a {of} written as {}{or}", patterns.join(" or "));
    }
    let separated = text.iter().any(|byte| matches!(byte, b'/' | b'.' | b'-'));
    let hint = match moments {
        MomentType::Date | MomentType::Timestamp | MomentType::TimestampTz
            if separated && text.first().is_some_and(u8::is_ascii_digit) && !is_iso_form(text) =>
        {
            "; another form needs `myDateFormat`, such as dd/MM/yyyy"
        }
        _ => "",
    };
    let of = if moments == MomentType::Date && matches!(column.kind, ColumnType::Date) { "date" } else { of };
    format!("{value} is not a {of} (as {example}){hint}")
}

/// Returns whether the text begins in the form of an ISO date, whatever the numbers are.
fn is_iso_form(text: &[u8]) -> bool {
    text.get(..5).is_some_and(|year| year[..4].iter().all(u8::is_ascii_digit) && year[4] == b'-')
}

fn number_hint(rules: &ColumnRules, text: &[u8]) -> String {
    let has = |byte: u8| text.contains(&byte);
    let digits = text.iter().any(u8::is_ascii_digit);
    if !digits || text.iter().filter(|byte| byte.is_ascii_alphabetic()).count() > 3 {
        return String::new();
    }
    let form = rules.numbers.as_ref();
    if let Some(form) = form.filter(|_| has(b',') || has(b'.')) {
        let grouping = form.grouping.map_or_else(|| "none".to_owned(), |c| format!("`{c}`"));
        return format!(" (decimal character `{}`, grouping character {grouping})", form.decimal);
    }
    let hint = match () {
        () if has(b'%') => "`myPercent` takes a percent sign",
        () if has(b',') || has(b' ') || has(b'\'') || !text.is_ascii() => {
            "`myDecimal`, `myGrouping` and `myCurrency` say how numbers are written"
        }
        () if text.ends_with(b"-") || text.ends_with(b"+") => {
            "`myTrailingSign` takes a sign behind the number"
        }
        () if has(b'$') => "`myCurrency` takes a currency",
        () => return String::new(),
    };
    format!("; {hint}")
}

/// Returns the value `text` for a message: in quotes, with control characters escaped, and cut if it is long.
#[must_use]
pub fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    format!("\"{short}\"")
}
