//! The reasons why a text is not a value of its column. Each reason ends with a remedy, because the person who reads it has to
//! change something: the file, a field of the definition, or the table.

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
        ColumnType::Bool => format!(
            "{value} is not a boolean, and no word of `myTrue` or `myFalse`; correct the value, or add the word to one of them"
        ),
        ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 if super::number::is_integer(text) => {
            range(column, text)
        }
        ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 if is_share(text) => format!(
            "{value} is not a whole number: it is a share, such as 0.12 for 12%; give the column the type numeric and set `myPercent` true, or \
             write the number without a percent sign"
        ),
        ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 => {
            format!("{value} is not a whole number{}", whole_number_hint(column, rules, text))
        }
        ColumnType::Money if is_share(text) => format!(
            "{value} is not an amount of money (as 1234.56): a share has no place in it, because money has two decimals; write the amount, or \
             give the column the type numeric, for which `myPercent` takes a percent sign"
        ),
        ColumnType::Money if rules.numbers.is_none() && has_many_decimals(text) => format!(
            "{value} is not an amount of money (as 1234.56): money has two decimals; if the point groups digits, say so by \
             `myDecimal` and `myGrouping`, and otherwise round the value, or give the column the type numeric"
        ),
        ColumnType::Money => {
            format!("{value} is not an amount of money (as 1234.56){}", number_hint(rules, text))
        }
        _ if column.kind.is_number() => format!("{value} is not a number{}", number_hint(rules, text)),
        ColumnType::Uuid => {
            format!("{value} is not a uuid (as 123e4567-e89b-12d3-a456-426614174000); {}", other_text(text))
        }
        ColumnType::Bytea => format!(
            "{value} is not a bytea; write bytes as pairs of hexadecimal digits after \\x, and a backslash in a text twice"
        ),
        ColumnType::Byte(_) => format!(
            "{value} is not a \"char\", which is one byte, and PostgreSQL would drop the rest; shorten the value, or give the column the type text"
        ),
        ColumnType::Id => {
            format!(
                "{value} is not {}, a whole number without a sign or a leading zero that fits the type; correct the value",
                with_article(&column.type_name)
            )
        }
        _ => format!("{value} is not {}; {}", with_article(&column.type_name), other_text(text)),
    }
}

/// Returns the name of a type with its article. The names of letters count for `xid` and `xml`.
#[must_use]
pub(in super::super) fn with_article(name: &str) -> String {
    let first = name.trim_start_matches('"').chars().next().map(|first| first.to_ascii_lowercase());
    let article = if matches!(first, Some('a' | 'e' | 'i' | 'o' | 'x')) { "an" } else { "a" };
    format!("{article} {name}")
}

/// Returns whether more than two digits follow the decimal point.
fn has_many_decimals(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'.').nth(1).is_some_and(|decimals| decimals.len() > 2)
}

/// Returns the remedy for a text that does not have the form of its type, for any form.
fn other_text(text: &[u8]) -> &'static str {
    if text.iter().any(u8::is_ascii_digit) {
        "correct the value"
    } else {
        "correct the value, or give the text to `myNullValues` if it means that there is no value"
    }
}

/// Returns the reason why `text` does not fit into the column.
#[cold]
pub(super) fn range(column: &Column, text: &[u8]) -> String {
    let remedy = match column.kind {
        ColumnType::Int2 | ColumnType::Int4 => "correct the value, or give the column the type bigint",
        ColumnType::Int8 => "correct the value, or give the column the type numeric, or text if it is an id",
        ColumnType::Float4 => "correct the value, or give the column the type double precision or numeric",
        ColumnType::Float8 => "correct the value, or give the column the type numeric",
        _ => "correct the value, or allow more digits in the type of the column",
    };
    format!("{} is out of range for {}; {remedy}", shown(text), column.type_name)
}

fn moment_refusal(column: &Column, moments: MomentType, rules: &ColumnRules, text: &[u8]) -> String {
    let (value, of) = (shown(text), &column.type_name);
    if matches!(moments, MomentType::Date | MomentType::Timestamp) && moment::would_lose(rules, text) {
        let lost =
            if moments == MomentType::Date { "a time of day or an offset" } else { "an offset from UTC" };
        let wider = if moments == MomentType::Date { "timestamp or timestamptz" } else { "timestamptz" };
        return format!(
            "{value} is not a {of}: it has {lost}, which the column would lose; leave it out, or give the column the type \
             {wider}"
        );
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
        if rules.dates.iter().any(|pattern| pattern.lacks_a_zero(text)) {
            return format!(
                "{value} is not a {of} written as {}{or}: a digit is missing; has a leading zero been lost? Write all digits",
                patterns.join(" or ")
            );
        }
        return format!(
            "{value} is not a {of} written as {}{or}; correct the value, or add its form as a `myDateFormat`",
            patterns.join(" or ")
        );
    }
    let of = if moments == MomentType::Date && matches!(column.kind, ColumnType::Date) { "date" } else { of };
    format!("{value} is not a {of} (as {example}); {}", moment_hint(moments, text))
}

/// Returns what to do with a text that is not a date or time, if no pattern is declared.
fn moment_hint(moments: MomentType, text: &[u8]) -> &'static str {
    let has_date = matches!(moments, MomentType::Date | MomentType::Timestamp | MomentType::TimestampTz);
    let separated = text.iter().any(|byte| matches!(byte, b'/' | b'.' | b'-'));
    let begins_with_digit = text.first().is_some_and(u8::is_ascii_digit);
    match () {
        () if text.windows(2).any(|two| two == b"\xc2\xa0") => {
            "it has a no-break space (U+00A0), which looks like a blank: write a blank, or leave it out"
        }
        () if is_week(text) => {
            "it is a week, and no day: write the day, or load the text into a column of text"
        }
        () if ends_with_abbreviation(text) => {
            "the short name of a time zone has several meanings: write the offset from UTC, such as -05:00, in place of it"
        }
        () if has_date && is_serial_number(text) => {
            "a number may count the days of a spreadsheet: give its cells a date format there, and save the file again"
        }
        () if is_iso_form(text) && has_zone(text) => {
            "there is no such day, time or zone: correct the value, or write the offset from UTC, such as +01:00, in place of the zone"
        }
        () if is_iso_form(text) => "there is no such day or time: correct the value",
        () if has_date && separated && begins_with_digit => {
            "another form needs `myDateFormat`, such as dd/MM/yyyy"
        }
        () if begins_with_digit => "correct the value, or declare its form by `myDateFormat`",
        () => other_text(text),
    }
}

/// Returns whether the text may be the serial number of a day from 1954 to 2064, or of a time on it, as spreadsheets store it.
fn is_serial_number(text: &[u8]) -> bool {
    let days = text.split(|byte| *byte == b'.').next().unwrap_or_default();
    let is_number = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    is_number && days.len() == 5 && (b'2'..=b'5').contains(&days[0])
}

/// Returns whether the text begins in the form of an ISO date, whatever the numbers are.
fn is_iso_form(text: &[u8]) -> bool {
    text.get(..5).is_some_and(|year| year[..4].iter().all(u8::is_ascii_digit) && year[4] == b'-')
}

/// Returns whether the text is a week of ISO 8601, such as `2025-W05` or `2025W05-3`.
fn is_week(text: &[u8]) -> bool {
    let rest = text.get(4..).unwrap_or_default();
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    text.iter().take(4).all(u8::is_ascii_digit)
        && matches!(rest, [b'W' | b'w', first, ..] if first.is_ascii_digit())
}

/// Returns whether a time is followed by the short name of a zone, such as `EST`.
fn ends_with_abbreviation(text: &[u8]) -> bool {
    let letters = text.iter().rev().take_while(|byte| byte.is_ascii_uppercase()).count();
    let before = text[..text.len() - letters].trim_ascii_end();
    let is_half_day = text.ends_with(b"AM") || text.ends_with(b"PM");
    (2..=5).contains(&letters)
        && !is_half_day
        && before.contains(&b':')
        && before.last().is_some_and(u8::is_ascii_digit)
}

/// Returns whether the name of a zone, such as `Europe/Berlin`, is in the text.
fn has_zone(text: &[u8]) -> bool {
    text.windows(3)
        .any(|three| three[1] == b'/' && three[0].is_ascii_alphabetic() && three[2].is_ascii_alphabetic())
}

/// Returns the advice about a text that is not a whole number. The text may be a number with a fraction.
fn whole_number_hint(column: &Column, rules: &ColumnRules, text: &[u8]) -> String {
    // The number form may have been applied already.
    let plain = rules.numbers.as_ref().and_then(|form| form.plain(text));
    let is_number =
        [Some(text), plain.as_deref()].iter().flatten().any(|text| super::number::float8(text).is_ok());
    if is_number && text.iter().any(u8::is_ascii_digit) {
        let of = &column.type_name;
        return format!(
            ": {of} takes no decimal point and no exponent; leave them out, or give the column the type numeric"
        );
    }
    number_hint(rules, text)
}

/// Returns whether the text is a number with a percent sign.
fn is_share(text: &[u8]) -> bool {
    let number = text.trim_ascii().strip_suffix(b"%").map(<[u8]>::trim_ascii_end);
    number.is_some_and(|number| {
        number.iter().any(u8::is_ascii_digit) && number.iter().all(|byte| !byte.is_ascii_alphabetic())
    })
}

fn number_hint(rules: &ColumnRules, text: &[u8]) -> String {
    let has = |byte: u8| text.contains(&byte);
    let digits = text.iter().any(u8::is_ascii_digit);
    if !digits || text.iter().filter(|byte| byte.is_ascii_alphabetic()).count() > 3 {
        return format!("; {}", other_text(text));
    }
    if let Some(hint) = odd_character(text) {
        return format!("; {hint}");
    }
    let form = rules.numbers.as_ref();
    if let Some(form) = form.filter(|_| has(b',') || has(b'.')) {
        let grouping = form.grouping.map_or_else(|| "none".to_owned(), |c| format!("`{c}`"));
        return format!(
            " (decimal character `{}`, grouping character {grouping}); correct the value, or `myDecimal` and `myGrouping`",
            form.decimal
        );
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
        () => "correct the value",
    };
    format!("; {hint}")
}

/// Returns what to do about a character that looks like a sign or like nothing, and that no form of numbers takes.
fn odd_character(text: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(text).ok()?;
    text.chars().find_map(|letter| match letter {
        '\u{2212}' | '\u{2010}'..='\u{2015}' | '\u{fe63}' | '\u{ff0d}' => {
            Some("its sign is a dash such as U+2212, and not the minus sign of the keyboard: write `-`")
        }
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => Some("it has a character that is not shown, such as U+200B or U+200E: leave it out"),
        _ => None,
    })
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
