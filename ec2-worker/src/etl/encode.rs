//! Checks one value of a file, and encodes it in the binary form of PostgreSQL or as text.
//!
//! The encoder refuses the values that PostgreSQL would refuse, with a reason that helps a person to correct the file.
//! So the worker finds nearly every bad row without the database. [`binary`] and [`plain`] use the same functions, so a
//! text has the same meaning in both forms.

use std::borrow::Cow;

use super::column::{Column, ColumnType};
use super::value_rules::ColumnRules;
use number::NoFloat;
use refusal::{range, refusal};

mod blanks;
mod interval;
mod moment;
mod nested;
mod number;
mod numeric;
mod other;
mod refusal;

pub use interval::rounds_seconds;
pub use nested::any_inside;
pub use numeric::loses_digits;
pub use refusal::shown;

/// Appends the length and the binary form of `text` to `out`.
///
/// # Errors
///
/// If `text` is not a value of the column's type. The message says why. `out` may then contain a part of the value.
#[inline]
pub fn binary(column: &Column, rules: &ColumnRules, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let value = if column.kind.keeps_spaces() { text } else { text.trim_ascii() };
    let encoded = if rules.numbers.is_some() {
        by_number_form(column, rules, value).and_then(|plain| {
            encode(column, rules, &plain, out).map_err(|reason| as_written(&reason, &plain, value))
        })
    } else {
        encode(column, rules, value, out)
    };
    encoded.map_err(|reason| as_written(&reason, value, text))
}

#[inline]
fn encode(column: &Column, rules: &ColumnRules, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let refused = || refusal(column, rules, text);
    match column.kind {
        ColumnType::Int4 => fixed(out, int4(column, rules, text)?.to_be_bytes()),
        ColumnType::Int8 => fixed(out, number::integer(text).ok_or_else(refused)?.to_be_bytes()),
        ColumnType::Int2 => fixed(out, int2(column, rules, text)?.to_be_bytes()),
        ColumnType::Numeric(limits) => numeric::numeric(column, limits, rules, text, out)?,
        ColumnType::Text(limit) => sized(out, other::characters(limit, text)?),
        ColumnType::Date => fixed(out, moment::day(rules, text).ok_or_else(refused)?.to_be_bytes()),
        ColumnType::Timestamp => {
            fixed(out, moment::timestamp(rules, text).ok_or_else(refused)?.to_be_bytes())
        }
        ColumnType::TimestampTz => {
            fixed(out, moment::instant(rules, text).ok_or_else(refused)?.to_be_bytes())
        }
        ColumnType::Time => fixed(out, moment::time(rules, text).ok_or_else(refused)?.to_be_bytes()),
        ColumnType::TimeTz => {
            let (micros, east) = moment::time_tz(rules, text).ok_or_else(refused)?;
            out.extend_from_slice(&12_u32.to_be_bytes());
            out.extend_from_slice(&micros.to_be_bytes());
            // PostgreSQL counts the seconds west of UTC here.
            out.extend_from_slice(&(-east).to_be_bytes());
        }
        ColumnType::Bool => fixed(out, [u8::from(other::truth(rules, text).ok_or_else(refused)?)]),
        ColumnType::Float8 => fixed(out, float(column, rules, text, number::float8)?.to_be_bytes()),
        ColumnType::Float4 => fixed(out, float(column, rules, text, number::float4)?.to_be_bytes()),
        ColumnType::Uuid => fixed(out, other::uuid(text).ok_or_else(refused)?),
        ColumnType::Json => {
            other::json(text)?;
            sized(out, text);
        }
        ColumnType::Jsonb => {
            other::json(text)?;
            // The binary form of jsonb begins with the version number 1.
            out.extend_from_slice(&(text.len() as u32 + 1).to_be_bytes());
            out.push(1);
            out.extend_from_slice(text);
        }
        ColumnType::Bytea => sized(out, &other::bytea(column, rules, text)?),
        ColumnType::Enum(_)
        | ColumnType::Each(_)
        | ColumnType::Money
        | ColumnType::Interval(_)
        | ColumnType::Numbers
        | ColumnType::Byte(_)
        | ColumnType::Id
        | ColumnType::Other
        | ColumnType::OtherText => sized(out, text),
    }
    Ok(())
}

/// Checks `text` as [`binary`] does, and returns a text that PostgreSQL reads as the same value under every setting.
///
/// # Errors
///
/// The errors of [`binary`].
pub fn plain<'a>(column: &Column, rules: &ColumnRules, text: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    let value = if column.kind.keeps_spaces() { text } else { text.trim_ascii() };
    let checked = if rules.numbers.is_some() {
        by_number_form(column, rules, value).and_then(|number| {
            let checked = checked(column, rules, &number).map(|checked| Cow::Owned(checked.into_owned()));
            checked.map_err(|reason| as_written(&reason, &number, value))
        })
    } else {
        checked(column, rules, value)
    };
    checked.map_err(|reason| as_written(&reason, value, text))
}

fn checked<'a>(column: &Column, rules: &ColumnRules, text: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    let refused = || refusal(column, rules, text);
    // The dates and times of these types are rewritten, which checks them.
    if let Some(inside) = column.inside.as_deref().filter(|_| !matches!(column.kind, ColumnType::Each(_))) {
        return nested::check(column, inside, rules, text).map(|()| Cow::Borrowed(text));
    }
    match column.kind {
        ColumnType::Int4 => int4(column, rules, text).map(drop)?,
        ColumnType::Int8 => number::integer(text).map(drop).ok_or_else(refused)?,
        ColumnType::Int2 => int2(column, rules, text).map(drop)?,
        ColumnType::Float8 => float(column, rules, text, number::float8).map(drop)?,
        ColumnType::Float4 => float(column, rules, text, number::float4).map(drop)?,
        ColumnType::Uuid => other::uuid(text).map(drop).ok_or_else(refused)?,
        ColumnType::Json | ColumnType::Jsonb => other::json(text)?,
        ColumnType::Numeric(limits) => return numeric::text(column, limits, rules, text),
        ColumnType::Text(limit) => return other::characters(limit, text).map(Cow::Borrowed),
        ColumnType::Bytea => {
            return other::bytea(column, rules, text).map(|bytes| Cow::Owned(other::hex(&bytes)));
        }
        ColumnType::Bool => {
            let word = if other::truth(rules, text).ok_or_else(refused)? { "true" } else { "false" };
            return Ok(Cow::Borrowed(word.as_bytes()));
        }
        ColumnType::Each(moments) => {
            let each = moment::each(moments, rules, text);
            return each.map(Cow::Owned).map_err(|element| refusal(column, rules, &element));
        }
        ColumnType::Money => other::money(rules.numbers.is_some(), text).ok_or_else(refused)?,
        ColumnType::Interval(finest) => interval::check(finest, text).map_err(|what| {
            format!("{} is not an {} (as 1.5 hours or -01:30:00): {what}", shown(text), column.type_name)
        })?,
        ColumnType::Byte(is_letter) => other::byte(is_letter, text).ok_or_else(refused)?,
        ColumnType::Id => {
            let most = if column.type_name == "xid8" { u64::MAX } else { u64::from(u32::MAX) };
            other::id(most, column.type_name == "oid", text).ok_or_else(refused)?;
        }
        ColumnType::Enum(_) | ColumnType::Numbers | ColumnType::Other | ColumnType::OtherText => {}
        ColumnType::Date
        | ColumnType::Timestamp
        | ColumnType::TimestampTz
        | ColumnType::Time
        | ColumnType::TimeTz => {
            let moments = column.kind.moments().ok_or_else(refused)?;
            let iso = moment::rewritten(moments, rules, text).ok_or_else(refused)?;
            return Ok(Cow::Owned(iso.into_bytes()));
        }
    }
    Ok(Cow::Borrowed(text))
}

/// Appends `text` to `out` in the text format of `COPY`, after the same checks as in [`binary`].
///
/// # Errors
///
/// The errors of [`binary`].
pub fn text(column: &Column, rules: &ColumnRules, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    for byte in plain(column, rules, text)?.iter() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.push(*other),
        }
    }
    Ok(())
}

/// Returns a reason that quotes the text of the file instead of the value that was made of it.
#[cold]
fn as_written(reason: &str, plain: &[u8], text: &[u8]) -> String {
    reason.replacen(&shown(plain), &shown(text), 1)
}

fn by_number_form<'a>(column: &Column, rules: &ColumnRules, text: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    let Some(form) = &rules.numbers else { return Ok(Cow::Borrowed(text)) };
    if matches!(column.kind, ColumnType::Interval(_) | ColumnType::Numbers) {
        let is_list = column.kind == ColumnType::Numbers;
        return other::without_form(form, is_list, text).map(|()| Cow::Borrowed(text)).ok_or_else(|| {
            let remedy = match column.kind {
                ColumnType::Interval(_) if form.grouping == Some('.') => {
                    "write it in whole numbers, such as 90 minutes for 1.5 hours, and a blank after each comma"
                }
                _ => nested::written_plainly(Some(form)),
            };
            format!(
                "{} is {}, in which numbers are written as PostgreSQL writes them, because `myDecimal` and `myGrouping` do not \
                 count inside it; {remedy}",
                shown(text),
                refusal::with_article(&column.type_name)
            )
        });
    }
    // The numbers inside are checked one by one.
    if column.inside.is_some() {
        return Ok(Cow::Borrowed(text));
    }
    let plain = form.plain(text).ok_or_else(|| refusal(column, rules, text))?;
    if let ColumnType::Numeric(Some((_, scale))) = column.kind
        && text.contains(&b'%')
        && loses_digits(scale, &plain)
    {
        return Err(format!(
            "{} is a share with more decimals than the column has, which would round it; give the column the type numeric",
            shown(text)
        ));
    }
    Ok(plain)
}

#[inline]
fn int4(column: &Column, rules: &ColumnRules, text: &[u8]) -> Result<i32, String> {
    let wide = number::integer(text).ok_or_else(|| refusal(column, rules, text))?;
    i32::try_from(wide).map_err(|_| range(column, text))
}

#[inline]
fn int2(column: &Column, rules: &ColumnRules, text: &[u8]) -> Result<i16, String> {
    let wide = number::integer(text).ok_or_else(|| refusal(column, rules, text))?;
    i16::try_from(wide).map_err(|_| range(column, text))
}

fn float<T>(
    column: &Column,
    rules: &ColumnRules,
    text: &[u8],
    read: fn(&[u8]) -> Result<T, NoFloat>,
) -> Result<T, String> {
    read(text).map_err(|why| match why {
        NoFloat::Unreadable => refusal(column, rules, text),
        NoFloat::OutOfRange => range(column, text),
    })
}

/// Appends the length and the bytes of a value of at most 16 bytes.
#[inline]
fn fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    const { assert!(N <= 16) };
    let mut all = [0; 20];
    all[..4].copy_from_slice(&(N as u32).to_be_bytes());
    all[4..4 + N].copy_from_slice(&bytes);
    out.extend_from_slice(&all[..4 + N]);
}

#[inline]
fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    // `myMaxRecordBytes` allows a gigabyte at most, so the length fits into 32 bits.
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use postgres_types::private::BytesMut;
    use postgres_types::{ToSql, Type};

    use super::*;

    fn encode(kind: ColumnType, text: &str) -> Result<Vec<u8>, String> {
        let column = Column::of("c", "the type", kind);
        let mut out = Vec::new();
        binary(&column, &ColumnRules::default(), text.as_bytes(), &mut out).map(|()| out[4..].to_vec())
    }

    fn theirs(value: &dyn ToSql, ty: &Type) -> Vec<u8> {
        let mut out = BytesMut::new();
        value.to_sql_checked(ty, &mut out).expect("a value of that type");
        out.to_vec()
    }

    #[test]
    fn fixed_types_are_encoded_as_the_driver_encodes_them() {
        assert_eq!(encode(ColumnType::Int4, " -42 "), Ok(theirs(&-42_i32, &Type::INT4)));
        assert_eq!(encode(ColumnType::Int8, "9223372036854775807"), Ok(theirs(&i64::MAX, &Type::INT8)));
        assert_eq!(encode(ColumnType::Bool, "Yes"), Ok(vec![1]));
        assert_eq!(encode(ColumnType::Float8, "1e3"), Ok(theirs(&1000_f64, &Type::FLOAT8)));
        let date: jiff::civil::Date = "2025-12-31".parse().expect("a date");
        assert_eq!(encode(ColumnType::Date, "2025-12-31"), Ok(theirs(&date, &Type::DATE)));
        let at: jiff::Timestamp = "2025-12-31T22:59:59.5Z".parse().expect("a time");
        assert_eq!(
            encode(ColumnType::TimestampTz, "2025-12-31 23:59:59.5+01"),
            Ok(theirs(&at, &Type::TIMESTAMPTZ))
        );
        assert_eq!(encode(ColumnType::Bytea, "\\x00ff"), Ok(vec![0, 255]));
        assert_eq!(encode(ColumnType::Jsonb, "{}"), Ok(vec![1, b'{', b'}']));
        assert_eq!(encode(ColumnType::Uuid, "00000000-0000-0000-0000-0000000000ff").map(|b| b[15]), Ok(255));
    }

    #[test]
    fn numerics_are_base_ten_thousand_without_zero_groups() {
        let parts = |text| {
            let bytes = encode(ColumnType::Numeric(None), text).expect("a number");
            bytes.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect::<Vec<_>>()
        };
        assert_eq!(parts("12345.6"), [3, 1, 0, 1, 1, 2345, 6000]);
        assert_eq!(parts("-0.00012"), [2, -1, 0x4000, 5, 1, 2000]);
        assert_eq!(parts("0.00"), [0, 0, 0, 2]);
        assert_eq!(parts("10000"), [1, 1, 0, 0, 1]);
        assert_eq!(parts("0.000012"), [1, -2, 0, 6, 1200]);
        assert_eq!(parts("1.5e3"), parts("1500"));
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_with_a_reason() {
        let reason = |kind, text| encode(kind, text).expect_err("refused");
        for (kind, text, says) in [
            (ColumnType::Int4, "abc", "\"abc\" is not a whole number; "),
            (ColumnType::Int4, "3000000000", "\"3000000000\" is out of range for the type; "),
            (
                ColumnType::Int8,
                "99999999999999999999",
                "\"99999999999999999999\" is out of range for the type; ",
            ),
            (ColumnType::Date, "2023-02-30", "\"2023-02-30\" is not a date (as 2025-12-31); "),
            (ColumnType::Text(Some(2)), "äöü", "\"äöü\" has 3 characters, but the column takes 2; "),
            (ColumnType::Numeric(Some((5, 2))), "1234.5", "\"1234.5\" is out of range for the type; "),
        ] {
            let reason = reason(kind, text);
            assert!(reason.starts_with(says), "{reason}");
        }
        assert!(reason(ColumnType::Timestamp, "2023-02-01T00:00:00+02:00").contains("is not a"));
        assert!(encode(ColumnType::Text(Some(3)), "äöü").is_ok());
    }

    #[test]
    fn a_refused_number_is_shown_as_the_file_has_it() {
        let german =
            crate::etl::number_form::NumberForm { decimal: ',', grouping: Some('.'), ..Default::default() };
        let rules = ColumnRules { numbers: Some(german), ..ColumnRules::default() };
        let column = |kind| Column::of("c", "the type", kind);
        for (kind, text) in [
            (ColumnType::Int4, "1.234,56"),
            (ColumnType::Int4, "3.000.000.000"),
            (ColumnType::Int2, "40.000"),
            (ColumnType::Numeric(Some((4, 2))), "1.234,56"),
            (ColumnType::Float4, "1,5e99"),
        ] {
            let column = column(kind);
            let reasons = [
                binary(&column, &rules, text.as_bytes(), &mut Vec::new()).expect_err("refused"),
                plain(&column, &rules, text.as_bytes()).expect_err("refused"),
            ];
            for reason in reasons {
                assert!(reason.starts_with(&format!("\"{text}\" is ")), "{reason}");
            }
        }
    }

    #[test]
    fn the_text_form_escapes_the_special_characters_of_copy() {
        let column = Column::of("c", "int4[]", ColumnType::Other);
        let mut out = Vec::new();
        text(&column, &ColumnRules::default(), b"a\\\t\n", &mut out).expect("text");
        assert_eq!(out, b"a\\\\\\t\\n");
    }
}
